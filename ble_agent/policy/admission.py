"""Scope, stay, uses and compartment: what a proven bearer may do here and now. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ble_agent.policy.verdicts import Permit, Refusal
from ble_agent.policy.world import MAX_PULSES, TAKE_BACK_S, Compartment, Phase, World
from schema.codes import Code
from schema.keys import Operation

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.policy.world import Bearer
    from schema.ids import StayId

ROOM_FOR_DEPOSITS = 0.10
"""Share of storage below which only OPEN, OPEN_ALL and SYNC are served (PROTOCOL 8)."""

ROOM_FOR_OPENING = 0.01
"""Share of storage below which only SYNC is served."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a bearer asks for, and how far the bearer's rights reach."""

    op: Operation
    comp: int | None
    code: int | None
    bearer: Bearer
    actions: int
    comps: tuple[int, ...]
    stay: StayId
    cti: bytes
    second_cti: bytes | None
    exp: int
    floor_iat: int | None


def admit(asked: Asked, world: World) -> Permit | Refusal:
    """The compartments that open for this bearer, or the reason why none does."""
    if not asked.op & asked.actions:
        return Refusal(Code.OUT_OF_SCOPE, "the token does not allow this operation")
    chosen = _CHOICES[asked.op](asked, world)
    if isinstance(chosen, Refusal):
        return chosen
    refused = check_storage(asked.op, world) or _check_presence(asked, world)
    if refused:
        return refused
    return Permit(
        op=asked.op,
        bearer=asked.bearer,
        comp=None if asked.op in {Operation.SYNC, Operation.OPEN_ALL} else chosen[0],
        comps=chosen,
        cti=asked.cti,
        second_cti=asked.second_cti,
        stay=asked.stay,
        exp=asked.exp,
        floor_iat=asked.floor_iat,
    )


def _choose_sync(asked: Asked, _: World) -> tuple[int, ...] | Refusal:
    if asked.comp is not None:
        return Refusal(Code.OUT_OF_SCOPE, "a sync names no compartment")
    return ()


def _choose_open(asked: Asked, world: World) -> tuple[int, ...] | Refusal:
    if not asked.stay:
        return _choose_without_stay(asked, world)
    found = world.find_stay(asked.stay)
    if found is None:
        if world.has_ended(asked.stay):
            return Refusal(Code.USED, "the stay has ended")
        return Refusal(Code.OUT_OF_SCOPE, "no such stay is stored here")
    if not _names(asked, found.number):
        return Refusal(Code.OUT_OF_SCOPE, "the stay is in another compartment")
    return _check_free(asked, found, world, pulses=world.pulses.get(asked.stay, 0))


def _choose_without_stay(asked: Asked, world: World) -> tuple[int, ...] | Refusal:
    """OPEN without a stay, INSPECT and SERVICE: a named compartment, each opened once."""
    compartment = _find_named(asked, world)
    if compartment is None:
        return Refusal(Code.OUT_OF_SCOPE, "the token does not name this compartment")
    if compartment.stay is not None and asked.op is not Operation.SERVICE:
        return Refusal(Code.OUT_OF_SCOPE, "a parcel is stored there")
    if (asked.cti, compartment.number) in world.used:
        return Refusal(Code.USED, "this compartment was opened under the token already")
    pulses = world.pulses.get((asked.cti, compartment.number), 0)
    return _check_free(asked, compartment, world, pulses=pulses)


def _find_named(asked: Asked, world: World) -> Compartment | None:
    if asked.comp is None or asked.comp not in asked.comps:
        return None
    return world.compartments.get(asked.comp)


def _choose_open_all(asked: Asked, world: World) -> tuple[int, ...] | Refusal:
    """Every compartment in reach that was not yet opened under these two tokens."""
    if asked.second_cti is None or asked.comp is not None:
        return Refusal(Code.OUT_OF_SCOPE, "opening all takes two tokens and no compartment")
    reached = [number for number in sorted(world.compartments) if _reaches(asked, number)]
    if not reached:
        return Refusal(Code.OUT_OF_SCOPE, "the two tokens share no compartment")
    ctis = (asked.cti, asked.second_cti)
    left = [n for n in reached if not any((cti, n) in world.used for cti in ctis)]
    if not left:
        return Refusal(Code.USED, "every compartment was opened under these tokens")
    spent = [n for n in left if world.pulses.get((asked.cti, n), 0) >= MAX_PULSES]
    fresh = tuple(number for number in left if number not in spent)
    return fresh or Refusal(Code.COMPARTMENT_FAULT, "no door left opens")


def _choose_deposit(asked: Asked, world: World) -> tuple[int, ...] | Refusal:
    if not asked.stay:
        return Refusal(Code.OUT_OF_SCOPE, "a deposit needs a stay")
    stored = world.find_stay(asked.stay)
    if (asked.cti, None) in world.used and not _may_take_back(asked, stored, world):
        return Refusal(Code.USED, "the deposit is over")
    if stored is not None:
        return _choose_again(asked, stored, world)
    if world.has_ended(asked.stay):
        return Refusal(Code.USED, "the stay has ended")
    return _choose_free(asked, world)


def _may_take_back(asked: Asked, stored: Compartment | None, world: World) -> bool:
    """Whether the closed deposit of this very token may open once more."""
    opening = stored.opening if stored else None
    return (
        opening is not None
        and opening.op is Operation.DEPOSIT
        and opening.bearer == asked.bearer
        and is_within(opening.first_closed_s, TAKE_BACK_S, world.uptime_s)
    )


def _choose_again(asked: Asked, stored: Compartment, world: World) -> tuple[int, ...] | Refusal:
    """A stay that is stored opens again to take back or to add, only under a sensor's eye."""
    if not _names(asked, stored.number):
        return Refusal(Code.OUT_OF_SCOPE, "the stay is stored in another compartment")
    if stored.number not in world.occupied:
        return Refusal(Code.COMPARTMENT_BUSY, "without a sensor a deposit is final")
    return _check_free(asked, stored, world, pulses=world.pulses.get(asked.stay, 0))


def _choose_free(asked: Asked, world: World) -> tuple[int, ...] | Refusal:
    pending = find_pending_deposit(asked.cti, asked.stay, world)
    if pending is not None and asked.comp not in {None, pending.number}:
        return Refusal(Code.COMPARTMENT_BUSY, "this deposit has a compartment already")
    wanted = asked.comp if pending is None else pending.number
    if wanted is None:
        wanted = _find_former(asked, world)
    return _pick(asked, world, wanted)


def _pick(asked: Asked, world: World, wanted: int | None) -> tuple[int, ...] | Refusal:
    """The wanted compartment, else the first that is free; its pulses must not be spent."""
    if wanted is not None and not _reaches(asked, wanted):
        return Refusal(Code.OUT_OF_SCOPE, "the token does not reach that compartment")
    numbers = sorted(world.compartments) if wanted is None else [wanted]
    for number in numbers:
        if _reaches(asked, number) and _takes_parcel(asked, number, world):
            if world.pulses.get(asked.stay, 0) >= MAX_PULSES:
                return Refusal(Code.COMPARTMENT_FAULT, "the door does not open")
            return (number,)
    return Refusal(Code.COMPARTMENT_BUSY, "nothing free fits")


def _takes_parcel(asked: Asked, number: int, world: World) -> bool:
    """Whether a deposit may go in: no stay, nothing sensed, nobody else at the door.

    What is sensed where this very token was let in last is its own: a parcel shut in while the
    power was off must be reached again.
    """
    compartment = world.compartments.get(number)
    if compartment is None or compartment.stay is not None:
        return False
    is_empty = not world.occupied.get(number) or _is_own(asked, compartment)
    return is_empty and not _is_busy(asked, compartment, world)


def _is_own(asked: Asked, compartment: Compartment) -> bool:
    opening = compartment.opening
    return (
        opening is not None and opening.op is Operation.DEPOSIT and opening.bearer == asked.bearer
    )


def find_pending_deposit(cti: bytes | None, stay: StayId, world: World) -> Compartment | None:
    """The compartment where this deposit, by `cti` or by stay, has not come to an end."""
    for compartment in world.compartments.values():
        opening = compartment.opening
        if (
            opening is not None
            and opening.is_pending
            and opening.op is Operation.DEPOSIT
            and (opening.cti == cti or opening.stay == stay)
        ):
            return compartment
    return None


def _find_former(asked: Asked, world: World) -> int | None:
    """Where this token was let in before and the door never opened: it is retried there."""
    for number, compartment in world.compartments.items():
        opening = compartment.opening
        never_opened = opening is not None and opening.phase is Phase.NOT_DETECTED
        if never_opened and _is_own(asked, compartment) and _takes_parcel(asked, number, world):
            return number
    return None


def _reaches(asked: Asked, number: int) -> bool:
    return not asked.comps or number in asked.comps


def _names(asked: Asked, number: int) -> bool:
    """Whether token and request, where they name compartments, name this one."""
    return _reaches(asked, number) and asked.comp in {None, number}


def _check_free(
    asked: Asked, compartment: Compartment, world: World, *, pulses: int
) -> tuple[int, ...] | Refusal:
    if _is_busy(asked, compartment, world):
        return Refusal(Code.COMPARTMENT_BUSY, "the door is open or another session is not over")
    if pulses >= MAX_PULSES:
        return Refusal(Code.COMPARTMENT_FAULT, "the door does not open")
    return (compartment.number,)


def _is_busy(asked: Asked, compartment: Compartment, world: World) -> bool:
    opening = compartment.opening
    if compartment.number in world.open_doors:
        return True
    return opening is not None and opening.is_pending and opening.bearer != asked.bearer


def check_storage(op: Operation, world: World) -> Refusal | None:
    """STORAGE_FULL where too little is left for the lines of this operation."""
    opens = op in {Operation.OPEN, Operation.OPEN_ALL}
    needed = 0.0 if op is Operation.SYNC else ROOM_FOR_OPENING if opens else ROOM_FOR_DEPOSITS
    if world.room >= needed:
        return None
    return Refusal(Code.STORAGE_FULL, "the journal is nearly full")


def _check_presence(asked: Asked, world: World) -> Refusal | None:
    wanted = None if asked.op is Operation.SYNC else world.presence_code
    if wanted is None or asked.code == wanted:
        return None
    return Refusal(Code.PRESENCE_CODE_WRONG, "the digits shown at the locker are missing or wrong")


def is_within(since_s: float | None, span_s: float, uptime_s: float) -> bool:
    """Whether no more than `span_s` have passed since an instant that this start knows."""
    return since_s is not None and uptime_s - since_s <= span_s


_CHOICES: dict[Operation, Callable[[Asked, World], tuple[int, ...] | Refusal]] = {
    Operation.OPEN: _choose_open,
    Operation.DEPOSIT: _choose_deposit,
    Operation.INSPECT: _choose_without_stay,
    Operation.SERVICE: _choose_without_stay,
    Operation.SYNC: _choose_sync,
    Operation.OPEN_ALL: _choose_open_all,
}
