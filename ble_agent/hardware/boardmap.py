"""The file that says which board on the line does what: read, checked whole, or refused.

    port = "/dev/ttyUSB0"    # the RS-485 adapter; the only line that has no default
    baud = 19200
    parity = "even"          # even, odd or none
    stop_bits = 1            # with no parity the standard asks for 2; many boards want 1
    poll_ms = 100            # how often every board is asked for its inputs
    timeout_ms = 100         # how long a board may take to answer
    pulse_ms = 500           # how long a bolt is energised
    pulse_register = 100     # only where boards end a pulse by themselves: where they keep its ms
    door_closed = "on"       # what the input of a shut door says
    parcel_present = "on"    # what the input of a sensor that sees a parcel says

    [[compartment]]
    number = 1
    unit = 1                 # the board's own address on the line; 1 if left out
    bolt = 0                 # a coil
    door = 0                 # a discrete input
    occupied = 8             # a discrete input, only where there is a sensor

Coils, inputs and registers are counted from 0, as they travel; a manual that counts coils from
00001, inputs from 10001 and registers from 40001 is one ahead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ble_agent.errors import SettingsRefused
from ble_agent.hardware.wiring import (
    MAX_COMPARTMENT,
    MAX_PULSE_MS,
    MIN_PULSE_MS,
    PULSE_MS,
    parse_table,
    read_wiring,
    take_compartments,
    take_int,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

Parity = Literal["even", "odd", "none"]

BAUDS = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)

BAUD: int = 19200
PARITY: Parity = "even"
"""The defaults of Modbus over serial line 1.02, 2.5.1; the manual of the board decides."""

POLL_MS, MIN_POLL_MS, MAX_POLL_MS = 100, 10, 1000
"""A visitor needs about a second to open and shut a door; ten looks in it leave a margin."""

TIMEOUT_MS, MIN_TIMEOUT_MS, MAX_TIMEOUT_MS = 100, 10, 400
"""At 19200 baud a request and its answer take some 15 ms."""

FIRST_UNIT, LAST_UNIT = 1, 247
"""Addresses of single boards, Modbus over serial line 1.02, 2.2; 0 would speak to all at once."""

LAST_ADDRESS = 0xFFFF


@dataclass(frozen=True, slots=True)
class Places:
    """Where one compartment hangs: a board of the line, a coil and inputs of it."""

    number: int
    unit: int
    bolt: int
    door: int
    occupied: int | None


@dataclass(frozen=True, slots=True)
class BoardMap:
    """A whole locker's wiring on one line: compartments ascending, no coil or input twice."""

    port: str
    baud: int
    parity: Parity
    stop_bits: int
    poll_ms: int
    timeout_ms: int
    pulse_ms: int
    pulse_register: int | None
    door_closed: bool
    parcel_present: bool
    compartments: tuple[Places, ...]


def read_board_map(path: Path) -> BoardMap:
    """The wiring in the file, or SettingsRefused with its name and what is wrong."""
    return read_wiring(path, parse_board_map)


def parse_board_map(text: str) -> BoardMap:
    """The wiring that `text` describes, or SettingsRefused: unknown names are refused too."""
    known = {*BoardMap.__slots__, "compartment"} - {"compartments"}
    table = parse_table(text, known)
    rows = take_compartments(table, Places.__slots__)
    compartments = tuple(map(_parse_compartment, rows))
    _check_unique(compartments)
    pulse_ms = take_int(table, "pulse_ms", MIN_PULSE_MS, MAX_PULSE_MS, default=PULSE_MS)
    timeout_ms = take_int(table, "timeout_ms", MIN_TIMEOUT_MS, MAX_TIMEOUT_MS, default=TIMEOUT_MS)
    # An answer that is missing in a pulse delays its end by the wait and by the quiet after it.
    if pulse_ms + 2 * timeout_ms > MAX_PULSE_MS:
        raise SettingsRefused(
            f"pulse_ms and twice timeout_ms may be {MAX_PULSE_MS} together, got {pulse_ms} and"
            f" {timeout_ms}: a bolt may not stay energised for longer"
        )
    has_register = "pulse_register" in table
    return BoardMap(
        port=_port(table),
        baud=_baud(table),
        parity=_parity(table),
        stop_bits=take_int(table, "stop_bits", 1, 2, default=1),
        poll_ms=take_int(table, "poll_ms", MIN_POLL_MS, MAX_POLL_MS, default=POLL_MS),
        timeout_ms=timeout_ms,
        pulse_ms=pulse_ms,
        pulse_register=take_int(table, "pulse_register", 0, LAST_ADDRESS) if has_register else None,
        door_closed=_is_on(table, "door_closed"),
        parcel_present=_is_on(table, "parcel_present"),
        compartments=compartments,
    )


def _parse_compartment(row: Mapping[str, object]) -> Places:
    number = take_int(row, "number", 0, MAX_COMPARTMENT)
    try:
        return Places(
            number=number,
            unit=take_int(row, "unit", FIRST_UNIT, LAST_UNIT, default=FIRST_UNIT),
            bolt=take_int(row, "bolt", 0, LAST_ADDRESS),
            door=take_int(row, "door", 0, LAST_ADDRESS),
            occupied=take_int(row, "occupied", 0, LAST_ADDRESS) if "occupied" in row else None,
        )
    except SettingsRefused as error:
        raise SettingsRefused(f"compartment {number}: {error}") from error


def _check_unique(compartments: Collection[Places]) -> None:
    users: dict[tuple[int, str, int], str] = {}
    for row in compartments:
        for kind, name, address in (
            ("coil", "bolt", row.bolt),
            ("input", "door", row.door),
            ("input", "occupied", row.occupied),
        ):
            user = f"{name} of compartment {row.number}"
            if address is None:
                continue
            first = users.setdefault((row.unit, kind, address), user)
            if first != user:
                raise SettingsRefused(
                    f"{kind} {address} of board {row.unit} is wanted by {first} and by {user}"
                )


def _port(table: Mapping[str, object]) -> str:
    port = table.get("port")
    if not isinstance(port, str) or not port:
        raise SettingsRefused(f"port must name a serial device, got {port!r}")
    return port


def _baud(table: Mapping[str, object]) -> int:
    baud = take_int(table, "baud", BAUDS[0], BAUDS[-1], default=BAUD)
    if baud not in BAUDS:
        raise SettingsRefused(f"baud must be one of {', '.join(map(str, BAUDS))}, got {baud}")
    return baud


def _parity(table: Mapping[str, object]) -> Parity:
    match table.get("parity", PARITY):
        case "even" | "odd" | "none" as parity:
            return parity
        case other:
            raise SettingsRefused(f'parity must be "even", "odd" or "none", got {other!r}')


def _is_on(table: Mapping[str, object], name: str) -> bool:
    value = table.get(name, "on")
    if value not in ("on", "off"):
        raise SettingsRefused(f'{name} must be "on" or "off", got {value!r}')
    return value == "on"
