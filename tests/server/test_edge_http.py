"""The door of the API over HTTP: what is answered to requests of every shape."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import httpx
import pytest

from server.app import House, make_app
from server.kit.http import GRAPHQL_JSON, JSON, MAX_BODY_BYTES
from server.kit.view import REQUESTS
from tests.fakes.probe_api import SECRET, probe_schema

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def door(house: House) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the small API."""
    transport = httpx.ASGITransport(make_app(house, probe_schema()))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client


async def post(door: httpx.AsyncClient, body: object, **headers: str) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await door.post(
        "/graphql",
        content=content,
        headers={"content-type": JSON, "accept": GRAPHQL_JSON, **headers},
    )


@pytest.mark.parametrize("path", ["/graphql", "/graphql/"])
async def test_a_query_is_answered_at_both_spellings_of_the_path(
    door: httpx.AsyncClient, path: str
) -> None:
    answer = await door.post(path, json={"query": "{ hello }"})
    assert answer.json() == {"data": {"hello": "world"}}


@pytest.mark.parametrize(
    ("accept", "status", "kind"),
    [
        (GRAPHQL_JSON, 200, GRAPHQL_JSON),
        (JSON, 200, JSON),
        ("*/*", 200, JSON),
        ("application/*", 200, JSON),
        ("", 200, JSON),
        (f"{JSON}, {GRAPHQL_JSON}", 200, GRAPHQL_JSON),
        (f"{GRAPHQL_JSON};q=0.2, {JSON};q=0.9", 200, JSON),
        (f"{GRAPHQL_JSON};q=0, */*", 200, JSON),
        ("text/html", 406, JSON),
        (f"{JSON};q=0", 406, JSON),
        (f"{JSON};q=nan", 406, JSON),
    ],
)
async def test_the_media_type_is_negotiated(
    door: httpx.AsyncClient, accept: str, status: int, kind: str
) -> None:
    answer = await post(door, {"query": "{ hello }"}, accept=accept)
    assert answer.status_code == status
    assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


@pytest.mark.parametrize(
    ("kind", "status"), [(GRAPHQL_JSON, 400), (JSON, 200)], ids=["new type", "old type"]
)
@pytest.mark.parametrize("query", ["{", "{ unknown }", "query A { hello } query A { hello }"])
async def test_a_bad_document_has_no_data(
    door: httpx.AsyncClient, query: str, kind: str, status: int
) -> None:
    answer = await post(door, {"query": query}, accept=kind)
    assert answer.status_code == status
    assert "data" not in answer.json()
    assert answer.json()["errors"]


BAD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "null": b"null",
    "a number": b"1",
    "a text": b'"x"',
    "true": b"true",
    "a batch": b'[{"query": "{ hello }"}]',
    "torn": b'{"query": "{ hel',
    "deep": b'{"query": "{ hello }", "variables": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "deep objects": b'{"query": "{ hello }", "variables": '
    + b'{"a":' * 9_000
    + b"1"
    + b"}" * 9_001,
    "huge number": b'{"query": "{ hello }", "variables": {"n": ' + b"9" * 10_000 + b"}}",
    "not UTF-8": b'{"query": "\xff"}',
    "UTF-16": '{"query": "{ hello }"}'.encode("utf-16"),
    "lone surrogate": b'{"query": "{ hello }", "operationName": "\\ud800"}',
    "NaN": b'{"query": "{ hello }", "variables": {"n": NaN}}',
    "compressed": gzip.compress(b'{"query": "{ hello }"}'),
    "no query": b"{}",
    "empty query": b'{"query": ""}',
    "query no text": b'{"query": {"a": 1}}',
    "name no text": b'{"query": "{ hello }", "operationName": 7}',
    "variables a list": b'{"query": "{ hello }", "variables": []}',
    "extensions a text": b'{"query": "{ hello }", "extensions": "x"}',
    "too many values": json.dumps(
        {"query": "query ($n: [Int!]!) { add(numbers: $n) }", "variables": {"n": [1] * 5_000}}
    ).encode(),
    "long document": json.dumps({"query": "{ hello }" + " " * 20_000}).encode(),
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_is_refused_with_a_sentence(door: httpx.AsyncClient, body: bytes) -> None:
    answer = await post(door, body)
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith(GRAPHQL_JSON)
    assert answer.json()["errors"][0]["message"]
    assert "data" not in answer.json()


@pytest.mark.parametrize(
    "kind", ["text/plain", "multipart/form-data", "application/json-x", "application/graphql", ""]
)
async def test_another_content_type_is_refused(door: httpx.AsyncClient, kind: str) -> None:
    answer = await post(door, {"query": "{ hello }"}, **{"content-type": kind})
    assert answer.status_code == 415


async def test_a_content_type_with_parameters_is_taken(door: httpx.AsyncClient) -> None:
    answer = await post(
        door, {"query": "{ hello }"}, **{"content-type": "Application/JSON; charset=utf-8"}
    )
    assert answer.status_code == 200


async def test_a_compressed_body_is_refused_by_its_head(door: httpx.AsyncClient) -> None:
    answer = await post(door, b"x", **{"content-encoding": "gzip"})
    assert answer.status_code == 415


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
async def test_another_method_is_refused_with_those_allowed(
    door: httpx.AsyncClient, method: str
) -> None:
    answer = await door.request(method, "/graphql")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, POST"


async def test_a_get_may_read_but_not_change(door: httpx.AsyncClient) -> None:
    reading = await door.get("/graphql", params={"query": "{ hello }"})
    changing = await door.get("/graphql", params={"query": "mutation { poke }"})
    assert reading.json() == {"data": {"hello": "world"}}
    assert (changing.status_code, changing.headers["allow"]) == (405, "POST")


async def test_a_get_without_a_query_is_a_bad_request(door: httpx.AsyncClient) -> None:
    answer = await door.get("/graphql", headers={"accept": "text/html, */*"})
    assert answer.status_code == 400


@pytest.mark.parametrize("length", [str(MAX_BODY_BYTES + 1), "9" * 400, "-1", "1e9"])
async def test_a_body_that_announces_too_much_is_refused_unread(
    door: httpx.AsyncClient, length: str
) -> None:
    answer = await post(door, b"{}", **{"content-length": length})
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


async def test_a_body_that_grows_too_large_is_cut_off(door: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(MAX_BODY_BYTES // 65_536 + 1):
            yield b" " * 65_536

    answer = await door.post("/graphql", content=chunks(), headers={"content-type": JSON})
    assert answer.status_code == 413


async def test_every_answer_is_kept_from_caches_and_frames(door: httpx.AsyncClient) -> None:
    for answer in (await post(door, {"query": "{ hello }"}), await post(door, b"torn")):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["vary"] == "Accept, Origin"


async def test_another_site_may_not_call_from_a_browser(door: httpx.AsyncClient) -> None:
    foreign = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}
    assert (await post(door, {"query": "{ hello }"}, **foreign)).status_code == 403


async def test_an_exception_leaves_only_its_id(
    door: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = await post(door, {"query": "{ boom }"})
    error = answer.json()["errors"][0]
    assert error["extensions"]["code"] == "INTERNAL"
    assert SECRET not in answer.text
    logged = [record for record in caplog.records if record.levelname == "ERROR"]
    assert len(logged) == 1
    assert vars(logged[0])["error_id"] == error["extensions"]["id"]


@pytest.mark.parametrize("query", ["{ helo }", "{ add(number: 1) }", "query ($a: Strng) { hello }"])
async def test_an_error_suggests_no_names(door: httpx.AsyncClient, query: str) -> None:
    assert "Did you mean" not in (await post(door, {"query": query})).text


@pytest.mark.parametrize("value", ["a", 7, None, ["x"], {"a": 1}])
async def test_a_scalar_that_refuses_a_variable_does_not_tell_its_thoughts(
    door: httpx.AsyncClient, value: object
) -> None:
    query = "query ($d: Base64!) { size(data: $d) }"
    answer = await post(door, {"query": query, "variables": {"d": value}})
    assert answer.status_code == 400
    assert "$d" in answer.json()["errors"][0]["message"]
    assert not {"error", "attribute", "characters"} & set(answer.text.replace("'", " ").split())


@pytest.mark.parametrize("at", ["nonsense", "2026-13-01T00:00:00Z", ""])
async def test_a_time_that_is_none_is_refused_in_words_of_ours(
    door: httpx.AsyncClient, at: str
) -> None:
    by_variable = {"query": "query ($at: DateTime!) { echo(at: $at) }", "variables": {"at": at}}
    for body in (by_variable, {"query": f'{{ echo(at: "{at}") }}'}):
        answer = await post(door, body)
        assert answer.status_code == 400
        message = answer.json()["errors"][0]["message"]
        assert message.endswith("Value cannot represent a DateTime: it has another form.")


async def test_an_operation_that_hangs_is_ended(house: House) -> None:
    app = make_app(house, probe_schema(within_s=0.02))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as door:
        answer = await post(door, {"query": "{ slow }"})
    assert answer.json()["errors"][0]["extensions"]["code"] == "TOO_COSTLY"


async def test_one_source_is_slowed_down_and_another_is_not(
    door: httpx.AsyncClient, house: House
) -> None:
    for _ in range(REQUESTS.count):
        await house.rates.hit(REQUESTS, "127.0.0.1")
    answer = await post(door, {"query": "{ hello }"})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= REQUESTS.window_s
    assert answer.json()["errors"][0]["extensions"]["code"] == "SLOW_DOWN"
    assert await house.rates.hit(REQUESTS, "10.0.0.1") is None


async def test_health_is_told_without_and_with_the_database(door: httpx.AsyncClient) -> None:
    assert (await door.get("/healthz")).text == "ok"
    assert (await door.get("/readyz")).text == "ready"
