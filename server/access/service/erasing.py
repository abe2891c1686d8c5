"""What lockers wrote about somebody who is erased: words and salts go, the proof stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.access import queries
from server.ledger import service as ledger
from server.parcels.queries import list_ended_stays

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from schema.ids import LockerId
    from server.access.tables import IssuedToken
    from server.kit.db import Session


async def erase_traces(
    session: Session, person_id: uuid.UUID, parcel_ids: Sequence[uuid.UUID]
) -> None:
    """Erases the entries that name the stays of these parcels, which are over, and the tokens that
    the person got for them. Heads of entries stay, and with them every proof.

    What others put in beside them is not theirs: such a stay waits for the others.
    """
    stays = await list_ended_stays(session, person_id, parcel_ids)
    tokens = await queries.list_tokens_for(session, person_id, parcel_ids)
    await _erase(session, stays=stays, tokens=tokens)


async def erase_phones(
    session: Session, device_ids: Sequence[uuid.UUID], keys: Sequence[bytes]
) -> None:
    """Erases the entries that name any token of these phones, and their keys from what lockers may
    still ask about: a token that is left names no phone any more.
    """
    await _erase(session, stays=[], tokens=await queries.list_tokens_of(session, device_ids))
    await queries.forget_holders(session, keys)


async def erase_late(session: Session, lid: LockerId, cti: bytes) -> None:
    """Erases what a locker wrote of a token whose holder was erased before anybody brought it.

    The caller has given it its effect, in this very transaction.
    """
    found = await queries.find_token(session, cti, lid)
    if found is not None and not found[0].raw:
        await ledger.erase_about(session, stays=[], tokens=[cti], lids=[])


async def _erase(
    session: Session, *, stays: Sequence[bytes], tokens: Sequence[IssuedToken]
) -> None:
    names = [token.cti for token in tokens]
    lids = {token.lid for token in tokens}
    await ledger.erase_about(session, stays=stays, tokens=names, lids=lids)
    await queries.forget_tokens(session, names)
