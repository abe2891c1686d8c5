"""Subscriptions to lockers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.errors import Refusal
from server.kit.feeds import IMPERSONAL
from server.kit.graph import Context, RequestRefused, changes, context_of, read_id
from server.lockers.graph.types import Locker, as_locker
from server.lockers.service import reading


@strawberry.type
class Subscription:
    """Joined into the root subscription."""

    @strawberry.subscription(
        description="A locker as it is now, and again after each change of it or of its doors.",
        metadata=IMPERSONAL,
    )
    async def locker_changed(
        self,
        info: Info[Context, None],
        key: Annotated[strawberry.ID, strawberry.argument(name="id", description="Global id.")],
    ) -> AsyncGenerator[Locker, None]:
        """Lockers are public; NOT_FOUND for none."""
        locker_id = read_id("Locker", key)
        async with context_of(info).database.read() as session:
            row = None if locker_id is None else await reading.find_locker(session, locker_id)
        if row is None:
            raise RequestRefused(Refusal(ProblemCode.NOT_FOUND))

        async def watch() -> AsyncGenerator[Locker, None]:
            async for context in changes(info, f"locker:{row.id}"):
                async with context.database.read() as session:
                    now = await reading.find_locker(session, row.id)
                if now is None:
                    return
                yield as_locker(now)

        return watch()
