"""What sign-ins leave behind is forgotten in time, in portions."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from sqlmodel import select

from server.kit.proofs import PROOF_TOLERANCE, UsedProof
from server.people.jobs import BATCH, forget_sign_ins
from server.people.rules import CODE_LIFE
from server.people.service.codes import OneTimeCodes
from server.people.tables import SignInRequest

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock


async def test_old_requests_and_used_proofs_are_forgotten(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> None:
    async with database.write() as session:
        await OneTimeCodes(keyring, ids).start(
            session, address="recipient@example.org", now=clock.now()
        )
        for number in range(BATCH + 1):
            session.add(UsedProof(digest=number.to_bytes(2), expires_at=clock.now()))
    assert await forget_sign_ins(database, now=clock.now() + PROOF_TOLERANCE) == 0
    clock.move(seconds=(2 * CODE_LIFE + timedelta(seconds=1)).total_seconds())
    assert await forget_sign_ins(database, now=clock.now()) == BATCH + 2
    async with database.read() as session:
        for table in (SignInRequest, UsedProof):
            assert (await session.exec(select(table))).all() == []
