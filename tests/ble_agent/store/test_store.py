"""The store keeps what it has reported as stored, and nothing of what it has not."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import ble_agent.store
from ble_agent.errors import (
    SettingsRefused,
    StateBroken,
    StateInUse,
    StateMissing,
    StateTooNew,
    StoreFull,
    StoreMisused,
    StoreUnusable,
)
from ble_agent.store import FILE_NAME, Cut, Moment, Store, check_initialised

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOTES = "CREATE TABLE notes (n INTEGER PRIMARY KEY, text BLOB NOT NULL) STRICT"
TABLES = [NOTES]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "locker" / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    store = Store(folder, tables=TABLES)
    yield store
    store.close()


def add(store: Store, n: int, text: bytes = b"x") -> None:
    with store.transaction("add") as connection:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (n, text))


def numbers(store: Store) -> list[int]:
    with store.reading() as connection:
        return [n for (n,) in connection.execute("SELECT n FROM notes ORDER BY n")]


def stored_numbers(folder: Path) -> list[int]:
    store = Store(folder, tables=TABLES)
    try:
        return numbers(store)
    finally:
        store.close()


def cut_at(moment: Moment, label: str) -> Callable[[Moment, str], None]:
    def cut(now: Moment, current: str) -> None:
        if (now, current) == (moment, label):
            raise Cut

    return cut


def test_what_is_committed_is_there_after_reopening(store: Store, folder: Path) -> None:
    add(store, 1)
    add(store, 2)
    store.close()
    assert stored_numbers(folder) == [1, 2]
    assert {path.name for path in folder.iterdir()} == {"lock", FILE_NAME}


def test_exception_in_the_body_undoes_all_of_it(store: Store) -> None:
    def fail_half_way() -> None:
        with store.transaction("half") as connection:
            connection.execute("INSERT INTO notes VALUES (1, x'00')")
            raise LookupError

    with pytest.raises(LookupError):
        fail_half_way()
    assert numbers(store) == []
    add(store, 2)
    assert numbers(store) == [2]


def test_file_is_durable_strict_and_ours(store: Store) -> None:
    with store.reading() as connection:
        values = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "user_version")
        }
    assert values == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "user_version": 1}


def test_folder_and_files_are_private_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        store = Store(folder, tables=TABLES)
        add(store, 1)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert modes == {"lock": 0o600, FILE_NAME: 0o600, f"{FILE_NAME}-wal": 0o600}


def test_empty_folder_that_others_may_enter_is_closed_to_them(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    Store(folder, tables=TABLES).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_shared_folder_with_strange_files_is_refused_untouched(folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "letter.txt").touch()
    with pytest.raises(SettingsRefused, match="name a folder of its own"):
        Store(folder, tables=TABLES)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755
    assert [path.name for path in folder.iterdir()] == ["letter.txt"]


def test_file_in_the_place_of_the_folder_is_refused(folder: Path) -> None:
    folder.parent.mkdir()
    folder.touch()
    with pytest.raises(StoreUnusable, match="state"):
        Store(folder, tables=TABLES)


def test_folder_without_a_locker_says_what_to_run(folder: Path) -> None:
    with pytest.raises(StateMissing, match="locker init"):
        check_initialised(folder)
    Store(folder, tables=TABLES).close()
    check_initialised(folder)


def test_second_agent_on_the_same_folder_is_refused(store: Store, folder: Path) -> None:
    with pytest.raises(StateInUse, match=f"process {os.getpid()}"):
        Store(folder, tables=TABLES)
    add(store, 1)
    store.close()
    assert stored_numbers(folder) == [1]


def test_refused_start_leaves_the_folder_free(folder: Path) -> None:
    with pytest.raises(StoreMisused, match="syntax error"):
        Store(folder, tables=["CREATE nonsense"])
    assert stored_numbers(folder) == []


def test_closed_store_serves_no_more_and_closes_twice(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(StoreUnusable, match="closed"):
        add(store, 1)
    with pytest.raises(StoreUnusable, match="closed"):
        store.room()


def test_transaction_inside_another_is_refused_and_undoes_both(store: Store) -> None:
    with pytest.raises(StoreMisused, match="'add' begins inside another"), store.transaction("out"):
        add(store, 1)
    assert numbers(store) == []


def test_what_is_written_while_reading_is_undone(store: Store) -> None:
    with pytest.raises(StoreMisused, match="outside a transaction"), store.reading() as connection:
        connection.execute("INSERT INTO notes VALUES (1, x'00')")
    assert numbers(store) == []
    add(store, 2)
    assert numbers(store) == [2]


def test_an_error_while_reading_leaves_nothing_open(store: Store) -> None:
    with pytest.raises(StoreMisused, match="no such table"), store.reading() as connection:
        connection.execute("SELECT * FROM elsewhere")
    add(store, 2)
    assert numbers(store) == [2]


def test_a_reading_inside_another_is_of_the_same_state(store: Store) -> None:
    with store.reading() as connection:
        assert numbers(store) == []
        assert connection.execute("SELECT count(*) FROM notes").fetchone() == (0,)
    add(store, 1)
    assert numbers(store) == [1]


def test_reading_inside_a_transaction_sees_it(store: Store) -> None:
    with store.transaction("both") as connection:
        connection.execute("INSERT INTO notes VALUES (7, x'00')")
        assert numbers(store) == [7]


def test_violated_constraint_is_a_fault_of_ours_and_the_store_goes_on(store: Store) -> None:
    add(store, 1)
    with pytest.raises(StoreMisused, match="UNIQUE"):
        add(store, 1)
    with pytest.raises(StoreMisused, match="cannot store TEXT"):
        add(store, 2, "text")  # type: ignore[arg-type]  # a STRICT table must notice
    add(store, 2)
    assert numbers(store) == [1, 2]


def test_constraint_found_at_commit_undoes_the_transaction(folder: Path) -> None:
    refers = (
        "CREATE TABLE refers (n INTEGER NOT NULL"
        " REFERENCES notes DEFERRABLE INITIALLY DEFERRED) STRICT"
    )
    store = Store(folder, tables=[NOTES, refers])
    with pytest.raises(StoreMisused, match="FOREIGN KEY"), store.transaction("x") as connection:
        connection.execute("INSERT INTO refers VALUES (5)")
    add(store, 5)
    with store.reading() as connection:
        assert connection.execute("SELECT count(*) FROM refers").fetchone() == (0,)
    store.close()


def test_cut_before_the_commit_stores_nothing(folder: Path) -> None:
    store = Store(folder, tables=TABLES, cut=cut_at("before", "add"))
    with pytest.raises(Cut):
        add(store, 1)
    store.close()
    assert stored_numbers(folder) == []


def test_cut_after_the_commit_stores_all(folder: Path) -> None:
    store = Store(folder, tables=TABLES, cut=cut_at("after", "add"))
    with pytest.raises(Cut):
        add(store, 1)
    store.close()
    assert stored_numbers(folder) == [1]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_after_a_cut_nothing_is_served_until_a_new_start(folder: Path, moment: Moment) -> None:
    store = Store(folder, tables=TABLES, cut=cut_at(moment, "add"))
    with pytest.raises(Cut):
        add(store, 1)
    with pytest.raises(StoreUnusable, match=f"cut {moment} 'add'"):
        numbers(store)
    store.close()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_first_start_may_be_cut(folder: Path, moment: Moment) -> None:
    with pytest.raises(Cut):
        Store(folder, tables=TABLES, cut=cut_at(moment, "migrate"))
    assert stored_numbers(folder) == []


def test_error_of_the_disk_at_commit_leaves_the_store_in_doubt(store: Store, folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    log_bytes = (folder / f"{FILE_NAME}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (log_bytes, hard))
    try:
        with pytest.raises(StoreUnusable):
            add(store, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(StoreUnusable, match="'add' was stored is not known"):
        add(store, 2)
    store.close()
    assert stored_numbers(folder) == []


def test_old_file_is_brought_forward_and_equals_a_new_one(folder: Path, tmp_path: Path) -> None:
    steps = [["ALTER TABLE notes ADD COLUMN at INTEGER"], ["CREATE TABLE b (n INTEGER) STRICT"]]
    old = Store(folder, tables=TABLES)
    add(old, 1)
    old.close()

    def schema_of(place: Path) -> list[tuple[str, ...]]:
        store = Store(place, tables=TABLES, migrations=steps)
        with store.reading() as connection:
            rows = connection.execute(
                "SELECT name, sql FROM sqlite_schema ORDER BY name"
            ).fetchall()
            assert connection.execute("PRAGMA user_version").fetchone() == (3,)
        store.close()
        return rows

    assert schema_of(folder) == schema_of(tmp_path / "new")
    with pytest.raises(StateTooNew, match="schema version 3, this agent knows 1"):
        Store(folder, tables=TABLES)


def test_cut_in_a_migration_leaves_the_old_version_whole(store: Store, folder: Path) -> None:
    add(store, 1)
    store.close()
    steps = [["DROP TABLE notes"]]
    with pytest.raises(Cut):
        Store(folder, tables=TABLES, migrations=steps, cut=cut_at("before", "migrate"))
    assert stored_numbers(folder) == [1]


def test_table_that_is_not_strict_is_a_fault_of_ours(folder: Path) -> None:
    with pytest.raises(StoreMisused, match="must be STRICT: loose"):
        Store(folder, tables=[NOTES, "CREATE TABLE loose (n)"])


def test_database_of_something_else_is_refused_untouched(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    other = sqlite3.connect(folder / FILE_NAME)
    other.execute("CREATE TABLE theirs (n)")
    other.close()
    before = (folder / FILE_NAME).read_bytes()
    with pytest.raises(StateBroken, match="something else"):
        Store(folder, tables=TABLES)
    assert (folder / FILE_NAME).read_bytes() == before


def test_file_that_is_no_database_is_refused(folder: Path) -> None:
    folder.mkdir(parents=True, mode=0o700)
    (folder / FILE_NAME).write_bytes(b"once upon a time " * 1000)
    with pytest.raises(StateBroken, match="not a database"):
        Store(folder, tables=TABLES)


def test_damaged_page_is_found_at_the_start(store: Store, folder: Path) -> None:
    for n in range(100):
        add(store, n, bytes(500))
    store.close()
    with (folder / FILE_NAME).open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096)
    with pytest.raises(StateBroken):
        Store(folder, tables=TABLES)


def test_room_shrinks_as_the_file_fills_and_comes_back_with_what_is_dropped(folder: Path) -> None:
    store = Store(folder, tables=TABLES, max_bytes=1024 * 1024)
    empty = store.room()
    add(store, 1, bytes(512 * 1024))
    assert store.room() == pytest.approx(empty - 0.5, abs=0.02)
    with store.transaction("drop") as connection:
        connection.execute("DELETE FROM notes")
    assert store.room() == empty
    store.close()


def test_full_store_refuses_the_change_and_goes_on_serving(folder: Path) -> None:
    store = Store(folder, tables=TABLES, max_bytes=256 * 1024)
    add(store, 1, bytes(100 * 1024))
    with pytest.raises(StoreFull):
        add(store, 2, bytes(300 * 1024))
    add(store, 3)
    assert numbers(store) == [1, 3]
    assert 0 < store.room() < 0.6
    store.close()


def test_room_is_never_more_than_the_disk_has_left(folder: Path) -> None:
    store = Store(folder, tables=TABLES, max_bytes=2**60)
    assert store.room() == pytest.approx(shutil.disk_usage(folder).free / 2**60, rel=0.5)
    store.close()


WRITER = """
import sys
from pathlib import Path
from ble_agent.store import Store
store = Store(Path(sys.argv[1]), tables=[sys.argv[2]])
for n in range(1_000_000):
    with store.transaction("add") as connection:
        connection.execute("INSERT INTO notes VALUES (?, ?)", (n, bytes(200)))
    print(n, flush=True)
"""


def test_killed_process_has_stored_all_it_reported_and_frees_the_folder(folder: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(folder), NOTES]
    root = Path(ble_agent.store.__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root) as writer:
        assert writer.stdout is not None
        for _ in range(600):
            assert writer.stdout.readline()
        with pytest.raises(StateInUse, match=f"process {writer.pid}"):
            Store(folder, tables=TABLES)
        writer.send_signal(signal.SIGKILL)
        reported = 600 + len(writer.stdout.read().splitlines())
    stored = stored_numbers(folder)
    assert stored == list(range(len(stored)))
    assert len(stored) >= reported


@pytest.fixture(scope="module")
def unfolded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File and log of twelve commits, as a power cut leaves them: nothing folded back."""
    folder = tmp_path_factory.mktemp("unfolded")
    store = Store(folder / "live", tables=TABLES)
    for n in range(12):
        add(store, n, bytes(3000))
    shutil.copytree(folder / "live", folder / "cut")
    store.close()
    return folder / "cut"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(share=st.floats(0, 1), tail=st.binary(max_size=64))
def test_log_torn_anywhere_gives_a_whole_beginning_of_the_story(
    unfolded: Path, tmp_path: Path, share: float, tail: bytes
) -> None:
    folder = tmp_path / "torn"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(unfolded, folder)
    log = folder / f"{FILE_NAME}-wal"
    written = log.read_bytes()
    log.write_bytes(written[: int(len(written) * share)] + tail)
    stored = stored_numbers(folder)
    assert stored == list(range(len(stored)))
    if share == 1:
        assert len(stored) == 12
