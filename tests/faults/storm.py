"""A network in a storm: real server, worker and Valkey, each of which is killed again and again,
while parcels arrive at a counter and in compartments and their recipients are to be told.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from sqlmodel import func, select

from server.access.jobs import GRANT_READY
from server.app import build_house
from server.demo.processes import Child, Command, find_free_ports
from server.demo.stores import Valkey, get_valkey
from server.hubs.tables import Hub
from server.kit import outbox
from server.kit.graph import global_id
from server.kit.settings import Settings
from server.notices.rules import NoticeState
from server.notices.tables import Notice
from server.parcels.states import ParcelState
from server.people.roles import Role
from server.people.rules import PushKind
from server.people.tables import Person
from tests.fakes.callers import sign_in_staff
from tests.fakes.serving import serving
from tests.fakes.town import build_town, key_of
from tests.faults.provider import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from random import Random

    from server.app import House
    from server.kit.db import Database
    from tests.fakes.phone import Phone

ROOT = Path(__file__).parents[2]

PATIENCE_S = 60
"""Until a storm gives up; what it waits for comes within seconds."""

PEOPLE = 20
"""Recipients. Each fourth still has an old phone, whose address FCM does not know any more."""

AT_ONCE = 5
"""Arrivals that one request reports."""

TRIES = 60

WORKER = """
import asyncio, logging, os
from server.kit.log import start_logging
from server.kit.settings import Settings
from server.worker import run
start_logging(logging.WARNING)
os.environ["RESTANTE_FCM_BASE_URL"] += f"/{os.getpid()}"
asyncio.run(run(Settings.from_environ(os.environ), handler_s=6))
"""
"""The worker with a shorter lease, so that what a killed one held is free again after 12 s. It
tells the provider who it is.
"""

ARRIVAL = """ outcome%d: recordArrivalAtCounter(parcel: "%s", why: OVERFLOW) {
  ... on ParcelPayload { parcel { state } } ... on Problem { code message } }"""


class Blow(StrEnum):
    """What a storm hits."""

    WORKER_IN_SEND = "worker in the middle of a send"
    WORKER = "worker at any moment"
    SERVER = "server at any moment"
    VALKEY = "Valkey, back with its data"
    VALKEY_EMPTY = "Valkey, back empty"
    ALL_IN_SEND = "all three in the middle of a send"
    BUSY_PROVIDER = "provider too busy for a while"


@dataclass(frozen=True, slots=True)
class Machines:
    """Everything that can be killed."""

    server: Child
    worker: Child
    valkey: Valkey


class Storm:
    """What was to be told, who tells it, and what hits them meanwhile."""

    def __init__(
        self, house: House, provider: Provider, machines: Machines, *, chance: Random
    ) -> None:
        self.provider = provider
        self.machines = machines
        self._told = 0
        self._most = 0
        self._expected = 0
        self._news = asyncio.Condition()
        self._house = house
        self._server_url = f"http://127.0.0.1:{house.settings.listen_port}"
        self._chance = chance
        self._is_up = asyncio.Event()

    async def settle_in(self, count: int) -> list[str]:
        """The town and its parcels; each fourth lies in a compartment, the others are to come.

        Gives the ids of those that are to come. It is about noon at the hub, whatever the time:
        nobody's quiet hours keep a notice back.
        """
        now = self._house.clock.now()
        names = [f"person{number}" for number in range(PEOPLE)]
        coming = []
        async with self._house.database.write() as session:
            town = await build_town(session)
            hub = await session.get(Hub, town.hub_id)
            assert hub is not None
            hub.time_zone = f"Etc/GMT{now.hour - 12:+d}"
            session.add_all(Person(id=key_of(name), created_at=now) for name in names)
            await session.flush()
            for number, name in enumerate(names):
                phone = await town.add_phone(session, name, at=now)
                phone.push_kind, phone.push_target = PushKind.FCM_TOKEN, f"phone-{number}"
                if number % 4 == 0:
                    old = await town.add_phone(session, f"{name} old", at=now)
                    old.push_kind, old.push_target = PushKind.FCM_TOKEN, f"gone-{number}"
            for number in range(count):
                lies = number % 4 == 0
                state = ParcelState.DEPOSITED if lies else ParcelState.OUT_FOR_DELIVERY
                parcel = await town.add_parcel(session, f"parcel-{number}", state=state, at=now)
                parcel.recipient_id = key_of(names[number % PEOPLE])
                if not lies:
                    coming.append(str(global_id("Parcel", parcel.id)))
                    continue
                await outbox.append(
                    session,
                    id=self._house.ids.new(),
                    kind=GRANT_READY,
                    subject=parcel.id,
                    facts={},
                    at=now,
                )
        self._expected = len(coming)
        return coming

    async def start(self) -> None:
        """Start whatever does not run; return when the server answers."""
        await asyncio.to_thread(self.machines.valkey.start)
        self.machines.worker.start()
        self.machines.server.start()
        address = f"{self._server_url}/readyz"

        def is_ready() -> bool:
            try:
                return httpx.get(address, timeout=5).status_code == httpx.codes.OK
            except httpx.HTTPError:
                return False

        await asyncio.to_thread(self.machines.server.wait_ready, is_ready, within_s=PATIENCE_S)
        self._is_up.set()

    async def sign_in(self, client: httpx.AsyncClient) -> Phone:
        """Whoever stands at the counter, before it begins."""
        client.base_url = httpx.URL(self._server_url)
        return await sign_in_staff(self._house, client, Role.HUB_CLERK, key_of("hub"))

    async def tell(self, clerk: Phone, coming: list[str]) -> None:
        """Report each arrival to the server, once more whenever no answer came."""
        for start in range(0, len(coming), AT_ONCE):
            await self._until(lambda: self._told < self._most)
            await self._report(clerk, coming[start : start + AT_ONCE])
            await self._count(told=AT_ONCE)

    async def allow(self, count: int) -> None:
        """Let so many more arrive: work for everybody until the last blow."""
        await self._count(allowed=count)

    async def _report(self, clerk: Phone, parcels: list[str]) -> None:
        query = "\n".join(ARRIVAL % one for one in enumerate(parcels))
        for _ in range(TRIES):
            async with asyncio.timeout(PATIENCE_S):
                await self._is_up.wait()
            try:
                data = await clerk.ask(f"mutation {{ {query} }}")
            except httpx.TransportError:
                # Nobody knows whether it was written down: ask again.
                continue
            states = [outcome.get("parcel", {}).get("state") for outcome in data.values()]
            assert states == ["AT_HUB"] * len(parcels), data
            return
        raise AssertionError("an arrival was never taken")

    async def strike(self, blow: Blow) -> None:
        """One blow, after which everything runs again."""
        await _BLOWS[blow](self)
        await self.start()

    async def _hit_worker_in_send(self) -> None:
        await self._hold_some()
        await self._kill(self.machines.worker)

    async def _hit_worker(self) -> None:
        await self._kill(self.machines.worker)

    async def _hit_server(self) -> None:
        self._is_up.clear()
        self.machines.server.kill()

    async def _hit_valkey(self) -> None:
        """It stays away for a while: the server goes on without it."""
        self.machines.valkey.kill()
        await self._let_arrive(2 * AT_ONCE)

    async def _empty_valkey(self) -> None:
        await self._hit_valkey()
        self.machines.valkey.forget()

    async def _hit_all_in_send(self) -> None:
        await self._hold_some()
        self._is_up.clear()
        await self._kill(self.machines.valkey, self.machines.server, self.machines.worker)

    async def _busy_provider(self) -> None:
        self.provider.refuse_next(self._chance.randint(5, 25))

    async def _hold_some(self) -> None:
        """Until some answers are kept back: the sender is in the middle of it."""
        self.provider.hold()
        await self.provider.holds(self._chance.randint(1, 6))

    async def _kill(self, *machines: Child | Valkey) -> None:
        """Kill them all; what the worker had sent and not written down may be sent again."""
        sender = f"{self.machines.worker.pid}"
        for machine in machines:
            machine.kill()
        async with self._house.database.read() as session:
            noted = (
                await session.exec(select(Notice.id).where(Notice.state == NoticeState.ACCEPTED))
            ).all()
        self.provider.write_off(sender, {str(one) for one in noted})
        self.provider.release()

    async def _let_arrive(self, count: int) -> None:
        """Return once so many more have arrived, if there are any."""
        wanted = min(self._told + count, self._expected)
        await self._count(allowed=count)
        await self._until(lambda: self._told >= wanted)

    async def _count(self, *, told: int = 0, allowed: int = 0) -> None:
        async with self._news:
            self._told += told
            self._most += allowed
            self._news.notify_all()

    async def _until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S), self._news:
            await self._news.wait_for(is_so)

    async def calm(self, count: int) -> None:
        """Return once every notice was taken and noted."""
        probe = _on_loop(lambda: self._is_over(count))
        await asyncio.to_thread(self.machines.worker.wait_ready, probe, within_s=PATIENCE_S)

    async def _is_over(self, count: int) -> bool:
        return sum((await self.count_notices()).values()) == count

    async def count_notices(self) -> dict[str, int]:
        """How many notices a provider has taken, by kind."""
        taken = Notice.state == NoticeState.ACCEPTED
        query = select(Notice.kind, func.count()).where(taken).group_by(Notice.kind)
        async with self._house.database.read() as session:
            return dict((await session.exec(query)).all())


_BLOWS: dict[Blow, Callable[[Storm], Awaitable[None]]] = {
    Blow.WORKER_IN_SEND: Storm._hit_worker_in_send,
    Blow.WORKER: Storm._hit_worker,
    Blow.SERVER: Storm._hit_server,
    Blow.VALKEY: Storm._hit_valkey,
    Blow.VALKEY_EMPTY: Storm._empty_valkey,
    Blow.ALL_IN_SEND: Storm._hit_all_in_send,
    Blow.BUSY_PROVIDER: Storm._busy_provider,
}


@asynccontextmanager
async def brewing(
    database: Database, database_url: str, folder: Path, *, chance: Random
) -> AsyncIterator[Storm]:
    """Everything that a storm needs, not started; all of it is gone at the end."""
    (port,) = find_free_ports(1)
    provider = Provider()
    async with AsyncExitStack() as stack:
        push_url = await stack.enter_async_context(serving(provider.app()))
        valkey = stack.enter_context(Valkey(get_valkey()))
        environ = {
            "RESTANTE_DATABASE_URL": database_url,
            "RESTANTE_VALKEY_URL": valkey.url,
            "RESTANTE_STATE_DIR": str(folder / "state"),
            "RESTANTE_PUBLIC_URL": "http://testserver",  # what phones of tests prove against
            "RESTANTE_LISTEN_PORT": str(port),
            "RESTANTE_FCM_PROJECT": "demo",
            "RESTANTE_FCM_BASE_URL": push_url,
        }
        house = build_house(Settings.from_environ(environ))
        stack.push_async_callback(_close, house)
        machines = Machines(
            server=_child("server", environ, folder, "-m", "server.cli", "serve"),
            worker=_child("worker", environ, folder, "-c", WORKER),
            valkey=valkey,
        )
        stack.callback(machines.worker.kill)
        stack.callback(machines.server.kill)
        yield Storm(house, provider, machines, chance=chance)


def _child(name: str, environ: dict[str, str], folder: Path, *words: str) -> Child:
    command = Command(
        [sys.executable, *words], {"PATH": os.environ["PATH"], **environ}, folder=ROOT
    )
    return Child(name, command, log=folder / f"{name}.log")


async def _close(house: House) -> None:
    if house.queue is not None:
        await house.queue.close()
    await house.live.close()
    await house.rates.close()
    await house.database.close()


def _on_loop(check: Callable[[], Awaitable[bool]]) -> Callable[[], bool]:
    """The question as one that another thread may ask."""
    loop = asyncio.get_running_loop()

    async def ask() -> Any:
        return await check()

    return lambda: bool(asyncio.run_coroutine_threadsafe(ask(), loop).result(PATIENCE_S))
