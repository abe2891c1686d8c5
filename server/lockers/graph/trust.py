"""The mutation by which an inspected locker is believed again."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.lockers.graph.types import as_locker
from server.lockers.graph.writing import LockerPayload
from server.lockers.service import trust

RestoreLockerTrustResult = Annotated[
    LockerPayload | Problem,
    strawberry.union("RestoreLockerTrustResult", description="Outcome of `restoreLockerTrust`."),
]


@strawberry.type
class TrustMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Takes the journal of a locker again that has contradicted it, for operators "
        "who had it inspected. What is stored counts; the entry that contradicts stays as "
        "evidence. A locker that remembers otherwise needs a new controller. Repeating changes "
        "nothing."
    )
    async def restore_locker_trust(
        self,
        info: Info[Context, None],
        locker: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
        reason: Annotated[
            str, strawberry.argument(description="What the inspection found; kept for good.")
        ],
    ) -> RestoreLockerTrustResult:
        """Its open incident is over with it."""
        context, locker_id = context_of(info), read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await trust.restore_trust(
                session,
                context.actor,
                locker_id=locker_id,
                reason=reason,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return LockerPayload(locker=as_locker(outcome))
