"""Receipts: true ones hold, and no bit of one can be changed."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from schema.checkpoint.anchors import AnchoredHead, Contract
from schema.checkpoint.notes import Checkpoint, KeyKind, Note, NoteKey, cosign, sign_checkpoint
from schema.checkpoint.spans import consistency_spans, inclusion_spans
from schema.checkpoint.trust import Trust, parse_trust, write_trust
from schema.codec import Malformed, Value, decode, encode
from schema.ids import OWN_CHAIN, LockerId
from schema.journal import Kind, OwnKind, entry_head, head_message, parse_entry
from schema.merkle import leaf_data, leaf_hash, tree_root
from schema.receipts import (
    MOST_ENTRIES,
    MOST_HASHES,
    MOST_SHOWN,
    SHOWN_PREFIX,
    Receipt,
    Refused,
    Stated,
    StatedAnchor,
    parse_receipt,
    read_receipt,
    show_receipt,
    verify_receipt,
    write_receipt,
)
from tests.schema.makers import LID, NOW, OTHER_LID, make_entry, make_journal, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ORIGIN = "hubs.example.org/log"
LOG = NoteKey(ORIGIN, KeyKind.LOG, signing_key("log").public)
SEERS = [
    NoteKey(f"w{number}.example.org", KeyKind.WITNESS, signing_key(f"w{number}").public)
    for number in range(3)
]
LOCKER = signing_key("locker")
SIZE, FIRST = 1_000, 400

JOURNAL, _ = make_journal()
LEAVES = [leaf_hash(leaf_data(OTHER_LID, number + 1, bytes(32))) for number in range(SIZE)]
for seq, raw in enumerate(JOURNAL, 1):
    LEAVES[FIRST + seq] = leaf_hash(leaf_data(LID, seq, entry_head(raw)))
HEAD = Checkpoint(ORIGIN, SIZE, tree_root(LEAVES))


ANCHORED = 700
CONTRACT = Contract(1, f"0x{'ab' * 20}")


def make_trust(*, least: int = 2) -> Trust:
    lockers = {LID: LOCKER.public}
    text = write_trust([LOG], witnesses=SEERS, least=least, lockers=lockers, anchors=[CONTRACT])
    return parse_trust(text.encode())


def make_anchor(size: int = ANCHORED) -> StatedAnchor:
    spans = consistency_spans(size, SIZE)
    path = tuple(tree_root(LEAVES[span.start : span.end]) for span in spans)
    return StatedAnchor(AnchoredHead(size, tree_root(LEAVES[:size])), path)


def make_note(seen: int = 2, head: Checkpoint = HEAD) -> Note:
    note = sign_checkpoint(head, [signing_key("log")])
    lines = [
        cosign(note, signing_key(f"w{number}"), name=f"w{number}.example.org", at=NOW + number)
        for number in range(seen)
    ]
    return replace(note, signatures=(*note.signatures, *lines))


def make_stated(seq: int, *, is_signed: bool = True, is_erased: bool = False) -> Stated:
    raw, number = JOURNAL[seq - 1], FIRST + seq
    head = entry_head(raw)
    spans = inclusion_spans(number, SIZE)
    return Stated(
        lid=LID,
        number=number,
        seq=seq,
        raw=None if is_erased else raw,
        head=head,
        signature=LOCKER.sign(head_message(LID, seq, head)) if is_signed else None,
        path=tuple(tree_root(LEAVES[span.start : span.end]) for span in spans),
    )


def make_receipt() -> Receipt:
    return Receipt(
        (make_stated(2), make_stated(3, is_signed=False), make_stated(5, is_erased=True)),
        make_note(),
        make_anchor(),
    )


RECEIPT = write_receipt(make_receipt())


def test_a_true_receipt_proves_its_entries() -> None:
    verdict = verify_receipt(RECEIPT, make_trust())
    assert verdict.head == HEAD
    assert verdict.seen == {"w0.example.org": NOW, "w1.example.org": NOW + 1}
    assert verdict.anchor == (ANCHORED, tree_root(LEAVES[:ANCHORED]))
    assert [(one.seq, one.is_signed) for one in verdict.entries] == [
        (2, True),
        (3, False),
        (5, True),
    ]
    deposit, _, erased = verdict.entries
    assert deposit.entry is not None
    assert Kind(deposit.entry.kind) is Kind.ACCEPTED
    assert erased.entry is None, "what was erased is proved by its hash alone"


def make_own_receipt(
    lid: LockerId = OWN_CHAIN, kind: Kind | OwnKind = OwnKind.DEVICE_ADDED
) -> bytes:
    """The receipt of one entry in a log that holds nothing else."""
    raw = make_entry(kind, lid=lid).encode()
    leaf = leaf_hash(leaf_data(lid, 1, entry_head(raw)))
    note = make_note(head=Checkpoint(ORIGIN, 1, tree_root([leaf])))
    return write_receipt(Receipt((Stated(lid, 0, 1, raw, entry_head(raw), None, ()),), note))


def test_entry_of_the_servers_own_chain_is_proved_like_any_other() -> None:
    [proven] = verify_receipt(make_own_receipt(), make_trust()).entries
    assert proven.entry is not None
    assert (proven.lid, proven.entry.kind) == (OWN_CHAIN, OwnKind.DEVICE_ADDED)


@pytest.mark.parametrize(
    ("lid", "kind"), [(LID, OwnKind.DEVICE_ADDED), (OWN_CHAIN, Kind.DEPOSITED)]
)
def test_neither_locker_nor_server_tells_what_is_the_others_to_tell(
    lid: LockerId, kind: Kind | OwnKind
) -> None:
    whose = "the server's own chain" if lid == OWN_CHAIN else f"locker {lid.hex()}"
    with pytest.raises(Refused, match=f"entry 1 of {whose} .*no business"):
        verify_receipt(make_own_receipt(lid, kind), make_trust())


def test_a_receipt_is_read_as_it_is_written() -> None:
    assert parse_receipt(RECEIPT) == make_receipt()


def test_hashes_that_proofs_share_are_written_once() -> None:
    alone = len(write_receipt(Receipt((make_stated(2),), make_note())))
    both = len(write_receipt(Receipt((make_stated(2), make_stated(3)), make_note())))
    assert both - alone < 500


def make_others() -> Iterator[bytes]:
    """True receipts, each of other entries, signed or not, erased or not, anchored or not."""
    for first, second in itertools.permutations(range(1, len(JOURNAL) + 1), 2):
        entries = (
            make_stated(first, is_signed=second % 2 == 0),
            make_stated(second, is_erased=first % 3 == 0),
        )
        anchor = make_anchor(ANCHORED + second) if first % 2 else None
        yield write_receipt(Receipt(entries, make_note(2 + first % 2), anchor))


def test_no_bit_of_a_receipt_can_be_changed(hostile_inputs: int) -> None:
    """A tenth of the hostile inputs: every bit of one receipt after the other, the last in part."""
    trust = make_trust()
    left = hostile_inputs // 10
    for raw in itertools.chain([RECEIPT], make_others()):
        verify_receipt(raw, trust)
        bits = range(len(raw) * 8)
        for bit in bits if left >= len(bits) else random.Random(4).sample(bits, left):
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << bit % 8
            with pytest.raises(Refused):
                verify_receipt(bytes(changed), trust)
            left -= 1
        if not left:
            return
    pytest.fail(f"{left} bits are left, and no receipt to change them in")


@pytest.mark.parametrize("size", [0, 1, 100, len(RECEIPT) - 1])
def test_a_torn_receipt_is_refused(size: int) -> None:
    with pytest.raises(Refused):
        verify_receipt(RECEIPT[:size], make_trust())


def test_a_longer_receipt_is_refused() -> None:
    with pytest.raises(Refused):
        verify_receipt(RECEIPT + b"\0", make_trust())


def refused(receipt: Receipt, trust: Trust | None = None) -> str:
    with pytest.raises(Refused) as caught:
        verify_receipt(write_receipt(receipt), trust or make_trust())
    return str(caught.value)


def test_too_few_witnesses_are_refused() -> None:
    receipt = replace(make_receipt(), note=make_note(1))
    assert "too few" in refused(receipt)
    assert verify_receipt(write_receipt(receipt), make_trust(least=1))


def test_a_log_that_nobody_trusts_is_refused() -> None:
    trust = replace(make_trust(), logs=())
    assert "no key of the log" in refused(make_receipt(), trust)


def test_a_signature_of_a_stranger_on_the_head_is_refused() -> None:
    note = make_note()
    stranger = cosign(note, signing_key("stranger"), name="stranger.example.org", at=NOW)
    changed = replace(note, signatures=(*note.signatures, stranger))
    assert "does not name" in refused(replace(make_receipt(), note=changed))


def test_a_signature_that_is_there_twice_is_refused() -> None:
    note = make_note()
    changed = replace(note, signatures=(*note.signatures, note.signatures[0]))
    assert "does not name" in refused(replace(make_receipt(), note=changed))


def test_a_locker_that_nobody_knows_is_refused() -> None:
    trust = replace(make_trust(), lockers={})
    assert "does not name locker" in refused(make_receipt(), trust)
    unsigned = Receipt((make_stated(3, is_signed=False),), make_note())
    assert verify_receipt(write_receipt(unsigned), trust)


CHANGES: dict[str, Callable[[Stated], Stated]] = {
    "another entry": lambda one: replace(
        one, raw=JOURNAL[3], head=entry_head(JOURNAL[3]), signature=None
    ),
    "another number": lambda one: replace(one, number=one.number + 1),
    "another place": lambda one: replace(one, seq=one.seq + 1),
    "another locker": lambda one: replace(one, lid=OTHER_LID),
    "another signature": lambda one: replace(one, signature=bytes(64)),
    "a shorter path": lambda one: replace(one, path=one.path[:-1]),
    "another path": lambda one: replace(one, path=one.path[::-1]),
    "a number beyond the log": lambda one: replace(one, number=SIZE),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_an_entry_that_was_changed_is_refused(change: Callable[[Stated], Stated]) -> None:
    refused(Receipt((change(make_stated(2)),), make_note()))


def test_a_rewritten_entry_is_refused_although_it_is_signed() -> None:
    raw = replace(parse_entry(JOURNAL[1]), t=NOW + 1).encode()
    head = entry_head(raw)
    forged = replace(
        make_stated(2), raw=raw, head=head, signature=LOCKER.sign(head_message(LID, 2, head))
    )
    assert "the log does not hold" in refused(Receipt((forged,), make_note()))


def test_a_head_of_another_root_is_refused() -> None:
    note = make_note(head=replace(HEAD, root=tree_root(LEAVES[::-1])))
    assert "the log does not hold" in refused(replace(make_receipt(), note=note))


def test_an_anchor_without_a_contract_to_trust_is_refused() -> None:
    trust = replace(make_trust(), anchors=())
    assert "no contract" in refused(make_receipt(), trust)
    plain = replace(make_receipt(), anchor=None)
    assert verify_receipt(write_receipt(plain), trust).anchor is None


@pytest.mark.parametrize("size", [FIRST + 6, 512, SIZE])
def test_an_anchor_may_be_of_any_size_that_holds_all(size: int) -> None:
    receipt = replace(make_receipt(), anchor=make_anchor(size))
    verdict = verify_receipt(write_receipt(receipt), make_trust())
    assert verdict.anchor == (size, tree_root(LEAVES[:size]))


ANCHORS: dict[str, tuple[StatedAnchor, str]] = {
    "an older one": (make_anchor(FIRST + 5), "older than what it proves"),
    "another size": (
        replace(make_anchor(), head=AnchoredHead(701, make_anchor().head.root)),
        "does not continue",
    ),
    "another root": (
        replace(make_anchor(), head=AnchoredHead(ANCHORED, bytes(32))),
        "does not continue",
    ),
    "a larger one": (
        replace(make_anchor(), head=AnchoredHead(SIZE + 1, make_anchor().head.root)),
        "does not continue",
    ),
    "no way to it": (replace(make_anchor(), path=()), "does not continue"),
}


@pytest.mark.parametrize(("anchor", "reason"), ANCHORS.values(), ids=ANCHORS.keys())
def test_an_anchor_of_another_log_is_refused(anchor: StatedAnchor, reason: str) -> None:
    assert reason in refused(replace(make_receipt(), anchor=anchor))


def test_an_empty_receipt_is_refused() -> None:
    assert "at least one entry" in refused(Receipt((), make_note()))


def restated(change: Callable[[list[Value]], object]) -> bytes:
    value = decode(RECEIPT)
    assert isinstance(value, list)
    change(value)
    return encode(value)


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value.__setitem__(0, 2),
        lambda value: value[2].append(bytes(32)),
        lambda value: value[2].reverse(),
        lambda value: value[2].pop(),
        lambda value: value.append(None),
        lambda value: value[1][0][5].__setitem__(0, 999),
        lambda value: value.__setitem__(3, value[3] + "\n"),
        lambda value: value.__setitem__(3, ""),
        lambda value: value[4].append(None),
        lambda value: value[4][2].__setitem__(0, 999),
    ],
    ids=[
        "version",
        "unused",
        "order",
        "missing",
        "more",
        "nowhere",
        "longer",
        "no note",
        "more anchor",
        "off",
    ],
)
def test_another_way_to_write_it_is_refused(change: Callable[[list[Value]], object]) -> None:
    with pytest.raises(Refused):
        verify_receipt(restated(change), make_trust())


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value[2].__setitem__(0, bytes(31)),
        lambda value: value[4].__setitem__(1, bytes(31)),
        lambda value: value[1][0].__setitem__(4, bytes(63)),
        lambda value: value[1][0].append(None),
        lambda value: value[1][0].pop(),
    ],
    ids=["hash", "root", "signature", "more parts", "fewer parts"],
)
def test_parts_of_another_length_are_malformed(change: Callable[[list[Value]], object]) -> None:
    """Not merely disproved: nothing of them is looked at."""
    with pytest.raises(Malformed):
        parse_receipt(restated(change))


def test_a_receipt_has_bounds_that_may_be_reached() -> None:
    assert parse_receipt(write_receipt(Receipt((make_stated(2),) * MOST_ENTRIES, make_note())))
    with pytest.raises(Malformed):
        write_receipt(Receipt((make_stated(2),) * (MOST_ENTRIES + 1), make_note()))
    hashes = tuple(number.to_bytes(32, "big") for number in range(MOST_HASHES + 1))
    widest = replace(make_stated(2), path=hashes[:-1])
    assert parse_receipt(write_receipt(Receipt((widest,), make_note()))).entries == (widest,)
    with pytest.raises(Malformed):
        write_receipt(Receipt((replace(widest, path=hashes),), make_note()))


def test_a_reason_names_the_entry_and_whose_it_is() -> None:
    forged = replace(make_stated(2), number=3)
    assert f"entry 2 of locker {LID.hex()}" in refused(Receipt((forged,), make_note()))
    verdict = verify_receipt(RECEIPT, make_trust())
    assert [one.number for one in verdict.entries] == [FIRST + 2, FIRST + 3, FIRST + 5]


def shown(receipt: Receipt) -> tuple[str, Receipt]:
    """The text of a receipt's code, and what a reader has of it."""
    text = show_receipt(write_receipt(receipt))
    assert text is not None
    assert len(text) <= MOST_SHOWN
    return text, parse_receipt(read_receipt(f"{text}\n".encode()))


def test_a_receipt_fits_a_code_whole_or_by_its_last_entry() -> None:
    assert read_receipt(RECEIPT) == RECEIPT
    text, receipt = shown(make_receipt())
    assert receipt == make_receipt()
    assert text.startswith("SLK1-RECEIPT:")
    long = replace(make_receipt(), entries=(make_stated(3), make_stated(2)) * 20)
    assert shown(long)[1] == replace(long, entries=(make_stated(2),))
    assert verify_receipt(read_receipt(shown(long)[0].encode()), make_trust())


def test_a_code_that_is_too_small_goes_without_the_anchor_or_is_none() -> None:
    hashes = tuple(number.to_bytes(32, "big") for number in range(80))
    anchored = replace(make_receipt(), anchor=StatedAnchor(AnchoredHead(1, bytes(32)), hashes))
    assert shown(anchored)[1].anchor is None
    long = replace(make_stated(2), path=hashes)
    assert show_receipt(write_receipt(Receipt((long,), make_note()))) is None


@pytest.mark.parametrize(
    "change", [lambda one: one[:-1], lambda one: f"{one}A", lambda one: f"{one}\n\n", str.lower]
)
def test_the_text_of_a_code_has_one_way_to_be_written(change: Callable[[str], str]) -> None:
    text = shown(make_receipt())[0]
    with pytest.raises((Malformed, Refused)):
        verify_receipt(read_receipt(change(text).encode()), make_trust())


def test_the_text_of_a_code_has_no_other_letters() -> None:
    with pytest.raises(Malformed):
        read_receipt(f"{SHOWN_PREFIX}\u00e9".encode())


@pytest.mark.parametrize("seed", range(20))
def test_no_letter_of_a_code_can_be_changed(seed: int) -> None:
    text = shown(make_receipt())[0]
    rng = random.Random(seed)
    place = rng.randrange(len(SHOWN_PREFIX), len(text))
    other = rng.choice(
        [one for one in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:" if one != text[place]]
    )
    with pytest.raises((Malformed, Refused)):
        verify_receipt(
            read_receipt((text[:place] + other + text[place + 1 :]).encode()), make_trust()
        )
