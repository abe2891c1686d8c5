"""Mutations on parcels: announce, reserve, report, object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, ReachBand, SizeMm
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.lockers.graph.types import Reservation, as_reservation
from server.parcels.deadlines import EXTENSION_HOURS
from server.parcels.drafts import ParcelDraft
from server.parcels.graph.types import Parcel, as_parcel
from server.parcels.service import announcing, extending, reading, reserving, scanning, waiting
from server.parcels.service.creating import Sources
from server.parcels.service.moving import Report
from server.parcels.service.waiting import Objection
from server.people.graph.preferences import ReachInput

if TYPE_CHECKING:
    from server.parcels import tables


@strawberry.input(description="A parcel that is to come.")
class ParcelInput:
    """What the carrier knows of it."""

    tracking_no: str = strawberry.field(description="Up to 64 letters, digits, dots or dashes.")
    hub: strawberry.ID = strawberry.field(description="Global id of the hub it goes to.")
    recipient: str = strawberry.field(description="E-mail address, or phone number with `+`.")
    recipient_name: str = strawberry.field(description="First and last name.")
    width_mm: int = strawberry.field(description="Width, 1 to 5000.")
    height_mm: int = strawberry.field(description="Height, 1 to 5000.")
    depth_mm: int = strawberry.field(description="Depth, 1 to 5000.")
    weight_g: int | None = strawberry.field(description="Weight, if known.", default=None)
    climate_zone: ClimateZone = strawberry.field(
        description="The temperature it needs.", default=ClimateZone.AMBIENT
    )
    perishable: bool = strawberry.field(description="Whether it spoils.", default=False)
    age_restricted: bool = strawberry.field(
        description="Whether the recipient must be of age.", default=False
    )
    fragile: bool = strawberry.field(description="Whether it must stay upright.", default=False)
    cod_amount: int | None = strawberry.field(
        description="What is to be paid on receipt, in the smallest unit of the currency.",
        default=None,
    )
    cod_currency: str | None = strawberry.field(
        description="Three capital letters (ISO 4217), with an amount.", default=None
    )


@strawberry.type(description="The parcel as it is now.")
class ParcelPayload:
    """What every mutation on a parcel answers."""

    parcel: Parcel = strawberry.field(description="The parcel.")


@strawberry.type(description="A compartment is kept for the parcel.")
class ReserveCompartmentPayload:
    """Until it expires, is cancelled, or the parcel is deposited."""

    reservation: Reservation = strawberry.field(description="Which one, and until when.")


AnnounceParcelResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("AnnounceParcelResult", description="Outcome of `announceParcel`."),
]
ReserveCompartmentResult = Annotated[
    ReserveCompartmentPayload | Problem,
    strawberry.union("ReserveCompartmentResult", description="Outcome of `reserveCompartment`."),
]
ExtendPickupResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("ExtendPickupResult", description="Outcome of `extendPickup`."),
]
CancelReservationResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("CancelReservationResult", description="Outcome of `cancelReservation`."),
]
ReportScanResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("ReportScanResult", description="Outcome of `reportScan`."),
]
ObjectToCollectionResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("ObjectToCollectionResult", description="Outcome of `objectToCollection`."),
]


@strawberry.type
class ParcelMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Announces a parcel, for carriers. Idempotent by the tracking number; the same "
        "number with other content is refused with CHANGED_MEANWHILE."
    )
    async def announce_parcel(
        self,
        info: Info[Context, None],
        parcel: Annotated[ParcelInput, strawberry.argument(description="What is to come.")],
    ) -> AnnounceParcelResult:
        """The recipient's address gets an account if it has none."""
        context = context_of(info)
        draft = _draft(context, parcel)
        if isinstance(draft, Refusal):
            return as_problem(draft)
        async with context.database.write() as session:
            outcome = await announcing.announce_parcel(
                session,
                context.actor,
                draft=draft,
                sources=Sources(context.ids, context.randomness),
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="Keeps the best fitting compartment for a parcel for 15 minutes, for those who "
        "bring it. Asking again renews it; asking for another locker moves it."
    )
    async def reserve_compartment(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        locker: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Global id of a locker; any of its hub if null."),
        ] = None,
        reach: Annotated[
            ReachInput | None, strawberry.argument(description="Only compartments within it.")
        ] = None,
    ) -> ReserveCompartmentResult:
        """NO_COMPARTMENT or NO_CLIMATE when nothing fits."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        locker_id = None if locker is None else read_id("Locker", locker)
        if parcel_id is None or (locker is not None and locker_id is None):
            return as_problem(not_found(context.actor, "parcel" if parcel_id is None else "locker"))
        band = None if reach is None else ReachBand(reach.lowest_mm, reach.highest_mm)
        async with context.database.write() as session:
            outcome = await reserving.reserve_compartment(
                session,
                context.actor,
                parcel_id=parcel_id,
                locker_id=locker_id,
                reach=band,
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return ReserveCompartmentPayload(reservation=as_reservation(outcome))

    @strawberry.mutation(
        description="Gives up what is kept for a parcel. With nothing kept, nothing changes."
    )
    async def cancel_reservation(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> CancelReservationResult:
        """For those who may reserve for it."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await reserving.cancel_reservation(
                session, context.actor, parcel_id=parcel_id, now=context.clock.now()
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="Reports a carrier's or courier's word for a parcel's state. The word is kept "
        "as it came; it moves the parcel only where such a person's word can."
    )
    async def report_scan(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        source_system: Annotated[
            str,
            strawberry.argument(
                description="`restante`, `inpost`, `aftership`, `epcis`, or other."
            ),
        ],
        source_code: Annotated[str, strawberry.argument(description="The code in that system.")],
        source_text: Annotated[
            str | None, strawberry.argument(description="What it says in words.")
        ] = None,
    ) -> ReportScanResult:
        """The same report again adds nothing."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await scanning.report_scan(
                session,
                context.actor,
                parcel_id=parcel_id,
                said=Report(source_system, source_code, source_text, None),
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="The recipient says, until the collection counts, that something is wrong with "
        "what they found. The parcel is held and somebody looks into it."
    )
    async def object_to_collection(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        objection: Annotated[Objection, strawberry.argument(description="What is wrong.")],
    ) -> ObjectToCollectionResult:
        """WRONG_STATE before the door was opened, and once it counts."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await waiting.object_to_collection(
                session,
                context.actor,
                parcel_id=parcel_id,
                objection=objection,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="More time to collect a parcel, for its recipient, also late while it is still "
        "there, and for those who look after the hub: once, and again where the hub's "
        "`extensionRule` says so, a week in all. Repeating changes nothing."
    )
    async def extend_pickup(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        deadline_version: Annotated[
            int, strawberry.argument(description="The parcel's `deadlineVersion` that was seen.")
        ],
        hours: Annotated[
            int, strawberry.argument(description="How much more, 1 to 48.")
        ] = EXTENSION_HOURS,
    ) -> ExtendPickupResult:
        """EXTENSION_REFUSED with the reason, and what can be done instead."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await extending.extend(
                session,
                context.actor,
                parcel_id=parcel_id,
                wish=extending.Wish(deadline_version, hours),
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)


def _draft(context: Context, parcel: ParcelInput) -> ParcelDraft | Refusal:
    hub_id = read_id("Hub", parcel.hub)
    if hub_id is None:
        return not_found(context.actor, "hub")
    try:
        size = SizeMm(parcel.width_mm, parcel.height_mm, parcel.depth_mm)
    except ValueError as error:
        return Refusal(ProblemCode.INPUT_INVALID, f"{error}.", "parcel")
    return ParcelDraft(
        tracking_no=parcel.tracking_no,
        hub_id=hub_id,
        recipient=parcel.recipient,
        recipient_name=parcel.recipient_name,
        size=size,
        weight_g=parcel.weight_g,
        climate_zone=parcel.climate_zone,
        is_perishable=parcel.perishable,
        is_age_restricted=parcel.age_restricted,
        is_fragile=parcel.fragile,
        cod_amount=parcel.cod_amount,
        cod_currency=parcel.cod_currency,
    )


async def answer(context: Context, outcome: tables.Parcel | Refusal) -> ParcelPayload | Problem:
    """The parcel with its place, or the refusal as clients see it."""
    if isinstance(outcome, Refusal):
        return as_problem(outcome)
    async with context.database.read() as session:
        placed = await reading.with_place(session, outcome)
    return ParcelPayload(parcel=as_parcel(context, placed))
