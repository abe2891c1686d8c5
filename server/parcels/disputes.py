"""A claim that a collection was not right: what may be said, by whom, and how it may end. Pure."""

from __future__ import annotations

from enum import StrEnum

from server.parcels.states import ParcelState


class DisputeReason(StrEnum):
    """What somebody says was wrong with a collection."""

    EMPTY = "EMPTY"
    """Nothing was inside."""
    NOT_OPENED = "NOT_OPENED"
    """The door never opened."""
    NOT_MINE = "NOT_MINE"
    """Something else was inside."""
    NOT_ME = "NOT_ME"
    """It was somebody else who took it."""


class DisputeOutcome(StrEnum):
    """What becomes of a parcel whose collection was disputed (P30)."""

    COLLECTED = "COLLECTED"
    """The collection stands as it was."""
    LOST = "LOST"
    """It is gone."""
    RETURNED = "RETURNED"
    """It is with its sender."""
    READY_FOR_PICKUP = "READY_FOR_PICKUP"
    """It was found inside, and waits again."""

    @property
    def state(self) -> ParcelState:
        """The state that the parcel comes to."""
        return ParcelState(self.value)
