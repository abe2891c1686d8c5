"""Attacks on a visit: replays, flipped bits, impostors, frames out of their place."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from schema.codec import Malformed
from schema.cose import verify
from schema.handshake import (
    LockerVisit,
    OpenRequest,
    PhoneVisit,
    Report,
    encode_report,
    parse_phone_frame,
    parse_request,
    proof_message,
)
from schema.keys import Operation
from schema.noise import x25519_public
from tests.schema.makers import (
    LID,
    LOCKER_STATIC,
    NOW,
    OTHER_LID,
    make_hello,
    make_locker_visit,
    make_phone_visit,
    make_session,
    make_token,
    seed,
    signing_key,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

REPORT = Report(0, 3, 4, bytes(32), bytes(64), NOW, 2)
RESULT = encode_report(REPORT, is_event=False)
EVENT = encode_report(replace(REPORT, code=100), is_event=True)


def _request(visit: PhoneVisit, holder: str = "device") -> bytes:
    return visit.write_request((make_token(),), OpenRequest(Operation.OPEN), signing_key(holder))


def _each_bit_flipped(message: bytes) -> Iterator[bytes]:
    for at in range(len(message)):
        for bit in range(8):
            flipped = bytearray(message)
            flipped[at] ^= 1 << bit
            yield bytes(flipped)


def test_same_request_twice_on_one_hello_is_refused() -> None:
    locker = make_locker_visit()
    message = _request(make_phone_visit(locker.hello))
    locker.open_request(message)
    with pytest.raises(Malformed, match="served"):
        locker.open_request(message)


def test_request_recorded_at_one_hello_does_not_open_at_the_next() -> None:
    locker = make_locker_visit()
    message = _request(make_phone_visit(locker.hello))
    with pytest.raises(Malformed, match="does not open"):
        make_locker_visit("a new ephemeral key").open_request(message)


def test_proof_recorded_at_one_hello_is_worth_nothing_at_the_next() -> None:
    # Even the phone itself cannot be tricked into one proof for two doors: the hash differs.
    first, second = make_locker_visit(), make_locker_visit("a new ephemeral key")
    asked = parse_request(first.open_request(_request(make_phone_visit(first.hello))))
    second.open_request(_request(make_phone_visit(second.hello)))
    holder = asked.token.claims.holder
    replayed = proof_message(second.handshake_hash, asked.chain, asked.req)
    assert verify(holder, proof_message(first.handshake_hash, asked.chain, asked.req), asked.pop)
    assert not verify(holder, replayed, asked.pop)


def test_token_in_the_hands_of_another_key_carries_no_valid_proof() -> None:
    locker = make_locker_visit()
    asked = parse_request(locker.open_request(_request(make_phone_visit(locker.hello), "thief")))
    message = proof_message(locker.handshake_hash, asked.chain, asked.req)
    assert not verify(asked.token.claims.holder, message, asked.pop)


def test_request_with_any_bit_flipped_does_not_open() -> None:
    message = _request(make_phone_visit(make_locker_visit().hello))
    for flipped in _each_bit_flipped(message):
        # The top bit of an X25519 key is ignored (RFC 7748 s. 5), yet it is hashed with the rest.
        with pytest.raises(Malformed):
            make_locker_visit().open_request(flipped)


def test_hello_with_any_bit_flipped_ends_in_no_session() -> None:
    hello = make_locker_visit().hello
    for flipped in _each_bit_flipped(hello):
        try:
            message = _request(make_phone_visit(flipped))
        except Malformed:
            continue
        with pytest.raises(Malformed):
            make_locker_visit().open_request(message)


def test_result_with_any_bit_flipped_does_not_open() -> None:
    locker, phone = make_session()
    message = locker.seal(RESULT)
    for flipped in _each_bit_flipped(message):
        with pytest.raises(Malformed, match="does not open"):
            phone.read_result(flipped)
    assert phone.read_result(message) == REPORT


def test_frame_with_any_bit_flipped_does_not_open_either_way() -> None:
    locker, phone = make_session()
    phone.read_result(locker.seal(RESULT))
    event, reopen = locker.seal(EVENT), phone.write_reopen(3)
    for flipped in _each_bit_flipped(event):
        with pytest.raises(Malformed, match="does not open"):
            phone.read_frame(flipped)
    for flipped in _each_bit_flipped(reopen):
        with pytest.raises(Malformed, match="does not open"):
            locker.open_frame(flipped)
    assert phone.read_frame(event)
    assert parse_phone_frame(locker.open_frame(reopen))


@pytest.mark.parametrize("lost", range(3))
def test_locker_expects_exactly_the_next_frame(lost: int) -> None:
    locker, phone = make_session()
    frames = [phone.write_reopen(3) for _ in range(lost + 1)]
    if lost:
        with pytest.raises(Malformed, match="does not open"):
            locker.open_frame(frames[-1])
    for frame in frames:
        locker.open_frame(frame)
    with pytest.raises(Malformed, match="does not open"):
        locker.open_frame(frames[-1])


@pytest.mark.parametrize(("lost", "opens"), [(0, True), (15, True), (16, False)])
def test_phone_bridges_fifteen_lost_notifications(lost: int, *, opens: bool) -> None:
    locker, phone = make_session()
    phone.read_result(locker.seal(RESULT))
    for _ in range(lost):
        locker.seal(EVENT)
    frame = locker.seal(EVENT)
    if opens:
        assert phone.read_frame(frame) == replace(REPORT, code=100)
    else:
        with pytest.raises(Malformed):
            phone.read_frame(frame)


def test_phone_ignores_what_was_meant_for_another_phone() -> None:
    locker, phone = make_session()
    other_locker = make_locker_visit("another connection")
    other_locker.open_request(_request(make_phone_visit(other_locker.hello)))
    with pytest.raises(Malformed, match="does not open"):
        phone.read_result(other_locker.seal(RESULT))
    assert phone.read_result(locker.seal(RESULT)) == REPORT


def test_event_is_not_shown_twice() -> None:
    locker, phone = make_session()
    phone.read_result(locker.seal(RESULT))
    event = locker.seal(EVENT)
    phone.read_frame(event)
    with pytest.raises(Malformed, match="does not open"):
        phone.read_frame(event)


def test_messages_do_not_open_in_the_other_direction() -> None:
    locker, phone = make_session()
    with pytest.raises(Malformed):
        locker.open_frame(locker.seal(RESULT))
    with pytest.raises(Malformed):
        phone.read_frame(phone.write_reopen(3))


def test_frame_before_any_session_is_malformed() -> None:
    with pytest.raises(Malformed, match="no session"):
        make_locker_visit().open_frame(bytes(40))


def test_nothing_opens_after_a_request_that_did_not() -> None:
    locker = make_locker_visit()
    message = _request(make_phone_visit(locker.hello))
    with pytest.raises(Malformed):
        locker.open_request(message[:-1])
    with pytest.raises(Malformed, match="served"):
        locker.open_request(message)
    with pytest.raises(Malformed, match="no session"):
        locker.open_frame(bytes(40))


def test_impostor_without_the_static_key_reads_no_request() -> None:
    # It may repeat a hello, even with an ephemeral key of its own: the static key is missing.
    static, ephemeral = seed("impostor"), seed("impostor's ephemeral key")
    impostor = LockerVisit(make_hello(), static=static, ephemeral=ephemeral)
    message = _request(make_phone_visit(impostor.hello))
    with pytest.raises(Malformed, match="does not open"):
        impostor.open_request(message)


def test_request_made_for_another_locker_does_not_open() -> None:
    # Another locker with the very same keys: only the prologue differs.
    other = LockerVisit(
        make_hello(lid=OTHER_LID), static=LOCKER_STATIC, ephemeral=seed("locker's ephemeral key")
    )
    locker = make_locker_visit()
    with pytest.raises(Malformed, match="does not open"):
        other.open_request(_request(make_phone_visit(locker.hello)))


def test_two_phones_of_one_hello_cannot_both_be_served() -> None:
    locker = make_locker_visit()
    first = make_phone_visit(locker.hello)
    public, ephemeral = x25519_public(LOCKER_STATIC), seed("second phone")
    second = PhoneVisit(locker.hello, lid=LID, locker_static=public, ephemeral=ephemeral)
    locker.open_request(_request(first))
    with pytest.raises(Malformed, match="served"):
        locker.open_request(_request(second))
