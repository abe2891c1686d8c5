"""What lockers signed at their doors, as phones bring it: kept once, and held to the journal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.ids import LockerId
from schema.journal import Kind, sign_head
from server.kit.errors import Refusal
from server.ledger import service as ledger
from server.lockers.incidents import IncidentKind
from server.lockers.service.trust import restore_trust
from server.lockers.tables import Locker
from server.uplink.heads import HeadTold, take_signed_head
from tests.fakes.journals import JournalingLocker
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from tests.server.uplink.conftest import Story


def told(machine: JournalingLocker, seq: int) -> HeadTold:
    return HeadTold(machine.lid, seq, machine.head_at(seq), machine.receipt(seq))


def part(story: Story) -> JournalingLocker:
    """A twin that writes another first entry than the locker does."""
    twin = story.machine.copy()
    story.machine.write(Kind.POWER, 1)
    twin.write(Kind.POWER, 2)
    return twin


async def take(story: Story, head: HeadTold) -> bool | ProblemCode:
    outcome = await take_signed_head(story.database, head, ids=story.ids, now=story.clock.now())
    return outcome.code if isinstance(outcome, Refusal) else outcome


async def signatures(story: Story, *seqs: int) -> dict[int, bytes]:
    async with story.database.read() as session:
        return await ledger.find_signatures(session, story.machine.lid, seqs)


async def inspect(story: Story) -> None:
    async with story.database.write() as session:
        outcome = await restore_trust(
            session,
            story.town.operator,
            locker_id=story.town.locker_id,
            reason="Seals whole.",
            now=story.clock.now(),
        )
    assert isinstance(outcome, Locker)


@pytest.mark.parametrize("is_entry_there", [True, False])
async def test_signed_head_is_kept_once_whether_its_entry_came_or_not(
    story: Story, is_entry_there: bool
) -> None:
    story.machine.boot()
    if is_entry_there:
        await story.bring_all()
    assert await take(story, told(story.machine, 1)) is True
    assert await take(story, told(story.machine, 1)) is False
    assert await signatures(story, 1, 2) == {1: story.machine.receipt(1)}
    assert (await story.bring_all()).upto_seq == 1
    assert await story.incidents() == []


async def test_what_no_locker_of_ours_signed_is_refused(story: Story) -> None:
    story.machine.boot()
    good = told(story.machine, 1)
    stranger = JournalingLocker("stranger")
    stranger.boot()
    for bad in (
        told(stranger, 1),
        good._replace(seq=2),
        good._replace(head=bytes(32)),
        good._replace(head=b""),
        good._replace(signature=bytes(64)),
        good._replace(signature=b""),
        good._replace(lid=LockerId(bytes(8))),
    ):
        assert await take(story, bad) is ProblemCode.ENVELOPE_INVALID
    assert await signatures(story, 1, 2) == {}


async def test_controller_that_was_replaced_speaks_no_more(story: Story) -> None:
    story.machine.boot()
    async with story.database.write() as session:
        locker = await session.get(Locker, story.town.locker_id)
        assert locker is not None
        locker.replaced_by = key_of("locker")
    assert await take(story, told(story.machine, 1)) is ProblemCode.ENVELOPE_INVALID


async def test_locker_that_said_another_thing_at_the_door_is_found_out(story: Story) -> None:
    twin = part(story)
    await story.bring_all()
    for _ in range(2):
        assert await take(story, told(twin, 1)) is ProblemCode.ENVELOPE_INVALID
    assert await story.incidents() == [IncidentKind.JOURNAL_FORK]
    assert await take(story, told(story.machine, 1)) is ProblemCode.ENVELOPE_INVALID
    assert isinstance(await story.bring(story.seal()), Refusal)


async def test_journal_that_denies_what_was_signed_at_the_door_is_a_fork(story: Story) -> None:
    twin = part(story)
    assert await take(story, told(twin, 1)) is True
    assert isinstance(await story.bring(story.seal()), Refusal)
    assert await story.incidents() == [IncidentKind.JOURNAL_FORK]


async def test_two_heads_signed_for_one_entry_are_a_fork_without_any_journal(story: Story) -> None:
    twin = part(story)
    assert await take(story, told(twin, 1)) is True
    assert await take(story, told(story.machine, 1)) is ProblemCode.ENVELOPE_INVALID
    assert await story.incidents() == [IncidentKind.JOURNAL_FORK]


async def test_contradiction_of_an_inspected_locker_is_no_news(story: Story) -> None:
    twin = part(story)
    await story.bring_all()
    await take(story, told(twin, 1))
    await inspect(story)
    assert await take(story, told(twin, 1)) is ProblemCode.ENVELOPE_INVALID
    assert await take(story, told(story.machine, 1)) is True
    story.machine.write(Kind.POWER, 3)
    assert (await story.bring_all()).upto_seq == 2


async def test_head_signed_beyond_the_journal_binds_an_inspected_locker_no_more(
    story: Story,
) -> None:
    story.machine.write(Kind.POWER, 1)
    await story.bring_all()
    twin = story.machine.copy()
    twin.write(Kind.POWER, 2)
    assert await take(story, told(twin, 2)) is True
    forged = sign_head(twin.key, twin.lid, 1, bytes(32))
    denied = HeadTold(twin.lid, 1, bytes(32), forged)
    assert await take(story, denied) is ProblemCode.ENVELOPE_INVALID
    await inspect(story)
    assert await signatures(story, 2) == {}
    story.machine.write(Kind.POWER, 3)
    assert (await story.bring_all()).upto_seq == 2
