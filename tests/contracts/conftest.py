"""The airs on which radios keep their contract without hardware, kernel or daemon."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.bluez import DBUS_DAEMON, open_bluez_air
from tests.fakes.radios import LoopbackAir, open_bumble_air

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.fakes.radios import Air


@pytest.fixture(params=["loopback", "bumble", "bluez"])
async def air(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Air]:
    """An air with a radio that is not started yet."""
    if request.param == "loopback":
        yield LoopbackAir()
        return
    if request.param == "bluez" and DBUS_DAEMON is None:
        pytest.skip("there is no dbus-daemon on this machine (package dbus)")
    opened = open_bumble_air() if request.param == "bumble" else open_bluez_air(tmp_path)
    async with opened as air:
        yield air
