"""What a process tells Prometheus: the truth of this moment, also while a store is away."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import httpx
import pytest

from server.demo.processes import find_free_ports
from server.kit import outbox
from server.kit.db import Database
from server.kit.errors import SettingsError
from server.kit.metrics import Metrics, read_outbox, read_stores
from server.kit.metrics_door import telling_metrics
from server.kit.outbox import Again, Dead, Done, Lease, Outcome
from server.kit.queue import Queue

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.sources import MovableClock

KIND = "parcel.held"


async def told(metrics: Metrics) -> set[str]:
    """Our lines, but for those of when something was made."""
    lines = (await metrics.tell()).decode().splitlines()
    return {line for line in lines if line.startswith("restante_") and "_created" not in line}


async def append(database: Database, clock: MovableClock, number: int) -> Lease:
    event, now = uuid.UUID(int=number), clock.now()
    async with database.write() as session:
        await outbox.append(session, id=event, kind=KIND, subject=event, facts={}, at=now)
        held = await outbox.lease(session, event, now=now, for_s=30)
    assert held is not None
    return held


async def test_outbox_is_told_with_the_age_of_what_waits_longest(
    database: Database, clock: MovableClock
) -> None:
    metrics = Metrics()
    read_outbox(metrics, database, clock)
    assert await told(metrics) == {"restante_outbox_oldest_due_seconds 0.0"}
    await append(database, clock, 1)
    dead = await append(database, clock, 2)
    async with database.write() as session:
        await outbox.settle(session, dead, Dead("given up"), now=clock.now())
    clock.move(seconds=90)
    assert await told(metrics) == {
        "restante_outbox_oldest_due_seconds 90.0",
        f'restante_outbox_events{{kind="{KIND}",state="pending"}} 1.0',
        f'restante_outbox_events{{kind="{KIND}",state="dead"}} 1.0',
    }


async def test_stores_that_are_away_are_told_and_hide_nothing_else(
    tmp_path: Path, clock: MovableClock
) -> None:
    metrics = Metrics()
    nowhere = Database(f"sqlite+aiosqlite:///{tmp_path}/missing/restante.db")
    queue = Queue(f"redis://127.0.0.1:{find_free_ports(1)[0]}/0")
    read_outbox(metrics, nowhere, clock)
    read_stores(metrics, nowhere, queue)
    lines = await told(metrics)
    assert {
        'restante_up{store="database"} 0.0',
        'restante_up{store="valkey"} 0.0',
        "restante_worker_alive 0.0",
    } <= lines
    await nowhere.close()
    await queue.close()


@pytest.mark.parametrize(
    ("outcome", "word"), [(Done(), "done"), (Again("busy"), "again"), (Dead("gone"), "dead")]
)
async def test_events_are_counted_by_what_became_of_them(
    database: Database, clock: MovableClock, outcome: Outcome, word: str
) -> None:
    metrics = Metrics()

    async def handle(_held: Lease) -> Outcome:
        return outcome

    held = await append(database, clock, 1)
    assert await metrics.watch_handler(KIND, handle)(held) is outcome
    lines = await told(metrics)
    assert f'restante_events_total{{kind="{KIND}",outcome="{word}"}} 1.0' in lines
    assert f'restante_event_seconds_count{{kind="{KIND}"}} 1.0' in lines


async def test_handler_that_raises_is_counted_as_to_be_tried_again(
    database: Database, clock: MovableClock
) -> None:
    metrics = Metrics()

    async def fail(_held: Lease) -> Outcome:
        message = "this handler always fails"
        raise LookupError(message)

    with pytest.raises(LookupError):
        await metrics.watch_handler(KIND, fail)(await append(database, clock, 1))
    assert f'restante_events_total{{kind="{KIND}",outcome="again"}} 1.0' in await told(metrics)


async def test_sweeps_are_timed() -> None:
    metrics, runs = Metrics(), []

    async def sweep() -> None:
        runs.append(1)

    await metrics.watch_job("tidy", sweep)()
    assert runs == [1]
    assert 'restante_timer_seconds_count{timer="tidy"} 1.0' in await told(metrics)


async def test_metrics_are_told_on_the_loopback_interface_alone() -> None:
    async with telling_metrics(Metrics(), 0) as port, httpx.AsyncClient() as client:
        answer = await client.get(f"http://127.0.0.1:{port}/metrics")
        assert answer.status_code == httpx.codes.OK
        assert answer.headers["content-type"].startswith("text/plain")
        assert "python_info" in answer.text
        with pytest.raises(httpx.ConnectError):
            await client.get(f"http://127.0.0.2:{port}/metrics")


async def test_without_a_port_nobody_is_told() -> None:
    async with telling_metrics(Metrics(), None) as port:
        assert port is None


async def test_port_that_is_taken_ends_in_a_sentence() -> None:
    async with telling_metrics(Metrics(), 0) as port:
        with pytest.raises(SettingsError, match="RESTANTE_METRICS_PORT"):
            async with telling_metrics(Metrics(), port):
                pass
