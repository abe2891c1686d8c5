"""The mutation by which people choose what they prefer, hubs among it."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

from server.hubs import service
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of
from server.people.graph.preferences import (
    Preferences,
    PreferencesInput,
    as_preferences,
    read_preferences,
)


@strawberry.type(description="What the person prefers from now on.")
class ChangePreferencesPayload:
    """As they are stored."""

    preferences: Preferences = strawberry.field(description="All of it, with its new version.")


ChangePreferencesResult = Annotated[
    ChangePreferencesPayload | Problem,
    strawberry.union("ChangePreferencesResult", description="Outcome of `changePreferences`."),
]


@strawberry.type
class PreferenceMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Replaces all that the signed-in person prefers. Repeating changes nothing."
    )
    async def change_preferences(
        self,
        info: Info[Context, None],
        version: Annotated[
            int, strawberry.argument(description="The version that was read before.")
        ],
        preferences: Annotated[
            PreferencesInput, strawberry.argument(description="All of it, not only what is new.")
        ],
    ) -> ChangePreferencesResult:
        """CHANGED_MEANWHILE, POLICY_INVALID with the field, NOT_FOUND for an unknown hub."""
        context = context_of(info)
        wanted = read_preferences(version, preferences)
        if isinstance(wanted, Refusal):
            return as_problem(wanted)
        async with context.database.write() as session:
            changed = await service.change_preferences(
                session, context.actor, wanted=wanted, now=context.clock.now()
            )
        if isinstance(changed, Refusal):
            return as_problem(changed)
        return ChangePreferencesPayload(preferences=as_preferences(changed))
