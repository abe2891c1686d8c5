"""The page over HTTP: who may press, what is pushed, and what hostile requests are answered."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ble_agent.hardware.port import Door
from ble_agent.panel.intents import Language
from ble_agent.panel.page import ASSETS, MOST_BYTES, showing_panel
from ble_agent.panel.sentences import Say
from tests.ble_agent.panel.kiosk import SCAN_MS, STAY, Kiosk
from tests.contracts.tree import ROOT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

from schema.keys import Operation

SECRET = "of-this-start"

HOSTILE = [
    b"", b"{", b"[" * 9000, b"\xff\xfe", b"0" * (MOST_BYTES + 1), b"null", b"[1]", b"[[]]",
    b'[["1", true]]', b'[["1", NaN]]', b'[["1", 1e999]]', b'[["1", 1' + b"0" * 400 + b"]]",
    b'[["1", 1' + b"0" * 9000 + b"]]", b'[["", 1]]', b'[["' + b"k" * 40 + b'", 1]]',
    b'[["1", 1, 1]]', b'{"intent": "shown", "word": "SLK1:"}',
    b'{"intent": "digit", "word": "12"}', b'{"intent": "digit", "word": "\xd9\xa1"}',
    b'{"intent": "choose", "word": "door"}', b'{"intent": ["digit"]}',
    json.dumps([["1", 1]] * 513).encode(),
]  # fmt: skip


@dataclass
class Browser:
    """A page of the same machine."""

    kiosk: Kiosk
    http: httpx.AsyncClient
    origin: str

    async def post(self, where: str, body: object, **headers: str) -> int:
        """Send what was pressed; the status."""
        told = {"Origin": self.origin, "X-Panel-Secret": SECRET} | headers
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return (await self.http.post(where, content=content, headers=told)).status_code

    async def act(self, intent: str, word: str | None = None) -> None:
        """Press a button."""
        assert await self.post("/act", {"intent": intent, "word": word}) == 204

    @asynccontextmanager
    async def views(self) -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
        """What is pushed, view by view."""
        async with self.http.stream("GET", "/events", params={"secret": SECRET}) as answer:
            lines = answer.aiter_lines()
            yield (json.loads(line[6:]) async for line in lines if line.startswith("data: "))


@pytest.fixture
async def browser(kiosk: Kiosk) -> AsyncIterator[Browser]:
    async with (
        showing_panel(kiosk.panel, 0, secret=SECRET) as url,
        httpx.AsyncClient(base_url=url, trust_env=False) as http,
    ):
        yield Browser(kiosk, http, url.rstrip("/"))


async def test_pin_typed_on_the_page_opens_the_door_and_the_page_follows(browser: Browser) -> None:
    standing = browser.kiosk.standing
    async with browser.views() as views:
        assert (await anext(views))["screen"] == "home"
        await browser.act("choose", "pin")
        await browser.act("digit", "1")
        await browser.act("confirm")
        for digit in browser.kiosk.pin():
            await browser.act("digit", digit)
        await browser.act("confirm")
        await standing.pass_time()
        assert standing.hardware.door(1) is Door.OPEN
        while (await anext(views))["say"] != "open":
            pass
        await standing.shut(1, occupied=False)
        while (await anext(views))["say"] != "empty":
            pass
        await browser.act("choose", "home")
        while (await anext(views))["screen"] != "home":
            pass


async def test_scan_in_bundles_of_keys_opens_the_door(browser: Browser) -> None:
    text = browser.kiosk.code(browser.kiosk.standing.token(Operation.OPEN, stay=STAY))
    keys = [[key, at * SCAN_MS] for at, key in enumerate([*text, "Enter"])]
    for at in range(0, len(keys), 8):
        assert await browser.post("/keys", keys[at : at + 8]) == 204
    await browser.kiosk.standing.pass_time()
    assert browser.kiosk.say == "open"


async def test_page_and_its_parts_are_served_with_headers_that_let_nothing_else_in(
    browser: Browser,
) -> None:
    page = await browser.http.get("/")
    assert SECRET in page.text
    for path in ASSETS.rglob("*.*"):
        part = await browser.http.get("/" + path.relative_to(ASSETS).as_posix())
        assert part.status_code == 200
        assert "default-src 'none'" in part.headers["content-security-policy"]
        assert part.headers["x-content-type-options"] == "nosniff"
        assert part.headers["cache-control"] == "no-store"
    assert (await browser.http.get("/words/../../page.py")).status_code == 404


async def test_no_other_page_presses_keys(browser: Browser) -> None:
    body = {"intent": "choose", "word": "help"}
    for headers, status in (
        ({"X-Panel-Secret": "another"}, 403),
        ({"Origin": "http://example.org"}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "panel.example.org"}, 421),
    ):
        assert await browser.post("/act", body, **headers) == status
    assert browser.kiosk.view["screen"] == "home"


async def test_no_other_page_looks_over_the_shoulder(browser: Browser) -> None:
    for params, headers in (
        ({}, {}),
        ({"secret": "another"}, {}),
        ({"secret": "é"}, {}),
        ({"secret": SECRET}, {"Sec-Fetch-Site": "cross-site"}),
        ({"secret": SECRET}, {"Sec-Fetch-Site": "same-site"}),
    ):
        answer = await browser.http.get("/events", params=params, headers=headers)
        assert answer.status_code == 403
    without = {"X-Panel-Secret": SECRET}
    answer = await browser.http.post("/act", content=b"{}", headers=without)
    assert answer.status_code == 403


async def test_hostile_bodies_are_refused_and_press_nothing(browser: Browser) -> None:
    for body in HOSTILE:
        for where in ("/act", "/keys"):
            assert await browser.post(where, body) == 400, body[:80]
    assert browser.kiosk.view["screen"] == "home"


async def test_page_is_let_go_when_the_panel_ends(kiosk: Kiosk) -> None:
    async with httpx.AsyncClient(trust_env=False) as http:
        async with showing_panel(kiosk.panel, 0, secret=SECRET) as url:
            following = http.build_request("GET", f"{url}events?secret={SECRET}")
            answer = await http.send(following, stream=True)
            lines = answer.aiter_lines()
            assert (await anext(lines)).startswith("data: ")
        assert [line async for line in lines if line] == []
        await answer.aclose()


@pytest.mark.parametrize("language", [*Language])
def test_every_language_has_words_for_everything(language: Language) -> None:
    english = json.loads((ASSETS / "words" / "en.json").read_text())
    words = json.loads((ASSETS / "words" / f"{language}.json").read_text())
    assert words.keys() == english.keys()
    assert {f"{kind}.{say}" for say in Say for kind in ("say", "hint")} <= words.keys()
    assert all(words.values())
    for key, text in words.items():
        assert sorted(part.split("}")[0] for part in text.split("{")[1:]) == sorted(
            part.split("}")[0] for part in english[key].split("{")[1:]
        )


@pytest.mark.parametrize("shared", ["tokens.css", "dom.js"])
def test_panel_looks_as_the_other_pages_do(shared: str) -> None:
    assert (ASSETS / shared).read_bytes() == (ROOT / "server/web/kit" / shared).read_bytes()
