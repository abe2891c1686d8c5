"""Taking along all that is kept about oneself."""

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
    global_id,
    read_id,
)
from server.notices.takeout.service import export_account


@strawberry.type(description="One page of all that is kept about a person.")
class AccountExport:
    """Ask again with the cursor until there is none."""

    document: str = strawberry.field(
        description="A JSON object: on the first page account, addresses, devices, roles, "
        "preferences, habits, notices and key history; on each ten `parcels` with history, stays, "
        "windows, links, grants, delegations, disputes and receipts in base64. `cut` names lists "
        "of which there is more than a page holds."
    )
    end_cursor: str | None = strawberry.field(
        description="To be given as `after` for the next parcels; null on the last page."
    )


AccountExportResult = Annotated[
    AccountExport | Problem,
    strawberry.union("AccountExportResult", description="Outcome of `exportAccount`."),
]


@strawberry.type
class ExportQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="Everything that is kept about the signed-in person, with receipts, to be "
        "taken along. Other people stand in it by what they are, never by name or id."
    )
    async def export_account(
        self,
        info: Info[Context, None],
        person: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Somebody who asked for it, for operators."),
        ] = None,
        after: Annotated[
            str | None, strawberry.argument(description="Cursor of the page before.")
        ] = None,
    ) -> AccountExportResult:
        """NOT_FOUND for another account than one's own."""
        context = context_of(info)
        person_id = None if person is None else read_id("Person", person)
        if person is not None and person_id is None:
            return as_problem(not_found(context.actor, "person"))
        place = None if after is None else read_id("Cursor", after)
        if after is not None and place is None:
            sentence = "after must be a cursor of this list."
            return as_problem(Refusal(ProblemCode.INPUT_INVALID, sentence, "after"))
        async with context.database.read() as session:
            outcome = await export_account(
                session,
                context.actor,
                person_id=person_id,
                after=place,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        end = outcome.ended_at
        return AccountExport(
            document=outcome.document,
            end_cursor=None if end is None else str(global_id("Cursor", end)),
        )
