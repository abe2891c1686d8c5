"""The disk that fails on order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def one_disk() -> Disk:
    """Made once: what SQLite was given to call must stay for as long as it may."""
    try:
        return Disk()
    except LookupError as error:
        pytest.skip(str(error))


@pytest.fixture
def disk(one_disk: Disk) -> Iterator[Disk]:
    """Under all of SQLite in this process, for the length of a test."""
    with one_disk.mounted():
        yield one_disk
        one_disk.mend()
