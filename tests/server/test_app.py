"""The wiring of the web process: what it refuses to start on, health, proxies, other origins."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import httpx
import pytest

from server.app import House, build_house, make_app
from server.demo.stores import Valkey, get_valkey
from server.kit.db import HAS_NEWS, Database
from server.kit.errors import DatabaseError
from server.kit.queue import NUDGE
from server.kit.rates import MemoryRates, SharedRates
from server.kit.settings import Settings
from server.kit.view import REQUESTS
from tests.fakes.probe_api import probe_schema
from tests.makers import SETTINGS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
HELLO = {"query": "{ hello }"}


def client(house: House, **changes: object) -> httpx.AsyncClient:
    """A client of an application with other settings."""
    settings = dataclasses.replace(SETTINGS, **changes)  # type: ignore[arg-type]  # by name
    app = make_app(dataclasses.replace(house, settings=settings), probe_schema())
    transport = httpx.ASGITransport(app)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver")


async def test_a_database_without_our_tables_is_refused(house: House, tmp_path: Path) -> None:
    bare = Database(f"sqlite+aiosqlite:///{tmp_path / 'bare.db'}")
    app = make_app(dataclasses.replace(house, database=bare), probe_schema())
    with pytest.raises(DatabaseError, match="migrate"):
        async with app.router.lifespan_context(app):
            pass
    await bare.close()


async def test_a_migrated_database_is_taken(house: House) -> None:
    app = make_app(house, probe_schema())
    async with app.router.lifespan_context(app):
        pass


async def test_a_caller_who_cannot_be_looked_up_is_told_that_it_is_our_fault(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    app = make_app(dataclasses.replace(house, database=away), probe_schema())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as door:
        answer = await door.post("/graphql", json=HELLO, headers={"authorization": "Bearer key"})
    await away.close()
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["extensions"]["code"]) == (500, "INTERNAL")
    assert answer.headers["cache-control"] == "no-store"
    (logged,) = (record for record in caplog.records if record.levelname == "ERROR")
    assert vars(logged)["error_id"] == error["extensions"]["id"]


async def test_readiness_tells_that_the_database_is_away(house: House) -> None:
    away = Database("postgresql+asyncpg://nobody@127.0.0.1:1/nothing")
    app = make_app(dataclasses.replace(house, database=away), probe_schema())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as door:
        assert (await door.get("/readyz")).status_code == 503
        assert (await door.get("/healthz")).status_code == 200
    await away.close()


@pytest.mark.parametrize(
    ("proxies", "header", "source"),
    [
        (0, "198.51.100.7", "127.0.0.1"),
        (1, "198.51.100.7", "198.51.100.7"),
        (1, "10.9.9.9, 198.51.100.7", "198.51.100.7"),
        (2, "10.9.9.9, 198.51.100.7, 10.0.0.1", "198.51.100.7"),
        (2, "198.51.100.7", "127.0.0.1"),
        (1, "", "127.0.0.1"),
    ],
)
async def test_a_source_is_believed_as_far_as_our_own_proxies_go(
    house: House, proxies: int, header: str, source: str
) -> None:
    for _ in range(REQUESTS.count):
        await house.rates.hit(REQUESTS, source)
    async with client(house, trusted_proxies=proxies) as door:
        answer = await door.post("/graphql", json=HELLO, headers={"x-forwarded-for": header})
    assert answer.status_code == 429


async def test_a_named_origin_may_call_from_a_browser(house: House) -> None:
    origin = "https://app.example"
    headers = {"origin": origin, "sec-fetch-site": "cross-site"}
    async with client(house, allowed_origins=(origin,)) as door:
        answer = await door.post("/graphql", json=HELLO, headers=headers)
        assert answer.headers["access-control-allow-origin"] == origin
        asked = {"access-control-request-method": "POST", "access-control-request-headers": "dpop"}
        preflight = await door.options("/graphql", headers={**headers, **asked})
        assert preflight.status_code == 200
        other = {**headers, "origin": "https://evil.example"}
        assert (await door.post("/graphql", json=HELLO, headers=other)).status_code == 403


def test_the_real_thing_is_built_without_connecting(tmp_path: Path, database_url: str) -> None:
    del database_url
    settings = Settings(state_dir=tmp_path, database_url="postgresql+asyncpg://nowhere.example/x")
    assert isinstance(build_house(settings).rates, MemoryRates)
    shared = build_house(dataclasses.replace(settings, valkey_url="redis://nowhere.example:6379"))
    assert isinstance(shared.rates, SharedRates)


async def test_the_worker_is_nudged_after_news_where_there_is_a_queue(database_url: str) -> None:
    assert build_house(Settings()).queue is None
    with Valkey(get_valkey()) as valkey:
        house = build_house(Settings(database_url=database_url, valkey_url=valkey.url))
        assert house.queue is not None
        async with house.database.write() as session:
            session.info[HAS_NEWS] = True
        # The nudge waits in the queue already, so another one finds its place taken.
        assert not await house.queue.offer(NUDGE, key="relay:nudge", lasts_s=10)
        await house.queue.close()
        await house.rates.close()
        await house.database.close()
