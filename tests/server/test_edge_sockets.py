"""The door of the API over WebSocket: graphql-transport-ws, frame by frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from server.app import House, make_app
from server.kit.socket import SOCKET_OPERATIONS
from server.kit.view import MAX_OPERATIONS_PER_SOCKET, REQUESTS
from tests.fakes.phone import Phone
from tests.fakes.probe_api import SECRET, probe_schema
from tests.fakes.socket import open_socket

if TYPE_CHECKING:
    import httpx
    from starlette.applications import Starlette

    from server.kit.guard import GuardedSchema
    from tests.fakes.sources import MovableClock

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def app(house: House) -> Starlette:
    """The small API."""
    return make_app(house, probe_schema())


def subscribe(query: str, key: str = "1", **payload: Any) -> dict[str, Any]:
    return {"type": "subscribe", "id": key, "payload": {"query": query, **payload}}


async def test_a_query_is_answered_and_completed(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe("{ hello }"))
        answer = await socket.receive()
        assert (answer["type"], answer["payload"]["data"]) == ("next", {"hello": "world"})
        assert await socket.receive() == {"type": "complete", "id": "1"}


async def test_a_ping_comes_back_with_its_payload(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.send({"type": "ping", "payload": {"n": 1}})
        assert await socket.receive() == {"type": "pong", "payload": {"n": 1}}
        await socket.send({"type": "ping"})
        assert await socket.receive() == {"type": "pong"}


MALFORMED = {
    "list": "[]",
    "null": "null",
    "number": "1",
    "text": '"subscribe"',
    "no JSON": "{",
    "no type": "{}",
    "unknown type": '{"type": "start"}',
    "type a list": '{"type": ["ping"]}',
    "id a list": '{"type": "complete", "id": []}',
    "id empty": '{"type": "complete", "id": ""}',
    "id long": '{"type": "complete", "id": "' + "x" * 129 + '"}',
    "no payload": '{"type": "subscribe", "id": "1"}',
    "query no text": '{"type": "subscribe", "id": "1", "payload": {"query": 1}}',
    "variables a list": (
        '{"type": "subscribe", "id": "1", "payload": {"query": "", "variables": []}}'
    ),
    "ping payload a list": '{"type": "ping", "payload": []}',
    "deep": '{"type": "ping", "payload": ' + "[" * 5_000 + "]" * 5_000 + "}",
    "huge number": '{"type": "ping", "payload": {"n": ' + "9" * 10_000 + "}}",
    "surrogate": '{"type": "ping", "payload": {"n": "\\ud800"}}',
}


@pytest.mark.parametrize("text", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_message_closes_the_socket_with_4400(app: Starlette, text: str) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send_text(text)
        assert await socket.receive_close() == 4400
        assert socket.closed is not None
        assert len(socket.closed[1].encode()) <= 123


async def test_bytes_close_the_socket(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.send_bytes(b"{}")
        assert await socket.receive_close() == 4400


async def test_an_operation_before_the_init_is_unauthorised(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.send(subscribe("{ hello }"))
        assert await socket.receive_close() == 4401


async def test_a_second_init_is_one_too_many(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send({"type": "connection_init"})
        assert await socket.receive_close() == 4429


async def test_one_id_stands_for_one_operation(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe("{ slow }"))
        await socket.send(subscribe("{ hello }"))
        assert await socket.receive_close() == 4409


@pytest.mark.parametrize(
    ("query", "payload"),
    [
        ("{", {}),
        ("{ unknown }", {}),
        ("query A { hello }", {"operationName": "B"}),
        ("x" * 20_000, {}),
        ("{" * 100, {}),
        ("{ hello }", {"variables": {"n": [0] * 5_000}}),
        ("mutation { " + " ".join(f"m{n}: poke" for n in range(11)) + " }", {}),
    ],
    ids=["syntax", "validation", "name", "long", "nested", "variables", "costly"],
)
async def test_a_bad_document_is_an_error_and_the_socket_goes_on(
    app: Starlette, query: str, payload: dict[str, Any]
) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(query, **payload))
        answer = await socket.receive()
        assert (answer["type"], answer["id"]) == ("error", "1")
        assert answer["payload"][0]["message"]
        await socket.send(subscribe("{ hello }"))
        assert (await socket.receive())["type"] == "next"


async def test_an_exception_leaves_only_its_id(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe("{ boom }"))
        answer = await socket.receive()
        assert answer["payload"]["errors"][0]["extensions"]["code"] == "INTERNAL"
        assert SECRET not in str(answer)


async def test_operations_at_once_are_counted(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        for n in range(MAX_OPERATIONS_PER_SOCKET):
            await socket.send(subscribe("{ slow }", f"s{n}"))
        await socket.send(subscribe("{ hello }", "last"))
        answer = await socket.receive()
        assert (answer["type"], answer["id"]) == ("error", "last")


async def test_operations_in_a_minute_are_counted(app: Starlette, house: House) -> None:
    for _ in range(SOCKET_OPERATIONS.count):
        await house.rates.hit(SOCKET_OPERATIONS, "127.0.0.1")
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe("{ hello }"))
        answer = await socket.receive()
        assert answer["payload"][0]["extensions"]["code"] == "SLOW_DOWN"


async def test_sockets_of_one_source_are_counted(app: Starlette, house: House) -> None:
    for _ in range(REQUESTS.count):
        await house.rates.hit(REQUESTS, "127.0.0.1")
    async with open_socket(app) as socket:
        assert socket.closed is not None


async def test_another_site_may_not_open_a_socket(app: Starlette) -> None:
    headers = {"origin": "https://evil.example", "host": "testserver"}
    async with open_socket(app, headers=headers) as socket:
        assert socket.closed is not None


@pytest.mark.parametrize("protocol", ["graphql-ws", "soap"])
async def test_another_protocol_is_not_spoken(app: Starlette, protocol: str) -> None:
    async with open_socket(app, protocol=protocol) as socket:
        assert await socket.receive_close() == 4406


@pytest.fixture
async def signed_in(house: House, api: httpx.AsyncClient) -> Phone:
    """A phone that has an access token."""
    phone = Phone(house, api)
    await phone.sign_in()
    return phone


def credentials(phone: Phone, **changes: Any) -> dict[str, str]:
    """What a socket's init brings: the proof is for GET, as a handshake is one."""
    proof = phone.proof(token=phone.access_token, **{"htm": "GET", **changes})
    return {"authorization": f"DPoP {phone.access_token}", "dpop": proof}


async def test_a_socket_is_its_owners(
    house: House, schema: GuardedSchema, signed_in: Phone
) -> None:
    async with open_socket(make_app(house, schema)) as socket:
        await socket.init(**credentials(signed_in))
        await socket.send(subscribe("{ me { devices { isThis } } }"))
        answer = await socket.receive()
        assert answer["payload"]["data"] == {"me": {"devices": [{"isThis": True}]}}


async def test_a_socket_is_closed_when_its_token_ends(
    house: House, schema: GuardedSchema, signed_in: Phone, clock: MovableClock
) -> None:
    clock.move(minutes=9, seconds=59.95)
    async with open_socket(make_app(house, schema)) as socket:
        await socket.init(**credentials(signed_in))
        assert await socket.receive_close() == 4401


async def test_a_socket_is_closed_once_its_device_is_signed_out(
    house: House, schema: GuardedSchema, signed_in: Phone
) -> None:
    async with open_socket(make_app(house, schema)) as socket:
        await socket.init(**credentials(signed_in))
        await signed_in.ask("mutation { signOut { __typename } }")
        await socket.send(subscribe("{ me { id } }"))
        assert await socket.receive_close() == 4401


async def test_a_socket_of_nobody_reads_what_is_public(house: House, schema: GuardedSchema) -> None:
    async with open_socket(make_app(house, schema)) as socket:
        await socket.init()
        await socket.send(subscribe("{ me { id } }"))
        assert (await socket.receive())["payload"]["data"] == {"me": None}


@pytest.mark.parametrize(
    "change",
    [
        {"dpop": None},
        {"dpop": 7},
        {"dpop": "garbage"},
        {"authorization": 7},
        {"authorization": "DPoP garbage"},
    ],
    ids=str,
)
async def test_bad_credentials_are_forbidden(
    house: House, schema: GuardedSchema, signed_in: Phone, change: dict[str, Any]
) -> None:
    async with open_socket(make_app(house, schema)) as socket:
        payload = {**credentials(signed_in), **change}
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive_close() == 4403


async def test_a_proof_for_a_post_does_not_open_a_socket(
    house: House, schema: GuardedSchema, signed_in: Phone
) -> None:
    async with open_socket(make_app(house, schema)) as socket:
        payload = credentials(signed_in, htm="POST")
        await socket.send({"type": "connection_init", "payload": payload})
        assert await socket.receive_close() == 4403
