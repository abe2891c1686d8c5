"""How a locker's signed entries join what is stored of its journal: new, known, waiting or forked.

Pure: knows bytes and hashes, neither a database nor what an entry means for a parcel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from schema.codec import Malformed
from schema.journal import (
    FIRST_PREV_HEAD,
    Accepted,
    Entry,
    Kind,
    entry_head,
    parse_accepted,
    parse_entry,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from schema.ids import LockerId

FIRST_SEQ = 1
"""The number of a journal's first entry; 0 stands for "none yet" in a hello (PROTOCOL 4)."""

OF_ONE_COMPARTMENT = frozenset(
    {
        Kind.PULSED,
        Kind.DOOR_OPENED,
        Kind.DOOR_CLOSED,
        Kind.OPEN_NOT_DETECTED,
        Kind.CLOSE_OVERDUE,
        Kind.UNEXPECTED_OPEN,
        Kind.DEPOSITED,
        Kind.COLLECTED,
        Kind.EXCURSION,
        Kind.SANITISED,
        Kind.FAULT,
        Kind.WITHDRAWN,
        Kind.FOUND_EMPTY,
    }
)
"""Kinds whose body begins with a compartment (PROTOCOL 8)."""

OF_ONE_STAY = frozenset({Kind.DEPOSITED, Kind.COLLECTED, Kind.WITHDRAWN, Kind.FOUND_EMPTY})
"""Kinds whose body goes on with a stay."""

ENDS_OF_STAY = frozenset({Kind.COLLECTED, Kind.WITHDRAWN, Kind.FOUND_EMPTY})
"""Kinds after which the stay named in them is over."""


class Place(Protocol):
    """Where in a journal something belongs, and the chain's head there."""

    @property
    def seq(self) -> int:
        """The number of the entry."""

    @property
    def head(self) -> bytes:
        """The head after it."""

    @property
    def raw(self) -> bytes:
        """The entry; empty where only its head is known."""


@dataclass(frozen=True, slots=True)
class HeadAlone:
    """An entry that is known by its signed head only."""

    seq: int
    head: bytes
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry with its bytes and the chain's head after it."""

    raw: bytes
    head: bytes
    entry: Entry

    @property
    def seq(self) -> int:
        """Its number in the locker's journal."""
        return self.entry.seq


@dataclass(frozen=True, slots=True)
class Link:
    """What is stored of an entry as far as its neighbours are concerned."""

    head: bytes
    prev_head: bytes


@dataclass(frozen=True, slots=True)
class About:
    """Whom an entry speaks of; None where its kind names nobody."""

    comp: int | None = None
    stay: bytes | None = None
    cti: bytes | None = None


def read_line(raw: bytes) -> Line:
    """The line in these bytes; Malformed when its form is not the protocol's."""
    return Line(raw, entry_head(raw), parse_entry(raw))


def read_lines(
    raws: Sequence[bytes], *, lid: LockerId, first: int, head: bytes
) -> tuple[Line, ...]:
    """The lines of one envelope; Malformed unless they are one unbroken piece of a chain.

    `head` must follow the last; an envelope without entries is held to nothing here.
    """
    lines = tuple(read_line(raw) for raw in raws)
    if not lines:
        return lines
    if first < FIRST_SEQ:
        raise Malformed(f"a journal begins with entry {FIRST_SEQ}, not {first}")
    expected = FIRST_PREV_HEAD if first == FIRST_SEQ else lines[0].entry.prev_head
    for seq, line in enumerate(lines, first):
        if line.entry.lid != lid or line.seq != seq or line.entry.prev_head != expected:
            raise Malformed(f"entry {seq} does not follow the one before it")
        expected = line.head
    if expected != head:
        raise Malformed("the head is not that of the last entry")
    return lines


def find_fork(lines: Sequence[Line], stored: Mapping[int, Link]) -> Line | None:
    """The first line that contradicts what is stored under its own number or beside it.

    `stored` must hold what there is from one before the first line to one after the last.
    """
    for line in lines:
        same, after = stored.get(line.seq), stored.get(line.seq + 1)
        before = stored.get(line.seq - 1)
        if (
            (same is not None and same.head != line.head)
            or (before is not None and before.head != line.entry.prev_head)
            or (after is not None and after.prev_head != line.head)
        ):
            return line
    return None


def about(entry: Entry) -> About:
    """Compartment, stay and token that the entry names."""
    if entry.kind == Kind.ACCEPTED:
        accepted = accepted_of(entry)
        return About(comp=accepted.comp, cti=accepted.cti)
    comp = entry.body[0] if entry.kind in OF_ONE_COMPARTMENT else None
    stay = entry.body[1] if entry.kind in OF_ONE_STAY else None
    return About(
        comp=comp if isinstance(comp, int) else None,
        stay=stay if isinstance(stay, bytes) else None,
    )


def accepted_of(entry: Entry) -> Accepted:
    """The body of an ACCEPTED entry."""
    return parse_accepted(entry.body)
