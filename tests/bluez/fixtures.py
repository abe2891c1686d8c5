"""Fixtures of the guest: the radio's contract finds its air here, on the real stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bluez.air import open_ground, open_real_air

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.bluez.air import Ground, RealAir


@pytest.fixture(scope="session")
async def ground() -> AsyncIterator[Ground]:
    """Daemons and adapters, once for all."""
    async with open_ground() as ground:
        yield ground


@pytest.fixture
async def air(ground: Ground) -> AsyncIterator[RealAir]:
    """An air with a radio that is not started yet."""
    async with open_real_air(ground) as air:
        yield air
