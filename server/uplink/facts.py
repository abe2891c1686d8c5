"""One routing table: what kind of entry which service hears of, and with what it is told.

Entries come in the order of their chain, each once, in the transaction that stores them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from schema.codec.fields import as_bytes, as_compartment, as_flag, as_id, as_uint
from schema.ids import LockerId, StayId
from schema.journal import Accepted, Entry, Kind, parse_accepted
from schema.keys import Operation
from schema.statements import StatementType
from server.access.rules import Action
from server.access.service import delegations, grants, staff
from server.access.service import facts as access
from server.ledger import service as ledger
from server.lockers.incidents import Fact, Finding, IncidentKind
from server.lockers.service import facts as lockers
from server.parcels import queries as stays
from server.parcels.service import facts as parcels
from server.parcels.service.scenes import Opening

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.access.service.facts import Admission
    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.ledger.rules import Line
    from server.lockers.tables import Locker

_BY_DELEGATE: Final = "Opened by a delegate: somebody the recipient shared the parcel with."
_STATEMENTS: Final = {kind.aad.value: kind for kind in StatementType}


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

    def at(self, entry: Entry) -> datetime:
        """The locker's time of the entry; never later than its arrival, whatever its clock says."""
        return datetime.fromtimestamp(min(entry.t, self.now.timestamp()), UTC)

    def fact(self, line: Line, compartment: int) -> Fact:
        """The entry as the verticals hear of it."""
        entry = line.entry
        return Fact(self.locker.id, entry.seq, self.at(entry), entry.clockq, compartment)


async def report(desk: Desk, kind: IncidentKind, seq: int, detail: str) -> None:
    """Opens an incident about the locker; the same entry opens one of a kind only once."""
    finding = Finding(
        kind=kind,
        subject_id=desk.locker.id,
        hub_id=desk.locker.hub_id,
        detail=detail,
        locker_id=desk.locker.id,
        seq=seq,
    )
    await lockers.open_incident(desk.session, finding, ids=desk.ids, now=desk.now)


async def tell(desk: Desk, line: Line) -> None:
    """Gives an entry its effect. Kinds that no vertical asks for are kept, and that is all."""
    route = _ROUTES.get(line.entry.kind)
    if route is not None:
        await route(desk, line)


async def _on_accepted(desk: Desk, line: Line) -> None:
    accepted = parse_accepted(line.entry.body)
    admission = await _admission(desk, line.entry, accepted)
    if accepted.cti is not None and admission is None:
        unknown = await staff.list_unknown_tokens(desk.session, desk.lid, accepted)
        if unknown:
            detail = f"token {' and '.join(unknown)}"
            await report(desk, IncidentKind.UNKNOWN_TOKEN, line.seq, detail)
        return
    if admission is not None:
        await delegations.on_delegate_admitted(
            desk.session, admission, at=desk.at(line.entry), ids=desk.ids, now=desk.now
        )
    is_collecting = admission is None or admission.grant.action is Action.OPEN
    if accepted.op != Operation.OPEN or accepted.comp is None or not is_collecting:
        return
    stay = await _stay_behind(desk, admission, accepted.comp)
    if stay is not None:
        await parcels.on_open_accepted(
            desk.session,
            desk.fact(line, accepted.comp),
            stay=stay,
            holder_id=None if admission is None else admission.holder_id,
            reason=_BY_DELEGATE if admission is not None and admission.is_by_delegate else None,
            ids=desk.ids,
            now=desk.now,
        )


async def _on_deposited(desk: Desk, line: Line) -> None:
    comp, stay = _comp_and_stay(line)
    admission = await _admission_behind(desk, line, comp)
    await parcels.on_deposited(
        desk.session,
        desk.fact(line, comp),
        stay=stay,
        depositor_id=None if admission is None else admission.holder_id,
        ids=desk.ids,
        now=desk.now,
    )
    await grants.on_deposited(desk.session, stay, now=desk.now)


async def _on_collected(desk: Desk, line: Line) -> None:
    comp, stay = _comp_and_stay(line)
    admission = await _admission_behind(desk, line, comp)
    await parcels.on_collected(
        desk.session,
        desk.fact(line, comp),
        stay=stay,
        grade=as_uint(line.entry.body[2]),
        opening=_opening(admission),
        ids=desk.ids,
        now=desk.now,
    )
    await grants.on_stay_ended(desk.session, stay, now=desk.now)


async def _on_withdrawn(desk: Desk, line: Line) -> None:
    comp, stay = _comp_and_stay(line)
    fact = desk.fact(line, comp)
    await parcels.on_withdrawn(desk.session, fact, stay=stay, ids=desk.ids, now=desk.now)
    await grants.on_stay_ended(desk.session, stay, now=desk.now)


async def _on_found_empty(desk: Desk, line: Line) -> None:
    comp, stay = _comp_and_stay(line)
    fact = desk.fact(line, comp)
    await parcels.on_found_empty(desk.session, fact, stay=stay, ids=desk.ids, now=desk.now)
    await grants.on_stay_ended(desk.session, stay, now=desk.now)


async def _on_door_opened(desk: Desk, line: Line) -> None:
    await parcels.on_opened(desk.session, desk.fact(line, _comp(line)), now=desk.now)


async def _on_door_closed(desk: Desk, line: Line) -> None:
    sensed = line.entry.body[1]
    await parcels.on_closed(
        desk.session,
        desk.fact(line, _comp(line)),
        is_occupied=None if sensed is None else as_flag(sensed),
        ids=desk.ids,
        now=desk.now,
    )


async def _on_open_not_detected(desk: Desk, line: Line) -> None:
    fact = desk.fact(line, _comp(line))
    failures = await ledger.count_failed_openings(
        desk.session, desk.lid, fact.compartment, upto=line.seq
    )
    await parcels.on_open_not_detected(
        desk.session, fact, failures=failures, ids=desk.ids, now=desk.now
    )


async def _on_close_overdue(desk: Desk, line: Line) -> None:
    fact = desk.fact(line, _comp(line))
    opened = await ledger.find_last_opening(
        desk.session, desk.lid, fact.compartment, before=line.seq
    )
    admission = await _admission_behind(desk, line, fact.compartment)
    await parcels.on_close_overdue(
        desk.session,
        fact,
        opened_at=fact.at if opened is None else desk.at(opened.entry),
        holder_id=None if admission is None else admission.holder_id,
        now=desk.now,
    )


async def _on_unexpected_open(desk: Desk, line: Line) -> None:
    fact = desk.fact(line, _comp(line))
    await parcels.on_unexpected_open(desk.session, fact, ids=desk.ids, now=desk.now)


async def _on_statement(desk: Desk, line: Line) -> None:
    aad, seq = line.entry.body
    kind = _STATEMENTS.get(as_bytes(aad))
    if kind is not None:
        await lockers.on_statement_applied(
            desk.session, desk.locker.id, kind=kind, seq=as_uint(seq)
        )


_ROUTES: Final[dict[int, Callable[[Desk, Line], Awaitable[None]]]] = {
    Kind.ACCEPTED: _on_accepted,
    Kind.DOOR_OPENED: _on_door_opened,
    Kind.DOOR_CLOSED: _on_door_closed,
    Kind.OPEN_NOT_DETECTED: _on_open_not_detected,
    Kind.CLOSE_OVERDUE: _on_close_overdue,
    Kind.UNEXPECTED_OPEN: _on_unexpected_open,
    Kind.STATEMENT: _on_statement,
    Kind.DEPOSITED: _on_deposited,
    Kind.COLLECTED: _on_collected,
    Kind.WITHDRAWN: _on_withdrawn,
    Kind.FOUND_EMPTY: _on_found_empty,
}
"""Which service hears of which kind. Where a locker is and how its clock is, every entry tells."""


async def _admission(desk: Desk, entry: Entry, accepted: Accepted) -> Admission | None:
    return await access.find_admission(
        desk.session, desk.lid, accepted, at=desk.at(entry), is_time_trusted=entry.clockq > 0
    )


async def _admission_behind(desk: Desk, line: Line, comp: int) -> Admission | None:
    """The grant under which the door was last let open before this entry; None after a PIN."""
    behind = await ledger.find_acceptance(desk.session, desk.lid, comp, before=line.seq)
    if behind is None:
        return None
    return await _admission(desk, behind.entry, parse_accepted(behind.entry.body))


async def _stay_behind(desk: Desk, admission: Admission | None, comp: int) -> StayId | None:
    """The stay that an OPEN is for: its token names it; for a PIN it is the one stored there."""
    if admission is not None:
        return StayId(admission.grant.stay)
    running = await stays.find_running_stay_at(desk.session, desk.locker.id, comp)
    return None if running is None else StayId(running.name)


def _opening(admission: Admission | None) -> Opening:
    """Without a token it was a PIN, which only its locker can judge and nobody proves."""
    if admission is None:
        return Opening(is_token_valid=True, is_holder_proved=False)
    return Opening(
        is_token_valid=admission.is_token_valid,
        is_holder_proved=admission.is_holder_proved and admission.grant.action is Action.OPEN,
        holder_id=admission.holder_id,
        removal=admission.grant.removal,
    )


def _comp(line: Line) -> int:
    return as_compartment(line.entry.body[0])


def _comp_and_stay(line: Line) -> tuple[int, StayId]:
    return _comp(line), StayId(as_id(line.entry.body[1]))
