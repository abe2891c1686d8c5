"""Bodies that do not come, or come too slowly or too large."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.kit.errors import TransportRefused
from server.kit.http import MAX_BODY_BYTES, BodyLimit, media_type, strict_loads


async def test_a_body_that_does_not_come_is_given_up() -> None:
    async def never() -> dict[str, Any]:
        await asyncio.get_running_loop().create_future()
        return {}

    limit = BodyLimit(never, asyncio.get_running_loop().time() + 0.01)
    with pytest.raises(TransportRefused) as refused:
        await limit()
    assert refused.value.status == 408
    assert limit.is_broken


async def test_a_body_that_grows_too_large_is_given_up() -> None:
    async def half() -> dict[str, Any]:
        return {"type": "http.request", "body": b"x" * (MAX_BODY_BYTES // 2), "more_body": True}

    limit = BodyLimit(half, asyncio.get_running_loop().time() + 10)
    await limit()
    await limit()
    with pytest.raises(TransportRefused) as refused:
        await limit()
    assert refused.value.status == 413


async def test_after_a_whole_body_there_is_no_hurry() -> None:
    messages: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    limit = BodyLimit(messages.get, asyncio.get_running_loop().time() - 1)
    limit.is_whole = True
    await messages.put({"type": "http.disconnect"})
    assert (await limit())["type"] == "http.disconnect"


@pytest.mark.parametrize(
    "text", ["", "{", "NaN", "[Infinity]", '"\\ud800"', "[" * 33 + "]" * 33, "1" * 5_000, b"\xff"]
)
def test_what_is_no_strict_json_is_a_value_error(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_loads(text)


def test_strict_json_is_read() -> None:
    assert strict_loads(b'\xef\xbb\xbf{"a": ["]]]]", 1.5, null]}') == {"a": ["]]]]", 1.5, None]}
    assert strict_loads('"\\ud83d\\ude00"') == "\N{GRINNING FACE}"


@pytest.mark.parametrize("header", ["Application/JSON", "application/json; charset=utf-8"])
def test_a_media_type_is_read_without_its_parameters(header: str) -> None:
    assert media_type(header) == "application/json"
    assert media_type(None) == ""
