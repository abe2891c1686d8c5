"""What a process tells about itself, in the text format of Prometheus.

Owns names and labels. No label holds what a stranger chose: its values are kinds, channels, states
and names of our own jobs, so there are only so many.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from sqlalchemy.exc import SQLAlchemyError

from server.kit import backlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from server.kit.clock import Clock
    from server.kit.db import Database
    from server.kit.outbox import Lease, Outcome
    from server.kit.queue import Queue
    from server.kit.relay import Handler

    Reading = Callable[[], Awaitable[None]]
    """Sets gauges before they are told; may raise what a database raises."""

SECONDS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
"""Bounds of what is timed: from one statement to longer than a lease."""


class Metrics:
    """Counters and gauges of one process, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        PlatformCollector(self.registry)
        ProcessCollector(registry=self.registry)
        self._readings: list[Reading] = []
        self.events = Counter(
            "restante_events",
            "Events handled: done, to be tried again, given up.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.event_seconds = Histogram(
            "restante_event_seconds",
            "How long a handler took.",
            ["kind"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.sends = Counter(
            "restante_sends",
            "Messages and letters by what the provider said.",
            ["channel", "answer"],
            registry=self.registry,
        )
        self.send_seconds = Histogram(
            "restante_send_seconds",
            "How long a provider took to answer.",
            ["channel"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.timer_seconds = Histogram(
            "restante_timer_seconds",
            "How long a sweep took.",
            ["timer"],
            buckets=SECONDS,
            registry=self.registry,
        )

    def gauge(self, name: str, meaning: str, *labels: str) -> Gauge:
        """A new gauge, to be set by a reading."""
        return Gauge(f"restante_{name}", meaning, labels, registry=self.registry)

    def add_reading(self, reading: Reading) -> None:
        """Have it called before each telling."""
        self._readings.append(reading)

    async def tell(self) -> bytes:
        """The text of this moment. A reading that the database does not answer is left out."""
        for reading in self._readings:
            try:
                await reading()
            except (SQLAlchemyError, OSError):
                continue  # `restante_up` says so
        return generate_latest(self.registry)

    def watch_handler(self, kind: str, handler: Handler) -> Handler:
        """The handler, counted and timed; one that raises counts as to be tried again."""

        async def handle(held: Lease) -> Outcome:
            outcome = "again"
            try:
                with self.event_seconds.labels(kind).time():
                    said = await handler(held)
                outcome = type(said).__name__.lower()
                return said
            finally:
                self.events.labels(kind, outcome).inc()

        return handle

    def watch_job(self, name: str, job: Callable[[], Awaitable[None]]) -> Reading:
        """The job of a timer, timed."""

        async def run() -> None:
            with self.timer_seconds.labels(name).time():
                await job()

        return run

    @contextmanager
    def timing_send(self, channel: str) -> Iterator[None]:
        """Time one call of a provider."""
        start_s = time.perf_counter()
        try:
            yield
        finally:
            self.send_seconds.labels(channel).observe(time.perf_counter() - start_s)


def read_stores(metrics: Metrics, database: Database, queue: Queue | None) -> None:
    """Tell whether the database and Valkey answer, and whether a worker lives."""
    up = metrics.gauge("up", "Whether it answers: 1 or 0.", "store")
    workers = metrics.gauge("worker_alive", "Whether any worker gave a sign of life: 1 or 0.")

    async def read() -> None:
        up.labels("database").set(await database.is_reachable())
        if queue is not None:
            up.labels("valkey").set(await queue.is_reachable())
            workers.set(await queue.has_worker())

    metrics.add_reading(read)


def read_outbox(metrics: Metrics, database: Database, clock: Clock) -> None:
    """Tell what waits, what was given up, and for how long the oldest has been due."""
    events = metrics.gauge(
        "outbox_events", "Events by kind that wait or are dead.", "kind", "state"
    )
    age = metrics.gauge("outbox_oldest_due_seconds", "How long the event longest due has waited.")

    async def read() -> None:
        now = clock.now()
        async with database.read() as session:
            parts = await backlog.measure(session, now=now)
        events.clear()
        for part in parts:
            events.labels(part.kind, part.state.value.lower()).set(part.count)
        due = [part.oldest_due_at for part in parts if part.oldest_due_at is not None]
        age.set(max(0.0, (now - min(due)).total_seconds()) if due else 0.0)

    metrics.add_reading(read)
