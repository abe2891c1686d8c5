"""Receipts: the locker's own entries about a parcel, and who may read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.journal import Kind, entry_head, verify_head
from server.access.service.evidence import Evidence, find_evidence, list_journal
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.parcels.tables import Stay, StayParcel
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of

if TYPE_CHECKING:
    from server.kit.db import Database


async def collected(database: Database, town: Town) -> int:
    """A parcel whose whole stay is in the journal; the number of its COLLECTED."""
    town.machine.boot()
    town.machine.deposit(2, stay_of(2), b"other-01")
    town.machine.deposit(3, stay_of(1), b"token-01")
    seq = town.machine.collect(3, stay_of(1), b"token-02")
    async with database.write() as session:
        parcel = await town.add_parcel(session)
        session.add(
            Stay(
                id=key_of("stay"),
                name=stay_of(1),
                created_at=START,
                locker_id=town.locker_id,
                compartment_id=key_of("door 3"),
                begun_at=START,
                ended_at=START,
            )
        )
        await session.flush()
        session.add(StayParcel(stay_id=key_of("stay"), parcel_id=parcel.id, put_in_at=START))
        await ledger.append(session, town.machine.contents(), now=START)
    return seq


async def test_recipient_holds_a_receipt_that_the_locker_signed(
    database: Database, town: Town
) -> None:
    seq = await collected(database, town)
    async with database.read() as session:
        evidence = await find_evidence(session, town.recipient, parcel_id=key_of("parcel"))
    assert isinstance(evidence, Evidence)
    last = evidence.entries[-1]
    assert (last.kind, last.seq, last.stay) == (Kind.COLLECTED, seq, stay_of(1))
    assert last.raw is not None
    assert last.head == entry_head(last.raw)
    assert verify_head(
        evidence.locker.sign_public,
        lid=town.machine.lid,
        seq=seq,
        head=last.head,
        signature=town.machine.receipt(seq),
    )


async def test_receipt_says_nothing_of_other_compartments(database: Database, town: Town) -> None:
    await collected(database, town)
    async with database.read() as session:
        evidence = await find_evidence(session, town.recipient, parcel_id=key_of("parcel"))
    assert isinstance(evidence, Evidence)
    assert {entry.comp for entry in evidence.entries} == {3}


@pytest.mark.parametrize(
    ("who", "role", "may"),
    [
        ("stranger", None, False),
        ("courier", Role.COURIER, True),
        ("operator", Role.AUDITOR, True),
        ("operator", Role.HUB_CLERK, False),
    ],
)
async def test_receipt_is_for_those_who_may_read_receipts(
    database: Database, town: Town, who: str, role: Role | None, may: bool
) -> None:
    await collected(database, town)
    actor = town.actor(who, *([] if role is None else [role]))
    async with database.read() as session:
        got = await find_evidence(session, actor, parcel_id=key_of("parcel"))
    if may:
        assert isinstance(got, Evidence)
    else:
        assert isinstance(got, Refusal)
        assert got.code is ProblemCode.NOT_FOUND


async def test_parcel_that_no_locker_has_met_has_no_receipt(database: Database, town: Town) -> None:
    async with database.write() as session:
        await town.add_parcel(session)
    async with database.read() as session:
        got = await find_evidence(session, town.recipient, parcel_id=key_of("parcel"))
        nobody = await find_evidence(session, ANONYMOUS, parcel_id=key_of("parcel"))
    assert isinstance(got, Refusal)
    assert isinstance(nobody, Refusal)
    assert (got.code, nobody.code) == (ProblemCode.WRONG_STATE, ProblemCode.SIGNED_OUT)


async def test_whole_journal_is_for_whoever_verifies_the_log(
    database: Database, town: Town
) -> None:
    await collected(database, town)
    async with database.read() as session:
        page = await list_journal(
            session, town.operator, locker_id=town.locker_id, after=0, limit=3
        )
        rest = await list_journal(
            session, town.operator, locker_id=town.locker_id, after=3, limit=100
        )
        refused = await list_journal(
            session, town.recipient, locker_id=town.locker_id, after=0, limit=3
        )
    assert not isinstance(page, Refusal)
    assert not isinstance(rest, Refusal)
    assert [row.raw for row in (*page, *rest)] == town.machine.entries
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.NOT_FOUND
