"""Histories, reservations and troubles of many parcels at once; nothing is kept between levels."""

from __future__ import annotations

import uuid
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from strawberry.dataloader import DataLoader

from server.kit.graph import Context, Page
from server.lockers.incidents import TELLING
from server.lockers.service import doors, reservations
from server.lockers.service.reservations import Held
from server.lockers.tables import Incident
from server.parcels.service import reading
from server.parcels.service.stops import Told, list_told
from server.parcels.tables import Dispute, Parcel, ParcelEvent, ParcelExtension

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.parcels.queries import PlacedParcel


TROUBLES_EACH = 10
"""Troubles looked at for each parcel of a page: one of each kind about it, and about its door."""


class HistoryPage(NamedTuple):
    """Part of one parcel's history."""

    parcel_id: uuid.UUID
    page: Page


class EventsByParcel(DataLoader[HistoryPage, list[ParcelEvent]]):
    """Lines of history, one more than each page; one statement for each different page."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, wanted: Sequence[HistoryPage]) -> list[list[ParcelEvent]]:
        by_page: dict[Page, set[uuid.UUID]] = defaultdict(set)
        for parcel_id, page in wanted:
            by_page[page].add(parcel_id)
        found = {}
        async with self._context.database.read() as session:
            for page, parcel_ids in by_page.items():
                found[page] = await reading.list_histories(session, parcel_ids, page=page)
        return [found[page].get(parcel_id, []) for parcel_id, page in wanted]


class ReservationByParcel(DataLoader[uuid.UUID, Held | None]):
    """What is kept for a parcel at this moment."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, parcel_ids: Sequence[uuid.UUID]) -> list[Held | None]:
        async with self._context.database.read() as session:
            held = await reservations.list_held(
                session, set(parcel_ids), now=self._context.clock.now()
            )
        return [held.get(parcel_id) for parcel_id in parcel_ids]


class Doorstep(NamedTuple):
    """A parcel and the door it lies behind, if it lies behind one."""

    parcel_id: uuid.UUID
    compartment_id: uuid.UUID | None

    @classmethod
    def of(cls, placed: PlacedParcel) -> Doorstep:
        """Where the parcel is."""
        return cls(placed.parcel.id, None if placed.compartment is None else placed.compartment.id)


class TroublesByParcel(DataLoader[Doorstep, list[Incident]]):
    """What is wrong with parcels and their doors, as far as those who wait for them are told."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, doorsteps: Sequence[Doorstep]) -> list[list[Incident]]:
        subjects = {key for step in doorsteps for key in step if key is not None}
        async with self._context.database.read() as session:
            found = await doors.list_open_incidents_about(
                session, subjects, TELLING, limit=TROUBLES_EACH * len(doorsteps)
            )
        return [[one for one in found if one.subject_id in step] for step in doorsteps]


class PausesByParcel(DataLoader[uuid.UUID, list[Told]]):
    """What has stopped the time of parcels, by the id of one given to `load_stops` before."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context
        self._parcels: dict[uuid.UUID, Parcel] = {}

    async def load_stops(self, parcel: Parcel) -> list[Told]:
        """Those of this parcel, the earliest first."""
        self._parcels[parcel.id] = parcel
        return await self.load(parcel.id)

    async def _load(self, parcel_ids: Sequence[uuid.UUID]) -> list[list[Told]]:
        parcels = [self._parcels[parcel_id] for parcel_id in set(parcel_ids)]
        async with self._context.database.read() as session:
            found = await list_told(session, parcels)
        return [found[parcel_id] for parcel_id in parcel_ids]


class ExtensionsByParcel(DataLoader[uuid.UUID, list[ParcelExtension]]):
    """What more time was given for parcels, the earliest first."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, parcel_ids: Sequence[uuid.UUID]) -> list[list[ParcelExtension]]:
        async with self._context.database.read() as session:
            found = await reading.list_extensions(session, set(parcel_ids))
        return [[one for one in found if one.parcel_id == key] for key in parcel_ids]


class DisputesByParcel(DataLoader[uuid.UUID, list[Dispute]]):
    """What was said of the collections of parcels, the earliest first."""

    def __init__(self, context: Context) -> None:
        super().__init__(load_fn=self._load, cache=False)
        self._context = context

    async def _load(self, parcel_ids: Sequence[uuid.UUID]) -> list[list[Dispute]]:
        async with self._context.database.read() as session:
            found = await reading.list_disputes(session, set(parcel_ids))
        return [[one for one in found if one.parcel_id == key] for key in parcel_ids]


def disputes_by_parcel(context: Context) -> DisputesByParcel:
    """This request's loader of disputes."""
    loader: DisputesByParcel = context.loaders.setdefault(
        DisputesByParcel, DisputesByParcel(context)
    )
    return loader


def pauses_by_parcel(context: Context) -> PausesByParcel:
    """This request's loader of pauses."""
    loader: PausesByParcel = context.loaders.setdefault(PausesByParcel, PausesByParcel(context))
    return loader


def extensions_by_parcel(context: Context) -> ExtensionsByParcel:
    """This request's loader of extensions."""
    loader: ExtensionsByParcel = context.loaders.setdefault(
        ExtensionsByParcel, ExtensionsByParcel(context)
    )
    return loader


def troubles_by_parcel(context: Context) -> TroublesByParcel:
    """This request's loader of troubles."""
    loader: TroublesByParcel = context.loaders.setdefault(
        TroublesByParcel, TroublesByParcel(context)
    )
    return loader


def events_by_parcel(context: Context) -> EventsByParcel:
    """This request's loader of histories."""
    loader: EventsByParcel = context.loaders.setdefault(EventsByParcel, EventsByParcel(context))
    return loader


def reservation_by_parcel(context: Context) -> ReservationByParcel:
    """This request's loader of reservations."""
    loader: ReservationByParcel = context.loaders.setdefault(
        ReservationByParcel, ReservationByParcel(context)
    )
    return loader
