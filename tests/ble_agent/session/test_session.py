"""One phone: a hello serves one request, and what a session may do after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.radio.port import Refused
from schema.codec import Malformed, encode
from schema.codes import Code, DoorEvent
from schema.gatt import AttError
from schema.handshake import EnvelopeFrame, OpenRequest, parse_hello
from schema.ids import StayId
from schema.journal import Kind, entry_head, parse_entry
from schema.keys import Operation, Role
from tests.ble_agent.standing import KEYS, NOW, SEAL

if TYPE_CHECKING:
    from tests.ble_agent.standing import Standing
    from tests.ble_agent.visitor import Visitor

STAY = StayId(b"stay0001")
OPEN = OpenRequest(Operation.OPEN)


async def refusal(visitor: Visitor, message: bytes) -> AttError:
    """The ATT error that a message is answered with."""
    with pytest.raises(Refused) as refused:
        await visitor.send(message)
    return refused.value.att_error


async def test_hello_tells_what_the_locker_knows(standing: Standing) -> None:
    visitor = await standing.visit()
    hello = parse_hello((await visitor.greet())[32:])
    assert hello == standing.locker.hello()
    assert (hello.lid, hello.keys, hello.rev, hello.cfg) == (standing.lid, 1, 0, 0)
    assert (hello.now, hello.clockq, hello.acked, hello.seq) == (NOW, 2, 0, 4)


async def test_result_names_the_accepted_line_and_is_vouched_for(standing: Standing) -> None:
    await standing.deposit(STAY)
    report = await standing.ask(Operation.OPEN, stay=STAY)
    raw = dict(standing.locker.journal.list_after(0, limit=1000))[report.seq]
    assert parse_entry(raw).kind == Kind.ACCEPTED
    assert report.head == entry_head(raw)
    assert report.is_vouched_by(standing.locker.identity.signing.public, standing.lid)
    assert (report.now, report.clockq) == (standing.locker.journal.clock.now(), 2)
    await standing.pass_time(3)


async def test_a_refusal_names_the_newest_line_and_writes_none(standing: Standing) -> None:
    before = len(standing.journal())
    visitor, report = await standing.come(Operation.OPEN, stay=STAY)
    assert (report.code, report.comp) == (Code.OUT_OF_SCOPE, None)
    assert report.seq == before == len(standing.journal())
    assert report.is_vouched_by(standing.locker.identity.signing.public, standing.lid)
    assert visitor.visit is not None
    frame = visitor.visit.write_reopen(1)
    assert await refusal(visitor, frame) == AttError.NO_HELLO  # it ended the session


class TestHello:
    """A hello serves one request within 15 seconds, whether that request opens or not."""

    async def test_without_a_hello_there_is_nothing_to_answer(self, standing: Standing) -> None:
        assert await refusal(await standing.visit(), b"request") == AttError.NO_HELLO

    @pytest.mark.parametrize(("age_s", "is_served"), [(15.0, True), (15.1, False)])
    async def test_it_lives_for_15_seconds(
        self, standing: Standing, age_s: float, is_served: bool
    ) -> None:
        visitor = await standing.visit()
        await visitor.greet()
        await standing.pass_time(age_s)
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        if is_served:
            assert (await visitor.ask(token, OpenRequest(Operation.SYNC))).code == Code.OK
        else:
            assert visitor.visit is not None
            message = visitor.visit.write_request(
                (token,), OpenRequest(Operation.SYNC), visitor.holder
            )
            assert await refusal(visitor, message) == AttError.NO_HELLO

    async def test_it_serves_one_request_even_if_that_does_not_open(
        self, standing: Standing
    ) -> None:
        visitor = await standing.visit()
        await visitor.greet()
        assert visitor.visit is not None
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        message = visitor.visit.write_request((token,), OpenRequest(Operation.SYNC), visitor.holder)
        broken = message[:-1] + bytes([message[-1] ^ 1])
        assert await refusal(visitor, broken) == AttError.BAD_MESSAGE
        assert await refusal(visitor, message) == AttError.NO_HELLO

    async def test_a_replay_on_the_same_and_on_a_new_connection_opens_nothing(
        self, standing: Standing
    ) -> None:
        await standing.deposit(STAY)
        visitor = await standing.visit()
        await visitor.greet()
        assert visitor.visit is not None
        message = visitor.visit.write_request(
            (standing.token(Operation.OPEN, stay=STAY),), OPEN, visitor.holder
        )
        await visitor.send(message)
        await visitor.receive()
        await standing.pass_time(3)
        before = standing.journal()
        assert await refusal(visitor, message) == AttError.BAD_MESSAGE
        await visitor.phone.read_hello()
        assert await refusal(visitor, message) == AttError.BAD_MESSAGE
        stranger = await standing.visit()
        await stranger.phone.read_hello()
        assert await refusal(stranger, message) == AttError.BAD_MESSAGE
        assert standing.journal() == before

    async def test_a_stolen_token_needs_the_device_key(self, standing: Standing) -> None:
        await standing.deposit(STAY)
        thief = await standing.visit("thief")
        report = await thief.greet_and_ask(standing.token(Operation.OPEN, stay=STAY), OPEN)
        assert report.code == Code.HOLDER_PROOF_FAILED

    async def test_a_new_hello_ends_the_former_session(self, standing: Standing) -> None:
        visitor, _ = await standing.come(Operation.DEPOSIT, stay=STAY)
        former = visitor.visit
        assert former is not None
        await visitor.greet()
        assert await refusal(visitor, former.write_reopen(1)) == AttError.BAD_MESSAGE
        await standing.pass_time(3)
        assert standing.stay(1) == STAY  # its door was watched all the same

    async def test_every_bit_of_a_request_counts(self, standing: Standing) -> None:
        await standing.deposit(STAY)
        token = standing.token(Operation.OPEN, stay=STAY)
        before = standing.journal()
        visitor = await standing.visit()
        await visitor.greet()
        assert visitor.visit is not None
        size = len(visitor.visit.write_request((token,), OPEN, visitor.holder))
        for bit in range(0, size * 8, 5):
            await visitor.greet()
            message = bytearray(visitor.visit.write_request((token,), OPEN, visitor.holder))
            message[bit // 8] ^= 1 << bit % 8
            assert await refusal(visitor, bytes(message)) == AttError.BAD_MESSAGE
            if bit % 500 == 0:
                await standing.pass_time()
                await visitor.leave()
                visitor = await standing.visit()
        assert standing.journal() == before


class TestFrames:
    """Frames of a session: the exact next number, nothing else."""

    async def test_a_frame_out_of_number_does_not_open_and_the_next_one_does(
        self, standing: Standing
    ) -> None:
        visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        assert visitor.visit is not None
        first, second = (visitor.visit.write_sync((), 0) for _ in range(2))
        assert await refusal(visitor, second) == AttError.BAD_MESSAGE
        await visitor.send(first)
        assert await refusal(visitor, first) == AttError.BAD_MESSAGE
        await visitor.send(second)
        for _ in range(2):
            assert await visitor.frame() == EnvelopeFrame(None, len(standing.journal()))

    @pytest.mark.parametrize(
        "payload",
        [
            b"",
            b"\xff",
            encode([]),
            encode([1, []]),
            encode([2, 1, 1]),
            encode([3, 1]),
            encode([2, 256]),
            encode([2, None]),
            encode([1, [], -1]),
            encode([1, [[9, b""]], 10]),
            encode([1, [[1, b""]] * 5, 10]),
        ],
    )
    async def test_a_frame_that_does_not_parse_is_answered_and_leaves_the_session(
        self, standing: Standing, payload: bytes
    ) -> None:
        visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        assert visitor.visit is not None
        await visitor.send(visitor.visit._seal(payload))
        report = await visitor.frame()
        tail = standing.locker.journal.tail()
        assert report == standing.locker.report(Code.BAD_FORMAT, None, tail)
        await visitor.sync()

    async def test_a_statement_that_fails_refuses_the_frame(self, standing: Standing) -> None:
        visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        assert visitor.visit is not None
        kind, raw = standing.revocations(1)
        await visitor.send(visitor.visit.write_sync(((kind, raw[:-1] + b"\0"),), 1300))
        report = await visitor.frame()
        tail = standing.locker.journal.tail()
        assert report == standing.locker.report(Code.BAD_SIGNATURE, None, tail)

    async def test_events_reach_the_session_that_opened_and_nobody_else(
        self, standing: Standing
    ) -> None:
        bystander, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        courier, _ = await standing.come(Operation.DEPOSIT, stay=STAY)
        await standing.pass_time(2)
        assert await courier.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_OCCUPIED]
        assert not bystander.phone.has_heard()

    async def test_what_another_phone_hears_does_not_open(self, standing: Standing) -> None:
        stranger, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        courier, _ = await standing.come(Operation.DEPOSIT, stay=STAY)
        await standing.pass_time()
        assert stranger.visit is not None
        message = await courier.receive()
        with pytest.raises(Malformed):
            stranger.visit.read_frame(message)
        await standing.pass_time(2)


class TestSync:
    """Envelopes are handed out oldest first, each answer going on where the former ended."""

    async def test_answers_of_a_session_go_on_where_the_former_ended(
        self, standing: Standing
    ) -> None:
        for n in range(3):
            await standing.deposit(b"stay000%d" % n)
        visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        lines = standing.locker.journal.list_after(0, limit=1000)
        carried: list[bytes] = []
        while True:
            frame = await visitor.sync()
            if frame.envelope is None:
                break
            assert len(frame.envelope) <= 1300
            contents = standing.open(frame.envelope)
            assert contents.first == len(carried) + 1
            carried += contents.entries
            assert contents.head == entry_head(carried[-1])
            assert frame.pending == len(lines) - len(carried)
        assert carried == [raw for _, raw in lines]
        assert frame.pending == 0

    async def test_a_new_session_begins_with_the_oldest_unacknowledged(
        self, standing: Standing
    ) -> None:
        visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        await visitor.sync()
        await visitor.leave()
        again, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        frame = await again.sync(standing.acknowledgement(2))
        assert frame.envelope is not None
        assert standing.open(frame.envelope).first == 3

    @pytest.mark.parametrize("max_bytes", [0, 1, 200, 400, 700, 1300, 5000])
    async def test_an_envelope_stays_within_what_the_phone_takes(
        self, standing: Standing, max_bytes: int
    ) -> None:
        await standing.deposit(STAY)
        visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
        frame = await visitor.sync(max_bytes=max_bytes)
        if frame.envelope is None:
            assert max_bytes <= 400
            assert frame.pending == len(standing.journal())
        else:
            assert len(frame.envelope) <= min(max_bytes, 1300)

    async def test_without_a_key_to_seal_to_there_is_no_envelope(self, standing: Standing) -> None:
        unsealed = tuple(key for key in KEYS if key.kid != SEAL)
        visitor, _ = await standing.come(
            Operation.SYNC, None, standing.key_set(2, unsealed), role=Role.COURIER
        )
        frame = await visitor.sync()
        assert (frame.envelope, frame.pending) == (None, len(standing.journal()))


async def test_a_session_that_is_no_opening_has_no_door_to_reopen(standing: Standing) -> None:
    visitor, _ = await standing.come(Operation.SYNC, role=Role.COURIER)
    assert (await visitor.reopen(1)).code == Code.OUT_OF_SCOPE


async def test_bytes_that_open_but_mean_nothing_are_a_bad_format(standing: Standing) -> None:
    visitor = await standing.visit()
    await visitor.greet()
    assert visitor.visit is not None
    await visitor.send(visitor.visit.write_payload(b"\xa0"))
    report = visitor.visit.read_result(await visitor.receive())
    assert report.code == Code.BAD_FORMAT


async def test_open_all_takes_over_and_the_former_session_hears_no_more(
    by_hand: Standing,
) -> None:
    courier, _ = await by_hand.come(Operation.DEPOSIT, 2, stay=STAY)
    assert await courier.events() == [DoorEvent.DOOR_OPENED]
    staff, report = await by_hand.open_all()
    assert (report.code, report.comp) == (Code.OK, None)
    events = await staff.events()
    assert events == [DoorEvent.DOOR_OPENED] * 4
    await by_hand.shut(2, occupied=True)
    assert await courier.events() == []
    assert await staff.events() == [DoorEvent.CLOSED_OCCUPIED]
    assert by_hand.stay(2) is None  # nothing is stored under OPEN_ALL
    assert (await courier.reopen(2)).code == Code.COMPARTMENT_BUSY
    assert (await staff.reopen(2)).code == Code.OK
