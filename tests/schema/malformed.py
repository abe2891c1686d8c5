"""Objects of bad form by hand: well encoded, well signed, and still for nobody to accept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from schema.codec import encode
from schema.cose import Aad, sign_object
from schema.ids import EVERY_LOCKER, LIMIT, KeyId, StayId
from schema.journal import Kind
from schema.statements import StatementType
from schema.tokens import claims_value
from tests.schema.makers import (
    ISSUER_KID,
    LID,
    NOW,
    SEALING_KID,
    make_chain,
    make_claims,
    make_entry,
    make_hello,
    make_key_entry,
    make_statement,
    make_token,
    signing_key,
)

if TYPE_CHECKING:
    from schema.codec import Value


def _token(**changes: Any) -> bytes:
    """A token of the issuer whose form no writer of the schema would sign."""
    payload = encode(claims_value(make_claims(**changes)))
    return sign_object(signing_key("issuer"), Aad.TOKEN, payload, ISSUER_KID)


def _statement(kind: StatementType, payload: Value) -> bytes:
    return sign_object(signing_key("issuer"), kind.aad, encode(payload), ISSUER_KID)


def _request(*, req: Value, statements: Value) -> bytes:
    return encode([[make_token()], bytes(64), req, statements])


def make_malformed() -> dict[str, dict[str, bytes]]:
    """What every reader must refuse, by the object whose place it takes."""
    cfg: Value = [int(StatementType.CONFIGURATION), make_statement(StatementType.CONFIGURATION)]
    return {
        "token": {
            "65 compartments": _token(comps=(1,) * 65),
            "compartment 256": _token(comps=(256,)),
            "stay of 7 bytes": _token(stay=StayId(bytes(7))),
            "depth of 3": _token(depth=3),
            "expiry of 2^53": _token(exp=LIMIT),
            "a delegation": make_chain("friend")[1],
            "tagged": b"\xd2" + make_token(),
        },
        "delegation": {
            "a token": make_token(),
            "with a key id": sign_object(
                signing_key("device"), Aad.DELEGATION, encode({4: NOW}), KeyId(b"\x00\x01")
            ),
        },
        "revocations": {
            "41 entries": _statement(
                StatementType.REVOCATIONS, [LID, 1, NOW, NOW, [[bytes(8), NOW]] * 41]
            ),
            "id of 7 bytes": _statement(
                StatementType.REVOCATIONS, [LID, 1, NOW, NOW, [[bytes(7), NOW]]]
            ),
        },
        "time": {
            "nonce of 15 bytes": _statement(StatementType.TIME, [LID, NOW, bytes(15)]),
            "audience of another star": _statement(StatementType.TIME, [b"+", NOW, bytes(16)]),
        },
        "key_set": {
            "nine keys": _statement(
                StatementType.KEY_SET, [LID, 1, NOW, [make_key_entry(1).as_value()] * 9]
            ),
        },
        "configuration": {
            "29 seconds": _statement(StatementType.CONFIGURATION, [LID, 1, NOW, {2: 29}]),
            "presence code as a number": _statement(
                StatementType.CONFIGURATION, [LID, 1, NOW, {1: 1}]
            ),
        },
        "acknowledgement": {
            "for every locker": _statement(
                StatementType.ACKNOWLEDGEMENT, [EVERY_LOCKER, NOW, 1, bytes(32)]
            ),
        },
        "request": {
            "operation 3": _request(req=[3, None, None], statements=[]),
            "compartment 256": _request(req=[1, 256, None], statements=[]),
            "code 100": _request(req=[1, None, 100], statements=[]),
            "five statements": _request(req=[1, None, None], statements=[cfg] * 5),
            "statement of type 6": _request(req=[1, None, None], statements=[[6, b""]]),
        },
        "phone_frame": {
            "of kind 3": encode([3, 1]),
            "negative room": encode([1, [], -1]),
            "reopening of nothing": encode([2, None]),
        },
        "hello": {
            "of version 2": b"\x89\x02" + make_hello().encode()[2:],
            "clock quality 3": make_hello(clockq=3).encode(),
        },
        "entry": {
            "salt of 15 bytes": make_entry(salt=bytes(15)).encode(),
            "body of another kind": make_entry(Kind.DEPOSITED, body=[3]).encode(),
            "beyond 4096 bytes": make_entry(body=["x" * 4096, 0]).encode(),
        },
        "envelope": {
            "last before first": encode([1, SEALING_KID, LID, 0, -1, b""]),
            "sealed null": encode([1, SEALING_KID, LID, 1, 1, None]),
        },
    }
