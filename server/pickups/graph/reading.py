"""Queries for pickup windows, of one parcel or counted for a hub."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from server.kit.graph import Context, context_of, described, read_id
from server.pickups.rules import Origin
from server.pickups.service import planning, windows
from server.pickups.wording import explain

if TYPE_CHECKING:
    from server.people.preferences import Language
    from server.pickups.rules import Window

described(
    Origin,
    name="WindowOrigin",
    description="Where a window comes from.",
    members={
        Origin.CHOSEN: "The person chose it.",
        Origin.LEARNED: "From when the person fetched before.",
        Origin.DEFAULT: "From when people fetch at this hub.",
    },
)


@strawberry.type(description="A time to fetch a parcel.")
class PickupWindow:
    """Offered or chosen."""

    start: datetime = strawberry.field(description="From when.")
    end: datetime = strawberry.field(description="Until when.")
    probability: float = strawberry.field(
        description="How likely the person comes then, among all times that are possible: 0 to 1."
    )
    origin: Origin = strawberry.field(description="Where it comes from.")
    because: str = strawberry.field(description="Why, in the person's language.")


@strawberry.type(description="How many people mean to come to a hub in one part of a day.")
class ExpectedPickups:
    """Counts only."""

    start: datetime = strawberry.field(description="From when.")
    end: datetime = strawberry.field(description="Until when.")
    chosen: int = strawberry.field(description="Windows chosen that begin then.")


@strawberry.type
class Query:
    """Joined into the root query."""

    @strawberry.field(
        description="At most three windows to fetch a parcel, the chosen one first, then the "
        "likeliest; null for all but its recipient, none unless it waits to be collected."
    )
    async def pickup_windows(
        self,
        info: Info[Context, None],
        parcel: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> list[PickupWindow] | None:
        """By the habits of the recipient, and within every rule of theirs, of hub and goods."""
        context, key = context_of(info), read_id("Parcel", parcel)
        if key is None:
            return None
        async with context.database.read() as session:
            offers = await windows.offer_windows(
                session, context.actor, key, now=context.clock.now()
            )
        if offers is None:
            return None
        return [as_window(one, offers.language) for one in offers.windows]

    @strawberry.field(
        description="The parts of the next seven days in which people mean to come to a hub; null "
        "for all but its staff."
    )
    async def expected_pickups(
        self,
        info: Info[Context, None],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
    ) -> list[ExpectedPickups] | None:
        """At most 50 slots."""
        context, key = context_of(info), read_id("Hub", hub)
        if key is None:
            return None
        async with context.database.read() as session:
            slots = await planning.expect_pickups(
                session, context.actor, key, now=context.clock.now()
            )
        if slots is None:
            return None
        return [ExpectedPickups(start=one.start, end=one.end, chosen=one.chosen) for one in slots]


def as_window(window: Window, language: Language) -> PickupWindow:
    """The window as GraphQL tells it to the person who speaks this language."""
    return PickupWindow(
        start=window.start,
        end=window.end,
        probability=window.probability,
        origin=window.origin,
        because=explain(window, language),
    )
