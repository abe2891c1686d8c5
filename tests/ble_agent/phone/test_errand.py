"""What a phone does at the door when answers to a sync do not reach it whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.phone.errand import READABLE_ENVELOPE, Errand, LockerKeys, Outcome
from ble_agent.phone.link import PhoneLink, Silent
from schema.codes import Code
from schema.gatt import MAX_ATTRIBUTE
from schema.handshake import MAX_ENVELOPE, EnvelopeFrame, OpenRequest, encode_envelope_frame
from schema.ids import KeyId
from schema.keys import KeyEntry, Operation, Role
from schema.statements import StatementType
from tests.ble_agent.standing import KEYS, Standing, bytes_of, key_of, quick_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ble_agent.phone.luggage import Carried
    from ble_agent.radio.loopback import LoopbackPhone

ANSWER_S = 0.0
"""The loopback answers before the write returns, so nobody has to wait."""


class Lossy:
    """A channel on which messages of several fragments are lost, as if these overtook each other.

    Without `sole` those of one fragment are lost as well; unless `is_heard`, what is written too.
    """

    def __init__(self, phone: LoopbackPhone, *, sole: bool) -> None:
        self.gone = phone.gone
        self.fragment_size = phone.fragment_size
        self.read_hello, self.read_result = phone.read_hello, phone.read_result
        self.is_heard = True
        self._phone = phone
        self._sole = sole

    async def write(self, fragment: bytes) -> None:
        if self.is_heard:
            await self._phone.write(fragment)

    async def next_fragment(self) -> bytes:
        while True:
            fragment = await self._phone.next_fragment()
            if self._sole and fragment[0] == _SOLE:
                return fragment


_SOLE = 0x80
"""Header of a fragment that is a whole message."""


@pytest.fixture
async def standing() -> AsyncIterator[Standing]:
    with quick_folder() as folder:
        standing = await Standing(folder / "state").start()
        await standing.set_up()
        for n in range(3):
            await standing.deposit(b"stay000%d" % n)
        yield standing
        assert standing.failures == []
        await standing.stop()


async def _begin(standing: Standing, *, sole: bool = True) -> tuple[Lossy, Errand, Outcome]:
    """A carrier of bytes at the door, in a session."""
    identity = standing.locker.identity
    keys = LockerKeys(identity.lid, identity.noise_public, identity.signing.public)
    channel = Lossy(await standing.radio.connect(), sole=sole)
    errand = Errand(PhoneLink(channel), keys, key_of("phone"), answer_s=ANSWER_S)
    token = standing.token(Operation.SYNC, role=Role.COURIER)
    outcome = await errand.request((token,), OpenRequest(Operation.SYNC))
    assert outcome.result.code == Code.OK
    return channel, errand, outcome


def _numbers(standing: Standing, outcome: Outcome) -> list[int]:
    """Which journal lines a visit brought home."""
    contents = [standing.open(envelope) for envelope in outcome.envelopes]
    return [each.first + n for each in contents for n in range(len(each.entries))]


async def test_after_a_lost_answer_the_phone_asks_for_what_it_can_read(standing: Standing) -> None:
    _, errand, outcome = await _begin(standing)
    assert await errand.sync(outcome) is None
    assert outcome.pending == 0
    assert outcome.envelopes
    assert max(map(len, outcome.envelopes)) <= READABLE_ENVELOPE
    brought = _numbers(standing, outcome)
    assert brought == list(range(brought[0], len(standing.journal()) + 1))


async def test_what_a_lost_answer_held_comes_with_a_later_visit(standing: Standing) -> None:
    _, errand, outcome = await _begin(standing)
    assert await errand.sync(outcome) is None
    assert _numbers(standing, outcome)[0] > 1
    visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
    frame = await visitor.sync()
    assert frame.envelope is not None
    assert standing.open(frame.envelope).first == 1


async def test_phone_that_hears_nothing_reads_all_that_is_short(standing: Standing) -> None:
    _, errand, outcome = await _begin(standing, sole=False)
    assert await errand.sync(outcome) is None
    assert _numbers(standing, outcome)[-1] == len(standing.journal())


async def test_locker_that_is_silent_to_a_short_sync_too_is_silent(standing: Standing) -> None:
    channel, errand, outcome = await _begin(standing)
    channel.is_heard = False
    with pytest.raises(Silent):
        await errand.sync(outcome)
    assert outcome.envelopes == []


def test_longest_envelope_that_can_be_read_just_fits_an_attribute() -> None:
    largest_number = 2**53 - 1
    frame = encode_envelope_frame(EnvelopeFrame(bytes(READABLE_ENVELOPE), largest_number))
    tag, header = 16, 1
    assert len(frame) + tag + header == MAX_ATTRIBUTE
    assert READABLE_ENVELOPE < MAX_ENVELOPE


class TestLuggage:
    """More statements than one message takes."""

    async def test_a_token_that_asks_for_a_list_gets_it_after_the_keys(
        self, standing: Standing
    ) -> None:
        _, errand, _ = await _begin(standing, sole=False)
        token = standing.token(Operation.SYNC, role=Role.COURIER, minrev=7)
        outcome = await errand.request((token,), OpenRequest(Operation.SYNC), _news(standing))
        assert outcome.result.code == Code.OK
        assert (outcome.hello.keys, outcome.hello.rev, outcome.left) == (2, 0, ())
        assert standing.locker.hello().rev == 7
        assert outcome.carried == sum(len(raw) for _, raw in _news(standing))

    async def test_what_the_request_had_no_room_for_comes_with_the_sync(
        self, standing: Standing
    ) -> None:
        _, errand, _ = await _begin(standing, sole=False)
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        outcome = await errand.request((token,), OpenRequest(Operation.SYNC), _news(standing))
        assert [kind for kind, _ in outcome.left] == [StatementType.REVOCATIONS]
        assert standing.locker.hello().rev == 0
        assert await errand.sync(outcome) is None
        assert standing.locker.hello().rev == 7

    async def test_a_refusal_with_nothing_left_to_bring_is_the_answer(
        self, standing: Standing
    ) -> None:
        _, errand, _ = await _begin(standing, sole=False)
        token = standing.token(Operation.SYNC, role=Role.COURIER, minrev=8)
        outcome = await errand.request((token,), OpenRequest(Operation.SYNC), _news(standing))
        assert outcome.result.code == Code.REVOCATIONS_NEEDED
        assert outcome.left == ()


def _news(standing: Standing) -> tuple[Carried, ...]:
    """A full key set and a full list: together more than a message."""
    more = [KeyEntry(KeyId(bytes([9, n])), bytes([n] * 32), 0, 0, 0, 0) for n in range(4)]
    ids = [bytes_of(f"revoked {n}") for n in range(40)]
    return (standing.revocations(7, *ids), standing.key_set(2, (*KEYS, *more)))
