"""What became of notices, for whom they were and for the staff of a hub; addresses are not kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit.auth import Actor, not_found
from server.notices import queries
from server.parcels.service.reading import find_parcel

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

    from server.kit.db import Session
    from server.kit.errors import Refusal
    from server.kit.graph import Page
    from server.notices.tables import Notice


async def list_own_notices(
    session: Session, person_id: uuid.UUID, *, page: Page
) -> Sequence[Notice]:
    """One more than the page of what this person was told, the newest first."""
    return await queries.list_of_person(session, person_id, page)


async def list_parcel_notices(
    session: Session, actor: Actor, parcel_id: uuid.UUID, *, page: Page
) -> Sequence[Notice] | Refusal:
    """What was told about a parcel to its recipient, the newest first, one more than the page.

    For all who may follow the parcel: it holds no address and no person. NOT_FOUND for others.
    """
    if await find_parcel(session, actor, parcel_id) is None:
        return not_found(actor, "parcel")
    return await queries.list_of_subject(session, parcel_id, page)
