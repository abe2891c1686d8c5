"""Verifies what the server hands out of a locker's journal, with nothing but public keys.

Knows `schema` and no server: what holds here holds for anybody who has the same bytes.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from schema.codec import Malformed, encode
from schema.cose import verify
from schema.journal import (
    FIRST_PREV_HEAD,
    Entry,
    Kind,
    check_chain,
    entry_head,
    parse_accepted,
    parse_entry,
    verify_head,
)
from schema.keys import Operation
from server.demo.asking import Unverified, check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from schema.ids import LockerId, StayId


@dataclass(frozen=True, slots=True)
class Line:
    """One entry and the head of the chain after it."""

    entry: Entry
    head: bytes


@dataclass(frozen=True, slots=True)
class LockerFacts:
    """What is known of a locker from its own commissioning: no server said so."""

    lid: LockerId
    sign_public: bytes


def read_journal(raws: Sequence[bytes], locker: LockerFacts) -> list[Line]:
    """A whole journal, each entry following the one before it from 32 zero bytes on.

    `Unverified` for a hole, a foreign entry or a broken chain.
    """
    try:
        check_chain(raws, lid=locker.lid, first=1, prev_head=FIRST_PREV_HEAD)
    except Malformed as error:
        raise Unverified(f"the journal does not hold: {error}") from error
    return [Line(parse_entry(raw), entry_head(raw)) for raw in raws]


def read_extract(raws: Iterable[bytes], journal: Sequence[Line]) -> list[Line]:
    """The lines of an extract, each of which must stand in the journal byte for byte."""
    heads = {line.head: line for line in journal}
    strange = [raw for raw in raws if entry_head(raw) not in heads]
    check(not strange, f"{len(strange)} entries of the proof are not in the locker's journal")
    return [heads[entry_head(raw)] for raw in raws]


def find_collection(lines: Sequence[Line], *, stay: StayId, holder: bytes) -> tuple[Line, Line]:
    """The acceptance and the collection of a stay.

    `Unverified` unless the holder's own key signed the very request that the locker accepted, and
    the stay ended in the compartment that this request opened.
    """
    ended = [line for line in lines if line.entry.kind == Kind.COLLECTED]
    check(len(ended) == 1, f"the proof tells of {len(ended)} collections, not of one")
    comp, named, _grade = ended[0].entry.body
    check(named == stay, "the collection is of another stay")
    opened = [line for line in lines if is_opening(line) and line.entry.seq < ended[0].entry.seq]
    check(bool(opened), "the proof lacks the acceptance before the collection")
    accepted = parse_accepted(opened[-1].entry.body)
    check(accepted.comp == comp, "another compartment was opened")
    check(is_proved_by(holder, opened[-1]), "the holder's key did not sign the accepted request")
    return opened[-1], ended[0]


def is_opening(line: Line) -> bool:
    """Whether the locker let somebody at what a stay holds."""
    kind, body = line.entry.kind, line.entry.body
    return kind == Kind.ACCEPTED and parse_accepted(body).op == Operation.OPEN


def is_proved_by(holder: bytes, line: Line) -> bool:
    """Whether this key signed the request of an ACCEPTED entry (SLK1, section 4: `pop`)."""
    accepted = parse_accepted(line.entry.body)
    if accepted.h is None or accepted.pop is None or accepted.chain_hash is None:
        return False
    request = encode([accepted.op, accepted.asked_comp, accepted.code])
    return verify(
        holder, b"SLK1-pop\x00" + accepted.h + accepted.chain_hash + request, accepted.pop
    )


def is_receipt_for(line: Line, receipt: Mapping[str, Any], locker: LockerFacts) -> bool:
    """Whether the locker's key signed this line's head, and a phone kept that signature."""
    kept = bytes.fromhex(receipt["head"])
    return kept == line.head and verify_head(
        locker.sign_public,
        lid=locker.lid,
        seq=line.entry.seq,
        head=line.head,
        signature=bytes.fromhex(receipt["signature"]),
    )


def is_key_of(proof: Mapping[str, Any], locker: LockerFacts) -> bool:
    """Whether a proof of the API names the key that the locker was commissioned with."""
    return base64.b64decode(proof["signPublic"]) == locker.sign_public


def read_entries(entries: Iterable[Mapping[str, str]]) -> list[bytes]:
    """The bytes of journal entries as the API gives them."""
    return [base64.b64decode(entry["bytes"]) for entry in entries]
