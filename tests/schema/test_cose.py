"""Signed objects: one form, one algorithm, and no object that can stand for another."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import Malformed, decode, encode
from schema.cose import Aad, SigningKey, parse_object, sign_object, verify
from schema.ids import KeyId
from schema.statements import StatementType, parse_statement
from schema.tokens import parse_delegation, parse_token
from tests.schema.makers import make_chain, make_statement, make_token, seed, signing_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from schema.cose import Signed


KID = KeyId(b"\x00\x01")


def _genuine() -> dict[Aad, bytes]:
    objects = {kind.aad: make_statement(kind) for kind in StatementType}
    return objects | {Aad.TOKEN: make_token(), Aad.DELEGATION: make_chain("friend")[1]}


PAIRS = list(product(Aad, Aad))
SIGNERS = dict.fromkeys(Aad, "issuer") | {Aad.KEY_SET: "root", Aad.DELEGATION: "device"}
OBJECTS = _genuine()


def _parser(aad: Aad) -> Callable[[bytes], Signed]:
    if aad is Aad.TOKEN:
        return lambda raw: parse_token(raw).signed
    if aad is Aad.DELEGATION:
        return lambda raw: parse_delegation(raw).signed
    kind = next(kind for kind in StatementType if kind.aad is aad)
    return lambda raw: parse_statement(kind, raw).signed


def _is_taken_for(raw: bytes, aad: Aad, public: bytes) -> bool:
    """Whether bytes pass both form and signature of a type."""
    try:
        return _parser(aad)(raw).is_signed_by(public, aad)
    except Malformed:
        return False


@pytest.mark.parametrize(("made_as", "passed_as"), PAIRS, ids=lambda aad: str(aad.name))
def test_object_passes_as_its_own_type_only(made_as: Aad, passed_as: Aad) -> None:
    public = signing_key(SIGNERS[made_as]).public
    assert _is_taken_for(OBJECTS[made_as], passed_as, public) is (made_as is passed_as)


@pytest.mark.parametrize(("made_as", "signed_as"), PAIRS, ids=lambda aad: str(aad.name))
def test_signature_made_for_one_type_is_worth_nothing_for_another(
    made_as: Aad, signed_as: Aad
) -> None:
    signer = signing_key(SIGNERS[made_as])
    signed = _parser(made_as)(OBJECTS[made_as])
    again = sign_object(signer, signed_as, signed.payload, signed.kid)
    assert _is_taken_for(again, made_as, signer.public) is (made_as is signed_as)


def test_type_names_have_eight_bytes_and_differ() -> None:
    assert {len(aad.value) for aad in Aad} == {8}
    assert len({aad.value for aad in Aad}) == 7


@given(st.binary(max_size=200), st.sampled_from(Aad), st.none() | st.binary(min_size=2, max_size=2))
def test_what_is_signed_is_read_and_verified(payload: bytes, aad: Aad, kid: KeyId | None) -> None:
    signer = signing_key("issuer")
    signed = parse_object(sign_object(signer, aad, payload, kid), with_kid=kid is not None)
    assert (signed.payload, signed.kid) == (payload, kid)
    assert signed.is_signed_by(signer.public, aad)


@given(st.sampled_from(Aad), st.data())
def test_mutated_object_is_malformed_or_not_signed(aad: Aad, data: st.DataObject) -> None:
    raw = bytearray(OBJECTS[aad])
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))
    assert not _is_taken_for(bytes(raw), aad, signing_key(SIGNERS[aad]).public)


ALG_ONLY = encode({1: -8})
WITH_KID = encode({1: -8, 4: KID})
SIGNATURE = bytes(64)

WRONG_FORMS: dict[str, list[Any]] = {
    "three parts": [WITH_KID, {}, b""],
    "five parts": [WITH_KID, {}, b"", SIGNATURE, None],
    "kid missing": [ALG_ONLY, {}, b"", SIGNATURE],
    "kid in the unprotected map": [ALG_ONLY, {4: KID}, b"", SIGNATURE],
    "kid of three bytes": [encode({1: -8, 4: b"\x00\x00\x01"}), {}, b"", SIGNATURE],
    "kid as a number": [encode({1: -8, 4: 1}), {}, b"", SIGNATURE],
    "algorithm ES256": [encode({1: -7, 4: KID}), {}, b"", SIGNATURE],
    "algorithm missing": [encode({4: KID}), {}, b"", SIGNATURE],
    "critical header": [encode({1: -8, 2: [1], 4: KID}), {}, b"", SIGNATURE],
    "protected as a map": [{1: -8, 4: KID}, {}, b"", SIGNATURE],
    "protected empty": [b"", {}, b"", SIGNATURE],
    "protected with bytes after it": [WITH_KID + b"\x00", {}, b"", SIGNATURE],
    "unprotected null": [WITH_KID, None, b"", SIGNATURE],
    "payload detached": [WITH_KID, {}, None, SIGNATURE],
    "payload as text": [WITH_KID, {}, "", SIGNATURE],
    "signature of 63 bytes": [WITH_KID, {}, b"", bytes(63)],
    "signature null": [WITH_KID, {}, b"", None],
}


@pytest.mark.parametrize("form", WRONG_FORMS)
def test_object_of_another_form_is_malformed(form: str) -> None:
    with pytest.raises(Malformed):
        parse_object(encode(WRONG_FORMS[form]), with_kid=True)


def test_delegation_with_a_key_id_is_malformed() -> None:
    with pytest.raises(Malformed, match="protected headers"):
        parse_object(encode([WITH_KID, {}, b"", SIGNATURE]), with_kid=False)


def test_object_under_a_tag_is_malformed() -> None:
    with pytest.raises(Malformed, match="tag"):
        parse_token(b"\xd2" + make_token())


@given(st.binary(max_size=70), st.binary(max_size=70), st.binary(max_size=40))
def test_verifying_garbage_is_false_and_never_an_error(
    message: bytes, signature: bytes, public: bytes
) -> None:
    assert not verify(public, message, signature)


def test_signature_that_runs_over_into_the_message_does_not_hold() -> None:
    key = signing_key("issuer")
    signature = key.sign(b"message")
    assert verify(key.public, b"message", signature)
    assert not verify(key.public, signature[-1:] + b"message", signature[:-1])
    assert not verify(key.public, b"essage", signature + b"m")
    assert not verify(key.public[:-1], b"message", signature)


def test_keys_of_low_order_and_signatures_not_reduced_are_refused() -> None:
    signer = signing_key("issuer")
    signature = signer.sign(b"message")
    assert verify(signer.public, b"message", signature)
    order = (1 << 252) + 27742317777372353535851937790883648493
    above = (int.from_bytes(signature[32:], "little") + order).to_bytes(32, "little")
    assert not verify(signer.public, b"message", signature[:32] + above)
    assert not verify(bytes(32), b"message", bytes(64))


def test_signing_key_shows_no_secret_and_needs_32_bytes() -> None:
    assert seed("issuer").hex() not in repr(signing_key("issuer"))
    with pytest.raises(ValueError, match="32 bytes, not 31"):
        SigningKey(bytes(31))


def test_signed_bytes_are_the_sig_structure_of_rfc_9052() -> None:
    raw = sign_object(signing_key("issuer"), Aad.TIME, b"payload", KID)
    parts = decode(raw)
    assert isinstance(parts, list)
    expected = encode(["Signature1", WITH_KID, b"SLK1-tim", b"payload"])
    assert parts == [WITH_KID, {}, b"payload", signing_key("issuer").sign(expected)]
