"""How fast notices go out, beside the bare SDK that sends as many to the same FCM server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import httpx
from firebase_admin import messaging

from server.demo.processes import Child, Command, find_free_ports
from server.demo.stores import Valkey, get_valkey
from server.hubs.tables import Hub
from server.kit import outbox
from server.kit.clock import SystemClock
from server.kit.db import Database
from server.kit.migrate import migrate
from server.notices.push import (
    MESSAGES_PER_CALL,
    FirebasePush,
    PushAddress,
    PushMessage,
    as_fcm,
)
from server.notices.rules import NoticeKind
from server.notices.service.reminding import REMINDER_DUE
from server.parcels.states import ParcelState
from server.people.rules import PushKind
from server.people.tables import Person
from tests.fakes.town import build_town, key_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from server.parcels.tables import Parcel
    from tests.bench.report import Row

NOTICES, WARM_UP, PEOPLE = 1_500, 300, 200
"""What is measured begins after the warm-up: a worker that starts has a second to load."""

SHARE_LIMIT = 1.43
"""The bare SDK may be so much faster: ours reaches 0.7 of its throughput."""

ROUNDS = 3

AT_ONCE = 100
"""Messages of a call of the bare SDK, which takes up to 500."""

PATIENCE_S = 120.0

HOUR = timedelta(hours=1)

ROOT = Path(__file__).parents[2]


async def measure() -> list[Row]:
    """One row: the bare SDK's messages a second, as a multiple of a worker's."""
    with tempfile.TemporaryDirectory() as folder, Valkey(get_valkey()) as valkey:
        async with _fcm(Path(folder)) as fcm:
            bare, small, ours = [], [], []
            for number in range(ROUNDS):
                url = f"sqlite+aiosqlite:///{folder}/push{number}.db"
                await asyncio.to_thread(migrate, url)
                await _fill(url)
                with _worker(Path(folder), url, valkey, fcm):
                    ours.append(await _watch(fcm))
                bare.append(await _send_bare(fcm, AT_ONCE))
                small.append(await _send_bare(fcm, MESSAGES_PER_CALL))
    return [
        {
            "name": "bare SDK / notices of one worker",
            "value": round(median(bare) / median(ours), 2),
            "limit": SHARE_LIMIT,
            "detail": f"{median(ours):.0f} notices a second from the outbox to FCM and noted, "
            f"{median(bare):.0f} messages a second bare: {median(ours) / median(bare):.2f} of it "
            f"(bare in calls as small as ours: {median(small):.0f})",
        }
    ]


async def _fill(url: str) -> None:
    """Parcels that wait, each with its due reminder. It is about noon there: nobody sleeps."""
    now = SystemClock().now()
    database = Database(url, durable=False)
    events = []
    async with database.write() as session:
        town = await build_town(session)
        hub = await session.get(Hub, town.hub_id)
        assert hub is not None
        hub.time_zone = f"Etc/GMT{now.hour - 12:+d}"
        names = [f"person{number}" for number in range(PEOPLE)]
        session.add_all(Person(id=key_of(name), created_at=now) for name in names)
        await session.flush()
        for name in names:
            phone = await town.add_phone(session, name, at=now)
            phone.push_kind, phone.push_target = PushKind.FCM_TOKEN, f"phone-{name}"
        for number in range(NOTICES):
            name = f"parcel-{number}"
            state = ParcelState.READY_FOR_PICKUP
            parcel = await town.add_parcel(session, name, state=state, at=now)
            parcel.recipient_id = key_of(names[number % PEOPLE])
            parcel.available_from, parcel.available_through = now - HOUR, now + 9 * HOUR
            events.append(
                outbox.Event(
                    id=uuid.uuid4(), kind=REMINDER_DUE, subject=parcel.id, facts=_facts(parcel)
                )
            )
        await outbox.append_all(session, events, at=now)
    await database.close()


def _facts(parcel: Parcel) -> outbox.Facts:
    kind = NoticeKind.REMIND_1.value
    return {"kind": kind, "version": parcel.deadline_version, "breaks": False}


async def _watch(fcm: httpx.AsyncClient) -> float:
    """Messages a second, from the end of the warm-up to the last of them."""
    already = await _count(fcm)
    first = await _count(fcm, already + WARM_UP)
    began_s = time.perf_counter()
    last = await _count(fcm, already + NOTICES)
    return (last - first) / (time.perf_counter() - began_s)


async def _count(fcm: httpx.AsyncClient, least: int = 0) -> int:
    """How many messages it has taken, once they are so many."""
    answer = await fcm.get("/count", params={"from": least}, timeout=PATIENCE_S)
    return int(answer.json()["taken"])


async def _send_bare(fcm: httpx.AsyncClient, at_once: int) -> float:
    """Messages a second of the SDK alone, in calls of that size."""
    push = FirebasePush("bench", base_url=str(fcm.base_url).rstrip("/"))
    messages = [as_fcm(_message(number)) for number in range(NOTICES)]
    began_s = 0.0
    for start in range(0, NOTICES, at_once):
        if start == WARM_UP:
            began_s = time.perf_counter()
        answer = await messaging.send_each_async(messages[start : start + at_once], app=push.app)
        assert answer.failure_count == 0
    took_s = time.perf_counter() - began_s
    await push.close()
    return (NOTICES - WARM_UP) / took_s


def _message(number: int) -> PushMessage:
    subject = key_of(f"parcel-{number}")
    return PushMessage(
        id=subject,
        address=PushAddress(PushKind.FCM_TOKEN, f"phone-{number % PEOPLE}"),
        title="Your parcel still waits for you",
        body="Open the app to see where it waits and until when.",
        data={"kind": "REMIND_1", "subject": str(subject)},
        collapse=subject.hex,
    )


@contextlib.asynccontextmanager
async def _fcm(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The FCM server, a process of its own."""
    (port,) = find_free_ports(1)
    url = f"http://127.0.0.1:{port}"
    words = (sys.executable, "-m", "server.demo.push_endpoint", str(port))
    command = Command(words, {"PATH": os.environ["PATH"]}, folder=ROOT)
    child = Child("FCM", command, log=folder / "fcm.log")

    def answers() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return httpx.get(f"{url}/count").is_success
        return False

    child.start()
    try:
        await asyncio.to_thread(child.wait_ready, answers, within_s=PATIENCE_S)
        async with httpx.AsyncClient(base_url=url) as client:
            yield client
    finally:
        child.stop()


@contextlib.contextmanager
def _worker(folder: Path, url: str, valkey: Valkey, fcm: httpx.AsyncClient) -> Iterator[None]:
    environ = {
        "PATH": os.environ["PATH"],
        "RESTANTE_DATABASE_URL": url,
        "RESTANTE_VALKEY_URL": valkey.url,
        "RESTANTE_STATE_DIR": str(folder / "state"),
        "RESTANTE_FCM_PROJECT": "bench",
        "RESTANTE_FCM_BASE_URL": str(fcm.base_url).rstrip("/"),
    }
    words = [sys.executable, "-m", "server.cli", "worker"]
    worker = Child("worker", Command(words, environ, folder=ROOT), log=folder / "worker.log")
    worker.start()
    try:
        yield
    finally:
        worker.stop()
