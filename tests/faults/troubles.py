"""The story of a locker whose disk fills up, breaks, or loses power in the middle of a write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ble_agent.doors import RETRY_S
from tests.faults.cuts import Story

if TYPE_CHECKING:
    from pathlib import Path

    from ble_agent.store import Moment
    from tests.fakes.disk import Disk, Trouble


class Striker:
    """Orders trouble for the `nth` commit of a label, `at` operations after it has begun."""

    def __init__(
        self,
        disk: Disk,
        trouble: Trouble,
        *,
        label: str | None = None,
        nth: int = 0,
        at: int = 0,
        seed: int = 0,
    ) -> None:
        self.writes: list[str] = []
        self._disk = disk
        self._label = label
        self._left = nth
        self._is_ordered = False
        self._terms = (trouble, at, seed)
        if label is None:
            self._order()

    @property
    def has_cut(self) -> bool:
        """Whether trouble has come."""
        return self._is_ordered and self._disk.has_struck

    def __call__(self, moment: Moment, label: str) -> None:
        """As `Store` calls it around each commit."""
        if moment == "after":
            self.writes.append(label)
            if self._label is not None and self._is_ordered and not self.has_cut:
                self._disk.mend()  # that commit had fewer operations
        elif label == self._label:
            if self._left == 0:
                self._order()
            self._left -= 1

    def _order(self) -> None:
        trouble, at, seed = self._terms
        self._is_ordered = True
        self._disk.order(trouble, at=at, seed=seed)


class DiskStory(Story):
    """Told until the disk strikes; then it is mended, and the step is told again.

    A full disk is no reason to stop: that locker goes on, and notes what it owes within a minute.
    Any other trouble ends the process, and the next start finds what the disk has kept.
    """

    def __init__(self, folder: Path, disk: Disk, striker: Striker, *, survives: bool) -> None:
        super().__init__(folder, striker)
        self.disk = disk
        self.survives = survives

    async def _come_back(self) -> None:
        self.disk.mend()
        if not self.survives:
            await super()._come_back()
            return
        self.is_back = True
        assert self.standing.failures == []
        if self.standing.is_up:
            await self.standing.pass_time(RETRY_S)
            await self.standing.pass_time(1)  # the room is measured each second

    def _check_light(self) -> None:
        if not self.survives:
            super()._check_light()
