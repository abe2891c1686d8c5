"""Files that must outlive a power cut: complete or absent, and in their folder for good."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

OWNER_ONLY = 0o600


def write_whole(path: Path, text: str, *, draft: Path) -> None:
    """The file with this text, for its owner's eyes alone; what stood there is replaced at once.

    `draft` lies in the same folder and is nobody else's. OSError leaves `path` as it was.
    """
    draft.unlink(missing_ok=True)
    write_new(draft, text)
    # If we crash here, a draft stays behind that nobody reads and the next one replaces.
    draft.rename(path)
    sync_folder(path.parent)


def write_new(path: Path, text: str) -> None:
    """A new file, for its owner's eyes alone; FileExistsError where one stands already.

    Any other OSError leaves none.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        _write(descriptor, text)
    except OSError:
        path.unlink()
        raise
    finally:
        os.close(descriptor)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in it durable: syncing a file does not sync the entry that names it."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(descriptor: int, text: str) -> None:
    rest = text.encode()
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)
