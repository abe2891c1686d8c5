"""The words that every vertical's GraphQL shares: context, problems, global ids, pages.

A vertical's `graph.py` exports some of `Query`, `Mutation`, `Me` (Strawberry types) and `NODES`
(type name -> loader); `server/graph.py` lists them and merges those of one name into one type. So
`me { parcels }` is a field `parcels` of the class `Me` in `parcels/graph.py`: such a class has no
data of its own, its resolvers ask `context_of(info).actor`.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

import strawberry
from graphql import GraphQLError
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.auth import Actor
from server.kit.clock import Clock
from server.kit.db import Database
from server.kit.errors import Refusal
from server.kit.ids import Ids, Randomness
from server.kit.keyring import Keyring
from server.kit.live import Live
from server.kit.proofs import DeviceProof
from server.kit.rates import Rates
from server.kit.sentences import SENTENCES
from server.kit.settings import Settings

MAX_PAGE = 100
"""Most entries that a connection gives at once."""

DEFAULT_PAGE = 20

T = TypeVar("T")
Member = TypeVar("Member", bound=Enum)


@dataclass(slots=True, kw_only=True)
class Context:
    """What a resolver may use: one for each HTTP request, one for each operation on a WebSocket.

    `source` is the address that rates count by. `proof` is the device proof that came along,
    verified but for its `jti`, which whoever relies on it without an access token must use up
    (`proofs.use_proof`). `renew` reads the actor of a WebSocket again: each of its operations gets
    a context with the rights of that moment and loaders of its own.
    """

    database: Database
    clock: Clock
    ids: Ids
    randomness: Randomness
    keyring: Keyring
    settings: Settings
    rates: Rates
    live: Live
    actor: Actor
    source: str
    proof: DeviceProof | Refusal | None = None
    loaders: dict[type, Any] = field(default_factory=dict)
    access_expires_at: datetime | None = None
    renew: Callable[[], Awaitable[Actor | None]] | None = None
    connection_params: dict[str, object] | None = None


async def changes(info: Info[Any, Any], *topics: str) -> AsyncGenerator[Context, None]:
    """The context at the start of a subscription, and again whenever a topic was touched.

    Nothing that was read before is still in it.
    """
    context = context_of(info)
    async for _ in context.live.listen(*topics):
        context.loaders.clear()
        yield context


def context_of(info: Info[Any, Any]) -> Context:
    """The context of the request that a resolver answers."""
    context = info.context
    if not isinstance(context, Context):
        raise TypeError(f"expected a Context, got {type(context).__name__}")
    return context


def described(
    kind: type[Member],
    *,
    description: str,
    members: Mapping[Member, str],
    name: str | None = None,
) -> type[Member]:
    """Registers an enum of the house with Strawberry, with a description for itself and for each
    of its members; `name` is for one whose own name says too little outside its module.
    """
    registered = strawberry.enum(kind, name=name, description=description)
    for value in registered.__strawberry_definition__.values:  # type: ignore[attr-defined]  # set by the decorator
        value.description = members[kind[value.name]]
    return registered


described(
    ProblemCode, description="Why something was refused; names are stable.", members=SENTENCES
)


@strawberry.type(
    description="An expected refusal: a stable code, a sentence for people, a next step if any."
)
class Problem:
    """The GraphQL form of `Refusal`; every mutation's result is a union with it."""

    code: ProblemCode = strawberry.field(description="Stable name of the reason.")
    message: str = strawberry.field(description="The reason in plain words.")
    field: str | None = strawberry.field(
        description="The input field at fault, if it is one.", default=None
    )
    retry_after_s: int | None = strawberry.field(
        description="Seconds to wait before trying again.", default=None
    )
    next: str | None = strawberry.field(description="What the person can do now.", default=None)


def as_problem(refusal: Refusal) -> Problem:
    """The refusal as clients see it; an empty message becomes the code's own sentence."""
    return Problem(
        code=refusal.code,
        message=refusal.message or SENTENCES[refusal.code],
        field=refusal.field,
        retry_after_s=refusal.retry_after_s,
        next=refusal.next,
    )


class RequestRefused(GraphQLError):
    """A refusal where no result union stands; its code goes into `extensions.code`."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(
            refusal.message or SENTENCES[refusal.code], extensions={"code": refusal.code.value}
        )


@strawberry.interface(description="Anything that has a global id and can be asked for again by it.")
class Node:
    """What `node(id:)` answers with."""

    id: strawberry.ID = strawberry.field(description="Global id; opaque, stable.")


NodeLoader = Callable[[Context, uuid.UUID], Awaitable[Any]]
"""Finds the node of one type by its id; None also for what the actor may not see."""


def global_id(kind: str, key: uuid.UUID) -> strawberry.ID:
    """The global id of a row: base64 of `Kind:uuid`, as Relay servers do."""
    return strawberry.ID(base64.b64encode(f"{kind}:{key}".encode()).decode())


def split_id(text: str) -> tuple[str, uuid.UUID] | None:
    """Kind and key of a global id, or None if `text` is not the one way to write it."""
    try:
        kind, _, key_text = base64.b64decode(text, validate=True).decode().partition(":")
        key = uuid.UUID(key_text)
    except (ValueError, binascii.Error):
        return None
    return (kind, key) if global_id(kind, key) == text else None


def read_id(kind: str, text: str) -> uuid.UUID | None:
    """The key in a global id of this kind; None for anything else, to be answered as NOT_FOUND."""
    parts = split_id(text)
    return parts[1] if parts and parts[0] == kind else None


@strawberry.type(description="Where a page stands in its list.")
class PageInfo:
    """Relay's page information; lists are read forwards only."""

    has_next_page: bool = strawberry.field(description="Whether more follow.")
    has_previous_page: bool = strawberry.field(description="Whether the page began after a cursor.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first entry.")
    end_cursor: str | None = strawberry.field(
        description="Cursor of the last entry, to be given as `after`."
    )


@strawberry.type(description="One entry of a list.")
class Edge(Generic[T]):
    """An entry and its place."""

    node: T = strawberry.field(description="The entry itself.")
    cursor: str = strawberry.field(description="Opaque place of the entry.")


@strawberry.type(description="One page of a list.")
class Connection(Generic[T]):
    """A Relay connection. Made by `connect`."""

    edges: list[Edge[T]] = strawberry.field(description="The entries in order.")
    page_info: PageInfo = strawberry.field(description="Where the page stands.")


First = Annotated[
    int | None, strawberry.argument(description="How many, up to 100; 20 if not said.")
]
After = Annotated[str | None, strawberry.argument(description="Cursor of the last one seen.")]
"""The two arguments of every connection."""


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that is wanted: up to `first` rows after `after`, in the order of ids."""

    first: int = DEFAULT_PAGE
    after: uuid.UUID | None = None

    @property
    def limit(self) -> int:
        """Rows to fetch: one more than wanted tells whether another page follows."""
        return self.first + 1


def get_page(first: int | None, after: str | None) -> Page:
    """The page that is asked for; RequestRefused for a size out of range or a bad cursor."""
    count = DEFAULT_PAGE if first is None else first
    if not 0 <= count <= MAX_PAGE:
        raise RequestRefused(
            Refusal(ProblemCode.TOO_COSTLY, f"first must be from 0 to {MAX_PAGE}.")
        )
    key = None if after is None else read_id("Cursor", after)
    if after is not None and key is None:
        raise RequestRefused(
            Refusal(ProblemCode.INPUT_INVALID, "after must be a cursor of this list.")
        )
    return Page(count, key)


Row = TypeVar("Row")


def connect(
    page: Page, rows: Sequence[Row], *, key: Callable[[Row], uuid.UUID], node: Callable[[Row], T]
) -> Connection[T]:
    """The connection of the rows that a query with `page.limit` returned, ordered by `key`."""
    shown = rows[: page.first]
    edges = [Edge(node=node(row), cursor=str(global_id("Cursor", key(row)))) for row in shown]
    return Connection(
        edges=edges,
        page_info=PageInfo(
            has_next_page=len(rows) > page.first,
            has_previous_page=page.after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=edges[-1].cursor if edges else None,
        ),
    )
