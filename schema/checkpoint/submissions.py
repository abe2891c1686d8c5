"""How a log shows its head to a witness: the texts of c2sp.org/tlog-witness, `add-checkpoint`.

Knows their form alone; whether a proof proves anything is asked of `spans`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.checkpoint.notes import (
    NOTE_BYTES,
    Checkpoint,
    Note,
    parse_checkpoint,
    parse_hash,
    parse_note,
    parse_size,
)
from schema.codec import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_HASHES = 63
"""Hashes of a proof: as many as the largest tree needs (tlog-witness, `add-checkpoint`)."""

SUBMISSION_BYTES = NOTE_BYTES + 64 * (MOST_HASHES + 1)
"""Longest request that is read: a line of a proof has 45 bytes."""

SIZE_TYPE = "text/x.tlog.size"
"""The media type of an answer that tells a size."""

_OLD = "old "


@dataclass(frozen=True, slots=True)
class Submission:
    """A head that is shown, and the proof that it continues a tree of `old` leaves. Not verified.

    `head` is what `note` tells.
    """

    old: int
    proof: tuple[bytes, ...]
    note: Note
    head: Checkpoint


def write_submission(note: Note, *, old: int, proof: Iterable[bytes]) -> bytes:
    """What is sent to a witness that knows the log up to `old` leaves."""
    lines = [f"{_OLD}{old}", *(base64.b64encode(one).decode() for one in proof)]
    return ("".join(f"{line}\n" for line in lines) + f"\n{note}").encode()


def parse_submission(raw: bytes) -> Submission:
    """What a log sent. Malformed unless its form is that of tlog-witness, and the head has three
    lines: a log of ours has no others.
    """
    if len(raw) > SUBMISSION_BYTES:
        raise Malformed(f"a head that is shown takes at most {SUBMISSION_BYTES} bytes")
    asked, gap, noted = raw.partition(b"\n\n")
    try:
        first, *lines = asked.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise Malformed("a size and a proof are ASCII") from error
    if not gap or not first.startswith(_OLD) or len(lines) > MOST_HASHES:
        raise Malformed(f"an old size, at most {MOST_HASHES} hashes, an empty line and a head")
    note = parse_note(noted)
    return Submission(
        old=parse_size(first.removeprefix(_OLD)),
        proof=tuple(map(parse_hash, lines)),
        note=note,
        head=parse_checkpoint(note),
    )
