"""How SQLite is reached from an event loop: one visit to the connection's thread per statement.

The driver visits it four times (for the cursor, the execution, the rows and the end), and a visit
costs more than most statements. Knows no statement and no table.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any, TypeVar

import aiosqlite

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable, Iterable, Sequence

T = TypeVar("T")

Visit = tuple[Any, int, int | None, list[Any]]
"""Description, count of rows, last row id and rows of a statement."""


class BriefConnection(aiosqlite.Connection):
    """Hands out cursors that hold all rows of their statement; nothing is streamed."""

    ending: asyncio.Future[object] | None = None
    """Comes true when the thread has nothing more to say."""

    def stop(self) -> asyncio.Future[object] | None:
        """Have the thread end after what it was told before."""
        self.ending = super().stop()
        return self.ending

    def cursor(self) -> BriefCursor:  # type: ignore[override]  # awaitable there, and a visit
        """A cursor that does not stand in the database until it executes something."""
        return BriefCursor(self)

    async def visit(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What this returns in the connection's thread; raises what it raises there."""
        result: T = await self._execute(work, self._conn)  # type: ignore[no-untyped-call]
        return result


class BriefCursor:
    """The part of a cursor that SQLAlchemy uses. Each execution replaces what the last one left."""

    arraysize = 1

    def __init__(self, connection: BriefConnection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> BriefCursor:
        """Itself: there is nothing to open yet."""
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> None:
        """Run a statement and take all of its rows; raises what SQLite raises."""
        await self._visit(lambda cursor: cursor.execute(sql, tuple(parameters)))

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> None:
        """Run a statement once for each of the parameters."""
        await self._visit(lambda cursor: cursor.executemany(sql, map(tuple, parameters)))

    async def fetchall(self) -> Sequence[Any]:
        """The rows that nobody has taken yet."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Nothing is open between two executions."""

    async def _visit(self, run: Callable[[sqlite3.Cursor], object]) -> None:
        def work(connection: sqlite3.Connection) -> Visit:
            cursor = connection.cursor()
            try:
                run(cursor)
                rows = [] if cursor.description is None else cursor.fetchall()
                return cursor.description, cursor.rowcount, cursor.lastrowid, rows
            finally:
                cursor.close()

        visit = await self._connection.visit(work)
        self.description, self.rowcount, self.lastrowid, self._rows = visit


def connector(settings: Sequence[str]) -> Callable[..., Awaitable[BriefConnection]]:
    """What opens connections with these PRAGMA settings; its arguments are those of `sqlite3`.

    No transaction begins by itself there: the driver's own BEGIN would be a deferred one.
    """

    def prepare(connection: sqlite3.Connection) -> None:
        for setting in settings:
            connection.execute(f"PRAGMA {setting}").close()

    async def connect(database: str, **options: Any) -> BriefConnection:
        connection = BriefConnection(
            lambda: sqlite3.connect(database, **options, isolation_level=None), iter_chunk_size=1
        )
        # Who forgets to close one must not keep the process from ending.
        connection._thread.daemon = True
        try:
            await connection
        except BaseException:
            # The thread still tells that it ends: to a loop, which must be there to hear it.
            if connection.ending is not None:
                await connection.ending
            raise
        try:
            await connection.visit(prepare)
        except BaseException:
            await connection.close()
            raise
        return connection

    return connect
