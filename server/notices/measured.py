"""Providers of push and letters that are counted and timed; they answer as those behind them do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.people.preferences import Channel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from server.kit.metrics import Metrics
    from server.notices.delivery import Delivery
    from server.notices.letters import Letter, Letters
    from server.notices.push import Push, PushMessage


class MeasuredPush:
    """A push provider under watch."""

    def __init__(self, push: Push, metrics: Metrics) -> None:
        self._push = push
        self._metrics = metrics

    async def send(self, messages: Sequence[PushMessage]) -> list[Delivery]:
        """As the provider's own."""
        with self._metrics.timing_send(Channel.PUSH.value):
            deliveries = await self._push.send(messages)
        for delivery in deliveries:
            _count(self._metrics, Channel.PUSH, delivery)
        return deliveries


class MeasuredLetters:
    """A carrier of letters under watch."""

    def __init__(self, letters: Letters, metrics: Metrics) -> None:
        self._letters = letters
        self._metrics = metrics

    async def send(self, letter: Letter) -> Delivery:
        """As the carrier's own."""
        with self._metrics.timing_send(letter.channel.value):
            delivery = await self._letters.send(letter)
        _count(self._metrics, letter.channel, delivery)
        return delivery


def _count(metrics: Metrics, channel: Channel, delivery: Delivery) -> None:
    metrics.sends.labels(channel.value, type(delivery).__name__.lower()).inc()
