"""How rows become the JSON that a person takes along: nobody else's id, and no secret. Pure."""

from __future__ import annotations

import base64
import uuid
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

HIDDEN = frozenset(
    {
        # Who else had to do with it is not theirs to know by an id.
        "actor_id",
        "adopted_by",
        "confirmed_by",
        "ended_by",
        "given_by",
        "granted_by",
        "holder_id",
        "opened_by",
        "person_id",
        "recipient_id",
        "resolved_by",
        "revoked_by",
        "sender_id",
        "staff_id",
        "subject_id",
        # Hashes and encodings of what stands beside them in words.
        "content_hash",
        "public_key",
        "raw",
        "told",
    }
)
"""Columns that are left out, of whatever table."""

MOST_ROWS = 5_000
"""Of one table in one page; where there were more, the page says which table was cut."""

PARCELS_AT_ONCE = 10
"""Parcels of one page, each with its receipt."""


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as JSON takes it: instants in ISO 8601, bytes in base64."""
    return {_camel(name): _value(value) for name, value in row.items() if name not in HIDDEN}


def as_text(raw: bytes | None) -> str | None:
    """Bytes in base64."""
    return None if raw is None else base64.b64encode(raw).decode()


def _value(value: Any) -> Any:
    if isinstance(value, bytes):
        return as_text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, uuid.UUID):
        return f"{value}"
    return value.value if isinstance(value, Enum) else value


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
