"""A town in a database of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.town import Town, build_town

if TYPE_CHECKING:
    from server.kit.db import Database


@pytest.fixture
async def town(database: Database) -> Town:
    async with database.write() as session:
        return await build_town(session)
