"""What a parcel may be taken out of its compartment for when its holder does not fetch it. Pure."""

from __future__ import annotations

from server.parcels.states import ParcelState, Party, Removal

_WAITING = frozenset({ParcelState.DEPOSITED, ParcelState.READY_FOR_PICKUP})


def removals_of(
    state: ParcelState, party: Party, *, is_temporary: bool, is_at_destination: bool
) -> tuple[Removal, ...]:
    """The purposes for which a courier (COU) or hub staff (STA) may remove it, the usual first.

    A drop-off is carried on by couriers (P6), what lies in a temporary locker by both (P14). What
    nobody collected goes back or to the counter (P24, P25). Disposal takes two persons and is not
    asked for here.
    """
    is_courier = party is Party.COU
    if state is ParcelState.DROPPED_OFF:
        return (Removal.ONWARD,) if is_courier and not is_at_destination else ()
    if state in _WAITING and is_temporary:
        return (Removal.ONWARD,)
    if state is ParcelState.EXPIRED:
        usual = (Removal.RETURN, Removal.TO_COUNTER)
        return usual if is_courier else usual[::-1]
    return ()
