"""The queue over a real Valkey: jobs arrive, and its death costs time, never a worker."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgpack
import pytest
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as ValkeyGone

from server.demo.stores import Valkey, get_valkey
from server.kit.queue import Pace, Queue, Timer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping, Sequence

    from server.kit.queue import Job

PATIENCE_S = 30
"""Until a test gives up; a passing one waits milliseconds."""


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey(get_valkey()) as store:
        yield store


@pytest.fixture
async def queue(valkey: Valkey) -> AsyncIterator[Queue]:
    """A queue as a web process holds it."""
    queue = Queue(valkey.url)
    yield queue
    await queue.close()


@asynccontextmanager
async def working(
    valkey: Valkey, jobs: Mapping[str, Job], timers: Sequence[Timer] = ()
) -> AsyncIterator[None]:
    """A worker in this process, for as long as the block lasts."""
    work = asyncio.create_task(Queue(valkey.url, patient=True).work(jobs, timers=timers))
    try:
        yield
    finally:
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


class Diary:
    """Remembers the words that its jobs were called with."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()

    async def note(self, word: str) -> None:
        await self.words.put(word)

    async def fail(self) -> None:
        message = "this job always fails"
        raise LookupError(message)

    async def next(self) -> str:
        async with asyncio.timeout(PATIENCE_S):
            return await self.words.get()


async def offer(queue: Queue, job: str, *words: str) -> bool:
    return await queue.offer(job, *words, key=f"{job}:{words}", lasts_s=60)


async def test_offered_job_runs_with_its_words(valkey: Valkey, queue: Queue) -> None:
    diary = Diary()
    await offer(queue, "note", "parcel 7")
    async with working(valkey, {"note": diary.note}):
        assert await diary.next() == "parcel 7"


async def test_second_job_of_the_same_key_is_not_taken(queue: Queue) -> None:
    assert await offer(queue, "note", "once")
    assert not await offer(queue, "note", "once")


async def test_key_is_free_again_once_its_job_has_run(valkey: Valkey, queue: Queue) -> None:
    diary = Diary()
    async with working(valkey, {"note": diary.note}):
        await offer(queue, "note", "again")
        await diary.next()
        async with asyncio.timeout(PATIENCE_S):
            while not await offer(queue, "note", "again"):
                pass
        assert await diary.next() == "again"


async def test_job_that_fails_leaves_the_worker_alive(valkey: Valkey, queue: Queue) -> None:
    diary = Diary()
    async with working(valkey, {"note": diary.note, "fail": diary.fail}):
        await offer(queue, "fail")
        await offer(queue, "note", "still here")
        assert await diary.next() == "still here"


async def test_worker_outlives_the_death_of_valkey(valkey: Valkey, queue: Queue) -> None:
    diary = Diary()
    async with working(valkey, {"note": diary.note}):
        await offer(queue, "note", "before")
        assert await diary.next() == "before"
        valkey.kill()
        with pytest.raises(ValkeyGone):
            await offer(queue, "note", "lost")
        valkey.start()
        await offer(queue, "note", "after")
        assert await diary.next() == "after"


@asynccontextmanager
async def cutting(url: str, word: bytes, *, times: int) -> AsyncIterator[str]:
    """A way to Valkey on which so many connections are cut as they send this word."""
    parts = urlsplit(url)
    left = times

    async def carry(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        nonlocal left
        while chunk := await source.read(65536):
            if word in chunk and left > 0:
                left -= 1
                break
            sink.write(chunk)
            await sink.drain()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(parts.hostname, parts.port)
        ways = [asyncio.create_task(carry(*way)) for way in ((reader, back), (there, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        for end in (back, writer):
            end.close()

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        assert left == 0, "no connection was cut"


async def test_worker_whose_connection_is_cut_while_it_takes_a_job_takes_it_again(
    valkey: Valkey, queue: Queue
) -> None:
    diary = Diary()
    await offer(queue, "note", "taken")
    # More often than it has places: none of them is lost.
    async with cutting(valkey.url, b"ZSCORE", times=Pace().most_jobs + 1) as url:
        work = asyncio.create_task(Queue(url, patient=True).work({"note": diary.note}))
        assert await diary.next() == "taken"
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_nudge_wakes_the_relay(valkey: Valkey, queue: Queue) -> None:
    woken = asyncio.Event()

    async def relay() -> None:
        woken.set()

    async with working(valkey, {"relay": relay}):
        await queue.nudge()
        async with asyncio.timeout(PATIENCE_S):
            await woken.wait()


async def test_nudge_without_valkey_harms_nobody(valkey: Valkey, queue: Queue) -> None:
    valkey.kill()
    await queue.nudge()
    assert not await queue.has_worker()


async def test_timer_runs_without_being_offered(valkey: Valkey) -> None:
    diary = Diary()

    async def tick() -> None:
        await diary.note("tick")

    async with working(valkey, {"note": diary.note}, [Timer("tick", tick, every_s=1)]):
        assert await diary.next() == "tick"


async def test_worker_gives_a_sign_of_life(valkey: Valkey, queue: Queue) -> None:
    assert not await queue.has_worker()
    async with working(valkey, {"note": Diary().note}), asyncio.timeout(PATIENCE_S):
        while not await queue.has_worker():
            pass


async def test_messages_hold_data_and_no_code(valkey: Valkey, queue: Queue) -> None:
    await offer(queue, "note", "parcel 7")
    async with Redis.from_url(valkey.url) as client:
        [key] = await client.keys("arq:job:*")
        message = msgpack.unpackb(await client.get(key))
    assert (message["f"], message["a"]) == ("note", ["parcel 7"])
