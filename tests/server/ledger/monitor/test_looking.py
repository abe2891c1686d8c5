"""A lying log, played: whatever it does with its files, a monitor remembers, and says what."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.notes import Signature, parse_note, sign_checkpoint
from schema.checkpoint.trust import parse_trust, write_trust
from schema.codec import encode
from schema.merkle import leaf_data
from server.ledger.monitor.findings import MOST_OF_A_KIND, CannotTell, Finding
from server.ledger.monitor.looking import look
from server.ledger.monitor.rules import Place
from server.ledger.monitor.sources import FolderSource
from server.ledger.monitor.state import State
from server.ledger.monitor.words import MAXIMUM_MERGE_DELAY_S
from tests.fakes.published import SEERS, cosigned, publish, write_entries
from tests.fakes.trees import LID, ORIGIN, OTHER, Tree, entries_of, head_of
from tests.schema.makers import signing_key

if TYPE_CHECKING:
    from pathlib import Path

    from schema.checkpoint.trust import Trust
    from tests.fakes.sources import MovableClock

DELAY_S = MAXIMUM_MERGE_DELAY_S
LEAVES = [*entries_of(LID, 1, 300), *entries_of(OTHER, 1, 300)]
TREE = Tree(LEAVES)
TRUST = parse_trust(write_trust([TREE.public], witnesses=SEERS, least=2, lockers={}).encode())


@dataclass
class Watch:
    """A monitor of one folder, and what it knows."""

    folder: Path
    clock: MovableClock
    trust: Trust = TRUST
    state: State = field(default_factory=State)

    def look(self) -> list[Finding]:
        """Looks once; the kinds of what is new."""
        known = self.state.findings
        self.state = look(
            FolderSource(self.folder),
            self.trust,
            self.state,
            now=self.clock.now(),
            delay_s=DELAY_S,
        )
        return [one.kind for one in self.state.findings if one not in known]

    def see(
        self, tree: Tree, size: int | None = None, *, seen: tuple[int, ...] = (0, 1)
    ) -> list[Finding]:
        """The log shows this instead of what it showed before, and is looked at."""
        publish(tree, self.folder, size, seen=seen)
        return self.look()

    @property
    def last(self) -> str:
        return self.state.findings[-1].text


@pytest.fixture
def watch(tmp_path: Path, clock: MovableClock) -> Watch:
    return Watch(tmp_path / "log", clock)


def test_an_honest_log_is_followed_whatever_steps_it_takes(watch: Watch) -> None:
    for size in (1, 2, 255, 256, 257, 400, 512, 600, 600):
        assert watch.see(TREE, size) == []
        assert (watch.state.size, watch.state.root) == (size, TREE.head(size).root)
    assert watch.state.places == {
        LID: Place(300, head_of(300)),
        OTHER: Place(300, head_of(300)),
    }
    assert watch.state.origin == ORIGIN


def test_a_monitor_that_comes_late_reads_all_of_it(watch: Watch) -> None:
    assert watch.see(TREE) == []
    assert len(watch.state.places) == 2


def test_an_empty_log_of_size_nothing_is_followed(watch: Watch) -> None:
    assert watch.see(TREE, 0) == []
    assert watch.see(TREE, 5) == []


def test_a_rewritten_entry_is_caught(watch: Watch) -> None:
    assert watch.see(TREE, 300) == []
    rewritten = Tree([*LEAVES[:7], leaf_data(LID, 8, head_of(8, "other")), *LEAVES[8:]])
    assert watch.see(rewritten, 400) == [Finding.INCONSISTENT]
    (found,) = watch.state.findings
    assert [parse_note(note.encode()).text for note in found.evidence] == [
        TREE.note(300).text,
        rewritten.note(400).text,
    ]
    assert watch.state.size == 300, "what does not continue is not followed"
    assert watch.see(TREE, 400) == []


def test_a_dropped_entry_is_caught(watch: Watch) -> None:
    assert watch.see(TREE, 300) == []
    assert watch.see(Tree([*LEAVES[:7], *LEAVES[8:]]), 400) == [Finding.INCONSISTENT]
    never = Tree([*LEAVES[:300], *LEAVES[301:]])
    assert watch.see(never) == [Finding.GAP]
    assert "entries 1 to 1 are not before it" in watch.last


def test_reordered_entries_are_caught(watch: Watch) -> None:
    assert watch.see(TREE, 300) == []
    swapped = Tree([*LEAVES[:299], LEAVES[300], LEAVES[299], *LEAVES[301:]])
    assert watch.see(swapped) == [Finding.INCONSISTENT]
    late = Tree([*LEAVES[:400], LEAVES[401], LEAVES[400], *LEAVES[402:]])
    assert watch.see(late) == [Finding.GAP, Finding.REORDERED]


def test_two_heads_for_one_number_are_a_fork_however_far_apart(watch: Watch) -> None:
    assert watch.see(TREE, 300) == []
    forked = Tree([*LEAVES[:300], leaf_data(LID, 3, head_of(3, "other")), LEAVES[3]])
    assert watch.see(forked) == [Finding.FORK, Finding.REPEATED]
    texts = [one.text for one in watch.state.findings]
    assert texts[0].endswith("another one than leaf 2")
    assert texts[1].endswith("it is leaf 3 too")


def test_a_fork_of_the_very_last_entry_is_caught(watch: Watch) -> None:
    forked = Tree([*entries_of(LID, 1, 5), leaf_data(LID, 5, head_of(5, "other"))])
    assert watch.see(forked) == [Finding.FORK]


def test_a_leaf_that_is_no_entry_is_told(watch: Watch) -> None:
    odd = [b"anything", encode([2, LID, 2, bytes(32)]), encode([1, LID, 2, bytes(31)])]
    assert watch.see(Tree([LEAVES[0], *odd])) == [Finding.NO_ENTRY] * 3


def test_a_replaced_root_is_caught_and_kept_with_both_notes(watch: Watch) -> None:
    assert watch.see(TREE, 300) == []
    other = Tree(entries_of(LID, 1, 300, "other"))
    assert watch.see(other) == [Finding.REPLACED_ROOT]
    held, shown = (parse_note(note.encode()) for note in watch.state.findings[0].evidence)
    assert (held.text, shown.text) == (TREE.note(300).text, other.note(300).text)
    assert held.is_signed_by(TREE.public)
    assert shown.is_signed_by(TREE.public)
    assert watch.see(other) == [], "the same is told once"


def test_a_rolled_back_size_is_caught(watch: Watch) -> None:
    assert watch.see(TREE, 300) == []
    assert watch.see(TREE, 299) == [Finding.ROLLED_BACK]
    (watch.folder / "checkpoint").unlink()
    assert watch.look() == [Finding.ROLLED_BACK]
    assert watch.last.endswith("no head at all")
    assert watch.state.size == 300


def test_entries_that_are_not_under_the_head_are_caught(watch: Watch) -> None:
    assert watch.see(TREE, 300) == []
    publish(TREE, watch.folder, 400)
    write_entries(watch.folder, 1, [*LEAVES[256:399], leaf_data(OTHER, 100, head_of(1, "other"))])
    assert watch.look() == [Finding.WRONG_ENTRIES]
    assert watch.state.size == 300
    write_entries(watch.folder, 1, [leaf_data(LID, 257, head_of(1, "old")), *LEAVES[257:400]])
    assert watch.look() == [], "the same again, by an entry that was read before"
    assert watch.state.size == 300
    (watch.folder / "tile/entries/001.p/144").write_bytes(b"no bundle")
    assert watch.look() == []
    fresh = Watch(watch.folder, watch.clock)
    assert fresh.look() == [Finding.WRONG_ENTRIES]


def test_entries_that_are_kept_back_leave_everything_open(watch: Watch) -> None:
    publish(TREE, watch.folder, 300)
    (watch.folder / "tile/entries/000").unlink()
    with pytest.raises(CannotTell, match="not served"):
        watch.look()
    assert watch.state == State()


def test_a_partial_tile_may_have_given_way_to_the_full_one(watch: Watch) -> None:
    publish(TREE, watch.folder, 512)
    (watch.folder / "checkpoint").write_text(str(cosigned(TREE.note(300), 0, 1)))
    assert watch.look() == []
    assert watch.state.size == 300


def test_an_unsigned_head_is_not_followed(watch: Watch) -> None:
    assert watch.see(Tree(LEAVES, key=signing_key("another"))) == [Finding.UNSIGNED]
    assert watch.see(Tree(LEAVES, origin="elsewhere.example.org/log")) == [Finding.UNSIGNED]
    (watch.folder / "checkpoint").write_text("nothing")
    assert watch.look() == [Finding.UNSIGNED]
    assert watch.state.size == 0


def test_another_log_that_is_trusted_too_does_not_take_its_place(watch: Watch) -> None:
    other = Tree(LEAVES, origin="elsewhere.example.org/log", key=signing_key("another"))
    watch.trust = replace(TRUST, logs=(*TRUST.logs, other.public))
    assert watch.see(TREE, 5) == []
    assert watch.see(other) == [Finding.UNSIGNED]


def test_unknown_keys_and_false_signatures_are_told(watch: Watch) -> None:
    publish(TREE, watch.folder, 5)
    both = sign_checkpoint(TREE.head(5), [TREE.key, signing_key("another")])
    note = cosigned(both, 0, 1)
    false = Signature(SEERS[2].name, SEERS[2].id, bytes(72))
    note = replace(note, signatures=(*note.signatures, false))
    (watch.folder / "checkpoint").write_text(str(note))
    assert watch.look() == [Finding.FALSE_SIGNATURE, Finding.UNKNOWN_KEY]
    assert watch.state.size == 5


def test_too_few_witnesses_are_told_and_the_head_is_followed_all_the_same(watch: Watch) -> None:
    assert watch.see(TREE, 5, seen=(2,)) == [Finding.NO_QUORUM]
    assert watch.last.endswith("cosigned by w2.example.org")
    assert watch.see(TREE, 300, seen=()) == [Finding.NO_QUORUM]
    assert watch.state.size == 300


def test_entries_that_get_no_head_for_too_long_are_late(watch: Watch) -> None:
    def serve_more() -> None:
        write_entries(watch.folder, 1, LEAVES[256:301])

    publish(TREE, watch.folder, 300)
    serve_more()
    assert watch.look() == []
    watch.clock.move(seconds=DELAY_S)
    assert watch.look() == []
    watch.clock.move(seconds=1)
    assert watch.look() == [Finding.LATE]
    watch.clock.move(seconds=60)
    assert watch.look() == [], "the same wait is told once"
    assert watch.see(TREE, 301) == []
    assert watch.state.ahead_since is None


def test_what_the_log_itself_says_it_keeps_waiting_is_late(watch: Watch) -> None:
    publish(TREE, watch.folder, 5)
    status = watch.folder / "status"
    since = int(watch.clock.now().timestamp())
    for oldest_at, found in (
        (None, []),
        (since - DELAY_S, []),
        (since - DELAY_S - 1, [Finding.LATE]),
    ):
        status.write_text(json.dumps({"oldest_at": oldest_at}))
        assert watch.look() == found
    for nonsense in ("", "[]", '{"oldest_at": "now"}', f'{{"oldest_at": {-(10**30)}}}'):
        status.write_text(nonsense)
        with pytest.raises(CannotTell, match="status"):
            watch.look()


def test_findings_are_bounded_and_none_hides_another(watch: Watch) -> None:
    odd = [b"%d" % number for number in range(MOST_OF_A_KIND + 20)]
    again = LEAVES[: MOST_OF_A_KIND + 20]
    forked = leaf_data(LID, 5, head_of(5, "other"))
    assert Counter(watch.see(Tree([*odd, *LEAVES[:300], *again, forked]))) == {
        Finding.NO_ENTRY: MOST_OF_A_KIND,
        Finding.REPEATED: MOST_OF_A_KIND,
        Finding.FORK: 1,
    }
