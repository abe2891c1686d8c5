"""The panel in a real browser before a real locker: touched, typed at, scanned at, read aloud."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright, expect

from ble_agent.hardware.port import Door
from ble_agent.panel.page import showing_panel
from ble_agent.panel.screens import END_S
from schema.keys import Operation
from server.kit.web_build import OLDEST_NODE, build_web, find_node
from tests.ble_agent.panel.kiosk import STAY, Kiosk
from tests.ble_agent.standing import Standing, quick_folder
from tests.browser.axe import find_barriers
from tests.browser.conftest import CHROMIUM, QUIET

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

SCREEN = {"width": 1280, "height": 800}

SCAN = """keys => keys.filter((key) => document.activeElement.dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })))"""
"""Types at once what a scanner types; the keys that the page has left to whatever has the focus."""


@pytest.fixture
async def kiosk() -> AsyncIterator[Kiosk]:
    """A locker with a panel; a parcel lies in compartment 1. Skipped where there is no browser."""
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    if find_node() is None:
        pytest.skip(f"no Node {OLDEST_NODE} or newer: apt-get install nodejs npm")
    build_web()
    with quick_folder() as folder:
        standing = await Standing(folder / "state", door_seconds=None).start()
        await standing.set_up()
        await standing.deposit_by_hand(STAY, 1)
        yield Kiosk(standing)
        assert standing.failures == []
        await standing.stop()


@asynccontextmanager
async def at_the_screen(kiosk: Kiosk, scheme: str = "light") -> AsyncIterator[Page]:
    """The kiosk's browser with the panel on it; the page complains of nothing, asks nobody else."""
    complaints: list[str] = []
    async with (
        showing_panel(kiosk.panel, 0, secret="of-this-start") as url,
        async_playwright() as play,
    ):
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        page = await browser.new_page(
            viewport=SCREEN,  # type: ignore[arg-type]  # two numbers
            color_scheme=scheme,  # type: ignore[arg-type]  # one of its two words
        )
        page.on("pageerror", lambda error: complaints.append(f"{error}"))
        page.on("console", lambda message: complaints.append(message.text))
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.goto(url)
        await says(page, "Collect a parcel")
        yield page
        await browser.close()
        assert [one for one in asked if not one.startswith(url)] == []
    assert complaints == []


async def says(page: Page, heading: str) -> None:
    """The screen has come to say this."""
    await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()


async def press(page: Page, *names: str) -> None:
    """Touch these buttons."""
    for name in names:
        await page.get_by_role("button", name=name, exact=True).click()


async def test_pin_by_touch_opens_the_door_and_the_screen_follows_it_home(kiosk: Kiosk) -> None:
    standing = kiosk.standing
    async with at_the_screen(kiosk) as page:
        await press(page, "Type a PIN", "1", "Next")
        await says(page, "PIN of compartment 1")
        await press(page, *kiosk.pin())
        await expect(page.get_by_text("8 of 8 digits")).to_be_attached()
        await press(page, "Open")
        await says(page, "Compartment 1 is open")
        assert standing.hardware.door(1) is Door.OPEN
        await standing.pass_time(31)
        await says(page, "Please shut compartment 1")
        await standing.shut(1, occupied=False)
        await says(page, "All done. Thank you!")
        await standing.pass_time(END_S)
        await says(page, "Collect a parcel")


async def test_scanner_and_keyboard_work_whatever_has_the_focus(kiosk: Kiosk) -> None:
    async with at_the_screen(kiosk) as page:
        await page.get_by_role("button", name="Help", exact=True).focus()
        await page.keyboard.press("Enter")
        await says(page, "Help")
        await page.keyboard.press("Escape")
        await says(page, "Collect a parcel")
        await page.get_by_role("button", name="Type a PIN").focus()
        code = kiosk.code(kiosk.standing.token(Operation.OPEN, stay=STAY))
        # Nothing of it presses the button that has the focus.
        assert await page.evaluate(SCAN, [*code, "Enter"]) == []
        await says(page, "Compartment 1 is open")
        assert kiosk.standing.hardware.door(1) is Door.OPEN


async def test_no_screen_keeps_anybody_out(kiosk: Kiosk, scheme: str) -> None:
    async with at_the_screen(kiosk, scheme) as page:
        for name in ("Type a PIN", "Next", "Start", "Show a QR code", "Start", "Help"):
            assert await find_barriers(page) == []
            if name == "Next":
                await press(page, "1")
            await press(page, name)
        await press(page, "Large type", "Contrast", "Deutsch")
        await says(page, "Hilfe")
        assert await find_barriers(page) == []
        kiosk.touch_in(1, "00000000")
        await says(page, "Das passt nicht zusammen")
        assert await find_barriers(page) == []
        kiosk.touch_in(1, kiosk.pin())
        await kiosk.standing.pass_time()
        await says(page, "Fach 1 ist offen")
        assert await find_barriers(page) == []
        tall = await page.evaluate("document.documentElement.scrollHeight")
        assert tall <= SCREEN["height"]


async def test_page_comes_back_with_the_agent(kiosk: Kiosk) -> None:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=[*QUIET])
        page = await browser.new_page()
        async with showing_panel(kiosk.panel, 0, secret="of-this-start") as url:
            await page.goto(url)
            await says(page, "Collect a parcel")
        await expect(page.get_by_text("the locker is starting again")).to_be_visible()
        again = Kiosk(kiosk.standing)
        port = int(url.rstrip("/").rpartition(":")[2])
        async with showing_panel(again.panel, port, secret="of-the-next"):
            await expect(page.get_by_text("the locker is starting again")).to_be_hidden()
            await press(page, "Help")
            await says(page, "Help")
            await browser.close()
