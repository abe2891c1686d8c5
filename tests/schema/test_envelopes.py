"""Envelopes: sealed by a locker, opened within bounds, nothing inflated before its signature."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schema.codec import Malformed, Value, decode, encode
from schema.envelopes import (
    MAX_ENVELOPE_SIZE,
    MAX_INFLATED_SIZE,
    Contents,
    envelope_size,
    open_envelope,
    pack,
    parse_outer,
    seal_envelope,
    unseal,
)
from schema.ids import LIMIT, LockerId
from schema.noise import x25519_public
from schema.readings import Reading
from tests.schema.crafted import make_inner, make_outer, open_packed
from tests.schema.makers import (
    LID,
    NOW,
    OTHER_LID,
    SEALING_KID,
    SERVER_STATIC,
    case_id,
    make_journal,
    seed,
    signing_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

LOCKER = signing_key("locker")
COUNTERS = st.integers(0, LIMIT - 1)
READINGS = st.builds(
    Reading, t=COUNTERS, channel=COUNTERS, kind=COUNTERS, value=st.integers(1 - LIMIT, LIMIT - 1)
)


def _seal(packed: bytes, *, first: int, count: int) -> bytes:
    to = x25519_public(SERVER_STATIC)
    terms: dict[str, Any] = {"lid": LID, "key": LOCKER, "kid": SEALING_KID, "to": to}
    return seal_envelope(packed, first=first, count=count, **terms)


def _open(
    envelope: bytes, known: Callable[[LockerId], bytes | None] = {LID: LOCKER.public}.get
) -> Contents:
    outer = parse_outer(envelope)
    inner = unseal(outer.sealed, SERVER_STATIC)
    return open_envelope(outer, inner, find_locker_key=known)


@given(
    st.integers(1, LIMIT - 100),
    st.lists(st.binary(max_size=60), min_size=1, max_size=30).map(tuple),
    st.lists(READINGS, max_size=20).map(tuple),
)
def test_sealed_envelope_is_opened_whole(
    first: int, entries: tuple[bytes, ...], readings: tuple[Reading, ...]
) -> None:
    packed = pack(first=first, entries=entries, head=bytes(32), readings=readings)
    envelope = _seal(packed, first=first, count=len(entries))
    assert len(envelope) == envelope_size(packed, first=first, count=len(entries))
    assert _open(envelope) == Contents(LID, first, entries, bytes(32), readings)
    outer = parse_outer(envelope)
    assert (outer.kid, outer.lid, outer.first) == (SEALING_KID, LID, first)
    assert outer.last == first + len(entries) - 1


@pytest.mark.parametrize("count", [1, 22, 23, 24, 25, 254, 255, 256, 257])
def test_size_is_exact_where_a_number_grows_by_a_byte(count: int) -> None:
    packed = pack(first=1, entries=(b"",) * count, head=bytes(32))
    envelope = _seal(packed, first=1, count=count)
    assert len(envelope) == envelope_size(packed, first=1, count=count)


def test_readings_travel_alone() -> None:
    reading = Reading(NOW, 3, 1, -185)
    packed = pack(first=7, entries=(), head=bytes(32), readings=(reading,))
    envelope = _seal(packed, first=7, count=0)
    assert parse_outer(envelope).last == 6
    assert _open(envelope) == Contents(LID, 7, (), bytes(32), (reading,))


def test_whole_journal_survives_the_way() -> None:
    raws, head = make_journal()
    packed = pack(first=1, entries=raws, head=head)
    contents = _open(_seal(packed, first=1, count=len(raws)))
    assert (contents.entries, contents.head) == (raws, head)


KID_AT = len(encode([1])) + 1
ONE_ENTRY: list[Value] = [1, [b"entry"], bytes(32), []]
PLAIN = encode(ONE_ENTRY)


def test_stream_made_by_another_compressor_is_opened() -> None:
    for level in (0, 1, 6):
        assert open_packed(zlib.compress(PLAIN, level)).entries == (b"entry",)


def test_zip_bomb_is_refused_within_the_bound() -> None:
    with pytest.raises(Malformed, match="too long"):
        open_packed(zlib.compress(bytes(64 * 1024 * 1024), 9))


@pytest.mark.parametrize(("spare", "opens"), [(0, True), (-1, False)])
def test_inflating_ends_exactly_at_the_bound(spare: int, *, opens: bool) -> None:
    size = MAX_INFLATED_SIZE - spare
    filler = size - len(encode([1, [bytes(100_000)], bytes(32), []])) + 100_000
    plain = encode([1, [bytes(filler)], bytes(32), []])
    assert len(plain) == size
    if opens:
        assert len(open_packed(zlib.compress(plain, 9)).entries[0]) == filler
    else:
        with pytest.raises(Malformed, match="too long"):
            open_packed(zlib.compress(plain, 9))


def test_bytes_after_the_stream_are_refused() -> None:
    with pytest.raises(Malformed, match="followed by bytes"):
        open_packed(zlib.compress(PLAIN) + b"\x00")


@pytest.mark.parametrize("cut", [1, 4, 10])
def test_stream_cut_short_is_refused(cut: int) -> None:
    with pytest.raises(Malformed, match="cut short"):
        open_packed(zlib.compress(PLAIN)[:-cut])


@pytest.mark.parametrize("broken", [b"", b"not zlib", zlib.compress(PLAIN)[:-1] + b"\xff"])
def test_broken_stream_is_refused(broken: bytes) -> None:
    with pytest.raises(Malformed):
        open_packed(broken)


def test_stream_that_needs_a_dictionary_is_refused() -> None:
    packer = zlib.compressobj(zdict=b"entry")
    with pytest.raises(Malformed):
        open_packed(packer.compress(PLAIN) + packer.flush())


def test_signature_is_checked_before_anything_is_inflated() -> None:
    # The stream is broken as well: the answer shows which of the two was looked at.
    inner = make_inner(b"not zlib", signer="impostor")
    with pytest.raises(Malformed, match="did not sign"):
        open_envelope(make_outer(), inner, find_locker_key={LID: LOCKER.public}.get)


def test_unknown_locker_is_refused() -> None:
    known: dict[LockerId, bytes] = {}
    with pytest.raises(Malformed, match="unknown locker"):
        open_envelope(make_outer(), make_inner(zlib.compress(PLAIN)), find_locker_key=known.get)


def test_key_of_one_locker_signs_nothing_for_another() -> None:
    known = {LID: LOCKER.public, OTHER_LID: signing_key("other locker").public}.get
    packed = zlib.compress(PLAIN)
    with pytest.raises(Malformed, match="did not sign"):
        open_envelope(
            make_outer(lid=OTHER_LID), make_inner(packed, lid=OTHER_LID), find_locker_key=known
        )
    with pytest.raises(Malformed, match="unknown locker"):
        open_envelope(make_outer(lid=OTHER_LID), make_inner(packed), find_locker_key=known)


@pytest.mark.parametrize(("first", "last"), [(1, 2), (2, 2), (1, 0), (0, 0)])
def test_outside_that_names_other_entries_is_refused(first: int, last: int) -> None:
    known = {LID: LOCKER.public}.get
    inner = make_inner(zlib.compress(PLAIN))
    with pytest.raises(Malformed, match="other entries"):
        open_envelope(make_outer(first=first, last=last), inner, find_locker_key=known)


WRONG_CONTENTS: list[Value] = [
    [1, [b"entry"], bytes(32)],
    [1, [b"entry"], bytes(31), []],
    [-1, [b"entry"], bytes(32), []],
    [1, ["entry"], bytes(32), []],
    [1, b"entry", bytes(32), []],
    [1, [b"entry"], bytes(32), [[NOW, 1, 1]]],
    [1, [b"entry"], bytes(32), [[NOW, 1, 1, None]]],
    [1, [b"entry"], bytes(32), [[NOW, -1, 1, 0]]],
    [1, [b"entry"], bytes(32), [[NOW, 1, 1, LIMIT]]],
    [1, [b"entry"], bytes(32), [[NOW, 1, 1, -LIMIT]]],
    None,
]


@pytest.mark.parametrize("contents", WRONG_CONTENTS, ids=case_id)
def test_contents_of_another_form_are_malformed(contents: Value) -> None:
    with pytest.raises(Malformed):
        open_packed(zlib.compress(encode(contents)))


def test_envelope_for_another_server_does_not_open() -> None:
    packed = pack(first=1, entries=(b"entry",), head=bytes(32))
    sealed = parse_outer(_seal(packed, first=1, count=1)).sealed
    with pytest.raises(Malformed, match="does not open"):
        unseal(sealed, seed("another server"))


@given(st.binary(max_size=200))
def test_garbage_is_unsealed_to_our_error(sealed: bytes) -> None:
    with pytest.raises(Malformed):
        unseal(sealed, SERVER_STATIC)


@given(st.data())
def test_envelope_mutated_anywhere_is_malformed(data: st.DataObject) -> None:
    packed = pack(first=1, entries=(b"entry",), head=bytes(32))
    envelope = bytearray(_seal(packed, first=1, count=1))
    at = data.draw(st.integers(0, len(envelope) - 1))
    # The outer key id is no secret and no claim: it only says which key to try.
    assume(at not in {KID_AT, KID_AT + 1})
    envelope[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(Malformed):
        _open(bytes(envelope))


def test_envelope_beyond_64_kib_is_refused_unread() -> None:
    fitting = encode([1, SEALING_KID, LID, 1, 1, bytes(MAX_ENVELOPE_SIZE - 19)])
    assert len(fitting) == MAX_ENVELOPE_SIZE
    assert len(parse_outer(fitting).sealed) == MAX_ENVELOPE_SIZE - 19
    with pytest.raises(Malformed, match="64 KiB"):
        parse_outer(fitting + b"\x00")


@pytest.mark.parametrize(
    "wrong",
    [{0: 2}, {1: b"\x01"}, {2: bytes(7)}, {3: -1}, {4: None}, {5: "text"}],
    ids=case_id,
)
def test_outside_of_another_form_is_malformed(wrong: dict[int, Any]) -> None:
    fields: list[Value] = [1, SEALING_KID, LID, 1, 1, b"sealed"]
    parse_outer(encode(fields))
    for at, value in wrong.items():
        fields[at] = value
    with pytest.raises(Malformed):
        parse_outer(encode(fields))


def test_inside_of_another_form_is_malformed() -> None:
    known = {LID: LOCKER.public}.get
    good = decode(make_inner(zlib.compress(PLAIN)))
    assert isinstance(good, list)
    wrong: list[list[Value]] = [good[:2], [*good, 0], ["text", *good[1:]], [*good[:2], bytes(63)]]
    for inner in wrong:
        with pytest.raises(Malformed):
            open_envelope(make_outer(), encode(inner), find_locker_key=known)
