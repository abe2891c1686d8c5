"""What a locker's acceptance says about our grants: which one it was, and if that is proved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.cose import verify
from schema.handshake import OpenRequest, proof_message
from schema.keys import Operation
from schema.tokens import parse_delegation, parse_token
from server.access import queries
from server.access.rules import was_valid

if TYPE_CHECKING:
    from datetime import datetime

    from schema.ids import LockerId
    from schema.journal import Accepted
    from server.access.tables import Grant
    from server.kit.db import Session


@dataclass(frozen=True, slots=True)
class Admission:
    """A grant under which a locker let somebody in.

    `is_holder_proved`: the journal shows the holder's own signature over this very request.
    `is_token_valid`: by what we knew, the token was good at that moment.
    """

    grant: Grant
    is_holder_proved: bool
    is_token_valid: bool


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
    return Admission(
        grant,
        is_holder_proved=_is_proved(token.raw, accepted),
        is_token_valid=was_valid(
            at, exp=token.exp, revoked_at=token.revoked_at, is_time_trusted=is_time_trusted
        ),
    )


def _is_proved(token: bytes, accepted: Accepted) -> bool:
    """Whether the last holder of this chain signed exactly what the locker wrote down."""
    chain = (token, *accepted.rest)
    if accepted.h is None or accepted.pop is None:
        return False
    if hashlib.sha256(b"".join(chain)).digest() != accepted.chain_hash:
        return False
    try:
        holder = parse_token(token).claims.holder
        for raw in accepted.rest:
            holder = parse_delegation(raw).holder
        asked = OpenRequest(Operation(accepted.op), accepted.asked_comp, accepted.code)
    except (Malformed, ValueError):
        return False
    return verify(holder, proof_message(accepted.h, chain, asked), accepted.pop)
