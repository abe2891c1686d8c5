"""Providers of push and letters that answer as a test tells them, and remember what they got."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from server.notices.delivery import Accepted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.notices.delivery import Delivery
    from server.notices.letters import Letter
    from server.notices.push import PushMessage


class ListedPush:
    """Takes every message, but for addresses that have an answer of their own; answers when it may,
    which is at once unless a test says otherwise.
    """

    def __init__(self) -> None:
        self.sent: list[PushMessage] = []
        self.answers: dict[str, Delivery] = {}
        self.was_asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def send(self, messages: Sequence[PushMessage]) -> list[Delivery]:
        self.sent += messages
        self.was_asked.set()
        await self.may_answer.wait()
        taken = Accepted("push-receipt")
        return [self.answers.get(message.address.value, taken) for message in messages]


class ListedLetters:
    """Takes every letter, but for addresses that have an answer of their own."""

    def __init__(self) -> None:
        self.sent: list[Letter] = []
        self.answers: dict[str, Delivery] = {}

    async def send(self, letter: Letter) -> Delivery:
        self.sent.append(letter)
        return self.answers.get(letter.address, Accepted("mail-receipt"))
