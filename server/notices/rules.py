"""What decides about notices: which kinds there are, which way comes next, when nobody was reached.

Knows no provider, no address and no clock; quiet hours are spans of the person's own day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from server.notices.delivery import Accepted, Delivery, Later
from server.people.preferences import Channel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from server.people.preferences import DailySpan

LETTERS_AFTER = timedelta(minutes=5)
"""How long a push may stay unanswered before a letter goes out as well (DOMAIN 5.2)."""

GIVE_UP_AFTER = timedelta(hours=12)
"""After so long nobody waits for a provider any more: the person counts as not reached."""


class NoticeKind(StrEnum):
    """What a notice says (DOMAIN 5.2)."""

    READY = "READY"
    """A parcel can be collected."""
    READY_AGAIN = "READY_AGAIN"
    """What came in the quiet of the night, told once more in the morning."""
    REMIND_1 = "REMIND_1"
    """A parcel still waits, a day after it was ready."""
    REMIND_2 = "REMIND_2"
    """Half a day is left."""
    REMIND_3 = "REMIND_3"
    """Hours are left."""
    COOL_1 = "COOL_1"
    """Cooled goods wait for some hours; in place of the former three, like the next two."""
    COOL_2 = "COOL_2"
    """They still wait."""
    COOL_3 = "COOL_3"
    """Hours are left for them."""
    COLLECTED = "COLLECTED"
    """A parcel was collected by its recipient."""
    DELEGATE_USED = "DELEGATE_USED"
    """A parcel was collected by somebody with whom its recipient had shared it."""
    REDIRECTED = "REDIRECTED"
    """A parcel goes to another hub, as somebody with the account wished."""
    EXTENDED = "EXTENDED"
    """A parcel waits for longer than they were told."""
    HUB_CLOSED = "HUB_CLOSED"
    """A hub is closed, unplanned, and what lies there waits for longer."""
    EXPIRED = "EXPIRED"
    """The time to collect is over."""
    RETURNED = "RETURNED"
    """A parcel is back with its sender."""
    WINDOW_OPEN = "WINDOW_OPEN"
    """The time that the recipient chose for fetching a parcel has begun."""
    AT_COUNTER = "AT_COUNTER"
    """A parcel can be had at the counter of its hub."""
    NEW_DEVICE = "NEW_DEVICE"
    """A phone was added to the account."""
    DOOR_LEFT_OPEN = "DOOR_LEFT_OPEN"
    """A door stands open that the person had opened, or behind which their parcel lies."""
    MOVED = "MOVED"
    """A parcel of which they were told is not where it was."""
    EXCURSION = "EXCURSION"
    """The place of a cooled parcel does not keep its temperature."""
    CLIMATE_HOLD = "CLIMATE_HOLD"
    """A cooled parcel may not be safe any more, and is held."""
    INCIDENT = "INCIDENT"
    """Something is wrong with a parcel, and it is held until somebody has decided."""
    DISPUTED = "DISPUTED"
    """The recipient has said that a collection was not right, and somebody looks into it."""
    DISPUTED_BY_OTHER = "DISPUTED_BY_OTHER"
    """The sender or the courier has said that a collection was not right."""
    DISPUTE_RESOLVED = "DISPUTE_RESOLVED"
    """It was decided what became of a parcel whose collection was disputed."""
    GUEST_LINK = "GUEST_LINK"
    """A new link to a parcel, which somebody had support write."""
    DEVICE_CONFIRMED = "DEVICE_CONFIRMED"
    """A phone of the account does not wait any more."""
    DEVICE_REMOVED = "DEVICE_REMOVED"
    """A phone was removed from the account."""
    REMOVED_KEY_TRIED = "REMOVED_KEY_TRIED"
    """A phone that was removed wanted to sign in again, with a code that was right."""
    PIN_ISSUED = "PIN_ISSUED"
    """A phone of the account asked for digits that open a door."""
    PARCEL_SHARED = "PARCEL_SHARED"
    """A phone of the account shared a parcel."""
    GUEST_PASS = "GUEST_PASS"
    """A link gave digits that open a door."""
    PARCEL_ADOPTED = "PARCEL_ADOPTED"
    """Another account made a parcel its own by a link."""


SECURITY = frozenset(
    {
        NoticeKind.NEW_DEVICE,
        NoticeKind.DEVICE_CONFIRMED,
        NoticeKind.DEVICE_REMOVED,
        NoticeKind.REMOVED_KEY_TRIED,
        NoticeKind.PIN_ISSUED,
        NoticeKind.PARCEL_SHARED,
        NoticeKind.GUEST_PASS,
        NoticeKind.PARCEL_ADOPTED,
    }
)
"""Kinds by which an owner notices that somebody else uses the account; at once, also at night."""

TO_EVERY_ADDRESS = SECURITY
"""Kinds that use every way there is, so that a stolen one does not silence the others; of all other
kinds one acceptance is enough.
"""


ABOUT_PARCELS = frozenset(NoticeKind) - {
    NoticeKind.DOOR_LEFT_OPEN,
    NoticeKind.NEW_DEVICE,
    NoticeKind.DEVICE_CONFIRMED,
    NoticeKind.DEVICE_REMOVED,
    NoticeKind.REMOVED_KEY_TRIED,
}
"""Kinds whose subject is a parcel; of the others it is a door or a phone."""

URGENT = SECURITY | {
    NoticeKind.EXCURSION,
    NoticeKind.CLIMATE_HOLD,
    NoticeKind.INCIDENT,
    NoticeKind.DOOR_LEFT_OPEN,
    NoticeKind.GUEST_LINK,
}
"""Kinds that break the quiet: something is wrong, or the person asked for it just now."""

GENTLE = frozenset({NoticeKind.READY, NoticeKind.AT_COUNTER})
"""Kinds that come at once, but without a sound while it is quiet; letters wait."""

SOUNDLESS = frozenset(
    {
        NoticeKind.COLLECTED,
        NoticeKind.DELEGATE_USED,
        NoticeKind.EXTENDED,
        NoticeKind.DISPUTED,
        NoticeKind.DISPUTED_BY_OTHER,
    }
)
"""Kinds that never make a sound: a push without one, or an e-mail, never a text message."""


class NoticeState(StrEnum):
    """How far a notice is on its channel."""

    QUEUED = "QUEUED"
    """Not taken by a provider yet."""
    ACCEPTED = "ACCEPTED"
    """A provider took it."""
    FAILED = "FAILED"
    """No provider will take it."""
    SUPPRESSED = "SUPPRESSED"
    """Overtaken before it was sent: it would have told what is no longer so."""


@dataclass(frozen=True, slots=True)
class Send:
    """Try this channel now; `is_silent`: without a sound."""

    channel: Channel
    is_silent: bool = False


@dataclass(frozen=True, slots=True)
class Wait:
    """Every way that is left was tried just now: come back."""


@dataclass(frozen=True, slots=True)
class Rest:
    """It is quiet: come back when that is over."""


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing is left to do; `reached` tells whether a provider took it on any channel."""

    reached: bool


Step = Send | Wait | Rest | Over
"""What to do next about a notice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the next step depends on.

    `order` are the person's channels in the order they want, `reach` those that lead to them,
    `tried` those of this attempt; `waited` leaves out the time in which it was quiet.
    """

    past: Mapping[Channel, NoticeState]
    reach: AbstractSet[Channel]
    tried: AbstractSet[Channel] = frozenset()
    order: tuple[Channel, ...] = tuple(Channel)
    waited: timedelta = timedelta(0)
    is_quiet: bool = False

    @property
    def reached(self) -> bool:
        """Whether a provider took it on any channel."""
        return NoticeState.ACCEPTED in self.past.values()

    def ways(self) -> list[Channel]:
        """The channels that may still work, in the person's order."""
        rest = [one for one in Channel if one not in self.order]
        # After an outage of ours each way is still tried once, however late it is.
        is_late = self.waited >= GIVE_UP_AFTER
        open_states = {None} if is_late else {None, NoticeState.QUEUED}
        return [
            one
            for one in (*self.order, *rest)
            if one in self.reach and self.past.get(one) in open_states
        ]


def decide(kind: NoticeKind, case: Case) -> Step:
    """The next step about a notice.

    Of most kinds one acceptance is enough, and another channel follows the first only when that
    failed or stays unanswered; some go to every address. While it is quiet nothing makes a sound
    but what is urgent.
    """
    is_for_one = kind not in TO_EVERY_ADDRESS
    if case.reached and is_for_one:
        return Over(case.reached)
    is_silent = kind in SOUNDLESS or (case.is_quiet and kind not in URGENT)
    ways = case.ways()
    if not ways:
        return Over(case.reached)
    if kind in SOUNDLESS:
        ways = [one for one in ways if one is not Channel.SMS]
        if not ways:
            return Over(case.reached)
    elif is_silent:
        ways = [one for one in ways if one is Channel.PUSH and kind in GENTLE]
        if not ways:
            return Rest()
    if is_for_one:
        ways = _in_turn(ways, case.waited)
    untried = [one for one in ways if one not in case.tried]
    return Send(untried[0], is_silent) if untried else Wait()


def find_quiet_end(quiet: DailySpan | None, now: datetime, zone: ZoneInfo) -> datetime | None:
    """When the quiet that it is now will be over; None while it is not quiet."""
    span = None if quiet is None else quiet.find_span(now, zone)
    return None if span is None else span[1]


def find_waited(
    quiet: DailySpan | None, *, since: datetime, now: datetime, zone: ZoneInfo
) -> timedelta:
    """How long it has been since then, the quiet left out."""
    slept = timedelta(0)
    if quiet is not None and since < now:
        for start, end in quiet.spans_between(since, now, zone):
            slept += end - start
    return max(now - since - slept, timedelta(0))


def combine(kind: NoticeKind, deliveries: Sequence[Delivery]) -> Delivery:
    """What became of a notice that went to several addresses of one channel.

    Most kinds have reached the person with the first acceptance; what is to reach every address is
    brought to all again if one must be tried again, and replaces itself there.
    """
    waiting = [one for one in deliveries if isinstance(one, Later)]
    taken = [one for one in deliveries if isinstance(one, Accepted)]
    if kind not in TO_EVERY_ADDRESS:
        return [*taken, *waiting, *deliveries][0]
    return [*waiting, *taken, *deliveries][0]


def pause_s(kind: NoticeKind, wish: Later) -> int | None:
    """Seconds until the next attempt, None for the usual pause.

    A provider's wish is kept, but letters that follow a push are not to wait for it.
    """
    if wish.after_s is None or kind in TO_EVERY_ADDRESS:
        return wish.after_s
    return min(wish.after_s, int(LETTERS_AFTER.total_seconds()))


def _in_turn(ways: list[Channel], waited: timedelta) -> list[Channel]:
    """One way at a time, until the first has been silent for too long."""
    if waited < LETTERS_AFTER:
        return ways[:1]
    return [*ways[1:], *ways[:1]]
