"""What a witness must never forget: the largest head of each log, and proofs of a split view.

One SQLite file. Knows no HTTP and no key.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, NamedTuple

from server.kit.errors import DatabaseError
from server.ledger.witness.rules import OK, Held, Judgement, judge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

    from schema.checkpoint.submissions import Submission

MOST_SPLITS = 100
"""Pairs of heads that are kept of one log; a hundred prove no more than one does."""

WAIT_S = 5.0
"""How long one request waits for another's write."""

_VERSION = 1

_TABLES = (
    """CREATE TABLE heads (
        origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL, note TEXT NOT NULL,
        kept_at TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE splits (
        origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL,
        held TEXT NOT NULL, shown TEXT NOT NULL, seen_at TEXT NOT NULL,
        PRIMARY KEY (origin, size, root)
    ) STRICT""",
)


class Split(NamedTuple):
    """Two heads of one size that a log has signed: who has both can show them to anybody."""

    origin: str
    size: int
    held: str
    shown: str
    seen_at: str


class Heads:
    """The file of one witness. Any number of threads and processes may use it at once."""

    def __init__(self, file: Path) -> None:
        """Opens the file, which is made if there is none; DatabaseError says what is wrong."""
        self._file = file
        self._turn = threading.Lock()
        try:
            self._connection = sqlite3.connect(
                file, timeout=WAIT_S, isolation_level=None, check_same_thread=False
            )
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "trusted_schema = OFF"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._make_tables()
        except sqlite3.Error as error:
            raise DatabaseError(f"{file}: {error}") from error

    def show(self, submission: Submission, *, now: datetime) -> Judgement:
        """Judges a head that its log has signed, and keeps it if it may be cosigned.

        Both are one transaction that nobody else can come between. Once this returns, the head is
        on the disk and only then may be cosigned; a repeat is judged alike. DatabaseError where the
        disk takes nothing: nothing was kept then, or nothing that was told to anybody.
        """
        head, at = submission.head, now.isoformat()
        with self._transaction() as connection:
            held = _find(connection, head.origin)
            judgement = judge(submission, held)
            if judgement.status == OK:
                connection.execute(
                    "INSERT INTO heads VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " size = excluded.size, root = excluded.root, note = excluded.note,"
                    " kept_at = excluded.kept_at WHERE size < excluded.size",
                    (head.origin, head.size, head.root, str(submission.note), at),
                )
            elif judgement.is_split and held is not None:
                connection.execute(
                    "INSERT INTO splits SELECT ?, ?, ?, ?, ?, ? WHERE"
                    " (SELECT count(*) FROM splits WHERE origin = ?) < ? ON CONFLICT DO NOTHING",
                    (
                        *(head.origin, head.size, head.root, held.note, str(submission.note), at),
                        *(head.origin, MOST_SPLITS),
                    ),
                )
        return judgement

    def find(self, origin: str) -> Held | None:
        """The largest head of this log that may have been cosigned."""
        with self._transaction() as connection:
            return _find(connection, origin)

    def list_splits(self) -> list[Split]:
        """Every split view that was seen, the oldest first."""
        with self._transaction() as connection:
            rows = connection.execute(
                "SELECT origin, size, held, shown, seen_at FROM splits ORDER BY seen_at, origin"
            )
            return [Split(*row) for row in rows]

    def close(self) -> None:
        """Closes the file; the object is of no use afterwards."""
        with self._turn:
            self._connection.close()

    def _commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._turn:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._commit(self._connection)
            except sqlite3.Error as error:
                raise DatabaseError(f"{self._file}: {error}") from error
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def _make_tables(self) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        with closing(self._connection.execute("PRAGMA user_version")) as found:
            (version,) = found.fetchone()
        if version == 0:
            for table in _TABLES:
                self._connection.execute(table)
            self._connection.execute(f"PRAGMA user_version = {_VERSION}")
        self._connection.execute("COMMIT")
        if version not in {0, _VERSION}:
            raise DatabaseError(f"{self._file} was written by another version of the witness")


def _find(connection: sqlite3.Connection, origin: str) -> Held | None:
    found = connection.execute("SELECT size, root, note FROM heads WHERE origin = ?", (origin,))
    row = found.fetchone()
    return None if row is None else Held(*row)
