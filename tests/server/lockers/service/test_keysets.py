"""Key sets that a root signed."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.cose import SigningKey
from schema.ids import EVERY_LOCKER, KeyId, LockerId
from schema.keys import KeyEntry, Operation
from schema.statements import KeySetStatement, Time, sign_statement
from server.kit.errors import BrokenPromise, Refusal
from server.kit.keyring import Purpose
from server.lockers.service import keysets
from server.lockers.tables import SignedKeySet
from tests.fakes.journals import seed
from tests.fakes.sources import START
from tests.fakes.town import ROOT_KEY, ROOT_KID, ROOT_SEED, ROOTS, publish_key_set

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

ROOT = SigningKey(ROOT_SEED)
LID, OTHER = LockerId(b"lockerno"), LockerId(b"otherone")


def signed(lid: LockerId, seq: int, iat: int = int(START.timestamp())) -> bytes:
    return sign_statement(ROOT, ROOT_KID, KeySetStatement(lid, seq, iat, ()))


async def add(database: Database, raw: bytes, ids: CountedIds) -> SignedKeySet | Refusal:
    async with database.write() as session:
        return await keysets.add_key_set(session, raw, roots=ROOTS, ids=ids, now=START)


async def newest(database: Database, lid: LockerId) -> int | None:
    async with database.read() as session:
        found = await keysets.find_key_set(session, lid)
    return None if found is None else found.seq


async def test_newest_counts_among_those_for_one_locker_and_for_all(
    database: Database, ids: CountedIds
) -> None:
    for lid, seq in ((EVERY_LOCKER, 2), (LID, 3), (OTHER, 4), (EVERY_LOCKER, 1)):
        assert isinstance(await add(database, signed(lid, seq), ids), SignedKeySet)
    assert await newest(database, LID) == 3
    assert await newest(database, OTHER) == 4
    assert await newest(database, LockerId(b"newcomer")) == 2
    async with database.read() as session:
        assert await keysets.next_key_set_seq(session) == 5


async def test_without_a_key_set_there_is_none_and_the_first_is_number_one(
    database: Database,
) -> None:
    assert await newest(database, LID) is None
    async with database.read() as session:
        assert await keysets.next_key_set_seq(session) == 1


async def test_same_bytes_again_change_nothing_other_bytes_of_the_number_are_refused(
    database: Database, ids: CountedIds
) -> None:
    first = await add(database, signed(EVERY_LOCKER, 1), ids)
    again = await add(database, signed(EVERY_LOCKER, 1), ids)
    assert isinstance(first, SignedKeySet)
    assert isinstance(again, SignedKeySet)
    assert again.id == first.id
    for raw in (signed(EVERY_LOCKER, 1, 1), signed(LID, 1)):
        outcome = await add(database, raw, ids)
        assert isinstance(outcome, Refusal)
        assert outcome.code is ProblemCode.CHANGED_MEANWHILE


async def test_two_key_sets_of_one_number_at_once_are_kept_once(
    database: Database, ids: CountedIds
) -> None:
    raws = [signed(EVERY_LOCKER, 1, iat) for iat in (1, 2, 3)]
    outcomes = await asyncio.gather(*(add(database, raw, ids) for raw in raws))
    assert len([one for one in outcomes if isinstance(one, SignedKeySet)]) == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff" * 40,
        sign_statement(SigningKey(seed("thief")), ROOT_KID, KeySetStatement(LID, 1, 1, ())),
        sign_statement(ROOT, KeyId(b"no"), KeySetStatement(LID, 1, 1, ())),
        sign_statement(ROOT, ROOT_KID, Time(LID, 1, b"n" * 16)),
        signed(LID, 1, 2**53 - 1),
    ],
    ids=["empty", "noise", "other key", "other kid", "other kind", "far future"],
)
async def test_what_no_root_signed_as_a_key_set_is_refused(
    database: Database, ids: CountedIds, raw: bytes
) -> None:
    outcome = await add(database, raw, ids)
    assert isinstance(outcome, Refusal)
    assert outcome.code is ProblemCode.INPUT_INVALID


async def test_rotation_keeps_the_former_issuer_key_beside_the_new_one(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> None:
    former = keyring.list_keys(Purpose.ISSUER)[0]
    clock.move(days=30)
    current = keyring.rotate(Purpose.ISSUER)
    async with database.write() as session:
        row = await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
    keys = keysets.keys_of(row)
    assert [entry.kid for entry in keys.entries[:2]] == [current.kid, former.kid]
    for key in (current, former):
        entry = keys.find_signer(key.kid)
        assert entry is not None
        now = int(clock.now().timestamp())
        assert entry.allows(actions=Operation.OPEN | Operation.SYNC, nbf=now, exp=now + 3600)
        assert not entry.allows(actions=Operation.SERVICE, nbf=now, exp=now + 3600)
        assert not entry.allows(actions=Operation.OPEN, nbf=now, exp=now + 8 * 86_400)
    seal = keys.find_sealing_key()
    assert seal is not None
    assert seal.public == keyring.list_keys(Purpose.SEAL)[0].public


async def test_dead_issuer_key_leaves_the_next_key_set(
    keyring: DerivedKeyring, clock: MovableClock
) -> None:
    former = keyring.list_keys(Purpose.ISSUER)[0]
    clock.move(days=44)
    keyring.rotate(Purpose.ISSUER)
    clock.move(days=2)
    body = keysets.compose_key_set(keyring, seq=1, now=clock.now())
    assert former.kid not in {entry.kid for entry in body.keys}


async def test_more_issuer_keys_than_a_key_set_holds_are_our_mistake(
    keyring: DerivedKeyring, clock: MovableClock
) -> None:
    for _ in range(8):
        keyring.rotate(Purpose.ISSUER)
    with pytest.raises(BrokenPromise, match="8 issuer keys"):
        keysets.compose_key_set(keyring, seq=1, now=clock.now())


def test_roots_are_read_as_the_settings_name_them() -> None:
    assert keysets.roots_of([ROOT_KEY]) == ROOTS


def a_key(kid: bytes, actions: int, *, days: int) -> KeyEntry:
    now = int(START.timestamp())
    return KeyEntry(KeyId(kid), kid * 16, actions, 3600, now, now + days * 86_400)


SERVICE = a_key(b"se", Operation.SERVICE | Operation.OPEN_ALL, days=365)
HUB = a_key(b"hu", Operation.DEPOSIT | Operation.OPEN, days=365)


async def publish(database: Database, ids: CountedIds, lid: LockerId, *keys: KeyEntry) -> None:
    """A root signed a key set with these keys beside those of the newest draft."""
    async with database.read() as session:
        seq = await keysets.next_key_set_seq(session)
    body = KeySetStatement(lid, seq, int(START.timestamp()), keys)
    assert isinstance(await add(database, sign_statement(ROOT, ROOT_KID, body), ids), SignedKeySet)


async def kids_of_draft(
    database: Database, keyring: DerivedKeyring, clock: MovableClock, lid: LockerId = EVERY_LOCKER
) -> list[bytes]:
    """The keys that the next draft names besides the server's own."""
    async with database.read() as session:
        body = await keysets.draft_key_set(session, keyring=keyring, lid=lid, now=clock.now())
    assert body.lid == lid
    ours = {key.kid for purpose in Purpose for key in keyring.list_keys(purpose)}
    assert body.keys[0].kid in ours
    assert body.keys[-1].actions == 0
    return [key.kid for key in body.keys if key.kid not in ours]


async def test_service_key_stays_in_the_drafts_until_it_dies(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> None:
    lost_issuer = a_key(b"is", Operation.OPEN | Operation.SYNC, days=365)
    lost_seal = KeyEntry(KeyId(b"sl"), b"sl" * 16, 0, 0, 0, 0)
    await publish(database, ids, EVERY_LOCKER, lost_issuer, SERVICE, lost_seal)
    assert await kids_of_draft(database, keyring, clock) == [SERVICE.kid]
    clock.move(days=366)
    assert await kids_of_draft(database, keyring, clock) == []


async def test_hubs_key_stays_in_the_drafts_of_its_locker_alone(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> None:
    await publish(database, ids, EVERY_LOCKER, SERVICE)
    assert await kids_of_draft(database, keyring, clock, LID) == [SERVICE.kid]
    await publish(database, ids, LID, SERVICE, HUB)
    await publish(database, ids, EVERY_LOCKER, SERVICE)
    assert await kids_of_draft(database, keyring, clock, LID) == [SERVICE.kid, HUB.kid]
    assert await kids_of_draft(database, keyring, clock, OTHER) == [SERVICE.kid]
    assert await kids_of_draft(database, keyring, clock) == [SERVICE.kid]
