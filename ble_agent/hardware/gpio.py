"""Real pins by gpiozero: a driver output per bolt, an input per contact and sensor.

All inputs are pulled up: with the default levels a cut wire reads as an open door, and at a sensor
as no parcel. All bolts are switched off when the pins are taken.
What software cannot promise: if the machine dies or the process is killed while a bolt is
energised, the pin may keep its level until the next start. Drive solenoids through a stage that
limits the time by itself.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ble_agent.errors import HardwareFailed, SettingsRefused
from ble_agent.hardware.port import Door, Visitor
from ble_agent.hardware.watchers import Watchers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ble_agent.clock import Scheduler
    from ble_agent.hardware.pinmap import Level, PinMap, Pins


class _Bolt(Protocol):
    def on(self) -> None: ...
    def off(self) -> None: ...
    def close(self) -> None: ...


class _Contact(Protocol):
    """An input pulled up: active means low."""

    is_active: bool
    when_activated: Callable[[], None]
    when_deactivated: Callable[[], None]

    def close(self) -> None: ...


class _Pins:
    """Makes gpiozero's devices; gpiozero itself is loaded by the first of these objects."""

    def __init__(self, pin_factory: object | None) -> None:
        try:
            import gpiozero
        except ImportError as error:
            raise SettingsRefused("GPIO needs gpiozero: install the extra `sensors`") from error
        self._gpiozero = gpiozero
        self._pin_factory = pin_factory
        self.errors: tuple[type[Exception], ...] = (gpiozero.GPIOZeroError, OSError)

    def open_bolt(self, pin: int, on: Level) -> _Bolt:
        bolt: _Bolt = self._gpiozero.DigitalOutputDevice(
            pin, active_high=on == "high", initial_value=False, pin_factory=self._pin_factory
        )
        return bolt

    def open_contact(self, pin: int) -> _Contact:
        contact: _Contact = self._gpiozero.DigitalInputDevice(
            pin, pull_up=True, pin_factory=self._pin_factory
        )
        return contact


class GpioHardware:
    """`Hardware` on the pins of a `PinMap`.

    Bolts are driven by one thread of their own, so that one coil draws current at a time and no
    pulse is longer than the map says, however busy the event loop is. A door change is observed
    `debounce_ms` after the contact first moved: the contact is read then, so what it did
    meanwhile goes unseen. The occupancy sensor is read when asked. An input that cannot be read
    counts as silent.
    """

    def __init__(
        self,
        pin_map: PinMap,
        *,
        scheduler: Scheduler,
        pin_factory: object | None = None,
        hold: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the pins and switch all bolts off.

        `pin_factory` is gpiozero's, None for the one it finds itself; `hold` waits out a pulse
        in the driver's thread. Raises HardwareFailed when a pin cannot be had (all taken so far
        are let go), SettingsRefused without gpiozero.
        """
        self._map = pin_map
        self._scheduler = scheduler
        self._hold = hold
        self._watchers = Watchers(scheduler)
        self._settling: set[int] = set()
        self._closed = False
        self._bolts: dict[int, _Bolt] = {}
        self._contacts: dict[int, _Contact] = {}
        self._sensors: dict[int, _Contact | None] = {}
        pins = _Pins(pin_factory)
        self._errors = pins.errors
        with ExitStack() as undo:
            try:
                for row in pin_map.compartments:
                    self._open(row, pins, undo)
            except self._errors as error:
                raise HardwareFailed(f"the pins cannot be had: {error}") from error
            self._held = undo.pop_all()
        self._driver = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bolts")
        for comp, contact in self._contacts.items():
            contact.when_activated = contact.when_deactivated = partial(self._cross_over, comp)
        # After the edges are listened to: a door that moves in between is read again later.
        self._doors = {comp: self._read_door(comp) for comp in self._contacts}

    @property
    def compartments(self) -> Sequence[int]:
        """Those of the map; the numbers may have gaps."""
        return tuple(self._bolts)

    async def pulse(self, comp: int, visitor: Visitor) -> None:
        """Wait for the turn of this bolt, then energise it for `pulse_ms`."""
        bolt = self._bolts[comp]
        if self._closed:
            raise HardwareFailed(f"bolt {comp} is not driven: the pins are closed")
        try:
            await asyncio.get_running_loop().run_in_executor(self._driver, self._fire, bolt)
        except self._errors as error:
            raise HardwareFailed(f"bolt {comp} cannot be driven: {error}") from error

    def door(self, comp: int) -> Door:
        """The contact as last settled; UNKNOWN if it could not be read then."""
        return self._doors[comp]

    def occupied(self, comp: int) -> bool | None:
        """The level of the pin at this moment, not debounced."""
        sensor = self._sensors[comp]
        return None if sensor is None else self._is_at(sensor, self._map.parcel_present)

    def watch(self, listener: Callable[[int, Door], None]) -> Callable[[], None]:
        """As the port says; a change takes `debounce_ms` to be observed."""
        return self._watchers.add(listener)

    async def close(self) -> None:
        """As the port says; waits for a pulse that has begun, cancels those that wait."""
        if self._closed:
            return
        self._closed = True
        self._watchers.clear()
        await asyncio.to_thread(self._driver.shutdown, cancel_futures=True)
        self._held.close()

    def _open(self, row: Pins, pins: _Pins, undo: ExitStack) -> None:
        comp = row.number
        self._bolts[comp] = bolt = pins.open_bolt(row.bolt, self._map.bolt_on)
        undo.callback(bolt.close)
        self._contacts[comp] = contact = pins.open_contact(row.door)
        undo.callback(contact.close)
        self._sensors[comp] = None
        if row.occupied is not None:
            self._sensors[comp] = sensor = pins.open_contact(row.occupied)
            undo.callback(sensor.close)

    def _fire(self, bolt: _Bolt) -> None:
        """In the driver's thread. Off comes in every case; switching off twice is harmless."""
        try:
            bolt.on()
            self._hold(self._map.pulse_ms / 1000)
        finally:
            bolt.off()

    def _cross_over(self, comp: int) -> None:
        """In a thread of gpiozero's, at each edge of a door contact."""
        self._scheduler.call_soon_threadsafe(partial(self._on_edge, comp))

    def _on_edge(self, comp: int) -> None:
        if comp in self._settling or self._closed:
            return
        self._settling.add(comp)
        self._scheduler.call_later(self._map.debounce_ms / 1000, partial(self._settle, comp))

    def _settle(self, comp: int) -> None:
        self._settling.discard(comp)
        if self._closed:
            return
        door = self._read_door(comp)
        if door is not self._doors[comp]:
            self._doors[comp] = door
            self._watchers.tell(comp, door)

    def _read_door(self, comp: int) -> Door:
        match self._is_at(self._contacts[comp], self._map.door_closed):
            case True:
                return Door.CLOSED
            case False:
                return Door.OPEN
            case None:
                return Door.UNKNOWN

    def _is_at(self, contact: _Contact, level: Level) -> bool | None:
        try:
            return contact.is_active == (level == "low")
        except self._errors:
            return None
