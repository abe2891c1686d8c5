"""Hubs as clients see them; everybody may."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import strawberry
from strawberry.types import Info

from server.hubs import rules, service, tables
from server.hubs.loaders import hub_by_id, timetable_by_hub
from server.hubs.rules import HubKind, Timetable
from server.kit.graph import Context, Node, NodeLoader, context_of, described, global_id

if TYPE_CHECKING:
    from collections.abc import Mapping

described(
    HubKind,
    description="What a hub offers.",
    members={
        HubKind.LOCKER: "Compartments only; nobody need be there.",
        HubKind.SERVICE_POINT: "A staffed counter, with or without a locker.",
        HubKind.DEPOT: "A carrier's own site; recipients do not come here.",
    },
)


@strawberry.type(description="One open span of one weekday, in local time.")
class OpeningHours:
    """A night is two of them."""

    weekday: int = strawberry.field(description="0 is Monday, 6 is Sunday.")
    opens_minute: int = strawberry.field(description="Minutes after midnight.")
    closes_minute: int = strawberry.field(description="Minutes after midnight, up to 1440.")


@strawberry.type(description="Days on which a hub stays shut, whatever its week says.")
class Closure:
    """Both ends are included."""

    first_day: date = strawberry.field(description="First day shut.")
    last_day: date = strawberry.field(description="Last day shut.")
    reason: str = strawberry.field(description="Why; may be empty.")
    planned: bool = strawberry.field(description="Whether it was known long before.")
    shifts_deadlines: bool = strawberry.field(
        description="Whether the time to collect does not run meanwhile."
    )


@strawberry.type(description="How often a hub gives more time to collect after the first time.")
class ExtensionRule:
    """The first is given everywhere while less than 80 % is expected to be in use."""

    version: int = strawberry.field(description="Grows with each change; 0 for the network's own.")
    further_extensions: int = strawberry.field(description="How many after the first.")
    further_below_percent: int = strawberry.field(
        description="They are given while less of the compartments than this is expected to be in "
        "use."
    )


@strawberry.type(description="A community location with lockers, a counter, or both.")
class Hub(Node):
    """Public: who looks for a parcel must find the door."""

    row: strawberry.Private[tables.Hub]
    name: str = strawberry.field(description="What is written over the door.")
    kind: HubKind = strawberry.field(description="What it offers.")
    time_zone: str = strawberry.field(description="IANA name of the zone of its hours.")
    street: str = strawberry.field(description="Street and number.")
    postal_code: str = strawberry.field(description="Postal code.")
    city: str = strawberry.field(description="City.")
    country: str = strawberry.field(description="Country, two letters of ISO 3166.")
    latitude: float = strawberry.field(description="Degrees north (WGS 84).")
    longitude: float = strawberry.field(description="Degrees east (WGS 84).")
    wheelchair_access: bool = strawberry.field(description="Whether a wheelchair can get there.")
    low_connectivity: bool = strawberry.field(description="Whether phones are often offline there.")
    version: int = strawberry.field(description="Grows with each change.")

    @strawberry.field(description="Its rule for more time to collect.")
    def extension_rule(self) -> ExtensionRule:
        """Its own, or the network's."""
        rule = self.row.extension_rule
        return ExtensionRule(
            version=rule.version,
            further_extensions=rule.further,
            further_below_percent=rule.further_below_percent,
        )

    @strawberry.field(description="Weekly hours; none means that it never closes.")
    async def opening_hours(self, info: Info[Context, None]) -> list[OpeningHours]:
        """All spans of the week."""
        hours = await self._hours(info)
        return [
            OpeningHours(
                weekday=span.weekday,
                opens_minute=span.opens_minute,
                closes_minute=span.closes_minute,
            )
            for span in hours.week
        ]

    @strawberry.field(description="Closures that are not over.")
    async def closures(self, info: Info[Context, None]) -> list[Closure]:
        """Closures of now and later."""
        hours = await self._hours(info)
        today = context_of(info).clock.now().astimezone(hours.zone).date()
        return [_closure(one) for one in hours.closures if one.last_day >= today]

    @strawberry.field(description="Whether it is open at this moment.")
    async def is_open(self, info: Info[Context, None]) -> bool:
        """By the hours and closures."""
        return (await self._hours(info)).is_open(context_of(info).clock.now())

    @strawberry.field(
        description="When it opens next; this moment while it is open, null if not within a year."
    )
    async def next_opening_at(self, info: Info[Context, None]) -> datetime | None:
        """By the hours and closures."""
        return (await self._hours(info)).next_opening(context_of(info).clock.now())

    async def _hours(self, info: Info[Context, None]) -> Timetable:
        return await timetable_by_hub(context_of(info)).load_hours(self.row)


@strawberry.type(description="A hub that is offered to somebody.")
class HubChoice:
    """Their favourites come first."""

    hub: Hub = strawberry.field(description="The hub.")
    distance_m: int = strawberry.field(description="How far it is, in metres along the Earth.")
    is_favourite: bool = strawberry.field(description="Whether it is among their favourites.")


def as_choice(choice: service.HubChoice) -> HubChoice:
    """The choice as GraphQL tells it."""
    return HubChoice(
        hub=as_hub(choice.hub),
        distance_m=round(choice.distance_m),
        is_favourite=choice.is_favourite,
    )


def as_hub(row: tables.Hub) -> Hub:
    """The hub as GraphQL tells it."""
    return Hub(
        id=global_id("Hub", row.id),
        row=row,
        name=row.name,
        kind=row.kind,
        time_zone=row.time_zone,
        street=row.street,
        postal_code=row.postal_code,
        city=row.city,
        country=row.country,
        latitude=row.latitude,
        longitude=row.longitude,
        wheelchair_access=row.wheelchair_access,
        low_connectivity=row.low_connectivity,
        version=row.version,
    )


def _closure(closure: rules.Closure) -> Closure:
    return Closure(
        first_day=closure.first_day,
        last_day=closure.last_day,
        reason=closure.reason,
        planned=closure.is_planned,
        shifts_deadlines=closure.shifts_deadlines,
    )


async def _load_hub(context: Context, key: Any) -> Any:
    row = await hub_by_id(context).load(key)
    return None if row is None else as_hub(row)


NODE_TYPES: tuple[type, ...] = (Hub,)
NODES: Mapping[str, NodeLoader] = {"Hub": _load_hub}
