"""A disk under SQLite that fills up, breaks, or loses power in the middle of a write.

It stands where SQLite itself has its port for an operating system (a VFS), so that what runs above
it is SQLite's own handling of such errors and our handling of SQLite's. Files are real ones.
"""

from __future__ import annotations

import ctypes
import random
import re
import resource
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, c_char_p, c_int, c_int64, c_void_p, cast, string_at
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTOR = 512
"""What a disk writes whole or not at all."""

NAME = b"restante-disk"

_OK, _FULL = 0, 13
_WRITE_ERROR, _SYNC_ERROR, _TRUNCATE_ERROR, _DELETE_ERROR = (
    10 | extended << 8 for extended in (3, 4, 6, 10)
)


class Trouble(Enum):
    """What is wrong with the disk. Values are the result codes of SQLite's file layer."""

    FULL = _FULL
    """No room: half of the write goes through, then nothing more, until there is room again."""
    BROKEN = _WRITE_ERROR
    """Writes fail, as on a file system that was made read-only behind our back."""
    UNSYNCED = _SYNC_ERROR
    """Writes pass, syncs fail: nobody knows what is on the disk."""
    DARK = -1
    """The power is gone. Of what was not synced any sector may be there or not."""


class _Vfs(ctypes.Structure):
    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("longest_path", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("rest", c_void_p * 14),
    )


class _Methods(ctypes.Structure):
    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("rest", c_void_p * 13),
    )


_Open = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_Write = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = CFUNCTYPE(c_int, c_void_p, c_int64)
_Sync = CFUNCTYPE(c_int, c_void_p, c_int)


@dataclass(frozen=True, slots=True)
class _Unsynced:
    """One write that a power cut may undo: where, what stood there, what was written."""

    offset: int
    before: bytes
    after: bytes


@dataclass(slots=True)
class _File:
    """An open file and what it holds beyond its last sync."""

    path: Path
    methods: _Methods
    synced_size: int
    unsynced: list[_Unsynced] = field(default_factory=list)

    def note(self, offset: int, after: bytes) -> None:
        """Remember what a write that comes now replaces."""
        with self.path.open("rb") as file:
            file.seek(offset)
            self.unsynced.append(_Unsynced(offset, file.read(len(after)), after))


class Disk:
    """All files that SQLite opens in this process while the disk is `mounted`.

    `operations` counts writes, truncations and syncs. Trouble comes `at` one of them, counted
    from the moment it is ordered, and stays until `mend`.
    """

    def __init__(self) -> None:
        self.operations = 0
        self.has_struck = False
        self._files: dict[int, _File] = {}
        self._trouble: Trouble | None = None
        self._is_dark = False
        self._ordered: tuple[Trouble, int] | None = None
        self._chance = random.Random()
        self._sqlite = _find_sqlite()
        self._original = _Vfs.from_address(self._sqlite.sqlite3_vfs_find(None))
        self._tables: dict[int, _Methods] = {}
        self._callbacks: tuple[Any, ...] = (
            _Open(self._on_open),
            _Delete(self._on_delete),
            _Write(self._on_write),
            _Truncate(self._on_truncate),
            _Sync(self._on_sync),
        )
        self._vfs = _Vfs.from_buffer_copy(self._original)
        self._vfs.name, self._vfs.next = NAME, None
        self._vfs.open, self._vfs.delete = (
            cast(callback, c_void_p) for callback in self._callbacks[:2]
        )

    @contextmanager
    def mounted(self) -> Iterator[Disk]:
        """SQLite opens its files here; whatever it opened must be closed before the end."""
        self._sqlite.sqlite3_vfs_register(ctypes.byref(self._vfs), 1)
        try:
            yield self
        finally:
            self._sqlite.sqlite3_vfs_register(ctypes.byref(self._original), 1)
            self._sqlite.sqlite3_vfs_unregister(ctypes.byref(self._vfs))
            self._files.clear()

    def order(self, trouble: Trouble, *, at: int = 0, seed: int = 0) -> None:
        """Let trouble come at the operation after `at` more; `seed` decides what a cut leaves."""
        self._ordered, self.has_struck = (trouble, self.operations + at), False
        self._chance = random.Random(seed)

    def mend(self) -> None:
        """There is room, the disk is another one, the power is back; files stay as they are."""
        self._trouble, self._ordered, self._is_dark = None, None, False

    def _step(self) -> Trouble | None:
        """The trouble of this operation, which may begin with it."""
        if self._ordered is not None and self.operations >= self._ordered[1]:
            self._trouble, self._ordered, self.has_struck = self._ordered[0], None, True
        self.operations += 1
        return self._trouble

    def _go_dark(self) -> None:
        if not self._is_dark:
            self._is_dark = True
            for known in self._files.values():
                _lose(known, self._chance)

    def _on_open(self, vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        original = ctypes.addressof(self._original)
        code: int = _Open(self._original.open)(original, name, file, flags, out)
        table = c_void_p.from_address(file)
        if code != _OK or name is None or table.value is None:
            return code
        path, methods = Path(string_at(name).decode()), _Methods.from_address(table.value)
        ours = self._tables.setdefault(table.value, self._wrap(methods))
        for former in self._files.values():
            if former.path == path:
                former.unsynced.clear()  # it was closed: who opens it anew begins with what it is
        self._files[file] = _File(path, methods, path.stat().st_size)
        table.value = ctypes.addressof(ours)
        return code

    def _wrap(self, methods: _Methods) -> _Methods:
        ours = _Methods.from_buffer_copy(methods)
        ours.write, ours.truncate, ours.sync = (
            cast(callback, c_void_p) for callback in self._callbacks[2:]
        )
        return ours

    def _on_delete(self, vfs: int, name: int, sync_folder: int) -> int:
        if self._trouble is Trouble.DARK:
            return _DELETE_ERROR
        original = ctypes.addressof(self._original)
        code: int = _Delete(self._original.delete)(original, name, sync_folder)
        return code

    def _on_write(self, file: int, data: int, amount: int, offset: int) -> int:
        trouble, known = self._step(), self._files[file]
        if self._is_dark or trouble is Trouble.BROKEN:
            return _WRITE_ERROR
        if trouble is Trouble.FULL:
            amount //= 2
        if Trouble.DARK in {trouble, self._ordered and self._ordered[0]}:
            known.note(offset, string_at(data, amount))
        if trouble is Trouble.DARK:
            self._go_dark()
            return _WRITE_ERROR
        code: int = _Write(known.methods.write)(file, data, amount, offset)
        return _FULL if trouble is Trouble.FULL else code

    def _on_truncate(self, file: int, size: int) -> int:
        trouble, known = self._step(), self._files[file]
        if trouble is Trouble.DARK:
            self._go_dark()
        if trouble in {Trouble.DARK, Trouble.BROKEN}:
            return _TRUNCATE_ERROR
        # Durable at once: nobody here shortens a file and counts on its former end.
        known.synced_size = min(known.synced_size, size)
        code: int = _Truncate(known.methods.truncate)(file, size)
        return code

    def _on_sync(self, file: int, flags: int) -> int:
        trouble, known = self._step(), self._files[file]
        if trouble is Trouble.DARK:
            self._go_dark()
        if trouble in {Trouble.DARK, Trouble.BROKEN, Trouble.UNSYNCED}:
            return _SYNC_ERROR
        known.unsynced.clear()
        known.synced_size = known.path.stat().st_size
        code: int = _Sync(known.methods.sync)(file, flags)
        return code


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes, by the kernel's own limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def _lose(known: _File, chance: random.Random) -> None:
    """Leave of a file what was synced, and of the rest as many sectors as chance will have it."""
    if not known.unsynced or not known.path.exists():
        return
    with known.path.open("r+b") as file:
        for write in reversed(known.unsynced):
            file.seek(write.offset)
            file.write(write.before)
        file.truncate(known.synced_size)
        share = chance.choice((0.0, 0.5, 1.0))
        for write in known.unsynced:
            for at in range(0, len(write.after), SECTOR):
                if chance.random() < share:
                    file.seek(write.offset + at)
                    file.write(write.after[at : at + SECTOR])
    known.unsynced.clear()


def _find_sqlite() -> ctypes.CDLL:
    """The library that `sqlite3` of this Python runs on; LookupError where it is out of reach."""
    import _sqlite3

    loaded = re.findall(r"/\S*libsqlite3\S*", Path("/proc/self/maps").read_text())
    for name in (*loaded[:1], getattr(_sqlite3, "__file__", None), None):
        library = ctypes.CDLL(name)
        if hasattr(library, "sqlite3_vfs_find"):
            library.sqlite3_vfs_find.restype = c_void_p
            library.sqlite3_vfs_find.argtypes = (c_char_p,)
            library.sqlite3_vfs_register.argtypes = (POINTER(_Vfs), c_int)
            library.sqlite3_vfs_unregister.argtypes = (POINTER(_Vfs),)
            return library
    raise LookupError("SQLite is built into this Python without its names")
