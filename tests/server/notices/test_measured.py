"""Providers under watch answer as before, and are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit.metrics import Metrics
from server.notices.delivery import Accepted, Gone
from server.notices.letters import Letter
from server.notices.measured import MeasuredLetters, MeasuredPush
from server.notices.push import PushAddress, PushMessage
from server.notices.rules import NoticeKind, NoticeState
from server.notices.service.counting import read_notices
from server.notices.tables import Notice
from server.people.preferences import Channel
from server.people.rules import PushKind
from tests.fakes.providers import ListedLetters, ListedPush
from tests.fakes.sources import START
from tests.fakes.town import build_town, key_of

if TYPE_CHECKING:
    from server.kit.db import Database


async def text_of(metrics: Metrics) -> str:
    return (await metrics.tell()).decode()


async def test_messages_are_counted_by_what_the_provider_said() -> None:
    metrics, push = Metrics(), ListedPush()
    push.answers["old"] = Gone()
    messages = [
        PushMessage(
            id=key_of(name),
            address=PushAddress(PushKind.FCM_TOKEN, name),
            title="Title",
            body="Text",
            data={},
            collapse=name,
        )
        for name in ("new", "old")
    ]
    assert await MeasuredPush(push, metrics).send(messages) == [Accepted("push-receipt"), Gone()]
    text = await text_of(metrics)
    assert 'restante_sends_total{answer="accepted",channel="PUSH"} 1.0' in text
    assert 'restante_sends_total{answer="gone",channel="PUSH"} 1.0' in text
    assert 'restante_send_seconds_count{channel="PUSH"} 1.0' in text


async def test_letters_are_counted_without_their_address() -> None:
    metrics = Metrics()
    letter = Letter(key_of("1"), Channel.EMAIL, "recipient@example.org", "Title", "Text", START)
    answer = await MeasuredLetters(ListedLetters(), metrics).send(letter)
    assert answer == Accepted("mail-receipt")
    text = await text_of(metrics)
    assert 'restante_sends_total{answer="accepted",channel="EMAIL"} 1.0' in text
    assert "example.org" not in text


async def test_notices_are_told_by_kind_channel_and_state(database: Database) -> None:
    metrics = Metrics()
    read_notices(metrics, database)
    async with database.write() as session:
        await build_town(session)
        for number, state in enumerate([NoticeState.ACCEPTED] * 2 + [NoticeState.QUEUED]):
            session.add(
                Notice(
                    id=key_of(f"notice {number}"),
                    person_id=key_of("recipient"),
                    subject=key_of(f"parcel {number}"),
                    kind=NoticeKind.READY,
                    version=0,
                    channel=Channel.PUSH,
                    state=state,
                    created_at=START,
                )
            )
    text = await text_of(metrics)
    assert 'restante_notices{channel="PUSH",kind="READY",state="ACCEPTED"} 2.0' in text
    assert 'restante_notices{channel="PUSH",kind="READY",state="QUEUED"} 1.0' in text
