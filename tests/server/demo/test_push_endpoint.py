"""The local stand-in for FCM: it answers as FCM does and shows what it was given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from server.demo.push_endpoint import BODY_BYTES, PushEndpoint, make_app

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

SEND = "/v1/projects/demo/messages:send"


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_app(PushEndpoint()))
    async with httpx.AsyncClient(transport=transport, base_url="http://push") as client:
        yield client


def message_to(address: str, **more: Any) -> dict[str, Any]:
    return {"message": {"token": address, "data": {"kind": "READY"}, **more}}


async def list_addresses(client: httpx.AsyncClient, query: str = "") -> list[str]:
    kept = (await client.get(f"/messages{query}")).json()["messages"]
    return [message.get("token") or message.get("fid") for message in kept]


async def test_message_is_taken_named_and_listed(client: httpx.AsyncClient) -> None:
    answer = await client.post(SEND, json=message_to("phone-1"))
    assert answer.json() == {"name": "projects/demo/messages/1"}
    await client.post(SEND, json={"message": {"fid": "phone-2"}})
    assert await list_addresses(client) == ["phone-1", "phone-2"]
    assert await list_addresses(client, "?address=phone-2") == ["phone-2"]


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("gone-1", 404, "UNREGISTERED"),
        ("quota-1", 429, "QUOTA_EXCEEDED"),
        ("sender-1", 403, "SENDER_ID_MISMATCH"),
        ("invalid-1", 400, "INVALID_ARGUMENT"),
        ("unavailable-1", 503, "UNAVAILABLE"),
    ],
)
async def test_address_of_a_fault_meets_it(
    client: httpx.AsyncClient, address: str, status: int, code: str
) -> None:
    answer = await client.post(SEND, json=message_to(address))
    assert answer.status_code == status
    assert answer.json()["error"]["details"][0]["errorCode"] == code
    assert await list_addresses(client) == []


async def test_quota_says_how_long_to_wait(client: httpx.AsyncClient) -> None:
    answer = await client.post(SEND, json=message_to("quota-1"))
    assert answer.headers["retry-after"] == "17"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff",
        b"[]",
        b'{"message": []}',
        b'{"message": {}}',
        b'{"message": {"token": "a", "fid": "b"}}',
        b" " * (BODY_BYTES + 1),
    ],
)
async def test_what_is_no_message_is_refused(client: httpx.AsyncClient, body: bytes) -> None:
    answer = await client.post(SEND, content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"


async def test_held_answer_comes_with_the_release(client: httpx.AsyncClient) -> None:
    await client.post("/hold")
    sending = asyncio.create_task(client.post(SEND, json=message_to("phone-1")))
    for _ in range(100):
        await asyncio.sleep(0)
    assert await list_addresses(client) == ["phone-1"]
    assert not sending.done()
    await client.post("/release")
    assert (await sending).status_code == 200
