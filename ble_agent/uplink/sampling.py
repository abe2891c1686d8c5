"""Takes readings at a steady pace: what has changed, and once an hour what has not."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from ble_agent.clock import Quality
from ble_agent.errors import StateError, StoreFull
from ble_agent.journal.pruning import TIGHT_ROOM
from schema.journal import DECIDEGREES
from schema.readings import WHOLE_LOCKER, Reading, ReadingKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ble_agent.climate.keeping import Climates
    from ble_agent.clock import Cancellable, Scheduler, TrustedClock
    from ble_agent.hardware.port import Thermometer
    from ble_agent.journal.readings import Readings
    from ble_agent.store import Store

logger = logging.getLogger(__name__)

EVERY_S = 15 * 60
"""The heartbeat of a locker (DOMAIN 5.1)."""

AT_LEAST_EVERY_S = 3600
"""A value that stays is told again after this long, so that silence is not taken for it."""

STEPS = {ReadingKind.TEMPERATURE: 5, ReadingKind.STORAGE_FREE: 10}
"""A value that moved by less is no news: half a degree, one part in a hundred of the storage."""

Channel = tuple[ReadingKind, int]


class Sampling:
    """Measures for as long as it runs.

    A locker that does not know the time takes no readings, for they would be dated wrongly; one
    that is short of room takes none either. Whether cooled compartments keep their temperature is
    watched all the same, for that is a fact. `on_failure` is told of a store that serves no more.
    """

    def __init__(
        self,
        readings: Readings,
        store: Store,
        *,
        thermometer: Thermometer | None,
        compartments: Sequence[int],
        climates: Climates,
        clock: TrustedClock,
        scheduler: Scheduler,
        on_failure: Callable[[StateError], None],
    ) -> None:
        self._readings = readings
        self._store = store
        self._thermometer = thermometer
        self._compartments = compartments
        self._climates = climates
        self._clock = clock
        self._scheduler = scheduler
        self._on_failure = on_failure
        self._told: dict[Channel, Reading] = {}
        self._next: Cancellable | None = None

    def start(self) -> None:
        """Measure now and from now on."""
        self._next = self._scheduler.call_later(EVERY_S, self.start)
        try:
            self.sample()
        except StoreFull as error:
            logger.warning("no room for readings: %s", error)
        except StateError as error:
            self._on_failure(error)

    def stop(self) -> None:
        """Measure no more."""
        if self._next is not None:
            self._next.cancel()

    def sample(self) -> None:
        """Measure once and keep what is news. Raises a StateError, and nothing was kept."""
        degrees = {comp: self._measure(comp) for comp in self._compartments}
        if self._thermometer is not None:
            self._climates.observe(degrees)
        room = self._store.room()
        if self._clock.quality is Quality.FLOOR_ONLY or room < TIGHT_ROOM:
            return
        t = self._clock.now()
        measured = {
            channel: Reading(t, channel[1], channel[0], value)
            for channel, value in _channels(room, degrees)
        }
        fresh = {channel: one for channel, one in measured.items() if self._is_news(channel, one)}
        if fresh:
            self._readings.add(list(fresh.values()))
            self._told |= fresh

    def _measure(self, comp: int) -> int | None:
        """Tenths of a degree, as far as they can be told; None where no number is measured."""
        degrees = self._thermometer.temperature_c(comp) if self._thermometer else None
        if degrees is None or not math.isfinite(degrees):
            return None
        return min(max(round(degrees * 10), DECIDEGREES[0]), DECIDEGREES[-1])

    def _is_news(self, channel: Channel, reading: Reading) -> bool:
        told = self._told.get(channel)
        if told is None or not 0 <= reading.t - told.t < AT_LEAST_EVERY_S:
            return True
        return abs(reading.value - told.value) >= STEPS[channel[0]]


def _channels(room: float, degrees: Mapping[int, int | None]) -> Iterator[tuple[Channel, int]]:
    yield (ReadingKind.STORAGE_FREE, WHOLE_LOCKER), round(room * 1000)
    for comp, value in degrees.items():
        if value is not None:
            yield (ReadingKind.TEMPERATURE, comp), value
