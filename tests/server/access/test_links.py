"""Guests' links as texts: only what the server signed is read, and it says what was signed."""

from __future__ import annotations

import base64
import uuid

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from server.access.links import (
    LINK_CHARACTERS,
    LINK_LIFE,
    MAX_SERIES,
    LinkName,
    link_address,
    read_link,
    write_link,
)
from server.kit.keyring import LIVES, OVERLAPS, Purpose, derive
from tests.fakes.sources import DerivedKeyring, MovableClock

KEYRING = DerivedKeyring("links", MovableClock())
KEYS = KEYRING.list_keys(Purpose.LINKS)
NAME = LinkName(uuid.UUID(int=7), 1)
LINK = write_link(KEYS[0], NAME)

names = st.builds(LinkName, st.uuids(), st.integers(0, MAX_SERIES))


@given(names)
def test_link_says_what_it_was_written_for(name: LinkName) -> None:
    link = write_link(KEYS[0], name)
    assert len(link) == LINK_CHARACTERS
    assert read_link(link, KEYS) == name
    assert write_link(KEYS[0], name) == link


@given(names, names)
def test_link_to_one_parcel_is_to_no_other(one: LinkName, other: LinkName) -> None:
    """Also not where somebody puts the mark of one link under the name of another."""
    assume(one != other)
    first, second = (base64.urlsafe_b64decode(write_link(KEYS[0], name)) for name in (one, other))
    assert first != second
    grafted = second[:20] + first[20:]
    assert read_link(base64.urlsafe_b64encode(grafted).decode(), KEYS) is None


@given(names, st.integers(min_value=0))
def test_link_with_a_flipped_bit_is_none(name: LinkName, place: int) -> None:
    raw = bytearray(base64.urlsafe_b64decode(write_link(KEYS[0], name)))
    place %= len(raw) * 8
    raw[place // 8] ^= 1 << place % 8
    assert read_link(base64.urlsafe_b64encode(raw).decode(), KEYS) is None


@given(names, st.integers(min_value=0), st.characters())
def test_link_with_another_character_is_none(name: LinkName, place: int, other: str) -> None:
    link = write_link(KEYS[0], name)
    place %= len(link)
    assume(link[place] != other)
    assert read_link(link[:place] + other + link[place + 1 :], KEYS) is None


@given(st.integers(0, LINK_CHARACTERS - 1), st.text(max_size=3))
def test_link_that_was_cut_is_none(end: int, more: str) -> None:
    for cut in (LINK[:end], LINK[end + 1 :], LINK[:end] + more, LINK + (more or "=")):
        assume(cut != LINK)
        assert read_link(cut, KEYS) is None


@given(st.binary(min_size=36, max_size=36) | st.text(max_size=60).map(str.encode))
def test_what_nobody_signed_is_none(raw: bytes) -> None:
    assert read_link(base64.urlsafe_b64encode(raw).decode(), KEYS) is None


@given(st.text(max_size=60))
def test_any_text_is_a_link_or_none(text: str) -> None:
    assert read_link(text, KEYS) is None


@pytest.mark.parametrize("other", [Purpose.CODES, Purpose.ACCESS])
def test_key_for_something_else_signs_no_link(other: Purpose) -> None:
    assert read_link(write_link(KEYRING.list_keys(other)[0], NAME), KEYS) is None


def test_key_of_another_server_signs_no_link() -> None:
    foreign = DerivedKeyring("elsewhere", MovableClock()).list_keys(Purpose.LINKS)[0]
    assert read_link(write_link(foreign, NAME), KEYS) is None
    mark = derive(foreign, b"guest link", NAME.parcel_id.bytes + b"\x00\x01")[:16]
    raw = KEYS[0].kid + NAME.parcel_id.bytes + b"\x00\x01" + mark
    assert read_link(base64.urlsafe_b64encode(raw).decode(), KEYS) is None


def test_link_outlives_the_replacement_of_its_key() -> None:
    clock = MovableClock()
    keyring = DerivedKeyring("overlap", clock)
    first = keyring.list_keys(Purpose.LINKS)[0]
    clock.move(days=(LIVES[Purpose.LINKS] - OVERLAPS[Purpose.LINKS]).days - 1)
    link = write_link(keyring.list_keys(Purpose.LINKS)[0], NAME)
    clock.move(seconds=LINK_LIFE.total_seconds())
    keys = keyring.list_keys(Purpose.LINKS)
    assert keys[0] != first
    assert read_link(link, keys) == NAME
    clock.move(days=2)
    assert read_link(link, keyring.list_keys(Purpose.LINKS)) is None


def test_address_keeps_the_link_out_of_requests() -> None:
    assert link_address("https://hubs.example.org", LINK) == f"https://hubs.example.org/g/#{LINK}"
