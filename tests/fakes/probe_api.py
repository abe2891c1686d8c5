"""A small API with everything that can go wrong in a resolver, behind the real door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.errors import Refusal
from server.kit.feeds import IMPERSONAL
from server.kit.graph import (
    Connection,
    Context,
    Node,
    RequestRefused,
    changes,
    connect,
    get_page,
    global_id,
)
from server.kit.guard import GuardedSchema, make_schema
from tests.fakes.sources import CountedIds

SECRET = "the password of the database is swordfish"


@strawberry.type
class Thing(Node):
    """Something that leads to more of its kind."""

    name: str

    @strawberry.field
    def itself(self) -> Thing:
        return self

    @strawberry.field
    def parts(self) -> list[Thing]:
        return [self]

    @strawberry.field
    def things(self, first: int | None = None, after: str | None = None) -> Connection[Thing]:
        return _things(first, after)


@strawberry.type
class Query:
    """Fields that do well, fail and hang."""

    @strawberry.field
    def hello(self) -> str:
        return "world"

    @strawberry.field
    def echo(self, at: datetime) -> datetime:
        return at

    @strawberry.field
    def size(self, data: Base64) -> int:
        return len(data)

    @strawberry.field
    def add(self, numbers: Annotated[list[int], strawberry.argument(description="To add.")]) -> int:
        return sum(numbers)

    @strawberry.field
    def thing(self) -> Thing:
        return Thing(id=strawberry.ID("1"), name="one")

    @strawberry.field
    def things(self, first: int | None = None, after: str | None = None) -> Connection[Thing]:
        return _things(first, after)

    @strawberry.field
    def boom(self) -> str:
        raise RuntimeError(SECRET)

    @strawberry.field
    async def slow(self) -> str:
        await asyncio.get_running_loop().create_future()
        return "never"


@strawberry.type
class Mutation:
    """One change."""

    @strawberry.mutation
    def poke(self) -> bool:
        return True


@dataclass(slots=True)
class Counter:
    """A state that subscriptions watch, and how often they read it."""

    value: int = 0
    reads: int = 0
    is_there: bool = True


@strawberry.type
class Count:
    """The counter as somebody saw it."""

    value: int
    person: str


def probe_schema(within_s: float = 10, *, counter: Counter | None = None) -> GuardedSchema:
    """The schema of the small API; its subscriptions watch `counter`."""
    watched = counter or Counter()

    async def watch(info: Info[Context, None]) -> AsyncIterator[Count]:
        async for context in changes(info, "counter"):
            watched.reads += 1
            if not watched.is_there:
                return
            yield Count(value=watched.value, person=str(context.actor.person_id))

    @strawberry.type
    class Subscription:
        """States that are watched."""

        @strawberry.subscription(metadata=IMPERSONAL)
        async def counted(self, info: Info[Context, None]) -> AsyncGenerator[Count]:
            return watch(info)  # type: ignore[return-value]  # awaited by the library

        @strawberry.subscription
        async def mine(self, info: Info[Context, None], size: int = 0) -> AsyncGenerator[Count]:
            del size
            return watch(info)  # type: ignore[return-value]  # awaited by the library

        @strawberry.subscription
        async def refused(self) -> AsyncGenerator[Count]:
            raise RequestRefused(Refusal(ProblemCode.NOT_FOUND))

        @strawberry.subscription
        async def failing(self) -> AsyncGenerator[Count]:
            raise RuntimeError(SECRET)

    return make_schema(Query, Mutation, Subscription, within_s=within_s)


def _things(first: int | None, after: str | None) -> Connection[Thing]:
    ids = CountedIds()
    page = get_page(first, after)
    rows = [row for row in (ids.new() for _ in range(10)) if page.after is None or row > page.after]
    return connect(
        page,
        rows[: page.limit],
        key=lambda row: row,
        node=lambda row: Thing(id=global_id("Thing", row), name=str(row)),
    )
