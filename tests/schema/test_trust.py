"""Trust files: read to the last word, and quorums of groups inside groups."""

from __future__ import annotations

import base64

import pytest

from schema.checkpoint.anchors import Contract
from schema.checkpoint.notes import KeyKind, NoteKey
from schema.checkpoint.trust import NOBODY, TRUST_BYTES, Trust, parse_trust, write_trust
from schema.codec import Malformed
from tests.schema.makers import LID, OTHER_LID, case_id, signing_key

LOG = NoteKey("hubs.example.org/log", KeyKind.LOG, signing_key("log").public)
SEERS = {
    name: NoteKey(f"{name}.example.org", KeyKind.WITNESS, signing_key(name).public)
    for name in ("x1", "x2", "x3", "y1", "y2")
}
LOCKER_KEY = base64.b64encode(signing_key("locker").public).decode()
WITNESSES = "".join(f"witness {name} {key}\n" for name, key in SEERS.items())


def read(text: str) -> Trust:
    return parse_trust(text.encode())


def test_what_is_written_is_read() -> None:
    lockers = {LID: signing_key("locker").public, OTHER_LID: signing_key("other").public}
    trust = read(write_trust([LOG], witnesses=SEERS.values(), least=2, lockers=lockers))
    assert trust.logs == (LOG,)
    assert set(trust.witnesses.values()) == set(SEERS.values())
    assert trust.lockers == lockers
    names = [key.name for key in SEERS.values()]
    assert not trust.is_quorum(names[:1])
    assert trust.is_quorum(names[:2])


def test_contracts_are_read_as_they_are_written() -> None:
    contracts = (Contract(1, f"0x{'ab' * 20}"), Contract(10, f"0x{'cd' * 20}"))
    trust = read(write_trust([LOG], lockers={}, anchors=contracts))
    assert trust.anchors == contracts
    assert read(write_trust([LOG], lockers={})).anchors == ()


def test_a_group_takes_members_that_were_in_none() -> None:
    groups = f"{WITNESSES}group a 1 x1\ngroup b 1 x2\n"
    assert read(f"{groups}group c 1 x3\nquorum c\n").is_quorum(["x3"])
    with pytest.raises(Malformed):
        read(f"{groups}group c 1 x1\nquorum c\n")


def test_without_witnesses_nobody_needs_to_have_seen_a_head() -> None:
    trust = read(write_trust([LOG], lockers={}))
    assert trust.quorum == NOBODY
    assert trust.is_quorum([])


@pytest.mark.parametrize(
    ("seen", "enough"),
    [
        (["x1", "x2", "y1"], True),
        (["x1", "x3", "y2"], True),
        (["x1", "x2", "x3", "y1", "y2"], True),
        (["x1", "y1", "y2"], False),
        (["x1", "x2", "x3"], False),
        ([], False),
        (["X"], False),
    ],
)
def test_groups_of_groups_are_counted(seen: list[str], enough: bool) -> None:
    trust = read(
        f"log {LOG}\n{WITNESSES}group X 2 x1 x2 x3\ngroup Y any y1 y2\ngroup all all X Y\n"
        "quorum all\n"
    )
    assert trust.is_quorum(seen) is enough


def test_space_comments_and_addresses_are_allowed() -> None:
    trust = read(
        f"  # ours\n\n\tlog\t{LOG}  https://hubs.example.org/log \n"
        f"witness w {SEERS['x1']} https://w.example.org\nquorum w\nlocker {LID.hex()} {LOCKER_KEY}"
    )
    assert trust.is_quorum(["w"])
    assert trust.lockers == {LID: signing_key("locker").public}


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"log {LOG}\n",
        "quorum none\nquorum none\n",
        "quorum w\n",
        f"{WITNESSES}quorum x9\n",
        "quorum none\nlog\n",
        "quorum none\nlog PeterNeumann\n",
        f"quorum none\nlog {LOG} https://a https://b\n",
        f"quorum none\nlog {LOG}\nlog {LOG}\n",
        f"quorum none\nlog {SEERS['x1']}\n",
        f"quorum none\nwitness w {LOG}\n",
        f"quorum none\nwitness none {SEERS['x1']}\n",
        f"quorum none\nwitness w {SEERS['x1']}\nwitness w {SEERS['x2']}\n",
        f"quorum none\nwitness w {SEERS['x1']}\nwitness v {SEERS['x1']}\n",
        f"{WITNESSES}group g 1\nquorum g\n",
        f"{WITNESSES}group g 0 x1\nquorum g\n",
        f"{WITNESSES}group g 3 x1 x2\nquorum g\n",
        f"{WITNESSES}group g 01 x1 x2\nquorum g\n",
        f"{WITNESSES}group g some x1 x2\nquorum g\n",
        f"{WITNESSES}group g 1 x1 x1\nquorum g\n",
        f"{WITNESSES}group g 1 x1 x9\nquorum g\n",
        f"{WITNESSES}group g 1 g\nquorum g\n",
        f"{WITNESSES}group x1 1 x2\nquorum x1\n",
        f"{WITNESSES}group g 1 x1\ngroup h 1 x1\nquorum g\n",
        f"{WITNESSES}group g 1 x1\ngroup h 1 x2\ngroup i 1 x1\nquorum g\n",
        f"quorum none\nwitness w {SEERS['x1']} https://a https://b\n",
        f"quorum none\nlocker {LID.hex()}\n",
        f"quorum none\nlocker {LID.hex()} AAAA\n",
        f"quorum none\nlocker xx {LOCKER_KEY}\n",
        f"quorum none\nlocker {LID.hex()}00 {LOCKER_KEY}\n",
        f"quorum none\nlocker {LID.hex()} {LOCKER_KEY}\nlocker {LID.hex()} {LOCKER_KEY}\n",
        f"quorum none\nlocker {LID.hex()} !{LOCKER_KEY}\n",
        "quorum none\ntrust everybody\n",
        "quorum none\r\n",
        "quorum none\n# \x7f\n",
        "quorum none\n# \x1f\n",
        "quorum none\n# X\x00\n",
        f"quorum none\nanchor 1 0x{'ab' * 20}\nanchor 1 0x{'AB' * 20}\n",
        f"quorum none\nanchor 1 0x{'ab' * 19}\n",
        f"quorum none\nanchor one 0x{'ab' * 20}\n",
        "quorum none\nanchor 1\n",
        "quorum none\n" + "#" * TRUST_BYTES,
    ],
    ids=case_id,
)
def test_a_line_that_is_not_understood_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        read(text)


def test_addresses_are_known_by_their_keys() -> None:
    first, second, third = (SEERS[name] for name in ("x1", "x2", "x3"))
    trust = read(
        f"log {LOG} https://hubs.example.org/log\nwitness a {first} https://a.example.org\n"
        f"witness b {second}\nwitness c {third} https://c.example.org\nquorum none\n"
    )
    assert trust.urls == {
        LOG: "https://hubs.example.org/log",
        first: "https://a.example.org",
        third: "https://c.example.org",
    }


def test_a_contract_is_read_with_its_chain() -> None:
    address = f"0x{'ab' * 20}"
    trust = read(f"anchor 10 {address}\nquorum none\n")
    assert trust.anchors == (Contract(10, address),)


def test_names_are_what_stands_between_spaces_and_tabs() -> None:
    """Other kinds of space are a part of them (tlog-policy, "character set")."""
    trust = read(f"witness a\u00a0b {SEERS['x1']}\nquorum a\u00a0b\n")
    assert trust.is_quorum(["a\u00a0b"])


def test_the_longest_file_is_read() -> None:
    text = "quorum none\n"
    assert read(text + "#" * (TRUST_BYTES - len(text))).quorum == NOBODY


def test_a_file_that_is_not_text_is_refused() -> None:
    with pytest.raises(Malformed):
        parse_trust(b"quorum none\n# \xff\n")
