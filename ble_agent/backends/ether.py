"""The air of demo and tests: virtual Bluetooth controllers on one link, each behind a TCP port.

Run as `python -m ble_agent.backends.ether --controllers N`. Whoever connects to a port owns that
controller, as a new dongle: a host that died leaves nothing behind in the air.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final, cast

from bumble import hci, ll
from bumble.controller import Controller
from bumble.core import BaseBumbleError, PhysicalTransport
from bumble.link import LocalLink
from bumble.transport.common import StreamPacketSink, StreamPacketSource

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_LOOPBACK: Final = "127.0.0.1"
_MAX_CONTROLLERS: Final = 64


class _Air(LocalLink):
    """Bumble's link, with data sent from the address that the connection was made under.

    The original takes the sender's random address, and so loses all data of a host that uses its
    public one, as BlueZ does.
    """

    def send_acl_data(
        self,
        sender_controller: Controller,
        destination_address: hci.Address,
        transport: PhysicalTransport,
        data: bytes,
    ) -> None:
        """Carry data of a Low Energy connection; without one it is lost, as in the air."""
        connection = sender_controller.le_connections.get(destination_address)
        receiver = self.find_le_controller(destination_address)
        if transport is PhysicalTransport.LE and connection is not None and receiver is not None:
            loop = asyncio.get_running_loop()
            loop.call_soon(receiver.on_link_acl_data, connection.self_address, transport, data)


class _VirtualController(Controller):
    """Bumble's controller, with failed connections that fail as on a real one.

    When two phones answer one advertisement the original leaves the second believing that it is
    connected, and an attempt that its host has cancelled goes on for ever.
    """

    def on_le_connect_ind(self, packet: ll.ConnectInd) -> None:
        """Accept a phone, or tell it that another was first."""
        super().on_le_connect_ind(packet)
        ours = packet.advertiser_address in (self.random_address, self.public_address)
        if ours and packet.initiator_address not in self.le_connections:
            self._part(
                packet.advertiser_address,
                packet.initiator_address,
                hci.HCI_ErrorCode.CONNECTION_FAILED_TO_BE_ESTABLISHED_ERROR,
            )

    def on_hci_le_create_connection_cancel_command(
        self, _command: hci.HCI_LE_Create_Connection_Cancel_Command
    ) -> hci.HCI_StatusReturnParameters:
        """End the attempt under way; an event says so (Core, Vol 4, Part E, 7.8.13)."""
        attempt, self.pending_le_connection = self.pending_le_connection, None
        if attempt is None:
            return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.COMMAND_DISALLOWED_ERROR)
        self.send_hci_packet(
            hci.HCI_LE_Connection_Complete_Event(
                status=hci.HCI_ErrorCode.UNKNOWN_CONNECTION_IDENTIFIER_ERROR,
                connection_handle=0,
                role=hci.Role.CENTRAL,
                peer_address_type=attempt.peer_address_type,
                peer_address=attempt.peer_address,
                connection_interval=0,
                peripheral_latency=0,
                supervision_timeout=0,
                central_clock_accuracy=0,
            )
        )
        return hci.HCI_StatusReturnParameters(hci.HCI_ErrorCode.SUCCESS)

    def vanish(self) -> None:
        """Leave the air for good: silent at once, and missed by every peer."""
        self.le_scan_enable = False
        self.le_legacy_advertiser.stop()
        for advertising_set in self.advertising_sets.values():
            advertising_set.stop()
        for connection in list(self.le_connections.values()):
            self._part(
                connection.self_address,
                connection.peer_address,
                hci.HCI_ErrorCode.CONNECTION_TIMEOUT_ERROR,
            )
        self.le_connections.clear()
        self.host = None
        self.link.remove_controller(self)

    def _part(self, own: hci.Address, peer: hci.Address, reason: int) -> None:
        with suppress(BaseBumbleError):  # the peer may have vanished itself
            self.link.send_ll_control_pdu(own, peer, ll.TerminateInd(reason))


class _HostWire(StreamPacketSource):
    """The HCI stream of one host."""

    def __init__(self, socket: _Socket) -> None:
        super().__init__()
        self._socket = socket
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Plug in."""
        self.transport = cast("asyncio.Transport", transport)  # what TCP servers hand over
        self._socket.plug(self, self.transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Unplug, whether the host ended or died."""
        self._socket.unplug(self)


class _Socket:
    """Where one host at a time plugs in and gets a controller; a newcomer ousts who is there."""

    def __init__(self, air: _Air, number: int) -> None:
        self._air = air
        self._name = f"controller {number}"
        self._address = hci.Address(f"00:00:5E:00:53:{number:02X}/P")  # RFC 7042, for documents
        self._wire: _HostWire | None = None
        self._controller: _VirtualController | None = None

    @property
    def is_advertising(self) -> bool:
        """Whether a host is there and advertises."""
        return self._controller is not None and self._controller.is_advertising

    def wire(self) -> _HostWire:
        """Return the protocol for a connection that is being made."""
        return _HostWire(self)

    def plug(self, wire: _HostWire, transport: asyncio.Transport) -> None:
        """Give this host a fresh controller."""
        self.close()
        self._wire = wire
        self._controller = _VirtualController(
            self._name,
            host_source=wire,
            host_sink=StreamPacketSink(transport),
            link=self._air,
            public_address=self._address,
        )

    def unplug(self, wire: _HostWire) -> None:
        """Take the controller of this host out of the air; nothing happens if it was ousted."""
        if wire is self._wire and self._controller is not None:
            self._controller.vanish()
            self._wire = self._controller = None

    def close(self) -> None:
        """Oust the present host, if any."""
        wire = self._wire
        if wire is not None:
            self.unplug(wire)
            if wire.transport is not None:
                wire.transport.abort()


class Ether:
    """The open air: `ports` are the TCP ports of its controllers, numbered from 0."""

    def __init__(self, sockets: list[_Socket], servers: list[asyncio.Server]) -> None:
        self.ports: list[int] = [server.sockets[0].getsockname()[1] for server in servers]
        self._sockets = sockets
        self._servers = servers

    def is_advertising(self, number: int) -> bool:
        """Whether this controller can be found now; also no when nobody is plugged in."""
        return self._sockets[number].is_advertising

    def oust(self, number: int) -> None:
        """Take this controller away from its host, as a pulled dongle; it can be taken anew."""
        self._sockets[number].close()

    def pull(self, number: int) -> None:
        """Take this controller away for good: nobody is let in where it was, until `plug`."""
        self._servers[number].close()
        self.oust(number)

    async def plug(self, number: int) -> None:
        """Put a controller where one was pulled."""
        self._servers[number] = await asyncio.get_running_loop().create_server(
            self._sockets[number].wire, _LOOPBACK, self.ports[number]
        )

    def close(self) -> None:
        """Let nobody in any more, and oust all who are there."""
        for number in range(len(self.ports)):
            self.pull(number)


@asynccontextmanager
async def open_ether(controllers: int) -> AsyncIterator[Ether]:
    """Serve that many controllers on one air, on ports that the system picks."""
    air = _Air()  # type: ignore[no-untyped-call]  # Bumble left its constructor untyped
    sockets = [_Socket(air, number) for number in range(controllers)]
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(socket.wire, _LOOPBACK, 0) for socket in sockets]
    ether = Ether(sockets, servers)
    try:
        yield ether
    finally:
        ether.close()
        await asyncio.sleep(0)  # lets the aborted connections end within this loop


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ble_agent.backends.ether", description=__doc__)
    parser.add_argument(
        "--controllers",
        type=int,
        required=True,
        choices=range(1, _MAX_CONTROLLERS + 1),
        metavar="N",
        help=f"how many, 1 to {_MAX_CONTROLLERS}",
    )
    parser.add_argument("--json", action="store_true", help='print {"ports": [...]} on one line')
    return parser.parse_args(arguments)


async def _serve(controllers: int, *, as_json: bool) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with open_ether(controllers) as ether:
        names = [f"tcp-client:{_LOOPBACK}:{port}" for port in ether.ports]
        sys.stdout.write(json.dumps({"ports": ether.ports}) if as_json else "\n".join(names))
        sys.stdout.write("\n")
        sys.stdout.flush()
        await ended.wait()


def main(arguments: list[str]) -> int:
    """Run until SIGTERM or SIGINT; one line on standard output says that all ports accept."""
    options = _parse(arguments)
    asyncio.run(_serve(options.controllers, as_json=options.json))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
