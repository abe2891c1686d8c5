"""When somebody is reminded of what waits for them (DOMAIN 5.2): instants in, instants out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from server.kit.clock import local_instant
from server.notices.rules import NoticeKind

if TYPE_CHECKING:
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from server.people.preferences import DailySpan, UsualWindow

APART = timedelta(hours=2)
"""A reminder sooner than this after, or before, another notice of the same wait is left out."""

LAST_HOURS = timedelta(hours=4)
"""Within these the last reminder may break the quiet, if none before it reached the person."""

_AFTER_START = {
    NoticeKind.REMIND_1: timedelta(hours=24),
    NoticeKind.COOL_1: timedelta(hours=2),
    NoticeKind.COOL_2: timedelta(hours=8),
}
_BEFORE_END = {
    NoticeKind.REMIND_2: timedelta(hours=12),
    NoticeKind.REMIND_3: timedelta(hours=3),
    NoticeKind.COOL_3: timedelta(hours=4),
}
_USUAL = (NoticeKind.REMIND_2, NoticeKind.REMIND_3, NoticeKind.REMIND_1)
_COOLED = (NoticeKind.COOL_3, NoticeKind.COOL_1, NoticeKind.COOL_2)
"""The more important first: where two are too close, the later in this order is left out."""

REMINDERS = frozenset({*_USUAL, *_COOLED})

EVE = timedelta(minutes=15)
"""What would fall into the quiet comes so long before it: time enough to be sent."""

OUTDATED = timedelta(hours=1)
"""A reminder that could not be sent at once is left out so long before the next one is due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A parcel that waits, and by which clock its recipient lives.

    `through` is when it must be collected, or for cooled goods when they are safe no longer, if
    that is sooner. `usual_minute` of the local day is when they usually come. `has_reached` tells
    whether a reminder of this wait was taken by a provider.
    """

    since: datetime
    through: datetime
    zone: ZoneInfo
    is_cooled: bool = False
    quiet: DailySpan | None = None
    usual: tuple[UsualWindow, ...] = ()
    has_reached: bool = False


@dataclass(frozen=True, slots=True)
class Reminder:
    """One reminder and its time; `breaks_quiet`: it is sent although it is quiet."""

    kind: NoticeKind
    at: datetime
    breaks_quiet: bool = False


def plan_reminders(waiting: Waiting) -> list[Reminder]:
    """All reminders of this wait, in the order of their times.

    None lies in the quiet but what breaks it: it is moved to the eve, never to later.
    None lies outside of the wait, or within two hours of another or of its begin.
    """
    kept: list[Reminder] = []
    for kind in _COOLED if waiting.is_cooled else _USUAL:
        reminder = _place(kind, waiting)
        taken = [waiting.since, *(other.at for other in kept)]
        is_apart = all(abs(reminder.at - other) >= APART for other in taken)
        if is_apart and waiting.since < reminder.at < waiting.through:
            kept.append(reminder)
    return sorted(kept, key=lambda one: one.at)


def find_next(waiting: Waiting, *, after: datetime) -> Reminder | None:
    """The first reminder later than `after`."""
    return next((one for one in plan_reminders(waiting) if one.at > after), None)


def split_plan(
    waiting: Waiting, *, since: datetime, now: datetime
) -> tuple[Reminder | None, Reminder | None]:
    """The newest reminder whose time has come since then, and the first that is still to come.

    What the newest has overtaken is never told: after an outage nobody gets two at once. Once the
    wait is over nothing is due.
    """
    plan = plan_reminders(waiting)
    due = [one for one in plan if since <= one.at <= now < waiting.through]
    return due[-1] if due else None, next((one for one in plan if one.at > now), None)


def is_outdated(waiting: Waiting, *, told_at: datetime, now: datetime) -> bool:
    """Whether a reminder that was due at `told_at` and could not be sent yet says nothing any more:
    the wait is over, or another is due since then, or within the hour.
    """
    following = find_next(waiting, after=told_at)
    is_followed = following is not None and following.at <= now + OUTDATED
    return now >= waiting.through or is_followed


def may_break_quiet(kind: NoticeKind, waiting: Waiting, now: datetime) -> bool:
    """Whether this reminder may be heard now although it is quiet (DOMAIN 5.2)."""
    if kind is NoticeKind.COOL_3:
        return True
    is_late = waiting.through - now < LAST_HOURS
    return kind is NoticeKind.REMIND_3 and is_late and not waiting.has_reached


def _place(kind: NoticeKind, waiting: Waiting) -> Reminder:
    wanted = _wanted(kind, waiting)
    span = None if waiting.quiet is None else waiting.quiet.find_span(wanted, waiting.zone)
    if span is None:
        return Reminder(kind, wanted)
    if may_break_quiet(kind, waiting, wanted):
        return Reminder(kind, wanted, breaks_quiet=True)
    return Reminder(kind, span[0] - EVE)


def _wanted(kind: NoticeKind, waiting: Waiting) -> datetime:
    if kind in _BEFORE_END:
        return waiting.through - _BEFORE_END[kind]
    at = waiting.since + _AFTER_START[kind]
    if kind is not NoticeKind.REMIND_1:
        return at
    day = at.astimezone(waiting.zone).date()
    minutes = [one.span.starts_minute for one in waiting.usual if day.weekday() in one.weekdays]
    # Only within its day: whoever comes in the evening need not hear of it at noon.
    return local_instant(day, min(minutes), waiting.zone) if minutes else at
