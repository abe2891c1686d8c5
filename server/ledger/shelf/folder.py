"""Where the log's files lie for others to serve: a port, and a folder of this machine behind it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Protocol

from server.kit.durable import sync_folder
from server.kit.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

READABLE_FILE = 0o644
READABLE_FOLDER = 0o755


class Shelf(Protocol):
    """Files by their path. Writes are durable, and whole, once they return."""

    def read(self, path: str) -> bytes | None:
        """The file, or None where there is none."""
        ...

    def has(self, path: str) -> bool:
        """Whether there is such a file, which is then whole."""
        ...

    def put(self, path: str, data: bytes) -> None:
        """The file with this content; readers see what stood there before, or this, whole."""
        ...

    def remove(self, path: str) -> None:
        """All files below this path are gone, if there were any."""
        ...


class FolderShelf:
    """A folder whose files anybody may read. SettingsError when it cannot be written."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes | None:
        """See `Shelf.read`."""
        try:
            return (self._root / path).read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _refusal(error) from error

    def has(self, path: str) -> bool:
        """See `Shelf.has`: files come by being renamed, and never as a part."""
        return (self._root / path).is_file()

    def put(self, path: str, data: bytes) -> None:
        """See `Shelf.put`."""
        file = self._root / path
        try:
            self._make_folder(file.parent)
            draft = file.with_name(f".{file.name}.part")
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, READABLE_FILE)
            with os.fdopen(descriptor, "wb") as part:
                part.write(data)
                part.flush()
                os.fsync(descriptor)
            # If we crash here, a draft stays behind that nobody reads and the next one replaces.
            draft.rename(file)
            sync_folder(file.parent)
        except OSError as error:
            raise _refusal(error) from error

    def remove(self, path: str) -> None:
        """See `Shelf.remove`."""
        shutil.rmtree(self._root / path, ignore_errors=True)

    def _make_folder(self, folder: Path) -> None:
        """Each new folder is synced in the one above, up to one that was there."""
        if not folder.is_dir():
            self._make_folder(folder.parent)
            folder.mkdir(mode=READABLE_FOLDER, exist_ok=True)
            sync_folder(folder.parent)


def _refusal(error: OSError) -> SettingsError:
    return SettingsError(f"{error.filename}: {error.strerror}")
