"""A town with a published key set, in a database of each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.access.service.bundles import Tools
from server.access.tables import Grant
from tests.fakes.town import Town, build_town, publish_key_set

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness

assert Grant.__tablename__, "the tables of access must be known before the templates are made"


@pytest.fixture
async def town(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> Town:
    async with database.write() as session:
        town = await build_town(session)
        await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
    return town


@pytest.fixture
def tools(
    keyring: DerivedKeyring, ids: CountedIds, randomness: SeededRandomness, clock: MovableClock
) -> Callable[[], Tools]:
    """The tools of one request, at the clock's present time."""
    return lambda: Tools(keyring, ids, randomness, clock.now())
