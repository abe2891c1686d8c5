"""What was measured and has not been given away often enough: bounded, and the first to go.

Nobody acknowledges a reading, and none proves anything: each is given to a few carriers, then
dropped. What a value means is not known here.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from schema.readings import Reading

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Sequence

    from ble_agent.store import Store

TABLES: Final = (
    "CREATE TABLE readings (n INTEGER PRIMARY KEY, t INTEGER NOT NULL, channel INTEGER NOT NULL,"
    " kind INTEGER NOT NULL, value INTEGER NOT NULL, UNIQUE (t, channel, kind)) STRICT",
)

MAX_READINGS = 10_000
"""The newest are kept: a week of a locker whose every door is measured four times an hour."""

COPIES = 3
"""Phones that are given the same reading: some of them never meet a network again."""

TAKEN_AT_ONCE = 500
"""Readings looked at for one envelope."""

Numbered = tuple[int, Reading]
"""A reading with its place in the order in which they were taken."""


class Readings:
    """The readings of one locker; used from one thread.

    How often a reading was given away is not stored: after a restart it may be given away anew,
    and the server takes it once.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._given: Counter[int] = Counter()

    def add(self, readings: Sequence[Reading]) -> None:
        """Keep these, each once by time, channel and kind; drop what has had its carriers.

        The oldest go where there would be more than `MAX_READINGS`. Raises a StateError, and
        nothing has changed.
        """
        done = self._list_done()
        with self._store.transaction("readings") as connection:
            _delete(connection, done)
            connection.executemany(
                "INSERT INTO readings (t, channel, kind, value) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                [(one.t, one.channel, one.kind, one.value) for one in readings],
            )
            connection.execute(
                "DELETE FROM readings WHERE n <= (SELECT max(n) FROM readings) - ?", (MAX_READINGS,)
            )
        self._forget(done)

    def list_after(self, number: int) -> list[Numbered]:
        """The oldest after `number` that still want a carrier, at most `TAKEN_AT_ONCE`."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT n, t, channel, kind, value FROM readings WHERE n > ? ORDER BY n LIMIT ?",
                (number, TAKEN_AT_ONCE),
            ).fetchall()
        return [(n, Reading(*values)) for n, *values in rows if self._given[n] < COPIES]

    def on_given(self, numbers: Iterable[int]) -> None:
        """A phone has taken these along; nobody knows whether it will ever deliver them."""
        self._given.update(numbers)

    def drop(self, numbers: Sequence[int]) -> None:
        """The server itself has said that it has these. Raises a StateError."""
        if numbers:
            with self._store.transaction("readings") as connection:
                _delete(connection, numbers)
            self._forget(numbers)

    def shed(self, limit: int) -> int:
        """Give up the oldest for want of room, at most `limit`; how many. Raises a StateError."""
        with self._store.reading() as connection:
            if connection.execute("SELECT 1 FROM readings LIMIT 1").fetchone() is None:
                return 0
        with self._store.transaction("readings") as connection:
            return connection.execute(
                "DELETE FROM readings WHERE n IN (SELECT n FROM readings ORDER BY n LIMIT ?)",
                (limit,),
            ).rowcount

    def _list_done(self) -> list[int]:
        return [number for number, times in self._given.items() if times >= COPIES]

    def _forget(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._given.pop(number, None)


def _delete(connection: sqlite3.Connection, numbers: Iterable[int]) -> None:
    connection.executemany("DELETE FROM readings WHERE n = ?", [(number,) for number in numbers])
