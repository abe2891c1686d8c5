"""Bytes as text of the 45 letters that a QR code keeps in 5.5 bits each (RFC 9285)."""

from __future__ import annotations

from schema.codec import Malformed

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"  # RFC 9285 s. 4
_BASE = len(_ALPHABET)
_DIGITS = {letter: number for number, letter in enumerate(_ALPHABET)}


def as_base45(data: bytes) -> str:
    """The text of these bytes: three letters for two of them."""
    out = []
    for at in range(0, len(data), 2):
        pair = data[at : at + 2]
        number = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            number, digit = divmod(number, _BASE)
            out.append(_ALPHABET[digit])
    return "".join(out)


def parse_base45(text: str) -> bytes:
    """The bytes of a text; Malformed unless it is the one that `as_base45` makes of them."""
    out = bytearray()
    for at in range(0, len(text), 3):
        group = text[at : at + 3]
        try:
            number = sum(_DIGITS[letter] * _BASE**place for place, letter in enumerate(group))
            out += number.to_bytes(len(group) - 1, "big")
        except (KeyError, OverflowError) as error:
            raise Malformed("not base45") from error
        if len(group) == 1:
            raise Malformed("not base45")
    return bytes(out)
