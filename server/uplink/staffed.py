"""Entries about staff that were at a door without a stay: to look, to repair, in an emergency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.keys import Operation
from server.access.service import staff, visits
from server.lockers.incidents import IncidentKind
from server.lockers.service import checks
from server.parcels.service import compartments
from server.uplink.desk import report

if TYPE_CHECKING:
    from schema.journal import Accepted
    from server.access.tables import Grant
    from server.ledger.rules import Line
    from server.lockers.incidents import Fact
    from server.uplink.desk import Desk


async def on_inspector_accepted(desk: Desk, line: Line, accepted: Accepted, grant: Grant) -> None:
    """ACCEPTED by a token to inspect that the server issued."""
    at = desk.at(line.entry.t)
    await visits.on_inspector_accepted(
        desk.session, desk.locker, grant, accepted, seq=line.seq, at=at
    )


async def on_offline_token(desk: Desk, line: Line, accepted: Accepted) -> None:
    """ACCEPTED by a token that the server did not issue: one of a service or hub key, or nobody's.

    One that nobody registered opens a critical incident.
    """
    unknown = await staff.list_unknown_tokens(desk.session, desk.lid, accepted)
    if unknown:
        detail = f"token {' and '.join(unknown)}"
        await report(desk, IncidentKind.UNKNOWN_TOKEN, line.seq, detail)
    if Operation(accepted.op) not in visits.VISITS:
        return
    await visits.on_technician_accepted(
        desk.session,
        desk.locker,
        None if unknown else await staff.find_registered(desk.session, desk.lid, accepted),
        accepted,
        seq=line.seq,
        at=desk.at(line.entry.t),
        ids=desk.ids,
        now=desk.now,
    )


async def on_door_opened(desk: Desk, fact: Fact, *, occupied_before: bool | None) -> None:
    """DOOR_OPENED: where staff was let in last, a check of what is inside begins."""
    visit = await visits.find_visit(
        desk.session, desk.locker, desk.lid, fact.compartment, before=fact.seq
    )
    if visit is None:
        return
    await visits.on_opened(
        desk.session, desk.locker, fact.compartment, before=fact.seq, now=desk.now
    )
    await checks.on_opened(desk.session, fact, visit, occupied_before=occupied_before, ids=desk.ids)


async def on_door_closed(desk: Desk, fact: Fact, *, is_occupied: bool | None) -> bool:
    """DOOR_CLOSED: whether staff had opened that door, whose check is whole now."""
    return await compartments.on_staff_closed(
        desk.session, fact, is_occupied=is_occupied, ids=desk.ids, now=desk.now
    )
