"""What an operator or manager writes about a hub, checked before it becomes a row."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.hubs.rules import Closure, HubKind, Opening, Position, check_week
from server.kit.errors import Refusal

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence

MAX_OPENINGS = 42
"""Weekly spans of a hub: six a day."""

MAX_CLOSURES = 100
"""Closures to come of one hub."""

REASON_CHARACTERS = 200

_LIMITS = {"name": 120, "street": 120, "postal_code": 16, "city": 120}


@dataclass(frozen=True, slots=True, kw_only=True)
class HubDraft:
    """A hub that is to be made."""

    partner_id: uuid.UUID
    name: str
    kind: HubKind
    time_zone: str
    street: str
    postal_code: str
    city: str
    country: str
    position: Position
    wheelchair_access: bool = False
    low_connectivity: bool = False


@dataclass(frozen=True, slots=True)
class Hours:
    """All weekly spans and all closures to come of a hub; they replace what was there."""

    week: Sequence[Opening]
    closures: Sequence[Closure]


def check_draft(draft: HubDraft) -> Refusal | None:
    """Why this cannot become a hub, or None."""
    for field, limit in _LIMITS.items():
        if not is_line(getattr(draft, field), limit):
            return _wrong(field, f"must be 1 to {limit} characters on one line")
    if not re.fullmatch(r"[A-Z]{2}", draft.country):
        return _wrong("country", "must be two capital letters of ISO 3166")
    return None


def check_hours(hours: Hours) -> Refusal | None:
    """Why these cannot be the hours of a hub, or None."""
    if len(hours.week) > MAX_OPENINGS:
        return _wrong("week", f"must be at most {MAX_OPENINGS} spans")
    if len(hours.closures) > MAX_CLOSURES:
        return _wrong("closures", f"must be at most {MAX_CLOSURES}")
    reasons = [closure.reason for closure in hours.closures if closure.reason]
    if not all(is_line(reason, REASON_CHARACTERS) for reason in reasons):
        return _wrong("closures", f"must have reasons of at most {REASON_CHARACTERS} characters")
    try:
        check_week(hours.week)
    except ValueError as error:
        return _wrong("week", str(error))
    return None


def is_line(text: str, limit: int) -> bool:
    """Whether this is one line of something visible, within the limit."""
    return bool(text.strip()) and len(text) <= limit and text.isprintable()


def _wrong(field: str, rule: str) -> Refusal:
    return Refusal(ProblemCode.INPUT_INVALID, f"{field}: {rule}.", field)
