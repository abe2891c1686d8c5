"""Whether a request is let in: claims x state x time -> `Permit` or `Refusal`, pure.

The checks stand in the protocol's order, cheapest first; the first one that fails decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ble_agent.policy import credentials as tokens
from ble_agent.policy.admission import admit
from ble_agent.policy.credentials import Case
from ble_agent.policy.verdicts import Permit, Refusal
from schema.codes import Code
from schema.cose import verify
from schema.handshake import proof_message
from schema.keys import Operation, Role
from schema.tokens.chains import Chain, find_fault

if TYPE_CHECKING:
    from ble_agent.policy.credentials import Check
    from ble_agent.policy.world import World
    from schema.handshake import Request


def judge(request: Request, handshake_hash: bytes, world: World) -> Permit | Refusal:
    """The verdict on an opened request whose statements were applied already.

    Nothing is consumed here: the caller makes a permit durable before any bolt moves. A refusal
    says whether the holder's proof had held, on which the redrawing of a presence code depends.
    """
    credentials = tokens.find_issuers(request, world)
    if isinstance(credentials, Refusal):
        return credentials
    case = Case(request, credentials, handshake_hash, world)
    for check in _BEFORE_PROOF:
        if refused := check(case):
            return refused
    for check in _AFTER_PROOF:
        if refused := check(case):
            return refused.proved()
    verdict = admit(tokens.as_asked(case), world)
    return verdict.proved() if isinstance(verdict, Refusal) else verdict


def _check_chain(case: Case) -> Refusal | None:
    """Each delegation must take away only, and be signed by its parent's holder."""
    fault = find_fault(Chain(case.request.token, case.request.delegations))
    return None if fault is None else Refusal(Code.BAD_DELEGATION, fault)


def _check_proof(case: Case) -> Refusal | None:
    request = case.request
    message = proof_message(case.handshake_hash, request.chain, request.req)
    if verify(case.last_holder, message, request.pop):
        return None
    return Refusal(Code.HOLDER_PROOF_FAILED, "the request is not signed by the holder")


def _check_clock(case: Case) -> Refusal | None:
    if case.world.clockq or all(c.role is Role.RECIPIENT and c.stay for c in case.claims):
        return None
    return Refusal(Code.CLOCK_UNTRUSTED, "without a clock only a recipient with a stay is served")


def _check_pair(case: Case) -> Refusal | None:
    """Two tokens of two different keys for one device, where all doors are asked for."""
    if case.request.req.op is not Operation.OPEN_ALL:
        return None
    keys = {credential.key.public for credential in case.credentials}
    holders = {claims.holder for claims in case.claims}
    if len(keys) == 2 and len(holders) == 1 and not case.request.delegations:
        return None
    return Refusal(Code.OUT_OF_SCOPE, "opening all takes two keys and one device, undelegated")


_BEFORE_PROOF: tuple[Check, ...] = (
    tokens.check_audience,
    tokens.check_key_rights,
    _check_chain,
    _check_proof,
)
_AFTER_PROOF: tuple[Check, ...] = (*tokens.CHECKS_OF_LIFE, _check_clock, _check_pair)
