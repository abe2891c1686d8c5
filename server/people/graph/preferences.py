"""What a person prefers, as they read and change it."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import strawberry

from schema.codes import ProblemCode
from schema.compartments import ReachBand
from server.kit.errors import Refusal
from server.kit.graph import described, global_id, read_id
from server.people import preferences
from server.people.preferences import Channel, DailySpan, Language

if TYPE_CHECKING:
    import uuid

described(
    Channel,
    description="A way to a person.",
    members={
        Channel.PUSH: "A message on the screen of a phone.",
        Channel.EMAIL: "A letter by e-mail.",
        Channel.SMS: "A text message.",
    },
)
described(
    Language,
    description="A language that notices are written in.",
    members={
        Language.EN: "English.",
        Language.DE: "German.",
        Language.FR: "French.",
        Language.ES: "Spanish.",
    },
)

_STARTS = "First minute of the local day, 0 to 1439."
_ENDS = "Minute of the local day at which it is over, 1 to 1440; before the start: the next day."
_LOWEST = "Lowest sill that can be used, in millimetres above the floor."
_HIGHEST = "Highest sill that can be used, in millimetres above the floor."


@strawberry.type(name="DailySpan", description="A span of every local day.")
class Daily:
    """Minutes, so that no zone and no date is meant."""

    starts_minute: int = strawberry.field(description=_STARTS)
    ends_minute: int = strawberry.field(description=_ENDS)


@strawberry.input(name="DailySpanInput", description="A span of every local day.")
class DailyInput:
    """See `DailySpan`."""

    starts_minute: int = strawberry.field(description=_STARTS)
    ends_minute: int = strawberry.field(description=_ENDS)


@strawberry.type(description="A span on some days of the week.")
class UsualWindow:
    """When the person usually comes."""

    weekdays: list[int] = strawberry.field(description="0 for Monday to 6 for Sunday.")
    span: Daily = strawberry.field(description="The span of each of these days.")


@strawberry.input(description="A span on some days of the week.")
class UsualWindowInput:
    """See `UsualWindow`."""

    weekdays: list[int] = strawberry.field(description="0 for Monday to 6 for Sunday.")
    span: DailyInput = strawberry.field(description="The span of each of these days.")


@strawberry.type(description="Heights of a compartment's sill that the person can use.")
class Reach:
    """Both ends included."""

    lowest_mm: int = strawberry.field(description=_LOWEST)
    highest_mm: int = strawberry.field(description=_HIGHEST)


@strawberry.input(description="Heights of a compartment's sill that the person can use.")
class ReachInput:
    """See `Reach`."""

    lowest_mm: int = strawberry.field(description=_LOWEST)
    highest_mm: int = strawberry.field(description=_HIGHEST)


_WORDS = {
    "language": "The language of notices.",
    "time_zone": "The zone the person lives by, like Europe/Paris; null: that of each hub.",
    "channels": "The order in which channels are used; those not named come last.",
    "quiet": "When nothing may be heard but what is urgent; null: at no time.",
    "cooled": "Whether chilled and frozen goods may break the quiet.",
    "hold": "The first day on which they are back: until then nothing goes into a locker.",
    "reach": "A hard limit for every compartment; null: any height.",
    "counter": "No lockers: parcels are handed over at the counter.",
    "app_only": "No locker that cannot be opened without a phone.",
    "ambient": "Nothing perishable into a compartment that is not cooled.",
    "allowed": "Global ids of the only hubs that may be used, at most 20; none: all of them.",
    "favourite": "Global ids of the hubs that are offered first, at most 20.",
    "usual": "When they usually come, at most 21; windows are offered there alone.",
    "learns": "Whether their collections may teach us when they usually come.",
    "keeps_past": "Whether parcels that are over keep name and address as long as the account; "
    "else only for as long as they may be disputed.",
    "on_screen": "Whether what a phone shows while it is locked may name the hub.",
}


@strawberry.type(description="What a person prefers, and what must never be done to them.")
class Preferences:
    """Read by its owner alone."""

    version: int = strawberry.field(description="Rises with each change; 0 before the first.")
    language: Language = strawberry.field(description=_WORDS["language"])
    time_zone: str | None = strawberry.field(description=_WORDS["time_zone"])
    channels: list[Channel] = strawberry.field(description=_WORDS["channels"])
    quiet: Daily | None = strawberry.field(description=_WORDS["quiet"])
    may_cooled_break_quiet: bool = strawberry.field(description=_WORDS["cooled"])
    hold_until: date | None = strawberry.field(description=_WORDS["hold"])
    reach: Reach | None = strawberry.field(description=_WORDS["reach"])
    counter_only: bool = strawberry.field(description=_WORDS["counter"])
    never_app_only: bool = strawberry.field(description=_WORDS["app_only"])
    never_ambient_if_perishable: bool = strawberry.field(description=_WORDS["ambient"])
    allowed_hubs: list[strawberry.ID] = strawberry.field(description=_WORDS["allowed"])
    favourite_hubs: list[strawberry.ID] = strawberry.field(description=_WORDS["favourite"])
    usual_windows: list[UsualWindow] = strawberry.field(description=_WORDS["usual"])
    learns: bool = strawberry.field(description=_WORDS["learns"])
    keeps_past: bool = strawberry.field(description=_WORDS["keeps_past"])
    names_hub_on_screen: bool = strawberry.field(description=_WORDS["on_screen"])


@strawberry.input(description="All that a person prefers; what is left out is as if never chosen.")
class PreferencesInput:
    """Whole, so that two devices never mix their wishes."""

    language: Language = strawberry.field(description=_WORDS["language"], default=Language.EN)
    time_zone: str | None = strawberry.field(description=_WORDS["time_zone"], default=None)
    channels: list[Channel] = strawberry.field(
        description=_WORDS["channels"], default_factory=lambda: list(Channel)
    )
    quiet: DailyInput | None = strawberry.field(
        description=_WORDS["quiet"],
        default_factory=lambda: DailyInput(starts_minute=22 * 60, ends_minute=8 * 60),
    )
    may_cooled_break_quiet: bool = strawberry.field(description=_WORDS["cooled"], default=False)
    hold_until: date | None = strawberry.field(description=_WORDS["hold"], default=None)
    reach: ReachInput | None = strawberry.field(description=_WORDS["reach"], default=None)
    counter_only: bool = strawberry.field(description=_WORDS["counter"], default=False)
    never_app_only: bool = strawberry.field(description=_WORDS["app_only"], default=False)
    never_ambient_if_perishable: bool = strawberry.field(
        description=_WORDS["ambient"], default=False
    )
    allowed_hubs: list[strawberry.ID] = strawberry.field(
        description=_WORDS["allowed"], default_factory=list
    )
    favourite_hubs: list[strawberry.ID] = strawberry.field(
        description=_WORDS["favourite"], default_factory=list
    )
    usual_windows: list[UsualWindowInput] = strawberry.field(
        description=_WORDS["usual"], default_factory=list
    )
    learns: bool = strawberry.field(description=_WORDS["learns"], default=True)
    keeps_past: bool = strawberry.field(description=_WORDS["keeps_past"], default=True)
    names_hub_on_screen: bool = strawberry.field(description=_WORDS["on_screen"], default=True)


class _Unreadable(Exception):
    """Something typed has no such form; never leaves this module."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def read_preferences(version: int, given: PreferencesInput) -> preferences.Preferences | Refusal:
    """What was typed as a value; INPUT_INVALID or NOT_FOUND with the field where it is none."""
    reach = given.reach
    try:
        return preferences.Preferences(
            version=version,
            language=given.language,
            time_zone=given.time_zone,
            channels=tuple(given.channels),
            quiet=None if given.quiet is None else _read_span(given.quiet, "quiet"),
            may_cooled_break_quiet=given.may_cooled_break_quiet,
            hold_until=given.hold_until,
            reach=None if reach is None else ReachBand(reach.lowest_mm, reach.highest_mm),
            counter_only=given.counter_only,
            never_app_only=given.never_app_only,
            never_ambient_if_perishable=given.never_ambient_if_perishable,
            allowed_hubs=_read_hubs(given.allowed_hubs, "allowedHubs"),
            favourite_hubs=_read_hubs(given.favourite_hubs, "favouriteHubs"),
            usual_windows=_read_windows(given.usual_windows),
            learns=given.learns,
            keeps_past=given.keeps_past,
            names_hub_on_screen=given.names_hub_on_screen,
        )
    except _Unreadable as unreadable:
        return unreadable.refusal


def as_preferences(row: preferences.Preferences) -> Preferences:
    """The value as GraphQL tells it."""
    return Preferences(
        version=row.version,
        language=row.language,
        time_zone=row.time_zone,
        channels=list(row.channels),
        quiet=None if row.quiet is None else _as_daily(row.quiet),
        may_cooled_break_quiet=row.may_cooled_break_quiet,
        hold_until=row.hold_until,
        reach=None if row.reach is None else _as_reach(row.reach),
        counter_only=row.counter_only,
        never_app_only=row.never_app_only,
        never_ambient_if_perishable=row.never_ambient_if_perishable,
        allowed_hubs=[global_id("Hub", one) for one in row.allowed_hubs],
        favourite_hubs=[global_id("Hub", one) for one in row.favourite_hubs],
        usual_windows=[
            UsualWindow(weekdays=list(one.weekdays), span=_as_daily(one.span))
            for one in row.usual_windows
        ],
        learns=row.learns,
        keeps_past=row.keeps_past,
        names_hub_on_screen=row.names_hub_on_screen,
    )


def _as_reach(band: ReachBand) -> Reach:
    return Reach(lowest_mm=band.lowest_mm, highest_mm=band.highest_mm)


def _as_daily(span: DailySpan) -> Daily:
    return Daily(starts_minute=span.starts_minute, ends_minute=span.ends_minute)


def _read_span(given: DailyInput, field: str) -> DailySpan:
    try:
        return DailySpan(given.starts_minute, given.ends_minute)
    except ValueError as error:
        refusal = Refusal(ProblemCode.INPUT_INVALID, f"{error}.", field=field)
        raise _Unreadable(refusal) from error


def _read_windows(given: list[UsualWindowInput]) -> tuple[preferences.UsualWindow, ...]:
    # One more than allowed is enough for the rule to see that there are too many.
    return tuple(
        preferences.UsualWindow(tuple(one.weekdays), _read_span(one.span, "usualWindows"))
        for one in given[: preferences.MAX_WINDOWS + 1]
    )


def _read_hubs(given: list[strawberry.ID], field: str) -> tuple[uuid.UUID, ...]:
    """Whether such hubs exist, the service asks."""
    keys = [read_id("Hub", text) for text in given[: preferences.MAX_HUBS + 1]]
    known = tuple(key for key in keys if key is not None)
    if len(known) < len(keys):
        raise _Unreadable(Refusal(ProblemCode.NOT_FOUND, "There is no such hub.", field=field))
    return known
