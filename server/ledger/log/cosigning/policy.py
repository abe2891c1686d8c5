"""Who is to have seen a head before the log publishes it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from schema.checkpoint.trust import NOBODY, Trust

if TYPE_CHECKING:
    from collections.abc import Mapping

    from schema.checkpoint.notes import NoteKey
    from server.ledger.log.cosigning.answers import Witness

MOST_WITNESSES = 32
"""As many as any reader of a policy must understand; their signatures fit into one note."""


@dataclass(frozen=True, slots=True)
class Seer:
    """A witness by its name in the policy, the key it signs with, and how it is asked."""

    name: str
    key: NoteKey
    witness: Witness

    @property
    def id(self) -> str:
        """How its word is kept: by its key, whatever a later policy calls it."""
        return str(self.key)


class Witnessing(NamedTuple):
    """The policy, and everybody it names."""

    policy: Trust
    seers: tuple[Seer, ...]

    @property
    def is_asked_for(self) -> bool:
        """Whether a head that nobody has seen is not to be published."""
        return not self.policy.is_quorum(())

    def compose(self, note: str, lines: Mapping[str, str]) -> str | None:
        """The note with the signature lines that it has by the ids of its witnesses.

        None while they are too few. Lines of others than the policy names are left out: readers
        refuse a head with a signature that they do not know.
        """
        there = [one for one in self.seers if one.id in lines]
        if not self.policy.is_quorum([one.name for one in there]):
            return None
        return note + "".join(lines[one.id] for one in there)


NO_WITNESSES = Witnessing(Trust((), {}, {}, NOBODY, {}), ())
"""Every head is published as it was signed."""
