"""How long a parcel that is over says for whom it was (DOMAIN 5.4). Knows no database."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from server.parcels.deadlines import DISPUTE_WINDOW

if TYPE_CHECKING:
    from datetime import datetime

KEPT = timedelta(days=30)
"""Name and address of who has no account."""

KEPT_AT_LEAST = DISPUTE_WINDOW
"""Nobody's are forgotten while the collection may still be disputed."""


def names_until(over_at: datetime, *, has_account: bool, keeps_past: bool) -> datetime | None:
    """Until when a parcel that was over then keeps its names; None: as long as the account."""
    if not has_account:
        return over_at + KEPT
    return None if keeps_past else over_at + KEPT_AT_LEAST
