"""A phone in someone's hand, over the loopback radio."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING

from schema.handshake import EnvelopeFrame, OpenRequest, PhoneVisit, Report

if TYPE_CHECKING:
    from ble_agent.radio.loopback import LoopbackPhone
    from schema.cose import SigningKey
    from schema.statements import StatementType
    from tests.ble_agent.standing import Standing


class Randomness:
    """Bytes from a counter: different at each call, the same in each run."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._count = 0

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        self._count += 1
        return hashlib.shake_256(f"{self._name}/{self._count}".encode()).digest(size)


class Visitor:
    """A phone in someone's hand, over the loopback radio."""

    def __init__(self, standing: Standing, phone: LoopbackPhone, holder: SigningKey) -> None:
        self.standing = standing
        self.phone = phone
        self.holder = holder
        self.randomness = Randomness(f"visitor/{phone.link.name}/{holder.public.hex()}")
        self.visit: PhoneVisit | None = None

    async def greet(self) -> bytes:
        """Read a new hello."""
        hello = await self.phone.read_hello()
        identity = self.standing.locker.identity
        self.visit = PhoneVisit(
            hello,
            lid=identity.lid,
            locker_static=identity.noise_public,
            ephemeral=self.randomness.take(32),
        )
        return hello

    async def ask(
        self,
        chain: bytes | tuple[bytes, ...],
        req: OpenRequest,
        *statements: tuple[StatementType, bytes],
    ) -> Report:
        """Send a request for the hello just read and return the result."""
        assert self.visit is not None
        parts = (chain,) if isinstance(chain, bytes) else chain
        await self.send(self.visit.write_request(parts, req, self.holder, statements))
        return self.visit.read_result(await self.receive())

    async def greet_and_ask(
        self,
        chain: bytes | tuple[bytes, ...],
        req: OpenRequest,
        *statements: tuple[StatementType, bytes],
    ) -> Report:
        """A hello and its request."""
        await self.greet()
        return await self.ask(chain, req, *statements)

    async def frame(self) -> Report | EnvelopeFrame:
        """The next frame of the session."""
        assert self.visit is not None
        return self.visit.read_frame(await self.receive())

    async def events(self) -> list[int]:
        """The codes of all door events that are waiting."""
        found = []
        await self.standing.pass_time()
        while self.phone.has_heard():
            frame = await self.frame()
            assert isinstance(frame, Report)
            found.append(frame.code)
        return found

    async def send(self, message: bytes) -> None:
        """Write a whole message in fragments."""
        size = self.phone.fragment_size
        step = size - 1
        parts = [message[at : at + step] for at in range(0, len(message), step)]
        for index, part in enumerate(parts):
            last = 0x80 if index == len(parts) - 1 else 0
            await self.phone.write(bytes([index | last]) + part)

    async def receive(self) -> bytes:
        """The next whole message."""
        message = b""
        while True:
            async with asyncio.timeout(5):
                fragment = await self.phone.next_fragment()
            message += fragment[1:]
            if fragment[0] & 0x80:
                return message

    async def sync(
        self, *statements: tuple[StatementType, bytes], max_bytes: int = 1300
    ) -> EnvelopeFrame:
        """Bring statements in the session and take an envelope."""
        assert self.visit is not None
        await self.send(self.visit.write_sync(statements, max_bytes))
        frame = await self.frame()
        assert isinstance(frame, EnvelopeFrame)
        return frame

    async def reopen(self, comp: int) -> Report:
        """Ask for the session's door once more."""
        assert self.visit is not None
        await self.send(self.visit.write_reopen(comp))
        frame = await self.frame()
        assert isinstance(frame, Report)
        return frame

    async def leave(self) -> None:
        """End the connection."""
        await self.phone.leave()
