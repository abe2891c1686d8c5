"""Random histories of the links to a few parcels, against a book of which links must be alive."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from server.access.links import LINK_LIFE
from server.access.service import guests
from server.access.service.links import ensure_link, renew_link, revoke_link
from server.kit.keyring import Purpose
from tests.fakes.town import Town, key_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable
    from datetime import datetime

    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from tests.fakes.sources import MovableClock

PARCELS = ("one", "other", "third")
STEPS = 60


@dataclass
class Book:
    """What must be true of the links to one parcel, in the plainest words."""

    alive: set[str] = field(default_factory=set)
    ends_at: datetime | None = None
    is_withdrawn: bool = False

    def on_letter(self, link: str | None, now: datetime) -> None:
        """Every letter has a link, unless they were withdrawn; it gives all living ones time."""
        assert (link is None) == self.is_withdrawn
        if link is None:
            return
        if self.ends_at is not None and now >= self.ends_at:
            self.alive.clear()
        self.alive.add(link)
        self.ends_at = now + LINK_LIFE

    def on_end(self, *, is_withdrawn: bool) -> None:
        """No link that was written so far is good any more."""
        self.alive.clear()
        self.ends_at, self.is_withdrawn = None, is_withdrawn


@pytest.mark.both_databases_in_ci
@pytest.mark.parametrize("seed", range(4))
async def test_links_live_as_long_as_the_book_says_and_show_their_own_parcel_alone(
    database: Database,
    town: Town,
    tools: Callable[[], Tools],
    clock: MovableClock,
    seed: int,
) -> None:
    chance = random.Random(seed)
    async with database.write() as session:
        for name in PARCELS:
            await town.add_parcel(session, name)
    books = {key_of(name): Book() for name in PARCELS}
    written: dict[str, uuid.UUID] = {}
    for _ in range(STEPS):
        parcel_id = chance.choice(list(books))
        await _step(database, town, tools(), parcel_id, books[parcel_id], written, chance)
        if chance.random() < 0.4:
            clock.move(days=chance.choice([1, 10, 30]))
        if chance.random() < 0.1:
            tools().keyring.rotate(Purpose.LINKS)
        await _compare(database, tools(), books, written)
    assert written


async def _step(
    database: Database,
    town: Town,
    tools: Tools,
    parcel_id: uuid.UUID,
    book: Book,
    written: dict[str, uuid.UUID],
    chance: random.Random,
) -> None:
    async with database.write() as session:
        match chance.choice(["letter", "letter", "letter", "renew", "revoke"]):
            case "letter":
                link = await ensure_link(session, parcel_id, keyring=tools.keyring, now=tools.now)
                book.on_letter(link, tools.now)
                if link is not None:
                    written[link] = parcel_id
            case "renew":
                await renew_link(
                    session, town.operator, parcel_id=parcel_id, ids=tools.ids, now=tools.now
                )
                book.on_end(is_withdrawn=False)
            case _:
                await revoke_link(session, town.recipient, parcel_id=parcel_id, now=tools.now)
                book.on_end(is_withdrawn=True)


async def _compare(
    database: Database,
    tools: Tools,
    books: dict[uuid.UUID, Book],
    written: dict[str, uuid.UUID],
) -> None:
    for link, parcel_id in written.items():
        book = books[parcel_id]
        is_in_time = book.ends_at is not None and tools.now < book.ends_at
        name = guests.read_name(link, tools.keyring)
        async with database.read() as session:
            seen = None if name is None else await guests.track(session, name, now=tools.now)
        if seen is not None:
            assert seen.guest.parcel.id == parcel_id
        # The key of a letter may end before its series does, never the other way round.
        if name is not None:
            assert (seen is not None) == (link in book.alive and is_in_time)
        else:
            assert not (link in book.alive and is_in_time and _is_newest(link, written, parcel_id))


def _is_newest(link: str, written: dict[str, uuid.UUID], parcel_id: uuid.UUID) -> bool:
    return [one for one, owner in written.items() if owner == parcel_id][-1] == link
