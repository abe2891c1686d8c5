"""A locker with a panel and a parcel in compartment 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.ble_agent.panel.kiosk import STAY, Kiosk

if TYPE_CHECKING:
    from tests.ble_agent.standing import Standing


@pytest.fixture
async def kiosk(by_hand: Standing) -> Kiosk:
    """Nobody has touched it yet; doors wait for the test to shut them."""
    await by_hand.deposit_by_hand(STAY, 1)
    return Kiosk(by_hand)
