"""What a witness says to a head that a log shows it (c2sp.org/tlog-witness). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from schema.checkpoint.spans import is_consistent
from schema.codec import Malformed
from schema.merkle import tree_root

if TYPE_CHECKING:
    from collections.abc import Iterable

    from schema.checkpoint.notes import NoteKey
    from schema.checkpoint.submissions import Submission

OK, MALFORMED, FORBIDDEN, UNKNOWN, CONFLICT, UNPROVEN = 200, 400, 403, 404, 409, 422


class Held(NamedTuple):
    """The largest head of a log that was cosigned, and its note as the log had signed it."""

    size: int
    root: bytes
    note: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """The status to answer with, and what is told beside it.

    `size` is what a 409 tells. `is_split`: the log has signed two roots for one size, of which the
    other one is held; this is said of nothing else, and never of a head that is cosigned.
    """

    status: int
    reason: str = ""
    size: int | None = None
    is_split: bool = False


def find_stranger(submission: Submission, logs: Iterable[NoteKey]) -> Judgement | None:
    """Why the head is looked at no further; None if a log that is witnessed here has signed it.

    Signatures of unknown keys count neither for it nor against it.
    """
    known = [key for key in logs if key.name == submission.head.origin]
    if not known:
        return Judgement(UNKNOWN, "this log is not witnessed here")
    if not any(_has_signed(key, submission) for key in known):
        return Judgement(FORBIDDEN, "no key of this log that is known here has signed its head")
    return None


def judge(submission: Submission, held: Held | None) -> Judgement:
    """Whether the head may be cosigned by a witness that holds this one, or none yet.

    Of a log whose view was split, the side that is held goes on being cosigned and the other goes
    on being refused: a cosignature says no more than that the log only ever grew as seen from here.
    """
    head = submission.head
    size, root = (0, tree_root([])) if held is None else (held.size, held.root)
    is_split = held is not None and head.size == size and head.root != root
    if submission.old > head.size:
        return Judgement(MALFORMED, "the old size is larger than that of the head")
    if submission.old != size or is_split:
        return Judgement(CONFLICT, size=size, is_split=is_split)
    if not is_consistent(
        size, head.size, old_root=root, new_root=head.root, proof=submission.proof
    ):
        return Judgement(UNPROVEN, "the proof does not show that the log only grew")
    return Judgement(OK)


def _has_signed(key: NoteKey, submission: Submission) -> bool:
    try:
        return submission.note.is_signed_by(key)
    except Malformed:
        return False
