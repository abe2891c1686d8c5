"""The way out: journal lines into sealed envelopes, handed to the network or to the next phone.

Nothing is dropped here: only an acknowledgement, which comes as a statement, lets lines go.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.envelopes import envelope_size, pack, seal_envelope
from schema.handshake import MAX_ENVELOPE
from schema.journal import entry_head

if TYPE_CHECKING:
    from ble_agent.journal import Journal
    from schema.cose import SigningKey
    from schema.ids import LockerId
    from schema.keys import KeyEntry

MAX_LINES = 400
"""Lines looked at for one envelope; with `MAX_RAW_SIZE` it keeps inflating within bounds."""

MAX_RAW_SIZE = 200 * 1024
"""Bytes of lines in one envelope before compression; the server inflates at most 256 KiB."""


@dataclass(frozen=True, slots=True)
class Load:
    """An envelope, if one could be made, the last line it reaches to, and the lines left over."""

    envelope: bytes | None
    carried: int
    pending: int


@dataclass(frozen=True, slots=True)
class Sender:
    """Who signs envelopes: the locker and its key."""

    lid: LockerId
    signing: SigningKey


def take_for_phone(
    journal: Journal, sender: Sender, seal_to: KeyEntry | None, *, after: int, max_bytes: int
) -> Load:
    """The oldest lines after `after` that fit what a phone will carry, at most 1300 bytes."""
    return take_load(journal, sender, seal_to, after=after, max_bytes=min(max_bytes, MAX_ENVELOPE))


def take_load(
    journal: Journal, sender: Sender, seal_to: KeyEntry | None, *, after: int, max_bytes: int
) -> Load:
    """An envelope of at most `max_bytes` with the oldest lines after `after`.

    There is none when nothing is left, when no line fits, or when the key set names no key to
    seal to; `carried` is then `after` again.
    """
    pending = journal.count_after(after)
    raws = _within_raw_size([raw for _, raw in journal.list_after(after, limit=MAX_LINES)])
    first = after + 1
    packed, count = _fit(raws, first=first, max_bytes=max_bytes)
    if seal_to is None or count == 0:
        return Load(None, after, pending)
    envelope = seal_envelope(
        packed,
        lid=sender.lid,
        first=first,
        count=count,
        key=sender.signing,
        kid=seal_to.kid,
        to=seal_to.public,
    )
    return Load(envelope, after + count, pending - count)


def _within_raw_size(raws: list[bytes]) -> list[bytes]:
    total = 0
    for at, raw in enumerate(raws):
        total += len(raw)
        if total > MAX_RAW_SIZE:
            return raws[:at]
    return raws


def _fit(raws: list[bytes], *, first: int, max_bytes: int) -> tuple[bytes, int]:
    """The most lines whose envelope stays within `max_bytes`, packed; (b"", 0) if none does.

    Halving works because a longer run of lines practically never packs smaller; where it did,
    the envelope would only be shorter than it could be.
    """
    best, low, high = (b"", 0), 1, len(raws)
    while low <= high:
        count = (low + high) // 2
        packed = pack(first=first, entries=tuple(raws[:count]), head=entry_head(raws[count - 1]))
        if envelope_size(packed, first=first, count=count) <= max_bytes:
            best, low = (packed, count), count + 1
        else:
            high = count - 1
    return best
