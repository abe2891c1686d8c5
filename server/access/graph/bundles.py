"""Mutations by which a phone gets what it takes along to a locker."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.codes import ProblemCode
from server.access.graph.types import (
    Grant,
    SignedStatement,
    UnlockToken,
    as_grant,
    as_statement,
    as_token,
    words_for,
)
from server.access.service import bundles, deposits
from server.access.service.bundles import Tools
from server.hubs.graph.types import Hub, as_hub
from server.kit.auth import deny, not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, global_id, read_id
from server.kit.rates import Rate
from server.lockers.graph.types import Compartment, Locker, as_compartment, as_locker

UNLOCK_BUNDLES = Rate("unlock bundles", 120, 3_600)
COURIER_BUNDLES = Rate("courier bundles", 240, 3_600)
"""A phone refreshes each bundle a few times a day; a courier asks once at each stop."""


@strawberry.type(description="All that opening one door needs, while phone and locker are offline.")
class UnlockBundle:
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
    compartment: Compartment = strawberry.field(description="Which door.")
    words: str = strawberry.field(description="Hub, address and door in words, to read or to hear.")
    statements: list[SignedStatement] = strawberry.field(
        description="The newest for this locker, in the order to hand them over. At most four go "
        "with one request; those that the locker has already may be left out."
    )


@strawberry.type(description="A token to put a parcel to another one of the same recipient.")
class DepositAddition:
    """Good while that one lies where the token allows, and only under an occupancy sensor."""

    beside: strawberry.ID = strawberry.field(description="Global id of the other parcel.")
    grant: Grant = strawberry.field(description="The right behind the token.")
    token: UnlockToken = strawberry.field(description="Bound to the key of the asking device.")
    stay: Base64 = strawberry.field(description="The 8 bytes of the stay that it joins.")
    compartments: list[int] = strawberry.field(
        description="Numbers of the compartments that both fit into."
    )


@strawberry.type(description="A token to put one parcel into one compartment.")
class Deposit:
    """The stay in the token is fresh: the locker stores it when the door closes on the parcel."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    grant: Grant = strawberry.field(description="The right behind the token.")
    token: UnlockToken = strawberry.field(description="Bound to the key of the asking device.")
    stay: Base64 = strawberry.field(description="The 8 bytes of the stay.")
    compartment: Compartment = strawberry.field(description="The one that is kept for it.")
    words: str = strawberry.field(description="Hub, address and door in words, to read or to hear.")
    compartments: list[int] = strawberry.field(
        description="Numbers that the token allows; the kept one first."
    )
    spare: UnlockToken | None = strawberry.field(
        description="On a route: for a second deposit, after the first was undone at the door."
    )
    additions: list[DepositAddition] = strawberry.field(
        description="Instead of a compartment of its own, if the door shows that there is room."
    )


@strawberry.type(description="One locker, what to bring it, and what to put into it.")
class CourierStop:
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
    deposits: list[Deposit] = strawberry.field(description="One for each parcel.")


@strawberry.type(description="Deposit tokens, locker by locker.")
class CourierBundle:
    """To be kept on the phone that asked; of no use on another."""

    stops: list[CourierStop] = strawberry.field(description="The lockers, in the order asked.")


UnlockBundleResult = Annotated[
    UnlockBundle | Problem,
    strawberry.union("UnlockBundleResult", description="Outcome of `unlockBundle`."),
]
CourierBundleResult = Annotated[
    CourierBundle | Problem,
    strawberry.union("CourierBundleResult", description="Outcome of `courierBundle`."),
]


@strawberry.type
class BundleMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="What the calling device needs to collect a parcel offline. Ask as soon as the "
        "parcel is ready, and again now and then: the answer stays the same while half of the "
        "token's life is left."
    )
    async def unlock_bundle(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> UnlockBundleResult:
        """Somebody else's parcel looks like none."""
        context = context_of(info)
        key = read_id("Parcel", parcel_id)
        refusal = await check_rate(context, UNLOCK_BUNDLES)
        if refusal is not None or key is None:
            return as_problem(refusal or not_found(context.actor, "parcelId"))
        async with context.database.write() as session:
            outcome = await bundles.make_unlock_bundle(
                session, context.actor, parcel_id=key, tools=tools_of(context)
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        place = outcome.place
        return UnlockBundle(
            parcel_id=global_id("Parcel", outcome.parcel.id),
            grant=as_grant(outcome.grant),
            token=as_token(outcome.token),
            hub=as_hub(place.hub),
            locker=as_locker(place.locker),
            noise_public=Base64(place.locker.noise_public),
            sign_public=Base64(place.locker.sign_public),
            compartment=as_compartment(place.compartment),
            words=words_for(place),
            statements=[as_statement(one) for one in outcome.statements],
        )

    @strawberry.mutation(
        description="Deposit tokens for parcels, for the calling device: for ten minutes and the "
        "compartment that is kept for each, or with `isRoute` for twelve hours and whatever fits, "
        "also where nothing is kept. The first parcel that cannot be had refuses them all."
    )
    async def courier_bundle(
        self,
        info: Info[Context, None],
        parcel_ids: Annotated[
            list[strawberry.ID],
            strawberry.argument(description="Global ids of the parcels, at most 50."),
        ],
        is_route: Annotated[
            bool, strawberry.argument(description="Whether it is for a whole tour.")
        ] = False,
    ) -> CourierBundleResult:
        """Asking again mints no second stay."""
        context = context_of(info)
        keys = [read_id("Parcel", one) for one in parcel_ids]
        refusal = await check_rate(context, COURIER_BUNDLES)
        if refusal is not None or None in keys:
            return as_problem(refusal or not_found(context.actor, "parcelIds"))
        async with context.database.write() as session:
            outcome = await deposits.make_courier_bundle(
                session,
                context.actor,
                parcel_ids=[key for key in keys if key is not None],
                is_route=is_route,
                tools=tools_of(context),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CourierBundle(stops=[_as_stop(stop) for stop in outcome])


async def check_rate(context: Context, rate: Rate) -> Refusal | None:
    """Whether the calling device does this too often; a caller without a device is turned away."""
    if context.actor.device_id is None:
        return deny(context.actor)
    wait_s = await context.rates.hit(rate, str(context.actor.device_id))
    return None if wait_s is None else Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s)


def tools_of(context: Context) -> Tools:
    """What making tokens needs, at this moment."""
    return Tools(context.keyring, context.ids, context.randomness, context.clock.now())


def _as_stop(stop: deposits.Stop) -> CourierStop:
    return CourierStop(
        hub=as_hub(stop.place.hub),
        locker=as_locker(stop.place.locker),
        noise_public=Base64(stop.place.locker.noise_public),
        sign_public=Base64(stop.place.locker.sign_public),
        statements=[as_statement(one) for one in stop.statements],
        deposits=[
            Deposit(
                parcel_id=global_id("Parcel", one.parcel.id),
                grant=as_grant(one.grant),
                token=as_token(one.token),
                stay=Base64(one.stay.name),
                compartment=as_compartment(one.place.compartment),
                words=words_for(one.place),
                compartments=list(one.comps),
                spare=None if one.spare is None else as_token(one.spare.token),
                additions=[
                    DepositAddition(
                        beside=global_id("Parcel", more.beside.id),
                        grant=as_grant(more.grant),
                        token=as_token(more.token),
                        stay=Base64(more.stay.name),
                        compartments=list(more.comps),
                    )
                    for more in one.additions
                ],
            )
            for one in stop.deposits
        ],
    )
