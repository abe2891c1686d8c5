"""Our radio on the real stack: kernel, bluetoothd, D-Bus; its controllers are the ether's."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from bumble import hci
from bumble.transport import open_transport

from ble_agent.backends.ether import open_ether
from ble_agent.radio.bluez import BluezRadio
from tests.bluez.daemons import Daemons, until
from tests.fakes.radios import BleakPhone, come

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from bumble.transport.common import TransportSink

    from ble_agent.backends.ether import Ether

LOCKER, PHONE = "hci0", "hci1"
"""The kernel numbers adapters as they are plugged in, and takes the lowest number that is free."""

BUMBLE_PHONE, SENSOR = 2, 3
"""Numbers of controllers of the ether that have a host of their own; 0 and 1 have the kernel."""

_CONTROLLERS = 7
_NOT_AS_THE_KERNEL_EXPECTS = int(
    hci.LeFeatureMask.LL_PRIVACY | hci.LeFeatureMask.LE_EXTENDED_ADVERTISING
)
_FEATURES_HEAD = bytes([hci.HCI_EVENT_PACKET, hci.HCI_COMMAND_COMPLETE_EVENT, 12])
_FEATURES_OPCODE = hci.HCI_LE_READ_LOCAL_SUPPORTED_FEATURES_COMMAND.to_bytes(2, "little")


class _Modest:
    """Hides what a Bumble controller says it can and does otherwise than the kernel expects."""

    def __init__(self, sink: TransportSink) -> None:
        self._sink = sink

    def on_packet(self, packet: bytes) -> None:
        """Pass a packet on to the kernel."""
        # The opcode follows a byte of credits, the eight bytes of features one of status.
        if packet.startswith(_FEATURES_HEAD) and packet[4:6] == _FEATURES_OPCODE:
            features = int.from_bytes(packet[7:15], "little") & ~_NOT_AS_THE_KERNEL_EXPECTS
            packet = packet[:7] + features.to_bytes(8, "little")
        self._sink.on_packet(packet)


class Dongle:
    """A controller of the ether that the kernel takes for hardware, by hci_vhci."""

    def __init__(self, port: int, adapter: str, daemons: Daemons) -> None:
        self.adapter = adapter
        self._port = port
        self._daemons = daemons
        self._plugged: AsyncExitStack | None = None

    async def plug(self) -> None:
        """Plug it in, unless it is, and wait until bluetoothd can use it."""
        if self._plugged is None:
            self._plugged = AsyncExitStack()
            ether = await open_transport(f"tcp-client:127.0.0.1:{self._port}")
            self._plugged.push_async_callback(ether.close)
            kernel = await open_transport("vhci")
            self._plugged.push_async_callback(kernel.close)
            kernel.source.set_packet_sink(ether.sink)
            ether.source.set_packet_sink(_Modest(kernel.sink))
        await self._daemons.wait_for_adapter(self.adapter)

    async def pull(self) -> None:
        """Pull it out."""
        plugged, self._plugged = self._plugged, None
        if plugged is not None:
            await plugged.aclose()


class Ground:
    """What all airs of one guest share: daemons, ether, and the dongles of locker and phone."""

    def __init__(self, ether: Ether, daemons: Daemons) -> None:
        self.ether = ether
        self.daemons = daemons
        self.locker = Dongle(ether.ports[0], LOCKER, daemons)
        self.phone = Dongle(ether.ports[1], PHONE, daemons)


class RealAir:
    """An air on that ground, for one test: phones by Bumble, each with a controller of its own."""

    def __init__(self, ground: Ground, stack: AsyncExitStack) -> None:
        self.radio = BluezRadio(LOCKER, return_s=0.0)
        self._ground = ground
        self._stack = stack
        self._phones = 0

    async def phone(self, mtu: int = 517) -> BleakPhone:
        port = self._ground.ether.ports[BUMBLE_PHONE + self._phones]
        self._phones += 1
        return await come(port, self._stack, mtu=mtu)

    async def until_advertised(self, on: bool) -> None:
        async def is_so() -> bool:
            return self._ground.ether.is_advertising(0) is on

        await until(is_so)

    async def take_away(self) -> None:
        await self._ground.locker.pull()

    async def bring_back(self) -> None:
        await self._ground.locker.plug()


@asynccontextmanager
async def open_ground() -> AsyncIterator[Ground]:
    """Daemons, ether and both adapters, for as long as the guest runs."""
    daemons = Daemons()
    await daemons.start()
    async with open_ether(_CONTROLLERS) as ether:
        ground = Ground(ether, daemons)
        await ground.locker.plug()
        await ground.phone.plug()
        yield ground
        await ground.phone.pull()
        await ground.locker.pull()
    await daemons.stop()


@asynccontextmanager
async def open_real_air(ground: Ground) -> AsyncIterator[RealAir]:
    """A radio that is not started yet, on adapters that are plugged in."""
    await ground.locker.plug()
    async with AsyncExitStack() as stack:
        air = RealAir(ground, stack)
        stack.push_async_callback(air.radio.stop)  # after the phones have left
        yield air
