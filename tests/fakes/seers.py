"""Real witnesses of a log, each with its file and its door, in streets that a test can close."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from schema.checkpoint.trust import write_trust
from server.ledger.log.cosigning.asking import read_witnessing
from server.ledger.witness.door import Witness, make_door
from server.ledger.witness.seal import Seal
from server.ledger.witness.store import Heads
from tests.schema.makers import signing_key

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from schema.checkpoint.notes import NoteKey
    from server.ledger.log.cosigning.policy import Witnessing
    from tests.fakes.sources import MovableClock

NAMES = ("w1.example.org", "w2.example.org", "w3.example.org")


class Streets(httpx.AsyncBaseTransport):
    """Ways to the doors of witnesses; some are closed, some let pass when a test says so, and some
    lose every answer on the way back.
    """

    def __init__(self) -> None:
        self.doors: dict[str, httpx.ASGITransport] = {}
        self.closed: set[str] = set()
        self.losing: set[str] = set()
        self.gates: dict[str, asyncio.Event] = {}
        self.asked: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host = request.url.host
        if host in self.closed:
            raise httpx.ConnectError("nobody is there")
        self.asked.append(host)
        if host in self.gates:
            await self.gates[host].wait()
        response = await self.doors[host].handle_async_request(request)
        if host in self.losing:
            raise httpx.ReadError("the line is dead")
        return response


class Seers:
    """Three witnesses of the log that these keys sign."""

    def __init__(self, folder: Path, logs: Sequence[NoteKey], clock: MovableClock) -> None:
        self.folder = folder
        self.logs = tuple(logs)
        self.clock = clock
        self.streets = Streets()
        self.client = httpx.AsyncClient(transport=self.streets)
        self.witnesses: dict[str, Witness] = {}
        for name in NAMES:
            self.start(name)

    def start(self, name: str) -> Witness:
        """The witness's process begins, with whatever its file holds."""
        heads = Heads(self.folder / f"{name}.db")
        witness = Witness(Seal(name, signing_key(name)), self.logs, heads, self.clock)
        self.witnesses[name] = witness
        self.streets.doors[name] = httpx.ASGITransport(make_door(witness))
        return witness

    def restart(self, name: str) -> None:
        self.witnesses[name].heads.close()
        self.start(name)

    @property
    def keys(self) -> list[NoteKey]:
        return [witness.seal.public for witness in self.witnesses.values()]

    def witnessing(self, *, least: int, urls: Iterable[str] | None = None) -> Witnessing:
        """The policy of which so many must have seen a head, as the log reads it from a file."""
        text = write_trust([], witnesses=self.keys, least=least, lockers={})
        for key, url in zip(self.keys, urls or [f"http://{name}/" for name in NAMES], strict=True):
            text = text.replace(f"witness {key.name} {key}\n", f"witness {key.name} {key} {url}\n")
        file = self.folder / "policy"
        file.write_text(text)
        return read_witnessing(file, self.client)

    async def close(self) -> None:
        await self.client.aclose()
        for witness in self.witnesses.values():
            witness.heads.close()
