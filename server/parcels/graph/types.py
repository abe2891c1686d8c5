"""Parcels, their places and their history as clients see them."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry
from strawberry.types import Info

from schema.compartments import ClimateZone
from server.hubs.graph.types import Hub, as_hub
from server.hubs.loaders import hub_by_id
from server.kit.auth import Permission
from server.kit.errors import BrokenPromise
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    Node,
    NodeLoader,
    connect,
    context_of,
    get_page,
    global_id,
)
from server.lockers.graph.types import (
    Compartment,
    Locker,
    Reservation,
    as_compartment,
    as_locker,
    as_reservation,
)
from server.lockers.loaders import locker_by_id
from server.parcels.graph import words as _words
from server.parcels.graph.disputes import Dispute, as_dispute
from server.parcels.graph.timing import Extension, Pause, as_extension, as_pause
from server.parcels.graph.troubles import Trouble, as_trouble
from server.parcels.loaders import (
    Doorstep,
    HistoryPage,
    disputes_by_parcel,
    events_by_parcel,
    extensions_by_parcel,
    pauses_by_parcel,
    reservation_by_parcel,
    troubles_by_parcel,
)
from server.parcels.place import DoorPlace, place_in_words
from server.parcels.queries import PlacedParcel
from server.parcels.service import reading
from server.parcels.states import Authority, ParcelState, Party
from server.parcels.tables import Assurance, HoldEnded, LocationKind, PauseCause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.hubs import tables as hub_tables
    from server.parcels import tables

assert _words, "the enums must be described before a type uses them"


@strawberry.type(description="Where a parcel is, or is to be collected.")
class ParcelLocation:
    """The compartment is known from the deposit to the collection."""

    placed: strawberry.Private[PlacedParcel]
    kind: LocationKind = strawberry.field(description="What kind of place it is.")

    @strawberry.field(description="The hub.")
    async def hub(self, info: Info[Context, None]) -> Hub:
        """Every parcel has one."""
        return as_hub(await self._hub(info))

    @strawberry.field(description="The locker, while it lies in one.")
    async def locker(self, info: Info[Context, None]) -> Locker | None:
        """The machine."""
        if self.placed.compartment is None:
            return None
        row = await locker_by_id(context_of(info)).load(self.placed.compartment.locker_id)
        return None if row is None else as_locker(row)

    @strawberry.field(description="The compartment, while it lies in one.")
    def compartment(self) -> Compartment | None:
        """The door."""
        door = self.placed.compartment
        return None if door is None else as_compartment(door)

    @strawberry.field(description="Hub, address and door in words, for reading out.")
    async def words(self, info: Info[Context, None]) -> str:
        """For people who look for the door."""
        hub, door = await self._hub(info), self.placed.compartment
        place = None if door is None else DoorPlace(door.label, door.side, door.row, door.column)
        return place_in_words(hub.name, hub.street, hub.city, place)

    async def _hub(self, info: Info[Context, None]) -> hub_tables.Hub:
        hub_id = self.placed.parcel.hub_id
        row = await hub_by_id(context_of(info)).load(hub_id)
        if row is None:
            message = f"parcel {self.placed.parcel.id} is at hub {hub_id}, which does not exist"
            raise BrokenPromise(message)
        return row


@strawberry.type(description="One line of a parcel's history.")
class ParcelEvent:
    """Never changed, never deleted."""

    number: int = strawberry.field(description="Counts from 1 without a hole.")
    at: datetime = strawberry.field(description="When it happened: the locker's time for a fact.")
    recorded_at: datetime = strawberry.field(description="When the server heard of it.")
    state_before: ParcelState | None = strawberry.field(description="Null for the first line.")
    state: ParcelState = strawberry.field(description="The state after it.")
    row: str = strawberry.field(description="The rule that allowed it.")
    authority: Authority = strawberry.field(description="An intent, or a locker's fact.")
    party: Party = strawberry.field(description="Who caused it.")
    reason: str | None = strawberry.field(description="Why, where a reason was given.")
    journal_seq: str | None = strawberry.field(
        description="Number of the locker's journal entry behind a fact."
    )
    source_system: str | None = strawberry.field(description="Whose words a report used.")
    source_code: str | None = strawberry.field(description="The reported code, as it came.")
    source_text: str | None = strawberry.field(description="The reported text, as it came.")
    mapped: ParcelState | None = strawberry.field(
        description="What we read the code as; null if we could not."
    )
    through_before: datetime | None = strawberry.field(
        description="Until when it waited before, on a line that changed that; null: it did not."
    )
    through_after: datetime | None = strawberry.field(
        description="Until when it waited then, on a line that changed that; null: not any more."
    )


@strawberry.type(description="A parcel.")
class Parcel(Node):
    """Shown to its recipient, its carrier, the staff of its hub, and the network's people."""

    placed: strawberry.Private[PlacedParcel]
    code: str = strawberry.field(description="What people read to each other.")
    tracking_no: str = strawberry.field(description="The carrier's number.")
    created_at: datetime = strawberry.field(description="When it was announced.")
    version: int = strawberry.field(description="Grows with each line of its history.")
    state: ParcelState = strawberry.field(description="Where it stands.")
    recipient_name: str | None = strawberry.field(
        description="Staff see first name and initial; null once erased."
    )
    recipient_contact: str | None = strawberry.field(
        description="Address the carrier gave; null for all who may not read contacts."
    )
    width_mm: int = strawberry.field(description="Width.")
    height_mm: int = strawberry.field(description="Height.")
    depth_mm: int = strawberry.field(description="Depth.")
    weight_g: int | None = strawberry.field(description="Weight, if it was told.")
    climate_zone: ClimateZone = strawberry.field(description="The temperature it needs.")
    perishable: bool = strawberry.field(description="Whether it spoils.")
    age_restricted: bool = strawberry.field(description="Whether the recipient must be of age.")
    fragile: bool = strawberry.field(description="Whether it must stay upright.")
    cod_amount: int | None = strawberry.field(
        description="What is to be paid on receipt, in the smallest unit; null for nothing."
    )
    cod_currency: str | None = strawberry.field(description="The currency of that.")
    dropoff_through: datetime | None = strawberry.field(
        description="Until when its sender may bring it; null where its carrier had it before us."
    )
    returns: strawberry.ID | None = strawberry.field(
        description="Global id of the collected parcel that is sent back in it."
    )
    available_from: datetime | None = strawberry.field(description="From when to collect it.")
    available_through: datetime | None = strawberry.field(description="Until when.")
    deadline_version: int = strawberry.field(description="Grows when that time changes.")
    safe_until: datetime | None = strawberry.field(
        description="Until when what is cooled is good, by what its locker told: another clock "
        "than the right to collect, and never paused. Null while nothing speaks against it."
    )
    pause_cause: PauseCause | None = strawberry.field(
        description="Why the time to collect does not run; null while it does."
    )
    hold_ended: HoldEnded | None = strawberry.field(description="Why it cannot be collected.")
    collected_at: datetime | None = strawberry.field(description="When it was collected.")
    assurance: Assurance | None = strawberry.field(description="How sure that is.")
    location: ParcelLocation = strawberry.field(description="Where it is.")

    @strawberry.field(description="What happened to it, oldest first.")
    async def history(
        self,
        info: Info[Context, None],
        first: First = None,
        after: After = None,
    ) -> Connection[ParcelEvent]:
        """Every line, for everybody who sees the parcel."""
        page = get_page(first, after)
        wanted = HistoryPage(self.placed.parcel.id, page)
        rows = await events_by_parcel(context_of(info)).load(wanted)
        return connect(page, rows, key=lambda row: row.id, node=_as_event)

    @strawberry.field(description="What has stopped the time to collect it, the earliest first.")
    async def pauses(self, info: Info[Context, None]) -> list[Pause]:
        """For everybody who sees the parcel."""
        found = await pauses_by_parcel(context_of(info)).load_stops(self.placed.parcel)
        return [as_pause(one) for one in found]

    @strawberry.field(description="What more time was given to collect it, the earliest first.")
    async def extensions(self, info: Info[Context, None]) -> list[Extension]:
        """For everybody who sees the parcel."""
        rows = await extensions_by_parcel(context_of(info)).load(self.placed.parcel.id)
        return [as_extension(row) for row in rows]

    @strawberry.field(description="What was said of its collection, the earliest first.")
    async def disputes(self, info: Info[Context, None]) -> list[Dispute]:
        """For everybody who sees the parcel."""
        rows = await disputes_by_parcel(context_of(info)).load(self.placed.parcel.id)
        return [as_dispute(row) for row in rows]

    @strawberry.field(
        description="What is wrong with it or its door now, oldest first, and what can be done."
    )
    async def troubles(self, info: Info[Context, None]) -> list[Trouble]:
        """One of a kind, at the parcel or at its door."""
        found = await troubles_by_parcel(context_of(info)).load(Doorstep.of(self.placed))
        return [as_trouble(one, self.placed) for one in found]

    @strawberry.field(
        description="What is kept for it; null for those who may not reserve, and if nothing is."
    )
    async def reservation(self, info: Info[Context, None]) -> Reservation | None:
        """For those who bring it."""
        context, parcel = context_of(info), self.placed.parcel
        permission = Permission.RESERVATION_CREATE
        if not (
            context.actor.can(permission, carrier=parcel.carrier_id)
            or context.actor.can(permission, hub=parcel.hub_id)
        ):
            return None
        held = await reservation_by_parcel(context).load(parcel.id)
        return None if held is None else as_reservation(held)


def as_parcel(context: Context, placed: PlacedParcel) -> Parcel:
    """The parcel as GraphQL tells it to this actor, who may see it."""
    row = placed.parcel
    recipient = reading.recipient_view(context.actor, row)
    return Parcel(
        id=global_id("Parcel", row.id),
        placed=placed,
        code=row.code,
        tracking_no=row.tracking_no,
        created_at=row.created_at,
        version=row.version,
        state=row.state,
        recipient_name=recipient.name,
        recipient_contact=recipient.contact,
        width_mm=row.width_mm,
        height_mm=row.height_mm,
        depth_mm=row.depth_mm,
        weight_g=row.weight_g,
        climate_zone=row.climate_zone,
        perishable=row.is_perishable,
        age_restricted=row.is_age_restricted,
        fragile=row.is_fragile,
        cod_amount=row.cod_amount,
        cod_currency=row.cod_currency,
        dropoff_through=row.dropoff_through,
        returns=None if row.returns_id is None else global_id("Parcel", row.returns_id),
        available_from=row.available_from,
        available_through=row.available_through,
        deadline_version=row.deadline_version,
        safe_until=row.safe_until,
        pause_cause=row.pause_cause,
        hold_ended=row.hold_ended,
        collected_at=row.collected_at,
        assurance=row.assurance,
        location=ParcelLocation(placed=placed, kind=row.location_kind),
    )


def _as_event(row: tables.ParcelEvent) -> ParcelEvent:
    return ParcelEvent(
        number=row.number,
        at=row.at,
        recorded_at=row.recorded_at,
        state_before=row.source,
        state=row.target,
        row=row.row,
        authority=row.authority,
        party=row.party,
        reason=row.reason,
        journal_seq=None if row.seq is None else str(row.seq),
        source_system=row.source_system,
        source_code=row.source_code,
        source_text=row.source_text,
        mapped=row.mapped,
        through_before=row.through_before,
        through_after=row.through_after,
    )


async def _load_parcel(context: Context, key: Any) -> Any:
    async with context.database.read() as session:
        placed = await reading.find_parcel(session, context.actor, key)
    return None if placed is None else as_parcel(context, placed)


NODE_TYPES: tuple[type, ...] = (Parcel,)
NODES: Mapping[str, NodeLoader] = {"Parcel": _load_parcel}
