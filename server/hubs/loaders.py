"""Hubs and their hours, many at once: one statement for all that a level of an answer needs.

Nothing is kept from one level to the next: what a mutation changed is read as it is.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from strawberry.dataloader import DataLoader

from server.hubs import service
from server.hubs.rules import Timetable
from server.hubs.tables import Hub

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.kit.graph import Context


class HubById(DataLoader[uuid.UUID, Hub | None]):
    """Hub by its id; None for one that does not exist."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, hub_ids: Sequence[uuid.UUID]) -> list[Hub | None]:
        async with self._context.database.read() as session:
            hubs = await service.list_hubs_by_ids(session, set(hub_ids))
        return [hubs.get(hub_id) for hub_id in hub_ids]


class TimetableByHub(DataLoader[uuid.UUID, Timetable]):
    """Hours by the id of a hub that was given to `expect` before."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context
        self._hubs: dict[uuid.UUID, Hub] = {}

    async def load_hours(self, hub: Hub) -> Timetable:
        """The hours of this hub from yesterday on."""
        self._hubs[hub.id] = hub
        return await self.load(hub.id)

    async def _load(self, hub_ids: Sequence[uuid.UUID]) -> list[Timetable]:
        hubs = [self._hubs[hub_id] for hub_id in set(hub_ids)]
        async with self._context.database.read() as session:
            hours = await service.list_timetables(session, hubs, now=self._context.clock.now())
        return [hours[hub_id] for hub_id in hub_ids]


def hub_by_id(context: Context) -> HubById:
    """This request's loader of hubs."""
    loader: HubById = context.loaders.setdefault(HubById, HubById(context))
    return loader


def timetable_by_hub(context: Context) -> TimetableByHub:
    """This request's loader of hours."""
    loader: TimetableByHub = context.loaders.setdefault(TimetableByHub, TimetableByHub(context))
    return loader
