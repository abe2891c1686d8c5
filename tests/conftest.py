"""Fixtures for the server's tests: a database of each kind, a clock, ids, randomness, keys."""

from __future__ import annotations

import contextlib
import gc
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from hypothesis import settings

from server.app import House, make_app
from server.graph import api_schema
from server.kit.db import Database
from server.tables import TABLES
from tests.fakes.phone import Phone
from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness
from tests.fakes.stores import PostgresTemplate, SqliteTemplate, start_postgres
from tests.makers import make_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from server.kit.guard import GuardedSchema

assert TABLES, "the metadata must be whole before the templates are made"


IN_CI = "both_databases_in_ci"


def pytest_configure() -> None:
    """A property holds or not, however busy the machine is: no example is timed."""
    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")


def pytest_collection_finish() -> None:
    """What was imported stays to the end: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Stories of many processes run on SQLite on each commit, and in CI on both databases."""
    if config.getoption("--every-fault"):
        return
    left_out = [item for item in items if item.get_closest_marker(IN_CI) and _is_postgres(item)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


def _is_postgres(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and (
        item.callspec.params.get("database_url") == "postgresql"
    )


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> SqliteTemplate:
    return SqliteTemplate(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_template() -> Iterator[PostgresTemplate]:
    with start_postgres() as cluster, contextlib.closing(PostgresTemplate(cluster)) as template:
        yield template


@pytest.fixture(scope="session")
def databases() -> dict[str, Database]:
    """By address: an engine remembers how statements are compiled, which takes longer than they."""
    return {}


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The address of a database with all tables and no rows."""
    if request.param == "sqlite":
        sqlite: SqliteTemplate = request.getfixturevalue("sqlite_template")
        return sqlite.renew()
    postgres: PostgresTemplate = request.getfixturevalue("postgres_template")
    return postgres.renew()


@pytest.fixture
async def database(database_url: str, databases: dict[str, Database]) -> AsyncIterator[Database]:
    """A database with all tables and no rows: each test runs on SQLite and on PostgreSQL.

    Its connections end with the test, whose event loop they belong to.
    """
    if database_url not in databases:
        # PostgreSQL of the tests writes nothing through either (`fsync=off`).
        databases[database_url] = Database(database_url, durable=False)
    database = databases[database_url]
    yield database
    await database.close()


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def ids() -> CountedIds:
    return CountedIds()


@pytest.fixture
def randomness(request: pytest.FixtureRequest) -> SeededRandomness:
    return SeededRandomness(request.node.nodeid)


@pytest.fixture
def keyring(request: pytest.FixtureRequest, clock: MovableClock) -> DerivedKeyring:
    return DerivedKeyring(request.node.nodeid, clock)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--hostile-inputs",
        type=int,
        default=20_000,
        metavar="N",
        help="how many hostile inputs the parsers are fed together; CI's longer gate: 1000000",
    )
    parser.addoption(
        "--every-screen",
        action="store_true",
        help="drive every page by browser, in both themes, not the way to a door alone; CI does",
    )
    parser.addoption(
        "--shots",
        type=Path,
        metavar="FOLDER",
        help="put a picture of each screen that every-screen tests look at there",
    )
    parser.addoption(
        "--events",
        type=int,
        default=400,
        metavar="N",
        help="how many entries forty lockers bring into the public log; CI: 10000",
    )
    parser.addoption(
        "--kills",
        type=int,
        default=2,
        metavar="N",
        help="how often the agent's process is killed in the middle of a visit; CI: 40",
    )
    parser.addoption(
        "--every-fault",
        action="store_true",
        help="let a disk fail, or a process end, at each of its writes, not at some; CI does",
    )
    parser.addoption(
        "--histories",
        type=int,
        default=3,
        metavar="N",
        help="how many histories of a whole neighbourhood are lived through; CI: 60",
    )
    parser.addoption(
        "--notices",
        type=int,
        default=60,
        metavar="N",
        help="how many notices are sent while worker, server and Valkey are killed; CI: 2000",
    )
    parser.addoption(
        "--storm-seed",
        type=int,
        default=4,
        metavar="N",
        help="which storm of kills it is",
    )
    parser.addoption(
        "--visits",
        type=int,
        default=40,
        metavar="N",
        help="how often phones that lose things come to a locker without a network; CI: 200",
    )


@pytest.fixture
def hostile_inputs(request: pytest.FixtureRequest) -> int:
    """How many inputs of a stranger a test tries, all parsers together."""
    count: int = request.config.getoption("--hostile-inputs")
    return count


@pytest.fixture
def house(
    database: Database,
    clock: MovableClock,
    ids: CountedIds,
    randomness: SeededRandomness,
    keyring: DerivedKeyring,
) -> House:
    """What the web process shares."""
    return make_house(database, clock=clock, ids=ids, randomness=randomness, keyring=keyring)


@pytest.fixture(scope="session")
def schema() -> GuardedSchema:
    """The whole API, built once: it remembers documents, and nothing of who sent them."""
    return api_schema()


@pytest.fixture
async def api(house: House, schema: GuardedSchema) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the whole web application, without a network between."""
    transport = httpx.ASGITransport(make_app(house, schema))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


@pytest.fixture
def phone(house: House, api: httpx.AsyncClient) -> Phone:
    """A phone that is not signed in yet."""
    return Phone(house, api)
