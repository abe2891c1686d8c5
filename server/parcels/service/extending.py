"""More time for who asks for it, while the hub has room (DOMAIN 5.1, promise 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from server.kit.auth import Actor, Permission, deny, not_found
from server.kit.errors import Refusal
from server.lockers.service.occupancy import expect_occupancy, find_share
from server.parcels import queries
from server.parcels.deadlines import EXTENSION, FULL
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


async def extend(
    session: Session,
    actor: Actor,
    *,
    parcel_id: uuid.UUID,
    version: int,
    ids: Ids,
    now: datetime,
) -> Parcel | Refusal:
    """48 hours more, once, for the recipient, the hub's managers, operators and support.

    `version` is the deadline's that the caller saw; the same wish again changes nothing. Also late,
    while the parcel is still here. EXTENSION_REFUSED with the reason for cooled goods, a second
    time, and where four of five compartments are in use, or will be.
    """
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
    if given and given[-1].given_by == actor.person_id and version < parcel.deadline_version:
        return parcel
    if version != parcel.deadline_version:
        return Refusal(ProblemCode.CHANGED_MEANWHILE, field="version")
    refused = await _judge(session, parcel, given, now=now)
    if refused is not None:
        return refused
    before = parcel.available_through
    extension = ParcelExtension(
        id=ids.new(),
        parcel_id=parcel.id,
        at=now,
        given_by=actor.person_id,
        is_by_recipient=own,
        hours=int(EXTENSION.total_seconds() // 3600),
        through_before=before,
        through_after=before,
    )
    session.add(extension)
    await session.flush()
    party = Party.REC if own else Party.SRV
    because = Because(Change.EXTENDED, party, actor.person_id)
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
    session: Session, parcel: Parcel, given: list[ParcelExtension], *, now: datetime
) -> Refusal | None:
    if parcel.climate_zone is not ClimateZone.AMBIENT:
        return _refuse("cooled goods do not keep for longer")
    if given:
        return _refuse("it was extended once already")
    if parcel.state is ParcelState.AT_HUB or parcel.stay_id is None:
        return None
    share = await _expected_share(session, parcel, now=now)
    if share >= FULL:
        return _refuse(f"{share:.0%} of the compartments here will be in use")
    return None


async def _expected_share(session: Session, parcel: Parcel, *, now: datetime) -> float:
    """How full the hub will be when the time would end now, as far as anybody knows."""
    through = parcel.available_through
    if through is not None:
        expected = await expect_occupancy(session, parcel.hub_id, at=max(through, now), now=now)
        if expected is not None:
            return expected.mean
    return await find_share(session, parcel.hub_id) or 0.0


def _refuse(why: str) -> Refusal:
    sentence = f"No more time here because {why}."
    return Refusal(ProblemCode.EXTENSION_REFUSED, sentence, "parcel", next=_WAY_ON)
