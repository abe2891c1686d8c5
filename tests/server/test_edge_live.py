"""Subscriptions at the door, over WebSocket and as events: state now, state later, rights."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from server.app import House, make_app
from server.kit.live import touch
from tests.fakes.phone import Phone
from tests.fakes.probe_api import SECRET, Counter, probe_schema
from tests.fakes.socket import Socket, open_socket

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    import httpx
    from starlette.applications import Starlette

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

COUNTED = "subscription { counted { value person } }"
MINE = "subscription { mine { value person } }"


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def app(house: House, counter: Counter) -> Starlette:
    """The small API."""
    return make_app(house, probe_schema(counter=counter))


def subscribe(query: str, key: str = "1", **payload: Any) -> dict[str, Any]:
    return {"type": "subscribe", "id": key, "payload": {"query": query, **payload}}


async def count(house: House, counter: Counter) -> None:
    """A change that is committed, and of which the listeners hear."""
    counter.value += 1
    async with house.database.write() as session:
        touch(session, "counter")


async def value(socket: Socket, field: str = "counted") -> int:
    message = await socket.receive()
    assert message["type"] == "next", message
    return int(message["payload"]["data"][field]["value"])


async def test_a_subscription_tells_the_state_at_once_and_each_change(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(COUNTED))
        assert await value(socket) == 0
        for expected in (1, 2):
            await count(house, counter)
            assert await value(socket) == expected


async def change_and_fail(house: House) -> None:
    async with house.database.write() as session:
        touch(session, "counter")
        raise RuntimeError


async def test_a_change_that_is_rolled_back_is_told_to_nobody(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(COUNTED))
        await value(socket)
        with pytest.raises(RuntimeError):
            await change_and_fail(house)
        await count(house, counter)
        assert await value(socket) == 1
        assert counter.reads == 2


async def test_what_many_watch_is_read_once_for_all(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with open_socket(app) as one, open_socket(app) as other:
        for socket in (one, other):
            await socket.init()
            await socket.send(subscribe(COUNTED))
            assert await value(socket) == 0
        await count(house, counter)
        assert [await value(one), await value(other)] == [1, 1]
        assert counter.reads == 2


async def test_a_late_reader_gets_the_last_state_at_once(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(COUNTED, "first"))
        await value(socket)
        await count(house, counter)
        assert await value(socket) == 1
        await socket.send(subscribe(COUNTED, "second"))
        message = await socket.receive()
        assert (message["id"], message["payload"]["data"]["counted"]["value"]) == ("second", 1)


async def test_a_feed_ends_with_its_last_reader(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(COUNTED))
        await value(socket)
        assert len(house.live) > 0
        await socket.send({"type": "complete", "id": "1"})
        await socket.send({"type": "ping"})
        assert (await socket.receive())["type"] == "pong"
        await asyncio.sleep(0)
        assert len(house.live) == 0


async def test_a_subscription_ends_when_what_it_watches_is_gone(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(COUNTED))
        await value(socket)
        counter.is_there = False
        await count(house, counter)
        assert await socket.receive() == {"type": "complete", "id": "1"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("subscription { refused { value } }", "NOT_FOUND"),
        ("subscription { failing { value } }", "INTERNAL"),
        ("subscription { unknown }", None),
        ("subscription { counted { value } mine { value } }", None),
        ("subscription { ...all } fragment all on Subscription { counted { value } }", "ok"),
    ],
    ids=["refused", "failing", "unknown", "two fields", "fragment"],
)
async def test_a_subscription_that_cannot_be_is_an_error_and_the_socket_goes_on(
    app: Starlette, query: str, code: str | None
) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(query))
        message = await socket.receive()
        if code == "ok":
            assert message["type"] == "next"
        else:
            assert message["type"] == "error"
            assert message["payload"][0].get("extensions", {}).get("code") == code
        assert SECRET not in json.dumps(message)
        await socket.send(subscribe("{ hello }", "after"))
        assert (await socket.receive())["id"] == "after"


async def test_one_id_stands_for_one_subscription(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        await socket.send(subscribe(COUNTED))
        await value(socket)
        await socket.send(subscribe(MINE))
        assert await socket.receive_close() == 4409


async def test_subscriptions_of_one_socket_are_counted(app: Starlette) -> None:
    async with open_socket(app) as socket:
        await socket.init()
        for key in range(20):
            await socket.send(subscribe(COUNTED, str(key)))
            await value(socket)
        await socket.send(subscribe(COUNTED, "one too many"))
        message = await socket.receive()
        assert (message["type"], message["id"]) == ("error", "one too many")


async def test_a_slow_reader_gets_the_newest_state_instead_of_a_queue(
    house: House, counter: Counter
) -> None:
    app = make_app(house, probe_schema(counter=counter))
    async with open_socket(app, slow=True) as socket:
        await socket.init()
        await socket.send(subscribe(COUNTED))
        await value(socket)
        for _ in range(50):
            await count(house, counter)
        seen = [await value(socket)]
        while seen[-1] < 50:
            seen.append(await value(socket))
        assert len(seen) < 10


@pytest.fixture
async def signed_in(house: House, api: httpx.AsyncClient) -> Phone:
    """A phone that has an access token."""
    phone = Phone(house, api)
    await phone.sign_in()
    return phone


def credentials(phone: Phone) -> dict[str, str]:
    proof = phone.proof(token=phone.access_token, htm="GET")
    return {"authorization": f"DPoP {phone.access_token}", "dpop": proof}


async def person_of(socket: Socket) -> str:
    message = await socket.receive()
    ((_, answer),) = message["payload"]["data"].items()
    return str(answer["person"])


async def test_what_is_impersonal_is_read_for_nobody(app: Starlette, signed_in: Phone) -> None:
    async with open_socket(app) as socket:
        await socket.init(**credentials(signed_in))
        await socket.send(subscribe(COUNTED))
        assert await person_of(socket) == "None"


async def test_what_is_personal_is_read_for_its_reader(app: Starlette, signed_in: Phone) -> None:
    async with open_socket(app) as known, open_socket(app) as unknown:
        await known.init(**credentials(signed_in))
        await unknown.init()
        for socket in (known, unknown):
            await socket.send(subscribe(MINE))
        assert await person_of(unknown) == "None"
        assert await person_of(known) != "None"


async def test_a_device_that_is_removed_watches_no_longer(
    app: Starlette, house: House, signed_in: Phone
) -> None:
    async with open_socket(app) as socket:
        await socket.init(**credentials(signed_in))
        await socket.send(subscribe(MINE))
        await person_of(socket)
        await signed_in.ask("mutation { signOut { __typename } }")
        assert await socket.receive_close() == 4401


class Events:
    """One stream of events from the application."""

    def __init__(self, app: Starlette, query: str, headers: dict[str, str] | None = None) -> None:
        self._parts: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self._gone = asyncio.Event()
        self._app = app
        self._body = json.dumps({"query": query}).encode()
        self._headers = {
            "accept": "text/event-stream",
            "content-type": "application/json",
            **(headers or {}),
        }
        self._text = ""

    async def __aenter__(self) -> Events:
        self._requests = [{"type": "http.request", "body": self._body, "more_body": False}]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/graphql",
            "raw_path": b"/graphql",
            "root_path": "",
            "query_string": b"",
            "headers": [(k.encode(), v.encode()) for k, v in self._headers.items()],
            "client": ("127.0.0.1", 1),
            "scheme": "http",
        }
        self._task = asyncio.create_task(self._app(scope, self._receive, self._parts.put))
        start = await self._parts.get()
        self.status = start["status"]
        self.kind = dict(start["headers"])[b"content-type"].decode()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._gone.set()
        await self._task

    async def _receive(self) -> MutableMapping[str, Any]:
        if self._requests:
            return self._requests.pop()
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def body(self) -> dict[str, Any]:
        part = await self._parts.get()
        body: dict[str, Any] = json.loads(part["body"])
        return body

    async def next(self) -> tuple[str, Any]:
        """The next event: its name and its data."""
        while "\n\n" not in self._text:
            self._text += (await self._parts.get())["body"].decode()
        event, _, self._text = self._text.partition("\n\n")
        lines = dict(line.split(":", 1) for line in event.splitlines())
        data = lines["data"].strip()
        return lines["event"].strip(), json.loads(data) if data else None


async def test_events_tell_the_state_at_once_and_each_change(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with Events(app, COUNTED) as events:
        assert (events.status, events.kind) == (200, "text/event-stream; charset=utf-8")
        for expected in (0, 1, 2):
            name, answer = await events.next()
            assert (name, answer["data"]["counted"]["value"]) == ("next", expected)
            await count(house, counter)
    assert len(house.live) == 0


async def test_events_end_when_what_they_tell_of_is_gone(
    app: Starlette, house: House, counter: Counter
) -> None:
    async with Events(app, COUNTED) as events:
        await events.next()
        counter.is_there = False
        await count(house, counter)
        assert await events.next() == ("complete", None)


async def test_events_of_one_who_signed_in_are_personal(app: Starlette, signed_in: Phone) -> None:
    headers = {
        "authorization": f"DPoP {signed_in.access_token}",
        "dpop": signed_in.proof(token=signed_in.access_token),
    }
    async with Events(app, MINE, headers) as events:
        _, answer = await events.next()
        assert answer["data"]["mine"]["person"] != "None"


async def test_events_end_when_the_rights_of_their_reader_change(
    app: Starlette, house: House, signed_in: Phone
) -> None:
    headers = {
        "authorization": f"DPoP {signed_in.access_token}",
        "dpop": signed_in.proof(token=signed_in.access_token),
    }
    async with Events(app, MINE, headers) as events:
        await events.next()
        await signed_in.ask("mutation { signOut { __typename } }")
        assert await events.next() == ("complete", None)
    assert len(house.live) == 0


@pytest.mark.parametrize(
    ("query", "status"),
    [("{ hello }", 406), ("subscription { unknown }", 400), ("subscription {", 406)],
)
async def test_what_is_no_subscription_is_not_told_as_events(
    app: Starlette, query: str, status: int
) -> None:
    async with Events(app, query) as events:
        assert events.status == status
        assert (await events.body())["errors"]
