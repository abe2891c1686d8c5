"""A whole locker on the real BlueZ, visited by bleak on another adapter of the same kernel."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from bleak import BleakScanner
from bumble.core import UUID, AdvertisingData
from bumble.data_types import Flags, ServiceData16BitUUID
from bumble.device import Device
from bumble.hci import Address
from bumble.transport import open_transport

from ble_agent.backends.bumble_central import open_central
from ble_agent.phone.errand import Errand, LockerKeys, Outcome
from ble_agent.phone.link import Lost, open_link
from ble_agent.radio.bluez import BluezRadio
from ble_agent.session.desk import Desk
from schema.codes import Code, DoorEvent
from schema.gatt import MAX_MESSAGE, split
from schema.handshake import OpenRequest
from schema.ids import StayId
from schema.keys import Operation
from tests.ble_agent.standing import Standing, key_of, quick_folder
from tests.bluez.air import BUMBLE_PHONE, LOCKER, PHONE, SENSOR
from tests.bluez.daemons import PATIENCE_S
from tests.fakes.radios import RecordingListener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData

    from ble_agent.phone.link import PhoneLink
    from tests.bluez.air import Ground, RealAir

TICK_S = 0.1
BTHOME_UUID = 0xFCD2
FIRST, SECOND = StayId(b"stay 001"), StayId(b"stay 002")
LID = bytes.fromhex("4dbe53e4c9f2d2e9")
_IN_A_ROW = 4
_FRAGMENT = 305
"""As long as the request of a phone with one token, and so the locker's fragments to it."""


@dataclass
class Served:
    """A locker whose doors shut by themselves, found over the real radio."""

    ground: Ground
    standing: Standing

    @asynccontextmanager
    async def phone(self) -> AsyncIterator[PhoneLink]:
        """A phone with BlueZ comes to the door."""
        async with open_link(self.standing.lid, timeout_s=PATIENCE_S, adapter=PHONE) as link:
            yield link

    @asynccontextmanager
    async def bumble_phone(self) -> AsyncIterator[PhoneLink]:
        """A phone with another stack comes to the door."""
        name = f"tcp-client:127.0.0.1:{self.ground.ether.ports[BUMBLE_PHONE]}"
        async with (
            open_central(name) as central,
            open_link(
                self.standing.lid,
                timeout_s=PATIENCE_S,
                scanner_backend=central.scanner,
                client_backend=central.client,
            ) as link,
        ):
            yield link

    def errand(self, link: PhoneLink, holder: str) -> Errand:
        """What a phone of this holder does over the link."""
        identity = self.standing.locker.identity
        keys = LockerKeys(identity.lid, identity.noise_public, identity.signing.public)
        return Errand(link, keys, key_of(holder), answer_s=PATIENCE_S)

    async def visit(
        self, link: PhoneLink, op: Operation, stay: StayId, *, holder: str = "phone"
    ) -> Outcome:
        """Ask for a door and wait until it has closed again."""
        errand = self.errand(link, holder)
        token = self.standing.token(op, stay=stay, holder=key_of(holder).public)
        outcome = await errand.request((token,), OpenRequest(op))
        assert outcome.result.code == Code.OK
        await errand.watch(outcome, timeout_s=PATIENCE_S)
        return outcome

    def holds(self, outcome: Outcome) -> StayId | None:
        """What the locker keeps, durably, in the compartment of a visit."""
        assert outcome.result.comp is not None
        return self.standing.stay(outcome.result.comp)


@pytest.fixture
async def served(ground: Ground) -> AsyncIterator[Served]:
    """The agent's own objects at work on the real stack; its clock and keys are set."""
    await ground.locker.plug()
    with quick_folder() as folder:
        standing = await Standing(folder / "state").start()
        await standing.set_up()
        radio = BluezRadio(LOCKER, return_s=PATIENCE_S)
        desk = Desk(
            standing.locker,
            radio,
            scheduler=standing.scheduler,
            take_random=standing.randomness.take,
            on_failure=standing.failures.append,
        )
        work = [
            asyncio.create_task(desk.send_messages()),
            asyncio.create_task(_let_time_pass(standing)),
        ]
        await radio.start(standing.lid, desk)
        yield Served(ground, standing)
        await radio.stop()
        for task in work:
            task.cancel()
        assert standing.failures == []
        await standing.stop()


async def _let_time_pass(standing: Standing) -> None:
    while True:
        await asyncio.sleep(TICK_S)
        standing.scheduler.advance(TICK_S)


async def test_parcel_goes_in_and_out_and_the_journal_home(served: Served) -> None:
    async with served.phone() as link:
        deposited = await served.visit(link, Operation.DEPOSIT, FIRST)
        assert deposited.events[-1].code == DoorEvent.CLOSED_OCCUPIED
        assert served.holds(deposited) == FIRST
        errand = served.errand(link, "phone")
        token = served.standing.token(Operation.OPEN, stay=FIRST)
        collected = await errand.request((token,), OpenRequest(Operation.OPEN))
        assert collected.result.code == Code.OK
        await errand.watch(collected, timeout_s=PATIENCE_S)
        assert collected.events[-1].code == DoorEvent.CLOSED_EMPTY
        assert await errand.sync(collected) is None
    assert served.holds(collected) is None
    brought = [served.standing.open(envelope).entries for envelope in collected.envelopes]
    assert sum(map(len, brought)) == len(served.standing.journal())


async def test_long_replies_reach_a_phone_with_bluez_in_order(air: RealAir) -> None:
    listener = RecordingListener()
    messages = [bytes([number]) * MAX_MESSAGE for number in range(_IN_A_ROW)]
    await air.radio.start(LID, listener)
    async with open_link(LID, timeout_s=PATIENCE_S, adapter=PHONE) as link:
        await link.send(b"what a phone asks")
        [connection] = listener.links
        for message in messages:
            for fragment in split(message, _FRAGMENT):
                await air.radio.reply(connection, fragment)
        assert [await link.receive(PATIENCE_S) for _ in messages] == messages


async def test_two_phones_open_two_doors_at_once(served: Served) -> None:
    async with served.phone() as one, served.bumble_phone() as other:
        first, second = await asyncio.gather(
            served.visit(one, Operation.DEPOSIT, FIRST, holder="one"),
            served.visit(other, Operation.DEPOSIT, SECOND, holder="other"),
        )
        assert (served.holds(first), served.holds(second)) == (FIRST, SECOND)


async def test_sensors_are_heard_on_the_adapter_that_serves_a_phone(served: Served) -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    service = f"0000{BTHOME_UUID:04x}-0000-1000-8000-00805f9b34fb"

    def hear(_: BLEDevice, data: AdvertisementData) -> None:
        if service in data.service_data:
            heard.put_nowait(data.service_data[service])

    async def hear_reading(reading: bytes) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while await heard.get() != reading:
                pass

    async with (
        _sensor(served.ground.ether.ports[SENSOR]) as sensor,
        BleakScanner(hear, bluez={"adapter": LOCKER}),
    ):
        await _advertise(sensor, COLD)
        await hear_reading(COLD)
        async with served.phone() as link:
            errand = served.errand(link, "phone")
            token = served.standing.token(Operation.DEPOSIT, stay=FIRST)
            outcome = await errand.request((token,), OpenRequest(Operation.DEPOSIT))
            await _advertise(sensor, WARM)
            await hear_reading(WARM)
            await errand.watch(outcome, timeout_s=PATIENCE_S)
    assert served.holds(outcome) == FIRST


async def test_killed_bluetoothd_comes_back_and_the_next_phone_is_served(served: Served) -> None:
    daemons = served.ground.daemons
    async with AsyncExitStack() as stack:
        link = await stack.enter_async_context(served.bumble_phone())
        deposited = await served.visit(link, Operation.DEPOSIT, FIRST)
        daemons.kill_bluetoothd()
        with suppress(Lost):  # the kernel may keep the connection, of which nobody takes care
            await stack.aclose()
    await daemons.start_bluetoothd()
    await daemons.wait_for_advertisement(LOCKER)
    # Not by bleak's own BlueZ, which shares the killed daemon here and keeps what it knew of it.
    async with served.bumble_phone() as link:
        await served.visit(link, Operation.OPEN, FIRST)
    assert served.holds(deposited) is None


COLD, WARM = bytes.fromhex("40029001"), bytes.fromhex("40028403")
"""BTHome version 2, not encrypted: a temperature in hundredths of a degree."""


@asynccontextmanager
async def _sensor(port: int) -> AsyncIterator[Device]:
    async with await open_transport(f"tcp-client:127.0.0.1:{port}") as hci:
        sensor = Device.with_hci("", Address("F0:00:00:00:00:02"), hci.source, hci.sink)
        await sensor.power_on()
        yield sensor
        await sensor.stop_advertising()


async def _advertise(sensor: Device, reading: bytes) -> None:
    if sensor.is_advertising:
        await sensor.stop_advertising()
    flags = Flags(AdvertisingData.Flags.LE_GENERAL_DISCOVERABLE_MODE)
    service = ServiceData16BitUUID(UUID.from_16_bits(BTHOME_UUID), reading)
    sensor.advertising_data = bytes(AdvertisingData([flags, service]))
    await sensor.start_advertising(auto_restart=True)
