"""More time for who asks for it, while the hub will have room (DOMAIN 5.1, promise 9)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.hubs.extensions import ExtensionRule
from server.hubs.service import find_hub
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.errors import Refusal
from server.lockers.service.occupancy import expect_at_most, find_share
from server.parcels import queries
from server.parcels.deadlines import EXTENSION_HOURS, MOST_EXTENDED_HOURS
from server.parcels.service.cooled import NOT_MEASURED, SPOILS, fit_hours, is_measured
from server.parcels.service.timing import Because, Change, set_anew
from server.parcels.states import ParcelState, Party
from server.parcels.tables import Parcel, ParcelExtension
from server.parcels.visibility import visibility_of

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

_EXTENDABLE = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB, ParcelState.EXPIRED})
_WAY_ON = "Share it with somebody who can fetch it, or come before the time is over."


@dataclass(frozen=True, slots=True)
class Wish:
    """How many more hours, and the version of the deadline that the caller saw."""

    version: int
    hours: int = EXTENSION_HOURS


@dataclass(frozen=True, slots=True)
class _Grounds:
    """By which rule it is given, and how full the hub may become and will at most."""

    rule: ExtensionRule
    limit_percent: int | None = None
    expected_percent: int | None = None
    is_forecast: bool = False


async def extend(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    wish: Wish,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """Up to 48 hours more for the recipient, the hub's managers, operators and support.

    Once, and as often again as the hub's rule says, a week in all; also late, while the parcel is
    still here. Cooled goods get no more than they keep for. The same wish again changes nothing.
    EXTENSION_REFUSED with the reason where nothing measures that, once too often, and where too
    much of the hub will be in use.
    """
    if not 0 < wish.hours <= EXTENSION_HOURS:
        rule = f"hours: must be 1 to {EXTENSION_HOURS}."
        return Refusal(ProblemCode.INPUT_INVALID, rule, "hours")
    seen = await queries.find_visible(session, parcel_id, visibility_of(actor))
    if seen is None:
        return not_found(actor, "parcel")
    own = actor.person_id is not None and seen.parcel.recipient_id == actor.person_id
    if not own and not actor.can(Permission.PARCEL_EXTEND, hub=seen.parcel.hub_id):
        return deny(actor)
    parcel = await queries.lock_parcel(session, parcel_id)
    if parcel is None or parcel.state not in _EXTENDABLE or parcel.available_through is None:
        return Refusal(ProblemCode.WRONG_STATE, "No time to collect it runs.", "parcel")
    given = await _list_given(session, parcel)
    if given and given[-1].given_by == actor.person_id and wish.version < parcel.deadline_version:
        return parcel
    if wish.version != parcel.deadline_version:
        return Refusal(ProblemCode.CHANGED_MEANWHILE, field="version")
    grounds = await _judge(session, parcel, given, hours=wish.hours, now=now)
    if isinstance(grounds, Refusal):
        return grounds
    hours = await fit_hours(session, parcel, wish.hours)
    if not hours:
        return _refuse(SPOILS)
    party = Party.REC if own else Party.SRV
    because = Because(Change.EXTENDED, party, actor.person_id)
    return await _give(session, parcel, because, grounds, hours=hours, ids=ids, now=now)


async def _give(
    session: Session,
    parcel: Parcel,
    because: Because,
    grounds: _Grounds,
    *,
    hours: int,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """Writes it down and moves the end; refused where the end would still be over, or no later."""
    before = parcel.available_through or now
    extension = ParcelExtension(
        id=ids.new(),
        parcel_id=parcel.id,
        at=now,
        given_by=because.actor_id,
        is_by_recipient=because.party is Party.REC,
        hours=hours,
        through_before=before,
        through_after=before,
        rule_version=grounds.rule.version,
        limit_percent=grounds.limit_percent,
        expected_percent=grounds.expected_percent,
        is_forecast=grounds.is_forecast,
    )
    session.add(extension)
    await session.flush()
    if not await set_anew(session, parcel, because, ids=ids, now=now):
        await session.delete(extension)
        is_over = parcel.state is ParcelState.EXPIRED
        return _refuse("its time is over for too long" if is_over else "it waits as long already")
    extension.through_after = parcel.available_through or before
    return parcel


async def _list_given(session: Session, parcel: Parcel) -> list[ParcelExtension]:
    """What was given since this wait began."""
    since = parcel.available_from
    every = await queries.list_extensions(session, [parcel.id])
    return [one for one in every if since is not None and one.at >= since]


async def _judge(
    session: Session, parcel: Parcel, given: list[ParcelExtension], *, hours: int, now: datetime
) -> _Grounds | Refusal:
    """The grounds on which so many hours are given, or why they are not."""
    if not await is_measured(session, parcel):
        return _refuse(NOT_MEASURED)
    hub = await find_hub(session, parcel.hub_id)
    rule = ExtensionRule() if hub is None else hub.extension_rule
    limit = rule.limit_percent(len(given))
    if limit is None:
        often = "once" if len(given) == 1 else f"{len(given)} times"
        return _refuse(f"it was extended {often} already")
    left = MOST_EXTENDED_HOURS - sum(one.hours for one in given)
    if hours > left:
        return _refuse(f"only {left} hours of the week that is given in all are left")
    if parcel.state is ParcelState.AT_HUB or parcel.stay_id is None:
        return _Grounds(rule)
    share, is_forecast = await _expected_share(session, parcel, hours=hours, now=now)
    if share * 100 >= limit:
        return _refuse(f"{share:.0%} of the compartments here will be in use")
    return _Grounds(rule, limit, round(share * 100), is_forecast)


async def _expected_share(
    session: Session, parcel: Parcel, *, hours: int, now: datetime
) -> tuple[float, bool]:
    """How full the hub will be at most in the time that would be added, and whether that is a
    forecast: where there is too little past for one, it is as full as it is now.
    """
    since = max(parcel.available_through or now, now)
    until = since + timedelta(hours=hours)
    foreseen = await expect_at_most(session, parcel.hub_id, since=since, until=until, now=now)
    if foreseen is not None:
        return foreseen, True
    return await find_share(session, parcel.hub_id) or 0.0, False


def _refuse(why: str) -> Refusal:
    sentence = f"No more time here because {why}."
    return Refusal(ProblemCode.EXTENSION_REFUSED, sentence, "parcel", next=_WAY_ON)
