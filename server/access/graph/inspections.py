"""Mutations by which staff get to look into a compartment, and end the hold of a parcel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from server.access.graph.bundles import check_rate, tools_of
from server.access.graph.types import (
    Grant,
    SignedStatement,
    UnlockToken,
    as_grant,
    as_statement,
    as_token,
    words_for,
)
from server.access.service import holds, inspections
from server.access.service.holds import HoldOutcome
from server.hubs.graph.types import Hub, as_hub
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, described, read_id
from server.kit.rates import Rate
from server.lockers.graph.closing import LockerArgument, NumberArgument, ReasonArgument
from server.lockers.graph.types import Compartment, Locker, as_compartment, as_locker
from server.parcels.graph.writing import ParcelPayload, answer

if TYPE_CHECKING:
    from server.access.service.inspections import InspectionBundle as Bundle

INSPECTIONS = Rate("inspection bundles", 120, 3_600)
"""Somebody who looks into every door of a locker asks once for each."""

described(
    HoldOutcome,
    description="What becomes of a parcel that was held.",
    members={
        HoldOutcome.READY_FOR_PICKUP: "It is behind its door, and waits for its holder again.",
        HoldOutcome.AT_HUB: "It is at the counter now.",
    },
)


@strawberry.type(description="All that looking into one compartment needs, without a network.")
class InspectionBundle:
    """To be kept on the phone that asked; of no use on another."""

    grant: Grant = strawberry.field(description="The right behind the token, with its reason.")
    token: UnlockToken = strawberry.field(description="Bound to the key of the asking device.")
    hub: Hub = strawberry.field(description="Where to go.")
    locker: Locker = strawberry.field(description="Which locker there.")
    noise_public: Base64 = strawberry.field(
        description="The locker's X25519 key, which its radio session is bound to."
    )
    sign_public: Base64 = strawberry.field(
        description="The locker's Ed25519 key, which signs its results and its journal."
    )
    compartment: Compartment = strawberry.field(description="Which door.")
    words: str = strawberry.field(description="Hub, address and door in words, to read or to hear.")
    statements: list[SignedStatement] = strawberry.field(
        description="The newest for this locker, in the order to hand them over."
    )


InspectionBundleResult = Annotated[
    InspectionBundle | Problem,
    strawberry.union("InspectionBundleResult", description="Outcome of `inspectionBundle`."),
]
ResolveHoldResult = Annotated[
    ParcelPayload | Problem,
    strawberry.union("ResolveHoldResult", description="Outcome of `resolveHold`."),
]


@strawberry.type
class InspectionMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="What the calling device needs to look into a compartment that holds no "
        "parcel, for staff of the hub, technicians and operators: for a quarter of an hour, once. "
        "The reason is kept."
    )
    async def inspection_bundle(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        number: NumberArgument,
        reason: ReasonArgument,
    ) -> InspectionBundleResult:
        """WRONG_STATE where a parcel is stored: no staff key opens it."""
        context, locker_id = context_of(info), read_id("Locker", locker)
        refusal = await check_rate(context, INSPECTIONS)
        if refusal is not None or locker_id is None:
            return as_problem(refusal or not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await inspections.make_inspection_bundle(
                session,
                context.actor,
                locker_id=locker_id,
                number=number,
                reason=reason,
                tools=tools_of(context),
            )
        return as_problem(outcome) if isinstance(outcome, Refusal) else _as_bundle(outcome)

    @strawberry.mutation(
        description="Ends the hold of a parcel, for those who may decide it at its hub. Its time "
        "to collect goes on from where it stood."
    )
    async def resolve_hold(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        outcome: Annotated[HoldOutcome, strawberry.argument(description="Where it is.")],
        reason: ReasonArgument,
    ) -> ResolveHoldResult:
        """WRONG_STATE where the journal does not bear it out."""
        context, parcel_id = context_of(info), read_id("Parcel", parcel)
        if parcel_id is None:
            return as_problem(not_found(context.actor, "parcel"))
        async with context.database.write() as session:
            resolved = await holds.resolve_hold(
                session,
                context.actor,
                parcel_id=parcel_id,
                outcome=outcome,
                reason=reason,
                tools=tools_of(context),
            )
        return await answer(context, resolved)


def _as_bundle(made: Bundle) -> InspectionBundle:
    place = made.place
    return InspectionBundle(
        grant=as_grant(made.grant),
        token=as_token(made.token),
        hub=as_hub(place.hub),
        locker=as_locker(place.locker),
        noise_public=Base64(place.locker.noise_public),
        sign_public=Base64(place.locker.sign_public),
        compartment=as_compartment(place.compartment),
        words=words_for(place),
        statements=[as_statement(one) for one in made.statements],
    )
