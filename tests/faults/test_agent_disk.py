"""Full disks, broken ones and torn writes wherever a locker writes; nothing opens twice or is lost.

The invariants are those of the power cuts. In the standard run each commit meets a full disk, each
kind of commit a broken one, and some of all writes are torn; `--every-fault` leaves nothing out.
"""

from __future__ import annotations

import asyncio
from functools import cache
from itertools import product
from typing import TYPE_CHECKING

import pytest

from ble_agent.__main__ import main
from ble_agent.errors import StateBroken
from ble_agent.session.locker import open_store
from ble_agent.store import FILE_NAME
from tests.ble_agent.standing import quick_folder
from tests.fakes.disk import SECTOR, Disk, Trouble
from tests.faults.cuts import Scissors, Story
from tests.faults.test_agent_cuts import LABELS, check_story, writes
from tests.faults.troubles import DiskStory, Striker

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPERATIONS = (0, 1, 3)
"""Which write of a commit fails: the first, the second half of a page, one in between."""

GROUPS = 8
"""Parts into which all operations of the story are dealt; a test for each."""

PAGE = 4096
LOSSES = ((0, PAGE), (PAGE // 2, PAGE // 2), (PAGE - SECTOR, SECTOR))

TORN = 5
"""Torn writes of each group in the standard run."""


@pytest.fixture(scope="session")
def one_disk() -> Disk:
    try:
        return Disk()
    except LookupError as error:
        pytest.skip(str(error))


@pytest.fixture
def disk(one_disk: Disk) -> Iterator[Disk]:
    with one_disk.mounted():
        yield one_disk
        one_disk.mend()


@pytest.fixture
def is_thorough(request: pytest.FixtureRequest) -> bool:
    chosen: bool = request.config.getoption("--every-fault")
    return chosen


@cache
def operations(disk: Disk) -> int:
    """How often the story writes, syncs or shortens a file when nothing happens."""

    async def count(story: Story) -> int:
        before = disk.operations
        await story.tell()
        told = disk.operations - before
        await story.standing.kill()
        return told

    with quick_folder() as folder:
        return asyncio.run(count(Story(folder / "state", Scissors())))


def tell(disk: Disk, striker: Striker, *, survives: bool) -> None:
    """The whole story with this trouble, and whether all is as it should be at its end."""
    with quick_folder() as folder:
        story = DiskStory(folder / "state", disk, striker, survives=survives)
        asyncio.run(check_story(story))
    disk.mend()


@pytest.mark.parametrize("label", LABELS)
def test_a_full_disk_refuses_and_goes_on_once_there_is_room(
    disk: Disk, label: str, is_thorough: bool
) -> None:
    for nth in range(writes().count(label)):
        for at in OPERATIONS if is_thorough else (OPERATIONS[nth % len(OPERATIONS)],):
            striker = Striker(disk, Trouble.FULL, label=label, nth=nth, at=at)
            tell(disk, striker, survives=True)


@pytest.mark.parametrize("trouble", [Trouble.BROKEN, Trouble.UNSYNCED])
@pytest.mark.parametrize("label", LABELS)
def test_a_broken_disk_ends_the_process_and_the_next_one_loses_nothing(
    disk: Disk, label: str, trouble: Trouble, is_thorough: bool
) -> None:
    for nth in range(writes().count(label) if is_thorough else 1):
        tell(disk, Striker(disk, trouble, label=label, nth=nth), survives=False)


@pytest.mark.parametrize("group", range(GROUPS))
def test_a_write_torn_by_a_power_cut_is_as_if_it_had_never_begun(
    disk: Disk, group: int, is_thorough: bool
) -> None:
    mine = range(group, operations(disk), GROUPS)
    for at in mine[:: 1 if is_thorough else len(mine) // TORN]:
        striker = Striker(disk, Trouble.DARK, at=at, seed=at)
        tell(disk, striker, survives=False)
        assert striker.has_cut


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The state file of a locker that has lived a day and ended in order."""

    async def live(story: Story) -> None:
        await story.tell()
        await story.standing.stop()

    with quick_folder() as folder:
        asyncio.run(live(Story(folder / "state", Scissors())))
        return (folder / "state" / FILE_NAME).read_bytes()


def damage(whole: bytes) -> Iterator[bytes]:
    """The file with one page gone, with half of one not written, with one sector of it lost."""
    for page, (start, size) in product(range(0, len(whole), PAGE), LOSSES):
        torn = bytearray(whole)
        torn[page + start : page + start + size] = bytes(size)
        if torn != whole:
            yield bytes(torn)


def test_a_torn_page_that_no_log_can_mend_is_found_before_anything_is_used(
    whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    for torn in damage(whole):
        (folder / FILE_NAME).write_bytes(torn)
        with pytest.raises(StateBroken):
            open_store(folder)
        assert (folder / FILE_NAME).read_bytes() == torn  # whoever repairs it finds it as it was
    assert main(["agent", "--state", str(folder)]) == 1
    assert FILE_NAME in capsys.readouterr().err
