"""How the links to a parcel come and go: issued with a letter, issued anew, withdrawn.

No link is kept: each letter works it out from the parcel, the series and a key of the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.access import queries
from server.access.links import LINK_LIFE, MAX_SERIES, PASSES_EACH, LinkName, write_link
from server.access.rules import pass_end
from server.access.tables import GuestLink
from server.kit import outbox
from server.kit.auth import Actor, Permission, Scope, not_found
from server.kit.clock import instant_of
from server.kit.errors import BrokenPromise, Refusal
from server.kit.keyring import Purpose, current_key
from server.parcels import queries as parcels

if TYPE_CHECKING:
    import uuid
    from collections.abc import Collection
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.kit.keyring import Keyring
    from server.parcels.tables import Parcel

LINK_RENEWED = "access.guest_link_renewed"
"""Outbox event: a letter with a new link is to be sent; its subject is the parcel."""


@dataclass(frozen=True, slots=True)
class LinkWithdrawn:
    """The links to a parcel are dead. A PIN that was given out for it opens until `pin_until` at
    the latest, unless the right to open is withdrawn as well.
    """

    parcel_id: uuid.UUID
    pin_until: datetime | None


async def ensure_link(
    session: Session, parcel_id: uuid.UUID, *, keyring: Keyring, now: datetime
) -> str | None:
    """The link for a letter that is about to be sent, good for 30 days from now; repeats give the
    same one. None where links to the parcel were withdrawn and nobody has issued a new one.
    """
    kept = await _hold(session, parcel_id, now=now)
    if kept.revoked_at is not None:
        return None
    if kept.expires_at <= now and not _begin_series(kept, now=now):
        return None
    kept.expires_at = now + LINK_LIFE
    session.add(kept)
    key = current_key(keyring, Purpose.LINKS)
    return write_link(key, LinkName(parcel_id, kept.series))


async def is_living_series(session: Session, parcel_id: uuid.UUID, series: int) -> bool:
    """Whether links of this series are those that count."""
    link = await queries.find_guest_link(session, parcel_id)
    return link is not None and link.series == series and link.revoked_at is None


async def renew_link(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, ids: Ids, now: datetime
) -> GuestLink | Refusal:
    """Ends all former links to the parcel, and has a letter with a new one sent to its recipient.

    For those who may withdraw rights in the whole network; they never see the link themselves.
    NOT_FOUND to all others.
    """
    if (Permission.GRANT_REVOKE, Scope.NETWORK, None) not in actor.grants:
        return not_found(actor, "parcelId")
    parcel = await parcels.lock_parcel(session, parcel_id)
    if parcel is None or parcel.recipient_id is None:
        return not_found(actor, "parcelId")
    link = await _hold(session, parcel_id, now=now)
    if not _begin_series(link, now=now):
        return Refusal(ProblemCode.WRONG_STATE, "There were too many links to this parcel.")
    session.add(link)
    await outbox.append(
        session,
        id=ids.new(),
        kind=LINK_RENEWED,
        subject=parcel_id,
        facts={"series": link.series},
        at=now,
    )
    return link


async def revoke_link(
    session: Session, actor: Actor, *, parcel_id: uuid.UUID, now: datetime
) -> LinkWithdrawn | Refusal:
    """Ends the links to a parcel, for its recipient and for those who may withdraw any right.

    Repeating changes nothing. NOT_FOUND to all others. Where none was issued yet, none will be.
    """
    parcel = await parcels.lock_parcel(session, parcel_id)
    if parcel is None or not _may_revoke(actor, parcel):
        return not_found(actor, "parcelId")
    link = await _hold(session, parcel_id, now=now)
    if link.revoked_at is None:
        link.revoked_at, link.revoked_by = now, actor.person_id
        session.add(link)
    return LinkWithdrawn(parcel_id, await pin_end_of(session, parcel_id, now=now))


async def end_links(session: Session, parcel_ids: Collection[uuid.UUID], *, now: datetime) -> None:
    """Ends the links to parcels whose recipient is to be forgotten. Repeating changes nothing."""
    await queries.revoke_guest_links(session, parcel_ids, now=now)


async def pin_end_of(session: Session, parcel_id: uuid.UUID, *, now: datetime) -> datetime | None:
    """Until when a PIN that was given out for the parcel may open; None if none was."""
    day = await queries.find_last_pass_day_of(session, parcel_id)
    end = None if day is None else instant_of(pass_end(day))
    return end if end is not None and end > now else None


async def _hold(session: Session, parcel_id: uuid.UUID, *, now: datetime) -> GuestLink:
    """How the links to the parcel stand, with the row held; of series 0 before the first one."""
    unissued = GuestLink(
        parcel_id=parcel_id, series=0, issued_at=now, expires_at=now, passes_allowed=0
    )
    await queries.insert_guest_link(session, unissued)
    kept = await queries.find_guest_link(session, parcel_id, is_held=True)
    if kept is None:
        raise BrokenPromise(f"the links of parcel {parcel_id} went away")
    return kept


def _begin_series(link: GuestLink, *, now: datetime) -> bool:
    """Makes all links of the former series dead; False when there can be no more."""
    if link.series >= MAX_SERIES:
        return False
    link.series += 1
    link.issued_at, link.expires_at = now, now + LINK_LIFE
    link.revoked_at = link.revoked_by = None
    link.passes_allowed = link.passes + PASSES_EACH
    return True


def _may_revoke(actor: Actor, parcel: Parcel) -> bool:
    may = Permission.GRANT_REVOKE
    if (may, Scope.NETWORK, None) in actor.grants:
        return True
    is_own = actor.person_id is not None and parcel.recipient_id == actor.person_id
    return is_own and actor.can(may)
