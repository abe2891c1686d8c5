"""Firebase's own SDK over real HTTP against the local endpoint: every answer becomes a value."""

from __future__ import annotations

import asyncio
import socket
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme

from server.demo.push_endpoint import PushEndpoint, make_app
from server.notices.delivery import Accepted, Delivery, Gone, Later, Refused
from server.notices.push import MESSAGES_PER_CALL, FirebasePush, PushAddress, PushMessage
from server.people.rules import PushKind
from tests.fakes.serving import serving, serving_h2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

NOTICE = uuid.UUID(int=7)
PARCEL = uuid.UUID(int=8).hex


@asynccontextmanager
async def pushing(base_url: str, *, answer_s: float = 5) -> AsyncIterator[FirebasePush]:
    push = FirebasePush("restante-demo", base_url=base_url, answer_s=answer_s)
    try:
        yield push
    finally:
        await push.close()


def make_message(
    address: str, kind: PushKind = PushKind.FCM_TOKEN, *, is_silent: bool = False
) -> PushMessage:
    return PushMessage(
        id=NOTICE,
        address=PushAddress(kind, address),
        title="Your parcel is ready",
        body="Open the app.",
        data={"kind": "READY"},
        collapse=PARCEL,
        is_silent=is_silent,
    )


async def send(endpoint: PushEndpoint, *messages: PushMessage) -> list[Delivery]:
    async with serving(make_app(endpoint)) as base_url, pushing(base_url) as push:
        return await push.send(messages)


async def test_token_and_installation_are_addressed_as_what_they_are() -> None:
    endpoint = PushEndpoint()
    answers = await send(
        endpoint,
        make_message("phone-1", PushKind.FCM_TOKEN),
        make_message("phone-2", PushKind.FCM_INSTALLATION),
    )
    assert answers == [
        Accepted("projects/restante-demo/messages/1"),
        Accepted("projects/restante-demo/messages/2"),
    ]
    kept = {message.get("token"): message.get("fid") for message in endpoint.messages}
    assert kept == {"phone-1": None, None: "phone-2"}


async def test_message_carries_its_id_and_replaces_the_former_about_its_parcel() -> None:
    endpoint = PushEndpoint()
    await send(endpoint, make_message("phone-1"))
    [message] = endpoint.messages
    assert message["data"] == {"kind": "READY", "notice": str(NOTICE)}
    assert message["notification"] == {"title": "Your parcel is ready", "body": "Open the app."}
    assert message["android"]["collapse_key"] == PARCEL
    assert message["android"]["notification"]["tag"] == PARCEL
    assert message["apns"]["headers"]["apns-collapse-id"] == PARCEL
    assert message["webpush"]["headers"]["Topic"] == PARCEL
    assert message["webpush"]["notification"]["tag"] == PARCEL


async def test_a_silent_message_makes_no_sound_on_any_kind_of_phone() -> None:
    endpoint = PushEndpoint()
    await send(endpoint, make_message("phone-1"), make_message("phone-2", is_silent=True))
    loud, silent = sorted(endpoint.messages, key=lambda one: str(one["token"]))
    assert loud["android"]["notification"]["sound"] == "default"
    assert loud["apns"]["payload"]["aps"]["sound"] == "default"
    assert loud["webpush"]["headers"]["Urgency"] == "high"
    assert "sound" not in silent["android"]["notification"]
    assert "sound" not in silent["apns"].get("payload", {}).get("aps", {})
    assert silent["apns"]["headers"]["apns-priority"] == "5"
    assert silent["webpush"]["notification"]["silent"] is True


@pytest.mark.parametrize(
    ("address", "delivery"),
    [
        ("gone-1", Gone()),
        ("sender-1", Gone()),
        ("invalid-1", Refused("InvalidArgumentError")),
        ("quota-1", Later("QuotaExceededError", 17)),
    ],
)
async def test_error_of_the_provider_is_a_value(address: str, delivery: Delivery) -> None:
    assert await send(PushEndpoint(), make_message(address)) == [delivery]


async def test_each_message_has_its_own_answer_in_order() -> None:
    addresses = ["phone-1", "gone-1", "phone-2"]
    answers = await send(PushEndpoint(), *map(make_message, addresses))
    assert [type(answer) for answer in answers] == [Accepted, Gone, Accepted]


async def test_more_messages_than_one_batch_are_all_sent() -> None:
    endpoint = PushEndpoint()
    messages = [make_message(f"phone-{number}") for number in range(MESSAGES_PER_CALL + 1)]
    answers = await send(endpoint, *messages)
    assert len(answers) == len(endpoint.messages) == MESSAGES_PER_CALL + 1


async def test_slow_answer_holds_back_no_other_call() -> None:
    endpoint, messages = PushEndpoint(), 3 * MESSAGES_PER_CALL
    async with (
        serving(make_app(endpoint)) as base_url,
        pushing(base_url) as push,
        httpx.AsyncClient(base_url=base_url) as client,
    ):
        await client.post("/hold")
        sending = asyncio.create_task(
            push.send([make_message(f"phone-{number}") for number in range(messages)])
        )
        # Answers once all of them are there, and nobody has an answer yet.
        await client.get("/count", params={"from": messages})
        await client.post("/release")
        answers = await sending
    assert [type(answer) for answer in answers] == [Accepted] * messages


async def test_silence_of_the_provider_is_tried_again() -> None:
    endpoint = PushEndpoint()
    async with (
        serving(make_app(endpoint)) as base_url,
        pushing(base_url, answer_s=0.1) as push,
        httpx.AsyncClient(base_url=base_url) as client,
    ):
        await client.post("/hold")
        answers = await push.send([make_message("phone-1")])
        await client.post("/release")
    assert answers == [Later("DeadlineExceededError")]
    assert len(endpoint.messages) == 1, "it arrived all the same: at least once, not once"


async def test_provider_that_is_not_there_is_tried_again() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        async with pushing(f"http://127.0.0.1:{closed.getsockname()[1]}") as push:
            [answer] = await push.send([make_message("phone-1")])
    assert isinstance(answer, Later)


async def test_nothing_to_send_asks_nobody() -> None:
    async with pushing("http://127.0.0.1:9") as push:
        assert await push.send([]) == []


class Versions:
    """The HTTP versions in which an application was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.seen: set[str] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.add(scope["http_version"])
        await self.app(scope, receive, send)


async def test_messages_go_over_http_2_and_tls_to_a_server_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, key, certificate = trustme.CA(), tmp_path / "key.pem", tmp_path / "cert.pem"
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(f"{key}")
    for number, part in enumerate(issued.cert_chain_pems):
        part.write_to_path(f"{certificate}", append=number > 0)
    authority.cert_pem.write_to_path(f"{tmp_path / 'ca.pem'}")
    endpoint = PushEndpoint()
    app = Versions(make_app(endpoint))
    messages = [make_message(one) for one in ("phone-1", "gone-1", "quota-1", "phone-2")]
    async with serving_h2(app, certificate=certificate, key=key) as base_url:
        async with pushing(base_url) as push:
            strangers = await push.send(messages[:1])
        monkeypatch.setenv("SSL_CERT_FILE", f"{tmp_path / 'ca.pem'}")
        async with pushing(base_url) as push:
            answers = await push.send(messages)
    assert isinstance(strangers[0], Later), "nothing is sent to whom nobody vouches for"
    assert [type(one) for one in answers] == [Accepted, Gone, Later, Accepted]
    assert app.seen == {"2"}
    assert {message["token"] for message in endpoint.messages} == {"phone-1", "phone-2"}
