"""How a locker joins a network: its public keys and its own signature, for a one-time code."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from ble_agent.backends.carrier import ask, pick, read_statements
from schema.ids import locker_text
from schema.keys import enrolment_message

if TYPE_CHECKING:
    from ble_agent.store.identity import Identity
    from schema.statements import SignedStatement

_ENROL = """
mutation($code: String!, $lockerId: String!, $noisePublic: Base64!, $signPublic: Base64!,
         $pinSecret: Base64!, $proof: Base64!) {
  enrolLocker(code: $code, lockerId: $lockerId, noisePublic: $noisePublic,
              signPublic: $signPublic, pinSecret: $pinSecret, proof: $proof) { __typename
    ... on EnrolLockerPayload { statements { type bytes } }
    ... on Problem { code message } } }"""


async def register(url: str, code: str, identity: Identity) -> tuple[SignedStatement, ...]:
    """Make the locker known to the server at `url`; returns its first statements, not applied.

    May be repeated with the same code. Unreachable, Declined.
    """
    lid, noise, sign = identity.lid, identity.noise_public, identity.signing.public
    proof = identity.signing.sign(enrolment_message(code, lid, noise, sign))
    variables = {
        "code": code,
        "lockerId": locker_text(lid),
        "noisePublic": _base64(noise),
        "signPublic": _base64(sign),
        "pinSecret": _base64(identity.pin_secret),
        "proof": _base64(proof),
    }
    payload = pick(await ask(url, _ENROL, variables), "enrolLocker", "EnrolLockerPayload")
    return read_statements(payload["statements"])


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
