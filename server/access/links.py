"""A guest's link: which parcel it is about, signed, and read without trusting it.

Knows neither the database nor what a link is good for.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from schema.ids import KEY_ID_SIZE
from server.kit.keyring import derive

if TYPE_CHECKING:
    from collections.abc import Iterable

    from server.kit.keyring import PrivateKey

LINK_LIFE = timedelta(days=30)
"""How long a link is good: beyond the longest wait for a parcel (7 days, DOMAIN 5.1) and its
pauses; as long as contacts of people without an account are kept (DOMAIN 5.4).
"""

PASSES_EACH = 12
"""PINs that one series of links gives: a person asks once, perhaps daily, and writes it down."""

MAX_SERIES = 65_535

_SERIES_SIZE = 2
_ID_SIZE = 16
_MARK_SIZE = 16
"""128 bits of HMAC-SHA-256: none is guessed, and the link still fits into a text message."""

_SIZE = KEY_ID_SIZE + _ID_SIZE + _SERIES_SIZE + _MARK_SIZE

LINK_CHARACTERS = _SIZE * 4 // 3
"""A whole number of base64 groups, so no two texts mean the same link."""

_PURPOSE = b"guest link"


@dataclass(frozen=True, slots=True)
class LinkName:
    """What a link is about: a parcel, and the how-manieth time that links to it were issued."""

    parcel_id: uuid.UUID
    series: int


def write_link(key: PrivateKey, name: LinkName) -> str:
    """The link of this name, 48 characters for an address; always the same by the same key."""
    body = name.parcel_id.bytes + name.series.to_bytes(_SERIES_SIZE)
    return base64.urlsafe_b64encode(key.kid + body + _mark(key, body)).decode()


def read_link(text: str, keys: Iterable[PrivateKey]) -> LinkName | None:
    """The name in a link that one of the keys signed; None for every other text."""
    if len(text) != LINK_CHARACTERS or not text.isascii():
        return None
    try:
        raw = base64.b64decode(text, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    kid, body, mark = raw[:KEY_ID_SIZE], raw[KEY_ID_SIZE:-_MARK_SIZE], raw[-_MARK_SIZE:]
    for key in keys:
        if key.kid == kid and hmac.compare_digest(_mark(key, body), mark):
            return LinkName(uuid.UUID(bytes=body[:_ID_SIZE]), int.from_bytes(body[_ID_SIZE:]))
    return None


def link_address(public_url: str, link: str) -> str:
    """Where the link leads. What follows the `#` never leaves the browser by itself, so it is in
    no log of a server or proxy and in no `Referer`.
    """
    return f"{public_url}/g/#{link}"


def _mark(key: PrivateKey, body: bytes) -> bytes:
    return derive(key, _PURPOSE, body)[:_MARK_SIZE]
