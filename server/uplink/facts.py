"""One routing table: what kind of entry which service hears of, and with what it is told.

Entries come in the order of their chain, each once, in the transaction that stores them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schema.codec.fields import as_bytes, as_compartment, as_flag, as_id, as_int, as_uint
from schema.ids import StayId
from schema.journal import Accepted, Entry, ExcursionPhase, Kind, parse_accepted
from schema.keys import Operation
from schema.statements import StatementType
from server.access import queries as rights
from server.access.rules import Action
from server.access.service import delegations, erasing, grants
from server.access.service import facts as access
from server.climate import service as climate
from server.ledger import service as ledger
from server.lockers.service import facts as lockers
from server.parcels import queries as stays
from server.parcels.service import assisting, depositing
from server.parcels.service import facts as parcels
from server.parcels.service.depositing import Putting
from server.parcels.service.scenes import Opening
from server.uplink import staffed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.access.service.facts import Admission
    from server.ledger.rules import Line
    from server.lockers.incidents import Fact
    from server.uplink.desk import Desk

_BY_DELEGATE: Final = "Opened by a delegate: somebody the recipient shared the parcel with."
_STATEMENTS: Final = {kind.aad.value: kind for kind in StatementType}


async def tell(desk: Desk, line: Line) -> None:
    """Gives an entry its effect. Kinds that no vertical asks for are kept, and that is all."""
    route = _ROUTES.get(line.entry.kind)
    if route is not None:
        await route(desk, line)


async def _on_accepted(desk: Desk, line: Line) -> None:
    accepted = parse_accepted(line.entry.body)
    admission = await _admission(desk, line.entry, accepted)
    if accepted.cti is not None and admission is not None and admission.chain is None:
        await erasing.erase_late(desk.session, desk.lid, accepted.cti)
    if accepted.cti is not None and admission is None:
        await staffed.on_offline_token(desk, line, accepted)
        return
    if admission is not None and admission.grant.action is Action.INSPECT:
        await staffed.on_inspector_accepted(desk, line, accepted, admission.grant)
        return
    if admission is not None:
        await delegations.on_delegate_admitted(
            desk.session, admission, at=desk.at(line.entry.t), ids=desk.ids, now=desk.now
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
            reason=await _reason(desk, line, admission, stay),
            ids=desk.ids,
            now=desk.now,
        )


async def _reason(desk: Desk, line: Line, admission: Admission | None, stay: StayId) -> str | None:
    """What the history of the parcel says of who stood at the door, besides its holder."""
    if await assisting.find_helper(desk.session, stay, at=desk.at(line.entry.t)) is not None:
        return assisting.ASSISTED
    return _BY_DELEGATE if admission is not None and admission.is_by_delegate else None


async def _on_deposited(desk: Desk, line: Line) -> None:
    comp, stay = _comp_and_stay(line)
    admission = await _admission_behind(desk, line, comp)
    is_for_it = admission is not None and admission.grant.stay == stay
    await parcels.on_deposited(
        desk.session,
        desk.fact(line, comp),
        stay=stay,
        putting=await _putting(desk, admission if is_for_it else None),
        ids=desk.ids,
        now=desk.now,
    )
    if admission is not None and is_for_it:
        await grants.on_deposited(desk.session, admission.grant, now=desk.now)
    await climate.on_put_in(desk.session, desk.fact(line, comp), ids=desk.ids, now=desk.now)


async def _on_collected(desk: Desk, line: Line) -> None:
    comp, stay = _comp_and_stay(line)
    admission = await _admission_behind(desk, line, comp)
    helper_id = await assisting.find_helper(desk.session, stay, at=desk.at(line.entry.t))
    await parcels.on_collected(
        desk.session,
        desk.fact(line, comp),
        stay=stay,
        grade=as_uint(line.entry.body[2]),
        opening=_opening(admission, is_assisted=helper_id is not None),
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
    fact, sensed = desk.fact(line, _comp(line)), line.entry.body[1]
    await parcels.on_opened(desk.session, fact, now=desk.now)
    was_occupied = None if sensed is None else as_flag(sensed)
    await staffed.on_door_opened(desk, fact, occupied_before=was_occupied)


async def _on_door_closed(desk: Desk, line: Line) -> None:
    sensed = line.entry.body[1]
    is_occupied = None if sensed is None else as_flag(sensed)
    fact = desk.fact(line, _comp(line))
    if await staffed.on_door_closed(desk, fact, is_occupied=is_occupied):
        await parcels.on_closed(
            desk.session, fact, is_occupied=is_occupied, ids=desk.ids, now=desk.now
        )
        return
    behind = await ledger.find_acceptance(desk.session, desk.lid, fact.compartment, before=line.seq)
    accepted = None if behind is None else parse_accepted(behind.entry.body)
    if behind is None or accepted is None or accepted.op != Operation.DEPOSIT:
        await parcels.on_closed(
            desk.session, fact, is_occupied=is_occupied, ids=desk.ids, now=desk.now
        )
        return
    await parcels.on_closed(desk.session, fact, is_occupied=None, ids=desk.ids, now=desk.now)
    admission = await _admission(desk, behind.entry, accepted)
    if admission is not None and is_occupied is not False:
        await _on_added(desk, fact, admission)


async def _on_added(desk: Desk, fact: Fact, admission: Admission) -> None:
    """A door has closed under a deposit token; where its stay was stored, one more is inside."""
    was_added = await depositing.on_added(
        desk.session,
        fact,
        stay=admission.grant.stay,
        putting=await _putting(desk, admission),
        ids=desk.ids,
        now=desk.now,
    )
    if was_added:
        await grants.on_deposited(desk.session, admission.grant, now=desk.now)
        await climate.on_put_in(desk.session, fact, ids=desk.ids, now=desk.now)


async def _putting(desk: Desk, admission: Admission | None) -> Putting:
    """What is put in under this grant, and how it may have left where it lay before."""
    if admission is None:
        return Putting()
    parcel_id = admission.grant.parcel
    return Putting(
        parcel_id=parcel_id,
        depositor_id=admission.holder_id,
        left_by=await rights.find_removal(desk.session, parcel_id),
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
        opened_at=fact.at if opened is None else desk.at(opened.entry.t),
        holder_id=None if admission is None else admission.holder_id,
        now=desk.now,
    )


async def _on_unexpected_open(desk: Desk, line: Line) -> None:
    fact = desk.fact(line, _comp(line))
    await parcels.on_unexpected_open(desk.session, fact, ids=desk.ids, now=desk.now)


async def _on_excursion(desk: Desk, line: Line) -> None:
    _, phase, decidegrees = line.entry.body
    await climate.on_excursion(
        desk.session,
        desk.fact(line, _comp(line)),
        phase=ExcursionPhase(as_uint(phase)),
        decidegrees=as_int(decidegrees),
        ids=desk.ids,
        now=desk.now,
    )


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
    Kind.EXCURSION: _on_excursion,
    Kind.DEPOSITED: _on_deposited,
    Kind.COLLECTED: _on_collected,
    Kind.WITHDRAWN: _on_withdrawn,
    Kind.FOUND_EMPTY: _on_found_empty,
}
"""Which service hears of which kind. Where a locker is and how its clock is, every entry tells."""


async def _admission(desk: Desk, entry: Entry, accepted: Accepted) -> Admission | None:
    return await access.find_admission(
        desk.session, desk.lid, accepted, at=desk.at(entry.t), is_time_trusted=entry.clockq > 0
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


def _opening(admission: Admission | None, *, is_assisted: bool) -> Opening:
    """Without a token it was a PIN, which only its locker can judge and nobody proves; where staff
    helped, nobody proves that it was the holder who took it.
    """
    if admission is None:
        return Opening(is_token_valid=True, is_holder_proved=False)
    return Opening(
        is_token_valid=admission.is_token_valid,
        is_holder_proved=admission.is_holder_proved
        and admission.grant.action is Action.OPEN
        and not is_assisted,
        holder_id=admission.holder_id,
        removal=admission.grant.removal,
    )


def _comp(line: Line) -> int:
    return as_compartment(line.entry.body[0])


def _comp_and_stay(line: Line) -> tuple[int, StayId]:
    return _comp(line), StayId(as_id(line.entry.body[1]))
