"""Public receipts of parcels, read as visits and as how many parcels wait where."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from server.pickups.habits import DELAYS, SLOTS, Arrival

if TYPE_CHECKING:
    from pathlib import Path

Place = tuple[str, str]
"""A cell of the data's grid."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """One parcel: who, where, when it came and when it was fetched."""

    person: str
    place: Place
    arrival: Arrival
    day: int
    month: str
    slot: int
    delay_slots: int

    @property
    def delay(self) -> int:
        """The delay as the forecast tells delays apart."""
        return min(self.delay_slots, DELAYS - 1)


def read_receipts(path: Path) -> list[Receipt]:
    """Every parcel of a file of receipts (csv, also gzipped).

    ValueError, naming the line, for a file that is not of this shape; OSError as it comes.
    """
    receipts = []
    with gzip.open(path, "rt", newline="") if path.suffix == ".gz" else path.open() as file:
        for number, row in enumerate(csv.DictReader(file), start=2):
            try:
                receipts.append(_receipt(row))
            except (KeyError, TypeError, ValueError) as error:
                message = f"line {number} is no receipt: {error!r}"
                raise ValueError(message) from error
    return receipts


def _receipt(row: dict[str, str]) -> Receipt:
    return Receipt(
        person=row["user"],
        place=(row["grid_x"], row["grid_y"]),
        arrival=Arrival(date.fromisoformat(row["arr_date"]).toordinal(), int(row["arr_slot"])),
        day=date.fromisoformat(row["date"]).toordinal(),
        month=row["date"][:7],
        slot=int(row["slot"]),
        delay_slots=int(row["delay_slots"]),
    )


def visits_of(receipts: list[Receipt]) -> list[Receipt]:
    """What one person fetched in one slot is one visit: the parcel that waited least."""
    least: dict[tuple[str, int, int], Receipt] = {}
    for one in receipts:
        key = (one.person, one.day, one.slot)
        if key not in least or one.delay_slots < least[key].delay_slots:
            least[key] = one
    return list(least.values())


def waiting(receipts: list[Receipt], place: Place) -> dict[int, list[float]]:
    """How many parcels were there in each slot of each day, from the first day to the last.

    A parcel is there from the slot in which it came to the one in which it was fetched.
    """
    days = range(min(one.day for one in receipts), max(one.day for one in receipts) + 1)
    counts: Counter[int] = Counter()
    for one in receipts:
        if one.place == place:
            came = one.arrival.day * SLOTS + one.arrival.slot
            counts.update(range(came, one.day * SLOTS + one.slot + 1))
    return {day: [float(counts[day * SLOTS + slot]) for slot in range(SLOTS)] for day in days}


def busiest(receipts: list[Receipt], count: int) -> list[Place]:
    """The places with the most parcels."""
    return [place for place, _ in Counter(one.place for one in receipts).most_common(count)]
