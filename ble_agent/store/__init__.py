"""The one SQLite file of a locker: durable transactions, one process, a known amount of room.

It owns the file, its schema version and its lock, and knows no table: those who do hand in their
statements.

Why a commit survives a power cut. The file is in WAL mode with `synchronous=FULL`: a commit
appends its pages to the log and syncs the log before it returns, one sync per transaction. Every
frame of the log carries a running checksum, so what a cut leaves half written is not there after
the next start, and what was synced is. A rollback journal would need three syncs and still leave
a hole: the commit is the deletion of a file, and FULL does not sync the folder afterwards. Both
rest on a disk that does not lie about a sync.
The price: a commit holds the event loop for as long as the disk takes.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Literal

from ble_agent.errors import (
    SettingsRefused,
    StateBroken,
    StateError,
    StateInUse,
    StateMissing,
    StateTooNew,
    StoreFull,
    StoreMisused,
    StoreUnusable,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

FILE_NAME = "state.sqlite"
LOCK_NAME = "lock"

APPLICATION_ID = 0x534C4B31
"""Says in the file's header whose it is: "SLK1" in ASCII."""

MAX_BYTES = 64 * 1024 * 1024
"""Room for a busy year: about 1.5 KB of journal a visit, 100 visits a day."""

CHECKPOINT_PAGES = 256
"""The log is folded back at 1 MiB: a slow card then stalls for tenths of a second, not seconds."""

MAX_PAGES = 0xFFFFFFFE
"""SQLite's own limit on pages in a file."""

Moment = Literal["before", "after"]


class Cut(BaseException):
    """The power went, in a test: no handler of errors may go on from here."""


def check_initialised(folder: Path) -> None:
    """Raise StateMissing unless `folder` holds a store; nothing is made or opened."""
    file = folder / FILE_NAME
    if not file.is_file() or file.stat().st_size == 0:
        raise StateMissing(
            f"{folder} holds no locker: run `./restante locker init --state {folder}` first"
        )


def prepare_folder(folder: Path) -> None:
    """Make the folder if need be, and private to this account (mode 0700).

    A folder that others may enter is closed to them if it is empty or ours. One that holds
    strange files is refused as it is: closing somebody's shared folder would harm them.
    """
    try:
        if not folder.exists():
            folder.mkdir(mode=0o700, parents=True)
            _sync_folder(folder.parent)
        if stat.S_IMODE(folder.stat().st_mode) & 0o077:
            names = {entry.name for entry in folder.iterdir()}
            if names and FILE_NAME not in names:
                raise SettingsRefused(
                    f"{folder} is open to others and holds other files: name a folder of its own"
                )
            folder.chmod(0o700)
    except OSError as error:
        raise StoreUnusable(f"{folder} cannot be the state folder: {error.strerror}") from error


class Store:
    """One open state folder.

    Used from one thread. At most one transaction is open at a time, and nothing may be awaited
    inside it. Outside a transaction nothing is ever written. After an error that leaves a
    commit in doubt, or a `Cut`, every further call raises StoreUnusable.
    """

    def __init__(
        self,
        folder: Path,
        *,
        tables: Sequence[str],
        migrations: Sequence[Sequence[str]] = (),
        max_bytes: int = MAX_BYTES,
        cut: Callable[[Moment, str], None] | None = None,
    ) -> None:
        """Open the store in `folder`, making folder and file where they are missing.

        `tables` are the statements of schema version 1, each table STRICT; every list in
        `migrations` brings the file one version further. A new file walks the same path as an
        old one, in one transaction. `cut` is called before and after each commit with that
        transaction's label and may raise: what it raised before is not stored, after it is.
        Raises a StateError, or SettingsRefused for a folder that is not ours to close.
        """
        self._folder = folder
        self._file = folder / FILE_NAME
        self._max_bytes = max_bytes
        self._cut = cut
        self._ended: str | None = None
        prepare_folder(folder)
        with ExitStack() as undo:
            undo.callback(os.close, _lock(folder))
            with _reported(self._file):
                self._connection = _connect(self._file)
                undo.callback(self._connection.close)
                _check_owner(self._connection, self._file)
                _configure(self._connection, max_bytes=max_bytes)
                self._check_sound()
                self._migrate([tables, *migrations])
            self._held = undo.pop_all()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one state; inside a transaction that of the transaction.

        Elsewhere whatever is written is undone, and StoreMisused raised.
        """
        self._check_usable()
        with _reported(self._file):
            if self._connection.in_transaction:
                yield self._connection
                return
            before = self._connection.total_changes
            try:
                self._connection.execute("BEGIN")
                yield self._connection
            finally:
                self._leave()
            if self._connection.total_changes != before:
                raise StoreMisused("rows were to be changed outside a transaction")

    @contextmanager
    def transaction(self, label: str) -> Iterator[sqlite3.Connection]:
        """All of the body or nothing, durable when this returns.

        An exception from the body rolls back and passes through, errors of SQLite as a
        StateError. Never call `commit` or `rollback` on the connection yourself.
        """
        self._check_usable()
        if self._connection.in_transaction:
            raise StoreMisused(f"transaction {label!r} begins inside another one")
        with _reported(self._file):
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield self._connection
                self._commit(label)
            finally:
                self._leave()

    def room(self) -> float:
        """The share, 0 to 1, of the configured size that can still be filled.

        Counted in pages, so freed ones count as room; never more than the disk has left. The
        log beside the file, about 1 MiB, is not counted.
        """
        with self.reading() as connection:
            pages = _pragma(connection, "page_count") - _pragma(connection, "freelist_count")
            used = pages * _pragma(connection, "page_size")
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise StoreUnusable(f"{self._folder} cannot be measured: {error.strerror}") from error
        return max(0.0, min(self._max_bytes - used, free) / self._max_bytes)

    def close(self) -> None:
        """Let another process have the folder. Repeating is harmless."""
        self._ended = "it is closed"
        self._held.close()

    def _check_usable(self) -> None:
        if self._ended is not None:
            raise StoreUnusable(f"{self._file} serves no more: {self._ended}")

    def _commit(self, label: str) -> None:
        self._cut_at("before", label)
        # If we crash here, nothing of this transaction is stored.
        try:
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            # These two come before the log holds the commit; any other may stand or not.
            if not isinstance(_as_state_error(error, self._file), StoreFull | StoreMisused):
                self._ended = f"whether {label!r} was stored is not known ({error})"
            raise
        # If we crash here, all of it is stored, although nobody was told.
        self._cut_at("after", label)

    def _cut_at(self, moment: Moment, label: str) -> None:
        if self._cut is None:
            return
        try:
            self._cut(moment, label)
        except BaseException:
            self._ended = f"it was cut {moment} {label!r}"
            raise

    def _leave(self) -> None:
        """Undo what is still open."""
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            self._ended = f"a transaction could not be undone ({error})"
            raise StoreUnusable(self._ended) from error

    def _check_sound(self) -> None:
        (verdict,) = self._connection.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise StateBroken(f"{self._file} is damaged: {verdict}")

    def _migrate(self, versions: Sequence[Sequence[str]]) -> None:
        stored = _pragma(self._connection, "user_version")
        if stored > len(versions):
            raise StateTooNew(
                f"{self._file} has schema version {stored}, this agent knows {len(versions)}"
            )
        if stored == len(versions):
            return
        with self.transaction("migrate") as connection:
            for statements in versions[stored:]:
                for statement in statements:
                    connection.execute(statement)
            _check_strict(connection)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(versions)}")


def _lock(folder: Path) -> int:
    """Hold the folder until the descriptor is closed, by us or by the end of the process."""
    path = folder / LOCK_NAME
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreUnusable(f"{path} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace") or "unknown"
        os.close(descriptor)
        raise StateInUse(
            f"{folder} is in use by another agent (process {holder}): end that one first"
        ) from error
    except OSError as error:
        os.close(descriptor)
        raise StoreUnusable(f"{path} cannot be locked: {error.strerror}") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def _connect(file: Path) -> sqlite3.Connection:
    try:
        # Made by hand first: SQLite gives its log the mode of the file, and would not ask for 0600.
        os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
        file.chmod(0o600)
        _sync_folder(file.parent)
    except OSError as error:
        raise StoreUnusable(f"{file} cannot be opened: {error.strerror}") from error
    connection = sqlite3.connect(file, timeout=0, isolation_level=None, cached_statements=256)
    # Before the first read of a WAL file: then no stranger can pin the log, and the index of the
    # log is in our memory instead of a third file.
    connection.execute("PRAGMA locking_mode = EXCLUSIVE")
    return connection


def _check_owner(connection: sqlite3.Connection, file: Path) -> None:
    """Raise StateBroken for a database that others made; it is only read for that."""
    owner = _pragma(connection, "application_id")
    objects = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if owner != APPLICATION_ID and (owner or objects):
        raise StateBroken(f"{file} is a database of something else")


def _configure(connection: sqlite3.Connection, *, max_bytes: int) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    pages = min(MAX_PAGES, max_bytes // _pragma(connection, "page_size"))
    connection.execute(f"PRAGMA max_page_count = {pages}")


def _check_strict(connection: sqlite3.Connection) -> None:
    loose = connection.execute(
        "SELECT name FROM pragma_table_list WHERE type = 'table' AND NOT strict"
        " AND schema = 'main' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
    ).fetchall()
    if loose:
        raise StoreMisused(f"tables must be STRICT: {', '.join(name for (name,) in loose)}")


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _sync_folder(folder: Path) -> None:
    """Make a new name in `folder` durable: syncing a file does not sync the entry that names it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _reported(file: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise _as_state_error(error, file) from error


def _as_state_error(error: sqlite3.Error, file: Path) -> StateError:
    """Sort by what has to be done about it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_MISUSE) & 0xFF
    message = f"{file}: {error}"
    match code:
        case sqlite3.SQLITE_FULL:
            return StoreFull(message)
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return StateBroken(message)
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StateInUse(message)
        case (
            sqlite3.SQLITE_CONSTRAINT
            | sqlite3.SQLITE_ERROR
            | sqlite3.SQLITE_MISMATCH
            | sqlite3.SQLITE_MISUSE
            | sqlite3.SQLITE_RANGE
        ):
            return StoreMisused(message)
        case _:
            return StoreUnusable(message)
