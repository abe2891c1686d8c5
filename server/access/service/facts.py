"""What a locker's acceptance says about our grants: which one it was, and if that is proved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.cose import verify
from schema.handshake import OpenRequest, proof_message
from schema.keys import Operation
from schema.tokens.chains import Chain, find_fault, parse_chain
from server.access import queries
from server.access.rules import was_valid
from server.kit.proofs import key_thumbprint
from server.people import queries as people

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from schema.ids import LockerId
    from schema.journal import Accepted
    from server.access.tables import Grant
    from server.kit.db import Session


@dataclass(frozen=True, slots=True)
class Admission:
    """A grant under which a locker let somebody in.

    `holder_id` is the person on whose phone it was used; None where we do not know the phone.
    `chain` is what that phone showed; None where what the journal says of it does not hold.
    `is_holder_proved`: the journal shows the holder's own signature over this very request.
    `is_token_valid`: by what we knew, token and delegations were good at that moment.
    """

    grant: Grant
    holder_id: uuid.UUID | None
    chain: Chain | None
    is_holder_proved: bool
    is_token_valid: bool

    @property
    def is_by_delegate(self) -> bool:
        """Whether somebody came whom the holder of the grant shared with."""
        return self.chain is not None and bool(self.chain.delegations)


async def find_admission(
    session: Session, lid: LockerId, accepted: Accepted, *, at: datetime, is_time_trusted: bool
) -> Admission | None:
    """The grant behind an acceptance at this time; None when we never issued such a token.

    Ask only for an acceptance that names a token: a PIN has none.
    """
    found = None if accepted.cti is None else await queries.find_token(session, accepted.cti, lid)
    if found is None:
        return None
    token, grant = found
    chain = _chain_of(token.raw, accepted)
    ends = [token.revoked_at]
    if chain is not None and chain.delegations:
        names = [part.id for part in chain.delegations]
        known = await queries.list_delegations_by_names(session, names)
        ends += [one.revoked_at for one in known]
    return Admission(
        grant,
        holder_id=await _find_holder(session, grant, chain),
        chain=chain,
        is_holder_proved=chain is not None and _is_proved(chain, accepted),
        is_token_valid=was_valid(
            at,
            exp=token.exp if chain is None else chain.exp,
            revoked_at=min((end for end in ends if end is not None), default=None),
            is_time_trusted=is_time_trusted,
        ),
    )


def _chain_of(token: bytes, accepted: Accepted) -> Chain | None:
    """The chain that the locker wrote down, if every giver in it signed."""
    try:
        chain = parse_chain((token, *accepted.rest))
    except Malformed:
        return None
    is_whole = hashlib.sha256(b"".join(chain.raw)).digest() == accepted.chain_hash
    return chain if is_whole and find_fault(chain) is None else None


async def _find_holder(session: Session, grant: Grant, chain: Chain | None) -> uuid.UUID | None:
    if chain is None or not chain.delegations:
        return grant.holder_id
    return await people.find_owner_of_key(session, key_thumbprint(chain.holder))


def _is_proved(chain: Chain, accepted: Accepted) -> bool:
    """Whether the last holder of this chain signed exactly what the locker wrote down."""
    if accepted.h is None or accepted.pop is None:
        return False
    try:
        asked = OpenRequest(Operation(accepted.op), accepted.asked_comp, accepted.code)
    except (Malformed, ValueError):
        return False
    return verify(chain.holder, proof_message(accepted.h, chain.raw, asked), accepted.pop)
