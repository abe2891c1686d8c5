"""The handshake against the published vectors, in both roles, and against hostile keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import Malformed
from schema.noise import Cipher, Initiator, Responder, Transport, x25519_public
from tests.schema.frozen import load_frozen
from tests.schema.makers import seed

PUBLISHED = load_frozen("noise_kn.json")
MESSAGES = [
    (bytes.fromhex(message["payload"]), bytes.fromhex(message["ciphertext"]))
    for message in PUBLISHED["messages"]
]

# Points of low order and the two other encodings of the first (libsodium's list of RFC 7748 keys).
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def _part(name: str) -> bytes:
    return bytes.fromhex(PUBLISHED[name])


def _initiator() -> Initiator:
    static, ephemeral = _part("init_static"), _part("init_ephemeral")
    return Initiator(_part("init_prologue"), static=static, ephemeral=ephemeral)


def _responder() -> Responder:
    static, ephemeral = _part("resp_remote_static"), _part("resp_ephemeral")
    return Responder(_part("resp_prologue"), remote_static=static, ephemeral=ephemeral)


def _finished() -> tuple[Transport, Transport]:
    """Both sides after the published handshake, each byte of it compared on the way."""
    (hello, hello_sealed), (request, request_sealed) = MESSAGES[:2]
    initiator, responder = _initiator(), _responder()
    assert initiator.write(hello) == hello_sealed
    assert responder.read(hello_sealed) == hello
    message, phone = responder.write(request)
    assert message == request_sealed
    payload, locker = initiator.read(request_sealed)
    assert payload == request
    return locker, phone


def test_published_handshake_runs_in_both_roles() -> None:
    locker, phone = _finished()
    assert PUBLISHED["name"] == "Noise_KN_25519_ChaChaPoly_SHA256"
    assert x25519_public(_part("init_static")) == _part("resp_remote_static")
    assert locker.handshake_hash == phone.handshake_hash


def test_published_transport_messages_alternate_from_the_initiator_on() -> None:
    sides = _finished()
    for number, (payload, sealed) in enumerate(MESSAGES[2:]):
        sender, receiver = sides[number % 2], sides[(number + 1) % 2]
        assert sender.sending.seal(payload) == sealed
        assert receiver.receiving.open(sealed) == payload


def test_empty_payloads_travel_both_ways() -> None:
    initiator, responder = _initiator(), _responder()
    assert responder.read(initiator.write(b"")) == b""
    payload, locker = initiator.read(responder.write(b"")[0])
    assert payload == b""
    assert locker.handshake_hash


def test_handshake_hash_is_ready_before_the_request_is_written() -> None:
    responder = _responder()
    responder.read(MESSAGES[0][1])
    before = responder.handshake_hash
    _, transport = responder.write(b"proof over it")
    assert transport.handshake_hash == before


def test_hello_serves_one_request_even_if_that_does_not_open() -> None:
    initiator = _initiator()
    initiator.write(MESSAGES[0][0])
    with pytest.raises(Malformed, match="does not open"):
        initiator.read(MESSAGES[1][1][:-1])
    with pytest.raises(Malformed, match="served"):
        initiator.read(MESSAGES[1][1])


def test_phone_never_makes_two_sessions_out_of_one_handshake() -> None:
    responder = _responder()
    responder.read(MESSAGES[0][1])
    responder.write(b"first")
    with pytest.raises(AssertionError):
        responder.write(b"second")


@pytest.mark.parametrize("point", LOW_ORDER)
def test_low_order_key_of_a_phone_is_refused(point: str) -> None:
    initiator = _initiator()
    initiator.write(b"")
    with pytest.raises(Malformed, match="low order"):
        initiator.read(bytes.fromhex(point) + MESSAGES[1][1][32:])


@pytest.mark.parametrize("point", LOW_ORDER)
def test_low_order_key_of_a_locker_is_refused(point: str) -> None:
    with pytest.raises(Malformed, match="low order"):
        _responder().read(bytes.fromhex(point) + b"hello")
    trusting = Responder(b"", remote_static=bytes.fromhex(point), ephemeral=seed("phone"))
    with pytest.raises(Malformed, match="low order"):
        trusting.read(MESSAGES[0][1])


@pytest.mark.parametrize("length", [0, 1, 31, 32, 47])
def test_message_too_short_for_key_and_tag_is_refused(length: int) -> None:
    initiator = _initiator()
    initiator.write(b"")
    with pytest.raises(Malformed, match="too short"):
        initiator.read(MESSAGES[1][1][:length])


@pytest.mark.parametrize("length", [0, 31])
def test_hello_too_short_for_a_key_is_refused(length: int) -> None:
    with pytest.raises(Malformed, match="too short"):
        _responder().read(MESSAGES[0][1][:length])


@pytest.mark.parametrize(
    "changed",
    [
        {"prologue": b"SLK1another!"},
        {"static": seed("another locker")},
        {"ephemeral": seed("another hello")},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_request_opens_under_its_own_prologue_and_keys_only(changed: dict[str, bytes]) -> None:
    parts = {
        "prologue": _part("init_prologue"),
        "static": _part("init_static"),
        "ephemeral": _part("init_ephemeral"),
    } | changed
    other = Initiator(parts["prologue"], static=parts["static"], ephemeral=parts["ephemeral"])
    other.write(MESSAGES[0][0])
    with pytest.raises(Malformed, match="does not open"):
        other.read(MESSAGES[1][1])


def test_message_is_not_opened_twice() -> None:
    locker, phone = _finished()
    sealed = locker.sending.seal(b"once")
    assert phone.receiving.open(sealed) == b"once"
    with pytest.raises(Malformed, match="does not open"):
        phone.receiving.open(sealed, ahead=16)


def test_message_is_not_opened_by_its_own_sender() -> None:
    locker, _ = _finished()
    with pytest.raises(Malformed, match="does not open"):
        locker.receiving.open(locker.sending.seal(b"mirrored"))


@pytest.mark.parametrize(("lost", "opens"), [(0, True), (15, True), (16, False)])
def test_lost_messages_are_bridged_up_to_the_lookahead(lost: int, *, opens: bool) -> None:
    sender, receiver = Cipher(seed("key")), Cipher(seed("key"))
    for _ in range(lost):
        sender.seal(b"lost")
    sealed = sender.seal(b"found")
    if opens:
        assert receiver.open(sealed, ahead=16) == b"found"
        assert receiver.number == lost + 1
    else:
        with pytest.raises(Malformed):
            receiver.open(sealed, ahead=16)
        assert receiver.number == 0


def test_what_does_not_open_costs_no_number() -> None:
    sender, receiver = Cipher(seed("key")), Cipher(seed("key"))
    with pytest.raises(Malformed):
        receiver.open(bytes(40))
    assert receiver.open(sender.seal(b"still there")) == b"still there"


def test_last_number_is_never_used() -> None:
    cipher = Cipher(seed("key"))
    cipher.number = (1 << 64) - 2
    cipher.seal(b"the last one allowed")
    with pytest.raises(Malformed, match="used up"):
        cipher.seal(b"one too many")


@given(st.binary(max_size=100), st.binary(max_size=100), st.data())
def test_flipped_bit_or_other_associated_data_does_not_open(
    plain: bytes, associated: bytes, data: st.DataObject
) -> None:
    sealed = bytearray(Cipher(seed("key")).seal(plain, associated))
    assert Cipher(seed("key")).open(bytes(sealed), associated) == plain
    with pytest.raises(Malformed):
        Cipher(seed("key")).open(bytes(sealed), associated + b"x")
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Malformed):
        Cipher(seed("key")).open(bytes(sealed), associated)
