"""Parcels that come to a counter, and how their recipients get them there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.lockers.rules import Allocation
from server.lockers.tables import Compartment
from server.parcels.identity import CounterReason, IdentityProof
from server.parcels.service import counter, reserving
from server.parcels.service.counter import Checked, CounterPass
from server.parcels.states import ParcelState, Party
from server.parcels.tables import Assurance, Handover, LocationKind, Parcel, ParcelEvent
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring
    from tests.fakes.town import Town

PASSPORT = Checked(proof=IdentityProof.PASSPORT)


@dataclass
class Shop:
    """The counter of the town's hub."""

    database: Database
    town: Town
    keyring: DerivedKeyring
    ids: CountedIds

    async def arrive(
        self, actor: Actor, why: CounterReason = CounterReason.OVERSIZED
    ) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await counter.record_arrival(
                session, actor, parcel_id=key_of("parcel"), why=why, ids=self.ids, now=START
            )

    async def hand_over(self, actor: Actor, checked: Checked = PASSPORT) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await counter.hand_over(
                session,
                actor,
                parcel_id=key_of("parcel"),
                checked=checked,
                keyring=self.keyring,
                ids=self.ids,
                now=START,
            )

    async def ask_pass(self, actor: Actor) -> CounterPass | Refusal:
        async with self.database.read() as session:
            return await counter.request_counter_pass(
                session, actor, parcel_id=key_of("parcel"), keyring=self.keyring, now=START
            )

    async def change(self, **values: object) -> None:
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            for name, value in values.items():
                setattr(parcel, name, value)

    async def handovers(self) -> list[Handover]:
        async with self.database.read() as session:
            return list(await session.exec(select(Handover)))


@pytest.fixture
async def shop(database: Database, town: Town, keyring: DerivedKeyring, ids: CountedIds) -> Shop:
    """A courier stands there with a parcel for which compartment 3 was kept."""
    async with database.write() as session:
        await town.add_staff(session, "clerk", "manager")
        parcel = await town.add_parcel(session)
        await town.reserve(session, parcel, 3)
    return Shop(database, town, keyring, ids)


def code_of(outcome: object) -> tuple[ProblemCode, str | None]:
    assert isinstance(outcome, Refusal)
    return outcome.code, outcome.field


async def test_a_parcel_left_at_the_counter_frees_its_compartment(shop: Shop) -> None:
    again = await shop.arrive(shop.town.courier)
    left = await shop.arrive(shop.town.courier)
    assert again == left
    assert isinstance(left, Parcel)
    assert (left.state, left.location_kind) == (ParcelState.AT_HUB, LocationKind.HUB_COUNTER)
    assert left.available_through is not None
    assert left.available_through - START >= timedelta(days=7)
    async with shop.database.read() as session:
        door = await session.get_one(Compartment, key_of("door 3"))
        events = list(await session.exec(select(ParcelEvent)))
    assert door.allocation is Allocation.FREE
    assert [(one.row, one.party, one.reason) for one in events] == [("P11", Party.COU, "OVERSIZED")]


async def test_staff_take_in_what_is_on_its_way_to_them_and_nothing_else(shop: Shop) -> None:
    assert code_of(await shop.arrive(shop.town.stranger))[0] is ProblemCode.NOT_FOUND
    assert code_of(await shop.arrive(ANONYMOUS))[0] is ProblemCode.SIGNED_OUT
    await shop.change(state=ParcelState.IN_TRANSIT)
    assert code_of(await shop.arrive(shop.town.clerk))[0] is ProblemCode.WRONG_STATE
    await shop.change(state=ParcelState.OUT_FOR_DELIVERY)
    assert isinstance(await shop.arrive(shop.town.clerk), Parcel)


async def test_who_is_handed_a_parcel_was_known_by_a_document_of_which_the_kind_is_kept(
    shop: Shop,
) -> None:
    await shop.arrive(shop.town.courier)
    for _ in range(2):
        given = await shop.hand_over(shop.town.clerk)
        assert isinstance(given, Parcel)
        assert (given.state, given.assurance) == (ParcelState.COLLECTED, Assurance.C)
    kept = await shop.handovers()
    assert [(one.proof, one.staff_id, one.at) for one in kept] == [
        (IdentityProof.PASSPORT, key_of("clerk"), START)
    ]


async def test_only_staff_of_the_hub_hand_over_and_only_what_is_there(shop: Shop) -> None:
    town = shop.town
    assert code_of(await shop.hand_over(town.clerk))[0] is ProblemCode.WRONG_STATE
    await shop.arrive(town.courier)
    for actor in (town.courier, town.recipient, town.operator):
        assert code_of(await shop.hand_over(actor))[0] is ProblemCode.NOT_PERMITTED
    await shop.hand_over(town.clerk)
    assert code_of(await shop.hand_over(town.manager))[0] is ProblemCode.WRONG_STATE


async def test_a_pass_of_the_recipients_phone_is_as_good_as_a_document(shop: Shop) -> None:
    await shop.arrive(shop.town.courier)
    got = await shop.ask_pass(shop.town.recipient)
    assert isinstance(got, CounterPass)
    assert got.expires_at - START <= timedelta(days=2)
    wrong = Checked(proof=IdentityProof.PASS, digits=f"{(int(got.digits) + 1) % 10**8:08d}")
    assert code_of(await shop.hand_over(shop.town.clerk, wrong)) == (
        ProblemCode.CODE_WRONG,
        "pass",
    )
    right = Checked(proof=IdentityProof.PASS, digits=got.digits)
    assert isinstance(await shop.hand_over(shop.town.clerk, right), Parcel)


@pytest.mark.parametrize(
    "checked",
    [Checked(proof=IdentityProof.PASS), Checked(proof=IdentityProof.PASSPORT, digits="12345678")],
)
async def test_digits_come_with_a_pass_alone(shop: Shop, checked: Checked) -> None:
    await shop.arrive(shop.town.courier)
    refused = await shop.hand_over(shop.town.clerk, checked)
    assert code_of(refused) == (ProblemCode.INPUT_INVALID, "pass")


async def test_a_pass_is_given_for_ones_own_parcel_at_the_counter_only(shop: Shop) -> None:
    assert code_of(await shop.ask_pass(shop.town.recipient))[0] is ProblemCode.WRONG_STATE
    await shop.arrive(shop.town.courier)
    assert code_of(await shop.ask_pass(shop.town.stranger))[0] is ProblemCode.NOT_FOUND
    assert code_of(await shop.ask_pass(ANONYMOUS))[0] is ProblemCode.SIGNED_OUT
    async with shop.database.write() as session:
        await shop.town.add_phone(session, "recipient new", at=START, is_confirmed=False)
    newcomer = shop.town.recipient.__class__(
        person_id=key_of("recipient"),
        device_id=key_of("recipient new phone"),
        grants=shop.town.recipient.grants,
    )
    await shop.change(created_at=START - timedelta(hours=1))
    assert code_of(await shop.ask_pass(newcomer))[0] is ProblemCode.DEVICE_TOO_NEW


async def test_age_and_payment_are_checked_where_they_count(shop: Shop) -> None:
    await shop.change(is_age_restricted=True, cod_amount=1999, cod_currency="EUR")
    await shop.arrive(shop.town.courier, CounterReason.AGE_CHECK)
    clerk, proof = shop.town.clerk, IdentityProof.IDENTITY_CARD
    of_age = Checked(proof=proof, is_age_checked=True)
    assert code_of(await shop.hand_over(clerk, Checked(proof=proof, is_cod_paid=True))) == (
        ProblemCode.INPUT_INVALID,
        "ageChecked",
    )
    assert code_of(await shop.hand_over(clerk, of_age)) == (ProblemCode.INPUT_INVALID, "codPaid")
    whole = Checked(proof=proof, is_age_checked=True, is_cod_paid=True)
    assert isinstance(await shop.hand_over(clerk, whole), Parcel)
    assert [(one.is_age_checked, one.is_cod_paid) for one in await shop.handovers()] == [
        (True, True)
    ]


async def reserve(shop: Shop, actor: Actor) -> object:
    async with shop.database.write() as session:
        return await reserving.reserve_compartment(
            session,
            actor,
            parcel_id=key_of("parcel"),
            locker_id=None,
            reach=None,
            ids=shop.ids,
            now=START,
        )


@pytest.mark.parametrize("why", [CounterReason.NO_CONSENT, CounterReason.AGE_CHECK])
async def test_what_may_not_lie_in_a_locker_stays_at_the_counter(
    shop: Shop, why: CounterReason
) -> None:
    await shop.arrive(shop.town.courier, why)
    assert code_of(await reserve(shop, shop.town.clerk))[0] is ProblemCode.CONSENT_MISSING


async def test_what_found_no_room_goes_into_a_locker_later(shop: Shop) -> None:
    await shop.arrive(shop.town.courier, CounterReason.OVERFLOW)
    assert not isinstance(await reserve(shop, shop.town.clerk), Refusal)
