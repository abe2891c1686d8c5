"""What a new controller finds: stays and grants follow the compartments that it took over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.access import queries
from server.lockers.service.replacement import list_controllers
from server.parcels import queries as parcels

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.kit.db import Session
    from server.lockers.tables import Locker


async def move_in(session: Session, locker: Locker) -> Sequence[tuple[int, bytes]]:
    """What lies behind the doors of a locker that just joined, by compartment number.

    Stays and living grants of the locker whose place it took are its own from here on: the next
    bundle has a token for it. A locker that took nobody's place holds nothing. Repeating gives the
    same.
    """
    former = (await list_controllers(session, locker))[:-1]
    if former:
        old = former[-1].id
        await parcels.move_running_stays(session, old=old, new=locker.id)
        await queries.move_living_grants(session, old=old, new=locker.id)
    return await parcels.list_running_stays(session, locker.id)
