"""What other systems call a parcel's state, and what we make of it (DOMAIN 7).

A word that stands for several of our states settles nothing by itself: it is read as the state the
parcel is in already, if that is one of them. Nothing is ever guessed.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from server.parcels.states import ParcelState as P

if TYPE_CHECKING:
    from collections.abc import Mapping


class Source(StrEnum):
    """A vocabulary of states that we can read."""

    RESTANTE = "restante"
    """Our own words, from our own courier app."""
    INPOST = "inpost"
    """Status names of InPost's ShipX interface."""
    AFTERSHIP = "aftership"
    """Tags and sub-tags of AfterShip; a sub-tag is `Tag_001`."""
    EPCIS = "epcis"
    """`bizStep/disposition` of GS1, our own extensions after one more slash."""


STOP_FAILED = "stop_failed"
"""Our own word for a stop without a deposit; a slash and a `StopReason` follow it."""


class StopReason(StrEnum):
    """Why a courier left without depositing (DOMAIN 1.2, failedStopReason)."""

    FULL = "FULL"
    SIZE_MISMATCH = "SIZE_MISMATCH"
    LOCKER_FAULT = "LOCKER_FAULT"
    NO_CONSENT = "NO_CONSENT"
    NO_CLIMATE = "NO_CLIMATE"
    HUB_CLOSED = "HUB_CLOSED"
    AGE_CHECK = "AGE_CHECK"


_TROUBLE = (
    P.EXPIRED,
    P.RETURNING,
    P.RETURNED,
    P.ON_HOLD,
    P.DISPUTED,
    P.LOST,
    P.DISPOSED,
    P.CANCELLED,
)

MEANINGS: Mapping[Source, Mapping[str, tuple[P, ...]]] = MappingProxyType(
    {
        Source.RESTANTE: {
            "in_transit": (P.IN_TRANSIT,),
            "out_for_delivery": (P.OUT_FOR_DELIVERY,),
            "at_hub": (P.AT_HUB,),
            "returned": (P.RETURNED,),
            STOP_FAILED: (P.IN_TRANSIT,),
        },
        Source.INPOST: {
            "created": (P.ANNOUNCED,),
            "confirmed": (P.ANNOUNCED, P.AWAITING_DROPOFF),
            "dispatched_by_sender": (P.DROPPED_OFF,),
            "taken_by_courier": (P.IN_TRANSIT,),
            "adopted_at_source_branch": (P.IN_TRANSIT,),
            "adopted_at_sorting_center": (P.IN_TRANSIT,),
            "out_for_delivery": (P.OUT_FOR_DELIVERY,),
            "ready_to_pickup": (P.READY_FOR_PICKUP,),
            "stack_in_box_machine": (P.READY_FOR_PICKUP,),
            "delivered": (P.COLLECTED,),
            "pickup_time_expired": (P.EXPIRED,),
            "stack_parcel_in_box_machine_pickup_time_expired": (P.EXPIRED,),
            "stack_in_customer_service_point": (P.AT_HUB,),
            "ready_to_pickup_from_pok": (P.AT_HUB,),
            "avizo": (P.RETURNING, P.RETURNED),
            "returned_to_sender": (P.RETURNED,),
            "claimed": (P.ON_HOLD, P.DISPUTED),
            "oversized": (P.ON_HOLD, P.DISPUTED),
            "delay_in_delivery": (P.ON_HOLD, P.DISPUTED),
            "canceled": (P.CANCELLED,),
            "undelivered": (P.LOST, P.DISPOSED, P.CANCELLED),
        },
        Source.AFTERSHIP: {
            "InfoReceived": (P.ANNOUNCED, P.AWAITING_DROPOFF, P.DROPPED_OFF),
            "InTransit": (P.IN_TRANSIT,),
            "OutForDelivery": (P.OUT_FOR_DELIVERY, P.READY_FOR_PICKUP),
            "AvailableForPickup_001": (P.READY_FOR_PICKUP,),
            "AvailableForPickup": (P.AT_HUB,),
            "Delivered_002": (P.COLLECTED,),
            "Exception": _TROUBLE,
        },
        Source.EPCIS: {
            "accepting/in_progress": (P.DROPPED_OFF,),
            "accepting/custody_change": (P.COLLECTED,),
            "transporting/in_transit": (P.IN_TRANSIT,),
            "arriving/in_transit": (P.IN_TRANSIT,),
            "departing/in_transit": (P.IN_TRANSIT, P.OUT_FOR_DELIVERY),
            "departing/returned": (P.RETURNING, P.RETURNED),
            "stocking/container_closed": (P.DEPOSITED,),
            "stocking/in_progress/ready_for_pickup": (P.READY_FOR_PICKUP,),
            "holding/expired": (P.EXPIRED,),
            "storing": (P.AT_HUB,),
            "holding/non_conformant": (P.ON_HOLD, P.DISPUTED),
            "holding/stolen": (P.ON_HOLD, P.DISPUTED),
            "holding/unknown": (P.ON_HOLD, P.DISPUTED),
            "inspecting/non_conformant": (P.ON_HOLD, P.DISPUTED),
            "inspecting/stolen": (P.ON_HOLD, P.DISPUTED),
            "inspecting/unknown": (P.ON_HOLD, P.DISPUTED),
            "destroying/destroyed": (P.DISPOSED,),
            "void_shipping": (P.CANCELLED,),
        },
    }
)
"""DOMAIN 7 in full. AfterShip says OutForDelivery also of parcels that wait to be collected."""

_PARTS = MappingProxyType(
    {Source.RESTANTE: "/", Source.INPOST: "_", Source.AFTERSHIP: "_", Source.EPCIS: "/"}
)
"""What parts a code from its sub-code; InPost's `undelivered_...` names its reason after it."""


def find_source(text: str) -> Source | None:
    """The vocabulary of this name, in any case of letters; None for one we cannot read."""
    try:
        return Source(text.lower())
    except ValueError:
        return None


def map_status(system: str, code: str, current: P) -> P | None:
    """Our state for a foreign code, the most specific entry first; None is UNKNOWN."""
    source = find_source(system)
    if source is None:
        return None
    meanings = _find_meanings(source, code)
    if current in meanings:
        return current
    return meanings[0] if len(meanings) == 1 else None


def find_stop_reason(system: str, code: str) -> StopReason | None:
    """The reason in one of our own `stop_failed/REASON` codes; None in everything else."""
    word, _, reason = code.partition("/")
    if find_source(system) is not Source.RESTANTE or word != STOP_FAILED:
        return None
    return next((known for known in StopReason if known == reason), None)


def _find_meanings(source: Source, code: str) -> tuple[P, ...]:
    known, parts = MEANINGS[source], _PARTS[source]
    while code not in known:
        if parts not in code or (source is Source.INPOST and not code.startswith("undelivered_")):
            return ()
        code = code.rpartition(parts)[0]
    return known[code]
