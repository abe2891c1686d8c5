"""Mutations about what lockers are told: the time, and what was revoked."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.ids import LockerId, parse_locker_text
from schema.statements import StatementType
from server.access.graph.bundles import check_rate
from server.access.graph.types import Grant, SignedStatement, as_grant, as_statement
from server.access.service import progress, revocations, statements
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.kit.rates import Rate

SIGNED_TIMES = Rate("signed times", 60, 600)
"""One for each visit; a phone that must try again does so with a new hello."""


@strawberry.type(description="The time, signed for one hello of the locker.")
class SignTimePayload:
    """Of no effect in any other request."""

    statement: SignedStatement = strawberry.field(description="Hand it over with the request.")


@strawberry.type(description="The grant is over.")
class RevokeGrantPayload:
    """At the locker its tokens end as soon as anybody carries the list there."""

    grant: Grant = strawberry.field(description="The grant as it is now.")
    statement: SignedStatement | None = strawberry.field(
        description="The locker's newest list of revocations; null if no token had left."
    )
    pin_until: datetime | None = strawberry.field(
        description="Until when a PIN that was given out before still opens at a locker that "
        "nobody has brought the list; also at one that was, once somebody may open the parcel "
        "again. Null if there is none."
    )


SignTimeResult = Annotated[
    SignTimePayload | Problem,
    strawberry.union("SignTimeResult", description="Outcome of `signTime`."),
]
RevokeGrantResult = Annotated[
    RevokeGrantPayload | Problem,
    strawberry.union("RevokeGrantResult", description="Outcome of `revokeGrant`."),
]


@strawberry.type(description="How far a locker is with one kind of statement.")
class StatementProgress:
    """By what its journal has told so far."""

    type: StatementType = strawberry.field(description="The kind.")
    applied: str = strawberry.field(
        description="Number of the newest that the locker wrote that it applied; 0 for none."
    )
    newest: str = strawberry.field(
        description="Number of the newest that was signed for it; 0 for none."
    )
    is_behind: bool = strawberry.field(
        description="Whether the next phone that goes there has something to bring."
    )


@strawberry.type
class StatementQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="Key set, revocations and configuration of a locker: applied, and newest. For "
        "the staff of its hub and the network's people; null for others."
    )
    async def locker_statements(
        self,
        info: Info[Context, None],
        locker_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
    ) -> list[StatementProgress] | None:
        """A locker that nobody has heard of for long may be further than this says."""
        context, key = context_of(info), read_id("Locker", locker_id)
        if key is None:
            return None
        async with context.database.read() as session:
            found = await progress.find_progress(session, context.actor, key)
        return None if found is None else [_as_progress(one) for one in found]


@strawberry.type
class StatementMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="The present time for a locker that has lost it, signed for the one hello that "
        "the nonce is derived from. For any device that is signed in and online at the door."
    )
    async def sign_time(
        self,
        info: Info[Context, None],
        locker_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
        nonce: Annotated[
            Base64,
            strawberry.argument(
                description="16 bytes of SHA-256 over `SLK1-tnonce` and the hello."
            ),
        ],
    ) -> SignTimeResult:
        """Each call signs anew."""
        context = context_of(info)
        key = read_id("Locker", locker_id) or _read_lid(locker_id)
        refusal = await check_rate(context, SIGNED_TIMES)
        if refusal is not None or key is None:
            return as_problem(refusal or not_found(context.actor, "lockerId"))
        async with context.database.read() as session:
            outcome = await statements.sign_time(
                session,
                context.actor,
                which=key,
                nonce=nonce,
                keyring=context.keyring,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return SignTimePayload(statement=as_statement(outcome))

    @strawberry.mutation(
        description="Withdraws a grant and puts its tokens on the locker's list of revocations. "
        "Whoever withdraws their own may ask for a new bundle afterwards."
    )
    async def revoke_grant(
        self,
        info: Info[Context, None],
        grant_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the grant.")
        ],
    ) -> RevokeGrantResult:
        """Repeating gives the newest list again."""
        context = context_of(info)
        key = read_id("Grant", grant_id)
        if key is None:
            return as_problem(not_found(context.actor, "grantId"))
        async with context.database.write() as session:
            outcome = await revocations.revoke_grant(
                session,
                context.actor,
                grant_id=key,
                keyring=context.keyring,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        statement = None if outcome.statement is None else as_statement(outcome.statement)
        return RevokeGrantPayload(
            grant=as_grant(outcome.grant), statement=statement, pin_until=outcome.pin_until
        )


def _as_progress(one: progress.Progress) -> StatementProgress:
    return StatementProgress(
        type=one.kind,
        applied=str(one.applied),
        newest=str(one.newest),
        is_behind=one.is_behind,
    )


def _read_lid(text: str) -> LockerId | None:
    try:
        return parse_locker_text(text)
    except ValueError:
        return None
