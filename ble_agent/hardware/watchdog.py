"""What the agent tells the service manager that started it, by the protocol of sd_notify(3).

One datagram per word, to the socket that the manager names. A process that nobody supervises has
no such socket and tells nothing; whether anybody listens never matters to the locker.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from typing import TYPE_CHECKING

from ble_agent.errors import SettingsRefused

if TYPE_CHECKING:
    from collections.abc import Mapping

logger = logging.getLogger(__name__)

READY = "READY=1"
"""Doors are watched; whether the radio is up, a status says."""

STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


class ServiceManager:
    """The manager's socket, and how long it waits for a sign of life (None: it does not)."""

    def __init__(self, address: str | None, *, watchdog_s: float | None = None) -> None:
        """`address` is a path, or a name in the abstract space after `@`; None: nobody."""
        self._address = address
        self._watchdog_s = None if address is None else watchdog_s

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], *, pid: int) -> ServiceManager:
        """The manager of process `pid`, by the variables that systemd sets."""
        watchdog_us = environ.get("WATCHDOG_USEC")
        is_ours = environ.get("WATCHDOG_PID", str(pid)) == str(pid)
        if watchdog_us is None or not is_ours:
            return cls(environ.get("NOTIFY_SOCKET"))
        if not watchdog_us.isdecimal() or int(watchdog_us) == 0:
            raise SettingsRefused(f"WATCHDOG_USEC must be microseconds, got {watchdog_us!r}")
        return cls(environ.get("NOTIFY_SOCKET"), watchdog_s=int(watchdog_us) / 1e6)

    def tell(self, word: str) -> None:
        """Send `word` and wait for nothing. One that cannot be sent is logged and lost."""
        if self._address is None:
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
                sender.sendto(word.encode(), address)
        except OSError as error:
            logger.warning("the service manager does not hear %s: %s", word, error)

    def tell_status(self, status: str) -> None:
        """What an operator is shown beside the service."""
        self.tell(f"STATUS={status}")

    async def keep_alive(self) -> None:
        """Give signs of life until cancelled, twice in the time that the manager waits.

        They come from the event loop: if that stands still, so do they, and the manager starts
        the process anew.
        """
        if self._watchdog_s is None:
            await asyncio.Event().wait()
            return
        while True:
            self.tell(ALIVE)
            await asyncio.sleep(self._watchdog_s / 2)
