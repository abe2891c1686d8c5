"""What the server notes of its own doing, and the entry that says so. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.ids import OWN_CHAIN
from schema.journal import Entry, OwnKind, entry_head, person_mark
from server.ledger.rules import Line

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from schema.codec import Value
    from schema.ids import LockerId

CLOCK_SET = 2
"""The quality of a server's clock, as entries say it."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the server did. The mark of `person_id` closes the body where it is about a
    person's keys; `subject_id` is something else by which the entry is found again.

    Of what is not `kept` the chain holds the head alone, from the start: the person is erased.
    """

    kind: OwnKind
    body: tuple[Value, ...]
    person_id: uuid.UUID | None = None
    is_kept: bool = True
    subject_id: uuid.UUID | None = None


def device_added(thumbprint: str, person_id: uuid.UUID) -> Fact:
    """A device key may act for a person."""
    return Fact(OwnKind.DEVICE_ADDED, (thumbprint,), person_id)


def device_removed(thumbprint: str, person_id: uuid.UUID, *, is_kept: bool = True) -> Fact:
    """It may not any more."""
    return Fact(OwnKind.DEVICE_REMOVED, (thumbprint,), person_id, is_kept)


def key_set_issued(audience: LockerId, seq: int, digest: bytes) -> Fact:
    """A key set that a root signed was handed in, by the digest of its bytes."""
    return Fact(OwnKind.KEY_SET_ISSUED, (audience, seq, digest))


def revocations_issued(lid: LockerId, seq: int, digest: bytes) -> Fact:
    """A list of revocations was signed, by the digest of its bytes."""
    return Fact(OwnKind.REVOCATIONS_ISSUED, (lid, seq, digest))


def locker_key(lid: LockerId, sign_public: bytes, *, former: LockerId | None) -> Fact:
    """A locker was enrolled by its key; `former` is the one whose place it took."""
    return Fact(OwnKind.LOCKER_ENROLLED, (lid, sign_public, former))


def evidence_frozen(digest: bytes, dispute_id: uuid.UUID) -> Fact:
    """What is told of a dispute, by the digest of its bytes."""
    return Fact(OwnKind.EVIDENCE_FROZEN, (digest,), subject_id=dispute_id)


def write_line(fact: Fact, *, seq: int, prev_head: bytes, salt: bytes, noted_at: datetime) -> Line:
    """The fact as the next line of the chain."""
    about = () if fact.person_id is None else (person_mark(salt, fact.person_id.bytes),)
    entry = Entry(
        lid=OWN_CHAIN,
        boot=0,
        seq=seq,
        prev_head=prev_head,
        t=int(noted_at.timestamp()),
        clockq=CLOCK_SET,
        mono_ms=0,
        salt=salt,
        kind=fact.kind,
        body=[*fact.body, *about],
    )
    raw = entry.encode()
    return Line(raw, entry_head(raw), entry)
