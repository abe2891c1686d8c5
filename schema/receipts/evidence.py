"""The evidence of a dispute as one file: what a server told of it, and what the log proves of that.

One strict item of CBOR: `["restante evidence", 1, told, receipt]`. `told` is a JSON object whose
SHA-256 stands in an entry of the server's own chain; `receipt` holds that entry and every one that
`told` lists as `[id, number, head]`, and no other. So neither can be changed alone, nor both.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from schema.codec import Malformed, decode, encode
from schema.codec.fields import as_array, as_bytes, as_text, as_uint
from schema.ids import OWN_CHAIN
from schema.journal import OwnKind
from schema.receipts import RECEIPT_BYTES, Refused, parse_receipt, verify_receipt

if TYPE_CHECKING:
    from schema.checkpoint.trust import Trust
    from schema.receipts import Verdict

NAME: Final = "restante evidence"

TOLD_BYTES: Final = 131_072
EVIDENCE_BYTES: Final = RECEIPT_BYTES + TOLD_BYTES + 30
"""The largest file: both in full, with the name and what the encoding adds."""

_VERSION: Final = 1
_PARTS: Final = 4
_BEGINNING: Final = encode([NAME, _VERSION, "", b""])[: 2 + len(NAME)]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the file says, none of it verified."""

    told: str
    receipt: bytes


@dataclass(frozen=True, slots=True)
class Upheld:
    """What the receipt proves, and what the server told beside it on `fixed_at` (Unix seconds).

    That the server told this then, and nothing else since, is proven; that it is true is not.
    """

    verdict: Verdict
    told: dict[str, Any]
    fixed_at: int


def is_evidence(raw: bytes) -> bool:
    """Whether the file claims to be evidence, and no receipt."""
    return raw.startswith(_BEGINNING)


def told_digest(told: str) -> bytes:
    """What an entry of the server's own chain says of it."""
    return hashlib.sha256(told.encode()).digest()


def write_evidence(evidence: Evidence) -> bytes:
    """The file; Malformed when it is too large."""
    if len(evidence.told.encode()) > TOLD_BYTES or len(evidence.receipt) > RECEIPT_BYTES:
        raise Malformed("evidence as large as that is none of ours")
    return encode([NAME, _VERSION, evidence.told, evidence.receipt])


def parse_evidence(raw: bytes) -> Evidence:
    """What the bytes say; Malformed unless they are what `write_evidence` would have written."""
    if len(raw) > EVIDENCE_BYTES:
        raise Malformed("evidence as large as that is none of ours")
    name, version, told, receipt = as_array(decode(raw), _PARTS)
    if (as_text(name), as_uint(version)) != (NAME, _VERSION):
        raise Malformed(f"evidence of version {_VERSION} is known, no other")
    evidence = Evidence(as_text(told), as_bytes(receipt))
    write_evidence(evidence)
    return evidence


def verify_evidence(raw: bytes, trust: Trust) -> Upheld:
    """What the evidence proves to whoever trusts these keys; `Refused` if anything is amiss."""
    try:
        evidence = parse_evidence(raw)
        verdict = verify_receipt(evidence.receipt, trust)
        told = _parse_told(evidence.told)
        listed = [(str(lid), as_uint(seq), str(head)) for lid, seq, head in told["entries"]]
    except Malformed as error:
        raise Refused(f"{error}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise Refused("what is told lists no entries") from error
    stated = parse_receipt(evidence.receipt).entries
    proven = [(one.lid.hex(), one.seq, one.head.hex()) for one in stated if one.lid != OWN_CHAIN]
    own = [one.entry for one in verdict.entries if one.lid == OWN_CHAIN]
    if len(own) != 1 or own[0] is None or own[0].kind != OwnKind.EVIDENCE_FROZEN:
        raise Refused("the log does not hold when this was told")
    if own[0].body != [told_digest(evidence.told)]:
        raise Refused("the server told something else at that time")
    if proven != listed:
        raise Refused("the entries are not those that were told of")
    return Upheld(verdict, told, own[0].t)


def _parse_told(text: str) -> dict[str, Any]:
    told = json.loads(text)
    if not isinstance(told, dict):
        raise Malformed("what is told is a JSON object")
    return told
