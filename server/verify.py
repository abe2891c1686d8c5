"""The receipt checker: what a receipt proves, in words, with nothing but `schema` and PyNaCl.

Reads two files and no network, database or setting: `restante-verify FILE --trust FILE`; with
`--chain URL` it asks that node of a blockchain, and nobody else, for the receipt's anchor.
"""

from __future__ import annotations

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from schema.checkpoint.anchors import Contract
from schema.checkpoint.trust import TRUST_BYTES, Trust, parse_trust
from schema.codec import Malformed
from schema.ids import EVERY_LOCKER, OWN_CHAIN
from schema.journal import Kind, OwnKind
from schema.receipts import Proven, Refused, Verdict, read_receipt, verify_receipt
from schema.receipts.evidence import EVIDENCE_BYTES, Upheld, is_evidence, verify_evidence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schema.journal import Entry

HOLDS, REFUSED, CANNOT_TELL = 0, 1, 2

NEVER_PROVEN = (
    "what was in the parcel, or in what state",
    "who held the phone, only which token and device key were used",
    "that the locker's clock was right",
)

_CLOCKS = (
    "at the earliest: its clock was not set",
    "by a clock that ran on by its battery",
    "by a clock that a server had set",
)

_TOLD = {
    Kind.BOOT: "it started",
    Kind.ACCEPTED: "somebody with a right was let in",
    Kind.PULSED: "a bolt was pulsed",
    Kind.DOOR_OPENED: "a door opened",
    Kind.DOOR_CLOSED: "a door closed",
    Kind.OPEN_NOT_DETECTED: "a door did not open",
    Kind.CLOSE_OVERDUE: "a door stood open for too long",
    Kind.UNEXPECTED_OPEN: "a door opened that nobody was let at",
    Kind.DEPOSITED: "a parcel was put in",
    Kind.COLLECTED: "a parcel was taken out by its right",
    Kind.WITHDRAWN: "what was put in was taken out again at once",
    Kind.FOUND_EMPTY: "nothing was inside when the door opened",
    Kind.EXCURSION: "a cooled compartment changed its state",
}

_OWN_TOLD = {
    OwnKind.DEVICE_ADDED: "a device key was added: {0}",
    OwnKind.DEVICE_REMOVED: "a device key was removed: {0}",
    OwnKind.KEY_SET_ISSUED: "key set {1} for {0} was issued: SHA-256 {2}",
    OwnKind.REVOCATIONS_ISSUED: "list of revocations {1} for locker {0} was issued: SHA-256 {2}",
    OwnKind.LOCKER_ENROLLED: "locker {0} was enrolled by its key {1}",
    OwnKind.EVIDENCE_FROZEN: "what is told of a dispute was fixed: SHA-256 {0}",
}

_AT_A_DOOR = frozenset(_TOLD) - {Kind.BOOT, Kind.ACCEPTED}


class Unasked(Exception):
    """A chain was to be asked and could not be."""


class Kept(NamedTuple):
    """Where a chain holds the receipt's anchor, and since when, in Unix seconds."""

    contract: Contract
    at: int


def main(argv: Sequence[str] | None = None) -> int:
    """0 if the receipt holds, 1 if it is refused, 2 if nothing can be said of it."""
    options = _parser().parse_args(argv)
    try:
        trust = parse_trust(_read(options.trust, TRUST_BYTES))
        raw = _read_receipt(options.file)
    except (OSError, Malformed) as error:
        print(f"restante-verify: {_reason(error)}", file=sys.stderr)
        return CANNOT_TELL
    return _judge(raw, trust, chain=options.chain, as_json=options.json)


def _judge(raw: bytes, trust: Trust, *, chain: str | None, as_json: bool) -> int:
    kept, upheld = None, None
    try:
        if is_evidence(raw):
            upheld = verify_evidence(raw, trust)
        verdict = verify_receipt(_unshown(raw), trust) if upheld is None else upheld.verdict
        if chain is not None:
            kept = _ask_chain(chain, verdict, trust)
    except Refused as error:
        if as_json:
            print(json.dumps({"holds": False, "reason": f"{error}"}))
        else:
            print(f"REFUSED: {error}.")
        return REFUSED
    except Unasked as error:
        print(f"restante-verify: {error}", file=sys.stderr)
        return CANNOT_TELL
    if as_json:
        beside = {} if upheld is None else {"told": upheld.told, "fixed_at": upheld.fixed_at}
        print(json.dumps(as_object(verdict, kept) | beside, indent=1))
    else:
        told = [] if upheld is None else _describe_told(upheld)
        print("\n".join(describe(verdict, kept) + told))
    return HOLDS


def _ask_chain(url: str, verdict: Verdict, trust: Trust) -> Kept:
    """Since when the chain holds the anchor; `Refused` if it does not, `Unasked` without answer."""
    # The network is for those who ask for it: its parts take a tenth of a second to load.
    from server.ledger.anchors.asking import NoAnswer, list_kept

    if verdict.anchor is None:
        raise Unasked("the receipt names no anchor yet, fetch it again later; or leave out --chain")
    try:
        found = list_kept(url, trust.anchors, origin=verdict.head.origin, head=verdict.anchor)
    except NoAnswer as error:
        raise Unasked(f"--chain: {error}") from error
    for contract, head in found:
        if head is not None and (head.size, head.root) == verdict.anchor:
            return Kept(contract, head.at)
    contract, head = found[-1]
    word = "no anchor of this size" if head is None else "another root for this size"
    raise Refused(f"contract {contract.address} on chain {contract.chain_id} holds {word}")


def describe(verdict: Verdict, kept: Kept | None = None) -> list[str]:
    """The verdict in sentences, one a line."""
    head = verdict.head
    lines = ["This receipt holds. Certain is:"]
    lines += [f"- {_sentence(one)}" for one in verdict.entries]
    lines.append(
        f"- The log {head.origin} held all of this when its head over {head.size} leaves was "
        "signed."
    )
    lines += [f"- {name} saw this head on {_moment(at)}." for name, at in verdict.seen.items()]
    if kept is not None and verdict.anchor is not None:
        lines.append(
            f"- All of this was on chain {kept.contract.chain_id} since {_moment(kept.at)}: "
            f"contract {kept.contract.address} holds the head over {verdict.anchor.size} leaves."
        )
    lines.append("Not proven by it:")
    if verdict.anchor is not None and kept is None:
        lines.append(
            f"- that a chain holds the head over {verdict.anchor.size} leaves, which held all of "
            "this already: no chain was asked (--chain)"
        )
    if not verdict.seen:
        lines.append("- that the log shows everybody the same: no witness is asked for")
    return lines + [f"- {one}" for one in NEVER_PROVEN]


def _describe_told(upheld: Upheld) -> list[str]:
    rest = {name: value for name, value in upheld.told.items() if name != "entries"}
    return [
        f"Told by the server, fixed on {_moment(upheld.fixed_at)} and unchanged since, not proven:",
        json.dumps(rest, indent=1, sort_keys=True),
    ]


def as_object(verdict: Verdict, kept: Kept | None = None) -> dict[str, Any]:
    """The verdict for programs."""
    anchor = None if verdict.anchor is None else {"size": verdict.anchor.size}
    if anchor is not None and kept is not None:
        anchor |= {"chain": kept.contract.chain_id, "since": kept.at}
    return {
        "holds": True,
        "log": verdict.head.origin,
        "size": verdict.head.size,
        "root": verdict.head.root.hex(),
        "seen": verdict.seen,
        "anchor": anchor,
        "entries": [
            {
                "locker": one.lid.hex(),
                "seq": one.seq,
                "leaf": one.number,
                "signed": one.is_signed,
                "kind": None if one.entry is None else _kind(one.entry),
                "at": None if one.entry is None else one.entry.t,
            }
            for one in verdict.entries
        ],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="restante-verify",
        description="Check a receipt offline, and say what it proves and what it does not.",
        epilog="Ends with 0 if the receipt holds, 1 if it is refused, 2 if nothing can be said. "
        "Take the trust file from somebody you trust, never from whoever gave you the receipt.",
    )
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="a receipt, the text of its QR code, or a dispute's evidence; - reads stdin",
    )
    parser.add_argument(
        "--trust",
        type=Path,
        required=True,
        metavar="FILE",
        help="keys of logs, witnesses and lockers (c2sp.org/tlog-policy, and `locker ID KEY`), "
        "contracts of anchors (`anchor CHAIN CONTRACT`)",
    )
    parser.add_argument(
        "--chain",
        metavar="URL",
        help="ask this node of a blockchain (JSON-RPC) for the receipt's anchor",
    )
    parser.add_argument("--json", action="store_true", help="for programs")
    return parser


def _read_receipt(path: Path) -> bytes:
    """The file, or what comes in for the name `-`."""
    if path == Path("-"):
        return sys.stdin.buffer.read(EVIDENCE_BYTES + 1)
    return _read(path, EVIDENCE_BYTES)


def _unshown(data: bytes) -> bytes:
    try:
        return read_receipt(data)
    except Malformed as error:
        raise Refused(f"{error}") from error


def _read(path: Path, most: int) -> bytes:
    """The file, and one byte too many of a file that is too large."""
    with path.open("rb") as file:
        return file.read(most + 1)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return f"the trust file is not understood: {error}"


def _sentence(one: Proven) -> str:
    word = "signed by the locker itself" if one.is_signed else "without the locker's own signature"
    whose = f"locker {one.lid.hex()}, leaf {one.number}, {word}"
    if one.lid == OWN_CHAIN:
        whose = f"the server's own chain, leaf {one.number}"
    name = f"Entry {one.seq} of {whose}"
    if one.entry is None:
        return f"{name}: it was erased, and is proved by its hash alone."
    if one.lid == OWN_CHAIN:
        return f"{name}: {_moment(one.entry.t)}, {_own_told(one.entry)}."
    clock = _CLOCKS[one.entry.clockq]
    return f"{name}: {_moment(one.entry.t)} ({clock}), {_told(one.entry)}."


def _own_told(entry: Entry) -> str:
    if entry.kind not in _OWN_TOLD:
        return f"something of kind {entry.kind} was noted"
    return _OWN_TOLD[OwnKind(entry.kind)].format(*(_in_words(one) for one in entry.body))


def _in_words(field: object) -> str:
    if field == EVERY_LOCKER:
        return "every locker"
    return field.hex() if isinstance(field, bytes) else f"{field}"


def _told(entry: Entry) -> str:
    try:
        kind = Kind(entry.kind)
    except ValueError:
        return f"something of kind {entry.kind} happened"
    comp = entry.body[0] if kind in _AT_A_DOOR else None
    door = f" (compartment {comp})" if isinstance(comp, int) else ""
    return _TOLD.get(kind, f"{kind.name.lower()} was noted") + door


def _kind(entry: Entry) -> str:
    for kinds in (Kind, OwnKind):
        if entry.kind in set(kinds):
            return kinds(entry.kind).name
    return str(entry.kind)


def _moment(at: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"second {at} of Unix time"


if __name__ == "__main__":
    sys.exit(main())
