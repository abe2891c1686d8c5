"""What a monitor remembers of a log: one file, whole or as it was before."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from schema.checkpoint.notes import HASH_SIZE
from schema.ids import LockerId
from schema.merkle import tree_root
from server.kit.durable import write_whole
from server.ledger.monitor.findings import MOST_OF_A_KIND, CannotTell, Finding, Found
from server.ledger.monitor.rules import Frontier, Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

_VERSION = 1


@dataclass(frozen=True, slots=True)
class State:
    """The last head that continued all before it, and what lies under it.

    `ahead_of` and `ahead_since`: since when, in Unix seconds, the log serves more entries than
    its head of that size holds. `findings` are those that nobody has forgotten, the oldest first.
    """

    origin: str = ""
    size: int = 0
    root: bytes = field(default_factory=lambda: tree_root([]))
    note: str = ""
    frontier: Frontier = field(default_factory=Frontier)
    places: Mapping[LockerId, Place] = field(default_factory=dict)
    ahead_of: int = 0
    ahead_since: int | None = None
    findings: tuple[Found, ...] = ()


def add_findings(known: tuple[Found, ...], found: Iterable[Found]) -> tuple[Found, ...]:
    """Those that were known, and the new ones; what says the same was known."""
    said = {(one.kind, one.text): one for one in known}
    counts = Counter(one.kind for one in known)
    for one in found:
        if counts[one.kind] < MOST_OF_A_KIND and (one.kind, one.text) not in said:
            said[one.kind, one.text] = one
            counts[one.kind] += 1
    return tuple(said.values())


def read_state(file: Path) -> State:
    """What the file holds; nothing yet if there is none. CannotTell if it is damaged."""
    try:
        return _parse(json.loads(file.read_text()))
    except FileNotFoundError:
        return State()
    except OSError as error:
        raise CannotTell(f"{file}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CannotTell(f"{file} is no state of a monitor; without it all is read anew") from error


def write_state(file: Path, state: State) -> None:
    """Once this returns the state outlives a power cut. CannotTell leaves the file as it was."""
    text = json.dumps(
        {
            "version": _VERSION,
            "origin": state.origin,
            "size": state.size,
            "root": state.root.hex(),
            "note": state.note,
            "nodes": [[level, node.hex()] for level, node in state.frontier.nodes],
            "lockers": {lid.hex(): [at.seq, at.head.hex()] for lid, at in state.places.items()},
            "ahead": [state.ahead_of, state.ahead_since],
            "findings": [[one.kind, one.text, [*one.evidence]] for one in state.findings],
        }
    )
    try:
        write_whole(file, text, draft=file.with_name(f"{file.name}.draft"))
    except OSError as error:
        raise CannotTell(f"{file}: {error.strerror}") from error


def _parse(told: dict[str, Any]) -> State:
    if told["version"] != _VERSION:
        raise ValueError("another version")
    ahead_of, ahead_since = told["ahead"]
    return State(
        origin=str(told["origin"]),
        size=int(told["size"]),
        root=_hash(told["root"]),
        note=str(told["note"]),
        frontier=Frontier(tuple((int(level), _hash(node)) for level, node in told["nodes"])),
        places={
            LockerId(bytes.fromhex(lid)): Place(int(seq), _hash(head))
            for lid, (seq, head) in told["lockers"].items()
        },
        ahead_of=int(ahead_of),
        ahead_since=None if ahead_since is None else int(ahead_since),
        findings=tuple(
            Found(Finding(kind), str(text), tuple(map(str, notes)))
            for kind, text, notes in told["findings"]
        ),
    )


def _hash(text: str) -> bytes:
    found = bytes.fromhex(text)
    if len(found) != HASH_SIZE:
        raise ValueError("no hash")
    return found
