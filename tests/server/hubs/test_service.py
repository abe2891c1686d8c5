"""Hubs and their hours, by whoever may write them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.hubs import service
from server.hubs.drafts import Hours, HubDraft
from server.hubs.extensions import ExtensionRule
from server.hubs.rules import Closure, HubKind, Opening, Position
from server.hubs.tables import Hub, HubClosure, Partner
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.graph import Page
from server.people.roles import Role
from tests.fakes.town import Town, build_town
from tests.makers import make_actor

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, MovableClock

OPERATOR = make_actor(Role.OPERATOR)
WEEK = Hours([Opening(day, 8 * 60, 18 * 60) for day in range(5)], [])


@pytest.fixture
async def town(database: Database) -> Town:
    async with database.write() as session:
        return await build_town(session)


def draft(partner_id: uuid.UUID, **changes: object) -> HubDraft:
    plain = HubDraft(
        partner_id=partner_id,
        name="Old Mill",
        kind=HubKind.SERVICE_POINT,
        time_zone="Europe/Warsaw",
        street="River Road 2",
        postal_code="00-001",
        city="Warsaw",
        country="PL",
        position=Position(52.23, 21.01),
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # fields of HubDraft


async def test_operator_makes_a_partner_once_and_a_hub(
    database: Database, ids: CountedIds, clock: MovableClock
) -> None:
    async with database.write() as session:
        partner = await service.create_partner(
            session, OPERATOR, legal_name="Mill Ltd", ids=ids, now=clock.now()
        )
        again = await service.create_partner(
            session, OPERATOR, legal_name="Mill Ltd", ids=ids, now=clock.now()
        )
        assert isinstance(partner, Partner)
        assert isinstance(again, Partner)
        assert again.id == partner.id
        hub = await service.create_hub(
            session, OPERATOR, draft=draft(partner.id), ids=ids, now=clock.now()
        )
        assert isinstance(hub, Hub)
    async with database.read() as session:
        found = await service.find_hub(session, hub.id)
        assert found is not None
        hours = await service.get_timetable(session, found, now=clock.now())
        assert hours.is_open(clock.now())


@pytest.mark.parametrize(
    ("actor", "code"),
    [
        (ANONYMOUS, ProblemCode.SIGNED_OUT),
        (make_actor(), ProblemCode.NOT_PERMITTED),
        (make_actor(Role.HUB_MANAGER, subject=uuid.UUID(int=9)), ProblemCode.NOT_PERMITTED),
    ],
)
async def test_nobody_else_makes_hubs(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock, actor: Actor, code: str
) -> None:
    async with database.write() as session:
        partner = await service.create_partner(
            session,
            actor,
            legal_name="Mill Ltd",
            ids=ids,
            now=clock.now(),
        )
        hub = await service.create_hub(
            session,
            actor,
            draft=draft(town.hub_id),
            ids=ids,
            now=clock.now(),
        )
    assert isinstance(partner, Refusal)
    assert isinstance(hub, Refusal)
    assert {partner.code, hub.code} == {code}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "  "}, "name"),
        ({"city": "x" * 121}, "city"),
        ({"street": "a\nb"}, "street"),
        ({"country": "pl"}, "country"),
        ({"time_zone": "Europe/Nowhere"}, "timeZone"),
        ({"time_zone": "../../etc/passwd"}, "timeZone"),
        ({"time_zone": ""}, "timeZone"),
    ],
)
async def test_wrong_draft_is_refused_by_its_field(
    database: Database,
    town: Town,
    ids: CountedIds,
    clock: MovableClock,
    changes: dict[str, object],
    field: str,
) -> None:
    async with database.write() as session:
        outcome = await service.create_hub(
            session, OPERATOR, draft=draft(town.hub_id, **changes), ids=ids, now=clock.now()
        )
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.field) == (ProblemCode.INPUT_INVALID, field)


async def test_manager_writes_the_hours_of_their_own_hub_only(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    own = make_actor(Role.HUB_MANAGER, subject=town.hub_id)
    foreign = make_actor(Role.HUB_MANAGER, subject=uuid.UUID(int=9))
    async with database.write() as session:
        refused = await service.update_hub_hours(
            session, foreign, hub_id=town.hub_id, hours=WEEK, ids=ids, now=clock.now()
        )
        written = await service.update_hub_hours(
            session, own, hub_id=town.hub_id, hours=WEEK, ids=ids, now=clock.now()
        )
    assert isinstance(refused, Refusal)
    assert isinstance(written, Hub)
    assert written.version == 2


async def test_new_hours_replace_the_week_and_closures_to_come_but_no_past_ones(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    today = clock.now().date()
    past = Closure(today - timedelta(days=9), today - timedelta(days=8), "storm")
    coming = Closure(today + timedelta(days=8), today + timedelta(days=9), "holiday")
    for moment, hours in (
        (clock.now() - timedelta(days=10), Hours(WEEK.week, [past, coming])),
        (clock.now(), Hours([Opening(6, 0, 600)], [])),
    ):
        async with database.write() as session:
            await service.update_hub_hours(
                session, OPERATOR, hub_id=town.hub_id, hours=hours, ids=ids, now=moment
            )
    async with database.read() as session:
        hub = await service.find_hub(session, town.hub_id)
        assert hub is not None
        now = await service.get_timetable(session, hub, now=clock.now())
        earlier = await service.get_timetable(session, hub, now=clock.now() - timedelta(days=10))
    assert [(one.weekday, one.closes_minute) for one in now.week] == [(6, 600)]
    assert now.closures == []
    assert [one.reason for one in earlier.closures] == ["storm"]


async def test_closure_taken_back_while_it_runs_leaves_the_days_that_are_over(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    today = clock.now().date()
    flood = Closure(today - timedelta(days=2), today + timedelta(days=2), "flood", is_planned=False)
    for closures in ([flood], [flood], [], []):
        async with database.write() as session:
            await service.update_hub_hours(
                session,
                OPERATOR,
                hub_id=town.hub_id,
                hours=Hours(WEEK.week, closures),
                ids=ids,
                now=clock.now(),
            )
    async with database.read() as session:
        hub = await service.find_hub(session, town.hub_id)
        assert hub is not None
        since = clock.now() - timedelta(days=3)
        kept = (await service.get_timetable(session, hub, now=since)).closures
    assert kept == [replace(flood, last_day=today - timedelta(days=1))]


async def test_however_often_hours_are_written_few_past_closures_are_kept(
    database: Database, town: Town, ids: CountedIds, clock: MovableClock
) -> None:
    start = now = clock.now()
    for day in range(100):
        now = start + timedelta(days=day)
        shut = Closure(now.date() - timedelta(days=day % 7), now.date(), f"leak {day}", False)
        for closures in ([shut], []):
            async with database.write() as session:
                await service.update_hub_hours(
                    session,
                    OPERATOR,
                    hub_id=town.hub_id,
                    hours=Hours(WEEK.week, closures),
                    ids=ids,
                    now=now,
                )
    async with database.read() as session:
        rows = (await session.exec(select(HubClosure))).all()
    days = service.CLOSURES_KEPT.days
    assert 0 < len(rows) <= days
    assert min(row.last_day for row in rows) >= now.date() - timedelta(days=days)


@pytest.mark.parametrize(
    ("hours", "field"),
    [
        (Hours([Opening(0, 0, 60), Opening(0, 30, 90)], []), "week"),
        (Hours([Opening(0, minute, minute + 1) for minute in range(43)], []), "week"),
        (Hours([], [Closure(date(2026, 1, 1), date(2026, 1, 1))] * 101), "closures"),
        (Hours([], [Closure(date(2026, 1, 1), date(2026, 1, 1), "x" * 201)]), "closures"),
        (Hours([], [Closure(date(2026, 1, 1), date(2026, 1, 1), "a\x00b")]), "closures"),
    ],
)
async def test_impossible_hours_are_refused(
    database: Database,
    town: Town,
    ids: CountedIds,
    clock: MovableClock,
    hours: Hours,
    field: str,
) -> None:
    async with database.write() as session:
        outcome = await service.update_hub_hours(
            session, OPERATOR, hub_id=town.hub_id, hours=hours, ids=ids, now=clock.now()
        )
    assert isinstance(outcome, Refusal)
    assert outcome.field == field


async def test_hubs_are_listed_from_near_to_far_page_by_page(
    database: Database, ids: CountedIds, clock: MovableClock
) -> None:
    places = {"A": (0.0, 179.5), "B": (0.0, -179.4), "C": (1.0, 179.5), "D": (-40.0, 10.0)}
    async with database.write() as session:
        partner = await service.create_partner(
            session, OPERATOR, legal_name="Mill Ltd", ids=ids, now=clock.now()
        )
        assert isinstance(partner, Partner)
        for name, (latitude, longitude) in places.items():
            one = draft(partner.id, name=name, position=Position(latitude, longitude))
            await service.create_hub(session, OPERATOR, draft=one, ids=ids, now=clock.now())
    names: list[str] = []
    page, here = Page(first=1), Position(0.0, -179.8)
    async with database.read() as session:
        for _ in places:
            rows = await service.list_hubs(session, page=page, near=here)
            names.append(rows[0].name)
            page = Page(first=1, after=rows[0].id)
        everything = await service.list_hubs(session, page=Page(), near=None)
    assert names == ["B", "A", "C", "D"]
    assert [hub.name for hub in everything] == ["A", "B", "C", "D"]


@pytest.mark.parametrize(
    ("role", "code"),
    [
        (Role.HUB_OWNER, None),
        (Role.OPERATOR, None),
        (Role.HUB_MANAGER, ProblemCode.NOT_PERMITTED),
        (Role.HUB_CLERK, ProblemCode.NOT_PERMITTED),
    ],
)
async def test_owners_and_operators_say_how_often_more_time_is_given(
    database: Database, town: Town, role: Role, code: ProblemCode | None
) -> None:
    actor = town.actor("somebody", role)
    wanted = ExtensionRule(0, 2, 60)
    outcome: Hub | Refusal | None = None
    async with database.write() as session:
        for version in (0, 0, 1):
            outcome = await service.change_extension_rule(
                session, actor, hub_id=town.hub_id, wanted=replace(wanted, version=version)
            )
    if code is not None:
        assert isinstance(outcome, Refusal)
        assert outcome.code is code
    else:
        assert isinstance(outcome, Hub)
        assert outcome.extension_rule == replace(wanted, version=1)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (ExtensionRule(0, 7, 60), "furtherExtensions"),
        (ExtensionRule(0, -1, 60), "furtherExtensions"),
        (ExtensionRule(0, 1, 81), "furtherBelowPercent"),
        (ExtensionRule(0, 1, -1), "furtherBelowPercent"),
        (ExtensionRule(3, 1, 60), "version"),
    ],
)
async def test_a_rule_out_of_bounds_or_behind_is_refused(
    database: Database, town: Town, wanted: ExtensionRule, field: str
) -> None:
    async with database.write() as session:
        outcome = await service.change_extension_rule(
            session, OPERATOR, hub_id=town.hub_id, wanted=wanted
        )
        unknown = await service.change_extension_rule(
            session, OPERATOR, hub_id=uuid.UUID(int=9), wanted=ExtensionRule(0, 1, 60)
        )
    assert isinstance(outcome, Refusal)
    assert outcome.field == field
    assert isinstance(unknown, Refusal)
    assert unknown.code is ProblemCode.NOT_FOUND


def test_only_the_network_decides_about_the_first_time() -> None:
    assert [ExtensionRule().limit_percent(given) for given in (0, 1)] == [80, None]
    own = ExtensionRule(1, 2, 0)
    assert [own.limit_percent(given) for given in range(4)] == [80, 0, 0, None]
