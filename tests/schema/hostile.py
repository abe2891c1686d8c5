"""Hostile bytes: valid objects bent at random, as bytes and as values, from a seeded source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codec import Malformed, Value, decode, encode

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

LONGEST = 1400
"""Bytes of an input: as long as a message may be, so that what follows is the parsers' work."""

EDGES: tuple[int, ...] = (
    *(-1, 0, 1, 2, 3, 5, 8, 23, 24, 32, 63, 64, 65, 99, 100, 255, 256, 65535, 65536),
    *((1 << 32) - 1, 1 << 32, (1 << 53) - 1, 1 << 53, (1 << 64) - 1, -(1 << 53), -(1 << 64)),
)
ODD: tuple[Value, ...] = (None, True, False, b"", "", "x", [], {}, b"*", [None], {0: 0}, {-1: b""})
SIZES = (0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65)


def flip_bits(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """A specimen with one to eight bits turned over."""
    data = bytearray(rng.choice(specimens))
    for _ in range(rng.randint(1, 8) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def truncate(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """A specimen cut short at either end."""
    data = rng.choice(specimens)
    at = rng.randint(0, len(data))
    return data[:at] if rng.random() < 0.8 else data[at:]


def splice(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """The head of one specimen and the tail of another."""
    head, tail = rng.choice(specimens), rng.choice(specimens)
    return head[: rng.randint(0, len(head))] + tail[rng.randint(0, len(tail)) :]


def extend(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """A specimen with bytes put in, or a part of itself repeated."""
    data = rng.choice(specimens)
    at = rng.randint(0, len(data))
    more = rng.randbytes(rng.randint(1, 16)) if rng.random() < 0.5 else data[:at]
    return data[:at] + more + data[at:]


def inflate(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """A specimen in which one byte became a head that promises a great deal."""
    data = rng.choice(specimens)
    at = rng.randrange(len(data)) if data else 0
    size = rng.choice((1, 2, 4, 8))
    head = bytes([rng.randrange(8) << 5 | 23 + size.bit_length()])
    argument = rng.choice((b"\xff" * size, b"\x7f" + b"\xff" * (size - 1), rng.randbytes(size)))
    return data[:at] + head + argument + data[at + 1 :]


def invent(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """Random bytes, often behind the beginning of a specimen."""
    start = rng.choice(specimens)[: rng.randint(0, 12)] if rng.random() < 0.5 else b""
    return start + rng.randbytes(rng.randint(0, 120))


def bend(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """A specimen with one value changed and well encoded again: it reaches the inner checks."""
    data = rng.choice(specimens)
    try:
        return encode(_bent(rng, decode(data)))
    except Malformed:
        return flip_bits(rng, specimens)


MUTATIONS = (flip_bits, truncate, splice, extend, inflate, invent, bend, bend, bend)


def hostile_bytes(rng: random.Random, specimens: Sequence[bytes]) -> bytes:
    """One input of at most `LONGEST` bytes, by one or two mutations."""
    data = rng.choice(MUTATIONS)(rng, specimens)
    if rng.random() < 0.2:
        data = rng.choice(MUTATIONS)(rng, (data,))
    return data[:LONGEST]


def _bent(rng: random.Random, value: Value) -> Value:
    """`value` with one place in it changed, also inside byte strings that hold values."""
    if isinstance(value, list) and value and rng.random() < 0.85:
        at = rng.randrange(len(value))
        return [*value[:at], _bent(rng, value[at]), *value[at + 1 :]]
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        return value | {key: _bent(rng, value[key])}
    if isinstance(value, bytes) and len(value) > 8 and rng.random() < 0.8:
        inner = _bent_inside(rng, value)
        return _replaced(rng, value) if inner is None else inner
    return _replaced(rng, value)


def _bent_inside(rng: random.Random, data: bytes) -> bytes | None:
    try:
        inner = decode(data)
        return encode(_bent(rng, inner)) if isinstance(inner, list | dict) else None
    except Malformed:
        return None


def _replaced(rng: random.Random, value: Value) -> Value:
    if rng.random() < 0.3:
        return rng.choice(ODD)
    match value:
        case bool() | None:
            return rng.choice(EDGES)
        case int():
            return rng.choice(EDGES) if rng.random() < 0.7 else value + rng.choice((-1, 1))
        case bytes():
            return rng.randbytes(rng.choice(SIZES))
        case str():
            return value * rng.choice((0, 2, 50))
        case list():
            return value * rng.choice((2, 9)) if rng.random() < 0.5 else value[1:]
        case dict():
            return value | {rng.choice(EDGES): rng.choice(ODD)}
