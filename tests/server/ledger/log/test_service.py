"""The log on both databases: what waits is taken in once, and proofs lead to a signed head."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.checkpoint.notes import Checkpoint, KeyKind, NoteKey, parse_checkpoint, parse_note
from schema.checkpoint.spans import is_consistent
from schema.checkpoint.tiles import Tile, TileId, read_bundle, tiles_between
from schema.ids import LockerId
from schema.merkle import leaf_data, leaf_hash, root_from_inclusion, tree_root
from server.kit.keyring import Purpose, current_key
from server.ledger.log import jobs, service
from server.ledger.log.queries import Leaf
from server.ledger.log.rules import ENOUGH_LEAVES, LONGEST_WAIT
from server.ledger.log.tables import LogCheckpoint, LogLeaf, WaitingLeaf

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock

ORIGIN = "hubs.example.org/log"
LID, OTHER = LockerId(b"locker-1"), LockerId(b"locker-2")


def make_leaves(count: int, *, after: int = 0, lid: LockerId = LID) -> list[Leaf]:
    return [Leaf(lid, seq, seq.to_bytes(32, "big")) for seq in range(after + 1, after + count + 1)]


class Log:
    """The log over one database."""

    def __init__(self, database: Database, keyring: DerivedKeyring, clock: MovableClock) -> None:
        self.database = database
        self.keyring = keyring
        self.clock = clock

    async def queue(self, leaves: list[Leaf]) -> None:
        async with self.database.write() as session:
            await service.queue_leaves(session, leaves, now=self.clock.now())

    async def grow(self, *, most: int = service.MOST_LEAVES) -> int:
        async with self.database.write() as session:
            return await service.grow_and_sign(
                session, origin=ORIGIN, keyring=self.keyring, now=self.clock.now(), most=most
            )

    async def seal(self) -> int:
        return await jobs.seal_log(
            self.database, origin=ORIGIN, keyring=self.keyring, clock=self.clock
        )

    async def read_heads(self) -> list[Checkpoint]:
        """Every head that was ever signed, its signature verified."""
        public = current_key(self.keyring, Purpose.LOG).public
        async with self.database.read() as session:
            rows = (await session.exec(select(LogCheckpoint))).all()
        notes = [parse_note(row.note.encode()) for row in rows]
        assert all(note.is_signed_by(NoteKey(ORIGIN, KeyKind.LOG, public)) for note in notes)
        heads = [parse_checkpoint(note) for note in notes]
        assert [(head.size, head.root) for head in heads] == [(row.size, row.root) for row in rows]
        return sorted(heads, key=lambda head: head.size)

    async def read_leaves(self) -> list[Leaf]:
        async with self.database.read() as session:
            rows = (await session.exec(select(LogLeaf))).all()
        rows = sorted(rows, key=lambda row: row.number)
        assert [row.number for row in rows] == list(range(len(rows)))
        return [Leaf(LockerId(row.lid), row.seq, row.head) for row in rows]

    async def check_whole(self) -> None:
        """Verifies the log from its first leaf: each head, and each one's way to the next."""
        hashes = [leaf_hash(leaf_data(*leaf)) for leaf in await self.read_leaves()]
        heads = await self.read_heads()
        assert heads[-1].size == len(hashes)
        for head in heads:
            assert head.root == tree_root(hashes[: head.size])
        for old, new in itertools.pairwise(heads):
            async with self.database.read() as session:
                proof = await service.prove_consistency(session, old=old.size, new=new.size)
            assert is_consistent(
                old.size, new.size, old_root=old.root, new_root=new.root, proof=proof
            )


@pytest.fixture
def log(database: Database, keyring: DerivedKeyring, clock: MovableClock) -> Log:
    return Log(database, keyring, clock)


async def test_every_leaf_is_proved_by_the_newest_head(log: Log) -> None:
    await log.queue(make_leaves(300))
    assert await log.grow(most=130) == 130
    assert await log.grow(most=130) == 130
    assert await log.grow(most=130) == 40
    await log.check_whole()
    newest = (await log.read_heads())[-1]
    for leaf in make_leaves(300)[::23]:
        async with log.database.read() as session:
            proofs = await service.prove_inclusion(session, [(leaf.lid, leaf.seq)])
        assert proofs is not None
        assert parse_checkpoint(parse_note(proofs.note.encode())) == newest
        proof = proofs.of[leaf.lid, leaf.seq]
        found = leaf_hash(leaf_data(*leaf))
        assert root_from_inclusion(found, proof.number, newest.size, proof.hashes) == newest.root


async def test_a_leaf_that_waits_has_no_proof_yet(log: Log) -> None:
    await log.queue(make_leaves(1))
    async with log.database.read() as session:
        assert await service.prove_inclusion(session, [(LID, 1)]) is None
        assert await service.find_checkpoint(session) is None


async def test_entries_are_proved_together_or_not_at_all(log: Log) -> None:
    await log.queue([*make_leaves(3), *make_leaves(2, lid=OTHER)])
    await log.grow()
    await log.queue(make_leaves(1, after=3))
    both = [(LID, 2), (OTHER, 1)]
    async with log.database.read() as session:
        proofs = await service.prove_inclusion(session, both)
        assert await service.prove_inclusion(session, [*both, (LID, 4)]) is None
    assert proofs is not None
    assert {entry: proof.number for entry, proof in proofs.of.items()} == {both[0]: 1, both[1]: 3}


async def test_leaves_of_a_locker_keep_the_order_of_its_journal(log: Log) -> None:
    await log.queue([*make_leaves(3, lid=OTHER), *make_leaves(3)])
    log.clock.move(seconds=1)
    await log.queue(make_leaves(2, after=3, lid=OTHER))
    await log.grow()
    assert await log.read_leaves() == [
        *make_leaves(3),
        *make_leaves(3, lid=OTHER),
        *make_leaves(2, after=3, lid=OTHER),
    ]


async def test_a_clock_that_was_set_back_does_not_mix_up_a_journal(log: Log) -> None:
    await log.queue(make_leaves(3))
    log.clock.move(seconds=-5)
    await log.queue(make_leaves(2, after=3))
    await log.queue(make_leaves(1, lid=OTHER))
    await log.grow()
    assert await log.read_leaves() == [*make_leaves(1, lid=OTHER), *make_leaves(5)]


async def test_nothing_new_signs_nothing(log: Log) -> None:
    await log.queue(make_leaves(2))
    await log.grow()
    assert await log.grow() == 0
    assert len(await log.read_heads()) == 1


async def test_what_fails_before_its_commit_leaves_no_trace_and_is_done_again(log: Log) -> None:
    await log.queue(make_leaves(5))

    async def lose_power() -> None:
        async with log.database.write() as session:
            await service.grow_and_sign(
                session, origin=ORIGIN, keyring=log.keyring, now=log.clock.now()
            )
            raise RuntimeError("the power went")

    with pytest.raises(RuntimeError):
        await lose_power()
    assert await log.read_heads() == []
    assert await log.read_leaves() == []
    assert await log.grow() == 5
    await log.check_whole()


async def test_two_workers_never_fork_the_log(log: Log) -> None:
    await log.queue(make_leaves(60))
    taken = await asyncio.gather(*(log.grow(most=10) for _ in range(8)))
    assert sorted(taken) == [0, 0, 10, 10, 10, 10, 10, 10]
    assert len(await log.read_heads()) == 6
    await log.check_whole()


async def test_the_job_waits_for_a_minute_or_for_enough(log: Log) -> None:
    await log.queue(make_leaves(1))
    assert await log.seal() == 0
    log.clock.move(seconds=LONGEST_WAIT.total_seconds())
    assert await log.seal() == 1
    await log.queue(make_leaves(ENOUGH_LEAVES, after=1))
    assert await log.seal() == ENOUGH_LEAVES
    async with log.database.read() as session:
        assert (await session.exec(select(WaitingLeaf))).all() == []
    await log.check_whole()


async def test_files_of_the_log_hold_what_its_head_commits_to(log: Log) -> None:
    await log.queue(make_leaves(258))
    await log.grow(most=200)
    await log.grow()
    hashes = [leaf_hash(leaf_data(*leaf)) for leaf in make_leaves(258)]
    async with log.database.read() as session:
        for tile in tiles_between(0, 258):
            held = await service.read_tile(session, tile)
            assert held is not None
            if tile.id.level == 0:
                first = tile.id.number * 256
                assert held == b"".join(hashes[first : first + tile.width])
                bundle = await service.read_tile(session, tile._replace(holds_entries=True))
                assert bundle is not None
                found = [leaf_hash(entry) for entry in read_bundle(bundle)]
                assert found == hashes[first : first + tile.width]
        for absent in (Tile(TileId(0, 1), 3), Tile(TileId(2, 0), 1), Tile(TileId(0, 2), 1)):
            assert await service.read_tile(session, absent) is None
        assert await service.read_tile(session, Tile(TileId(0, 1), 3, holds_entries=True)) is None
        # What a former head needed is still there.
        assert await service.read_tile(session, Tile(TileId(0, 0), 200)) is not None


async def test_both_keys_sign_while_one_replaces_the_other(log: Log) -> None:
    old = current_key(log.keyring, Purpose.LOG)
    new = log.keyring.rotate(Purpose.LOG)
    await log.queue(make_leaves(1))
    await log.grow()
    async with log.database.read() as session:
        published = await service.find_checkpoint(session)
    assert published is not None
    note = parse_note(published.note.encode())
    for key in (old, new):
        assert note.is_signed_by(NoteKey(ORIGIN, KeyKind.LOG, key.public))
