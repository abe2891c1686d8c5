"""Evidence of a dispute: what was told is what the log says was told, with the same entries."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import pytest

from schema.checkpoint.notes import Checkpoint
from schema.checkpoint.spans import inclusion_spans
from schema.codec import Malformed, encode
from schema.ids import OWN_CHAIN, LockerId
from schema.journal import OwnKind, entry_head
from schema.merkle import leaf_data, leaf_hash, tree_root
from schema.receipts import RECEIPT_BYTES, Receipt, Refused, Stated, write_receipt
from schema.receipts.evidence import (
    EVIDENCE_BYTES,
    NAME,
    TOLD_BYTES,
    Evidence,
    is_evidence,
    parse_evidence,
    told_digest,
    verify_evidence,
    write_evidence,
)
from tests.schema.makers import LID, NOW, make_entry, make_journal
from tests.schema.test_receipts import ORIGIN, RECEIPT, make_note, make_trust

if TYPE_CHECKING:
    from collections.abc import Sequence

JOURNAL, _ = make_journal()


def tell(seqs: Sequence[int] = (2, 13), **changes: Any) -> str:
    entries = [[LID.hex(), seq, entry_head(JOURNAL[seq - 1]).hex()] for seq in seqs]
    return json.dumps({"reason": "EMPTY", "entries": entries, **changes})


def prove(
    told: str, seqs: Sequence[int] = (2, 13), *, kind: OwnKind = OwnKind.EVIDENCE_FROZEN
) -> bytes:
    """The receipt of these entries and of one of the own chain about what was told."""
    body = [told_digest(told)] if kind is OwnKind.EVIDENCE_FROZEN else ["t", bytes(32)]
    own = make_entry(kind, lid=OWN_CHAIN, body=body).encode()
    leaves: list[tuple[LockerId, int, bytes]] = [
        *((LID, seq, JOURNAL[seq - 1]) for seq in seqs),
        (OWN_CHAIN, 1, own),
    ]
    hashes = [leaf_hash(leaf_data(lid, seq, entry_head(raw))) for lid, seq, raw in leaves]
    stated = []
    for number, (lid, seq, raw) in enumerate(leaves):
        spans = inclusion_spans(number, len(leaves))
        path = tuple(tree_root(hashes[span.start : span.end]) for span in spans)
        stated.append(Stated(lid, number, seq, raw, entry_head(raw), None, path))
    note = make_note(head=Checkpoint(ORIGIN, len(leaves), tree_root(hashes)))
    return write_receipt(Receipt(tuple(stated), note))


TOLD = tell()
EVIDENCE = write_evidence(Evidence(TOLD, prove(TOLD)))


def test_true_evidence_proves_its_entries_and_when_the_rest_was_told() -> None:
    assert is_evidence(EVIDENCE)
    assert not is_evidence(RECEIPT)
    upheld = verify_evidence(EVIDENCE, make_trust())
    assert upheld.told == json.loads(TOLD)
    assert upheld.fixed_at == NOW
    assert [one.seq for one in upheld.verdict.entries] == [2, 13, 1]
    assert write_evidence(parse_evidence(EVIDENCE)) == EVIDENCE


@pytest.mark.parametrize(
    ("told", "receipt", "reason"),
    [
        (tell(reason="NOT_ME"), prove(TOLD), "something else"),
        (TOLD, prove(TOLD, (2,)), "not those"),
        (TOLD, prove(TOLD, (13, 2)), "not those"),
        (TOLD, prove(TOLD, kind=OwnKind.DEVICE_ADDED), "does not hold when"),
        (TOLD, RECEIPT, "does not hold when"),
        ("{}", prove("{}"), "lists no entries"),
        ("[]", prove("[]"), "JSON object"),
        ("{", prove("{"), "lists no entries"),
        ('{"entries": [[1, true, 2]]}', prove(TOLD), "expected an integer"),
    ],
)
def test_evidence_that_is_not_what_was_told_is_refused(
    told: str, receipt: bytes, reason: str
) -> None:
    with pytest.raises(Refused, match=reason):
        verify_evidence(write_evidence(Evidence(told, receipt)), make_trust())


def test_no_bit_of_evidence_can_be_changed(hostile_inputs: int) -> None:
    trust = make_trust()
    budget, bits = hostile_inputs // 20, len(EVIDENCE) * 8
    chosen = range(bits) if budget >= bits else random.Random(5).sample(range(bits), budget)
    for bit in chosen:
        changed = bytearray(EVIDENCE)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Refused):
            verify_evidence(bytes(changed), trust)


def test_evidence_of_another_form_is_none() -> None:
    for raw in (
        b"",
        EVIDENCE[:-1],
        encode([NAME, 2, TOLD, b""]),
        encode(["restante receipt", 1, TOLD, b""]),
        encode([NAME, 1, TOLD]),
    ):
        with pytest.raises(Malformed):
            parse_evidence(raw)


def test_largest_evidence_is_read_and_larger_is_neither_written_nor_read() -> None:
    largest = Evidence("x" * TOLD_BYTES, bytes(RECEIPT_BYTES))
    raw = write_evidence(largest)
    assert len(raw) == EVIDENCE_BYTES
    assert parse_evidence(raw) == largest
    for told, receipt in (("x" * (TOLD_BYTES + 1), b""), ("", bytes(RECEIPT_BYTES + 1))):
        with pytest.raises(Malformed, match="large"):
            write_evidence(Evidence(told, receipt))
        with pytest.raises(Malformed, match="large"):
            parse_evidence(encode([NAME, 1, told, receipt]))
    with pytest.raises(Malformed, match="large"):
        parse_evidence(raw + b"x")
