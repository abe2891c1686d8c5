"""A stand-in for FCM HTTP v1 with moods: it answers, keeps its answers back, or is too busy.

Remembers each copy of a message that it took, and whether the sender can have known that it did.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.demo.push_endpoint import FAULTS, Fault, read_message, refuse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import Request

PATIENCE_S = 90
"""Until a storm gives up waiting for the next message, which comes within seconds."""

BUSY = (
    Fault(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", 1),
    Fault(503, "UNAVAILABLE", "UNAVAILABLE", 1),
)


@dataclass(eq=False, slots=True)
class Copy:
    """A message as it was taken. `is_lost` if its sender could not write down that it was."""

    sender: str
    notice: str
    subject: str
    address: str
    is_lost: bool = False


class Provider:
    """Takes messages over HTTP; addresses of `push_endpoint.FAULTS` meet their fault every time.

    The first part of the path names the sender, so that what a dead one had sent is known as such
    however late it is read.
    """

    def __init__(self) -> None:
        self.copies: list[Copy] = []
        self._dead: set[str] = set()
        self._held = 0
        self._busy = 0
        self._answers = asyncio.Event()
        self._answers.set()
        self._changed = asyncio.Condition()

    def app(self) -> Starlette:
        """The provider as an ASGI application."""
        path = "/{sender}/v1/projects/{project}/messages:send"
        numbers = itertools.count(1)

        async def send(request: Request) -> Response:
            try:
                fault = await self._take(request)
            except ClientDisconnect:
                # Killed while it wrote: nobody is there to answer.
                return Response()
            project = request.path_params["project"]
            name = f"projects/{project}/messages/{next(numbers)}"
            return JSONResponse({"name": name}) if fault is None else refuse(fault)

        return Starlette(routes=[Route(path, send, methods=["POST"])])

    async def _take(self, request: Request) -> Fault | None:
        message = await read_message(request)
        if message is None:
            return FAULTS["invalid"]
        address = str(message.get("token") or message.get("fid"))
        fault = FAULTS.get(address.partition("-")[0])
        if fault is None and self._busy:
            self._busy -= 1
            fault = BUSY[self._busy % len(BUSY)]
        if fault is not None:
            return fault
        sender, data = request.path_params["sender"], message["data"]
        is_lost = sender in self._dead
        copy = Copy(sender, data["notice"], data["subject"], address, is_lost=is_lost)
        self.copies.append(copy)
        await self._keep_back(request, copy)
        return None

    async def _keep_back(self, request: Request, copy: Copy) -> None:
        self._held += 1
        await self._tell()
        await self._answers.wait()
        self._held -= 1
        copy.is_lost = copy.is_lost or await request.is_disconnected()

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    async def has_taken(self, count: int) -> None:
        """Wait until so many copies were taken, answered or not."""
        await self._until(lambda: len(self.copies) >= count)

    async def holds(self, count: int) -> None:
        """Wait until so many answers are kept back."""
        await self._until(lambda: self._held >= count)

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._changed:
            await self._changed.wait_for(is_so)

    def hold(self) -> None:
        """Take messages from now on, but keep the answers back: the sender cannot know."""
        self._answers.clear()

    def release(self) -> None:
        """Answer again, also what was kept back, to whoever still listens."""
        self._answers.set()

    def refuse_next(self, count: int) -> None:
        """Be too busy for so many messages, and ask to come back in a second."""
        self._busy = count

    def write_off(self, sender: str, noted: Collection[str]) -> None:
        """The sender died: of its copies whose notice is not among the noted it knew nothing."""
        self._dead.add(sender)
        for copy in self.copies:
            if copy.sender == sender and copy.notice not in noted:
                copy.is_lost = True
