"""Reports of carriers and couriers."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.lockers.choice import ReservationPurpose
from server.lockers.tables import Reservation
from server.parcels.service import reading
from server.parcels.service.moving import Report
from server.parcels.service.scanning import MAX_REPORTS, report_scan
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, ParcelEvent
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.makers import make_carrier_actor

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

S = ParcelState


async def add_parcel(database: Database, town: Town, state: ParcelState) -> None:
    async with database.write() as session:
        await town.add_parcel(session, state=state)


async def report(
    database: Database,
    actor: Actor,
    ids: CountedIds,
    said: tuple[str, str],
    text: str | None = None,
) -> Parcel | Refusal:
    async with database.write() as session:
        return await report_scan(
            session,
            actor,
            parcel_id=key_of("parcel"),
            said=Report(*said, text, None),
            ids=ids,
            now=START,
        )


async def history(database: Database) -> list[ParcelEvent]:
    async with database.read() as session:
        query = select(ParcelEvent).order_by(col(ParcelEvent.number))
        return list((await session.exec(query)).all())


@pytest.mark.parametrize(
    ("state", "said", "row", "target"),
    [
        (S.ANNOUNCED, ("inpost", "taken_by_courier"), "P7", S.IN_TRANSIT),
        (S.ANNOUNCED, ("aftership", "InTransit_003"), "P7", S.IN_TRANSIT),
        (S.RETURNING, ("inpost", "returned_to_sender"), "P28", S.RETURNED),
        (S.ANNOUNCED, ("inpost", "out_for_delivery"), "P33", S.ANNOUNCED),
        (S.IN_TRANSIT, ("inpost", "out_for_delivery"), "P33", S.IN_TRANSIT),
        (S.READY_FOR_PICKUP, ("inpost", "delivered"), "P33", S.READY_FOR_PICKUP),
        (S.IN_TRANSIT, ("epcis", "stocking/container_closed"), "P33", S.IN_TRANSIT),
        (S.IN_TRANSIT, ("inpost", "no_such_word"), "P33", S.IN_TRANSIT),
        (S.IN_TRANSIT, ("nobody", "delivered"), "P33", S.IN_TRANSIT),
    ],
)
async def test_words_of_a_carrier_move_what_a_carrier_can_know(
    database: Database,
    town: Town,
    ids: CountedIds,
    state: ParcelState,
    said: tuple[str, str],
    row: str,
    target: ParcelState,
) -> None:
    await add_parcel(database, town, state)
    parcel = await report(database, make_carrier_actor(town.carrier_id), ids, said, "as it came")
    assert isinstance(parcel, Parcel)
    (line,) = await history(database)
    assert (line.row, line.source, line.target, parcel.state) == (row, state, target, target)
    assert (line.source_system, line.source_code, line.source_text) == (*said, "as it came")


@pytest.mark.parametrize(
    ("state", "code", "row", "target"),
    [
        (S.ANNOUNCED, "in_transit", "P7", S.IN_TRANSIT),
        (S.IN_TRANSIT, "out_for_delivery", "P8", S.OUT_FOR_DELIVERY),
        (S.OUT_FOR_DELIVERY, "stop_failed/FULL", "P9", S.IN_TRANSIT),
        (S.OUT_FOR_DELIVERY, "stop_failed/RAIN", "P33", S.OUT_FOR_DELIVERY),
        (S.OUT_FOR_DELIVERY, "in_transit", "P33", S.OUT_FOR_DELIVERY),
        (S.OUT_FOR_DELIVERY, "at_hub", "P11", S.AT_HUB),
    ],
)
async def test_words_of_a_courier_move_the_tour(
    database: Database,
    town: Town,
    ids: CountedIds,
    state: ParcelState,
    code: str,
    row: str,
    target: ParcelState,
) -> None:
    await add_parcel(database, town, state)
    parcel = await report(database, town.courier, ids, ("restante", code))
    assert isinstance(parcel, Parcel)
    (line,) = await history(database)
    assert (line.row, parcel.state) == (row, target)
    assert line.reason == ("FULL" if row == "P9" else None)


async def test_loading_keeps_a_place_for_four_hours_and_a_full_hub_is_no_reason_to_stay(
    database: Database, town: Town, ids: CountedIds
) -> None:
    async with database.write() as session:
        for number in range(5):
            await town.add_parcel(session, f"parcel {number}", state=S.IN_TRANSIT)
    states = []
    for number in range(5):
        async with database.write() as session:
            outcome = await report_scan(
                session,
                town.courier,
                parcel_id=key_of(f"parcel {number}"),
                said=Report("restante", "out_for_delivery", None, None),
                ids=ids,
                now=START,
            )
        assert isinstance(outcome, Parcel)
        states.append(outcome.state)
    assert states == [S.OUT_FOR_DELIVERY] * 5
    async with database.read() as session:
        kept = (await session.exec(select(Reservation))).all()
    assert len(kept) == 3  # of four, one stays free for whoever comes without a tour
    assert {one.purpose for one in kept} == {ReservationPurpose.LOADED}


async def test_same_report_again_adds_nothing(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town, S.ANNOUNCED)
    for code in ("in_transit", "in_transit", "lost_in_thought", "lost_in_thought"):
        await report(database, town.courier, ids, ("restante", code))
    assert [line.row for line in await history(database)] == ["P7", "P33"]


async def test_full_history_takes_no_more_reports(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town, S.ANNOUNCED)
    async with database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).version = MAX_REPORTS
    outcome = await report(database, town.courier, ids, ("restante", "in_transit"))
    assert isinstance(outcome, Refusal)
    assert outcome.code is ProblemCode.TOO_COSTLY


async def test_others_may_not_report(database: Database, town: Town, ids: CountedIds) -> None:
    await add_parcel(database, town, S.ANNOUNCED)
    said = ("restante", "in_transit")
    foreign = make_carrier_actor(uuid.UUID(int=8))
    codes = {}
    for name, actor in {
        "nobody": ANONYMOUS,
        "recipient": town.recipient,
        "stranger": town.stranger,
        "foreign": foreign,
        "operator": town.operator,
    }.items():
        outcome = await report(database, actor, ids, said)
        assert isinstance(outcome, Refusal)
        codes[name] = outcome.code
    assert codes == {
        "nobody": ProblemCode.SIGNED_OUT,
        "recipient": ProblemCode.NOT_PERMITTED,
        "stranger": ProblemCode.NOT_FOUND,
        "foreign": ProblemCode.NOT_FOUND,
        "operator": ProblemCode.NOT_PERMITTED,
    }


@pytest.mark.parametrize(
    ("said", "field"),
    [
        (("", "x"), "sourceSystem"),
        (("inpost", ""), "sourceCode"),
        (("inpost", "x" * 65), "sourceCode"),
        (("inpost", "a\x00b"), "sourceCode"),
    ],
)
async def test_report_of_the_wrong_form_is_refused(
    database: Database, town: Town, ids: CountedIds, said: tuple[str, str], field: str
) -> None:
    await add_parcel(database, town, S.ANNOUNCED)
    outcome = await report(database, town.courier, ids, said)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.field) == (ProblemCode.INPUT_INVALID, field)


async def test_text_that_no_database_keeps_is_refused(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town, S.ANNOUNCED)
    outcome = await report(database, town.courier, ids, ("inpost", "created"), "a\x00b")
    assert isinstance(outcome, Refusal)
    assert outcome.field == "sourceText"


async def test_many_reports_at_once_are_taken_one_after_the_other(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town, S.ANNOUNCED)
    said = [("restante", "in_transit")] * 4 + [("restante", f"word {n}") for n in range(4)]
    outcomes = await asyncio.gather(*(report(database, town.courier, ids, one) for one in said))
    assert all(isinstance(one, Parcel) for one in outcomes)
    lines = await history(database)
    assert [line.number for line in lines] == list(range(1, len(lines) + 1))
    assert [line.row for line in lines].count("P7") == 1


async def test_words_nobody_mapped_are_counted_for_the_operator(
    database: Database, town: Town, ids: CountedIds
) -> None:
    await add_parcel(database, town, S.IN_TRANSIT)
    clerk = town.actor("clerk", Role.HUB_CLERK)
    for actor, said in (
        (town.courier, ("inpost", "odd")),
        (clerk, ("inpost", "odd")),
        (town.courier, ("aftership", "Odd")),
        (town.courier, ("inpost", "taken_by_courier")),
    ):
        assert isinstance(await report(database, actor, ids, said), Parcel)
    async with database.read() as session:
        counted = await reading.list_unknown_statuses(session, town.operator, limit=10)
        assert await reading.list_unknown_statuses(session, town.courier, limit=10) == []
    assert list(counted) == [("inpost", "odd", 2), ("aftership", "Odd", 1)]
