"""The desk at which one envelope is read: whose it is, and what its entries are told with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from schema.ids import LockerId
from server.lockers.incidents import Fact, Finding, IncidentKind
from server.lockers.service import facts as lockers

if TYPE_CHECKING:
    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.ledger.rules import Line
    from server.lockers.tables import Locker


@dataclass(frozen=True, slots=True)
class Desk:
    """One envelope's transaction: the locker that speaks and what its entries are told with."""

    session: Session
    locker: Locker
    ids: Ids
    now: datetime

    @property
    def lid(self) -> LockerId:
        """The locker's protocol id."""
        return LockerId(self.locker.lid)

    def at(self, t: int) -> datetime:
        """An instant by the locker's clock; never later than its arrival, whatever that says."""
        return datetime.fromtimestamp(min(t, self.now.timestamp()), UTC)

    def fact(self, line: Line, compartment: int) -> Fact:
        """The entry as the verticals hear of it."""
        entry = line.entry
        return Fact(self.locker.id, entry.seq, self.at(entry.t), entry.clockq, compartment)


async def report(desk: Desk, kind: IncidentKind, seq: int | None, detail: str) -> None:
    """Opens an incident about the locker; the same entry opens one of a kind only once, and what
    has no entry one each time.
    """
    finding = Finding(
        kind=kind,
        subject_id=desk.locker.id,
        hub_id=desk.locker.hub_id,
        detail=detail,
        locker_id=desk.locker.id,
        seq=seq,
    )
    await lockers.open_incident(desk.session, finding, ids=desk.ids, now=desk.now)
