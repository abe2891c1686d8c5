"""What a carrier says about a parcel, checked before it becomes one."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, SizeMm
from server.kit.errors import Refusal

if TYPE_CHECKING:
    import uuid

MAX_WEIGHT_G = 100_000
"""Nobody carries more to a locker."""

NAME_CHARACTERS = 120

KEY_CHARACTERS = 64
"""Longest key by which a sender's phone names what it sends."""

MAX_COD = 100_000_000
"""Nobody pays a million at a counter; in the smallest unit of a currency."""

CODE_BYTES = 5
"""Randomness behind a parcel's code: 40 bits, unique by the database."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that reads like a digit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParcelDraft:
    """A parcel as announced. `recipient` is an e-mail address or a phone number, normalised."""

    tracking_no: str
    hub_id: uuid.UUID
    recipient: str
    recipient_name: str
    size: SizeMm
    weight_g: int | None = None
    climate_zone: ClimateZone = ClimateZone.AMBIENT
    is_perishable: bool = False
    is_age_restricted: bool = False
    is_fragile: bool = False
    cod_amount: int | None = None
    """In the smallest unit of `cod_currency`."""
    cod_currency: str | None = None

    def content_hash(self) -> bytes:
        """Equal for equal announcements only."""
        text = json.dumps(asdict(self), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).digest()


def check_draft(draft: ParcelDraft) -> Refusal | None:
    """Why this cannot be announced, or None."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", draft.tracking_no):
        return _wrong("trackingNo", "must be 1 to 64 letters, digits, dots or dashes")
    name = draft.recipient_name
    if not name.strip() or len(name) > NAME_CHARACTERS or not name.isprintable():
        return _wrong("recipientName", f"must be 1 to {NAME_CHARACTERS} characters on one line")
    if draft.weight_g is not None and not 1 <= draft.weight_g <= MAX_WEIGHT_G:
        return _wrong("weightG", f"must be 1 to {MAX_WEIGHT_G} grams")
    return _check_cod(draft)


def _check_cod(draft: ParcelDraft) -> Refusal | None:
    if (draft.cod_amount is None) is not (draft.cod_currency is None):
        return _wrong("codCurrency", "must come with an amount, and only with one")
    if draft.cod_amount is not None and not 1 <= draft.cod_amount <= MAX_COD:
        return _wrong("codAmount", f"must be 1 to {MAX_COD}")
    if draft.cod_currency is not None and not re.fullmatch(r"[A-Z]{3}", draft.cod_currency):
        return _wrong("codCurrency", "must be three capital letters, as EUR")
    return None


def write_code(random: bytes) -> str:
    """A parcel's code for people: eight characters, in two groups."""
    number = int.from_bytes(random[:CODE_BYTES])
    letters = "".join(_ALPHABET[number >> (5 * place) & 31] for place in range(8))
    return f"{letters[:4]}-{letters[4:]}"


def _wrong(field: str, rule: str) -> Refusal:
    return Refusal(ProblemCode.INPUT_INVALID, f"{field}: {rule}.", field)
