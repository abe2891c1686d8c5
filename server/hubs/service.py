"""Making hubs, keeping their hours, and reading them as timetables.

Hubs are public. Whoever provisions lockers makes partners and hubs; hours are written by the hub's
own managers too.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from schema.codes import ProblemCode
from server.hubs import queries
from server.hubs.drafts import Hours, HubDraft, check_draft, check_hours, is_line
from server.hubs.extensions import ExtensionRule, check_rule
from server.hubs.rules import Closure, HubKind, Opening, Position, Timetable, join_closures
from server.hubs.tables import NAME_CHARACTERS, Hub, HubClosure, HubOpening, Partner
from server.kit import outbox
from server.kit.auth import Actor, Permission, deny
from server.kit.errors import Refusal
from server.kit.live import touch
from server.people.preferences import MAX_HUBS
from server.people.roles import PLACED_AT_HUB
from server.people.service import accounts, preferences
from server.people.service.accounts import Post, may_staff

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection, Sequence
    from datetime import date

    from server.kit.db import Session
    from server.kit.graph import Page
    from server.kit.ids import Ids
    from server.people.preferences import Preferences
    from server.people.rules import Contact


OFFERED_KINDS = frozenset(HubKind) - {HubKind.DEPOT}
"""Where recipients come to."""

CLOSURES_KEPT = timedelta(days=90)
"""Days over for longer move no deadline: none pauses for more than thirty days (`parcels`)."""

HOURS_CHANGED = "hub.hours_changed"
"""Outbox event: a hub opens at other times, or is closed on other days."""


@dataclass(frozen=True, slots=True)
class HubChoice:
    """A hub that is offered to somebody."""

    hub: Hub
    distance_m: float
    is_favourite: bool


async def create_partner(
    session: Session, actor: Actor, *, legal_name: str, ids: Ids, now: datetime
) -> Partner | Refusal:
    """A partner of this legal name; the one that exists already is returned again."""
    partner_id = ids.new()
    if not actor.can(Permission.LOCKER_PROVISION, hub=partner_id):
        return deny(actor)
    if not is_line(legal_name, NAME_CHARACTERS):
        rule = f"legalName: must be 1 to {NAME_CHARACTERS} characters on one line."
        return Refusal(ProblemCode.INPUT_INVALID, rule, "legalName")
    partner = Partner(id=partner_id, created_at=now, legal_name=legal_name.strip())
    return await queries.ensure_partner(session, partner)


async def create_hub(
    session: Session, actor: Actor, *, draft: HubDraft, ids: Ids, now: datetime
) -> Hub | Refusal:
    """A new hub that never closes until its hours are written. Repeating it makes another."""
    hub_id = ids.new()
    if not actor.can(Permission.LOCKER_PROVISION, hub=hub_id):
        return deny(actor)
    refusal = check_draft(draft)
    if refusal is not None:
        return refusal
    if draft.time_zone not in _zone_names():
        return Refusal(ProblemCode.INPUT_INVALID, "timeZone: no such IANA zone.", "timeZone")
    if await queries.find_partner(session, draft.partner_id) is None:
        return Refusal(ProblemCode.NOT_FOUND, field="partner")
    hub = Hub(
        id=hub_id,
        created_at=now,
        partner_id=draft.partner_id,
        name=draft.name.strip(),
        kind=draft.kind,
        time_zone=draft.time_zone,
        street=draft.street.strip(),
        postal_code=draft.postal_code.strip(),
        city=draft.city.strip(),
        country=draft.country,
        latitude=draft.position.latitude,
        longitude=draft.position.longitude,
        wheelchair_access=draft.wheelchair_access,
        low_connectivity=draft.low_connectivity,
    )
    session.add(hub)
    return hub


async def update_hub_hours(
    session: Session, actor: Actor, *, hub_id: uuid.UUID, hours: Hours, ids: Ids, now: datetime
) -> Hub | Refusal:
    """Replaces the weekly spans and every closure that is not over; past closures stay for 90
    days, and of one that is taken back while it runs the days that are over.

    Writing the same hours again changes nothing but the version.
    """
    needed = (Permission.HUB_HOURS_WRITE, Permission.HUB_CLOSURE_WRITE)
    if not all(actor.can(permission, hub=hub_id) for permission in needed):
        return deny(actor)
    refusal = check_hours(hours)
    if refusal is not None:
        return refusal
    hub = await queries.lock_hub(session, hub_id)
    if hub is None:
        return Refusal(ProblemCode.NOT_FOUND, field="hub")
    today = now.astimezone(ZoneInfo(hub.time_zone)).date()
    await queries.delete_openings(session, hub_id)
    past = await _list_past(session, hub_id, hours.closures, today=today)
    await queries.delete_closures(session, hub_id)
    session.add_all(_openings(hub_id, hours.week, ids))
    session.add_all(_closures(hub_id, [*past, *hours.closures], ids))
    hub.version += 1
    touch(session, f"hub:{hub_id}")
    await outbox.append(
        session,
        id=ids.new(),
        kind=HOURS_CHANGED,
        subject=hub_id,
        facts={"version": hub.version},
        at=now,
    )
    return hub


async def change_extension_rule(
    session: Session, actor: Actor, *, hub_id: uuid.UUID, wanted: ExtensionRule
) -> Hub | Refusal:
    """The hub's own rule for further extensions, by its owner or the network's operators.

    `wanted.version` is the version they saw. What was given before stays given. The same rule again
    changes nothing; CHANGED_MEANWHILE when somebody was faster, POLICY_INVALID out of bounds.
    """
    if not actor.can(Permission.HUB_POLICY_OVERRIDE, hub=hub_id):
        return deny(actor)
    refusal = check_rule(wanted)
    if refusal is not None:
        return refusal
    hub = await queries.lock_hub(session, hub_id)
    if hub is None:
        return Refusal(ProblemCode.NOT_FOUND, field="hub")
    known = hub.extension_rule
    if known.version > 0 and replace(wanted, version=known.version) == known:
        return hub
    if wanted.version != known.version:
        return Refusal(ProblemCode.CHANGED_MEANWHILE, field="version")
    hub.rule_version += 1
    hub.further_extensions = wanted.further
    hub.further_below_percent = wanted.further_below_percent
    hub.version += 1
    session.add(hub)
    touch(session, f"hub:{hub_id}")
    return hub


async def invite_member(
    session: Session, actor: Actor, *, contact: Contact, post: Post, ids: Ids, now: datetime
) -> uuid.UUID | Refusal:
    """As `people`'s own, and NOT_FOUND for a hub that does not exist."""
    if not may_staff(actor, post):
        return deny(actor)
    if post.role in PLACED_AT_HUB and await queries.find_hub(session, post.subject) is None:
        return Refusal(ProblemCode.NOT_FOUND, field="place")
    return await accounts.invite_member(
        session, actor, contact=contact, post=post, ids=ids, now=now
    )


async def change_preferences(
    session: Session, actor: Actor, *, wanted: Preferences, now: datetime
) -> Preferences | Refusal:
    """As `people`'s own, and NOT_FOUND with the field for a hub that does not exist."""
    named = {"allowedHubs": wanted.allowed_hubs, "favouriteHubs": wanted.favourite_hubs}
    for field, hub_ids in named.items():
        # Too many of them are refused by the rule, and not looked up.
        asked = set(hub_ids[:MAX_HUBS])
        if actor.person_id is not None and len(await list_hubs_by_ids(session, asked)) < len(asked):
            return Refusal(ProblemCode.NOT_FOUND, "There is no such hub.", field)
    return await preferences.change_preferences(session, actor, wanted=wanted, now=now)


async def find_hub(session: Session, hub_id: uuid.UUID) -> Hub | None:
    """The hub of this id; everybody may see it."""
    return await queries.find_hub(session, hub_id)


async def list_hubs(session: Session, *, page: Page, near: Position | None) -> Sequence[Hub]:
    """One more hub than the page, nearest first where a place is given."""
    return await queries.list_hubs(session, page, near)


async def list_nearby(
    session: Session, actor: Actor, *, near: Position, limit: int
) -> list[HubChoice]:
    """Hubs that people can come to: the actor's favourites in their order, then the nearest.

    At most `limit`, of which a favourite is one however far away it is.
    """
    own = await preferences.get_preferences(session, actor.person_id)
    known = await list_hubs_by_ids(session, own.favourite_hubs)
    favourites = [known[hub_id] for hub_id in own.favourite_hubs if hub_id in known]
    # As many as are asked for are left when the favourites among them are not told twice.
    most = limit + len(favourites)
    others = await queries.list_nearest(session, near, kinds=OFFERED_KINDS, limit=most)
    offered = [one for one in favourites if one.kind in OFFERED_KINDS]
    liked = {one.id for one in offered}
    offered += [one for one in others if one.id not in liked]
    return [
        HubChoice(hub, near.distance_m(Position(hub.latitude, hub.longitude)), hub.id in liked)
        for hub in offered[:limit]
    ]


async def list_hubs_by_ids(
    session: Session, hub_ids: Collection[uuid.UUID]
) -> dict[uuid.UUID, Hub]:
    """The hubs of these ids that exist."""
    return {hub.id: hub for hub in await queries.list_hubs_by_ids(session, hub_ids)}


async def get_timetable(session: Session, hub: Hub, *, now: datetime) -> Timetable:
    """The hours of one hub from yesterday on."""
    return (await list_timetables(session, [hub], now=now))[hub.id]


async def list_timetables(
    session: Session, hubs: Collection[Hub], *, now: datetime
) -> dict[uuid.UUID, Timetable]:
    """The hours of these hubs from yesterday on, by hub, in two statements."""
    hub_ids = [hub.id for hub in hubs]
    week: dict[uuid.UUID, list[Opening]] = defaultdict(list)
    for span in await queries.list_openings(session, hub_ids):
        week[span.hub_id].append(Opening(span.weekday, span.opens_minute, span.closes_minute))
    closures: dict[uuid.UUID, list[Closure]] = defaultdict(list)
    # No zone is more than a day behind UTC, so no closure that matters is left out.
    since = now.date() - timedelta(days=1)
    for row in await queries.list_closures(session, hub_ids, since=since):
        closures[row.hub_id].append(
            Closure(row.first_day, row.last_day, row.reason, row.is_planned, row.shifts_deadlines)
        )
    return {
        hub.id: Timetable(ZoneInfo(hub.time_zone), week[hub.id], closures[hub.id]) for hub in hubs
    }


@cache
def _zone_names() -> frozenset[str]:
    return frozenset(available_timezones())


def _openings(hub_id: uuid.UUID, week: Sequence[Opening], ids: Ids) -> list[HubOpening]:
    return [
        HubOpening(
            id=ids.new(),
            hub_id=hub_id,
            weekday=span.weekday,
            opens_minute=span.opens_minute,
            closes_minute=span.closes_minute,
        )
        for span in week
    ]


async def _list_past(
    session: Session, hub_id: uuid.UUID, wanted: Sequence[Closure], *, today: date
) -> list[Closure]:
    """The days shut that are over, joined, so that however often hours are written there are few.

    Of running closures only what none of the wanted ones covers. Nobody could collect anything on
    them, whatever the hours are now.
    """
    until = today - timedelta(days=1)
    rows = await queries.list_closures(session, [hub_id], since=today - CLOSURES_KEPT)
    return join_closures(
        [
            Closure(
                row.first_day,
                min(row.last_day, until),
                row.reason,
                row.is_planned,
                row.shifts_deadlines,
            )
            for row in rows
            if row.first_day <= until and not _is_covered(row, wanted, until=until)
        ]
    )


def _is_covered(row: HubClosure, wanted: Sequence[Closure], *, until: date) -> bool:
    """Whether a closure that still runs is among the wanted ones as far as its past goes."""
    return row.last_day > until and any(
        one.first_day <= row.first_day and one.last_day >= until for one in wanted
    )


def _closures(hub_id: uuid.UUID, closures: Sequence[Closure], ids: Ids) -> list[HubClosure]:
    return [
        HubClosure(
            id=ids.new(),
            hub_id=hub_id,
            first_day=closure.first_day,
            last_day=closure.last_day,
            reason=closure.reason,
            is_planned=closure.is_planned,
            shifts_deadlines=closure.shifts_deadlines,
        )
        for closure in closures
    ]
