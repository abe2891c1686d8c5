"""What a monitor may find, and why it sometimes finds nothing. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Finding(StrEnum):
    """What is wrong with a log. None of them heals: each is told until somebody forgets it."""

    UNSIGNED = "UNSIGNED"
    """The head is no head, or no key of the log that is trusted has signed it."""
    FALSE_SIGNATURE = "FALSE_SIGNATURE"
    """A signature in the name of a known key does not hold."""
    UNKNOWN_KEY = "UNKNOWN_KEY"
    """Somebody has signed the head whom the trust file does not name."""
    NO_QUORUM = "NO_QUORUM"
    """Fewer witnesses have cosigned the head than the trust file asks for."""
    ROLLED_BACK = "ROLLED_BACK"
    """The log shows a smaller head than before."""
    REPLACED_ROOT = "REPLACED_ROOT"
    """The log has signed two roots for one size."""
    INCONSISTENT = "INCONSISTENT"
    """The log did not only grow: something that it held is gone, changed or elsewhere."""
    WRONG_ENTRIES = "WRONG_ENTRIES"
    """The entries that are served are not those that the head commits to."""
    NO_ENTRY = "NO_ENTRY"
    """A leaf is nothing that a log of lockers holds."""
    GAP = "GAP"
    """Entries of a locker's journal were left out."""
    FORK = "FORK"
    """A locker's journal has two different entries of one number."""
    REPEATED = "REPEATED"
    """The same entry of a journal is there twice."""
    REORDERED = "REORDERED"
    """An entry of a journal comes after later ones."""
    LATE = "LATE"
    """Something waited for a published head for longer than the log promises."""


@dataclass(frozen=True, slots=True)
class Found:
    """One finding in a sentence, and the notes that prove it to others where there are any."""

    kind: Finding
    text: str
    evidence: tuple[str, ...] = ()

    def __str__(self) -> str:
        """A line for people."""
        return f"{self.kind}: {self.text}"


MOST_OF_A_KIND = 100
"""Findings of one kind that are kept; one more says nothing new. By kind, so that no flood of one
hides another.
"""


class CannotTell(Exception):
    """The log is out of reach, or keeps something back: nothing is certain, in either direction."""
