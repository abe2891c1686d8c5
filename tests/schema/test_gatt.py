"""Fragments, advertisement and ATT errors, against frozen vectors and hostile senders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema import gatt
from schema.gatt import AttError, Reassembler, split

VECTORS = Path(gatt.__file__).parent / "vectors" / "slk1.json"
LID = bytes.fromhex("4dbe53e4c9f2d2e9")


def _vectors() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(VECTORS.read_text(encoding="utf-8"))
    return loaded


def _join(fragments: list[bytes], into: Reassembler | None = None) -> bytes | AttError | None:
    reassembler = into or Reassembler()
    answers = [reassembler.take(fragment, now_s=0.0) for fragment in fragments]
    assert all(answer is None for answer in answers[:-1])
    return answers[-1]


@pytest.mark.parametrize("mtu", ["23", "185", "247", "517", "unknown"])
@pytest.mark.parametrize("name", ["message2", "message3"])
def test_frozen_fragments_are_cut_and_joined(name: str, mtu: str) -> None:
    vectors = _vectors()
    message = bytes.fromhex(vectors["visit"][name])
    frozen = [bytes.fromhex(text) for text in vectors["fragments"][name][mtu]]
    size = gatt.fragment_size(None if mtu == "unknown" else int(mtu))
    assert split(message, size) == frozen
    assert _join(frozen) == message


def test_advertisement_fills_the_31_bytes_with_flags_service_and_tag() -> None:
    payload = gatt.advertisement(LID)
    assert len(payload) == 31
    assert payload[:5].hex() == "0201061107"
    assert payload[5:21][::-1].hex() == gatt.SERVICE_UUID.replace("-", "")
    assert payload[21:] == bytes.fromhex("09ffffff4dbe53e4c9f2")


def test_tag_of_something_that_is_no_locker_id_is_refused() -> None:
    with pytest.raises(ValueError, match="8 bytes, got 7"):
        gatt.lid_tag(LID[:7])


def test_uuids_differ_in_their_last_digit_only() -> None:
    uuids = [gatt.SERVICE_UUID, gatt.HELLO_UUID, gatt.COMMAND_UUID, gatt.RESULT_UUID]
    assert [uuid[-2:] for uuid in uuids] == ["10", "11", "12", "13"]
    assert len({uuid[:-1] for uuid in uuids}) == 1


@pytest.mark.parametrize(
    ("mtu", "size"), [(23, 20), (185, 182), (517, 512), (600, 512), (None, 180)]
)
def test_fragment_size_follows_the_mtu_up_to_an_attribute(mtu: int | None, size: int) -> None:
    assert gatt.fragment_size(mtu) == size


@given(message=st.binary(min_size=1, max_size=gatt.MAX_MESSAGE), size=st.integers(12, 512))
def test_whatever_is_split_is_joined_again(message: bytes, size: int) -> None:
    fragments = split(message, size)
    assert max(map(len, fragments)) <= size
    assert _join(fragments) == message


def test_longest_message_travels_at_the_smallest_mtu() -> None:
    message = bytes(range(250)) * 5 + bytes(150)
    fragments = split(message, gatt.fragment_size(23))
    assert len(fragments) == 74
    assert _join(fragments) == message


@pytest.mark.parametrize(("length", "size"), [(0, 20), (1401, 512), (129, 2), (1, 1), (1, 0)])
def test_message_that_no_fragments_can_carry_is_not_split(length: int, size: int) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        split(bytes(length), size)


def test_all_128_indexes_are_usable_and_none_follows() -> None:
    message = bytes(128)
    assert gatt.capacity(2) == 128
    fragments = split(message, 2)
    assert fragments[-1][0] == 0xFF
    assert _join(fragments) == message
    unfinished = Reassembler()
    assert _join([*fragments[:-1], b"\x7f\x00"], unfinished) is None
    assert unfinished.take(b"\x01\x00", now_s=0.0) is AttError.BAD_FRAME


def test_message_begins_at_index_zero() -> None:
    fresh = Reassembler()
    assert fresh.longest == 0
    assert fresh.take(b"\x01x", now_s=0.0) is AttError.BAD_FRAME
    assert fresh.longest == 2


def test_index_zero_starts_anew() -> None:
    reassembler = Reassembler()
    assert reassembler.take(b"\x00old", now_s=0.0) is None
    assert reassembler.take(b"\x00ne", now_s=0.0) is None
    assert reassembler.take(b"\x81w", now_s=0.0) == b"new"


@pytest.mark.parametrize("wrong", [b"\x02x", b"\x82x", b"\x7fx", b"", b"\x01", b"\x80", b"\x00"])
def test_wrong_index_or_empty_fragment_drops_the_message(wrong: bytes) -> None:
    reassembler = Reassembler()
    assert reassembler.take(b"\x00a", now_s=0.0) is None
    assert reassembler.take(wrong, now_s=0.0) is AttError.BAD_FRAME
    assert reassembler.take(b"\x81b", now_s=0.0) is AttError.BAD_FRAME
    assert reassembler.take(b"\x80c", now_s=0.0) == b"c"


def test_repeated_fragment_drops_the_message() -> None:
    reassembler = Reassembler()
    assert reassembler.take(b"\x00a", now_s=0.0) is None
    assert reassembler.take(b"\x01b", now_s=0.0) is None
    assert reassembler.take(b"\x01b", now_s=0.0) is AttError.BAD_FRAME


def test_message_beyond_1400_bytes_is_too_large() -> None:
    reassembler = Reassembler()
    for index in range(2):
        assert reassembler.take(bytes((index,)) + bytes(511), now_s=0.0) is None
    assert reassembler.take(b"\x82" + bytes(379), now_s=0.0) is AttError.TOO_LARGE
    assert reassembler.take(b"\x83x", now_s=0.0) is AttError.BAD_FRAME


def test_five_seconds_of_silence_drop_the_message_and_no_less() -> None:
    reassembler = Reassembler()
    assert reassembler.take(b"\x00a", now_s=100.0) is None
    assert reassembler.take(b"\x01b", now_s=105.0) is None
    assert reassembler.take(b"\x82c", now_s=110.001) is AttError.BAD_FRAME


def test_longest_fragment_is_remembered_across_messages_and_errors() -> None:
    reassembler = Reassembler()
    assert reassembler.take(b"\x80" + bytes(181), now_s=0.0) == bytes(181)
    assert reassembler.take(b"\x80x", now_s=0.0) == b"x"
    assert reassembler.take(b"\x05" + bytes(199), now_s=0.0) is AttError.BAD_FRAME
    assert reassembler.longest == 200


@given(fragments=st.lists(st.binary(max_size=600), max_size=40))
def test_hostile_fragments_never_grow_what_is_held(fragments: list[bytes]) -> None:
    reassembler = Reassembler()
    for now_s, fragment in enumerate(fragments):
        answer = reassembler.take(fragment, now_s=float(now_s))
        assert answer is None or isinstance(answer, AttError) or 0 < len(answer) <= gatt.MAX_MESSAGE
    assert reassembler.longest <= gatt.MAX_ATTRIBUTE


@pytest.mark.parametrize(("length", "read"), [(0, 0), (1, 2), (511, 512), (512, 0)])
def test_result_is_read_whole_or_not_at_all(length: int, read: int) -> None:
    value = gatt.result_value(bytes(length))
    assert len(value) == read
    assert value == b"" or Reassembler().take(value, now_s=0.0) == bytes(length)
