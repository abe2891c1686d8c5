"""What its recipient has ruled out for a parcel: hubs, lockers, heights, days (DOMAIN 1.1, 5).

Hard limits bind whenever a place is chosen, anew each time. They say nothing about a place that a
door has already closed on: there the fact counts, and somebody looks into it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import ReachBand
from server.kit.errors import Refusal

if TYPE_CHECKING:
    import uuid
    from datetime import date

    from server.people.preferences import Preferences

COUNTER = "Hand it over at the counter."
ELSEWHERE = "Ask the recipient to choose another hub."


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits for one parcel where its recipient is to collect it, on the local day there."""

    preferences: Preferences
    hub_id: uuid.UUID
    today: date
    is_uncooled_food: bool = False
    """It perishes, and was announced for a compartment that is not cooled."""

    @property
    def allows_hub(self) -> bool:
        """Whether they fetch parcels at this hub at all."""
        allowed = self.preferences.allowed_hubs
        return not allowed or self.hub_id in allowed

    def object_to_lockers(self) -> Refusal | None:
        """CONSENT_MISSING where no compartment of this hub will do today, else None."""
        back = self.preferences.hold_until
        if self.allows_hub and back is not None and self.today < back:
            away = f"The recipient is away until {back.isoformat()}."
            return _refuse(away, "Keep it until then, or hand it over at the counter.")
        return self.object_to_lockers_ever()

    def object_to_lockers_ever(self) -> Refusal | None:
        """The same, but for an absence, which will be over some day."""
        wanted = self.preferences
        if not self.allows_hub:
            return _refuse("The recipient has not agreed to this hub.", ELSEWHERE)
        if wanted.counter_only:
            return _refuse("The recipient has not agreed to a locker.", COUNTER)
        if wanted.never_ambient_if_perishable and self.is_uncooled_food:
            sentence = (
                "The recipient has not agreed to perishables in a compartment without cooling."
            )
            return _refuse(sentence, COUNTER)
        return None

    def object_to_locker(self, *, has_keypad: bool) -> Refusal | None:
        """CONSENT_MISSING where this locker cannot be opened in the way they need, else None."""
        if self.preferences.never_app_only and not has_keypad:
            sentence = "The recipient has not agreed to a locker that only a phone opens."
            return _refuse(sentence, COUNTER)
        return None

    def allows_sill(self, sill_height_mm: int) -> bool:
        """Whether they can reach a compartment whose sill is so high."""
        reach = self.preferences.reach
        return reach is None or reach.holds(sill_height_mm)

    def narrow(self, asked: ReachBand | None) -> ReachBand | Refusal | None:
        """What is within their reach and within what was asked for; CONSENT_MISSING for nothing."""
        own = self.preferences.reach
        if own is None or asked is None:
            return own or asked
        lowest = max(own.lowest_mm, asked.lowest_mm)
        highest = min(own.highest_mm, asked.highest_mm)
        return OUT_OF_REACH if lowest > highest else ReachBand(lowest, highest)


def _refuse(sentence: str, what_next: str) -> Refusal:
    return Refusal(ProblemCode.CONSENT_MISSING, sentence, "parcel", next=what_next)


OUT_OF_REACH = _refuse("The recipient cannot reach a compartment at this height.", COUNTER)
