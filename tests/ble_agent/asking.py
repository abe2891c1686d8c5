"""Requests and worlds as bare values, for tests of pure decisions."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ble_agent.policy import judge
from ble_agent.policy.verdicts import Refusal
from ble_agent.policy.world import Bearer, Compartment, Opening, Phase, World
from schema.codes import Code
from schema.handshake import OpenRequest, Request, proof_message
from schema.ids import KeyId, LockerId, StayId, TokenId, locker_text
from schema.keys import KeySet, Operation, Role
from schema.tokens import Claims, issue_token, parse_delegation, parse_token
from tests.ble_agent.standing import ISSUER, KEYS, NOW, bytes_of, key_of

if TYPE_CHECKING:
    from ble_agent.policy.verdicts import Permit

WORDS = re.compile(r"(?!.*\bpin\b)(?:[a-z',]+|PIN)(?: (?:[a-z',]+|PIN))+")
"""A clause for a log: what was wrong, and nothing of the visitor's."""

LID = LockerId(bytes_of("lid"))
STAY = StayId(b"stay0001")
H = bytes_of("handshake", 32)

CLAIMS = Claims(
    aud=locker_text(LID),
    exp=NOW + 3600,
    nbf=NOW - 60,
    iat=NOW - 60,
    cti=TokenId(b"cti00001"),
    holder=key_of("phone").public,
    role=Role.RECIPIENT,
    actions=int(Operation.OPEN),
    comps=(),
    stay=STAY,
    depth=0,
    minrev=0,
)


def code_of(verdict: Permit | Refusal) -> Code:
    """What the visitor is answered with; a refusal must tell our log why."""
    if not isinstance(verdict, Refusal):
        return Code.OK
    assert WORDS.fullmatch(verdict.detail), verdict
    return verdict.code


def token(signer: str = "issuer", kid: KeyId = ISSUER, lid: LockerId = LID, **claims: Any) -> bytes:
    """A token, by default a recipient's for `STAY`."""
    made = replace(CLAIMS, aud=locker_text(lid), **claims)
    return issue_token(key_of(signer), kid, lid, made)


@dataclass
class Asking:
    """One request about to be made; a test bends what it needs."""

    chain: tuple[bytes, ...] = ()
    op: Operation = Operation.OPEN
    comp: int | None = None
    code: int | None = None
    holder: str = "phone"
    proved_h: bytes = H
    world: World = field(default_factory=lambda: make_world())

    def judge(self) -> Permit | Refusal:
        """The verdict on it."""
        req = OpenRequest(self.op, self.comp, self.code)
        parts = self.chain or (token(),)
        pair = self.op is Operation.OPEN_ALL and len(parts) == 2
        request = Request(
            token=parse_token(parts[0]),
            second_token=parse_token(parts[1]) if pair else None,
            delegations=() if pair else tuple(parse_delegation(part) for part in parts[1:]),
            pop=key_of(self.holder).sign(proof_message(self.proved_h, parts, req)),
            req=req,
            statements=(),
        )
        return judge(request, H, self.world)


def make_world(**changes: Any) -> World:
    """Four compartments with sensors; in the third, `STAY`."""
    world = World(
        audience=locker_text(LID),
        now=NOW,
        clockq=2,
        uptime_s=1000.0,
        keys=KeySet(KEYS),
        compartments=make_compartments(),
        occupied={1: False, 2: False, 3: True, 4: False},
    )
    return replace(world, **changes)


def make_compartments(**changed: Compartment) -> dict[int, Compartment]:
    """The four, some of them replaced: `c1=Compartment(1, ...)`."""
    compartments = {number: Compartment(number) for number in (1, 2, 3, 4)}
    compartments[3] = Compartment(3, stay=STAY)
    return compartments | {c.number: c for c in changed.values()}


def bearer(*tokens: bytes, holder: str = "phone") -> Bearer:
    """Who holds these tokens, as `policy` names them."""
    digest = hashlib.sha256(b"".join(tokens)).digest()[:16]
    return Bearer(key_of(holder).public, digest)


def make_opening(raw: bytes, comp: int, op: Operation = Operation.OPEN, **changes: Any) -> Opening:
    """An acceptance under a token, by default one whose bolt is about to move."""
    claims = parse_token(raw).claims
    opening = Opening(
        comp=comp,
        op=op,
        bearer=bearer(raw),
        cti=claims.cti,
        second_cti=None,
        stay=claims.stay,
        exp=claims.exp,
        phase=Phase.ACCEPTED,
        accepted_seq=7,
    )
    return replace(opening, **changes)
