"""What staff say of a compartment that may hold parcels: what they saw in it, that it is broken."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from server.kit.auth import not_found
from server.kit.graph import Context, Problem, as_problem, context_of, described, read_id
from server.lockers.graph.closing import (
    CompartmentPayload,
    LockerArgument,
    NumberArgument,
    ReasonArgument,
    answer,
)
from server.parcels.service import compartments
from server.parcels.service.compartments import Found

described(
    Found,
    name="InspectionFinding",
    description="What somebody saw in a compartment.",
    members={
        Found.EMPTY: "Nothing.",
        Found.OCCUPIED: "The parcel that belongs there.",
    },
)

RecordInspectionResult = Annotated[
    CompartmentPayload | Problem,
    strawberry.union("RecordInspectionResult", description="Outcome of `recordInspection`."),
]
TakeOutOfServiceResult = Annotated[
    CompartmentPayload | Problem,
    strawberry.union("TakeOutOfServiceResult", description="Outcome of `takeOutOfService`."),
]


@strawberry.type
class CompartmentMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="What somebody of staff saw in a compartment that is in doubt. The locker's "
        "journal must show that its door was opened for it since, and a sensor that spoke is not "
        "contradicted."
    )
    async def record_inspection(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        number: NumberArgument,
        found: Annotated[Found, strawberry.argument(description="What was inside.")],
        note: ReasonArgument,
    ) -> RecordInspectionResult:
        """WRONG_STATE where nothing is in doubt."""
        context, locker_id = context_of(info), read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await compartments.record_inspection(
                session,
                context.actor,
                locker_id=locker_id,
                number=number,
                found=found,
                note=note,
                ids=context.ids,
                now=context.clock.now(),
            )
        return answer(outcome)

    @strawberry.mutation(
        description="Declares a compartment broken, for managers, technicians and operators. What "
        "lies inside is held, and its time to collect stops. Repeating changes nothing."
    )
    async def take_out_of_service(
        self,
        info: Info[Context, None],
        locker: LockerArgument,
        number: NumberArgument,
        reason: ReasonArgument,
    ) -> TakeOutOfServiceResult:
        """An incident is opened with it."""
        context, locker_id = context_of(info), read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await compartments.take_out_of_service(
                session,
                context.actor,
                locker_id=locker_id,
                number=number,
                reason=reason,
                ids=context.ids,
                now=context.clock.now(),
            )
        return answer(outcome)
