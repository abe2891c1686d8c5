"""The worker's handlers without its process: whatever is due in the outbox is handled at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit import outbox
from server.worker import Shop, make_handlers
from tests.fakes.providers import ListedLetters, ListedPush

if TYPE_CHECKING:
    from server.app import House


class HandWorker:
    """Handles events as the worker would, with providers that remember what they got."""

    def __init__(self, house: House) -> None:
        self.push = ListedPush()
        self.letters = ListedLetters()
        self.house = house
        self._handlers = make_handlers(
            Shop(
                database=house.database,
                clock=house.clock,
                ids=house.ids,
                randomness=house.randomness,
                keyring=house.keyring,
                push=self.push,
                letters=self.letters,
                public_url=house.settings.public_url,
            )
        )

    async def handle_all(self) -> list[str]:
        """Handles what is due until nothing is; the kinds in order."""
        handled: list[str] = []
        while event := await self._lease_next():
            handled.append(event.kind)
            outcome = await self._handlers[event.kind](event)
            async with self.house.database.write() as session:
                await outbox.settle(session, event, outcome, now=self.house.clock.now())
        return handled

    async def _lease_next(self) -> outbox.Lease | None:
        now = self.house.clock.now()
        async with self.house.database.write() as session:
            due = await outbox.list_due(session, kinds=self._handlers, now=now, limit=1)
            return await outbox.lease(session, due[0], now=now, for_s=30) if due else None
