"""Reading typed fields out of decoded values: every wrong type or length is `Malformed`."""

from __future__ import annotations

from schema.codec import Malformed, Value
from schema.ids import ID_SIZE, LIMIT

COMPARTMENTS = 256
"""Compartment numbers are 0..255 (PROTOCOL 1)."""


def as_array(value: Value, size: int | None = None) -> list[Value]:
    """`value` as an array, of exactly `size` items where a size is given."""
    if not isinstance(value, list) or (size is not None and len(value) != size):
        raise Malformed(f"expected an array{'' if size is None else f' of {size}'}")
    return value


def as_map(value: Value) -> dict[int, Value]:
    """`value` as a map with integer keys."""
    if not isinstance(value, dict):
        raise Malformed("expected a map")
    return value


def as_uint(value: Value, below: int = LIMIT) -> int:
    """`value` as an integer in 0..below-1; a boolean is not one."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < below:
        raise Malformed(f"expected an integer from 0 to {below - 1}")
    return value


def as_int(value: Value) -> int:
    """`value` as an integer of either sign, no further from zero than counters may be."""
    if isinstance(value, bool) or not isinstance(value, int) or not -LIMIT < value < LIMIT:
        raise Malformed("expected an integer")
    return value


def as_bytes(value: Value, size: int | None = None) -> bytes:
    """`value` as a byte string, of exactly `size` bytes where a size is given."""
    if not isinstance(value, bytes) or (size is not None and len(value) != size):
        raise Malformed(f"expected {'bytes' if size is None else f'{size} bytes'}")
    return value


def as_text(value: Value) -> str:
    """`value` as a text string."""
    if not isinstance(value, str):
        raise Malformed("expected text")
    return value


def as_flag(value: Value) -> bool:
    """`value` as true or false."""
    if not isinstance(value, bool):
        raise Malformed("expected true or false")
    return value


def as_id(value: Value) -> bytes:
    """`value` as one of the protocol's 8-byte identifiers."""
    return as_bytes(value, ID_SIZE)


def as_compartment(value: Value) -> int:
    """`value` as a compartment number."""
    return as_uint(value, COMPARTMENTS)


def as_time(value: Value) -> int:
    """`value` as Unix seconds, UTC."""
    return as_uint(value)
