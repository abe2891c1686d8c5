"""Places, time limits, fragments; and strangers, who can make it neither fall nor write."""

from __future__ import annotations

import asyncio
import gc
import random
from typing import TYPE_CHECKING

import pytest

from ble_agent.radio.port import RadioLost, Refused
from ble_agent.session.desk import IDLE_S, MAX_PHONES, UNPROVEN_S
from schema.codec import encode
from schema.codes import Code, DoorEvent
from schema.gatt import AttError
from schema.handshake import OpenRequest
from schema.ids import StayId
from schema.journal import Kind
from schema.keys import Operation, Role
from tests.ble_agent.standing import NOW

if TYPE_CHECKING:
    from schema.codec import Value
    from tests.ble_agent.standing import Standing
    from tests.ble_agent.visitor import Visitor

STAY = StayId(b"stay0001")


async def sync(standing: Standing) -> Visitor:
    """A phone whose request was answered 0."""
    visitor, report = await standing.come(Operation.SYNC, role=Role.COURIER)
    assert report.code == Code.OK
    return visitor


async def write(visitor: Visitor, fragment: bytes) -> AttError | None:
    """The ATT error that a fragment is answered with."""
    try:
        await visitor.phone.write(fragment)
    except Refused as refused:
        return refused.att_error
    return None


class TestPlaces:
    """Three phones at once; whoever has proved nothing makes room."""

    async def test_the_oldest_unproven_makes_room(self, standing: Standing) -> None:
        silent = [await standing.visit() for _ in range(MAX_PHONES)]
        await standing.deposit(STAY)
        assert [phone.phone.gone.is_set() for phone in silent] == [True, False, False]

    async def test_three_silent_phones_keep_nobody_out(self, standing: Standing) -> None:
        await standing.deposit(STAY)
        for _ in range(MAX_PHONES):
            await (await standing.visit()).greet()
        assert standing.radio.advertising
        assert (await standing.ask(Operation.OPEN, stay=STAY)).code == Code.OK
        await standing.pass_time(3)

    async def test_a_refused_phone_is_unproven(self, standing: Standing) -> None:
        refused, _ = await standing.come(Operation.OPEN, stay=STAY)
        proven = [await sync(standing) for _ in range(2)]
        newcomer = await standing.visit()
        await standing.pass_time()
        assert refused.phone.gone.is_set()
        assert not any(visitor.phone.gone.is_set() for visitor in [*proven, newcomer])

    async def test_with_three_proven_it_is_not_found(self, standing: Standing) -> None:
        proven = [await sync(standing) for _ in range(MAX_PHONES)]
        await standing.pass_time()
        with pytest.raises(RadioLost):
            await standing.visit()
        await proven[0].leave()
        await standing.pass_time()
        await sync(standing)

    async def test_who_comes_all_the_same_is_sent_away(self, standing: Standing) -> None:
        proven = [await sync(standing) for _ in range(MAX_PHONES)]
        await standing.pass_time()
        standing.radio.advertising = True  # the controller was slow to stop
        late = await standing.visit()
        with pytest.raises(Refused) as refused:
            await late.phone.read_hello()
        assert refused.value.att_error == AttError.BUSY
        with pytest.raises(Refused):
            await late.phone.read_result()
        assert await write(late, b"\x80a") == AttError.BUSY
        await standing.pass_time()
        assert late.phone.gone.is_set()
        assert not any(visitor.phone.gone.is_set() for visitor in proven)

    async def test_a_radio_that_vanishes_is_no_failure(self, standing: Standing) -> None:
        faults: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, fault: faults.append(fault))
        for _ in range(MAX_PHONES):
            await sync(standing)
        await standing.pass_time()
        await standing.radio.vanish()
        await standing.pass_time()
        gc.collect()
        assert faults == []
        await standing.radio.start(standing.lid, standing.desk)
        await sync(standing)


class TestTimeLimits:
    """Who says nothing, or proves nothing, has to go."""

    async def test_an_unproven_phone_goes_after_20_seconds(self, standing: Standing) -> None:
        visitor = await standing.visit()
        for _ in range(19):
            await standing.pass_time(1)
            await visitor.greet()
        assert not visitor.phone.gone.is_set()
        await standing.pass_time(UNPROVEN_S - 19)
        assert visitor.phone.gone.is_set()

    async def test_a_proven_phone_goes_after_30_silent_seconds(self, standing: Standing) -> None:
        visitor = await sync(standing)
        for _ in range(4):
            await standing.pass_time(IDLE_S - 1)
            await visitor.sync()
        await standing.pass_time(IDLE_S - 1)
        assert not visitor.phone.gone.is_set()
        await standing.pass_time(1)
        assert visitor.phone.gone.is_set()

    async def test_whose_door_is_open_stays(self, by_hand: Standing) -> None:
        visitor, _ = await by_hand.come(Operation.DEPOSIT, stay=STAY)
        await by_hand.pass_time(100)
        assert not visitor.phone.gone.is_set()
        await by_hand.shut(1, occupied=True)
        assert await visitor.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_OCCUPIED]
        await by_hand.pass_time(IDLE_S + 1)
        assert visitor.phone.gone.is_set()
        assert by_hand.stay(1) == STAY

    async def test_five_silent_seconds_drop_a_message(self, standing: Standing) -> None:
        visitor = await standing.visit()
        await visitor.greet()
        assert await write(visitor, b"\x00abc") is None
        await standing.pass_time(5.1)
        assert await write(visitor, b"\x81abc") == AttError.BAD_FRAME


class TestFragments:
    """Messages in pieces, both ways."""

    @pytest.mark.parametrize("mtu", [23, 48, 100, 185, 247, 517])
    async def test_a_visit_works_at_every_mtu(self, standing: Standing, mtu: int) -> None:
        visitor = await standing.visit(mtu=mtu)
        token = standing.token(Operation.DEPOSIT, stay=STAY)
        report = await visitor.greet_and_ask(token, OpenRequest(Operation.DEPOSIT))
        assert report.code == Code.OK
        await standing.pass_time(2)
        assert await visitor.events() == [DoorEvent.DOOR_OPENED, DoorEvent.CLOSED_OCCUPIED]

    async def test_replies_are_no_longer_than_what_the_phone_has_sent(
        self, standing: Standing
    ) -> None:
        visitor = await standing.visit()
        visitor.phone.fragment_size = 60
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        await visitor.greet()
        assert visitor.visit is not None
        await visitor.send(
            visitor.visit.write_request((token,), OpenRequest(Operation.SYNC), visitor.holder)
        )
        await standing.pass_time()
        sizes = []
        while visitor.phone.has_heard():
            sizes.append(len(await visitor.phone.next_fragment()))
        assert max(sizes) == 60
        assert len(sizes) == 3

    @pytest.mark.parametrize(
        ("fragment", "error"),
        [
            (b"", AttError.BAD_FRAME),
            (b"\x80", AttError.BAD_FRAME),
            (b"\x01abc", AttError.BAD_FRAME),
            (b"\x80abc", AttError.BAD_MESSAGE),
            (b"\x00abc", None),
        ],
    )
    async def test_fragments_out_of_order_or_empty_are_refused(
        self, standing: Standing, fragment: bytes, error: AttError | None
    ) -> None:
        visitor = await standing.visit()
        await visitor.greet()
        assert await write(visitor, fragment) == error

    async def test_a_message_beyond_1400_bytes_is_too_large_and_the_hello_lives(
        self, standing: Standing
    ) -> None:
        visitor = await standing.visit()
        await visitor.greet()
        assert [await write(visitor, bytes([n]) + bytes(500)) for n in range(3)] == [
            None,
            None,
            AttError.TOO_LARGE,
        ]
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        assert (await visitor.ask(token, OpenRequest(Operation.SYNC))).code == Code.OK

    async def test_the_result_can_be_read_too(self, standing: Standing) -> None:
        visitor = await standing.visit()
        assert await visitor.phone.read_result() == b""
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        await visitor.greet()
        assert visitor.visit is not None
        await visitor.send(
            visitor.visit.write_request((token,), OpenRequest(Operation.SYNC), visitor.holder)
        )
        value = await visitor.phone.read_result()
        assert value == b"\x80" + await visitor.receive()
        assert visitor.visit.read_result(value[1:]).code == Code.OK
        await standing.deposit(STAY)
        frame = await visitor.sync()
        assert frame.envelope is not None
        assert await visitor.phone.read_result() == b""  # too long: sync again for less
        frame = await visitor.sync(max_bytes=10)
        assert (await visitor.phone.read_result())[:1] == b"\x80"

    async def test_a_hello_is_read_in_pieces(self, standing: Standing) -> None:
        visitor = await standing.visit(mtu=23)
        whole = await visitor.greet()
        link, desk = visitor.phone.link, standing.desk
        assert (
            b"".join(desk.read_hello(link, at)[:22] for at in range(22, len(whole), 22))
            == (whole[22:])
        )
        assert desk.read_hello(link, 500) == b""
        assert desk.read_hello(link, 0) != whole

    async def test_messages_of_two_phones_are_not_mixed(self, standing: Standing) -> None:
        heard: list[tuple[str, bytes]] = []
        reply = standing.radio.reply

        class Noting:
            """The radio, and the order in which it was used."""

            async def reply(self, link: object, fragment: bytes) -> None:
                heard.append((link.name, fragment))  # type: ignore[attr-defined]
                await reply(link, fragment)  # type: ignore[arg-type]

        standing.desk._radio = Noting()  # type: ignore[assignment]
        phones = [await standing.visit(mtu=30) for _ in range(2)]
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        for phone in phones:
            await phone.greet()
        for phone in phones:
            assert phone.visit is not None
            await phone.send(
                phone.visit.write_request((token,), OpenRequest(Operation.SYNC), phone.holder)
            )
        await standing.pass_time()
        names = [name for name, _ in heard]
        assert len(set(names)) == 2
        assert names == sorted(names)


class TestStrangers:
    """Nothing that comes by radio does more than be refused."""

    async def test_ten_thousand_refusals_make_the_journal_grow_by_hours(
        self, standing: Standing
    ) -> None:
        before = len(standing.journal())
        for _ in range(200):
            report = await standing.ask(Operation.OPEN, stay=STAY, exp=NOW + 3 * 3600)
            assert report.code == Code.OUT_OF_SCOPE
            for _ in range(49):
                standing.locker.refuse(Code.BAD_SIGNATURE)
            await standing.pass_time(36)
        lines = standing.journal()[before:]
        assert {kind for kind, _ in lines} == {Kind.DENIED}
        assert len(lines) <= 8  # 1, 2, 4, 8, 16, 32 and 60 minutes
        counted = [body[1] for _, body in lines]
        assert all(isinstance(counts, dict) and counts[Code.BAD_SIGNATURE] for counts in counted)

    async def test_thousands_of_hostile_messages_end_in_a_refusal_or_a_code(
        self, standing: Standing
    ) -> None:
        await standing.deposit(STAY)
        before = standing.journal()
        rng = random.Random(11)
        specimens = make_specimens(standing)
        stages = ["nothing", "hello", "session"]
        for n in range(2500):
            visitor = await standing.visit(mtu=rng.choice([23, 185, 517]))
            await hurt(standing, visitor, rng, stages[n % 3], specimens)
            await visitor.leave()
            if n % 50 == 0:
                await standing.pass_time()
        assert standing.failures == []
        kinds = {kind for kind, _ in standing.journal()[len(before) :]}
        assert kinds <= {Kind.ACCEPTED}  # the syncs with which sessions began
        assert (await standing.ask(Operation.OPEN, stay=STAY)).code == Code.OK
        await standing.pass_time(3)


def make_specimens(standing: Standing) -> list[bytes]:
    """Payloads that a locker takes, to be bent."""
    token = standing.token(Operation.OPEN, stay=STAY)
    kind, raw = standing.revocations(0)
    _, keys = standing.key_set(0)
    statements: list[Value] = [[int(kind), raw], [3, keys]]
    return [
        encode([[token], bytes(64), [1, None, None], statements]),
        encode([[token, token], bytes(64), [64, None, None], []]),
        encode([1, statements, 1300]),
        encode([2, 1]),
    ]


def bend(rng: random.Random, data: bytes) -> bytes:
    """The bytes with a few faults, or others."""
    found = bytearray(data)
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(found) + 1)
        match rng.randrange(4):
            case 0:
                found[at:at] = rng.randbytes(rng.randrange(4))
            case 1:
                del found[at : at + rng.randrange(5)]
            case 2 if at < len(found):
                found[at] ^= 1 << rng.randrange(8)
            case _:
                found = found[:at] if rng.random() < 0.2 else found
    return bytes(found) if rng.random() < 0.9 else rng.randbytes(rng.randrange(1, 1500))


async def hurt(
    standing: Standing, visitor: Visitor, rng: random.Random, stage: str, specimens: list[bytes]
) -> None:
    """One visit of a stranger who sends what nobody should."""
    sealed = stage != "nothing" and rng.random() < 0.8
    message = bend(rng, rng.choice(specimens))
    if stage != "nothing":
        await visitor.greet()
        assert visitor.visit is not None
    if stage == "session" and visitor.visit is not None:
        token = standing.token(Operation.SYNC, role=Role.COURIER)
        await visitor.ask(token, OpenRequest(Operation.SYNC))
        message = visitor.visit._seal(message) if sealed else message
    elif sealed and visitor.visit is not None:
        message = visitor.visit.write_payload(message)
    try:
        if rng.random() < 0.9 and 0 < len(message) <= 1400:
            await visitor.send(message)
        else:
            for _ in range(rng.randrange(1, 6)):
                await visitor.phone.write(rng.randbytes(rng.randrange(513)))
        await visitor.phone.read_result()
        standing.desk.read_hello(visitor.phone.link, rng.choice([0, 1, 53, 54, 600]))
    except Refused:
        pass  # with an ATT error: there is no other way to make one
