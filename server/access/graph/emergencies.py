"""Opening what only holders open: asked for by one person, confirmed by another."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import strawberry
from strawberry.types import Info

from server.access.service import emergencies
from server.kit.auth import not_found
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
from server.lockers.graph.closing import LockerArgument, ReasonArgument

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping, Sequence

    from server.access import tables


@strawberry.type(
    description="That a door of a parcel, or every door of a locker, is to be opened by service "
    "keys. It allows nothing before a second person has confirmed it."
)
class EmergencyOpening(Node):
    """What is said here, the locker's journal is held against."""

    compartment: int | None = strawberry.field(
        description="Number of the compartment; null for every door."
    )
    reason: str = strawberry.field(description="Why.")
    asked_at: datetime = strawberry.field(description="When the first person asked for it.")
    confirmed_at: datetime | None = strawberry.field(
        description="When the second person agreed; null before."
    )
    expires_at: datetime = strawberry.field(description="When it allows nothing any more.")
    used_at: datetime | None = strawberry.field(
        description="The locker's time when it first let somebody in by it."
    )
    journal_seq: str | None = strawberry.field(
        description="Number of the journal entry of that first use."
    )


@strawberry.type(description="The emergency opening as it is now.")
class EmergencyOpeningPayload:
    """Asked for, or confirmed."""

    emergency_opening: EmergencyOpening = strawberry.field(description="The emergency opening.")


RequestEmergencyOpeningResult = Annotated[
    EmergencyOpeningPayload | Problem,
    strawberry.union(
        "RequestEmergencyOpeningResult", description="Outcome of `requestEmergencyOpening`."
    ),
]
ConfirmEmergencyOpeningResult = Annotated[
    EmergencyOpeningPayload | Problem,
    strawberry.union(
        "ConfirmEmergencyOpeningResult", description="Outcome of `confirmEmergencyOpening`."
    ),
]


@strawberry.type
class EmergencyQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="Emergency openings of a locker, newest first, for technicians there and "
        "operators; none for all others."
    )
    async def emergency_openings(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        first: First = None,
        after: After = None,
    ) -> Connection[EmergencyOpening]:
        """Also those that nobody confirmed."""
        page, context = get_page(first, after), context_of(info)
        locker_id = read_id("Locker", locker)
        rows: Sequence[tables.EmergencyOpening] = []
        if locker_id is not None:
            async with context.database.read() as session:
                rows = await emergencies.list_openings(
                    session, context.actor, locker_id=locker_id, page=page
                )
        return connect(page, rows, key=lambda row: row.id, node=_as_opening)


@strawberry.type
class EmergencyMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Asks for the opening of a parcel's door by a service key, for technicians and "
        "operators, or of every door by two keys, for operators."
    )
    async def request_emergency_opening(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        reason: ReasonArgument,
        number: Annotated[
            int | None,
            strawberry.argument(description="Number of the compartment; null for every door."),
        ] = None,
    ) -> RequestEmergencyOpeningResult:
        """A second person has to confirm it."""
        context, locker_id = context_of(info), read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await emergencies.request_opening(
                session,
                context.actor,
                locker_id=locker_id,
                compartment=number,
                reason=reason,
                ids=context.ids,
                now=context.clock.now(),
            )
        return _answer(outcome)

    @strawberry.mutation(
        description="Agrees to what somebody else asked for: for four hours tokens for it can be "
        "registered, and used. Repeating changes nothing."
    )
    async def confirm_emergency_opening(
        self,
        info: Info[Context, None],
        key: Annotated[
            strawberry.ID,
            strawberry.argument(name="id", description="Global id of the emergency opening."),
        ],
    ) -> ConfirmEmergencyOpeningResult:
        """SECOND_PERSON_NEEDED for the one who asked."""
        context, emergency_id = context_of(info), read_id("EmergencyOpening", key)
        if emergency_id is None:
            return as_problem(not_found(context.actor, "id"))
        async with context.database.write() as session:
            outcome = await emergencies.confirm_opening(
                session,
                context.actor,
                emergency_id=emergency_id,
                ids=context.ids,
                now=context.clock.now(),
            )
        return _answer(outcome)


def _answer(outcome: tables.EmergencyOpening | Refusal) -> EmergencyOpeningPayload | Problem:
    if isinstance(outcome, Refusal):
        return as_problem(outcome)
    return EmergencyOpeningPayload(emergency_opening=_as_opening(outcome))


def _as_opening(row: tables.EmergencyOpening) -> EmergencyOpening:
    return EmergencyOpening(
        id=global_id("EmergencyOpening", row.id),
        compartment=row.compartment,
        reason=row.reason,
        asked_at=row.asked_at,
        confirmed_at=row.confirmed_at,
        expires_at=row.expires_at,
        used_at=row.used_at,
        journal_seq=None if row.used_seq is None else str(row.used_seq),
    )


async def _load_opening(context: Context, key: uuid.UUID) -> Any:
    async with context.database.read() as session:
        row = await emergencies.find_opening(session, context.actor, key)
    return None if row is None else _as_opening(row)


NODE_TYPES: tuple[type, ...] = (EmergencyOpening,)
NODES: Mapping[str, NodeLoader] = {"EmergencyOpening": _load_opening}
