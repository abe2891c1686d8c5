"""What people want, and what must never be done to them: values, their checks, their stored form.

Wishes bend, hard limits do not: whoever chooses a compartment, a time or a channel asks here.
"""

import uuid
import zoneinfo
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from schema.codes import ProblemCode
from schema.compartments import MAX_SIDE_MM, ReachBand
from server.kit.clock import local_instant
from server.kit.errors import Refusal

MAX_HUBS = 20
"""Hubs in one list: who allows more of them allows all."""

MAX_WINDOWS = 21
"""Usual windows: three for each day of the week."""

LONGEST_ABSENCE = timedelta(days=60)
"""A parcel cannot wait for longer anywhere."""

LONGEST_QUIET_MINUTES = 18 * 60
"""Some hours of each day are left in which people can be told."""

WEEK = frozenset(range(7))

Span = tuple[datetime, datetime]
"""Two instants; the end no longer belongs to it."""


class Channel(StrEnum):
    """A way to a person."""

    PUSH = "PUSH"
    """A message on the screen of a phone."""
    EMAIL = "EMAIL"
    SMS = "SMS"


class Language(StrEnum):
    """A language that notices are written in."""

    EN = "en"
    DE = "de"
    FR = "fr"
    ES = "es"


@dataclass(frozen=True, slots=True)
class DailySpan:
    """A span of every day in minutes of the person's local time; over midnight when it ends first.

    ValueError outside of a day, or when it is empty.
    """

    starts_minute: int
    ends_minute: int

    def __post_init__(self) -> None:
        """Refuse minutes that no day has."""
        if not (0 <= self.starts_minute < 1440 and 0 < self.ends_minute <= 1440):
            message = "a span's minutes lie within the day"
            raise ValueError(message)
        if self.starts_minute == self.ends_minute:
            message = "a span is not empty"
            raise ValueError(message)

    def find_span(self, at: datetime, zone: zoneinfo.ZoneInfo) -> Span | None:
        """The span that this instant lies in, whole."""
        today = at.astimezone(zone).date()
        over = timedelta(days=self.ends_minute <= self.starts_minute)
        for days in (0, -1, 1):  # clocks that are set at midnight show a day twice
            day = today + timedelta(days=days)
            begins = local_instant(day, self.starts_minute, zone)
            if begins <= at < local_instant(day + over, self.ends_minute, zone):
                return begins, local_instant(day + over, self.ends_minute, zone)
        return None

    def spans_between(self, start: datetime, end: datetime, zone: zoneinfo.ZoneInfo) -> list[Span]:
        """The span's instants between two others, in order."""
        day = start.astimezone(zone).date() - timedelta(days=1)
        last = end.astimezone(zone).date()
        spans = []
        while day <= last:
            over = self.ends_minute <= self.starts_minute
            begins = local_instant(day, self.starts_minute, zone)
            ends = local_instant(day + timedelta(days=over), self.ends_minute, zone)
            if max(begins, start) < min(ends, end):
                spans.append((max(begins, start), min(ends, end)))
            day += timedelta(days=1)
        return spans


@dataclass(frozen=True, slots=True)
class UsualWindow:
    """A span on some days of the week, 0 for Monday, in which the person usually comes."""

    weekdays: tuple[int, ...]
    span: DailySpan


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """A person's wishes, and from `hold_until` to `allowed_hubs` their hard limits.

    `version` is 0 until something was changed. `time_zone` None means that of the hub. Channels
    not named are used last, so that nobody is out of reach by mistake. No `allowed_hubs` allow all.
    """

    version: int = 0
    language: Language = Language.EN
    time_zone: str | None = None
    channels: tuple[Channel, ...] = tuple(Channel)
    quiet: DailySpan | None = DailySpan(22 * 60, 8 * 60)
    may_cooled_break_quiet: bool = False
    hold_until: date | None = None
    """The first day on which they are back; nothing goes into a locker before."""
    reach: ReachBand | None = None
    """Heights of a compartment's sill that they can use."""
    counter_only: bool = False
    never_app_only: bool = False
    """No locker that nobody can open without a phone."""
    never_ambient_if_perishable: bool = False
    allowed_hubs: tuple[uuid.UUID, ...] = ()
    favourite_hubs: tuple[uuid.UUID, ...] = ()
    usual_windows: tuple[UsualWindow, ...] = ()
    learns: bool = True
    """Whether their collections may teach us when they usually come."""
    keeps_past: bool = True
    """Whether parcels that are over keep their names as long as the account; else for as long as
    they may be disputed.
    """
    names_hub_on_screen: bool = True
    """Whether a message on the screen of a phone may name the hub."""

    def zone(self, hub_zone: str) -> zoneinfo.ZoneInfo:
        """The zone the person lives by, for times at this hub."""
        return zoneinfo.ZoneInfo(self.time_zone or hub_zone)


def check_preferences(wanted: Preferences, *, today: date) -> Refusal | None:
    """POLICY_INVALID, with the field and its rule, unless all of it can be kept."""
    checks = (
        ("timeZone", "Name a zone like Europe/Paris.", _is_zone(wanted.time_zone)),
        ("channels", "Name each channel once, at least one.", _is_order(wanted.channels)),
        ("quiet", "At most 18 hours of the day.", _is_short(wanted.quiet)),
        ("reach", f"Heights rise from 0 to {MAX_SIDE_MM} mm.", _is_band(wanted.reach)),
        (
            "holdUntil",
            f"The day lies within {LONGEST_ABSENCE.days} days.",
            wanted.hold_until is None or wanted.hold_until <= today + LONGEST_ABSENCE,
        ),
        ("allowedHubs", f"At most {MAX_HUBS}, each once.", _is_set(wanted.allowed_hubs, MAX_HUBS)),
        (
            "favouriteHubs",
            f"At most {MAX_HUBS}, each once.",
            _is_set(wanted.favourite_hubs, MAX_HUBS),
        ),
        (
            "usualWindows",
            f"At most {MAX_WINDOWS}, each on some days of the week.",
            _are_windows(wanted.usual_windows),
        ),
    )
    for field, rule, is_kept in checks:
        if not is_kept:
            return Refusal(ProblemCode.POLICY_INVALID, f"{field}: {rule}", field=field)
    return None


def store(preferences: Preferences) -> dict[str, Any]:
    """The stored form, as JSON knows values; the version has a column of its own."""
    kept: dict[str, Any] = _adapter().dump_python(preferences, mode="json")
    kept.pop("version")
    return kept


def restore(version: int, kept: dict[str, Any]) -> Preferences:
    """What `store` has kept; what a later version of us added to it is left out."""
    known = {name: value for name, value in kept.items() if name in Preferences.__slots__}
    return replace(_adapter().validate_python(known), version=version)


@cache
def _adapter() -> TypeAdapter[Preferences]:
    return TypeAdapter(Preferences)


def _is_zone(name: str | None) -> bool:
    return name is None or name in zoneinfo.available_timezones()


def _is_order(channels: tuple[Channel, ...]) -> bool:
    return 0 < len(channels) == len(set(channels))


def _is_short(quiet: DailySpan | None) -> bool:
    length = 0 if quiet is None else (quiet.ends_minute - quiet.starts_minute) % 1440
    return quiet is None or 0 < length <= LONGEST_QUIET_MINUTES


def _is_band(reach: ReachBand | None) -> bool:
    return reach is None or 0 <= reach.lowest_mm <= reach.highest_mm <= MAX_SIDE_MM


def _is_set(ids: tuple[uuid.UUID, ...], most: int) -> bool:
    return len(ids) == len(set(ids)) <= most


def _are_windows(windows: tuple[UsualWindow, ...]) -> bool:
    return len(windows) <= MAX_WINDOWS and all(
        one.weekdays and len(one.weekdays) == len(set(one.weekdays)) and {*one.weekdays} <= WEEK
        for one in windows
    )
