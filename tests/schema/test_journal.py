"""Entries of every kind, their chain, and the locker's signature on its head."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import Malformed, decode, encode
from schema.ids import LIMIT
from schema.journal import (
    FIRST_PREV_HEAD,
    MAX_ENTRY_SIZE,
    Accepted,
    Kind,
    OwnKind,
    check_chain,
    entry_head,
    parse_accepted,
    parse_entry,
    person_mark,
    sign_head,
    verify_head,
)
from tests.schema.makers import (
    ACCEPTED,
    BODIES,
    LID,
    OTHER_LID,
    case_id,
    make_entry,
    make_journal,
    signing_key,
)

if TYPE_CHECKING:
    from schema.codec import Value

COUNTERS = st.integers(0, LIMIT - 1)


def _optional(size: int) -> st.SearchStrategy[bytes | None]:
    return st.none() | st.binary(min_size=size, max_size=size)


@pytest.mark.parametrize("kind", [*Kind, *OwnKind])
@given(numbers=st.tuples(COUNTERS, COUNTERS, COUNTERS, COUNTERS), clockq=st.integers(0, 2))
def test_entry_of_each_kind_is_read_back(
    kind: Kind | OwnKind, numbers: tuple[int, int, int, int], clockq: int
) -> None:
    boot, seq, t, mono_ms = numbers
    entry = make_entry(kind, boot=boot, seq=seq, t=t, mono_ms=mono_ms, clockq=clockq)
    assert parse_entry(entry.encode()) == entry


@pytest.mark.parametrize("kind", [*Kind, *OwnKind])
def test_body_with_a_part_missing_or_added_is_malformed(kind: Kind | OwnKind) -> None:
    body = BODIES[kind]
    for wrong in (body[:-1], [*body, 0]):
        with pytest.raises(Malformed):
            parse_entry(make_entry(kind, body=wrong).encode())


@pytest.mark.parametrize("kind", [*Kind, *OwnKind])
def test_body_with_any_part_of_another_type_is_malformed(kind: Kind | OwnKind) -> None:
    body = BODIES[kind]
    for at in range(len(body)):
        wrong: list[Value] = [*body[:at], {1: "neither of them"}, *body[at + 1 :]]
        if kind is Kind.DENIED and at == 1:
            wrong[at] = {1: -1}
        with pytest.raises(Malformed):
            parse_entry(make_entry(kind, body=wrong).encode())


@pytest.mark.parametrize("comp", [None, 0, 255, 256, True])
def test_fault_is_of_the_locker_or_of_a_compartment(comp: int | None) -> None:
    entry = make_entry(Kind.FAULT, body=[comp, 7])
    if comp is None or comp in {0, 255}:
        assert parse_entry(entry.encode()) == entry
    else:
        with pytest.raises(Malformed):
            parse_entry(entry.encode())


@pytest.mark.parametrize("phase", [1, 2, 3])
@pytest.mark.parametrize("decidegrees", [-2731, -180, 0, 50, 10_000])
def test_excursion_is_told_by_phase_and_temperature(phase: int, decidegrees: int) -> None:
    entry = make_entry(Kind.EXCURSION, body=[3, phase, decidegrees])
    assert parse_entry(entry.encode()) == entry


@pytest.mark.parametrize(
    "told", [[0, 50], [4, 50], [-1, 50], [True, 50], [1, -2732], [1, 10_001], [1, True]]
)
def test_excursion_that_nobody_can_measure_is_malformed(told: list[Value]) -> None:
    with pytest.raises(Malformed):
        parse_entry(make_entry(Kind.EXCURSION, body=[3, *told]).encode())


@pytest.mark.parametrize("kind", [Kind.DOOR_OPENED, Kind.DOOR_CLOSED])
@pytest.mark.parametrize("occupied", [True, False, None])
def test_door_is_told_with_what_the_sensor_said_if_it_said_anything(
    kind: Kind | OwnKind, *, occupied: bool | None
) -> None:
    entry = make_entry(kind, body=[3, occupied])
    assert parse_entry(entry.encode()) == entry


@pytest.mark.parametrize("size", [7, 9])
def test_statement_is_told_by_the_eight_bytes_of_its_type(size: int) -> None:
    parse_entry(make_entry(Kind.STATEMENT, body=[bytes(8), 1]).encode())
    with pytest.raises(Malformed):
        parse_entry(make_entry(Kind.STATEMENT, body=[bytes(size), 1]).encode())


def test_entry_of_a_kind_yet_unknown_is_kept_as_it_is() -> None:
    entry = replace(make_entry(), kind=99, body=[{1: "news"}, None])
    assert parse_entry(entry.encode()) == entry


WRONG_FIELDS: dict[str, tuple[int, Value]] = {
    "another version": (0, 2),
    "locker id of 7 bytes": (1, bytes(7)),
    "negative boot": (2, -1),
    "seq of 2^53": (3, LIMIT),
    "previous head of 31 bytes": (4, bytes(31)),
    "time as text": (5, "now"),
    "clock quality 3": (6, 3),
    "negative uptime": (7, -1),
    "salt of 15 bytes": (8, bytes(15)),
    "kind as a flag": (9, True),
    "body as a map": (10, {}),
}


@pytest.mark.parametrize("form", WRONG_FIELDS)
def test_entry_of_another_form_is_malformed(form: str) -> None:
    at, value = WRONG_FIELDS[form]
    fields = decode(make_entry().encode())
    assert isinstance(fields, list)
    with pytest.raises(Malformed):
        parse_entry(encode([*fields[:at], value, *fields[at + 1 :]]))


def test_entry_beyond_its_bound_is_malformed() -> None:
    around = len(make_entry(body=["x" * 3000, 0]).encode()) - 3000
    fitting = make_entry(body=["x" * (MAX_ENTRY_SIZE - around), 0]).encode()
    assert len(fitting) == MAX_ENTRY_SIZE == 4096
    parse_entry(fitting)
    with pytest.raises(Malformed, match="4096"):
        parse_entry(make_entry(body=["x" * (MAX_ENTRY_SIZE - around + 1), 0]).encode())


@given(
    st.builds(
        Accepted,
        op=COUNTERS,
        asked_comp=st.none() | st.integers(0, 255),
        code=st.none() | st.integers(0, 99),
        comp=st.none() | st.integers(0, 255),
        cti=_optional(8),
        h=_optional(32),
        pop=_optional(64),
        chain_hash=_optional(32),
        rest=st.lists(st.binary(max_size=200), max_size=2).map(tuple),
    )
)
def test_acceptance_is_read_back(accepted: Accepted) -> None:
    assert parse_accepted(accepted.as_body()) == accepted
    entry = make_entry(Kind.ACCEPTED, body=accepted.as_body())
    assert parse_entry(entry.encode()) == entry


@pytest.mark.parametrize(
    "wrong",
    [
        {0: [1, None]},
        {0: [1, None, 100]},
        {0: [1, 256, None]},
        {1: 256},
        {2: bytes(7)},
        {3: bytes(31)},
        {4: b""},
        {5: 0},
        {5: bytes(31)},
        {6: ["text"]},
    ],
    ids=case_id,
)
def test_acceptance_of_another_form_is_malformed(wrong: dict[int, Any]) -> None:
    body = ACCEPTED.as_body()
    for at, value in wrong.items():
        body[at] = value
    with pytest.raises(Malformed):
        parse_accepted(body)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (OwnKind.DEVICE_ADDED, ["", bytes(32)]),
        (OwnKind.DEVICE_ADDED, ["t" * 65, bytes(32)]),
        (OwnKind.KEY_SET_ISSUED, [bytes(7), 1, bytes(32)]),
        (OwnKind.LOCKER_ENROLLED, [LID, bytes(32), bytes(7)]),
        (OwnKind.EVIDENCE_FROZEN, [bytes(31)]),
    ],
)
def test_entry_of_a_server_names_keys_and_lockers_in_their_form(
    kind: OwnKind, body: list[Value]
) -> None:
    with pytest.raises(Malformed):
        parse_entry(make_entry(kind, body=body).encode())


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (OwnKind.LOCKER_ENROLLED, [LID, bytes(32), OTHER_LID]),
        (OwnKind.KEY_SET_ISSUED, [LID, 1, bytes(32)]),
        (OwnKind.DEVICE_ADDED, ["t" * 64, bytes(32)]),
    ],
)
def test_entry_of_a_server_about_one_locker_or_the_longest_key_is_read_back(
    kind: OwnKind, body: list[Value]
) -> None:
    entry = make_entry(kind, body=body)
    assert parse_entry(entry.encode()) == entry


def test_person_is_marked_by_a_hash_under_the_salt() -> None:
    made = person_mark(b"salt" * 4, b"person" * 2)
    assert made == hashlib.sha256(b"SLK1-who" + b"salt" * 4 + b"person" * 2).digest()


def test_head_is_the_prefixed_hash_of_the_entry() -> None:
    raw = make_entry().encode()
    assert entry_head(raw) == hashlib.sha256(b"SLK1-log" + raw).digest()


def test_chain_leads_from_the_first_entry_to_the_head() -> None:
    raws, head = make_journal()
    assert check_chain(raws, lid=LID, first=1, prev_head=FIRST_PREV_HEAD) == head
    middle = check_chain(raws[:7], lid=LID, first=1, prev_head=FIRST_PREV_HEAD)
    assert check_chain(raws[7:], lid=LID, first=8, prev_head=middle) == head


def test_no_entries_leave_the_head_where_it_was() -> None:
    assert check_chain((), lid=LID, first=5, prev_head=bytes(32)) == bytes(32)


@pytest.mark.parametrize(
    "broken",
    ["left out", "swapped", "doubled", "other salt", "another locker", "first is not first"],
)
def test_broken_chain_is_malformed(broken: str) -> None:
    raws = list(make_journal()[0])
    lid, first = LID, 1
    if broken == "left out":
        del raws[3]
    elif broken == "swapped":
        raws[3], raws[4] = raws[4], raws[3]
    elif broken == "doubled":
        raws.insert(3, raws[3])
    elif broken == "other salt":
        raws[3] = replace(parse_entry(raws[3]), salt=bytes(16)).encode()
    elif broken == "another locker":
        lid = OTHER_LID
    else:
        first = 2
    with pytest.raises(Malformed, match="does not follow"):
        check_chain(raws, lid=lid, first=first, prev_head=FIRST_PREV_HEAD)


def test_chain_does_not_grow_from_another_head() -> None:
    raws, _ = make_journal()
    with pytest.raises(Malformed, match="entry 1 does not follow"):
        check_chain(raws, lid=LID, first=1, prev_head=b"\x01" + bytes(31))


@given(st.integers(0, len(Kind) - 2), st.data())
def test_any_mutation_of_an_entry_breaks_the_chain(at: int, data: st.DataObject) -> None:
    raws, _ = make_journal()
    mutated = bytearray(raws[at])
    mutated[data.draw(st.integers(0, len(mutated) - 1))] ^= data.draw(st.integers(1, 255))
    chain = [*raws[:at], bytes(mutated), *raws[at + 1 :]]
    with pytest.raises(Malformed):
        check_chain(chain, lid=LID, first=1, prev_head=FIRST_PREV_HEAD)


def test_head_is_vouched_for_by_its_locker_at_its_place_only() -> None:
    signer, head = signing_key("locker"), make_journal()[1]
    terms: dict[str, Any] = {
        "lid": LID,
        "seq": 20,
        "head": head,
        "signature": sign_head(signer, LID, 20, head),
    }
    assert verify_head(signer.public, **terms)
    assert not verify_head(signing_key("impostor").public, **terms)
    wrong: list[dict[str, Any]] = [
        {"lid": OTHER_LID},
        {"seq": 21},
        {"head": bytes(32)},
        {"signature": bytes(64)},
    ]
    for change in wrong:
        assert not verify_head(signer.public, **terms | change)
