"""A token with the delegations that follow it, as one right of its last holder.

Judges the chain by itself. Whether its token is genuine, current and sufficient is not asked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.cose import Aad
from schema.tokens import MAX_DELEGATIONS, parent_hash, parse_delegation, parse_token

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schema.tokens import Delegation, Token


class Fault(StrEnum):
    """Why a chain does not hold, in a sentence for whoever made it."""

    TOO_MANY = "more delegations than the token allows"
    TOO_WIDE = "a delegation that reaches further, or lasts longer, than what it is made from"
    FOREIGN = "a delegation of something else, or one that its giver never signed"


@dataclass(frozen=True, slots=True)
class Chain:
    """A token and what was made from it, the nearest first; the form of each was checked."""

    token: Token
    delegations: tuple[Delegation, ...] = ()

    @property
    def raw(self) -> tuple[bytes, ...]:
        """Its parts as a locker is shown them."""
        return (self.token.raw, *(part.raw for part in self.delegations))

    @property
    def holder(self) -> bytes:
        """The device key that may use it."""
        return self.delegations[-1].holder if self.delegations else self.token.claims.holder

    @property
    def actions(self) -> int:
        """What it allows at most."""
        return self.delegations[-1].actions if self.delegations else self.token.claims.actions

    @property
    def exp(self) -> int:
        """When it ends."""
        return self.delegations[-1].exp if self.delegations else self.token.claims.exp

    @property
    def is_extendable(self) -> bool:
        """Whether its holder may pass it on."""
        return len(self.delegations) < self.token.claims.depth


def parse_chain(parts: Sequence[bytes]) -> Chain:
    """The chain in these bytes; Malformed unless it is one token and at most two delegations."""
    if not 0 < len(parts) <= 1 + MAX_DELEGATIONS:
        raise Malformed("a chain is a token and at most two delegations")
    return Chain(parse_token(parts[0]), tuple(parse_delegation(part) for part in parts[1:]))


def find_fault(chain: Chain) -> Fault | None:
    """What is wrong with the delegations; None if each only takes away, signed by its giver."""
    claims = chain.token.claims
    if len(chain.delegations) > claims.depth:
        return Fault.TOO_MANY
    raw, holder, actions, exp = chain.token.raw, claims.holder, claims.actions, claims.exp
    for part in chain.delegations:
        if part.parent != parent_hash(raw):
            return Fault.FOREIGN
        if part.actions & ~actions or part.exp > exp:
            return Fault.TOO_WIDE
        if not part.signed.is_signed_by(holder, Aad.DELEGATION):
            return Fault.FOREIGN
        raw, holder, actions, exp = part.raw, part.holder, part.actions, part.exp
    return None
