"""The strict deterministic subset of CBOR (RFC 8949 s. 4.2.1) in which every SLK1 byte is written.

One value has one encoding; the decoder refuses whatever the encoder could not have written.
"""

from __future__ import annotations

from typing import Final, TypeAlias

Value: TypeAlias = "int | bytes | str | bool | list[Value] | dict[int, Value] | None"

MAX_DEPTH: Final = 8
"""Arrays and maps inside one another (PROTOCOL 1)."""

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP = range(6)
_SIMPLE: Final[dict[int, Value]] = {0xF4: False, 0xF5: True, 0xF6: None}
_ONE_BYTE_LIMIT: Final = 24
_ONE_BYTE: Final = tuple(bytes([byte]) for byte in range(256))


class Malformed(ValueError):
    """Bytes, a type, a length or a signature form that SLK1 does not allow: the one parse error.

    Whatever a library raised on hostile input (`struct`, libsodium, zlib) is its `__cause__`.
    """


def encode(value: Value) -> bytes:
    """The only encoding of `value`; Malformed when the subset cannot express it."""
    out = bytearray()
    _write(out, value, 0)
    return bytes(out)


def decode(data: bytes) -> Value:
    """The value of exactly these bytes; Malformed on anything `encode` would not have written."""
    reader = _Reader(data)
    value = reader.value(0)
    if reader.at != len(data):
        raise Malformed(f"{len(data) - reader.at} bytes after the value")
    return value


def _head(major: int, argument: int) -> bytes:
    if argument < _ONE_BYTE_LIMIT:
        return _ONE_BYTE[major << 5 | argument]
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return _ONE_BYTE[major << 5 | code] + argument.to_bytes(size, "big")
    raise Malformed("an integer of more than 64 bits")


def _write(out: bytearray, value: Value, depth: int) -> None:
    match value:
        case None:
            out.append(0xF6)
        case bool():
            out.append(0xF5 if value else 0xF4)
        case int():
            out += _integer(value)
        case bytes():
            out += _head(_BYTES, len(value)) + value
        case str():
            out += _text(value)
        case list() | dict():
            _write_container(out, value, depth + 1)
        case _:
            raise Malformed(f"{type(value).__name__} has no encoding")


def _integer(value: int) -> bytes:
    return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)


def _text(value: str) -> bytes:
    try:
        raw = value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise Malformed("text that is not valid Unicode") from error
    return _head(_TEXT, len(raw)) + raw


def _write_container(out: bytearray, value: list[Value] | dict[int, Value], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed(f"more than {MAX_DEPTH} arrays and maps inside one another")
    if isinstance(value, list):
        out += _head(_ARRAY, len(value))
        for item in value:
            _write(out, item, depth)
        return
    if any(isinstance(key, bool) or not isinstance(key, int) for key in value):
        raise Malformed("a map key that is not an integer")
    out += _head(_MAP, len(value))
    for raw, key in sorted((_integer(key), key) for key in value):
        out += raw
        _write(out, value[key], depth)


class _Reader:
    """A position in the bytes; every step either advances or raises Malformed."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def value(self, depth: int) -> Value:
        if self.at >= len(self.data):
            raise Malformed("the bytes end inside a value")
        first = self.data[self.at]
        self.at += 1
        major, argument = first >> 5, first & 31
        if major > _MAP:
            return self._simple(first)
        if argument >= _ONE_BYTE_LIMIT:
            argument = self._argument(argument)
        if major == _BYTES:
            return self._take(argument)
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _TEXT:
            return self._text(argument)
        return self._container(major, argument, depth + 1)

    def _simple(self, first: int) -> Value:
        if first not in _SIMPLE:
            raise Malformed("a tag, a float or an unknown simple value")
        return _SIMPLE[first]

    def _container(self, major: int, count: int, depth: int) -> Value:
        if depth > MAX_DEPTH:
            raise Malformed(f"more than {MAX_DEPTH} arrays and maps inside one another")
        if count > len(self.data) - self.at:
            # Each member needs a byte at least, so a huge count cannot make us work for it.
            raise Malformed("a length beyond the end of the bytes")
        if major == _ARRAY:
            return [self.value(depth) for _ in range(count)]
        return self._map(count, depth)

    def _take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise Malformed("a length beyond the end of the bytes")
        self.at += size
        return self.data[self.at - size : self.at]

    def _argument(self, code: int) -> int:
        if code > 27:
            raise Malformed("an indefinite length or a reserved head")
        size = 1 << (code - 24)
        argument = int.from_bytes(self._take(size), "big")
        if argument < (_ONE_BYTE_LIMIT if size == 1 else 1 << 4 * size):
            raise Malformed("not the shortest form of an integer")
        return argument

    def _text(self, size: int) -> str:
        try:
            return self._take(size).decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("text that is not UTF-8") from error

    def _map(self, count: int, depth: int) -> dict[int, Value]:
        found: dict[int, Value] = {}
        former = b""
        for _ in range(count):
            start = self.at
            key = self.value(depth)
            raw = self.data[start : self.at]
            if isinstance(key, bool) or not isinstance(key, int):
                raise Malformed("a map key that is not an integer")
            if raw <= former:
                raise Malformed("map keys out of order or twice")
            former = raw
            found[key] = self.value(depth)
        return found
