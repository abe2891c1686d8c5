"""Grants and tokens as pure decisions: states, lives, what an action is on the wire, revocations.

Knows neither a database nor a key; all numbers that are policy stand here with their source.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from schema.keys import Operation, Role
from schema.statements import MAX_REVOCATIONS
from schema.tokens.passes import PIN_WINDOW_S

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from schema.keys import KeyEntry

RECIPIENT_LIFE = timedelta(hours=24)
"""Longest life of a recipient's token (DOMAIN 5.1)."""

OFFLINE_LIFE = timedelta(days=7)
"""The same where the hub has no network to refresh by (DOMAIN 5.1)."""

GRACE = timedelta(hours=2)
"""A token outlives the deadline by this (DOMAIN 5.1)."""

COURIER_LIFE = timedelta(minutes=10)
"""Life of a deposit token fetched at the stop (DOMAIN 5.1)."""

ROUTE_LIFE = timedelta(hours=12)
"""Life of a deposit token of a tour, bound to the courier's key (DOMAIN 5.1)."""

INSPECTION_LIFE = timedelta(minutes=15)
"""Life of a token to look into a compartment, as long as a technician's (DOMAIN 5.1)."""

EMERGENCY_LIFE = timedelta(hours=4)
"""How long two persons' word to open a door lasts: as long as a service token (PROTOCOL 2)."""

DROPOFF_LIFE = timedelta(hours=24)
"""Longest life of a sender's token: they fetch it at home, as recipients do theirs (DOMAIN 5.1)."""

DEPTH = 2
"""Delegations that may follow a recipient's token (DOMAIN 2.4)."""


class Action(StrEnum):
    """What a grant allows."""

    DEPOSIT = "DEPOSIT"
    """To put a parcel in."""
    OPEN = "OPEN"
    """To take out what a stay holds."""
    DROPOFF = "DROPOFF"
    """To put in what one sends."""
    REMOVE = "REMOVE"
    """To take out what somebody else did not collect, for its carrier or hub."""
    INSPECT = "INSPECT"
    """To look into a compartment that holds no stay."""
    SERVICE = "SERVICE"
    """To open a compartment for repair."""


DEPOSITS = frozenset({Action.DEPOSIT, Action.DROPOFF})
"""What puts a parcel behind a door, on the wire one operation."""


class GrantState(StrEnum):
    """How a grant stands; the last four are final."""

    ISSUED = "ISSUED"
    """Its time has not begun."""
    ACTIVE = "ACTIVE"
    """Tokens for it open doors."""
    USED = "USED"
    """Its uses are spent, or its stay has ended."""
    EXPIRED = "EXPIRED"
    """Its time is over."""
    REVOKED = "REVOKED"
    """Withdrawn; its tokens are in the locker's list of revocations."""
    SUPERSEDED = "SUPERSEDED"
    """Another grant took its place."""


class Turn(StrEnum):
    """What happens to a grant."""

    BEGIN = "BEGIN"
    USE_UP = "USE_UP"
    EXPIRE = "EXPIRE"
    REVOKE = "REVOKE"
    SUPERSEDE = "SUPERSEDE"


LIVING = frozenset({GrantState.ISSUED, GrantState.ACTIVE})
"""States in which a grant can still change, and be worth a token."""

_TURNS = {
    Turn.BEGIN: (frozenset({GrantState.ISSUED}), GrantState.ACTIVE),
    Turn.USE_UP: (frozenset({GrantState.ACTIVE}), GrantState.USED),
    Turn.EXPIRE: (LIVING, GrantState.EXPIRED),
    Turn.REVOKE: (LIVING, GrantState.REVOKED),
    Turn.SUPERSEDE: (LIVING, GrantState.SUPERSEDED),
}
"""DOMAIN 2.4 line by line."""


def find_grant_state(current: GrantState, turn: Turn) -> GrantState | None:
    """The state after the turn, or None when the table has no such line."""
    sources, target = _TURNS[turn]
    return target if current in sources else None


@dataclass(frozen=True, slots=True)
class Span:
    """From when until when, in Unix seconds, both included."""

    nbf: int
    exp: int


_ON_THE_WIRE = {
    Action.DEPOSIT: (Operation.DEPOSIT, Role.COURIER),
    Action.OPEN: (Operation.OPEN, Role.RECIPIENT),
    Action.DROPOFF: (Operation.DEPOSIT, Role.COURIER),
    Action.REMOVE: (Operation.OPEN, Role.COURIER),
    Action.INSPECT: (Operation.INSPECT, Role.HUB),
    Action.SERVICE: (Operation.SERVICE, Role.TECHNICIAN),
}


def on_the_wire(action: Action) -> tuple[Operation, Role]:
    """The operation and the role by which a token says this (DOMAIN 1.1, Grant)."""
    return _ON_THE_WIRE[action]


def recipient_end(
    now: datetime, *, available_through: datetime | None, is_low_connectivity: bool
) -> datetime:
    """When a recipient's token made now should end; without a deadline its longest life counts."""
    longest = now + (OFFLINE_LIFE if is_low_connectivity else RECIPIENT_LIFE)
    return longest if available_through is None else min(longest, available_through + GRACE)


def fit_span(now: int, end: int, key: KeyEntry) -> Span | None:
    """A token's span from now to `end`, cut to what its key may sign; None if nothing is left."""
    span = Span(now, min(end, key.exp, now + key.max_ttl))
    return span if key.nbf <= now < span.exp else None


def is_fresh_enough(*, exp: int, wanted: int, now: int) -> bool:
    """Whether a token handed out before is still given instead of a new one.

    It is while at least half of what a new one would have is left and it does not outlast that, so
    that asking often makes few tokens, and a list of revocations stays short.
    """
    return exp <= wanted and exp - now >= (wanted - now) / 2


TOLERANCE_S = 120
"""How far a locker lets a token miss its time (PROTOCOL 4)."""


def was_valid(
    at: datetime, *, exp: int, revoked_at: datetime | None, is_time_trusted: bool
) -> bool:
    """Whether a token was good when a locker took it, judged by what the server knew then.

    A locker that had lost the time went by the stay alone, so its time says nothing.
    """
    if not is_time_trusted:
        return True
    was_revoked = revoked_at is not None and revoked_at <= at
    return not was_revoked and at.timestamp() <= exp + TOLERANCE_S


MAX_DELEGATIONS_KNOWN = 20
"""Delegations of one grant that are registered; a neighbour or two is what they are for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DelegationFate:
    """What decides how a delegation stands. `is_outdated`: its token is older than the locker's
    `min_iat`, so that both are refused there.
    """

    grant: GrantState
    is_revoked: bool
    is_outdated: bool
    exp: int


def delegation_state(fate: DelegationFate, *, now: int) -> GrantState:
    """How it stands: never better than the grant that it was made from (DOMAIN 2.4)."""
    if fate.is_revoked:
        return GrantState.REVOKED
    if fate.grant not in LIVING:
        return fate.grant
    if fate.exp < now:
        return GrantState.EXPIRED
    return GrantState.SUPERSEDED if fate.is_outdated else GrantState.ACTIVE


@dataclass(frozen=True, slots=True)
class Revoked:
    """One token or delegation in a list of revocations: `exp` is when it would be over anyway."""

    id: bytes
    iat: int
    exp: int


def first_day(now: int) -> int:
    """The first of the days, in Unix days, whose PIN a locker takes now: yesterday."""
    return now // PIN_WINDOW_S - 1


def pass_end(day: int) -> int:
    """When the PIN of a day is over: at the end of the next (PROTOCOL 9)."""
    return (day + 2) * PIN_WINDOW_S


@dataclass(frozen=True, slots=True)
class RevocationList:
    """What a list says: everything issued before `min_iat` is dead, and so are the entries."""

    min_iat: int
    entries: tuple[tuple[bytes, int], ...]


def list_revocations(revoked: Iterable[Revoked], *, min_iat: int, now: int) -> RevocationList:
    """The whole list as of now, never longer than a locker takes.

    Entries that are over, or dead by `min_iat`, are left out. When more than 40 remain, `min_iat`
    rises to now: every token issued before, also of others, has to be fetched anew.
    """
    living = _living(revoked, min_iat=min_iat, now=now)
    if len(living) > MAX_REVOCATIONS:
        min_iat = now
        living = _living(living, min_iat=min_iat, now=now)[:MAX_REVOCATIONS]
    return RevocationList(min_iat, tuple((one.id, one.exp) for one in living))


def _living(revoked: Iterable[Revoked], *, min_iat: int, now: int) -> Sequence[Revoked]:
    """Longest life first, so that a cut would take what matters least."""
    return sorted(
        (one for one in revoked if one.exp >= now and one.iat >= min_iat),
        key=lambda one: (-one.exp, one.id),
    )
