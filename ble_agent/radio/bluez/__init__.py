"""The production radio: a GATT service and an advertisement registered with BlueZ over D-Bus.

BlueZ owns the adapter and goes on serving others; whoever connects to the adapter counts as a
phone. A notification reaches every subscribed phone, so replies must be sealed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from dbus_fast import BusType, DBusError
from dbus_fast.aio import MessageBus
from dbus_fast.errors import DBusFastError

from ble_agent.radio.bluez.channels import CONFIG, warn_of_several
from ble_agent.radio.bluez.station import Station
from ble_agent.radio.port import Link, Listener, RadioLost

if TYPE_CHECKING:
    from pathlib import Path

RETURN_S: Final = 10.0
"""A restarting bluetoothd is back within a few seconds; beyond this the radio counts as lost."""


class BluezRadio:
    """The port `Radio` on an adapter of BlueZ, "hci0" for instance.

    Replies keep their order only where bluetoothd is told, in `config`, to use one channel of ATT;
    otherwise the log says so at each start (decision 25).
    """

    def __init__(
        self,
        adapter: str = "hci0",
        *,
        bus_address: str | None = None,
        return_s: float = RETURN_S,
        config: Path = CONFIG,
    ) -> None:
        self._adapter = adapter
        self._config = config
        self._bus_address = bus_address
        self._return_s = return_s
        self._station: Station | None = None

    async def start(self, lid: bytes, listener: Listener) -> None:
        """Register service and advertisement; see the port."""
        await self.stop()
        bus = await self._connect()
        self._station = Station(bus, self._adapter, listener, return_s=self._return_s)
        try:
            await self._station.open(lid)
        except (DBusError, TimeoutError) as error:
            await self.stop()
            raise RadioLost(f"BlueZ offers no {self._adapter}: {error}") from error
        except RadioLost:
            await self.stop()
            raise
        warn_of_several(self._config)

    async def watch(self) -> None:
        """Wait for the end; see the port."""
        station = self._station
        if station is None:
            return
        await station.ended.wait()
        if station.lost is not None:
            raise station.lost

    async def advertise(self, on: bool) -> None:
        """Switch the advertisement; see the port.

        While BlueZ restarts the wish is kept, and RadioLost raised only if it does not come back.
        """
        station = self._station
        if station is None or station.ended.is_set():
            raise RadioLost("the radio is not started")
        station.advertise = on
        await station.settle_if_possible()

    async def reply(self, link: Link, fragment: bytes) -> None:
        """Notify one phone, and the others with it; see the port."""
        if self._station is not None:
            self._station.reply(link, fragment)

    async def drop(self, link: Link) -> None:
        """Disconnect one phone; see the port."""
        if self._station is not None:
            await self._station.drop(link)

    async def stop(self) -> None:
        """Unregister and disconnect everybody; see the port."""
        station, self._station = self._station, None
        if station is not None:
            await station.close()

    async def _connect(self) -> MessageBus:
        try:
            bus = MessageBus(bus_address=self._bus_address, bus_type=BusType.SYSTEM)
            return await bus.connect()
        except (OSError, EOFError, DBusFastError) as error:
            raise RadioLost(f"no D-Bus system bus: {error}") from error
