"""The locker's append-only journal: a hash chain, durable line by line.

It writes lines and reads them back for the way out; what they mean is not known here. A line and
the change that it tells of share one transaction, a `Record`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from schema.journal import FIRST_PREV_HEAD, SALT_SIZE, Entry, Kind, entry_head

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from ble_agent.clock import ClockState, TrustedClock
    from ble_agent.store import Store
    from schema.codec import Value
    from schema.ids import LockerId

TABLES: Final = (
    "CREATE TABLE entries (seq INTEGER PRIMARY KEY, raw BLOB NOT NULL, head BLOB NOT NULL,"
    " t INTEGER NOT NULL, clockq INTEGER NOT NULL) STRICT",
    "CREATE TABLE numbers (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT",
)

KEEP_S = 30 * 86_400
"""Acknowledged lines are kept this long, as space allows (PROTOCOL 8)."""

PRUNE_AT_ONCE = 256
"""Lines dropped per step, so that no step holds the event loop for long."""

_CLOCK_STEP_S = 10
"""A CLOCK line is written for a step beyond this, or when the quality changes (PROTOCOL 8)."""


@dataclass(frozen=True, slots=True)
class Line:
    """Where the chain stands after an entry; seq 0 and 32 zero bytes before the first."""

    seq: int
    head: bytes


class Record:
    """One transaction of the locker: changes, the lines that tell of them, and the clock's floor.

    Either all of it is durable when `Journal.record` returns, or none of it has happened.
    """

    def __init__(self, journal: Journal, connection: sqlite3.Connection, clock: ClockState) -> None:
        self.connection = connection
        self.clock = clock
        self._journal = journal
        self._followers: list[Callable[[], None]] = []
        self._tail: Line | None = None

    @property
    def tail(self) -> Line:
        """The newest line, one of this record included."""
        return self._tail or self._journal.tail()

    def after_commit(self, step: Callable[[], None]) -> None:
        """Run `step` once this record is durable, and never if it is not."""
        self._followers.append(step)

    def on_committed(self) -> None:
        """Tell those who wait for it, the journal first."""
        if self._tail is not None:
            self._journal.on_appended(self._tail)
        for step in self._followers:
            step()

    def append(self, kind: Kind, body: list[Value]) -> Line:
        """Write the next line of the chain, dated by the clock as this record has it."""
        self._tail = self._journal.write(self, kind, body)
        return self._tail

    def raise_floor(self, iat: int) -> None:
        """Let something that the server signed at `iat` raise the clock's floor."""
        self.adopt(self.clock.raised(iat, uptime_s=self._journal.clock.uptime_s()))

    def set_time(self, at: int) -> None:
        """Set clock and floor to a time bound to this visit's hello, also backwards."""
        uptime_s = self._journal.clock.uptime_s()
        before, quality = self.clock.now(uptime_s), self.clock.quality
        self.adopt(self.clock.set_to(at, uptime_s=uptime_s))
        if abs(at - before) > _CLOCK_STEP_S or self.clock.quality is not quality:
            self.append(Kind.CLOCK, [before, at, int(self.clock.quality)])

    def adopt(self, clock: ClockState) -> None:
        """Go on with this belief about the time; its floor is stored with the record."""
        if clock.floor != self.clock.floor:
            set_number(self.connection, "floor", clock.floor)
        self.clock = clock


class Journal:
    """The one chain of a locker, from its first start on.

    `boot` counts starts; it is fixed for the life of a process.
    """

    def __init__(
        self,
        store: Store,
        lid: LockerId,
        *,
        clock: TrustedClock,
        boot: int,
        take_random: Callable[[int], bytes],
    ) -> None:
        self.clock = clock
        self._store = store
        self._lid = lid
        self._boot = boot
        self._take_random = take_random
        self._tail: Line | None = None
        self._acked: int | None = None

    @contextmanager
    def record(self, label: str) -> Iterator[Record]:
        """A transaction; the clock adopts what was decided only once it is durable."""
        with self._store.transaction(label) as connection:
            record = Record(self, connection, self.clock.state)
            yield record
        self.clock.adopt(record.clock)
        record.on_committed()

    def write(self, record: Record, kind: Kind, body: list[Value]) -> Line:
        """Append one line inside `record`."""
        tail = record.tail
        entry = Entry(
            lid=self._lid,
            boot=self._boot,
            seq=tail.seq + 1,
            prev_head=tail.head,
            t=record.clock.now(self.clock.uptime_s()),
            clockq=int(record.clock.quality),
            mono_ms=self.clock.elapsed_ms(),
            salt=self._take_random(SALT_SIZE),
            kind=kind,
            body=body,
        )
        raw = entry.encode()
        line = Line(entry.seq, entry_head(raw))
        record.connection.execute(
            "INSERT INTO entries (seq, raw, head, t, clockq) VALUES (?, ?, ?, ?, ?)",
            (line.seq, raw, line.head, entry.t, entry.clockq),
        )
        return line

    def tail(self) -> Line:
        """The newest line; read from the disk once, for every hello and every refusal names it."""
        if self._tail is None:
            with self._store.reading() as connection:
                self._tail = read_tail(connection)
        return self._tail

    def on_appended(self, line: Line) -> None:
        """This is the newest line from now on: it is durable."""
        self._tail = line

    def acknowledged(self) -> int:
        """The last line that the server has acknowledged; 0 for none."""
        if self._acked is None:
            with self._store.reading() as connection:
                self._acked = get_number(connection, "acked")
        return self._acked

    def find_head(self, seq: int) -> bytes | None:
        """The head after line `seq`, unless it was dropped or is not written yet."""
        with self._store.reading() as connection:
            return _find_head(connection, seq)

    def acknowledge(self, record: Record, upto_seq: int, head: bytes) -> bool:
        """Note that the server has everything up to here; False, and nothing done, if not so.

        It counts only if `head` is our own at that line, and only forwards.
        """
        known = _find_head(record.connection, upto_seq)
        if known != head or upto_seq <= get_number(record.connection, "acked"):
            return False
        set_number(record.connection, "acked", upto_seq)
        record.after_commit(self._forget_acked)
        return True

    def _forget_acked(self) -> None:
        self._acked = None

    def list_after(self, seq: int, *, limit: int) -> list[tuple[int, bytes]]:
        """The next lines after `seq`, oldest first, at most `limit` of them."""
        with self._store.reading() as connection:
            rows = connection.execute(
                "SELECT seq, raw FROM entries WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
            )
            return [(int(number), bytes(raw)) for number, raw in rows]

    def count_after(self, seq: int) -> int:
        """How many lines follow `seq`; lines are never missing in between."""
        return max(0, self.tail().seq - seq)

    def prune(self, *, is_tight: bool) -> int:
        """Drop acknowledged lines that are old, or, when space is tight, any; never the newest.

        Oldest first, without holes. Returns how many went; call again while it returns
        `PRUNE_AT_ONCE`.
        """
        with self.record("prune") as record:
            acked = get_number(record.connection, "acked")
            last = min(acked, record.tail.seq - 1)
            if not is_tight:
                before = record.clock.now(self.clock.uptime_s()) - KEEP_S
                last = min(last, _find_old(record.connection, before))
            return record.connection.execute(
                "DELETE FROM entries WHERE seq IN"
                " (SELECT seq FROM entries WHERE seq <= ? ORDER BY seq LIMIT ?)",
                (last, PRUNE_AT_ONCE),
            ).rowcount


def read_tail(connection: sqlite3.Connection) -> Line:
    """The newest line as this connection sees it."""
    row = connection.execute("SELECT seq, head FROM entries ORDER BY seq DESC LIMIT 1").fetchone()
    return Line(int(row[0]), bytes(row[1])) if row else Line(0, FIRST_PREV_HEAD)


def get_number(connection: sqlite3.Connection, name: str) -> int:
    """A durable counter; 0 when it was never set."""
    row = connection.execute("SELECT value FROM numbers WHERE name = ?", (name,)).fetchone()
    return int(row[0]) if row else 0


def set_number(connection: sqlite3.Connection, name: str, value: int) -> None:
    """Set a durable counter."""
    connection.execute(
        "INSERT INTO numbers (name, value) VALUES (?, ?)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, value),
    )


def _find_old(connection: sqlite3.Connection, before: int) -> int:
    """The last of the oldest lines that was surely written by then; 0 for none.

    A line of clock quality 0 may be younger than its date: it is as old as the next one that
    knows the time.
    """
    (last,) = connection.execute(
        "SELECT coalesce(max(seq), 0) FROM"
        " (SELECT seq, t, clockq FROM entries ORDER BY seq LIMIT ?)"
        " WHERE t <= ? AND clockq > 0",
        (PRUNE_AT_ONCE, before),
    ).fetchone()
    return int(last)


def _find_head(connection: sqlite3.Connection, seq: int) -> bytes | None:
    row = connection.execute("SELECT head FROM entries WHERE seq = ?", (seq,)).fetchone()
    return bytes(row[0]) if row else None
