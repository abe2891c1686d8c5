"""Announcing parcels."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlmodel import func, select

from schema.codes import ProblemCode
from schema.compartments import SizeMm
from server.kit.auth import ANONYMOUS, Actor, Permission
from server.kit.errors import Refusal
from server.kit.graph import Page
from server.parcels.drafts import ParcelDraft
from server.parcels.service import reading
from server.parcels.service.announcing import announce_parcel
from server.parcels.service.creating import Sources
from server.parcels.states import ParcelState, Party
from server.parcels.tables import Parcel, ParcelEvent
from server.people.roles import Role
from server.people.rules import read_contact
from server.people.service.accounts import ensure_person
from tests.fakes.sources import START
from tests.makers import make_carrier_actor

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, SeededRandomness
    from tests.fakes.town import Town


@pytest.fixture
def sources(ids: CountedIds, randomness: SeededRandomness) -> Sources:
    return Sources(ids, randomness)


@pytest.fixture
def draft(town: Town) -> ParcelDraft:
    return ParcelDraft(
        tracking_no="SP-0001",
        hub_id=town.hub_id,
        recipient="Recipient@Example.org",
        recipient_name="Anna Kowalska",
        size=SizeMm(100, 200, 300),
        weight_g=900,
    )


async def announce(
    database: Database, actor: Actor, draft: ParcelDraft, sources: Sources
) -> Parcel | Refusal:
    async with database.write() as session:
        return await announce_parcel(session, actor, draft=draft, sources=sources, now=START)


async def test_parcel_is_announced_for_an_account_that_its_owner_can_sign_in_to(
    database: Database, town: Town, draft: ParcelDraft, sources: Sources
) -> None:
    parcel = await announce(database, make_carrier_actor(town.carrier_id), draft, sources)
    assert isinstance(parcel, Parcel)
    assert (parcel.state, parcel.version, parcel.recipient_contact) == (
        ParcelState.ANNOUNCED,
        1,
        "recipient@example.org",
    )
    contact = read_contact("recipient@example.org")
    assert contact is not None
    async with database.write() as session:
        owner = await ensure_person(session, contact, ids=sources.ids, now=START)
        history = await reading.list_histories(session, [parcel.id], page=Page())
    assert owner == parcel.recipient_id
    (line,) = history[parcel.id]
    assert (line.row, line.source, line.target, line.party, line.actor_id) == (
        "P1",
        None,
        ParcelState.ANNOUNCED,
        Party.CAR,
        town.carrier_id,
    )


async def test_what_is_to_be_paid_on_receipt_is_kept(
    database: Database, town: Town, draft: ParcelDraft, sources: Sources
) -> None:
    owed = replace(draft, cod_amount=1999, cod_currency="EUR")
    parcel = await announce(database, make_carrier_actor(town.carrier_id), owed, sources)
    assert isinstance(parcel, Parcel)
    assert (parcel.cod_amount, parcel.cod_currency) == (1999, "EUR")


async def test_same_announcement_again_is_the_same_parcel(
    database: Database, town: Town, draft: ParcelDraft, sources: Sources
) -> None:
    actor = make_carrier_actor(town.carrier_id)
    first = await announce(database, actor, draft, sources)
    again = await announce(database, actor, draft, sources)
    assert isinstance(first, Parcel)
    assert isinstance(again, Parcel)
    assert (again.id, again.version) == (first.id, 1)


async def test_same_number_with_other_content_is_refused(
    database: Database, town: Town, draft: ParcelDraft, sources: Sources
) -> None:
    actor = make_carrier_actor(town.carrier_id)
    await announce(database, actor, draft, sources)
    outcome = await announce(database, actor, replace(draft, weight_g=901), sources)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.field) == (ProblemCode.CHANGED_MEANWHILE, "trackingNo")


async def test_two_announcements_at_once_make_one_parcel(
    database: Database, town: Town, draft: ParcelDraft, sources: Sources
) -> None:
    actor = make_carrier_actor(town.carrier_id)
    outcomes = await asyncio.gather(*(announce(database, actor, draft, sources) for _ in range(6)))
    assert len({one.id for one in outcomes if isinstance(one, Parcel)}) == 1
    async with database.read() as session:
        assert (await session.exec(select(func.count()).select_from(Parcel))).one() == 1
        assert (await session.exec(select(func.count()).select_from(ParcelEvent))).one() == 1


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"tracking_no": ""}, ProblemCode.INPUT_INVALID, "trackingNo"),
        ({"tracking_no": "x" * 65}, ProblemCode.INPUT_INVALID, "trackingNo"),
        ({"tracking_no": "a\x00b"}, ProblemCode.INPUT_INVALID, "trackingNo"),
        ({"recipient": "nobody"}, ProblemCode.INPUT_INVALID, "recipient"),
        ({"recipient_name": "a\nb"}, ProblemCode.INPUT_INVALID, "recipientName"),
        ({"recipient_name": " "}, ProblemCode.INPUT_INVALID, "recipientName"),
        ({"weight_g": 0}, ProblemCode.INPUT_INVALID, "weightG"),
        ({"cod_amount": 0, "cod_currency": "EUR"}, ProblemCode.INPUT_INVALID, "codAmount"),
        ({"cod_amount": 10**9, "cod_currency": "EUR"}, ProblemCode.INPUT_INVALID, "codAmount"),
        ({"cod_amount": 100, "cod_currency": "eur"}, ProblemCode.INPUT_INVALID, "codCurrency"),
        ({"cod_amount": 100}, ProblemCode.INPUT_INVALID, "codCurrency"),
        ({"hub_id": uuid.UUID(int=5)}, ProblemCode.NOT_FOUND, "hub"),
    ],
)
async def test_wrong_draft_is_refused_by_its_field(
    database: Database,
    town: Town,
    draft: ParcelDraft,
    sources: Sources,
    changes: dict[str, object],
    code: ProblemCode,
    field: str,
) -> None:
    wrong = replace(draft, **changes)  # type: ignore[arg-type] # fields of ParcelDraft
    outcome = await announce(database, make_carrier_actor(town.carrier_id), wrong, sources)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, outcome.field) == (code, field)


async def test_only_a_carrier_with_the_permission_announces(
    database: Database, town: Town, draft: ParcelDraft, sources: Sources
) -> None:
    tracker = make_carrier_actor(town.carrier_id, Permission.PARCEL_TRACK)
    for actor in (ANONYMOUS, town.recipient, town.courier, town.operator, tracker):
        outcome = await announce(database, actor, draft, sources)
        assert isinstance(outcome, Refusal)
        expected = ProblemCode.SIGNED_OUT if actor is ANONYMOUS else ProblemCode.NOT_PERMITTED
        assert outcome.code is expected


async def test_administrator_of_one_carrier_announces_for_it(
    database: Database, town: Town, draft: ParcelDraft, sources: Sources
) -> None:
    admin = town.actor("admin", Role.CARRIER_ADMIN)
    parcel = await announce(database, admin, draft, sources)
    assert isinstance(parcel, Parcel)
    assert parcel.carrier_id == town.carrier_id
