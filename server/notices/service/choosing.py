"""Which notice a change of a parcel is worth, if it is still news. Reads; sends nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.climate.rules import SPOILINGS
from server.lockers.rules import ClimateState
from server.notices.rules import NoticeKind
from server.parcels import queries as parcels
from server.parcels.states import ParcelState, Party, Trigger
from server.parcels.tables import Assurance

if TYPE_CHECKING:
    from server.kit.db import Session
    from server.parcels.tables import Parcel, ParcelEvent

_TOLD = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.EXPIRED})
_ELSEWHERE = frozenset({ParcelState.OUT_FOR_DELIVERY, ParcelState.IN_TRANSIT, ParcelState.AT_HUB})
"""Before and after a move that contradicts what the recipient was told."""

_IN_PLACE = frozenset({ParcelState.DEPOSITED, ParcelState.READY_FOR_PICKUP, ParcelState.EXPIRED})
"""States in which what is cooled lies behind its door for its recipient."""


async def has_moved(session: Session, parcel: Parcel, version: int) -> bool:
    """Whether by this line of its history it left where its recipient was told that it is."""
    line = await parcels.find_event(session, parcel.id, number=version)
    is_move = line is not None and line.source in _TOLD and line.target in _ELSEWHERE
    return is_move and parcel.version == version


async def is_outside(session: Session, parcel: Parcel) -> bool:
    """Whether it lies in a place that does not keep its temperature now."""
    if parcel.state not in _IN_PLACE:
        return False
    door = await parcels.find_compartment_of(session, parcel)
    return door is not None and door.climate is ClimateState.EXCURSION


async def find_hold_notice(
    session: Session, parcel: Parcel, version: int
) -> tuple[NoticeKind, bool]:
    """What a hold is told as: it may not be eaten, an objection arrived, or something is wrong;
    and whether that is news.
    """
    line = await parcels.find_event(session, parcel.id, number=version)
    is_news = line is not None and parcel.state is ParcelState.ON_HOLD
    if line is not None and line.trigger is Trigger.OBJECT:
        return NoticeKind.DISPUTED, is_news
    is_spoiled = line is not None and line.reason in SPOILINGS
    return NoticeKind.CLIMATE_HOLD if is_spoiled else NoticeKind.INCIDENT, is_news


async def find_collection_notice(
    session: Session, parcel: Parcel, version: int
) -> tuple[NoticeKind, bool]:
    """Who collected it, as its recipient is told; not what was decided about it afterwards."""
    line = await parcels.find_event(session, parcel.id, number=version)
    is_news = line is not None and parcel.version == version
    is_other = line is not None and _is_by_other(parcel, line)
    return NoticeKind.DELEGATE_USED if is_other else NoticeKind.COLLECTED, is_news


async def find_dispute_notice(
    session: Session, parcel: Parcel, version: int
) -> tuple[NoticeKind, bool]:
    """A receipt for its recipient, or that somebody else says their collection was not right."""
    line = await parcels.find_event(session, parcel.id, number=version)
    is_news = line is not None and parcel.state is ParcelState.DISPUTED
    is_own = line is not None and line.party is Party.REC
    return NoticeKind.DISPUTED if is_own else NoticeKind.DISPUTED_BY_OTHER, is_news


def _is_by_other(parcel: Parcel, line: ParcelEvent) -> bool:
    """Whether somebody with whom it was shared has collected it, on a phone that we may not know.

    Staff and digits prove nobody's phone: there the recipient is told as if it was they.
    """
    if line.actor_id is not None:
        return line.actor_id != parcel.recipient_id
    return parcel.assurance in {Assurance.A, Assurance.B}
