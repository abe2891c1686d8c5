"""After a collection: who may say that it was not right, what it closes, and how it ends."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.lockers.closing import DoorVisit
from server.lockers.rules import ServiceState
from server.lockers.tables import Compartment, DoorCheck, Incident
from server.parcels.deadlines import DISPUTE_WINDOW
from server.parcels.disputes import DisputeOutcome, DisputeReason
from server.parcels.service import disputing
from server.parcels.states import Authority, ParcelState, Party, Trigger
from server.parcels.tables import Assurance, Dispute, Parcel, ParcelEvent, Stay, StayParcel
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.town import Town

S, R, O = ParcelState, DisputeReason, DisputeOutcome  # noqa: E741
PARCEL = key_of("parcel")
DAY = timedelta(days=1)


class Bureau:
    """A parcel that was collected from compartment 1 at START, and those who speak of it."""

    def __init__(self, database: Database, town: Town, ids: CountedIds) -> None:
        self.database, self.town, self.ids = database, town, ids

    async def collect(self, **changes: Any) -> None:
        async with self.database.write() as session:
            parcel = await self.town.add_parcel(session)
            parcel.state, parcel.collected_at, parcel.assurance = S.COLLECTED, START, Assurance.A
            parcel.sender_id = key_of("sender")
            await self._add_stay(session, "stay", 1, ended_at=START)
            session.add(
                StayParcel(
                    stay_id=key_of("stay"), parcel_id=PARCEL, put_in_at=START - DAY, left_at=START
                )
            )
            for name, value in changes.items():
                setattr(parcel, name, value)

    async def _add_stay(
        self, session: Any, name: str, number: int, *, ended_at: datetime | None
    ) -> None:
        stay = Stay(
            id=key_of(name),
            name=stay_of(number),
            created_at=START - DAY,
            locker_id=self.town.locker_id,
            compartment_id=key_of("door 1"),
            begun_at=START - DAY if ended_at else START + DAY / 2,
            ended_at=ended_at,
        )
        session.add(stay)
        await session.flush()

    async def put_in_another(self) -> None:
        """Something newer lies in the compartment."""
        async with self.database.write() as session:
            await self._add_stay(session, "newer", 2, ended_at=None)

    async def dispute(
        self, actor: Actor, reason: DisputeReason = R.EMPTY, *, days: float = 1
    ) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await disputing.dispute_collection(
                session,
                actor,
                parcel_id=PARCEL,
                reason=reason,
                ids=self.ids,
                now=START + days * DAY,
            )

    async def resolve(
        self,
        outcome: DisputeOutcome,
        *,
        actor: Actor | None = None,
        reason: str = "Looked at the journal",
        days: float = 2,
    ) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await disputing.resolve_dispute(
                session,
                actor or self.town.operator,
                parcel_id=PARCEL,
                outcome=outcome,
                reason=reason,
                ids=self.ids,
                now=START + days * DAY,
            )

    async def look(self, *, days: float, before: bool | None) -> None:
        """Staff opened the door then, by a right of that moment; what was sensed before."""
        async with self.database.write() as session:
            session.add(
                DoorCheck(
                    id=self.ids.new(),
                    compartment_id=key_of("door 1"),
                    locker_id=self.town.locker_id,
                    opened_seq=int(days * 100),
                    visit=DoorVisit.INSPECT,
                    person_id=key_of("operator"),
                    granted_at=START + days * DAY,
                    occupied_before=before,
                    closed_at=START + days * DAY,
                    closed_seq=int(days * 100) + 1,
                    occupied_after=before,
                )
            )

    async def parcel(self) -> Parcel:
        async with self.database.read() as session:
            return await session.get_one(Parcel, PARCEL)

    async def disputes(self) -> list[Dispute]:
        async with self.database.read() as session:
            query = select(Dispute).order_by(col(Dispute.opened_at))
            return list((await session.exec(query)).all())

    async def service(self) -> ServiceState:
        async with self.database.read() as session:
            return (await session.get_one(Compartment, key_of("door 1"))).service

    async def incidents(self) -> list[tuple[str, bool]]:
        """Kinds of incidents, and whether each is over."""
        async with self.database.read() as session:
            rows = await session.exec(select(Incident).order_by(col(Incident.id)))
            return [(row.kind.value, row.resolved_at is not None) for row in rows]

    async def events(self) -> list[str]:
        async with self.database.read() as session:
            rows = await session.exec(select(Outbox).order_by(col(Outbox.id)))
            return [row.kind for row in rows]

    async def rows(self) -> list[str]:
        async with self.database.read() as session:
            lines = (await session.exec(select(ParcelEvent))).all()
        return [line.row for line in sorted(lines, key=lambda one: one.number)]


@pytest.fixture
async def bureau(database: Database, town: Town, ids: CountedIds) -> Bureau:
    async with database.write() as session:
        await town.add_staff(session, "sender")
    return Bureau(database, town, ids)


def code_of(outcome: object) -> ProblemCode | None:
    return outcome.code if isinstance(outcome, Refusal) else None


async def test_the_recipient_says_once_that_it_was_empty(bureau: Bureau) -> None:
    await bureau.collect()
    for _ in range(2):
        told = await bureau.dispute(bureau.town.recipient)
        assert isinstance(told, Parcel)
        assert told.state is S.DISPUTED
    (dispute,) = await bureau.disputes()
    assert (dispute.party, dispute.opened_by) == (Party.REC, key_of("recipient"))
    assert (dispute.reason, dispute.opened_at) == (R.EMPTY, START + DAY)
    assert dispute.compartment_id == key_of("door 1")
    assert dispute.resolved_at is None
    assert await bureau.service() is ServiceState.QUARANTINED
    assert await bureau.incidents() == [("DISPUTE", False)]
    assert await bureau.events() == ["parcel.disputed"]
    assert await bureau.rows() == ["P29"]


async def test_sender_and_courier_may_say_so_too_and_nobody_else(bureau: Bureau) -> None:
    await bureau.collect()
    town = bureau.town
    for outsider in (town.stranger, town.actor("manager", Role.HUB_MANAGER), ANONYMOUS):
        assert isinstance(await bureau.dispute(outsider), Refusal)
    assert code_of(await bureau.dispute(town.stranger)) is ProblemCode.NOT_FOUND
    assert code_of(await bureau.dispute(town.operator)) is ProblemCode.NOT_PERMITTED
    assert isinstance(await bureau.dispute(town.actor("sender"), R.NOT_ME), Parcel)
    assert isinstance(await bureau.dispute(town.courier, R.NOT_OPENED, days=2), Parcel)
    assert isinstance(await bureau.dispute(town.recipient, R.NOT_MINE, days=3), Parcel)
    assert [one.party for one in await bureau.disputes()] == [Party.SND, Party.COU, Party.REC]
    assert await bureau.rows() == ["P29"]


async def test_after_two_weeks_it_is_too_late(bureau: Bureau) -> None:
    await bureau.collect()
    days = DISPUTE_WINDOW / DAY
    late = await bureau.dispute(bureau.town.recipient, days=days + 0.001)
    assert code_of(late) is ProblemCode.DISPUTE_WINDOW_OVER
    assert await bureau.incidents() == []
    assert isinstance(await bureau.dispute(bureau.town.recipient, days=days), Parcel)


@pytest.mark.parametrize("state", sorted(set(S) - {S.COLLECTED, S.DISPUTED}))
async def test_only_what_was_collected_can_be_disputed(bureau: Bureau, state: ParcelState) -> None:
    await bureau.collect(state=state)
    refused = await bureau.dispute(bureau.town.recipient)
    assert code_of(refused) is ProblemCode.WRONG_STATE
    assert await bureau.disputes() == []


async def test_a_compartment_that_holds_something_newer_stays_in_use(bureau: Bureau) -> None:
    await bureau.collect()
    await bureau.put_in_another()
    assert isinstance(await bureau.dispute(bureau.town.recipient), Parcel)
    assert await bureau.service() is ServiceState.IN_SERVICE
    (dispute,) = await bureau.disputes()
    assert dispute.compartment_id is None


async def test_what_was_handed_over_at_a_counter_closes_no_door(bureau: Bureau) -> None:
    await bureau.collect()
    async with bureau.database.write() as session:
        parcel = await session.get_one(Parcel, PARCEL)
        parcel.version = 1
        session.add(
            ParcelEvent(
                id=bureau.ids.new(),
                parcel_id=PARCEL,
                number=1,
                at=START,
                recorded_at=START,
                row="P27",
                trigger=Trigger.HAND_OVER,
                source=S.AT_HUB,
                target=S.COLLECTED,
                authority=Authority.INTENT,
                party=Party.STA,
            )
        )
    assert isinstance(await bureau.dispute(bureau.town.recipient, R.NOT_ME), Parcel)
    assert await bureau.service() is ServiceState.IN_SERVICE


@pytest.mark.parametrize("outcome", [O.COLLECTED, O.LOST, O.RETURNED])
async def test_an_operator_decides_once_and_everything_ends(
    bureau: Bureau, outcome: DisputeOutcome
) -> None:
    await bureau.collect()
    await bureau.dispute(bureau.town.recipient)
    await bureau.dispute(bureau.town.actor("sender"), R.NOT_ME)
    for _ in range(2):
        decided = await bureau.resolve(outcome)
        assert isinstance(decided, Parcel)
        assert decided.state is outcome.state
    assert code_of(await bureau.resolve(outcome, reason="Anew")) is ProblemCode.WRONG_STATE
    for dispute in await bureau.disputes():
        assert (dispute.outcome, dispute.resolution) == (outcome, "Looked at the journal")
        assert (dispute.resolved_at, dispute.resolved_by) == (START + 2 * DAY, key_of("operator"))
    assert {is_over for _, is_over in await bureau.incidents()} == {True}
    assert await bureau.events() == ["parcel.disputed", "parcel.dispute_resolved"]
    assert await bureau.rows() == ["P29", "P30"]
    parcel = await bureau.parcel()
    assert (parcel.collected_at, parcel.assurance) == (START, Assurance.A)


async def test_what_was_decided_is_not_disputed_again_by_the_same(bureau: Bureau) -> None:
    await bureau.collect()
    await bureau.dispute(bureau.town.recipient)
    await bureau.resolve(O.COLLECTED)
    again = await bureau.dispute(bureau.town.recipient, R.NOT_ME, days=3)
    assert code_of(again) is ProblemCode.WRONG_STATE
    assert isinstance(await bureau.dispute(bureau.town.actor("sender"), days=3), Parcel)
    assert (await bureau.parcel()).state is S.DISPUTED


async def test_only_operators_decide_and_they_say_why(bureau: Bureau) -> None:
    await bureau.collect()
    await bureau.dispute(bureau.town.recipient)
    for outsider in (bureau.town.recipient, bureau.town.courier, bureau.town.manager):
        assert code_of(await bureau.resolve(O.LOST, actor=outsider)) is ProblemCode.NOT_FOUND
    assert code_of(await bureau.resolve(O.LOST, reason=" ")) is ProblemCode.INPUT_INVALID
    assert (await bureau.parcel()).state is S.DISPUTED


@pytest.mark.parametrize(
    ("looked", "before"),
    [(None, None), (0.5, True), (1.5, False)],
    ids=["nobody looked", "somebody looked before", "the sensor said that it was empty"],
)
async def test_it_waits_again_only_if_it_was_found_inside_since(
    bureau: Bureau, looked: float | None, before: bool | None
) -> None:
    await bureau.collect()
    await bureau.dispute(bureau.town.recipient)
    if looked is not None:
        await bureau.look(days=looked, before=before)
    assert code_of(await bureau.resolve(O.READY_FOR_PICKUP)) is ProblemCode.WRONG_STATE
    assert (await bureau.parcel()).state is S.DISPUTED


@pytest.mark.parametrize("before", [True, None])
async def test_what_was_found_inside_was_never_collected_and_waits_anew(
    bureau: Bureau, before: bool | None
) -> None:
    await bureau.collect(available_from=START - DAY, available_through=START + DAY)
    await bureau.dispute(bureau.town.recipient, R.NOT_OPENED)
    await bureau.look(days=1.5, before=before)
    assert isinstance(await bureau.resolve(O.READY_FOR_PICKUP), Parcel)
    parcel = await bureau.parcel()
    assert (parcel.state, parcel.collected_at, parcel.assurance) == (
        S.READY_FOR_PICKUP,
        None,
        None,
    )
    assert parcel.available_from == START + 2 * DAY
    assert parcel.available_through == START + 5 * DAY
