"""How a locker joins a network: its public keys and its own signature, for a one-time code."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ble_agent.backends.carrier import Unreachable, ask, pick, read_statements
from schema.ids import StayId, locker_text
from schema.keys import enrolment_message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ble_agent.store.identity import Identity
    from schema.statements import SignedStatement

_ENROL = """
mutation($code: String!, $lockerId: String!, $noisePublic: Base64!, $signPublic: Base64!,
         $pinSecret: Base64!, $proof: Base64!) {
  enrolLocker(code: $code, lockerId: $lockerId, noisePublic: $noisePublic,
              signPublic: $signPublic, pinSecret: $pinSecret, proof: $proof) { __typename
    ... on EnrolLockerPayload { statements { type bytes } stays { compartment stay } }
    ... on Problem { code message } } }"""


@dataclass(frozen=True, slots=True)
class Joined:
    """The server's answer: first statements, and what lies inside where a board was replaced."""

    statements: tuple[SignedStatement, ...]
    stays: Mapping[int, StayId]


async def register(url: str, code: str, identity: Identity) -> Joined:
    """Make the locker known to the server at `url`; nothing of the answer is applied.

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
    return Joined(read_statements(payload["statements"]), _read_stays(payload["stays"]))


def _read_stays(rows: Iterable[Mapping[str, Any]]) -> dict[int, StayId]:
    try:
        return {
            int(row["compartment"]): StayId(base64.b64decode(row["stay"], validate=True))
            for row in rows
        }
    except (KeyError, TypeError, ValueError) as error:
        raise Unreachable("the answer holds a stay that cannot be read") from error


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
