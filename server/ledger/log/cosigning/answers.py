"""What a witness may say to a head, the port through which it is asked, and its word checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from schema.checkpoint.notes import LARGEST_SIZE, Note, parse_signatures, parse_size
from schema.checkpoint.submissions import SIZE_TYPE
from schema.codec import Malformed

if TYPE_CHECKING:
    from datetime import datetime

    from schema.checkpoint.notes import NoteKey, Signature

ANSWER_BYTES = 16_384
"""Longest answer that is read: a signature line has some 150 bytes."""

FASTEST_CLOCK = timedelta(minutes=10)
"""A witness whose clock is further ahead is not believed: receipts tell people its time."""

_OK, _CONFLICT, _UNPROVEN, _TIMEOUT, _BUSY, _FAULT = 200, 409, 422, 408, 429, 500


@dataclass(frozen=True, slots=True)
class Cosigned:
    """Signature lines, not verified."""

    lines: str


@dataclass(frozen=True, slots=True)
class Behind:
    """The size of the head that the witness holds; another one than it was told."""

    size: int


@dataclass(frozen=True, slots=True)
class Refused:
    """It will not cosign this head, however often it is asked.

    `is_unproven`: it says that our proof does not lead from what it holds.
    """

    reason: str
    is_unproven: bool = False


@dataclass(frozen=True, slots=True)
class Silent:
    """No answer, or one that says nothing: it is asked again."""

    reason: str


Answer = Cosigned | Behind | Refused | Silent


class Witness(Protocol):
    """Somebody who cosigns heads of logs that only grow."""

    async def cosign(self, submission: bytes) -> Answer:
        """Shows a head (`schema.checkpoint.submissions`); may be repeated. Never raises."""


def read_answer(status: int, kind: str, body: bytes) -> Answer:
    """What an answer over HTTP says (tlog-witness, `add-checkpoint`)."""
    text = body.decode(errors="replace")
    if status == _OK:
        return Cosigned(text)
    if status == _CONFLICT and kind.partition(";")[0].strip() == SIZE_TYPE:
        try:
            return Behind(parse_size(text.removesuffix("\n")))
        except Malformed as error:
            return Silent(f"a conflict without a size: {error}")
    reason = f"status {status}: {' '.join(text.split())[:200]}"
    if status in {_TIMEOUT, _BUSY} or status >= _FAULT:
        return Silent(reason)
    return Refused(reason, is_unproven=status == _UNPROVEN)


def find_cosignature(
    note: Note, lines: str, *, key: NoteKey, now: datetime
) -> tuple[Signature, int] | None:
    """The witness's signature for this head among the lines, and its time; None without one.

    Lines of other keys are passed over. Malformed if its own does not hold, or is of a time to
    come.
    """
    told = Note(note.text, parse_signatures(lines))
    seen_at = told.find_time(key)
    if seen_at is None:
        return None
    if seen_at > min(LARGEST_SIZE, (now + FASTEST_CLOCK).timestamp()):
        raise Malformed(f"{key.name} cosigned at a time to come")
    named = [one for one in told.signatures if (one.name, one.key_id) == (key.name, key.id)]
    return named[0], seen_at
