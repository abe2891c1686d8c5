"""Makes durable what is told of cooled compartments: the journal's line and how each stands.

Both are one record, so that whatever happens each change stands in the journal once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ble_agent.climate import Line, Standing, observe
from schema.compartments import ClimateZone
from schema.journal import ExcursionPhase, Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Mapping

    from ble_agent.journal import Journal, Record
    from ble_agent.store import Store

TABLES: Final = (
    # Of a compartment that has been at its temperature; another zone begins anew.
    "CREATE TABLE climates (comp INTEGER PRIMARY KEY, zone TEXT NOT NULL, phase INTEGER NOT NULL,"
    " decidegrees INTEGER NOT NULL, out_s INTEGER) STRICT",
)

Standings = dict[tuple[int, ClimateZone], Standing]


class Climates:
    """Watches the cooled compartments of one locker; used from one thread."""

    def __init__(
        self, store: Store, journal: Journal, *, zones: Callable[[], Mapping[int, ClimateZone]]
    ) -> None:
        """`zones` names the cooled compartments at any time, as the server configured them."""
        self._journal = journal
        self._zones = zones
        self._last_s: float | None = None
        with store.reading() as connection:
            self._standings = _load(connection)

    def observe(self, measured: Mapping[int, int | None]) -> None:
        """Take one reading of each compartment, of those that an entry can tell; None for none.

        A compartment that is not measured at all is not judged. Raises a StateError, and nothing
        was told: the next readings say the same again.
        """
        now_s = self._journal.clock.uptime_s()
        passed_s = 0 if self._last_s is None else max(0, round(now_s - self._last_s))
        changed: Standings = {}
        told: list[tuple[int, Line]] = []
        for comp, zone in sorted(self._zones().items()):
            if comp not in measured:
                continue
            before = self._standings.get((comp, zone), Standing())
            after, lines = observe(zone, before, measured[comp], passed_s=passed_s)
            told += [(comp, line) for line in lines]
            if after != before:
                changed[comp, zone] = after
        self._keep(changed, told)
        self._last_s = now_s
        self._standings |= changed

    def _keep(self, changed: Standings, told: list[tuple[int, Line]]) -> None:
        rows = [(key, one) for key, one in changed.items() if one != self._stored(key, one)]
        if not rows:
            return
        with self._journal.record("climate") as record:
            # If we crash before this is durable, the same is seen and told after the next start.
            for comp, line in told:
                record.append(Kind.EXCURSION, [comp, int(line.phase), line.decidegrees])
            for (comp, zone), standing in rows:
                _put(record, comp, zone, standing)

    def _stored(self, key: tuple[int, ClimateZone], standing: Standing) -> Standing:
        """The former standing with the doubt of the new one, which is not stored."""
        before = self._standings.get(key, Standing())
        return Standing(before.told, before.out_s, standing.doubt)


def _put(record: Record, comp: int, zone: ClimateZone, standing: Standing) -> None:
    if standing.told is None:
        return
    record.connection.execute(
        "INSERT OR REPLACE INTO climates (comp, zone, phase, decidegrees, out_s)"
        " VALUES (?, ?, ?, ?, ?)",
        (
            comp,
            zone.value,
            int(standing.told.phase),
            standing.told.decidegrees,
            standing.out_s,
        ),
    )


def _load(connection: sqlite3.Connection) -> Standings:
    rows = connection.execute("SELECT comp, zone, phase, decidegrees, out_s FROM climates")
    return {
        (int(comp), ClimateZone(zone)): Standing(
            Line(ExcursionPhase(phase), int(decidegrees)), None if out_s is None else int(out_s)
        )
        for comp, zone, phase, decidegrees, out_s in rows
    }
