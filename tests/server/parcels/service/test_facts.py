"""What lockers' facts do to parcels, compartments and stays."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.compartments import DoorState
from server.hubs.tables import Hub
from server.kit.outbox import Outbox
from server.lockers.incidents import Fact, IncidentKind
from server.lockers.rules import FAILED_OPENINGS, Allocation, ServiceState
from server.lockers.service.doors import DOOR_LEFT_OPEN
from server.lockers.tables import Compartment, Incident, Reservation
from server.parcels.service import facts, stays
from server.parcels.service.depositing import Putting
from server.parcels.service.scenes import Opening
from server.parcels.states import Authority, ParcelState, Party, Removal
from server.parcels.tables import Assurance, LocationKind, Parcel, ParcelEvent, Stay
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Database, Session
    from tests.fakes.sources import CountedIds, SeededRandomness
    from tests.fakes.town import Town

S = ParcelState
LATER = START + timedelta(hours=5)
"""When the server hears of what happened at START."""
HOLDER = Opening(is_token_valid=True, is_holder_proved=True, holder_id=key_of("recipient"))


@dataclass
class Story:
    """A parcel, the stay minted for it, and the facts that a locker tells about them."""

    database: Database
    town: Town
    ids: CountedIds
    stay: bytes
    seq: int = 0
    now: datetime = LATER

    def fact(self, *, seq: int | None = None) -> Fact:
        self.seq += 1
        return Fact(self.town.locker_id, seq or self.seq, START, 2, 1)

    async def deposit(self, fact: Fact | None = None) -> None:
        async with self.database.write() as session:
            await facts.on_deposited(
                session,
                fact or self.fact(),
                stay=self.stay,
                putting=Putting(depositor_id=key_of("courier")),
                ids=self.ids,
                now=self.now,
            )

    async def accept(self) -> None:
        async with self.database.write() as session:
            await facts.on_open_accepted(
                session,
                self.fact(),
                stay=self.stay,
                holder_id=key_of("recipient"),
                ids=self.ids,
                now=self.now,
            )

    async def close(self, *, is_occupied: bool | None) -> None:
        async with self.database.write() as session:
            await facts.on_opened(session, self.fact(), now=self.now)
            await facts.on_closed(
                session, self.fact(), is_occupied=is_occupied, ids=self.ids, now=self.now
            )

    async def collect(
        self, grade: int = 1, opening: Opening = HOLDER, fact: Fact | None = None
    ) -> None:
        async with self.database.write() as session:
            await facts.on_collected(
                session,
                fact or self.fact(),
                stay=self.stay,
                grade=grade,
                opening=opening,
                ids=self.ids,
                now=self.now,
            )

    async def withdraw(self) -> None:
        async with self.database.write() as session:
            await facts.on_withdrawn(
                session, self.fact(), stay=self.stay, ids=self.ids, now=self.now
            )

    async def find_empty(self) -> None:
        async with self.database.write() as session:
            await facts.on_found_empty(
                session, self.fact(), stay=self.stay, ids=self.ids, now=self.now
            )

    async def burst_open(self) -> None:
        async with self.database.write() as session:
            await facts.on_unexpected_open(session, self.fact(), ids=self.ids, now=self.now)

    async def stick(self, failures: int = 1) -> None:
        async with self.database.write() as session:
            await facts.on_open_not_detected(
                session, self.fact(), failures=failures, ids=self.ids, now=self.now
            )

    async def leave_open(self, holder_id: uuid.UUID | None) -> None:
        async with self.database.write() as session:
            await facts.on_close_overdue(
                session, self.fact(), opened_at=START, holder_id=holder_id, now=self.now
            )

    async def set_state(self, state: ParcelState) -> None:
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            parcel.state = state

    async def parcel(self) -> Parcel:
        async with self.database.read() as session:
            return await session.get_one(Parcel, key_of("parcel"))

    async def door(self) -> Compartment:
        async with self.database.read() as session:
            return await session.get_one(Compartment, key_of("door 1"))

    async def kept_stay(self) -> Stay:
        async with self.database.read() as session:
            return (await session.exec(select(Stay).where(Stay.name == self.stay))).one()

    async def rows(self) -> list[str]:
        async with self.database.read() as session:
            query = select(ParcelEvent.row).order_by(col(ParcelEvent.number))
            return list((await session.exec(query)).all())

    async def incidents(self) -> list[IncidentKind]:
        async with self.database.read() as session:
            query = select(Incident).order_by(col(Incident.id))
            return [incident.kind for incident in (await session.exec(query)).all()]

    async def events(self) -> list[str]:
        async with self.database.read() as session:
            query = select(Outbox.kind).order_by(col(Outbox.id))
            return list((await session.exec(query)).all())


@pytest.fixture
async def story(
    database: Database, town: Town, ids: CountedIds, randomness: SeededRandomness
) -> Story:
    async with database.write() as session:
        parcel = await town.add_parcel(session)
        stay = await stays.mint_stay(
            session,
            parcel_id=parcel.id,
            locker_id=town.locker_id,
            ids=ids,
            randomness=randomness,
            now=START,
        )
    return Story(database, town, ids, stay.name)


async def test_deposit_binds_the_stay_to_its_compartment(story: Story) -> None:
    async with story.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        await story.town.reserve(session, parcel, 2)
    await story.deposit()
    parcel, stay = await story.parcel(), await story.kept_stay()
    assert (parcel.state, parcel.stay_id) == (S.DEPOSITED, stay.id)
    assert (stay.compartment_id, stay.begun_at, stay.ended_at) == (key_of("door 1"), START, None)
    assert (await story.door()).allocation is Allocation.OCCUPIED
    assert await story.events() == ["parcel.deposited"]
    async with story.database.read() as session:
        line = (await session.exec(select(ParcelEvent))).one()
        reservation = (await session.exec(select(Reservation))).one()
    assert reservation.ended_at is not None
    assert (line.row, line.at, line.recorded_at, line.seq) == ("P10", START, LATER, 1)
    assert (line.authority, line.party, line.actor_id) == (
        Authority.FACT,
        Party.AGT,
        key_of("courier"),
    )


@pytest.mark.parametrize(
    ("state", "row", "target"),
    [
        (S.ANNOUNCED, "P10b", S.DEPOSITED),
        (S.IN_TRANSIT, "P10b", S.DEPOSITED),
        (S.AT_HUB, "P11b", S.DEPOSITED),
        (S.CANCELLED, "F2", S.ON_HOLD),
        (S.LOST, "F2", S.ON_HOLD),
    ],
)
async def test_deposit_is_taken_whatever_scans_are_missing(
    story: Story, state: ParcelState, row: str, target: ParcelState
) -> None:
    await story.set_state(state)
    await story.deposit()
    parcel = await story.parcel()
    assert (await story.rows(), parcel.state) == ([row], target)
    assert parcel.is_from_counter == (row == "P11b")
    expected = [IncidentKind.LATE_FACT] if row == "F2" else []
    assert await story.incidents() == expected


async def test_same_entry_again_changes_nothing(story: Story) -> None:
    await story.deposit(story.fact(seq=1))
    await story.deposit(story.fact(seq=1))
    await story.collect(fact=story.fact(seq=2))
    await story.collect(fact=story.fact(seq=2))
    assert await story.rows() == ["P10", "F1"]
    assert (await story.parcel()).version == 2
    assert await story.incidents() == []


async def test_sensed_collection_ends_the_stay_and_counts_at_once(story: Story) -> None:
    await story.deposit()
    await story.accept()
    await story.collect(grade=1)
    parcel, stay = await story.parcel(), await story.kept_stay()
    assert (parcel.state, parcel.assurance, parcel.collected_at) == (
        S.COLLECTED,
        Assurance.A,
        START,
    )
    assert (parcel.stay_id, stay.ended_at) == (None, START)
    assert (await story.door()).allocation is Allocation.FREE
    assert await story.rows() == ["P10", "P15", "P16"]
    assert await story.events() == ["parcel.deposited", "parcel.collected"]


@pytest.mark.parametrize(
    ("grade", "is_proved", "assurance"),
    [(1, False, Assurance.C), (2, True, Assurance.B), (2, False, Assurance.C)],
)
async def test_assurance_follows_grade_and_holder(
    story: Story, grade: int, is_proved: bool, assurance: Assurance
) -> None:
    await story.deposit()
    await story.accept()
    await story.collect(grade, Opening(is_token_valid=True, is_holder_proved=is_proved))
    assert (await story.parcel()).assurance is assurance


async def test_unsensed_collection_waits_a_minute_for_an_objection(story: Story) -> None:
    story.now = START + timedelta(seconds=59)
    await story.deposit()
    await story.accept()
    await story.collect(grade=2)
    parcel = await story.parcel()
    assert (parcel.state, parcel.settles_at) == (S.COLLECTING, START + timedelta(seconds=60))
    assert (parcel.stay_id, (await story.kept_stay()).ended_at) == (None, START)
    async with story.database.read() as session:
        query = select(Outbox).where(Outbox.kind == "parcel.settling")
        event = (await session.exec(query)).one()
    assert event.not_before == parcel.settles_at
    assert event.facts == {
        "locker": str(story.town.locker_id),
        "seq": 3,
        "holder": str(key_of("recipient")),
        "token_valid": True,
    }


async def test_door_left_open_holds_the_parcel_and_closes_the_compartment(story: Story) -> None:
    await story.deposit()
    await story.accept()
    await story.collect(grade=3)
    door = await story.door()
    assert (await story.parcel()).state is S.ON_HOLD
    assert (door.allocation, door.service) == (Allocation.UNKNOWN, ServiceState.QUARANTINED)
    assert await story.rows() == ["P10", "P15", "P18"]
    assert await story.incidents() == [IncidentKind.CLOSE_OVERDUE]


async def test_what_is_still_inside_was_not_taken(story: Story) -> None:
    await story.deposit()
    await story.accept()
    await story.close(is_occupied=True)
    parcel, door = await story.parcel(), await story.door()
    assert (parcel.state, parcel.stay_id) == (S.READY_FOR_PICKUP, (await story.kept_stay()).id)
    assert (parcel.available_from, parcel.deadline_version) == (START, 1)
    assert (door.door, door.allocation) == (DoorState.CLOSED, Allocation.OCCUPIED)
    await story.collect(grade=1)
    assert await story.rows() == ["P10", "P15", "P17", "F1"]


async def test_door_that_never_moved_gives_the_use_back(story: Story) -> None:
    await story.deposit()
    await story.accept()
    await story.stick()
    assert (await story.parcel()).state is S.READY_FOR_PICKUP
    assert await story.incidents() == [IncidentKind.OPEN_NOT_DETECTED]


async def test_parcel_behind_a_broken_door_is_held_until_somebody_opens_it(story: Story) -> None:
    await story.deposit()
    for failures in range(1, FAILED_OPENINGS + 1):
        await story.accept()
        await story.stick(failures)
    parcel, door = await story.parcel(), await story.door()
    assert (parcel.state, parcel.stay_id) == (S.ON_HOLD, (await story.kept_stay()).id)
    assert door.service is ServiceState.OUT_OF_SERVICE
    assert (await story.rows())[-2:] == ["P17", "P20"]
    assert (await story.events())[-1] == "parcel.held"
    assert await story.incidents() == [IncidentKind.OPEN_NOT_DETECTED]
    await story.collect(grade=1)
    assert (await story.parcel()).state is S.COLLECTED


async def test_whoever_the_parcel_is_for_is_asked_where_nobody_knows_who_opened(
    story: Story,
) -> None:
    await story.deposit()
    await story.leave_open(None)
    await story.leave_open(key_of("courier"))
    async with story.database.read() as session:
        query = select(Outbox).where(Outbox.kind == DOOR_LEFT_OPEN).order_by(col(Outbox.id))
        asked = {event.facts["person"] for event in (await session.exec(query)).all()}
    assert asked == {str(key_of("recipient")), str(key_of("courier"))}


async def test_withdrawn_deposit_goes_back_to_the_courier(story: Story) -> None:
    await story.deposit()
    await story.withdraw()
    parcel = await story.parcel()
    assert (parcel.state, parcel.stay_id) == (S.OUT_FOR_DELIVERY, None)
    assert (await story.kept_stay()).ended_at == START
    assert (await story.door()).allocation is Allocation.FREE
    assert await story.events() == ["parcel.deposited", "parcel.moved"]


async def test_empty_compartment_is_an_incident_that_names_the_depositor(story: Story) -> None:
    await story.deposit()
    await story.accept()
    await story.find_empty()
    assert (await story.parcel()).state is S.ON_HOLD
    assert (await story.door()).service is ServiceState.QUARANTINED
    async with story.database.read() as session:
        incident = (await session.exec(select(Incident))).one()
    assert incident.kind is IncidentKind.FOUND_EMPTY
    assert incident.subject_id == key_of("parcel")
    assert str(key_of("courier")) in incident.detail


async def test_door_that_burst_open_holds_the_parcel_but_never_collects_it(story: Story) -> None:
    await story.deposit()
    await story.burst_open()
    assert (await story.parcel()).state is S.ON_HOLD
    assert (await story.kept_stay()).ended_at is None
    door = await story.door()
    assert (door.door, door.allocation) == (DoorState.OPEN, Allocation.UNKNOWN)
    assert await story.incidents() == [IncidentKind.UNEXPECTED_OPEN]
    assert await story.rows() == ["P10", "F3"]


async def test_door_of_an_empty_compartment_that_burst_open_is_an_incident_too(
    story: Story,
) -> None:
    await story.burst_open()
    assert (await story.parcel()).state is S.OUT_FOR_DELIVERY
    assert await story.incidents() == [IncidentKind.UNEXPECTED_OPEN]


@pytest.mark.parametrize("state", [S.EXPIRED, S.LOST, S.ON_HOLD, S.READY_FOR_PICKUP])
async def test_late_collection_wins_and_is_explained_where_people_had_decided(
    story: Story, state: ParcelState
) -> None:
    await story.deposit()
    await story.set_state(state)
    await story.collect(grade=1)
    parcel = await story.parcel()
    assert (parcel.state, parcel.collected_at) == (S.COLLECTED, START)
    explained = state in {S.LOST, S.ON_HOLD}
    assert await story.incidents() == ([IncidentKind.LATE_FACT] if explained else [])


async def test_collection_under_a_token_that_was_not_valid_moves_nothing(story: Story) -> None:
    await story.deposit()
    await story.set_state(S.EXPIRED)
    await story.collect(1, Opening(is_token_valid=False, is_holder_proved=True))
    parcel = await story.parcel()
    assert (parcel.state, parcel.stay_id) == (S.EXPIRED, None)
    assert await story.incidents() == [IncidentKind.FACT_WITHOUT_ROW]


@pytest.mark.parametrize(
    ("state", "removal", "row", "target"),
    [
        (S.DROPPED_OFF, Removal.ONWARD, "P6", S.IN_TRANSIT),
        (S.EXPIRED, Removal.RETURN, "P25", S.RETURNING),
        (S.EXPIRED, Removal.TO_COUNTER, "P24", S.AT_HUB),
        (S.ON_HOLD, Removal.DISPOSAL, "P26", S.DISPOSED),
    ],
)
async def test_collection_under_a_remove_grant_is_a_removal(
    story: Story, state: ParcelState, removal: Removal, row: str, target: ParcelState
) -> None:
    await story.deposit()
    await story.set_state(state)
    staff = Opening(is_token_valid=True, is_holder_proved=True, removal=removal)
    await story.collect(1, staff)
    parcel = await story.parcel()
    assert (await story.rows(), parcel.state) == (["P10", row], target)
    if target is S.AT_HUB:
        assert parcel.location_kind is LocationKind.HUB_COUNTER
        assert parcel.available_through == START + timedelta(days=7)


async def test_parcel_moved_out_of_a_temporary_locker_goes_on_to_its_planned_hub(
    story: Story,
) -> None:
    async with story.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        planned = await _second_hub(story, session)
        parcel.hub_id = parcel.planned_hub_id = planned
    await story.deposit()
    assert (await story.parcel()).location_kind is LocationKind.TEMPORARY
    assert (await story.parcel()).hub_id == story.town.hub_id
    moving = Opening(is_token_valid=True, is_holder_proved=True, removal=Removal.ONWARD)
    await story.collect(1, moving)
    parcel = await story.parcel()
    assert (parcel.state, parcel.hub_id, parcel.location_kind) == (
        S.IN_TRANSIT,
        planned,
        LocationKind.PLANNED,
    )
    assert await story.rows() == ["P10", "P14"]


async def test_facts_that_fit_no_row_move_nothing_and_open_an_incident(story: Story) -> None:
    await story.deposit()
    await story.set_state(S.RETURNED)
    await story.withdraw()
    assert (await story.parcel()).state is S.RETURNED
    assert await story.incidents() == [IncidentKind.FACT_WITHOUT_ROW]


async def test_fact_about_an_unknown_stay_opens_an_incident(story: Story) -> None:
    story.stay = b"neverwas"
    await story.deposit()
    await story.collect()
    assert (await story.parcel()).state is S.OUT_FOR_DELIVERY
    assert await story.incidents() == [IncidentKind.FACT_WITHOUT_PARCEL] * 2


async def test_ended_stay_ends_only_once(story: Story) -> None:
    await story.deposit()
    await story.collect()
    await story.find_empty()
    assert (await story.parcel()).state is S.COLLECTED
    assert await story.incidents() == [IncidentKind.FACT_WITHOUT_PARCEL]


async def test_new_deposit_in_an_occupied_compartment_ends_the_forgotten_stay(
    story: Story, randomness: SeededRandomness
) -> None:
    await story.deposit()
    first = story.stay
    async with story.database.write() as session:
        other = await story.town.add_parcel(session, "other")
        stay = await stays.mint_stay(
            session,
            parcel_id=other.id,
            locker_id=story.town.locker_id,
            ids=story.ids,
            randomness=randomness,
            now=LATER,
        )
    story.stay = stay.name
    await story.deposit()
    story.stay = first
    assert (await story.kept_stay()).ended_at == START
    assert (await story.parcel()).stay_id is None
    assert await story.incidents() == [IncidentKind.FACT_WITHOUT_ROW]


async def test_stay_is_minted_once_until_it_begins(
    story: Story, randomness: SeededRandomness
) -> None:
    async def mint() -> bytes:
        async with story.database.write() as session:
            stay = await stays.mint_stay(
                session,
                parcel_id=key_of("parcel"),
                locker_id=story.town.locker_id,
                ids=story.ids,
                randomness=randomness,
                now=LATER,
            )
        return stay.name

    assert await mint() == story.stay
    await story.deposit()
    assert await mint() != story.stay


async def _second_hub(story: Story, session: Session) -> uuid.UUID:
    first = await session.get_one(Hub, story.town.hub_id)
    second = Hub(**{**first.model_dump(), "id": key_of("second hub"), "name": "Old Mill"})
    session.add(second)
    await session.flush()
    return second.id
