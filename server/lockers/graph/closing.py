"""Compartments closed and put back, what was decided about them, and the end of incidents."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    Problem,
    as_problem,
    connect,
    context_of,
    get_page,
    read_id,
)
from server.lockers.graph.types import Compartment, Incident, as_compartment, as_incident
from server.lockers.service import closing, history, resolving

if TYPE_CHECKING:
    from server.lockers import tables

LockerArgument = Annotated[
    strawberry.ID, strawberry.argument(description="Global id of the locker.")
]
NumberArgument = Annotated[
    int, strawberry.argument(description="Number of the compartment in the locker, from 1.")
]
ReasonArgument = Annotated[
    str, strawberry.argument(description="Why, in 1 to 300 characters; it is kept.")
]


@strawberry.type(description="The compartment as it is now.")
class CompartmentPayload:
    """What every mutation on a compartment answers."""

    compartment: Compartment = strawberry.field(description="The compartment.")


@strawberry.type(description="One line of what was decided about a compartment.")
class CompartmentEvent:
    """Never changed, never deleted."""

    at: datetime = strawberry.field(description="When: the locker's time for a fact.")
    row: str = strawberry.field(description="The rule that allowed it.")
    before: str = strawberry.field(description="What it was before.")
    after: str = strawberry.field(description="What it is from then on.")
    reason: str = strawberry.field(description="Why.")
    by_person: bool = strawberry.field(description="Whether somebody decided, or stood there.")
    journal_seq: str | None = strawberry.field(
        description="Number of the locker's journal entry behind a fact."
    )


@strawberry.type(description="The incident as it is now.")
class IncidentPayload:
    """Ended now, or before."""

    incident: Incident = strawberry.field(description="The incident.")


ResolveIncidentResult = Annotated[
    IncidentPayload | Problem,
    strawberry.union("ResolveIncidentResult", description="Outcome of `resolveIncident`."),
]
QuarantineCompartmentResult = Annotated[
    CompartmentPayload | Problem,
    strawberry.union(
        "QuarantineCompartmentResult", description="Outcome of `quarantineCompartment`."
    ),
]
ReturnToServiceResult = Annotated[
    CompartmentPayload | Problem,
    strawberry.union("ReturnToServiceResult", description="Outcome of `returnToService`."),
]


@strawberry.type
class ClosingQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="What was decided about a compartment, newest first, for those who may inspect "
        "it; none for all others."
    )
    async def compartment_history(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        number: NumberArgument,
        first: First = None,
        after: After = None,
    ) -> Connection[CompartmentEvent]:
        """Empty for a compartment that does not exist."""
        page, context = get_page(first, after), context_of(info)
        locker_id = read_id("Locker", locker)
        async with context.database.read() as session:
            rows = (
                []
                if locker_id is None
                else await history.list_history(
                    session, context.actor, locker_id=locker_id, number=number, page=page
                )
            )
        return connect(page, rows, key=lambda row: row.id, node=_as_event)


@strawberry.type
class ClosingMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Closes a compartment for a check, for those who may inspect it. Nothing new "
        "comes in; what lies inside can be collected. Repeating changes nothing."
    )
    async def quarantine_compartment(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        number: NumberArgument,
        reason: ReasonArgument,
    ) -> QuarantineCompartmentResult:
        """An incident is opened with it."""
        context, locker_id = context_of(info), read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await closing.quarantine(
                session,
                context.actor,
                locker_id=locker_id,
                number=number,
                reason=reason,
                ids=context.ids,
                now=context.clock.now(),
            )
        return answer(outcome)

    @strawberry.mutation(
        description="Puts a closed compartment to use again: after a check by managers and "
        "operators, once it was inspected since; after a repair by technicians, once its door was "
        "opened and shut in service since. The locker's journal must show that."
    )
    async def return_to_service(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        number: NumberArgument,
        reason: ReasonArgument,
    ) -> ReturnToServiceResult:
        """One that is in service stays so."""
        context, locker_id = context_of(info), read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await closing.return_to_service(
                session,
                context.actor,
                locker_id=locker_id,
                number=number,
                reason=reason,
                ids=context.ids,
                now=context.clock.now(),
            )
        return answer(outcome)

    @strawberry.mutation(
        description="Ends an incident with what became of it, for those who look after its hub. "
        "Parcels and compartments are put right by mutations of their own."
    )
    async def resolve_incident(
        self,
        info: Info[Context, None],
        incident: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the incident.")
        ],
        reason: ReasonArgument,
    ) -> ResolveIncidentResult:
        """Repeating keeps the first answer."""
        context, incident_id = context_of(info), read_id("Incident", incident)
        if incident_id is None:
            return as_problem(not_found(context.actor, "incident"))
        async with context.database.write() as session:
            outcome = await resolving.resolve_incident(
                session,
                context.actor,
                incident_id=incident_id,
                reason=reason,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return IncidentPayload(incident=as_incident(outcome))


def answer(outcome: tables.Compartment | Refusal) -> CompartmentPayload | Problem:
    """The compartment, or why not."""
    if isinstance(outcome, Refusal):
        return as_problem(outcome)
    return CompartmentPayload(compartment=as_compartment(outcome))


def _as_event(row: tables.CompartmentEvent) -> CompartmentEvent:
    return CompartmentEvent(
        at=row.at,
        row=row.row,
        before=row.before,
        after=row.after,
        reason=row.reason,
        by_person=row.actor_id is not None,
        journal_seq=None if row.seq is None else str(row.seq),
    )
