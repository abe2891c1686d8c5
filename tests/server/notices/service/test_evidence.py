"""Evidence of a dispute: fixed with it, the same for both sides, proven, and never changed."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.ids import OWN_CHAIN
from schema.journal import Kind
from schema.readings import Reading
from schema.receipts.evidence import parse_evidence, told_digest, verify_evidence
from server.access.rules import Action, GrantState
from server.access.tables import Grant
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.ledger.own.tables import OwnSubject
from server.ledger.tables import JournalEntry
from server.notices.rules import NoticeKind
from server.notices.service.evidence import (
    dispute_collection,
    erase_evidence,
    forget_evidence,
    list_evidence,
    seal_evidence,
)
from server.notices.service.findings import MOST_ENTRIES, choose_entries
from server.notices.tables import DisputeEvidence, Notice
from server.parcels.disputes import DisputeReason
from server.parcels.states import ParcelState
from server.parcels.tables import Dispute, Parcel
from server.people.preferences import Channel
from server.people.roles import Role
from tests.fakes.journals import JournalingLocker, stay_of
from tests.fakes.sources import START
from tests.fakes.town import Town, build_town, key_of
from tests.server.access.service.test_evidence import collected
from tests.server.access.service.test_receipts import seal, trust_in

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring

PARCEL, NAME = key_of("parcel"), "quetzalcoatlus"


class Affair:
    """A collection that somebody disputes."""

    def __init__(
        self, database: Database, town: Town, ids: CountedIds, keyring: DerivedKeyring
    ) -> None:
        self.database, self.town, self.ids, self.keyring = database, town, ids, keyring

    async def begin(self) -> None:
        await collected(self.database, self.town)
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, PARCEL)
            parcel.state, parcel.collected_at = ParcelState.COLLECTED, START
            parcel.recipient_name = parcel.recipient_contact = NAME
            parcel.sender_id = key_of("stranger")
            session.add(
                Grant(
                    id=key_of("grant"),
                    created_at=START,
                    action=Action.OPEN,
                    state=GrantState.USED,
                    parcel_id=PARCEL,
                    locker_id=self.town.locker_id,
                    stay=stay_of(1),
                    holder_id=key_of("recipient"),
                    not_before=START,
                )
            )
            session.add(
                Notice(
                    id=self.ids.new(),
                    person_id=key_of("recipient"),
                    subject=PARCEL,
                    kind=NoticeKind.READY,
                    version=1,
                    channel=Channel.EMAIL,
                    created_at=START,
                    reason=f"550 {NAME}",
                )
            )
            second = int(START.timestamp())
            readings = [Reading(second, 3, 1, 50), Reading(second, 2, 1, 51)]
            await ledger.observe_readings(session, self.town.machine.lid, readings, now=START)

    async def dispute(self, actor: Actor) -> Parcel | Refusal:
        async with self.database.write() as session:
            return await dispute_collection(
                session,
                actor,
                parcel_id=PARCEL,
                reason=DisputeReason.EMPTY,
                ids=self.ids,
                now=START,
            )

    async def complete(self) -> None:
        async with self.database.write() as session:
            assert await seal_evidence(session, after=None, now=START) is None

    async def read(self, actor: Actor) -> list[tuple[Dispute, DisputeEvidence]]:
        async with self.database.read() as session:
            found = await list_evidence(session, actor, parcel_id=PARCEL)
        assert not isinstance(found, Refusal)
        return [*found]

    async def file(self) -> bytes | None:
        return (await self.read(self.town.recipient))[0][1].file


@pytest.fixture
async def affair(database: Database, ids: CountedIds, keyring: DerivedKeyring) -> Affair:
    async with database.write() as session:
        town = await build_town(session)
    made = Affair(database, town, ids, keyring)
    await made.begin()
    return made


async def test_file_proves_the_entries_and_tells_the_rest_without_a_name(affair: Affair) -> None:
    town = affair.town
    assert isinstance(await affair.dispute(town.recipient), Parcel)
    await seal(affair.database, affair.keyring)
    await affair.complete()
    raw = await affair.file()
    assert raw is not None
    upheld = verify_evidence(raw, trust_in(town, affair.keyring))
    kinds = [one.entry.kind for one in upheld.verdict.entries if one.entry is not None]
    assert {Kind.DEPOSITED, Kind.COLLECTED, Kind.ACCEPTED} <= {*kinds}
    told = upheld.told
    assert told["dispute"]["reason"] == "EMPTY"
    assert told["readings"] == [[int(START.timestamp()), 3, 1, 50]], "of that door alone"
    assert [(one["action"], one["holder"]) for one in told["grants"]] == [("OPEN", "recipient")]
    assert [(one["kind"], one["channel"]) for one in told["notices"]] == [("READY", "EMAIL")]
    assert told["delegations"] == []
    assert NAME not in json.dumps(told)
    assert f"{key_of('recipient')}" not in json.dumps(told)


async def test_file_waits_for_the_log_and_is_never_written_twice(affair: Affair) -> None:
    await affair.dispute(affair.town.recipient)
    await affair.complete()
    assert await affair.file() is None
    await seal(affair.database, affair.keyring)
    await affair.complete()
    first = await affair.file()
    async with affair.database.write() as session:
        (await session.get_one(Grant, key_of("grant"))).state = GrantState.REVOKED
    affair.town.machine.boot()
    async with affair.database.write() as session:
        await ledger.append(session, affair.town.machine.contents(), now=START)
    await seal(affair.database, affair.keyring)
    await affair.dispute(affair.town.recipient)
    await affair.complete()
    assert first is not None
    assert await affair.file() == first


async def test_both_sides_get_the_same_and_others_nothing(affair: Affair) -> None:
    town = affair.town
    await affair.dispute(town.recipient)
    await affair.dispute(town.courier)
    await seal(affair.database, affair.keyring)
    await affair.complete()
    readers = [town.recipient, town.courier, town.stranger, town.manager, town.operator]
    files = [[row.file for _, row in await affair.read(reader)] for reader in readers]
    assert files[0] == files[1] == files[2] == files[3] == files[4]
    assert len({*files[0]}) == 2
    for other in (town.actor("other"), town.actor("clerk", Role.HUB_CLERK)):
        async with affair.database.read() as session:
            found = await list_evidence(session, other, parcel_id=PARCEL)
        assert isinstance(found, Refusal)
        assert found.code is ProblemCode.NOT_FOUND


async def test_dispute_that_is_refused_fixes_nothing(affair: Affair) -> None:
    refused = await affair.dispute(affair.town.actor("other"))
    assert isinstance(refused, Refusal)
    assert await affair.read(affair.town.recipient) == []


async def test_crash_before_the_commit_leaves_neither_dispute_nor_evidence(affair: Affair) -> None:
    async def crash() -> None:
        async with affair.database.write() as session:
            await dispute_collection(
                session,
                affair.town.recipient,
                parcel_id=PARCEL,
                reason=DisputeReason.EMPTY,
                ids=affair.ids,
                now=START,
            )
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await crash()
    async with affair.database.read() as session:
        for table in (Dispute, DisputeEvidence, OwnSubject):
            assert (await session.exec(select(table))).all() == []
    await affair.dispute(affair.town.recipient)
    assert len(await affair.read(affair.town.recipient)) == 1


async def test_erased_evidence_leaves_its_digest_and_what_others_hold_stays_true(
    affair: Affair,
) -> None:
    await affair.dispute(affair.town.recipient)
    await seal(affair.database, affair.keyring)
    await affair.complete()
    kept = await affair.file()
    assert kept is not None
    for _ in range(2):
        async with affair.database.write() as session:
            await erase_evidence(session, [PARCEL])
    await affair.complete()
    [(_, row)] = await affair.read(affair.town.courier)
    assert (row.told, row.file) == (None, None)
    assert row.told_digest == told_digest(parse_evidence(kept).told)
    assert verify_evidence(kept, trust_in(affair.town, affair.keyring)).told["version"] == 1
    async with affair.database.read() as session:
        own = select(JournalEntry).where(JournalEntry.lid == OWN_CHAIN)
        assert [entry.raw for entry in (await session.exec(own)).all()] == [None]


async def test_evidence_is_forgotten_ninety_days_after_the_decision(affair: Affair) -> None:
    async def forget(days: float) -> int:
        async with affair.database.write() as session:
            return await forget_evidence(session, now=START + timedelta(days=days))

    await affair.dispute(affair.town.recipient)
    assert await forget(days=400) == 0, "nobody has decided"
    async with affair.database.write() as session:
        dispute = (await session.exec(select(Dispute))).one()
        dispute.resolved_at = START
    assert [await forget(days=days) for days in (89, 91, 92)] == [0, 1, 0]
    [(_, row)] = await affair.read(affair.town.recipient)
    assert row.told is None


def test_most_that_is_told_are_the_newest_entries_that_a_receipt_has_room_for() -> None:
    machine = JournalingLocker()
    rows = [
        JournalEntry(
            lid=machine.lid,
            seq=seq,
            t=0,
            clockq=2,
            kind=1,
            boot=1,
            prev_head=b"",
            head=b"",
            raw=bytes(4_000 if seq > 60 else 10),
            received_at=START,
        )
        for seq in range(1, 2 * MOST_ENTRIES)
    ]
    assert [row.seq for row in choose_entries(rows[:50])] == list(range(1, 51))
    assert [row.seq for row in choose_entries(rows)] == list(range(163, 200))
