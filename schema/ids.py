"""Typed identifiers of the protocol and their text forms."""

from __future__ import annotations

import base64
import binascii
from typing import NewType

LockerId = NewType("LockerId", bytes)
StayId = NewType("StayId", bytes)
TokenId = NewType("TokenId", bytes)
KeyId = NewType("KeyId", bytes)

ID_SIZE = 8
"""Bytes of a locker id, a stay and a `cti` (PROTOCOL 1)."""

KEY_ID_SIZE = 2
"""Bytes of a `kid` (PROTOCOL 2)."""

EVERY_LOCKER = LockerId(b"*")
"""The audience of a statement that is meant for every locker."""

OWN_CHAIN = LockerId(b"SLK1-own")
"""Under this id a server keeps a chain of its own in its log; no locker can have it."""

LIMIT = 1 << 53
"""Times, counters and sequence numbers stay below this, so that JSON readers keep them exact."""


def locker_text(lid: LockerId) -> str:
    """The text form of a locker id: base64url without padding, 11 characters for 8 bytes."""
    return base64.urlsafe_b64encode(lid).rstrip(b"=").decode("ascii")


def parse_locker_text(text: str) -> LockerId:
    """The locker id that `text` names; ValueError unless it is the one canonical text form."""
    try:
        lid = LockerId(base64.urlsafe_b64decode(text.encode("ascii") + b"="))
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("a locker id is 11 characters of base64url") from error
    if len(lid) != ID_SIZE or locker_text(lid) != text:
        raise ValueError("a locker id is 11 characters of base64url")
    return lid
