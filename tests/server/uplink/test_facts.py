"""What entries mean: parcels, doors, grants and incidents after a locker's words have arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select, update

from schema.compartments import DoorState
from schema.ids import StayId, TokenId
from schema.journal import Kind
from schema.keys import Operation
from schema.statements import StatementType
from schema.tokens import parse_token
from server.access.rules import Action
from server.access.service.bundles import find_place
from server.access.service.grants import GrantTerms, Holder, issue_grant, issue_token
from server.access.service.statements import Signer, find_signer
from server.kit.outbox import Outbox
from server.lockers.rules import FAILED_OPENINGS, ServiceState
from server.lockers.service.doors import DOOR_LEFT_OPEN, DOOR_STILL_OPEN, ESCALATION
from server.lockers.tables import Compartment, Locker
from server.parcels import queries as parcels
from server.parcels.states import ParcelState, Removal
from server.parcels.tables import Assurance, Parcel
from tests.fakes.journals import stay_of
from tests.fakes.town import key_of, phone_key

if TYPE_CHECKING:
    from schema.codec import Value
    from tests.server.uplink.conftest import Story


async def collect(story: Story, number: int = 3, *, grade: int = 1) -> None:
    """The recipient opens by their own token and takes the parcel out."""
    token = (await story.unlock_bundle()).token.raw
    claims = parse_token(token).claims
    story.machine.admit(token, number, phone_key("recipient"))
    story.machine.move_door(number, before=True, after=None if grade == 2 else False)
    story.machine.write(Kind.COLLECTED, number, claims.stay, grade)


async def test_deposit_places_the_parcel_and_spends_the_couriers_grant(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    assert await story.state() is ParcelState.DEPOSITED
    assert await story.grants() == {"DEPOSIT": "USED"}
    async with story.database.read() as session:
        row = await parcels.find_stay(session, stay)
        assert row is not None
        place = await find_place(session, row)
    assert (place.compartment.number, place.compartment.allocation) == (3, "OCCUPIED")


async def test_collection_proved_by_the_holder_is_of_the_best_assurance(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    await collect(story)
    await story.bring_all()
    parcel = await story.parcel()
    assert (parcel.state, parcel.assurance) == (ParcelState.COLLECTED, Assurance.A)
    assert await story.grants() == {"DEPOSIT": "USED", "OPEN": "USED"}
    assert await story.incidents() == []


async def test_acceptance_alone_shows_that_somebody_is_collecting(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    story.machine.admit(token, 3, phone_key("recipient"))
    await story.bring_all()
    assert await story.state() is ParcelState.COLLECTING


async def test_parcel_left_inside_is_still_there(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    story.machine.admit(token, 3, phone_key("recipient"))
    story.machine.move_door(3, before=True, after=True)
    await story.bring_all()
    assert await story.state() is ParcelState.READY_FOR_PICKUP


async def test_door_that_never_opened_gives_the_use_back(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    story.machine.admit(token, 3, phone_key("recipient"))
    story.machine.write(Kind.PULSED, 3, 1)
    story.machine.write(Kind.OPEN_NOT_DETECTED, 3)
    await story.bring_all()
    assert await story.state() is ParcelState.READY_FOR_PICKUP
    assert (await story.grants())["OPEN"] == "ACTIVE"
    assert await story.incidents() == ["OPEN_NOT_DETECTED"]


async def test_only_failures_in_a_row_put_a_door_out_of_service(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw

    def fail() -> None:
        story.machine.admit(token, 3, phone_key("recipient"))
        story.machine.write(Kind.PULSED, 3, 1)
        story.machine.write(Kind.OPEN_NOT_DETECTED, 3)

    async def service() -> ServiceState:
        await story.bring_all()
        async with story.database.read() as session:
            return (await session.get_one(Compartment, key_of("door 3"))).service

    for _ in range(FAILED_OPENINGS - 1):
        fail()
    story.machine.admit(token, 3, phone_key("recipient"))
    story.machine.move_door(3, before=True, after=True)
    fail()
    assert await service() is ServiceState.IN_SERVICE
    for _ in range(FAILED_OPENINGS - 1):
        fail()
    assert await service() is ServiceState.OUT_OF_SERVICE
    assert await story.state() is ParcelState.ON_HOLD


async def test_whoever_opened_a_door_is_asked_to_shut_it_ten_minutes_before_the_hub(
    story: Story,
) -> None:
    await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    opened_at = story.clock.now()
    story.machine.admit(token, 3, phone_key("recipient"))
    story.machine.write(Kind.DOOR_OPENED, 3, True)
    story.machine.now += 120
    story.clock.move(seconds=130)
    story.machine.write(Kind.CLOSE_OVERDUE, 3)
    await story.bring_all()
    async with story.database.read() as session:
        query = (
            select(Outbox).where(col(Outbox.kind).like("locker.%")).order_by(col(Outbox.not_before))
        )
        told, due = (await session.exec(query)).all()
    assert (told.kind, told.not_before) == (DOOR_LEFT_OPEN, story.clock.now())
    assert (due.kind, due.not_before) == (DOOR_STILL_OPEN, opened_at + ESCALATION)
    assert told.facts["person"] == str(key_of("recipient"))


async def test_all_of_it_in_one_late_envelope(story: Story) -> None:
    """Deposit and collection arrive together, days after they happened."""
    stay = await story.deposit()
    story.machine.collect(3, stay, None)
    story.clock.move(days=3)
    await story.bring_all()
    parcel = await story.parcel()
    assert parcel.state is ParcelState.COLLECTED
    assert parcel.collected_at is not None
    assert int(parcel.collected_at.timestamp()) == story.machine.now


async def test_collection_by_pin_is_nobodys_proof(story: Story) -> None:
    stay = await story.deposit()
    story.machine.collect(3, stay, None)
    await story.bring_all()
    assert (await story.parcel()).assurance is Assurance.C


async def test_acceptance_whose_proof_does_not_hold_is_nobodys_proof(story: Story) -> None:
    await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    claims = parse_token(token).claims
    story.machine.admit(token, 3, phone_key("stranger"))
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(Kind.COLLECTED, 3, claims.stay, 1)
    await story.bring_all()
    assert (await story.parcel()).assurance is Assurance.C


async def test_token_that_was_never_issued_opens_a_critical_incident(story: Story) -> None:
    await story.deposit()
    story.machine.accept(Operation.OPEN, 3, TokenId(b"a forgery"[:8]))
    await story.bring_all()
    await story.bring_all()
    assert await story.incidents() == ["UNKNOWN_TOKEN"]
    assert await story.state() is ParcelState.DEPOSITED


async def test_withdrawn_parcel_goes_back_to_its_courier(story: Story) -> None:
    stay = await story.deposit()
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(Kind.WITHDRAWN, 3, stay)
    await story.bring_all()
    assert await story.state() is ParcelState.OUT_FOR_DELIVERY


async def test_withdrawal_ends_the_recipients_grant(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    await story.unlock_bundle()
    story.machine.write(Kind.WITHDRAWN, 3, stay)
    await story.bring_all()
    assert (await story.grants())["OPEN"] == "USED"


async def test_compartment_found_empty_is_never_a_collection(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    story.machine.admit(token, 3, phone_key("recipient"))
    story.machine.move_door(3, before=False, after=False)
    story.machine.write(Kind.FOUND_EMPTY, 3, stay)
    await story.bring_all()
    assert await story.state() is ParcelState.ON_HOLD
    assert await story.incidents() == ["FOUND_EMPTY"]


async def test_door_that_opened_by_itself_holds_the_parcel(story: Story) -> None:
    await story.deposit()
    story.machine.write(Kind.UNEXPECTED_OPEN, 3)
    await story.bring_all()
    assert await story.state() is ParcelState.ON_HOLD
    assert await story.incidents() == ["UNEXPECTED_OPEN"]


async def test_door_left_open_holds_the_parcel(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    token = (await story.unlock_bundle()).token.raw
    story.machine.admit(token, 3, phone_key("recipient"))
    story.machine.write(Kind.PULSED, 3, 1)
    story.machine.write(Kind.DOOR_OPENED, 3, True)
    story.machine.write(Kind.CLOSE_OVERDUE, 3)
    story.machine.write(Kind.COLLECTED, 3, stay, 3)
    await story.bring_all()
    assert await story.state() is ParcelState.ON_HOLD
    async with story.database.read() as session:
        door = await session.get(Compartment, key_of("door 3"))
    assert door is not None
    assert door.door is DoorState.OPEN


async def test_deposit_of_an_unknown_stay_opens_an_incident(story: Story) -> None:
    await story.offer()
    story.machine.write(Kind.DEPOSITED, 3, stay_of(99))
    await story.bring_all()
    assert await story.incidents() == ["FACT_WITHOUT_PARCEL"]


async def test_collection_under_a_removal_grant_is_a_removal(story: Story) -> None:
    stay = await story.deposit()
    await story.bring_all()
    async with story.database.write() as session:
        await session.exec(
            update(Parcel).where(Parcel.id == key_of("parcel")).values(state="EXPIRED")  # type: ignore[arg-type]  # a column here
        )
        terms = GrantTerms(
            action=Action.REMOVE,
            parcel_id=key_of("parcel"),
            locker_id=story.town.locker_id,
            stay=StayId(stay),
            compartment=3,
            holder_id=story.town.courier.person_id,
            removal=Removal.RETURN,
        )
        grant = await issue_grant(session, terms, grant_id=story.ids.new(), now=story.clock.now())
        signer = await find_signer(
            session, story.machine.lid, keyring=story.keyring, now=story.clock.now()
        )
        assert isinstance(signer, Signer)
        token = await issue_token(
            session,
            grant,
            Holder(key_of("courier phone"), phone_key("courier").public),
            signer=signer,
            end=story.clock.now().replace(hour=23),
            comps=(3,),
            randomness=story.randomness,
            now=story.clock.now(),
        )
    raw = getattr(token, "raw", b"")
    story.machine.admit(raw, 3, phone_key("courier"))
    story.machine.move_door(3, before=True, after=False)
    story.machine.write(Kind.COLLECTED, 3, stay, 1)
    await story.bring_all()
    assert await story.state() is ParcelState.RETURNING


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (StatementType.REVOCATIONS, "revocation_seq"),
        (StatementType.KEY_SET, "key_set_seq"),
        (StatementType.CONFIGURATION, "configuration_seq"),
    ],
)
async def test_applied_statement_is_known(story: Story, kind: StatementType, column: str) -> None:
    story.machine.write(Kind.STATEMENT, kind.aad.value, 7)
    await story.bring_all()
    async with story.database.read() as session:
        locker = await session.get(Locker, story.town.locker_id)
    assert getattr(locker, column) == 7


async def test_kinds_that_nobody_asks_for_are_kept(story: Story) -> None:
    story.machine.boot()
    story.machine.write(Kind.CLOCK, 0, story.machine.now, 2)
    story.machine.write(Kind.DENIED, story.machine.now, {2: 7})
    story.machine.write(Kind.REFITTED, [1, 2])
    story.machine.write(77, b"from a newer locker")
    taken = await story.bring_all()
    assert taken.upto_seq == 5
    assert await story.incidents() == []


UNKNOWN = stay_of(404)
STRANGE = [
    (Kind.PULSED, (200, 1)),
    (Kind.DOOR_OPENED, (200, None)),
    (Kind.DOOR_CLOSED, (200, True)),
    (Kind.OPEN_NOT_DETECTED, (200,)),
    (Kind.CLOSE_OVERDUE, (200,)),
    (Kind.UNEXPECTED_OPEN, (0,)),
    (Kind.STATEMENT, (b"SLK1-xxx", 2**53 - 1)),
    (Kind.STATEMENT, (b"SLK1-rev", 2**53 - 1)),
    (Kind.DEPOSITED, (200, UNKNOWN)),
    (Kind.COLLECTED, (255, UNKNOWN, 2**53 - 1)),
    (Kind.COLLECTED, (3, UNKNOWN, 0)),
    (Kind.WITHDRAWN, (0, UNKNOWN)),
    (Kind.FOUND_EMPTY, (200, UNKNOWN)),
    (Kind.FAULT, (None, 2**53 - 1)),
    (Kind.POWER, (2**53 - 1,)),
    (2**53 - 1, (b"from a newer locker", 2**63)),
]
"""What a locker of ours may sign although it makes no sense."""


@pytest.mark.parametrize(("kind", "body"), STRANGE)
async def test_senseless_entry_is_kept_and_harms_nobody(
    story: Story, kind: int, body: tuple[Value, ...]
) -> None:
    await story.deposit()
    await story.bring_all()
    story.machine.write(kind, *body)
    taken = await story.bring_all()
    assert taken.upto_seq == len(story.machine.entries)
    assert await story.state() is ParcelState.DEPOSITED


@pytest.mark.parametrize("operation", [*Operation, 0, 2**53 - 1])
async def test_acceptance_of_any_operation_is_kept(story: Story, operation: int) -> None:
    body: list[Value] = [[operation, 255, 99], None, None, None, None, None, [b"x"]]
    story.machine.write(Kind.ACCEPTED, *body)
    assert (await story.bring_all()).upto_seq == 1
