"""Mutations on carriers and their API keys."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
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
from server.people.graph.types import Carrier, as_carrier
from server.people.roles import CarrierRight
from server.people.rules import MAX_NAME_CHARACTERS, read_name
from server.people.service import api_keys

described(
    CarrierRight,
    description="What an API key may be allowed, all within its carrier.",
    members={
        CarrierRight.PARCEL_TRACK: "See parcels and their history.",
        CarrierRight.PARCEL_ANNOUNCE: "Announce parcels.",
        CarrierRight.PARCEL_CANCEL: "Cancel parcels that nobody has yet.",
        CarrierRight.GRANT_REVOKE: "Withdraw grants that the carrier gave.",
        CarrierRight.RECEIPT_READ: "Read receipts.",
        CarrierRight.LOG_VERIFY: "Read what is needed to verify the log.",
        CarrierRight.RESERVATION_CREATE: "Reserve compartments.",
        CarrierRight.RESERVATION_CANCEL: "Cancel reservations.",
        CarrierRight.ROUTE_MANAGE: "Give couriers their jobs.",
        CarrierRight.CARRIER_INVITE_MEMBER: "Invite couriers and administrators; make keys.",
        CarrierRight.INCIDENT_REPORT: "Report incidents.",
    },
)


@strawberry.type(description="The carrier exists.")
class CreateCarrierPayload:
    """Whether it was made now or before."""

    carrier: Carrier = strawberry.field(description="The carrier.")


@strawberry.type(description="A new API key. Its secret is shown this once.")
class CreateApiKeyPayload:
    """Whoever loses the secret makes another key."""

    key_id: strawberry.ID = strawberry.field(description="Global id, for `revokeApiKey`.")
    secret: str = strawberry.field(description="Send it as `Authorization: Bearer <secret>`.")


@strawberry.type(description="The API key is of no use any more.")
class RevokeApiKeyPayload:
    """Whether it was ended now or before."""

    key_id: strawberry.ID = strawberry.field(description="Global id of the key.")


CreateCarrierResult = Annotated[
    CreateCarrierPayload | Problem,
    strawberry.union("CreateCarrierResult", description="Outcome of `createCarrier`."),
]
CreateApiKeyResult = Annotated[
    CreateApiKeyPayload | Problem,
    strawberry.union("CreateApiKeyResult", description="Outcome of `createApiKey`."),
]
RevokeApiKeyResult = Annotated[
    RevokeApiKeyPayload | Problem,
    strawberry.union("RevokeApiKeyResult", description="Outcome of `revokeApiKey`."),
]


@strawberry.type
class CarrierMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="A carrier of this name, for operators. One that exists is returned as it is."
    )
    async def create_carrier(
        self,
        info: Info[Context, None],
        name: Annotated[str, strawberry.argument(description="Up to 80 characters, one line.")],
    ) -> CreateCarrierResult:
        """Idempotent by the name."""
        context = context_of(info)
        proper = read_name(name)
        if proper is None:
            return as_problem(_bad_name())
        async with context.database.write() as session:
            outcome = await api_keys.create_carrier(
                session, context.actor, name=proper, ids=context.ids, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CreateCarrierPayload(carrier=as_carrier(outcome))

    @strawberry.mutation(
        description="A new API key for a carrier's system. Each call makes another one."
    )
    async def create_api_key(
        self,
        info: Info[Context, None],
        carrier_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the carrier.")
        ],
        name: Annotated[str, strawberry.argument(description="What the key is for.")],
        permissions: Annotated[
            list[CarrierRight], strawberry.argument(description="What it allows; at least one.")
        ],
    ) -> CreateApiKeyResult:
        """For operators, and for administrators of the carrier."""
        context = context_of(info)
        key = read_id("Carrier", carrier_id)
        proper = read_name(name)
        if key is None:
            return as_problem(not_found(context.actor))
        if proper is None:
            return as_problem(_bad_name())
        wanted = api_keys.KeyWish(key, proper, frozenset(permissions))
        async with context.database.write() as session:
            outcome = await api_keys.create_api_key(
                session,
                context.actor,
                wish=wanted,
                ids=context.ids,
                randomness=context.randomness,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CreateApiKeyPayload(
            key_id=global_id("ApiKey", outcome.key.id), secret=outcome.secret
        )

    @strawberry.mutation(description="Ends an API key at once. Repeating changes nothing.")
    async def revoke_api_key(
        self,
        info: Info[Context, None],
        key_id: Annotated[strawberry.ID, strawberry.argument(description="Global id of the key.")],
    ) -> RevokeApiKeyResult:
        """For operators, and for administrators of the key's carrier."""
        context = context_of(info)
        key = read_id("ApiKey", key_id)
        if key is None:
            return as_problem(not_found(context.actor))
        async with context.database.write() as session:
            outcome = await api_keys.revoke_api_key(
                session, context.actor, key_id=key, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return RevokeApiKeyPayload(key_id=global_id("ApiKey", outcome.id))


def _bad_name() -> Refusal:
    reason = f"A name has 1 to {MAX_NAME_CHARACTERS} characters on one line."
    return Refusal(ProblemCode.INPUT_INVALID, reason, field="name")
