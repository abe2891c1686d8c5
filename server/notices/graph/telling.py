"""What became of notices, as people and the staff of hubs see it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import (
    After,
    Connection,
    Context,
    First,
    Page,
    Problem,
    RequestRefused,
    as_problem,
    changes,
    connect,
    context_of,
    described,
    get_page,
    global_id,
    read_id,
)
from server.notices.queries import notices_topic
from server.notices.rules import ABOUT_PARCELS, NoticeKind, NoticeState
from server.notices.service.erasing import erase_account
from server.notices.service.reading import list_own_notices, list_parcel_notices
from server.notices.wording import NOTICES
from server.people.preferences import Channel

if TYPE_CHECKING:
    import uuid

    from server.notices import tables

NEWEST = 20
"""Notices that a subscription tells of; older ones are read by pages."""

described(
    NoticeKind,
    description="What a notice says.",
    members={kind: f"{wording.title}." for kind, wording in NOTICES.items()},
)
described(
    NoticeState,
    description="How far a notice is on its channel.",
    members={
        NoticeState.QUEUED: "No provider has taken it yet; it is tried again.",
        NoticeState.ACCEPTED: "A provider has taken it.",
        NoticeState.FAILED: "No provider will take it.",
        NoticeState.SUPPRESSED: "It was overtaken before it was sent, and never will be.",
    },
)


@strawberry.type(description="One notice on one channel, and what became of it.")
class Notice:
    """Holds no address, no text and no name, so that staff may see it as well."""

    message_id: str = strawberry.field(
        description="The `notice` of a push message: by it a phone knows what it has shown."
    )
    kind: NoticeKind = strawberry.field(description="What it says.")
    parcel: strawberry.ID | None = strawberry.field(
        description="Global id of the parcel that it is about, if it is about one."
    )
    channel: Channel = strawberry.field(description="The way it takes.")
    state: NoticeState = strawberry.field(description="How far it is.")
    is_fallback: bool = strawberry.field(
        description="Whether another channel was tried before, and did not do."
    )
    attempts: int = strawberry.field(description="How often it was sent or was about to be.")
    created_at: datetime = strawberry.field(description="When it was about to be sent first.")
    settled_at: datetime | None = strawberry.field(
        description="When a provider took it or it was given up; null while it is queued."
    )
    reason: str | None = strawberry.field(description="Why it was not taken, in a few words.")


@strawberry.type
class Me:
    """The part that is about notices."""

    @strawberry.field(description="What this person was told, newest first.")
    async def notices(
        self, info: Info[Context, None], first: First = None, after: After = None
    ) -> Connection[Notice]:
        """On every channel."""
        page, context = get_page(first, after), context_of(info)
        rows: Sequence[tables.Notice] = []
        if context.actor.person_id is not None:
            async with context.database.read() as session:
                rows = await list_own_notices(session, context.actor.person_id, page=page)
        return connect(page, rows, key=lambda row: row.id, node=as_notice)


@strawberry.type
class Query:
    """Joined into the root query."""

    @strawberry.field(
        description="What was told about a parcel, newest first: for its recipient, and without "
        "anything personal for those who work with it."
    )
    async def parcel_notices(
        self,
        info: Info[Context, None],
        parcel: Annotated[strawberry.ID, strawberry.argument(description="Global id.")],
        first: First = None,
        after: After = None,
    ) -> Connection[Notice]:
        """NOT_FOUND for a parcel that does not exist or may not be seen."""
        page, context = get_page(first, after), context_of(info)
        parcel_id = read_id("Parcel", parcel)
        if parcel_id is None:
            raise RequestRefused(Refusal(ProblemCode.NOT_FOUND))
        async with context.database.read() as session:
            rows = await list_parcel_notices(session, context.actor, parcel_id, page=page)
        if isinstance(rows, Refusal):
            raise RequestRefused(rows)
        return connect(page, rows, key=lambda row: row.id, node=as_notice)


@strawberry.type(description="Nothing says any more who the person was.")
class EraseAccountPayload:
    """Their phones are signed out with it."""

    person: strawberry.ID = strawberry.field(description="Global id of the account that was.")


EraseAccountResult = Annotated[
    EraseAccountPayload | Problem,
    strawberry.union("EraseAccountResult", description="Outcome of `eraseAccount`."),
]


@strawberry.type
class Mutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Erases the account of the signed-in person, and all that says who they were; "
        "what is not settled yet keeps its names until it is."
    )
    async def erase_account(
        self,
        info: Info[Context, None],
        person: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Somebody who asked for it, for operators."),
        ] = None,
    ) -> EraseAccountResult:
        """ERASURE_PARTIAL names what is left until it is settled. Repeating changes nothing."""
        context = context_of(info)
        person_id = None if person is None else read_id("Person", person)
        if person is not None and person_id is None:
            return as_problem(not_found(context.actor, "person"))
        async with context.database.write() as session:
            outcome = await erase_account(
                session, context.actor, person_id=person_id, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return EraseAccountPayload(person=global_id("Person", outcome))


@strawberry.type
class Subscription:
    """Joined into the root subscription."""

    @strawberry.subscription(
        description="The newest 20 notices of the signed-in person, now and again whenever one is "
        "sent or its state changes."
    )
    async def notices_changed(
        self, info: Info[Context, None]
    ) -> AsyncGenerator[list[Notice], None]:
        """SIGNED_OUT for everybody else."""
        person_id = context_of(info).actor.person_id
        if person_id is None:
            raise RequestRefused(Refusal(ProblemCode.SIGNED_OUT))
        return _watch(info, person_id)


async def _watch(
    info: Info[Context, None], person_id: uuid.UUID
) -> AsyncGenerator[list[Notice], None]:
    async for context in changes(info, notices_topic(person_id)):
        async with context.database.read() as session:
            rows = await list_own_notices(session, person_id, page=Page(NEWEST))
        yield [as_notice(row) for row in rows[:NEWEST]]


def as_notice(row: tables.Notice) -> Notice:
    """The row as GraphQL tells it; the provider's name for it stays with us."""
    is_about_parcel = row.kind in ABOUT_PARCELS
    return Notice(
        message_id=str(row.id),
        kind=row.kind,
        parcel=global_id("Parcel", row.subject) if is_about_parcel else None,
        channel=row.channel,
        state=row.state,
        is_fallback=row.is_fallback,
        attempts=row.attempts,
        created_at=row.created_at,
        settled_at=row.settled_at,
        reason=row.reason,
    )
