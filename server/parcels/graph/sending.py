"""Mutations of people who send, and of couriers whose parcel does not fit."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, SizeMm
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.kit.rates import Rate
from server.lockers.graph.types import as_reservation
from server.parcels.drafts import ParcelDraft
from server.parcels.graph.writing import ParcelPayload, ReserveCompartmentPayload, answer
from server.parcels.service import reserving, sending
from server.parcels.service.creating import Sources

SENDINGS = Rate("parcels sent", 20, 86_400)
"""By person: nobody carries more in a day, and each may write to somebody's address."""


@strawberry.input(description="A parcel that somebody wants to send.")
class SendingInput:
    """What the sender knows of it."""

    key: str = strawberry.field(
        description="Up to 64 characters of the sender's own: the same again is the same parcel."
    )
    carrier: strawberry.ID = strawberry.field(description="Global id of the carrier.")
    hub: strawberry.ID = strawberry.field(description="Global id of the hub it goes to.")
    recipient: str = strawberry.field(description="E-mail address, or phone number with `+`.")
    recipient_name: str = strawberry.field(description="First and last name.")
    width_mm: int = strawberry.field(description="Width, 1 to 5000.")
    height_mm: int = strawberry.field(description="Height, 1 to 5000.")
    depth_mm: int = strawberry.field(description="Depth, 1 to 5000.")
    weight_g: int | None = strawberry.field(description="Weight, if known.", default=None)
    fragile: bool = strawberry.field(description="Whether it must stay upright.", default=False)


SendParcelResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("SendParcelResult", description="Outcome of `sendParcel`."),
]
ReturnParcelResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("ReturnParcelResult", description="Outcome of `returnParcel`."),
]
CancelParcelResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("CancelParcelResult", description="Outcome of `cancelParcel`."),
]
SwapCompartmentResult = Annotated[
    ReserveCompartmentPayload | Problem,
    strawberry.union("SwapCompartmentResult", description="Outcome of `swapCompartment`."),
]


@strawberry.type
class SendingMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Offers a parcel that the caller brings to any locker within five days; then "
        "`dropoffBundle` opens one. A parcel for the hub of that locker needs no courier."
    )
    async def send_parcel(
        self,
        info: Info[Context, None],
        parcel: Annotated[SendingInput, strawberry.argument(description="What is to be sent.")],
    ) -> SendParcelResult:
        """Idempotent by `key`; the same key with other content is CHANGED_MEANWHILE."""
        context = context_of(info)
        carrier_id = read_id("Carrier", parcel.carrier)
        draft = _draft(context, parcel)
        if isinstance(draft, Refusal) or carrier_id is None:
            missing = not_found(context.actor, "carrier")
            return as_problem(draft if isinstance(draft, Refusal) else missing)
        refusal = await _check_rate(context)
        if refusal is not None:
            return as_problem(refusal)
        async with context.database.write() as session:
            outcome = await sending.send_parcel(
                session,
                context.actor,
                draft=draft,
                carrier_id=carrier_id,
                sources=Sources(context.ids, context.randomness),
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="Offers to send a collected parcel back with its carrier: a new parcel, which "
        "the caller brings to any locker within five days. Asking again gives the same."
    )
    async def return_parcel(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the collected parcel.")
        ],
    ) -> ReturnParcelResult:
        """WRONG_STATE for what was not collected, or longer than thirty days ago."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await sending.return_parcel(
                session,
                context.actor,
                parcel_id=parcel_id,
                sources=Sources(context.ids, context.randomness),
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="Calls off a parcel that nobody has in hand yet, for its sender, its carrier "
        "and operators. A locker that takes it in all the same is believed."
    )
    async def cancel_parcel(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> CancelParcelResult:
        """Repeating changes nothing."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await sending.cancel_parcel(
                session,
                context.actor,
                parcel_id=parcel_id,
                ids=context.ids,
                now=context.clock.now(),
            )
        return await answer(context, outcome)

    @strawberry.mutation(
        description="Keeps a larger compartment of the same locker for a parcel that does not go "
        "into the one kept for it, which is free again. Fetch the courier's bundle anew after it."
    )
    async def swap_compartment(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> SwapCompartmentResult:
        """Refused while the door of the former one stands open."""
        context = context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            outcome = await reserving.swap_compartment(
                session,
                context.actor,
                parcel_id=parcel_id,
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return ReserveCompartmentPayload(reservation=as_reservation(outcome))


async def _check_rate(context: Context) -> Refusal | None:
    person_id = context.actor.person_id
    if person_id is None:
        return None
    wait_s = await context.rates.hit(SENDINGS, str(person_id))
    return None if wait_s is None else Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s)


def _draft(context: Context, parcel: SendingInput) -> ParcelDraft | Refusal:
    hub_id = read_id("Hub", parcel.hub)
    if hub_id is None:
        return not_found(context.actor, "hub")
    try:
        size = SizeMm(parcel.width_mm, parcel.height_mm, parcel.depth_mm)
    except ValueError as error:
        return Refusal(ProblemCode.INPUT_INVALID, f"{error}.", "parcel")
    return ParcelDraft(
        tracking_no=parcel.key,
        hub_id=hub_id,
        recipient=parcel.recipient,
        recipient_name=parcel.recipient_name,
        size=size,
        weight_g=parcel.weight_g,
        climate_zone=ClimateZone.AMBIENT,
        is_fragile=parcel.fragile,
    )
