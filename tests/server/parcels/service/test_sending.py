"""Sending, sending back, and calling it off."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.compartments import SizeMm
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.lockers.tables import Reservation
from server.parcels import jobs
from server.parcels.drafts import ParcelDraft
from server.parcels.service import sending
from server.parcels.service.creating import Sources
from server.parcels.states import ParcelState, Party
from server.parcels.tables import Parcel, ParcelEvent
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of
from tests.makers import make_carrier_actor

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, SeededRandomness

S = ParcelState
DRAFT = ParcelDraft(
    tracking_no="my first",
    hub_id=key_of("hub"),
    recipient="recipient@example.org",
    recipient_name="R. Cipient",
    size=SizeMm(200, 100, 300),
)


@pytest.fixture
def sources(ids: CountedIds, randomness: SeededRandomness) -> Sources:
    return Sources(ids, randomness)


async def send(
    database: Database,
    actor: Actor,
    sources: Sources,
    draft: ParcelDraft = DRAFT,
    carrier: str = "carrier",
) -> Parcel | Refusal:
    async with database.write() as session:
        return await sending.send_parcel(
            session, actor, draft=draft, carrier_id=key_of(carrier), sources=sources, now=START
        )


async def sent(
    database: Database, actor: Actor, sources: Sources, draft: ParcelDraft = DRAFT
) -> Parcel:
    parcel = await send(database, actor, sources, draft)
    assert isinstance(parcel, Parcel), parcel
    return parcel


async def call_off(
    database: Database, actor: Actor, parcel: Parcel, ids: CountedIds
) -> Parcel | Refusal:
    async with database.write() as session:
        return await sending.cancel_parcel(session, actor, parcel_id=parcel.id, ids=ids, now=START)


async def send_back(
    database: Database, actor: Actor, sources: Sources, now: datetime = START
) -> Parcel | Refusal:
    async with database.write() as session:
        return await sending.return_parcel(
            session, actor, parcel_id=key_of("parcel"), sources=sources, now=now
        )


async def collected(database: Database, town: Town) -> None:
    async with database.write() as session:
        parcel = await town.add_parcel(session)
        parcel.state, parcel.collected_at = S.COLLECTED, START


def code(outcome: Parcel | Refusal) -> ProblemCode:
    assert isinstance(outcome, Refusal), outcome
    return outcome.code


async def test_sent_parcel_waits_five_days_for_its_sender(
    database: Database, town: Town, sources: Sources
) -> None:
    parcel = await sent(database, town.stranger, sources)
    assert (parcel.state, parcel.sender_id) == (S.AWAITING_DROPOFF, key_of("stranger"))
    assert parcel.dropoff_through == START + timedelta(days=5)
    assert parcel.recipient_id not in {None, key_of("stranger")}
    async with database.read() as session:
        line = (await session.exec(select(ParcelEvent))).one()
    assert (line.row, line.party, line.actor_id) == ("P2", Party.SND, key_of("stranger"))


async def test_same_key_is_the_same_parcel_of_this_sender_only(
    database: Database, town: Town, sources: Sources
) -> None:
    first = await sent(database, town.stranger, sources)
    assert (await sent(database, town.stranger, sources)).id == first.id
    assert (await sent(database, town.courier, sources)).id != first.id
    changed = replace(DRAFT, recipient_name="Somebody Else")
    refused = await send(database, town.stranger, sources, changed)
    assert code(refused) is ProblemCode.CHANGED_MEANWHILE


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"tracking_no": ""}, "key"),
        ({"tracking_no": "a" * 65}, "key"),
        ({"tracking_no": "a\nb"}, "key"),
        ({"recipient": "nowhere"}, "recipient"),
        ({"recipient_name": " "}, "recipientName"),
        ({"weight_g": 0}, "weightG"),
    ],
)
async def test_what_cannot_be_sent_names_its_field(
    database: Database, town: Town, sources: Sources, changes: dict[str, object], field: str
) -> None:
    refused = await send(database, town.stranger, sources, replace(DRAFT, **changes))  # type: ignore[arg-type]  # one field
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == (ProblemCode.INPUT_INVALID, field)


async def test_carrier_and_hub_must_exist_and_the_sender_be_somebody(
    database: Database, town: Town, sources: Sources
) -> None:
    nowhere = replace(DRAFT, hub_id=key_of("nowhere"))
    stranger = town.stranger
    assert code(await send(database, stranger, sources, nowhere)) is ProblemCode.NOT_FOUND
    lost = await send(database, stranger, sources, carrier="nobody")
    assert code(lost) is ProblemCode.NOT_FOUND
    assert code(await send(database, ANONYMOUS, sources)) is ProblemCode.SIGNED_OUT
    machine = make_carrier_actor(town.carrier_id)
    assert code(await send(database, machine, sources)) is ProblemCode.NOT_PERMITTED


async def test_recipient_sends_a_collected_parcel_back_once(
    database: Database, town: Town, sources: Sources
) -> None:
    await collected(database, town)
    back = await send_back(database, town.recipient, sources)
    assert isinstance(back, Parcel)
    assert (back.state, back.returns_id) == (S.AWAITING_DROPOFF, key_of("parcel"))
    assert (back.sender_id, back.recipient_id) == (key_of("recipient"), None)
    assert (back.width_mm, back.carrier_id) == (200, town.carrier_id)
    again = await send_back(database, town.recipient, sources)
    assert isinstance(again, Parcel)
    assert again.id == back.id


async def test_return_that_was_called_off_can_be_offered_anew(
    database: Database, town: Town, sources: Sources, ids: CountedIds
) -> None:
    await collected(database, town)
    back = await send_back(database, town.recipient, sources)
    assert isinstance(back, Parcel)
    await call_off(database, town.recipient, back, ids)
    again = await send_back(database, town.recipient, sources)
    assert isinstance(again, Parcel)
    assert (again.id == back.id, again.state) == (False, S.AWAITING_DROPOFF)


async def test_only_its_recipient_returns_what_was_collected_and_in_time(
    database: Database, town: Town, sources: Sources
) -> None:
    await collected(database, town)
    assert code(await send_back(database, town.stranger, sources)) is ProblemCode.NOT_FOUND
    late = await send_back(database, town.recipient, sources, START + timedelta(days=31))
    assert code(late) is ProblemCode.WRONG_STATE
    async with database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).state = S.DISPUTED
    refused = await send_back(database, town.recipient, sources)
    assert code(refused) is ProblemCode.WRONG_STATE


@pytest.mark.parametrize(
    ("who", "party"),
    [("sender", Party.SND), ("carrier", Party.SND), ("operator", Party.OPR)],
)
async def test_sender_carrier_and_operator_call_it_off(
    database: Database, town: Town, sources: Sources, ids: CountedIds, who: str, party: Party
) -> None:
    parcel = await sent(database, town.stranger, sources)
    async with database.write() as session:
        await town.reserve(session, await session.get_one(Parcel, parcel.id), 2)
    actors = {
        "sender": town.stranger,
        "carrier": make_carrier_actor(town.carrier_id),
        "operator": town.operator,
    }
    for _ in range(2):
        gone = await call_off(database, actors[who], parcel, ids)
        assert isinstance(gone, Parcel)
        assert gone.state is S.CANCELLED
    async with database.read() as session:
        kept = (await session.exec(select(Reservation))).one()
        lines = await session.exec(select(ParcelEvent).order_by(col(ParcelEvent.number)))
        events = await session.exec(select(Outbox.kind).where(Outbox.subject == parcel.id))
        told = [(line.row, line.party) for line in lines]
        assert list(events) == ["parcel.cancelled"]
    assert kept.ended_at is not None
    assert told == [("P2", Party.SND), ("P3", party)]


async def test_others_cannot_call_it_off_and_nobody_once_it_is_there(
    database: Database, town: Town, sources: Sources, ids: CountedIds
) -> None:
    parcel = await sent(database, town.stranger, sources)
    for actor in (town.courier, town.recipient):
        assert code(await call_off(database, actor, parcel, ids)) is ProblemCode.NOT_FOUND
    async with database.write() as session:
        (await session.get_one(Parcel, parcel.id)).state = S.DROPPED_OFF
    refused = await call_off(database, town.stranger, parcel, ids)
    assert code(refused) is ProblemCode.WRONG_STATE


async def test_what_nobody_brings_in_time_is_called_off(
    database: Database, town: Town, sources: Sources, ids: CountedIds
) -> None:
    parcel = await sent(database, town.stranger, sources)
    soon, late = START + timedelta(days=5), START + timedelta(days=5, seconds=1)
    assert await jobs.lapse_dropoffs(database, ids=ids, now=soon) == 0
    assert await jobs.lapse_dropoffs(database, ids=ids, now=late) == 1
    assert await jobs.lapse_dropoffs(database, ids=ids, now=late) == 0
    async with database.read() as session:
        row = await session.get_one(Parcel, parcel.id)
        lines = await session.exec(select(ParcelEvent).order_by(col(ParcelEvent.number)))
        assert [line.row for line in lines] == ["P2", "P5"]
    assert row.state is S.CANCELLED
