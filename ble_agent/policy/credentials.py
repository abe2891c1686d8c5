"""What a token alone must pass, by whichever way it came: issuer, audience, key, life. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from ble_agent.policy.admission import Asked
from ble_agent.policy.verdicts import Refusal
from ble_agent.policy.world import Bearer
from schema.codes import Code
from schema.cose import Aad
from schema.keys import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.policy.world import World
    from schema.handshake import Request
    from schema.keys import KeyEntry
    from schema.tokens import Claims, Token

TOLERANCE_S = 120
"""How late `exp` and how early `nbf` may be (PROTOCOL 4)."""

NO_COMPARTMENT = -1
"""Names nothing: the intersection of two tokens that share no compartment."""

_DIGEST_SIZE = 16


@dataclass(frozen=True, slots=True)
class Credential:
    """A token together with the key of the set that is said to have signed it."""

    token: Token
    key: KeyEntry


@dataclass(frozen=True, slots=True)
class Case:
    """What every check looks at: the request, its credentials, the handshake, the world."""

    request: Request
    credentials: tuple[Credential, ...]
    handshake_hash: bytes
    world: World

    @property
    def claims(self) -> tuple[Claims, ...]:
        """The claims of the token, or of both."""
        return tuple(credential.token.claims for credential in self.credentials)

    @property
    def last_holder(self) -> bytes:
        """The device key that must stand behind the request."""
        if self.request.delegations:
            return self.request.delegations[-1].holder
        return self.claims[-1].holder


Check: TypeAlias = "Callable[[Case], Refusal | None]"


def find_issuers(request: Request, world: World) -> tuple[Credential, ...] | Refusal:
    """The token, or both, each with the key of the set that really signed it."""
    found = []
    for token in filter(None, (request.token, request.second_token)):
        key = world.keys.find_signer(token.signed.kid)
        if key is None:
            return Refusal(Code.BAD_SIGNATURE, "the issuer's key is not in the key set")
        if not token.signed.is_signed_by(key.public, Aad.TOKEN):
            return Refusal(Code.BAD_SIGNATURE, "the token's signature does not hold")
        found.append(Credential(token, key))
    return tuple(found)


def check_audience(case: Case) -> Refusal | None:
    """WRONG_LOCKER unless every token is for this one."""
    if all(claims.aud == case.world.audience for claims in case.claims):
        return None
    return Refusal(Code.WRONG_LOCKER, "the token is for another locker")


def check_key_rights(case: Case) -> Refusal | None:
    """OUT_OF_SCOPE where a token reaches further than the key that signed it."""
    for credential in case.credentials:
        claims, key = credential.token.claims, credential.key
        if not key.allows(actions=claims.actions, nbf=claims.nbf, exp=claims.exp):
            return Refusal(Code.OUT_OF_SCOPE, "the token reaches beyond its key's rights")
        if claims.iat > claims.exp or not key.is_alive_at(claims.iat):
            return Refusal(Code.OUT_OF_SCOPE, "the token was not issued within its key's life")
    return None


def _check_minrev(case: Case) -> Refusal | None:
    if all(claims.minrev <= case.world.revoked.seq for claims in case.claims):
        return None
    return Refusal(Code.REVOCATIONS_NEEDED, "the token asks for a newer revocation list")


def _check_revoked(case: Case) -> Refusal | None:
    revoked = case.world.revoked
    named = {part.id for part in case.request.delegations}
    named |= {name for claims in case.claims for name in (claims.cti, claims.stay)}
    if named & revoked.ids or any(claims.iat < revoked.min_iat for claims in case.claims):
        return Refusal(Code.REVOKED, "the token, its stay or a delegation was withdrawn")
    return None


def _check_expiry(case: Case) -> Refusal | None:
    ends = [claims.exp for claims in case.claims]
    ends += [part.exp for part in case.request.delegations]
    if case.world.now <= min(ends) + TOLERANCE_S:
        return None
    return Refusal(Code.EXPIRED, "the time of the token or of a delegation is over")


def _check_start(case: Case) -> Refusal | None:
    starts = max(claims.nbf for claims in case.claims)
    if not case.world.clockq or case.world.now >= starts - TOLERANCE_S:
        return None
    return Refusal(Code.NOT_YET_VALID, "the token's time has not begun")


CHECKS_OF_LIFE: Final[tuple[Check, ...]] = (
    _check_minrev,
    _check_revoked,
    _check_expiry,
    _check_start,
)
"""Whether the token still, and already, counts; in the protocol's order."""


def as_asked(case: Case) -> Asked:
    """The request with the rights that are left of token, delegations and second token."""
    first, last, request = case.claims[0], case.claims[-1], case.request
    parts = request.delegations
    synced = [c.token.claims.iat for c in case.credentials if c.key.actions & Operation.SYNC]
    return Asked(
        op=request.req.op,
        comp=request.req.comp,
        code=request.req.code,
        bearer=Bearer(case.last_holder, _digest(request)),
        actions=parts[-1].actions if parts else first.actions & last.actions,
        comps=_narrow(first.comps, last.comps),
        stay=first.stay,
        cti=first.cti,
        second_cti=last.cti if request.second_token else None,
        exp=max(first.exp, last.exp),
        floor_iat=max(synced, default=None),
    )


def _narrow(first: tuple[int, ...], second: tuple[int, ...]) -> tuple[int, ...]:
    """What both allow; () allows every compartment, so two disjoint lists must not become ()."""
    if not first or not second or first == second:
        return first or second
    return tuple(number for number in first if number in second) or (NO_COMPARTMENT,)


def _digest(request: Request) -> bytes:
    """Names the token or pair of tokens, whoever presents it."""
    tokens = (request.token.raw, request.second_token.raw if request.second_token else b"")
    return hashlib.sha256(b"".join(tokens)).digest()[:_DIGEST_SIZE]
