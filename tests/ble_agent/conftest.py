"""Whole lockers as fixtures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ble_agent.standing import Standing, quick_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where syncing costs nothing."""
    with quick_folder() as folder:
        yield folder


@pytest.fixture
async def standing(folder: Path) -> AsyncIterator[Standing]:
    """A locker with keys and time; whoever is let in shuts the door after two seconds."""
    standing = await Standing(folder / "state").start()
    await standing.set_up()
    yield standing
    await end(standing)


@pytest.fixture
async def by_hand(folder: Path) -> AsyncIterator[Standing]:
    """A locker whose open doors wait for the test to shut them."""
    standing = await Standing(folder / "state", door_seconds=None).start()
    await standing.set_up()
    yield standing
    await end(standing)


async def end(standing: Standing) -> None:
    """Stop a locker that is up, and let its store have failed at nothing."""
    if standing.is_up:
        assert standing.failures == []
        await standing.stop()
