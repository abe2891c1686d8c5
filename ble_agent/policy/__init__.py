"""Whether a request is let in: claims x state x time -> `Permit` or `Refusal`, pure.

The checks stand in the protocol's order, cheapest first; the first one that fails decides.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from ble_agent.policy.admission import Asked, admit
from ble_agent.policy.verdicts import Permit, Refusal
from ble_agent.policy.world import Bearer
from schema.codes import Code
from schema.cose import Aad, verify
from schema.handshake import proof_message
from schema.keys import Operation, Role
from schema.tokens import parent_hash

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
class _Credential:
    """A token together with the key of the set that is said to have signed it."""

    token: Token
    key: KeyEntry


@dataclass(frozen=True, slots=True)
class _Case:
    """What every check looks at: the request, its credentials, the handshake, the world."""

    request: Request
    credentials: tuple[_Credential, ...]
    handshake_hash: bytes
    world: World

    @property
    def claims(self) -> tuple[Claims, ...]:
        return tuple(credential.token.claims for credential in self.credentials)


def judge(request: Request, handshake_hash: bytes, world: World) -> Permit | Refusal:
    """The verdict on an opened request whose statements were applied already.

    Nothing is consumed here: the caller makes a permit durable before any bolt moves. A refusal
    says whether the holder's proof had held, on which the redrawing of a presence code depends.
    """
    credentials = _find_issuers(request, world)
    if isinstance(credentials, Refusal):
        return credentials
    case = _Case(request, credentials, handshake_hash, world)
    for check in _BEFORE_PROOF:
        if refused := check(case):
            return refused
    for check in _AFTER_PROOF:
        if refused := check(case):
            return refused.proved()
    verdict = admit(_asked(case), world)
    return verdict.proved() if isinstance(verdict, Refusal) else verdict


def _find_issuers(request: Request, world: World) -> tuple[_Credential, ...] | Refusal:
    found = []
    for token in filter(None, (request.token, request.second_token)):
        key = world.keys.find_signer(token.signed.kid)
        if key is None:
            return Refusal(Code.BAD_SIGNATURE, "the issuer's key is not in the key set")
        if not token.signed.is_signed_by(key.public, Aad.TOKEN):
            return Refusal(Code.BAD_SIGNATURE, "the token's signature does not hold")
        found.append(_Credential(token, key))
    return tuple(found)


def _check_audience(case: _Case) -> Refusal | None:
    if all(claims.aud == case.world.audience for claims in case.claims):
        return None
    return Refusal(Code.WRONG_LOCKER, "the token is for another locker")


def _check_key_rights(case: _Case) -> Refusal | None:
    for credential in case.credentials:
        claims, key = credential.token.claims, credential.key
        if not key.allows(actions=claims.actions, nbf=claims.nbf, exp=claims.exp):
            return Refusal(Code.OUT_OF_SCOPE, "the token reaches beyond its key's rights")
        if claims.iat > claims.exp or not key.is_alive_at(claims.iat):
            return Refusal(Code.OUT_OF_SCOPE, "the token was not issued within its key's life")
    return None


def _check_chain(case: _Case) -> Refusal | None:
    """Each delegation must take away only, and be signed by its parent's holder."""
    claims, parts = case.request.token.claims, case.request.delegations
    if len(parts) > claims.depth:
        return Refusal(Code.BAD_DELEGATION, "more delegations than the token allows")
    raw, holder, actions, exp = case.request.token.raw, claims.holder, claims.actions, claims.exp
    for part in parts:
        if part.parent != parent_hash(raw) or part.actions & ~actions or part.exp > exp:
            return Refusal(Code.BAD_DELEGATION, "a delegation of something else, or wider")
        if not part.signed.is_signed_by(holder, Aad.DELEGATION):
            return Refusal(Code.BAD_DELEGATION, "a delegation that its parent's holder never gave")
        raw, holder, actions, exp = part.raw, part.holder, part.actions, part.exp
    return None


def _check_proof(case: _Case) -> Refusal | None:
    request = case.request
    message = proof_message(case.handshake_hash, request.chain, request.req)
    if verify(_last_holder(case), message, request.pop):
        return None
    return Refusal(Code.HOLDER_PROOF_FAILED, "the request is not signed by the holder")


def _check_minrev(case: _Case) -> Refusal | None:
    if all(claims.minrev <= case.world.revoked.seq for claims in case.claims):
        return None
    return Refusal(Code.REVOCATIONS_NEEDED, "the token asks for a newer revocation list")


def _check_revoked(case: _Case) -> Refusal | None:
    revoked = case.world.revoked
    named = {part.id for part in case.request.delegations}
    named |= {name for claims in case.claims for name in (claims.cti, claims.stay)}
    if named & revoked.ids or any(claims.iat < revoked.min_iat for claims in case.claims):
        return Refusal(Code.REVOKED, "the token, its stay or a delegation was withdrawn")
    return None


def _check_expiry(case: _Case) -> Refusal | None:
    ends = [claims.exp for claims in case.claims]
    ends += [part.exp for part in case.request.delegations]
    if case.world.now <= min(ends) + TOLERANCE_S:
        return None
    return Refusal(Code.EXPIRED, "the time of the token or of a delegation is over")


def _check_start(case: _Case) -> Refusal | None:
    starts = max(claims.nbf for claims in case.claims)
    if not case.world.clockq or case.world.now >= starts - TOLERANCE_S:
        return None
    return Refusal(Code.NOT_YET_VALID, "the token's time has not begun")


def _check_clock(case: _Case) -> Refusal | None:
    if case.world.clockq or all(c.role is Role.RECIPIENT and c.stay for c in case.claims):
        return None
    return Refusal(Code.CLOCK_UNTRUSTED, "without a clock only a recipient with a stay is served")


def _check_pair(case: _Case) -> Refusal | None:
    """Two tokens of two different keys for one device, where all doors are asked for."""
    if case.request.req.op is not Operation.OPEN_ALL:
        return None
    keys = {credential.key.public for credential in case.credentials}
    holders = {claims.holder for claims in case.claims}
    if len(keys) == 2 and len(holders) == 1 and not case.request.delegations:
        return None
    return Refusal(Code.OUT_OF_SCOPE, "opening all takes two keys and one device, undelegated")


_Check: TypeAlias = "Callable[[_Case], Refusal | None]"

_BEFORE_PROOF: tuple[_Check, ...] = (_check_audience, _check_key_rights, _check_chain, _check_proof)
_AFTER_PROOF: tuple[_Check, ...] = (
    _check_minrev,
    _check_revoked,
    _check_expiry,
    _check_start,
    _check_clock,
    _check_pair,
)


def _last_holder(case: _Case) -> bytes:
    if case.request.delegations:
        return case.request.delegations[-1].holder
    return case.claims[-1].holder


def _asked(case: _Case) -> Asked:
    """The request with the rights that are left of token, delegations and second token."""
    first, last, request = case.claims[0], case.claims[-1], case.request
    parts = request.delegations
    synced = [c.token.claims.iat for c in case.credentials if c.key.actions & Operation.SYNC]
    return Asked(
        op=request.req.op,
        comp=request.req.comp,
        code=request.req.code,
        bearer=Bearer(_last_holder(case), _digest(request)),
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
