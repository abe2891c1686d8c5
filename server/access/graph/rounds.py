"""Mutations by which couriers, hub staff and senders get what they take along besides deposits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from server.access.graph.bundles import COURIER_BUNDLES, UNLOCK_BUNDLES, check_rate, tools_of
from server.access.graph.types import (
    Grant,
    SignedStatement,
    UnlockToken,
    as_grant,
    as_statement,
    as_token,
    words_for,
)
from server.access.service import dropoffs, removals
from server.hubs.graph.types import Hub, as_hub
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import (
    Context,
    Problem,
    as_problem,
    context_of,
    described,
    global_id,
    read_id,
)
from server.lockers.graph.types import Compartment, Locker, as_compartment, as_locker
from server.parcels.states import Removal as RemovalPurpose

if TYPE_CHECKING:
    from server.access.service.removals import RemovalStop as Stop

described(
    RemovalPurpose,
    name="RemovalPurpose",
    description="What a parcel is taken out of its compartment for.",
    members={
        RemovalPurpose.ONWARD: "To be carried on: after a drop-off, or out of a temporary locker.",
        RemovalPurpose.TO_COUNTER: "To the counter of the same hub.",
        RemovalPurpose.RETURN: "Back to its sender.",
        RemovalPurpose.DISPOSAL: "To be thrown away.",
    },
)


@strawberry.type(description="A token to take one parcel out of its compartment.")
class Removal:
    """Whatever else lies under the same stay goes with it."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    purpose: RemovalPurpose = strawberry.field(description="What it is taken out for.")
    grant: Grant = strawberry.field(description="The right behind the token.")
    token: UnlockToken = strawberry.field(description="Bound to the key of the asking device.")
    compartment: Compartment = strawberry.field(description="Where it lies.")
    words: str = strawberry.field(description="Hub, address and door in words, to read or to hear.")


@strawberry.type(description="One locker, what to bring it, and what to take out of it.")
class RemovalStop:
    """Everything for this locker while phone and locker are offline."""

    hub: Hub = strawberry.field(description="Where to go.")
    locker: Locker = strawberry.field(description="Which locker there.")
    noise_public: Base64 = strawberry.field(
        description="The locker's X25519 key, which its radio session is bound to."
    )
    sign_public: Base64 = strawberry.field(
        description="The locker's Ed25519 key, which signs its results and its journal."
    )
    statements: list[SignedStatement] = strawberry.field(
        description="The newest for this locker, in the order to hand them over."
    )
    removals: list[Removal] = strawberry.field(description="One for each parcel.")


@strawberry.type(description="Tokens to take parcels out, locker by locker.")
class RemovalBundle:
    """To be kept on the phone that asked; of no use on another."""

    stops: list[RemovalStop] = strawberry.field(description="The lockers.")


@strawberry.type(description="All that bringing one parcel to a locker needs, while it is offline.")
class DropoffBundle:
    """To be kept on the phone that asked; of no use on another."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    grant: Grant = strawberry.field(description="The right behind the token.")
    token: UnlockToken = strawberry.field(description="Bound to the key of the asking device.")
    hub: Hub = strawberry.field(description="Where to go.")
    locker: Locker = strawberry.field(description="Which locker there.")
    noise_public: Base64 = strawberry.field(
        description="The locker's X25519 key, which its radio session is bound to."
    )
    sign_public: Base64 = strawberry.field(
        description="The locker's Ed25519 key, which signs its results and its journal."
    )
    statements: list[SignedStatement] = strawberry.field(
        description="The newest for this locker, in the order to hand them over."
    )
    stay: Base64 = strawberry.field(description="The 8 bytes of the stay.")
    compartment: Compartment = strawberry.field(description="The one that is likely free.")
    words: str = strawberry.field(description="Hub, address and door in words, to read or to hear.")
    compartments: list[int] = strawberry.field(
        description="Numbers that the token allows; the likely one first."
    )


RemovalBundleResult = Annotated[
    RemovalBundle | Problem,
    strawberry.union("RemovalBundleResult", description="Outcome of `removalBundle`."),
]
DropoffBundleResult = Annotated[
    DropoffBundle | Problem,
    strawberry.union("DropoffBundleResult", description="Outcome of `dropoffBundle`."),
]


@strawberry.type
class RoundMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Tokens to take parcels out that nobody collected, that were dropped off, or "
        "that lie in a locker which is not theirs; for the calling device, ten minutes or with "
        "`isRoute` twelve hours. The first parcel that cannot be had refuses them all."
    )
    async def removal_bundle(
        self,
        info: Info[Context, None],
        parcel_ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="Global ids of the parcels, at most 50."),
        ],
        purpose: Annotated[
            RemovalPurpose | None,
            strawberry.argument(description="What for; the usual one of each state if null."),
        ] = None,
        is_route: Annotated[
            bool, strawberry.argument(description="Whether it is for a whole tour.")
        ] = False,
    ) -> RemovalBundleResult:
        """For the courier of the parcel's carrier and the staff of its hub."""
        context = context_of(info)
        keys = [read_id("Parcel", one) for one in parcel_ids]
        refusal = await check_rate(context, COURIER_BUNDLES)
        if refusal is not None or None in keys:
            return as_problem(refusal or not_found(context.actor, "parcelIds"))
        async with context.database.write() as session:
            outcome = await removals.make_removal_bundle(
                session,
                context.actor,
                parcel_ids=[key for key in keys if key is not None],
                purpose=purpose,
                is_route=is_route,
                tools=tools_of(context),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return RemovalBundle(stops=[_as_stop(stop) for stop in outcome])

    @strawberry.mutation(
        description="What the calling device needs to bring a parcel that its owner sends to this "
        "locker, for a day: any compartment that fits will do. Asking again gives the same while "
        "half of the token's life is left."
    )
    async def dropoff_bundle(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        locker_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
    ) -> DropoffBundleResult:
        """Somebody else's parcel looks like none."""
        context = context_of(info)
        parcel_key, locker_key = read_id("Parcel", parcel_id), read_id("Locker", locker_id)
        refusal = await check_rate(context, UNLOCK_BUNDLES)
        if refusal is not None or parcel_key is None or locker_key is None:
            field = "parcelId" if parcel_key is None else "lockerId"
            return as_problem(refusal or not_found(context.actor, field))
        async with context.database.write() as session:
            outcome = await dropoffs.make_dropoff_bundle(
                session,
                context.actor,
                parcel_id=parcel_key,
                locker_id=locker_key,
                tools=tools_of(context),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        place = outcome.place
        return DropoffBundle(
            parcel_id=global_id("Parcel", outcome.parcel.id),
            grant=as_grant(outcome.grant),
            token=as_token(outcome.token),
            hub=as_hub(place.hub),
            locker=as_locker(place.locker),
            noise_public=Base64(place.locker.noise_public),
            sign_public=Base64(place.locker.sign_public),
            statements=[as_statement(one) for one in outcome.statements],
            stay=Base64(outcome.stay.name),
            compartment=as_compartment(place.compartment),
            words=words_for(place),
            compartments=list(outcome.comps),
        )


def _as_stop(stop: Stop) -> RemovalStop:
    locker = stop.place.locker
    return RemovalStop(
        hub=as_hub(stop.place.hub),
        locker=as_locker(locker),
        noise_public=Base64(locker.noise_public),
        sign_public=Base64(locker.sign_public),
        statements=[as_statement(one) for one in stop.statements],
        removals=[
            Removal(
                parcel_id=global_id("Parcel", one.parcel.id),
                purpose=one.purpose,
                grant=as_grant(one.grant),
                token=as_token(one.token),
                compartment=as_compartment(one.place.compartment),
                words=words_for(one.place),
            )
            for one in stop.removals
        ],
    )
