"""Mutations on partners, hubs and their hours."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.hubs import service
from server.hubs.drafts import Hours, HubDraft
from server.hubs.extensions import ExtensionRule
from server.hubs.graph.reading import PositionInput, read_position
from server.hubs.graph.types import Hub, as_hub
from server.hubs.rules import Closure, HubKind, Opening
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, global_id, read_id

if TYPE_CHECKING:
    from collections.abc import Sequence


@strawberry.input(description="A hub that is to be made.")
class HubInput:
    """Everything but its hours, which are written separately."""

    partner: strawberry.ID = strawberry.field(description="Global id of the partner hosting it.")
    name: str = strawberry.field(description="Up to 120 characters.")
    kind: HubKind = strawberry.field(description="What it offers.")
    time_zone: str = strawberry.field(description="IANA name, such as Europe/Warsaw.")
    street: str = strawberry.field(description="Street and number.")
    postal_code: str = strawberry.field(description="Up to 16 characters.")
    city: str = strawberry.field(description="City.")
    country: str = strawberry.field(description="Two capital letters of ISO 3166.")
    position: PositionInput = strawberry.field(description="Where it is.")
    wheelchair_access: bool = strawberry.field(
        description="Whether a wheelchair can get there.", default=False
    )
    low_connectivity: bool = strawberry.field(
        description="Whether phones are often offline there.", default=False
    )


@strawberry.input(description="One open span of one weekday, in local time.")
class OpeningInput:
    """A night is two spans."""

    weekday: int = strawberry.field(description="0 is Monday, 6 is Sunday.")
    opens_minute: int = strawberry.field(description="Minutes after midnight.")
    closes_minute: int = strawberry.field(description="Minutes after midnight, up to 1440.")


@strawberry.input(description="Days on which the hub stays shut.")
class ClosureInput:
    """Both ends are included."""

    first_day: date = strawberry.field(description="First day shut.")
    last_day: date = strawberry.field(description="Last day shut.")
    reason: str = strawberry.field(description="Up to 200 characters.", default="")
    planned: bool = strawberry.field(description="Whether it was known long before.", default=True)
    shifts_deadlines: bool = strawberry.field(
        description="Whether the time to collect does not run meanwhile.", default=True
    )


@strawberry.type(description="The partner exists.")
class CreatePartnerPayload:
    """Whether it was made now or before."""

    partner: strawberry.ID = strawberry.field(description="Global id, for `createHub`.")


@strawberry.type(description="The hub as it is now.")
class HubPayload:
    """What every mutation on a hub answers."""

    hub: Hub = strawberry.field(description="The hub.")


CreatePartnerResult = Annotated[
    CreatePartnerPayload | Problem,
    strawberry.union("CreatePartnerResult", description="Outcome of `createPartner`."),
]
CreateHubResult = Annotated[
    HubPayload | Problem,
    strawberry.union("CreateHubResult", description="Outcome of `createHub`."),
]
UpdateHubHoursResult = Annotated[
    HubPayload | Problem,
    strawberry.union("UpdateHubHoursResult", description="Outcome of `updateHubHours`."),
]
ChangeExtensionRuleResult = Annotated[
    HubPayload | Problem,
    strawberry.union("ChangeExtensionRuleResult", description="Outcome of `changeExtensionRule`."),
]


@strawberry.type
class HubMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="A business that hosts hubs, for operators. Idempotent by the legal name."
    )
    async def create_partner(
        self,
        info: Info[Context, None],
        legal_name: Annotated[
            str, strawberry.argument(description="Up to 120 characters, one line.")
        ],
    ) -> CreatePartnerResult:
        """The one of this name is returned again."""
        context = context_of(info)
        async with context.database.write() as session:
            outcome = await service.create_partner(
                session,
                context.actor,
                legal_name=legal_name,
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CreatePartnerPayload(partner=global_id("Partner", outcome.id))

    @strawberry.mutation(
        description="A new hub, for operators; it never closes until its hours are written."
    )
    async def create_hub(
        self,
        info: Info[Context, None],
        hub: Annotated[HubInput, strawberry.argument(description="What it is like.")],
    ) -> CreateHubResult:
        """Repeating it makes another one."""
        context = context_of(info)
        draft = _draft(context, hub)
        if isinstance(draft, Refusal):
            return as_problem(draft)
        async with context.database.write() as session:
            outcome = await service.create_hub(
                session, context.actor, draft=draft, ids=context.ids, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return HubPayload(hub=as_hub(outcome))

    @strawberry.mutation(
        description="Replaces the weekly hours of a hub and its closures to come, for its managers "
        "and operators."
    )
    async def update_hub_hours(
        self,
        info: Info[Context, None],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
        week: Annotated[
            list[OpeningInput],
            strawberry.argument(description="At most 42 spans; none means that it never closes."),
        ],
        closures: Annotated[list[ClosureInput], strawberry.argument(description="At most 100.")],
    ) -> UpdateHubHoursResult:
        """Past closures stay as they are."""
        context = context_of(info)
        hub_id = read_id("Hub", hub)
        if hub_id is None:
            return as_problem(not_found(context.actor, "hub"))
        hours = _hours(week, closures)
        if isinstance(hours, Refusal):
            return as_problem(hours)
        async with context.database.write() as session:
            outcome = await service.update_hub_hours(
                session,
                context.actor,
                hub_id=hub_id,
                hours=hours,
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return HubPayload(hub=as_hub(outcome))

    @strawberry.mutation(
        description="How often a hub gives more time to collect after the first time, and while "
        "how much of it is expected to be in use; for its owner and operators."
    )
    async def change_extension_rule(
        self,
        info: Info[Context, None],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
        version: Annotated[
            int, strawberry.argument(description="The rule's version that was read before.")
        ],
        further_extensions: Annotated[int, strawberry.argument(description="0 to 6.")],
        further_below_percent: Annotated[int, strawberry.argument(description="0 to 80.")],
    ) -> ChangeExtensionRuleResult:
        """Repeating changes nothing."""
        context = context_of(info)
        hub_id = read_id("Hub", hub)
        if hub_id is None:
            return as_problem(not_found(context.actor, "hub"))
        wanted = ExtensionRule(version, further_extensions, further_below_percent)
        async with context.database.write() as session:
            outcome = await service.change_extension_rule(
                session, context.actor, hub_id=hub_id, wanted=wanted
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return HubPayload(hub=as_hub(outcome))


def _draft(context: Context, hub: HubInput) -> HubDraft | Refusal:
    partner_id = read_id("Partner", hub.partner)
    if partner_id is None:
        return not_found(context.actor, "partner")
    position = read_position(hub.position)
    if isinstance(position, Refusal):
        return position
    return HubDraft(
        partner_id=partner_id,
        name=hub.name,
        kind=hub.kind,
        time_zone=hub.time_zone,
        street=hub.street,
        postal_code=hub.postal_code,
        city=hub.city,
        country=hub.country,
        position=position,
        wheelchair_access=hub.wheelchair_access,
        low_connectivity=hub.low_connectivity,
    )


def _hours(week: Sequence[OpeningInput], closures: Sequence[ClosureInput]) -> Hours | Refusal:
    try:
        return Hours(
            [Opening(span.weekday, span.opens_minute, span.closes_minute) for span in week],
            [
                Closure(one.first_day, one.last_day, one.reason, one.planned, one.shifts_deadlines)
                for one in closures
            ],
        )
    except ValueError as error:
        return Refusal(ProblemCode.INPUT_INVALID, f"{error}.", "hours")
