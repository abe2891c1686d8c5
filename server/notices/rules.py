"""What decides about notices: which kinds there are, which way comes next, when nobody was reached.

Knows no provider, no address and no clock.
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

LETTERS_AFTER = timedelta(minutes=5)
"""How long a push may stay unanswered before a letter goes out as well (DOMAIN 5.2)."""

GIVE_UP_AFTER = timedelta(hours=12)
"""After so long nobody waits for a provider any more: the person counts as not reached."""


class NoticeKind(StrEnum):
    """What a notice says (DOMAIN 5.2)."""

    READY = "READY"
    """A parcel can be collected."""
    AT_COUNTER = "AT_COUNTER"
    """A parcel can be had at the counter of its hub."""
    NEW_DEVICE = "NEW_DEVICE"
    """A phone was added to the account."""
    DOOR_LEFT_OPEN = "DOOR_LEFT_OPEN"
    """A door stands open that the person had opened, or behind which their parcel lies."""
    MOVED = "MOVED"
    """A parcel of which they were told is not where it was."""
    INCIDENT = "INCIDENT"
    """Something is wrong with a parcel, and it is held until somebody has decided."""
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


class NoticeState(StrEnum):
    """How far a notice is on its channel."""

    QUEUED = "QUEUED"
    """Not taken by a provider yet."""
    ACCEPTED = "ACCEPTED"
    """A provider took it."""
    FAILED = "FAILED"
    """No provider will take it."""


@dataclass(frozen=True, slots=True)
class Send:
    """Try this channel now."""

    channel: Channel


@dataclass(frozen=True, slots=True)
class Wait:
    """Every way that is left was tried just now: come back."""


@dataclass(frozen=True, slots=True)
class Over:
    """Nothing is left to do; `reached` tells whether a provider took it on any channel."""

    reached: bool


Step = Send | Wait | Over
"""What to do next about a notice."""


def decide(
    kind: NoticeKind,
    past: Mapping[Channel, NoticeState],
    *,
    reach: AbstractSet[Channel],
    tried: AbstractSet[Channel],
    waited: timedelta,
) -> Step:
    """The next step, from the states so far, the ways there are and those tried in this attempt.

    Of most kinds one acceptance is enough, and letters follow a push only when it failed or stays
    unanswered; some go to every address.
    """
    reached = NoticeState.ACCEPTED in past.values()
    is_for_one = kind not in TO_EVERY_ADDRESS
    if (reached and is_for_one) or waited >= GIVE_UP_AFTER:
        return Over(reached)
    ways = [one for one in Channel if one in reach and past.get(one) in {None, NoticeState.QUEUED}]
    if not ways:
        return Over(reached)
    if is_for_one:
        ways = _in_turn(ways, waited)
    untried = [one for one in ways if one not in tried]
    return Send(untried[0]) if untried else Wait()


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
    return sorted(ways, key=lambda one: one is Channel.PUSH)
