"""The server's process ends before and after every commit; nothing is lost and nothing doubled.

Everybody who was cut off asks again, events are handled again, and in the end the database says
what it says after a week in which nothing happened.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.ext.asyncio import create_async_engine

from server.kit.settings import Settings
from server.ledger import service as ledger
from tests.fakes.disk import Trouble
from tests.fakes.town import ROOT_KEY
from tests.faults.guillotine import Guillotine, Life, Mishap, World
from tests.faults.serverstory import Week

if TYPE_CHECKING:
    from pathlib import Path

    from server.kit.db import Database, Session
    from server.kit.guard import GuardedSchema
    from tests.fakes.disk import Disk
    from tests.fakes.stores import SqliteTemplate

SETTINGS = Settings(public_url="http://testserver", root_keys=(ROOT_KEY,))

pytestmark = pytest.mark.timeout(300)

COMPLAINTS = 30

MOMENTS = 120
"""The week has more of them than this, whatever somebody makes of its steps."""


class Complaint(Mishap):
    """A database that refuses one commit: the server stays, says that it is at fault, no more."""

    def __init__(self) -> None:
        super().__init__()
        self.has_happened = False

    def set_up(self, happens_at: int | None) -> None:
        super().set_up(happens_at)
        self.has_happened = False

    def is_behind(self, error: BaseException) -> bool:
        return self.has_happened and isinstance(error, Exception)


class SpentDisk(Complaint):
    """No room for this commit, or, each second time, no disk that takes writes any more."""

    def __init__(self, disk: Disk) -> None:
        super().__init__()
        self._disk = disk

    async def happen(self, session: Session | None) -> None:
        moment = self.happens_at or 0
        self._disk.order(Trouble.BROKEN if moment // 2 % 2 else Trouble.FULL)
        self.has_happened = True

    async def make_good(self) -> None:
        self._disk.mend()


class PulledPlug(Complaint):
    """The connection to PostgreSQL ends before its commit, as in a failover."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url

    async def happen(self, session: Session | None) -> None:
        if session is None:
            return
        self.has_happened = True
        connection = await session.connection()
        pid = int((await connection.exec_driver_sql("SELECT pg_backend_pid()")).scalar_one())
        other = create_async_engine(self._url)
        async with other.connect() as elsewhere:
            await elsewhere.exec_driver_sql(f"SELECT pg_terminate_backend({pid})")
        await other.dispose()


@dataclass(frozen=True)
class Roof:
    """What every week of a test has in common."""

    folder: Path
    schema: GuardedSchema

    def week(self, url: str, mishap: Mishap) -> Week:
        """A week with this mishap at each moment of every step."""
        return Week(Life(World(url, self.folder, self.schema, SETTINGS, mishap=mishap)))


@pytest.fixture
def roof(schema: GuardedSchema, tmp_path: Path) -> Roof:
    return Roof(tmp_path, schema)


@pytest.fixture(scope="module")
def quiet(
    schema: GuardedSchema,
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: SqliteTemplate,
) -> Week:
    """The week in which nothing happened."""
    folder = tmp_path_factory.mktemp("quiet")

    async def live() -> Week:
        week = Roof(folder, schema).week(sqlite_template.copy(folder), Mishap())
        await week.live()
        await week.life.end()
        return week

    return asyncio.run(live())


async def check_week(week: Week, quiet: Week) -> None:
    """Nothing was lost, nothing is there twice, the chain is whole and the next token works."""
    assert week.before_holidays == quiet.before_holidays
    assert week.after_holidays == quiet.after_holidays
    assert letters(week) == letters(quiet)
    await week.use_next_token()
    machine = week.town.machine
    async with week.life.house.database.read() as session:
        stored = await ledger.list_entries(session, machine.lid, after=0, limit=1000)
    assert [row.raw for row in stored] == machine.entries


def letters(week: Week) -> Counter[str]:
    """What people were told: a letter that came twice has the same id, and is one letter."""
    told = {letter.id: letter.subject for letter in week.life.world.letters.sent}
    return Counter(subject for subject in told.values() if "code" not in subject.lower())


@pytest.mark.both_databases_in_ci
async def test_a_process_that_ends_at_any_commit_loses_nothing(
    quiet: Week, roof: Roof, database: Database, database_url: str
) -> None:
    week = roof.week(database_url, Guillotine())
    try:
        await week.live()
        await check_week(week, quiet)
        assert sum(week.seen.values()) > MOMENTS
        assert week.life.complaints == []
    finally:
        await week.life.end()


async def test_a_disk_that_refuses_a_commit_is_told_and_nothing_half_done_stays(
    quiet: Week, roof: Roof, sqlite_template: SqliteTemplate, disk: Disk
) -> None:
    await check_complaints(roof.week(sqlite_template.copy(roof.folder), SpentDisk(disk)), quiet)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_connection_that_ends_before_its_commit_is_made_anew(
    quiet: Week, roof: Roof, database: Database, database_url: str
) -> None:
    await check_complaints(roof.week(database_url, PulledPlug(database_url)), quiet)


async def check_complaints(week: Week, quiet: Week) -> None:
    """Whoever asked was told that it is our fault, with an id, and no more."""
    try:
        await week.live()
        await check_week(week, quiet)
        assert len(week.life.complaints) > COMPLAINTS
        for status, body in week.life.complaints:
            (error,) = json.loads(body)["errors"]
            assert status in {200, 500}
            assert error["extensions"]["code"] == "INTERNAL"
    finally:
        await week.life.end()
