"""Whether a session may open its closed door once more. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ble_agent.policy.admission import check_storage, find_pending_deposit, is_within
from ble_agent.policy.verdicts import Refusal
from ble_agent.policy.world import MAX_PULSES, REOPEN_S, TAKE_BACK_S, Phase
from schema.codes import Code
from schema.keys import Operation

if TYPE_CHECKING:
    from ble_agent.policy.world import Opening, World


def judge_reopening(opening: Opening, world: World) -> Refusal | None:
    """Why the door of `opening`, the newest at its compartment, stays shut; None if it opens."""
    refused = _check_door(opening, world)
    if refused is None and opening.op is Operation.DEPOSIT:
        refused = _check_deposit(opening, world)
    if refused is None and world.pulses.get(opening.count_subject, 0) >= MAX_PULSES:
        refused = Refusal(Code.COMPARTMENT_FAULT, "the door does not open")
    return refused or check_storage(opening.op, world)


def _check_door(opening: Opening, world: World) -> Refusal | None:
    if opening.phase is not Phase.CLOSED or opening.comp in world.open_doors:
        return Refusal(Code.COMPARTMENT_BUSY, "the door has not closed")
    if not is_within(opening.first_opened_s, REOPEN_S, world.uptime_s):
        return Refusal(Code.COMPARTMENT_BUSY, "too late to open again")
    return None


def _check_deposit(opening: Opening, world: World) -> Refusal | None:
    """A stored deposit may be taken back; one that stored nothing goes on where nothing else has.

    A stay that ended, or that the same token has meanwhile brought elsewhere, must not be stored
    here by a session that is still alive.
    """
    if opening.comp not in world.occupied:
        return Refusal(Code.COMPARTMENT_BUSY, "without a sensor a deposit is final")
    stored = world.find_stay(opening.stay)
    if stored is not None and stored.number == opening.comp:
        if is_within(opening.first_closed_s, TAKE_BACK_S, world.uptime_s):
            return None
        return Refusal(Code.COMPARTMENT_BUSY, "too late to take the deposit back")
    pending = find_pending_deposit(opening.cti, opening.stay, world)
    is_over = (opening.cti, None) in world.used or world.has_ended(opening.stay)
    if stored is not None or pending is not None or is_over:
        return Refusal(Code.COMPARTMENT_BUSY, "this deposit is over, or elsewhere")
    return None
