"""A radio on Bumble's own Bluetooth stack: a controller of its own, real or virtual, no daemon.

Any transport name of Bumble will do. Advertises by the legacy commands, which every controller
has, under an address drawn anew at each start; refuses pairing.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from bumble import hci
from bumble.core import BaseBumbleError
from bumble.transport import open_transport
from bumble.transport.common import TransportSpecError

from ble_agent.errors import SettingsRefused
from ble_agent.radio.bumble.device import COMMAND_TIMEOUT_S
from ble_agent.radio.bumble.station import Station
from ble_agent.radio.port import Link, Listener, RadioLost

if TYPE_CHECKING:
    from collections.abc import Callable


class BumbleRadio:
    """The port `Radio` on the controller that `transport_name` leads to."""

    def __init__(
        self, transport_name: str, *, random: Callable[[int], bytes] = secrets.token_bytes
    ) -> None:
        self._transport_name = transport_name
        self._random = random
        self._station: Station | None = None

    async def start(self, lid: bytes, listener: Listener) -> None:
        """Take the controller and advertise; see the port.

        Raises SettingsRefused when no transport of Bumble has that name.
        """
        await self.stop()
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                transport = await open_transport(self._transport_name)
        except (TransportSpecError, ValueError, AssertionError, ImportError) as error:
            raise SettingsRefused(f"no Bluetooth transport {self._transport_name!r}") from error
        except (OSError, BaseBumbleError, TimeoutError) as error:
            raise RadioLost(f"no controller at {self._transport_name}: {error}") from error
        self._station = Station(transport, self._draw_address(), listener)
        try:
            await self._station.open(lid)
        except BaseBumbleError as error:
            await self.stop()
            raise RadioLost(f"the controller at {self._transport_name} fails: {error}") from error

    async def watch(self) -> None:
        """Wait for the end; see the port."""
        station = self._station
        if station is None:
            return
        await station.ended.wait()
        if station.lost is not None:
            raise station.lost

    async def advertise(self, on: bool) -> None:
        """Switch the advertisement; see the port. Raises RadioLost."""
        station = self._station
        if station is None or station.ended.is_set():
            raise RadioLost("the radio is not started")
        station.advertise = on
        try:
            await station.settle()
        except BaseBumbleError as error:
            raise RadioLost(f"the controller refuses to advertise: {error}") from error

    async def reply(self, link: Link, fragment: bytes) -> None:
        """Notify one phone; see the port."""
        if self._station is not None:
            await self._station.reply(link, fragment)

    async def drop(self, link: Link) -> None:
        """Disconnect one phone; see the port."""
        if self._station is not None:
            await self._station.drop(link)

    async def stop(self) -> None:
        """Give the controller back; see the port."""
        station, self._station = self._station, None
        if station is not None:
            await station.close()

    def _draw_address(self) -> hci.Address:
        # A new static random address for each start: a controller that has not noticed a killed
        # host goes on answering for the former one. The two highest bits say "static" (Core,
        # Vol 6, Part B, 1.3.2.1); the bytes come lowest first.
        drawn = bytearray(self._random(6))
        drawn[5] |= 0xC0
        return hci.Address(bytes(drawn), hci.Address.RANDOM_DEVICE_ADDRESS)
