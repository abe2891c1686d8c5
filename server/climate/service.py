"""What lockers tell of their cooling, and what follows for the goods inside.

Facts of one locker come in the order of their numbers, each once more at most. What they mean for
goods is worked out from all of them each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.compartments import ClimateZone
from schema.journal import ExcursionPhase
from server.climate import queries
from server.climate.rules import SPOILINGS, STATES, Lying, Spoiling, Word, find_limit
from server.climate.tables import ClimateFact
from server.kit import outbox
from server.kit.errors import BrokenPromise
from server.lockers.incidents import Fact
from server.lockers.queries import lock_compartment
from server.lockers.rules import ClimateState
from server.lockers.service import climate as doors
from server.lockers.service.reading import lock_locker
from server.parcels import queries as parcels
from server.parcels.service.holds import Trouble, hold
from server.parcels.states import ParcelState
from server.parcels.tables import PauseCause

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids
    from server.lockers.tables import Compartment
    from server.parcels.tables import Parcel

EXCURSION_BEGAN = "climate.excursion_began"
"""Outbox event: the compartment of a parcel does not keep its temperature; its subject is the
parcel, its `version` the number of the locker's entry.
"""

SAFETY_CHANGED = "climate.safety_changed"
"""Outbox event: a parcel is good until another moment than was thought, or without an end."""

SWEEP = 100
"""Parcels held in one transaction."""

FACTS = 500
"""Words about a compartment that are looked at: one comes each half an hour at most."""

PLACES = 10
"""Compartments of a parcel that are looked at, the last ones."""

_COOLED = frozenset(ClimateZone) - {ClimateZone.AMBIENT}
_OUTSIDE = frozenset({ClimateState.EXCURSION, ClimateState.FAULT})


async def on_excursion(
    session: Session,
    fact: Fact,
    *,
    phase: ExcursionPhase,
    decidegrees: int,
    ids: Ids,
    now: datetime,
) -> None:
    """EXCURSION: what becomes of the compartment (C18), and until when what is inside is good.

    Nothing for an entry heard of before, and for a compartment that has no cooling.
    """
    locker = await lock_locker(session, fact.locker_id)
    compartment = await lock_compartment(session, fact.locker_id, fact.compartment)
    if locker is None or compartment is None or compartment.climate_zone not in _COOLED:
        return
    told = ClimateFact(
        locker_id=fact.locker_id,
        seq=fact.seq,
        compartment_id=compartment.id,
        at=fact.at,
        clock_quality=fact.clock_quality,
        phase=phase,
        decidegrees=decidegrees,
        recorded_at=now,
    )
    if not await queries.insert_fact(session, told):
        return
    newest = (await queries.list_facts(session, compartment.id, limit=1))[-1]
    climate, before = STATES[ExcursionPhase(newest.phase)], compartment.climate
    detail = f"{decidegrees / 10:.1f} degrees Celsius"
    await doors.change_climate(session, compartment, climate, fact, detail=detail, ids=ids, now=now)
    if climate in _OUTSIDE:
        await doors.report_excursion(
            session, locker, compartment, fact, detail=detail, ids=ids, now=now
        )
    inside = await _set_limits(session, compartment, ids=ids, now=now)
    if climate is ClimateState.EXCURSION and newest.seq == fact.seq:
        await _tell(session, inside, fact, ids=ids, now=now)
    held = await _hold(session, inside, climate, fact, ids=ids, now=now)
    if climate is ClimateState.READY and before is ClimateState.EXCURSION and not held:
        await doors.end_excursion(session, compartment, now=now)


async def on_put_in(session: Session, fact: Fact, *, ids: Ids, now: datetime) -> None:
    """A door has closed on goods: where the cooling is not right just then, their time runs."""
    compartment = await lock_compartment(session, fact.locker_id, fact.compartment)
    if compartment is None or compartment.climate not in _OUTSIDE:
        return
    inside = await _set_limits(session, compartment, ids=ids, now=now)
    if compartment.climate is ClimateState.EXCURSION:
        await _tell(session, inside, fact, ids=ids, now=now)
    await _hold(session, inside, compartment.climate, fact, ids=ids, now=now)


async def is_held_for_climate(session: Session, parcel: Parcel) -> bool:
    """Whether nobody may have the parcel because it may be good no longer."""
    if parcel.state is not ParcelState.ON_HOLD or parcel.climate_zone not in _COOLED:
        return False
    line = await parcels.find_last_into(session, parcel.id, ParcelState.ON_HOLD)
    return line is not None and line.reason in SPOILINGS


async def hold_spoiled(session: Session, *, ids: Ids, now: datetime) -> int:
    """Holds at most a hundred parcels that are good no longer, and as many whose cooling has
    failed while they could not be held (P20); how many.
    """
    spoiled = await queries.lock_spoiled(session, now=now, limit=SWEEP)
    for parcel in spoiled:
        await hold(session, parcel, _too_warm(parcel), ids=ids, now=now)
    uncooled = await queries.lock_uncooled(session, _COOLED, limit=SWEEP)
    for parcel in uncooled:
        trouble = Trouble(reason=Spoiling.NOT_COOLED, pause=PauseCause.LOCKER_FAULT, at=now)
        await hold(session, parcel, trouble, ids=ids, now=now)
    return len(spoiled) + len(uncooled)


async def _set_limits(
    session: Session, compartment: Compartment, *, ids: Ids, now: datetime
) -> Sequence[Parcel]:
    """The cooled parcels that lie in the compartment, each with its limit worked out anew."""
    stay = await parcels.find_running_stay(session, compartment.id)
    held = [] if stay is None else await parcels.lock_parcels_of_stay(session, stay.id)
    inside = [one for one in held if one.climate_zone in _COOLED]
    for parcel in inside:
        await _set_limit(session, parcel, ids=ids, now=now)
    return inside


async def _set_limit(session: Session, parcel: Parcel, *, ids: Ids, now: datetime) -> None:
    lyings = []
    for place in await queries.list_places(session, parcel.id, limit=PLACES):
        rows = await queries.list_facts(session, place.compartment_id, limit=FACTS)
        lyings.append(Lying(place.start, place.end, [_word(row) for row in rows]))
    limit = find_limit(parcel.climate_zone, lyings)
    safe_until = None if limit is None else limit.at
    if safe_until == parcel.safe_until:
        return
    parcel.safe_until = safe_until
    parcel.safe_locker_id = None if limit is None else limit.cause.locker_id
    parcel.safe_seq = None if limit is None else limit.cause.seq
    session.add(parcel)
    await outbox.append(
        session, id=ids.new(), kind=SAFETY_CHANGED, subject=parcel.id, facts={}, at=now
    )


def _word(row: ClimateFact) -> Word:
    """The row as the rules read it.

    When it was cold again says a clock that is only a floor too early: until we heard of it.
    """
    phase = ExcursionPhase(row.phase)
    is_known = row.clock_quality > 0 or phase is not ExcursionPhase.BACK
    at = row.at if is_known else row.recorded_at
    return Word(at, phase, row.decidegrees, row.locker_id, row.seq)


async def _tell(
    session: Session, inside: Sequence[Parcel], fact: Fact, *, ids: Ids, now: datetime
) -> None:
    for parcel in inside:
        await outbox.append(
            session,
            id=ids.new(),
            kind=EXCURSION_BEGAN,
            subject=parcel.id,
            facts={"version": fact.seq},
            at=now,
        )


async def _hold(
    session: Session,
    inside: Sequence[Parcel],
    climate: ClimateState,
    fact: Fact,
    *,
    ids: Ids,
    now: datetime,
) -> bool:
    """Holds what may not be eaten; whether anything inside is such."""
    is_any = False
    for parcel in inside:
        is_over = parcel.safe_until is not None and parcel.safe_until <= now
        if not is_over and climate is not ClimateState.FAULT:
            continue
        is_any = True
        trouble = _too_warm(parcel) if is_over else _not_cooled(fact)
        await hold(session, parcel, trouble, ids=ids, now=now)
    return is_any


def _not_cooled(fact: Fact) -> Trouble:
    cause = PauseCause.LOCKER_FAULT
    return Trouble(reason=Spoiling.NOT_COOLED, pause=cause, at=fact.at, fact=fact)


def _too_warm(parcel: Parcel) -> Trouble:
    """Good until then, by the entry that says so; from then on nobody has to come."""
    at, locker_id, seq = parcel.safe_until, parcel.safe_locker_id, parcel.safe_seq
    if at is None or locker_id is None or seq is None:
        raise BrokenPromise(f"nothing says until when parcel {parcel.id} is good")
    shown = Fact(locker_id, seq, at, clock_quality=0, compartment=0)
    return Trouble(reason=Spoiling.TOO_WARM, pause=PauseCause.LOCKER_FAULT, at=at, fact=shown)
