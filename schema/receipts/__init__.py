"""Receipts: entries of lockers with the proof that the public log holds them, checked offline.

One strict item of CBOR:
`[1, [[lid, number, seq, entry, signature, path], ...], hashes, note, anchor]`.
`entry` is what the locker wrote, or the server about keys in a chain of its own, or the 32 bytes of
its head once it was erased; `signature` is the locker's own over that head, or null; `path` points
into `hashes`, the leaf's sibling first; `note` is the signed head of the log; `anchor` is null, or
`[size, root, path]` of the first head on a chain that holds all of it, with the proof that the log
of `note` continues it. Each bit counts: nothing is in it that is not checked. Whether a chain holds
the anchor is asked elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schema.checkpoint.anchors import AnchoredHead
from schema.checkpoint.notes import (
    HASH_SIZE,
    Checkpoint,
    Note,
    NoteKey,
    parse_checkpoint,
    parse_note,
)
from schema.checkpoint.spans import is_consistent
from schema.codec import Malformed, Value, decode, encode
from schema.codec.base45 import as_base45, parse_base45
from schema.codec.fields import as_array, as_bytes, as_id, as_text, as_uint
from schema.cose import SIGNATURE_SIZE
from schema.ids import OWN_CHAIN, LockerId
from schema.journal import FIRST_OWN_KIND, Entry, entry_head, parse_entry, verify_head
from schema.merkle import leaf_data, leaf_hash, root_from_inclusion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schema.checkpoint.trust import Trust

RECEIPT_BYTES = 262_144
MOST_ENTRIES = 256
MOST_HASHES = 4_096

SHOWN_PREFIX = "SLK1-RECEIPT:"
MOST_SHOWN = 4_296
"""Letters of the largest QR code (version 40-L, ISO/IEC 18004 table 7)."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Stated:
    """An entry in a receipt, not verified: where the log holds it, and who signed its head."""

    lid: LockerId
    number: int
    seq: int
    raw: bytes | None
    """What the locker wrote; None once it was erased."""
    head: bytes
    signature: bytes | None
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class StatedAnchor:
    """A head that is said to be on a chain, not verified, and the way from it to the newest."""

    head: AnchoredHead
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a receipt says, none of it verified."""

    entries: tuple[Stated, ...]
    note: Note
    anchor: StatedAnchor | None = None


@dataclass(frozen=True, slots=True)
class Proven:
    """An entry of which it is certain that the log holds it. `entry` is None once it was erased.

    `is_signed`: the locker's own key vouches for it, and not the log alone.
    """

    lid: LockerId
    number: int
    seq: int
    entry: Entry | None
    is_signed: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a receipt proves: entries of lockers in the log of this head, and who has seen it."""

    entries: tuple[Proven, ...]
    head: Checkpoint
    seen: dict[str, int]
    """Witnesses by their name in the trust file, and when they saw the head, in Unix seconds."""
    anchor: AnchoredHead | None
    """An older head that held it all already, if the receipt names one; no chain was asked."""


class Refused(ValueError):
    """The receipt proves nothing to whoever trusts these keys; says why in a sentence."""


def write_receipt(receipt: Receipt) -> bytes:
    """The receipt's only encoding; Malformed when it is too large."""
    places: dict[bytes, int] = {}
    entries: list[Value] = []
    for one in receipt.entries:
        path: list[Value] = [places.setdefault(sibling, len(places)) for sibling in one.path]
        stated = one.head if one.raw is None else one.raw
        entries.append([one.lid, one.number, one.seq, stated, one.signature, path])
    anchor: Value = None
    if receipt.anchor is not None:
        steps: list[Value] = [places.setdefault(one, len(places)) for one in receipt.anchor.path]
        anchor = [*receipt.anchor.head, steps]
    hashes: list[Value] = list(places)
    written = encode([_VERSION, entries, hashes, str(receipt.note), anchor])
    _check_size(written, len(entries), len(hashes))
    return written


def parse_receipt(raw: bytes) -> Receipt:
    """What the bytes say. Malformed unless they are what `write_receipt` would have written."""
    _check_size(raw, 0, 0)
    version, listed, shared, note, anchor = as_array(decode(raw), 5)
    if as_uint(version) != _VERSION:
        raise Malformed(f"receipts of version {_VERSION} are known, no others")
    hashes = [as_bytes(one, HASH_SIZE) for one in as_array(shared)]
    entries = tuple(_parse_entry(one, hashes) for one in as_array(listed))
    stated = None if anchor is None else _parse_anchor(anchor, hashes)
    receipt = Receipt(entries, parse_note(as_text(note).encode()), stated)
    if not entries or write_receipt(receipt) != raw:
        raise Malformed("a receipt has at least one entry, and one way to be written")
    return receipt


def show_receipt(raw: bytes) -> str | None:
    """A receipt as the text of a QR code: whole if it fits, else its last entry alone.

    That one goes without its anchor if it must. None when nothing of it fits.
    """
    whole = parse_receipt(raw)
    last = replace(whole, entries=whole.entries[-1:])
    for receipt in (whole, last, replace(last, anchor=None)):
        text = SHOWN_PREFIX + as_base45(write_receipt(receipt))
        if len(text) <= MOST_SHOWN:
            return text
    return None


def read_receipt(data: bytes) -> bytes:
    """The receipt in a file, which may hold the text of its QR code; Malformed if that is torn."""
    if not data.startswith(SHOWN_PREFIX.encode()):
        return data
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError as error:
        raise Malformed("the code of a receipt has other letters") from error
    return parse_base45(text.removesuffix("\n").removeprefix(SHOWN_PREFIX))


def verify_receipt(raw: bytes, trust: Trust) -> Verdict:
    """What the receipt proves to whoever trusts these keys; `Refused` if anything is amiss.

    The head is signed by a known log and seen by a quorum, no signature on it is unknown; the log
    holds each entry; a signature of a locker is that of a known one; an anchor holds each entry
    too, and the head continues it.
    """
    try:
        receipt = parse_receipt(raw)
        head = parse_checkpoint(receipt.note)
        seen = _verify_note(receipt.note, head, trust)
        entries = tuple(_prove(one, head, trust) for one in receipt.entries)
        return Verdict(entries, head, seen, _verify_anchor(receipt, head, trust))
    except Malformed as error:
        raise Refused(f"{error}") from error


def _verify_note(note: Note, head: Checkpoint, trust: Trust) -> dict[str, int]:
    logs = [key for key in trust.logs if key.name == head.origin and note.is_signed_by(key)]
    if not logs:
        raise Refused(f"no key of the log {head.origin} that you trust has signed its head")
    times = {name: note.find_time(key) for name, key in trust.witnesses.items()}
    seen = {name: at for name, at in times.items() if at is not None}
    known = {_place(key) for key in (*logs, *(trust.witnesses[name] for name in seen))}
    places = [(one.name, one.key_id) for one in note.signatures]
    if {*places} != known or len({*places}) < len(places):
        raise Refused("the head bears a signature of somebody whom your trust file does not name")
    if not trust.is_quorum(seen):
        raise Refused("too few of the witnesses that you trust have seen this head")
    return seen


def _verify_anchor(receipt: Receipt, head: Checkpoint, trust: Trust) -> AnchoredHead | None:
    if receipt.anchor is None:
        return None
    if not trust.anchors:
        raise Refused("it names an anchor, and your trust file no contract that could hold it")
    size, root = receipt.anchor.head
    if any(one.number >= size for one in receipt.entries):
        raise Refused("its anchor is older than what it proves")
    if not is_consistent(
        size, head.size, old_root=root, new_root=head.root, proof=receipt.anchor.path
    ):
        raise Refused("the log does not continue its anchor")
    return receipt.anchor.head


def _prove(stated: Stated, head: Checkpoint, trust: Trust) -> Proven:
    is_own = stated.lid == OWN_CHAIN
    whose = "the server's own chain" if is_own else f"locker {stated.lid.hex()}"
    name = f"entry {stated.seq} of {whose}"
    entry = None if stated.raw is None else parse_entry(stated.raw)
    if entry is not None and (entry.lid, entry.seq) != (stated.lid, stated.seq):
        raise Refused(f"{name} is another entry than it is said to be")
    if entry is not None and (entry.kind >= FIRST_OWN_KIND) != is_own:
        raise Refused(f"{name} tells what it has no business to tell")
    leaf = leaf_hash(leaf_data(stated.lid, stated.seq, stated.head))
    if root_from_inclusion(leaf, stated.number, head.size, stated.path) != head.root:
        raise Refused(f"the log does not hold {name}")
    if stated.signature is not None:
        public = trust.lockers.get(stated.lid)
        if public is None:
            raise Refused(f"your trust file does not name locker {stated.lid.hex()}")
        if not verify_head(
            public, lid=stated.lid, seq=stated.seq, head=stated.head, signature=stated.signature
        ):
            raise Refused(f"the locker did not sign {name}")
    return Proven(stated.lid, stated.number, stated.seq, entry, stated.signature is not None)


def _parse_entry(value: Value, hashes: Sequence[bytes]) -> Stated:
    lid, number, seq, stated, signature, path = as_array(value, 6)
    data = as_bytes(stated)
    raw = None if len(data) == HASH_SIZE else data
    return Stated(
        lid=LockerId(as_id(lid)),
        number=as_uint(number),
        seq=as_uint(seq),
        raw=raw,
        head=data if raw is None else entry_head(raw),
        signature=None if signature is None else as_bytes(signature, SIGNATURE_SIZE),
        path=_parse_path(path, hashes),
    )


def _parse_anchor(value: Value, hashes: Sequence[bytes]) -> StatedAnchor:
    size, root, path = as_array(value, 3)
    head = AnchoredHead(as_uint(size), as_bytes(root, HASH_SIZE))
    return StatedAnchor(head, _parse_path(path, hashes))


def _parse_path(value: Value, hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    places = [as_uint(place) for place in as_array(value)]
    if any(place >= len(hashes) for place in places):
        raise Malformed("a path points to no hash")
    return tuple(hashes[place] for place in places)


def _check_size(raw: bytes, entries: int, hashes: int) -> None:
    if len(raw) > RECEIPT_BYTES or entries > MOST_ENTRIES or hashes > MOST_HASHES:
        raise Malformed("a receipt as large as that is none of ours")


def _place(key: NoteKey) -> tuple[str, bytes]:
    return key.name, key.id
