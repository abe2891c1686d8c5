"""One look at a log: what it shows now, held against all that it has shown before."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schema.checkpoint.notes import parse_checkpoint
from schema.checkpoint.spans import is_consistent
from schema.checkpoint.tiles import WIDTH
from schema.codec import Malformed
from schema.merkle import leaf_hash
from server.ledger.monitor import reading
from server.ledger.monitor.findings import MOST_OF_A_KIND, CannotTell, Finding, Found
from server.ledger.monitor.rules import (
    Chains,
    Frontier,
    Leaf,
    check_signatures,
    find_log_key,
    judge_again,
    parse_leaf,
)
from server.ledger.monitor.state import State, add_findings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from schema.checkpoint.notes import Checkpoint, Note
    from schema.checkpoint.trust import Trust
    from schema.ids import LockerId
    from server.ledger.monitor.sources import Source


def look(source: Source, trust: Trust, state: State, *, now: datetime, delay_s: int) -> State:
    """The state after a look, with whatever was found. CannotTell leaves everything as it was.

    A head that does not continue the last one is told and not followed: the next look compares
    with the last good head again.
    """
    try:
        note = reading.read_head(source)
        if note is None:
            return _without_head(state)
        head = parse_checkpoint(note)
    except Malformed as error:
        return _with(state, [Found(Finding.UNSIGNED, f"no head of a log: {error}")])
    if find_log_key(note, head, trust) is None or state.origin not in {"", head.origin}:
        text = f"no key of {state.origin or head.origin} that is trusted signed the head"
        return _with(state, [Found(Finding.UNSIGNED, text, (str(note),))])
    state = _with(state, check_signatures(note, head, trust))
    state = _compare(source, state, note, head)
    if state.size == head.size:
        state = _look_ahead(source, state, now=now, delay_s=delay_s)
    return _with(state, _find_late(source, now=now, delay_s=delay_s))


def _without_head(state: State) -> State:
    if not state.note:
        raise CannotTell("the log has no head yet")
    text = f"from {state.size} leaves to no head at all"
    return _with(state, [Found(Finding.ROLLED_BACK, text, (state.note,))])


def _compare(source: Source, state: State, note: Note, head: Checkpoint) -> State:
    proofs = (state.note, str(note))
    if head.size < state.size:
        text = f"from {state.size} leaves to {head.size}"
        return _with(state, [Found(Finding.ROLLED_BACK, text, proofs)])
    if head.size > state.size:
        return _follow(source, state, note, head)
    if head.root != state.root:
        text = f"two roots over {head.size} leaves"
        return _with(state, [Found(Finding.REPLACED_ROOT, text, proofs)])
    return replace(state, origin=head.origin, note=str(note))


@dataclass(slots=True)
class _Walk:
    """Over the entries from the last full tile that is known to the end of the new head."""

    frontier: Frontier
    chains: Chains
    edge: list[bytes] = field(default_factory=list)
    old_root: bytes = b""
    found: list[Found] = field(default_factory=list)
    counts: Counter[Finding] = field(default_factory=Counter)

    def take(self, first: int, entries: Sequence[bytes], *, old: int) -> None:
        """One tile of entries, of which those before `old` were followed already."""
        self.edge = [leaf_hash(entry) for entry in entries]
        if first <= old < first + WIDTH:
            self.old_root = self.frontier.root(self.edge[: old - first])
        for number, entry in enumerate(entries, first):
            if number >= old:
                self._follow(number, entry)
        if len(entries) == WIDTH:
            self.frontier, self.edge = self.frontier.add(self.edge), []

    def _follow(self, number: int, entry: bytes) -> None:
        try:
            found = self.chains.follow(parse_leaf(number, entry))
        except Malformed as error:
            found = Found(Finding.NO_ENTRY, f"leaf {number}: {error}")
        if found is not None and self.counts[found.kind] < MOST_OF_A_KIND:
            self.found.append(found)
            self.counts[found.kind] += 1


def _follow(source: Source, state: State, note: Note, head: Checkpoint) -> State:
    """Reads every new entry. They count only if their hashes are those under both heads."""
    walk = _Walk(state.frontier, Chains(dict(state.places)))
    for number in range(state.size // WIDTH, -(-head.size // WIDTH)):
        entries = reading.read_entries(source, number, size=head.size)
        if entries is None:
            return _with(state, [_differing(source, state, note, head)])
        walk.take(number * WIDTH, entries, old=state.size)
    if (walk.old_root, walk.frontier.root(walk.edge)) != (state.root, head.root):
        return _with(state, [_differing(source, state, note, head)])
    found = [*walk.found, *_judge_again(source, walk.chains.again, size=head.size)]
    return replace(
        _with(state, found),
        origin=head.origin,
        size=head.size,
        root=head.root,
        note=str(note),
        frontier=walk.frontier,
        places=walk.chains.places,
    )


def _differing(source: Source, state: State, note: Note, head: Checkpoint) -> Found:
    """What it means that the entries are not those under the new head: it is wrong, or they are."""
    proof = reading.read_consistency(source, state.size, head.size)
    sizes = f"from {state.size} to {head.size} leaves"
    if proof is not None and is_consistent(
        state.size, head.size, old_root=state.root, new_root=head.root, proof=proof
    ):
        return Found(Finding.WRONG_ENTRIES, f"{sizes}, under an honest head", (str(note),))
    if state.size == 0:
        return Found(Finding.WRONG_ENTRIES, f"{sizes}, not those of its head", (str(note),))
    return Found(Finding.INCONSISTENT, sizes, (state.note, str(note)))


def _judge_again(source: Source, again: Sequence[Leaf], *, size: int) -> list[Found]:
    """Looks through the whole log for the entries whose number has come before."""
    wanted = {(leaf.lid, leaf.seq): leaf for leaf in again}
    former: dict[tuple[LockerId, int], Leaf] = {}
    for number in range(-(-size // WIDTH) if wanted else 0):
        for place, entry in enumerate(
            reading.read_entries(source, number, size=size) or [], number * WIDTH
        ):
            try:
                leaf = parse_leaf(place, entry)
            except Malformed:
                continue
            if (leaf.lid, leaf.seq) in wanted:
                former.setdefault((leaf.lid, leaf.seq), leaf)
    return [
        judge_again(leaf, one if one is not None and one.number < leaf.number else None)
        for leaf in again
        for one in [former.get((leaf.lid, leaf.seq))]
    ]


def _look_ahead(source: Source, state: State, *, now: datetime, delay_s: int) -> State:
    """Whether the log has held more than its head does for too long, by our own clock."""
    at = int(now.timestamp())
    if not reading.has_more(source, state.size):
        return replace(state, ahead_of=state.size, ahead_since=None)
    if state.ahead_since is None or state.ahead_of != state.size:
        return replace(state, ahead_of=state.size, ahead_since=at)
    if at - state.ahead_since <= delay_s:
        return state
    text = f"more than {state.size} leaves are served since {_moment(state.ahead_since)}"
    return _with(state, [Found(Finding.LATE, f"{text}, under no head for over {delay_s} s")])


def _find_late(source: Source, *, now: datetime, delay_s: int) -> list[Found]:
    """Whether the log says itself that something waits for too long."""
    oldest_at = reading.find_oldest_waiting(source)
    if oldest_at is None or now.timestamp() - oldest_at <= delay_s:
        return []
    text = f"by its own word the log keeps something waiting since {_moment(oldest_at)}"
    return [Found(Finding.LATE, f"{text}, over {delay_s} s")]


def _with(state: State, found: Iterable[Found]) -> State:
    return replace(state, findings=add_findings(state.findings, found))


def _moment(unix_s: int) -> str:
    try:
        return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError) as error:
        raise CannotTell(f"status: second {unix_s} is none of our time") from error
