"""Lockers and compartments, many at once; nothing is kept from one level to the next."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from strawberry.dataloader import DataLoader

from server.lockers.service import reading
from server.lockers.tables import Compartment, Locker

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.kit.graph import Context


class LockerById(DataLoader[uuid.UUID, Locker | None]):
    """Locker by its row id; None for one that does not exist."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, locker_ids: Sequence[uuid.UUID]) -> list[Locker | None]:
        async with self._context.database.read() as session:
            lockers = await reading.list_lockers_by_ids(session, set(locker_ids))
        return [lockers.get(locker_id) for locker_id in locker_ids]


class CompartmentsByLocker(DataLoader[uuid.UUID, list[Compartment]]):
    """All compartments of a locker, by number."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, locker_ids: Sequence[uuid.UUID]) -> list[list[Compartment]]:
        async with self._context.database.read() as session:
            doors = await reading.list_compartments(session, set(locker_ids))
        return [doors.get(locker_id, []) for locker_id in locker_ids]


def locker_by_id(context: Context) -> LockerById:
    """This request's loader of lockers."""
    loader: LockerById = context.loaders.setdefault(LockerById, LockerById(context))
    return loader


def compartments_by_locker(context: Context) -> CompartmentsByLocker:
    """This request's loader of compartments."""
    loader: CompartmentsByLocker = context.loaders.setdefault(
        CompartmentsByLocker, CompartmentsByLocker(context)
    )
    return loader
