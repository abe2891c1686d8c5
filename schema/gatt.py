"""How SLK1 sits on Bluetooth: identifiers, the advertisement, ATT errors and fragments.

Pure: time comes in as an argument, bytes go in and out. What a message means is not known here.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

_UUID_TAIL: Final = "-6b0a-5f62-9d3e-4f1a2c9b7e1"
SERVICE_UUID: Final = "7d1c5e40" + _UUID_TAIL + "0"
HELLO_UUID: Final = "7d1c5e40" + _UUID_TAIL + "1"
COMMAND_UUID: Final = "7d1c5e40" + _UUID_TAIL + "2"
RESULT_UUID: Final = "7d1c5e40" + _UUID_TAIL + "3"

COMPANY_ID: Final = 0xFFFF
"""Whose manufacturer data it is: 0xFFFF, which Bluetooth leaves for those without a number."""

MAX_MESSAGE: Final = 1400
"""Bytes of the longest whole message, either way (PROTOCOL, section 4)."""
MAX_ATTRIBUTE: Final = 512
"""Bytes of the longest attribute value (Bluetooth Core, Vol 3, Part F, 3.2.9)."""
UNKNOWN_MTU_FRAGMENT: Final = 180
"""Bytes of a fragment when the phone cannot learn its MTU; one PDU on phones that agree on 185."""
SILENCE_S: Final = 5.0
"""A message whose next fragment takes longer than this is dropped."""
MAX_FRAGMENTS: Final = 128
"""The index has seven bits."""

_LAST: Final = 0x80
_INDEX: Final = 0x7F
_ATT_WRITE_HEADER: Final = 3
_LID_BYTES: Final = 8
_TAG_BYTES: Final = 6


class AttError(IntEnum):
    """Refusals that travel in clear, because there is no session yet to seal them."""

    BAD_FRAME = 0x80
    """A fragment out of order or without content: start the message again at index 0."""
    NO_HELLO = 0x81
    """Nothing to answer: read the hello first. Each hello serves one request, for 15 s."""
    BUSY = 0x82
    """The former message is still being worked on, or all places are taken: try again."""
    BAD_MESSAGE = 0x83
    """The message did not open under this hello: wrong locker key, or altered on the way."""
    TOO_LARGE = 0x84
    """The message grew beyond 1400 bytes and was dropped."""


def lid_tag(lid: bytes) -> bytes:
    """Return the part of a locker id that is advertised, by which a phone picks its locker."""
    if len(lid) != _LID_BYTES:
        raise ValueError(f"a locker id has {_LID_BYTES} bytes, got {len(lid)}")
    return lid[:_TAG_BYTES]


def advertisement(lid: bytes) -> bytes:
    """Return the whole advertising payload: flags, service and tag, exactly the 31 bytes there are.

    Flags 0x06 are general discoverable, no BR/EDR. Nothing is left for a scan response.
    """
    uuid = bytes.fromhex(SERVICE_UUID.replace("-", ""))[::-1]
    maker = COMPANY_ID.to_bytes(2, "little") + lid_tag(lid)
    return b"\x02\x01\x06" + b"\x11\x07" + uuid + bytes((1 + len(maker), 0xFF)) + maker


def fragment_size(mtu: int | None) -> int:
    """Return how many bytes a fragment may have, header included; None: MTU unknown."""
    if mtu is None:
        return UNKNOWN_MTU_FRAGMENT
    return min(mtu - _ATT_WRITE_HEADER, MAX_ATTRIBUTE)


def capacity(size: int) -> int:
    """Return the longest message that fragments of `size` bytes carry: the index has seven bits."""
    return max(0, min(MAX_MESSAGE, MAX_FRAGMENTS * (size - 1)))


def split(message: bytes, size: int) -> list[bytes]:
    """Cut a message into fragments of at most `size` bytes, header included.

    Raises ValueError for an empty message and for one beyond `capacity(size)`.
    """
    if not 0 < len(message) <= capacity(size):
        raise ValueError(f"{len(message)} bytes do not fit fragments of {size} bytes")
    step = size - 1
    parts = [message[at : at + step] for at in range(0, len(message), step)]
    last = len(parts) - 1
    return [bytes((i | (_LAST if i == last else 0),)) + part for i, part in enumerate(parts)]


def result_value(message: bytes) -> bytes:
    """Return what reading the result gives: the message as one fragment, or nothing if too long."""
    return bytes((_LAST,)) + message if 0 < len(message) < MAX_ATTRIBUTE else b""


class Reassembler:
    """Puts one direction of one connection together again; holds at most one unfinished message.

    `longest` is the longest fragment that came, good or bad: as much may be sent back.
    """

    __slots__ = ("_expected", "_heard_s", "_parts", "longest")

    def __init__(self) -> None:
        self.longest = 0
        self._parts = bytearray()
        self._expected = 0
        self._heard_s = 0.0

    def take(self, fragment: bytes, *, now_s: float) -> bytes | AttError | None:
        """Return the message that this completes, None while more must come, or the error to send.

        After an error the unfinished message is gone. `now_s` is monotonic time.
        """
        self.longest = max(self.longest, min(len(fragment), MAX_ATTRIBUTE))
        if now_s - self._heard_s > SILENCE_S:
            self.clear()
        self._heard_s = now_s
        if len(fragment) < 2:
            return self._refuse(AttError.BAD_FRAME)
        index = fragment[0] & _INDEX
        if index == 0:
            self.clear()
        elif index != self._expected:
            return self._refuse(AttError.BAD_FRAME)
        return self._append(fragment)

    def clear(self) -> None:
        """Forget the unfinished message; `longest` stays."""
        self._parts.clear()
        self._expected = 0

    def _append(self, fragment: bytes) -> bytes | AttError | None:
        self._parts += fragment[1:]
        self._expected += 1
        if len(self._parts) > MAX_MESSAGE:
            return self._refuse(AttError.TOO_LARGE)
        if not fragment[0] & _LAST:
            return None
        message = bytes(self._parts)
        self.clear()
        return message

    def _refuse(self, error: AttError) -> AttError:
        self.clear()
        return error
