"""The only door to arq: how the ids of due events reach a worker through Valkey.

Owns connections, retries and the running of jobs. What it carries may be lost at any moment, so it
carries nothing that is not in the database as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import msgpack
from arq.connections import ArqRedis
from arq.constants import default_queue_name, health_check_key_suffix
from arq.cron import CronJob, cron
from arq.worker import Function, Worker, func
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ConnectionError as ValkeyGone
from redis.exceptions import RedisError, WatchError
from redis.exceptions import TimeoutError as ValkeySilent

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    Job = Callable[..., Awaitable[None]]

logger = logging.getLogger(__name__)

NUDGE = "relay"
"""Name of the job that looks for due events; a worker has it among its jobs."""

PATIENT_TRIES = 60
"""Tries of a worker to connect, a second apart, and as often of each command: an hour in all."""

LONGEST_PAUSE_S = 1.0
CONNECT_S = 1.0
HASTY_ANSWER_S = 0.25
"""A request waits no longer than this to wake the relay, which looks by itself each second."""

CLOSING_S = 5.0

KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPINTVL", 5),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 20_000),
    )
    if hasattr(socket, name)
}
"""A connection whose other end has vanished is found dead within 20 s (the last in ms)."""

HEALTH_S = 5
"""A worker writes its sign of life this often, and it fades a second later."""

MINUTE_S = 60
HEALTH_KEY = default_queue_name + health_check_key_suffix


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a worker goes.

    `job_s` ends a job that hangs. After a kill arq keeps a job's key for `job_s` and ten seconds.
    """

    poll_s: float = 0.1
    job_s: float = 20.0
    most_jobs: int = 20
    drain_s: int = 10


@dataclass(frozen=True, slots=True)
class Timer:
    """A job that runs every so many seconds: under a minute a divisor of 60, else whole minutes.

    However many workers there are, one of them runs it.
    """

    name: str
    job: Job
    every_s: int


class Queue:
    """A connection to Valkey that is made when first used.

    A patient one waits for Valkey to come back, as a worker must; the others give up at once.
    """

    def __init__(self, url: str, *, patient: bool = False) -> None:
        options = _patient_options() if patient else _hasty_options()
        pool = ConnectionPool.from_url(url, **options)
        # Not pickle, arq's default: whoever may write to Valkey could then run code in our workers.
        self._redis = ArqRedis(pool, job_serializer=_pack, job_deserializer=msgpack.unpackb)

    async def offer(self, job: str, *words: str, key: str, lasts_s: int) -> bool:
        """Put a job into the queue; False if one of the same key waits or runs already.

        One that no worker has begun after `lasts_s` is dropped. Raises redis' errors.
        """
        offered = await self._redis.enqueue_job(job, *words, _job_id=key, _expires=lasts_s)
        return offered is not None

    async def nudge(self) -> None:
        """Wake the relay after a commit that appended events.

        Never fails: a nudge that is lost costs the events a second, not more.
        """
        try:
            await self.offer(NUDGE, key="relay:nudge", lasts_s=10)
        except (RedisError, OSError) as error:
            logger.info("nudge lost: %s", error)

    async def is_reachable(self) -> bool:
        """Whether Valkey answers now."""
        try:
            return bool(await self._redis.ping())
        except (RedisError, OSError):
            return False

    async def has_worker(self) -> bool:
        """Whether a worker gave a sign of life in the last seconds; False without Valkey."""
        try:
            return bool(await self._redis.exists(HEALTH_KEY))
        except (RedisError, OSError):
            return False

    async def work(
        self, jobs: Mapping[str, Job], *, timers: Sequence[Timer] = (), pace: Pace | None = None
    ) -> None:
        """Run jobs by name, and timers, until SIGTERM or SIGINT; then finish what has begun.

        Closes the connection at the end. Raises redis' error when Valkey stays away too long; jobs
        that were begun by then run again once their lease is over.
        """
        pace = pace or Pace()
        worker = _PatientWorker(
            functions=[_as_function(name, job) for name, job in jobs.items()],
            cron_jobs=[_as_cron(timer) for timer in timers],
            redis_pool=self._redis,
            queue_name=default_queue_name,
            job_completion_wait=pace.drain_s,
            max_jobs=pace.most_jobs,
            job_timeout=pace.job_s,
            keep_result=0,
            poll_delay=pace.poll_s,
            health_check_interval=HEALTH_S,
            job_serializer=_pack,
            job_deserializer=msgpack.unpackb,
            timezone=UTC,
            log_results=False,
        )
        try:
            await worker.async_run()
        except asyncio.CancelledError:
            if _is_cancelled():
                raise
            logger.info("worker ends")
        finally:
            await _wind_up(worker)
            await self.close()

    async def close(self) -> None:
        """Close the connection; an unreachable Valkey does not hold us."""
        with contextlib.suppress(RedisError, OSError, TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                await self._redis.aclose(close_connection_pool=True)


class _PatientWorker(Worker):
    """arq's worker, which ends when Valkey goes while it watches a key; this one looks again."""

    async def start_jobs(self, job_ids: list[bytes]) -> None:
        """As arq's. What was not begun is found by the next look."""
        try:
            await super().start_jobs(job_ids)
        except WatchError as error:
            # By then arq has taken one place for the job, and nobody else gives it back.
            self._release_sem_dec_counter_on_complete()
            logger.info("valkey went while a job was taken: %s", error)


def _hasty_options() -> dict[str, Any]:
    return {
        "socket_connect_timeout": HASTY_ANSWER_S,
        "socket_timeout": HASTY_ANSWER_S,
        "retry": Retry(NoBackoff(), 0),
    }


def _patient_options() -> dict[str, Any]:
    # No `socket_timeout`: with it redis waits by `asyncio.wait_for`, which before Python 3.12 can
    # lose a cancellation, and the worker would not hear SIGTERM.
    return {
        "socket_connect_timeout": CONNECT_S,
        "socket_keepalive": True,
        "socket_keepalive_options": KEEPALIVE,
        "retry": Retry(ExponentialBackoff(cap=LONGEST_PAUSE_S, base=0.05), PATIENT_TRIES),
        # A refused connection is an OSError while it is being made, and redis' own error later.
        "retry_on_error": [OSError, ValkeyGone, ValkeySilent],
    }


async def _wind_up(worker: Worker) -> None:
    """Cut the jobs that still run and let arq take note; after their lease they run again."""
    for job in worker.job_tasks.values():
        job.cancel()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSING_S):
            await asyncio.gather(*worker.tasks.values(), return_exceptions=True)


def _is_cancelled() -> bool:
    """Whether somebody cancelled us, and not arq itself on a signal."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _pack(message: dict[str, Any]) -> bytes:
    """Jobs are names and texts; what else arq adds (an exception of a job) becomes text."""
    packed: bytes = msgpack.packb(message, default=repr)
    return packed


def _as_function(name: str, job: Job) -> Function:
    # The relay brings an event again as long as it is due, so arq need not try twice.
    return func(_without_context(job), name=name, keep_result=0, max_tries=1)


def _as_cron(timer: Timer) -> CronJob:
    if timer.every_s < MINUTE_S:
        seconds = set(range(0, MINUTE_S, timer.every_s))
        return cron(_without_context(timer.job), name=timer.name, second=seconds)
    minutes = set(range(0, MINUTE_S, timer.every_s // MINUTE_S))
    return cron(_without_context(timer.job), name=timer.name, minute=minutes, second=0)


def _without_context(job: Job) -> Any:
    async def run(_context: dict[Any, Any], *words: str) -> None:
        await job(*words)

    return run
