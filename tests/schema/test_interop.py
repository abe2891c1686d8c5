"""Two COSE libraries of other people verify what we sign, and we verify what they sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cbor2
import cwt
import pytest
from cwt.exceptions import VerifyError
from pycose.algorithms import EdDSA
from pycose.headers import KID, Algorithm
from pycose.keys.curves import Ed25519
from pycose.keys.okp import OKPKey
from pycose.messages.sign1message import Sign1Message

from schema import cose
from schema.codec import encode
from schema.cose import Aad
from schema.statements import StatementType, parse_statement
from schema.tokens import claims_value, parse_delegation, parse_token
from tests.schema.makers import (
    ISSUER_KID,
    NOW,
    ROOT_KID,
    make_chain,
    make_claims,
    make_statement,
    make_token,
    seed,
    signing_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

Signed = tuple[bytes, str, bytes | None, Aad]


def _signed_objects() -> dict[str, Signed]:
    """One object of each type: bytes, signer's name, key id, type."""
    objects: dict[str, Signed] = {
        "token": (make_token(), "issuer", ISSUER_KID, Aad.TOKEN),
        "delegation": (make_chain("friend")[1], "device", None, Aad.DELEGATION),
    }
    for kind in StatementType:
        signer, kid = (
            ("root", ROOT_KID) if kind is StatementType.KEY_SET else ("issuer", ISSUER_KID)
        )
        objects[kind.name] = (make_statement(kind), signer, kid, kind.aad)
    return objects


OBJECTS = _signed_objects()


def _cwt_key(name: str, kid: bytes | None, *, private: bool) -> Any:
    key = {1: 1, 3: -8, -1: 6, -2: signing_key(name).public}
    if private:
        key[-4] = seed(name)
    if kid is not None:
        key[2] = kid
    return cwt.COSEKey.new(key)


def _pycose_key(name: str, *, private: bool) -> Any:
    secret = seed(name) if private else b""
    return OKPKey(crv=Ed25519, x=signing_key(name).public, d=secret)


def _cwt_verifies(raw: bytes, name: str, kid: bytes | None, aad: Aad) -> bool:
    # Ours are untagged; the number says which of COSE's structures follows (RFC 9052 s. 2).
    tagged = cbor2.CBORTag(18, cbor2.loads(raw))
    key = _cwt_key(name, kid, private=False)
    try:
        cwt.COSE.new().decode(tagged, key, external_aad=aad.value)
    except VerifyError:
        return False
    return True


def _pycose_verifies(raw: bytes, name: str, _kid: bytes | None, aad: Aad) -> bool:
    message: Any = Sign1Message.decode(b"\xd2" + raw)
    message.key = _pycose_key(name, private=False)
    message.external_aad = aad.value
    return bool(message.verify_signature())


VERIFIERS: list[Callable[[bytes, str, bytes | None, Aad], bool]] = [_cwt_verifies, _pycose_verifies]


@pytest.mark.parametrize("verifies", VERIFIERS, ids=["cwt", "pycose"])
@pytest.mark.parametrize("name", OBJECTS)
def test_others_verify_what_we_sign(
    name: str, verifies: Callable[[bytes, str, bytes | None, Aad], bool]
) -> None:
    raw, signer, kid, aad = OBJECTS[name]
    assert verifies(raw, signer, kid, aad)
    assert not verifies(raw[:-1] + bytes([raw[-1] ^ 1]), signer, kid, aad)
    assert not verifies(raw, "stranger", kid, aad)
    for other in Aad:
        assert verifies(raw, signer, kid, other) is (other is aad)


def _cwt_signs(payload: bytes, name: str, kid: bytes | None, aad: Aad) -> bytes:
    protected = {1: -8} if kid is None else {1: -8, 4: kid}
    key = _cwt_key(name, kid, private=True)
    signed = cwt.COSE.new().encode(payload, key, protected, external_aad=aad.value)
    return cbor2.dumps(cbor2.loads(signed).value)


def _pycose_signs(payload: bytes, name: str, kid: bytes | None, aad: Aad) -> bytes:
    protected: dict[Any, Any] = {Algorithm: EdDSA}
    if kid is not None:
        protected[KID] = kid
    message = Sign1Message(protected, {}, payload, external_aad=aad.value)
    message.key = _pycose_key(name, private=True)
    return message.encode(tag=False)


SIGNERS: list[Callable[[bytes, str, bytes | None, Aad], bytes]] = [_cwt_signs, _pycose_signs]


@pytest.mark.parametrize("signs", SIGNERS, ids=["cwt", "pycose"])
@pytest.mark.parametrize("name", OBJECTS)
def test_we_verify_what_others_sign_and_they_write_our_very_bytes(
    name: str, signs: Callable[[bytes, str, bytes | None, Aad], bytes]
) -> None:
    raw, signer, kid, aad = OBJECTS[name]
    ours = cose.parse_object(raw, with_kid=kid is not None)
    theirs = signs(ours.payload, signer, kid, aad)
    parsed = cose.parse_object(theirs, with_kid=kid is not None)
    assert parsed.is_signed_by(signing_key(signer).public, aad)
    assert not parsed.is_signed_by(signing_key("stranger").public, aad)
    assert theirs == raw


@pytest.mark.parametrize("signs", SIGNERS, ids=["cwt", "pycose"])
def test_objects_signed_by_others_are_read_whole(
    signs: Callable[[bytes, str, bytes | None, Aad], bytes],
) -> None:
    claims = make_claims(depth=0)
    payload = encode(claims_value(claims))
    assert parse_token(signs(payload, "issuer", ISSUER_KID, Aad.TOKEN)).claims == claims
    delegation = parse_delegation(make_chain("friend")[1])
    again = signs(delegation.signed.payload, "device", None, Aad.DELEGATION)
    assert parse_delegation(again) == delegation
    for kind in StatementType:
        statement = parse_statement(kind, make_statement(kind))
        raw = signs(statement.signed.payload, "issuer", ISSUER_KID, kind.aad)
        assert parse_statement(kind, raw).body == statement.body


def test_claims_are_a_cbor_web_token_to_others() -> None:
    read = cbor2.loads(parse_token(make_token()).signed.payload)
    claims = cwt.Claims.new(read)
    assert (claims.exp, claims.nbf, claims.iat) == (NOW + 3600, NOW - 60, NOW - 60)
    assert claims.to_dict()[7] == make_claims().cti
    assert claims.cnf == {1: 1, -1: 6, -2: signing_key("device").public}
