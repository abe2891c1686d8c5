"""Rights that a phone passed on: told to the server, listed, taken back."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from server.access.graph.bundles import check_rate
from server.access.graph.types import SignedStatement, as_statement
from server.access.rules import GrantState
from server.access.service import delegations
from server.kit.auth import not_found
from server.kit.clock import instant_of
from server.kit.errors import Refusal
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    Node,
    NodeLoader,
    Problem,
    as_problem,
    connect,
    context_of,
    get_page,
    global_id,
    read_id,
)
from server.kit.rates import Rate

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    from server.access.service.delegations import Delegated

REGISTRATIONS = Rate("delegations registered", 60, 3_600)
"""More than anybody shares; a phone may repeat what got no answer."""


@strawberry.type(
    description="A right to open that the holder of a grant passed on, phone to phone. It works "
    "without the server, which knows of it because it was registered or because it was used."
)
class Delegation(Node):
    """Seen by whoever may withdraw its grant."""

    grant_id: strawberry.ID = strawberry.field(description="Global id of the grant it came from.")
    state: GrantState = strawberry.field(description="How it stands; never better than the grant.")
    holder_key: Base64 = strawberry.field(
        description="Ed25519 key of the phone that it was made for."
    )
    expires_at: datetime = strawberry.field(description="When it ends by itself.")
    is_registered: bool = strawberry.field(
        description="Whether its giver told the server; else a locker's journal did."
    )
    first_used_at: datetime | None = strawberry.field(
        description="When a locker first let somebody in by it, by the locker's clock."
    )


@strawberry.type(description="The server knows of the delegation.")
class RegisterDelegationPayload:
    """Nothing about the delegation itself has changed."""

    delegation: Delegation = strawberry.field(description="As the server sees it.")


@strawberry.type(description="The delegation is over.")
class RevokeDelegationPayload:
    """At the locker it ends as soon as anybody carries the list there."""

    delegation: Delegation = strawberry.field(description="As it is now.")
    statement: SignedStatement | None = strawberry.field(
        description="The locker's newest list of revocations; null if it needs none."
    )


RegisterDelegationResult = Annotated[
    RegisterDelegationPayload | Problem,
    strawberry.union("RegisterDelegationResult", description="Outcome of `registerDelegation`."),
]
RevokeDelegationResult = Annotated[
    RevokeDelegationPayload | Problem,
    strawberry.union("RevokeDelegationResult", description="Outcome of `revokeDelegation`."),
]


@strawberry.type
class SharingQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="What was passed on of a parcel, newest first: one's own, or for an operator "
        "everybody's. One that was neither registered nor used is known to phones alone."
    )
    async def delegations(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
        first: First = None,
        after: After = None,
    ) -> Connection[Delegation]:
        """Empty for all others."""
        page, context = get_page(first, after), context_of(info)
        key = read_id("Parcel", parcel_id)
        rows: list[Delegated] = []
        if key is not None:
            async with context.database.read() as session:
                rows = await delegations.list_delegations(
                    session, context.actor, parcel_id=key, page=page, now=context.clock.now()
                )
        return connect(page, rows, key=lambda one: one.row.id, node=as_delegation)


@strawberry.type
class SharingMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Tells the server of a delegation that the caller's phone made, so that it is "
        "listed and can be revoked before it was used. It works without."
    )
    async def register_delegation(
        self,
        info: Info[Context, None],
        chain: Annotated[
            list[Base64],
            strawberry.argument(
                description="The token, then one or two delegations, as a locker is shown them."
            ),
        ],
    ) -> RegisterDelegationResult:
        """Repeating changes nothing."""
        context = context_of(info)
        refusal = await check_rate(context, REGISTRATIONS)
        if refusal is not None:
            return as_problem(refusal)
        async with context.database.write() as session:
            outcome = await delegations.register_delegation(
                session, context.actor, parts=chain, ids=context.ids, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return RegisterDelegationPayload(delegation=as_delegation(outcome))

    @strawberry.mutation(
        description="Withdraws one delegation and what was made from it; the giver's own token and "
        "other delegations go on. `revokeGrant` withdraws them all."
    )
    async def revoke_delegation(
        self,
        info: Info[Context, None],
        delegation_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the delegation.")
        ],
    ) -> RevokeDelegationResult:
        """Repeating gives the newest list again."""
        context = context_of(info)
        key = read_id("Delegation", delegation_id)
        if key is None:
            return as_problem(not_found(context.actor, "delegationId"))
        async with context.database.write() as session:
            outcome = await delegations.revoke_delegation(
                session,
                context.actor,
                delegation_id=key,
                keyring=context.keyring,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        statement = None if outcome.statement is None else as_statement(outcome.statement)
        return RevokeDelegationPayload(
            delegation=as_delegation(outcome.delegation), statement=statement
        )


def as_delegation(known: Delegated) -> Delegation:
    """The delegation as GraphQL tells it."""
    row = known.row
    return Delegation(
        id=global_id("Delegation", row.id),
        grant_id=global_id("Grant", row.grant_id),
        state=known.state,
        holder_key=Base64(row.holder),
        expires_at=instant_of(row.exp),
        is_registered=row.registered_at is not None,
        first_used_at=row.first_used_at,
    )


async def _load_delegation(context: Context, key: uuid.UUID) -> Any:
    async with context.database.read() as session:
        found = await delegations.find_delegation(
            session, context.actor, key, now=context.clock.now()
        )
    return None if found is None else as_delegation(found)


NODE_TYPES: tuple[type, ...] = (Delegation,)
NODES: Mapping[str, NodeLoader] = {"Delegation": _load_delegation}
