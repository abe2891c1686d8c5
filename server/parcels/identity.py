"""What happens at a counter, in words: why a parcel came there, and how its recipient was known.

Of a document nothing is kept but its kind. The digits of a counter pass are derived, never stored.
"""

from __future__ import annotations

import hmac
from enum import StrEnum
from typing import TYPE_CHECKING

from server.kit.keyring import PrivateKey, derive

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterable

PASS_DIGITS = 8
"""As many as the PIN of a stay has (DOMAIN 5.1)."""

DAY_S = 86_400


class CounterReason(StrEnum):
    """Why a parcel goes to the counter instead of into a compartment (P11)."""

    OVERSIZED = "OVERSIZED"
    """It fits no compartment."""
    AGE_CHECK = "AGE_CHECK"
    """Its recipient's age must be checked."""
    NO_CONSENT = "NO_CONSENT"
    """Its recipient does not want it in a locker."""
    OVERFLOW = "OVERFLOW"
    """No compartment was free."""


KEPT_OUT = frozenset({CounterReason.AGE_CHECK, CounterReason.NO_CONSENT})
"""Reasons for which a parcel may not go into a compartment later either (P11b)."""


class IdentityProof(StrEnum):
    """By what staff knew that they gave the parcel to its recipient (P27)."""

    PASS = "PASS"
    """The digits that the recipient's own phone asked for."""
    IDENTITY_CARD = "IDENTITY_CARD"
    PASSPORT = "PASSPORT"
    DRIVING_LICENCE = "DRIVING_LICENCE"
    RESIDENCE_PERMIT = "RESIDENCE_PERMIT"


def counter_digits(key: PrivateKey, parcel_id: uuid.UUID, day: int) -> str:
    """The eight digits of a parcel's counter pass on a day of Unix time."""
    number = int.from_bytes(derive(key, b"counter pass", parcel_id.bytes, day.to_bytes(8))[:8])
    return f"{number % 10**PASS_DIGITS:0{PASS_DIGITS}d}"


def is_pass_right(
    typed: str, keys: Iterable[PrivateKey], parcel_id: uuid.UUID, *, day: int
) -> bool:
    """Whether these are the digits of today or of yesterday, under a key that is still alive."""
    wanted = [counter_digits(key, parcel_id, one) for key in keys for one in (day, day - 1)]
    given = typed.strip().encode()
    # Each is compared, so that the time taken tells nothing.
    return sum(hmac.compare_digest(given, digits.encode()) for digits in wanted) > 0
