"""The strict codec: one encoding per value, nothing else read, `cbor2` as the oracle of values."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import MAX_DEPTH, Malformed, decode, encode
from tests.schema.makers import case_id

if TYPE_CHECKING:
    from schema.codec import Value

INTEGERS = st.integers(-(1 << 64), (1 << 64) - 1)
LEAVES = st.none() | st.booleans() | INTEGERS | st.binary(max_size=40) | st.text(max_size=40)
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(INTEGERS, inner, max_size=5),
    max_leaves=20,
).filter(lambda value: depth_of(value) <= MAX_DEPTH)


def depth_of(value: Value) -> int:
    """How many arrays and maps lie inside one another."""
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


def has_map_of_many_lengths(value: Value) -> bool:
    """Whether bytewise order and cbor2's order by length first may differ in this value."""
    if isinstance(value, dict):
        lengths = {len(encode(key)) for key in value}
        return len(lengths) > 1 or any(map(has_map_of_many_lengths, value.values()))
    return isinstance(value, list) and any(map(has_map_of_many_lengths, value))


@given(VALUES)
def test_every_value_survives_its_encoding(value: Value) -> None:
    again = decode(encode(value))
    assert again == value
    assert encode(again) == encode(value)


@given(VALUES)
def test_oracle_reads_the_same_value(value: Value) -> None:
    assert cbor2.loads(encode(value)) == value


@given(VALUES)
def test_oracle_writes_the_same_bytes_where_its_order_of_keys_agrees(value: Value) -> None:
    written = cbor2.dumps(value, canonical=True)
    if has_map_of_many_lengths(value):
        assert sorted(written) == sorted(encode(value))
    else:
        assert written == encode(value)


@given(st.binary(max_size=200))
def test_bytes_are_refused_or_are_the_one_encoding_of_what_they_say(data: bytes) -> None:
    try:
        value = decode(data)
    except Malformed:
        return
    assert encode(value) == data
    assert cbor2.loads(data) == value


@given(VALUES, st.data())
def test_mutated_encoding_is_refused_or_canonical_again(value: Value, data: st.DataObject) -> None:
    raw = bytearray(encode(value))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with suppress(Malformed):
        assert encode(decode(bytes(raw))) == raw


@given(VALUES, st.binary(min_size=1, max_size=3))
def test_bytes_after_a_value_are_refused(value: Value, more: bytes) -> None:
    with pytest.raises(Malformed, match="after the value"):
        decode(encode(value) + more)


@given(VALUES, st.data())
def test_every_shortened_encoding_is_refused(value: Value, data: st.DataObject) -> None:
    raw = encode(value)
    with pytest.raises(Malformed):
        decode(raw[: data.draw(st.integers(0, len(raw) - 1))])


def test_map_keys_stand_in_bytewise_order_not_by_length_first() -> None:
    assert encode({-1: 0, 24: 0, 1: 0}) == bytes.fromhex("a30100181800" + "2000")
    with pytest.raises(Malformed, match="out of order"):
        decode(cbor2.dumps({-1: 0, 24: 0, 1: 0}, canonical=True))


NOT_ENCODABLE: list[Any] = [
    1.5,
    1 << 64,
    -(1 << 64) - 1,
    (1, 2),
    {1, 2},
    bytearray(b"x"),
    "\ud800",
    {"text": 1},
    {True: 1},
    {b"x": 1},
    {1 << 64: 1},
    [NotImplemented],
]


@pytest.mark.parametrize("value", NOT_ENCODABLE, ids=case_id)
def test_value_outside_the_subset_has_no_encoding(value: Any) -> None:
    with pytest.raises(Malformed):
        encode(value)


def test_nesting_ends_at_eight_both_ways() -> None:
    value: Value = 0
    for _ in range(MAX_DEPTH):
        value = [value]
    assert decode(encode(value)) == value
    with pytest.raises(Malformed, match="more than 8"):
        encode([value])
    with pytest.raises(Malformed, match="more than 8"):
        decode(b"\x81" + encode(value))


@pytest.mark.parametrize("head", ["9a7fffffff", "ba7fffffff", "5b7fffffffffffffff", "7a7fffffff"])
def test_huge_length_is_refused_before_any_work_is_done(head: str) -> None:
    with pytest.raises(Malformed, match="beyond the end"):
        decode(bytes.fromhex(head) + bytes(100))


def test_no_depth_of_nesting_exhausts_the_stack() -> None:
    for head in (b"\x81", b"\xa1\x00", b"\x82\x00"):
        with pytest.raises(Malformed):
            decode(head * 100_000)


@pytest.mark.parametrize("head", [0x1C, 0x3C, 0x5C, 0x7C, 0x9C, 0xBC])
def test_integer_of_sixteen_bytes_is_no_head(head: int) -> None:
    with pytest.raises(Malformed, match="reserved head"):
        decode(bytes([head, 1]) + bytes(15))


@pytest.mark.parametrize(
    "head", ["44", "64", "84", "a4", "9b7fffffffffffffff", "5b7fffffffffffffff"]
)
def test_length_is_held_against_what_is_left(head: str) -> None:
    data = bytes.fromhex("82" + "00" + head) + b"\x00" * 3
    with pytest.raises(Malformed, match="beyond the end"):
        decode(data)
