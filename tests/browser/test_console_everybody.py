"""The console for everybody: by screen reader, keyboard, large type, both themes, through a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from server.people.roles import Role
from tests.browser.axe import find_barriers
from tests.browser.test_app import deposit
from tests.browser.test_console import employ, give_reason, sign_in, tile
from tests.fakes.occupancies import write_past

if TYPE_CHECKING:
    from tests.browser.conftest import Chromium
    from tests.fakes.district import District

SCREENS = {
    "Incidents": "The hinge is loose.",
    "Parcels": "waits for its recipient",
    "Lockers": "What the locker has applied",
    "Occupancy": "As a table",
    "Hours": "Closures",
    "Journal": "parcel deposited",
}
"""Each screen, and what is on it once it is whole."""

HEADINGS = {"de": "Türen", "fr": "Portes", "es": "Puertas"}
WIDTH = 1280
AGE = """async () => {
  const [version] = await caches.keys();
  const kept = await caches.open(version);
  await kept.put("/web/kit/dom.js", new Response("throw new Error('of an older version')"));
}"""
"""What the app keeps is of another version than the server's."""


async def test_no_screen_of_the_console_keeps_anybody_out(
    district: District, chromium: Chromium, scheme: str
) -> None:
    await employ(district, Role.HUB_MANAGER)
    now = district.house.clock.now()
    await write_past(district.house.database, district.town, now=now, share=0.5, days=35)
    async with chromium.open(scheme=scheme) as (_, page), district.online():
        await page.set_viewport_size({"width": WIDTH, "height": 800})
        await page.goto(f"{district.url}/console/")
        await expect(page.get_by_label("E-mail address or phone number")).to_be_visible()
        assert await find_barriers(page) == []
        await sign_in(district, page)
        await district.meet("recipient")
        await deposit(district)
        await tile(page, "A2").click()
        await expect(page.get_by_text("Nothing yet.")).to_be_visible()
        assert await find_barriers(page) == []
        await page.get_by_role("button", name="Close for a check").click()
        assert await find_barriers(page) == []
        await give_reason(page, "Close for a check", "The hinge is loose.")
        await expect(tile(page, "A2")).to_contain_text("closed for a check")
        assert await find_barriers(page) == []
        for name, whole in SCREENS.items():
            await page.get_by_role("link", name=name).click()
            await expect(page.get_by_text(whole).first).to_be_visible()
            assert await find_barriers(page) == [], name
    assert chromium.complaints == []


async def test_console_is_worked_by_keyboard_in_small_windows_and_in_four_languages(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_MANAGER)
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await tile(page, "A4").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(tile(page, "A4")).to_be_focused()
        await district.meet("recipient")
        await deposit(district)
        await expect(tile(page, "A1")).to_contain_text("holds a parcel")
        await expect(tile(page, "A4")).to_be_focused()
        await page.set_viewport_size({"width": WIDTH // 4, "height": 512})
        wide = "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        for link in await page.locator("nav a").all():
            await link.click()
            await expect(page.get_by_role("heading", level=1)).to_be_visible()
            assert await page.evaluate(wide) is False
        await page.locator("nav a").first.click()
        for language, heading in HEADINGS.items():
            await page.locator("header select").select_option(language)
            await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
    assert chromium.complaints == []


async def test_gap_is_told_and_what_was_missed_is_there_after_it(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_CLERK)
    async with chromium.open() as (_, page):
        async with district.online():
            await sign_in(district, page)
            await expect(tile(page, "A1")).to_contain_text("free")
            origin = district.url
        await expect(page.get_by_text("No connection.")).to_be_visible()
        assert await find_barriers(page) == []
        async with district.online(origin):
            await district.meet("recipient")
            await deposit(district)
            await expect(tile(page, "A1")).to_contain_text("holds a parcel", timeout=40_000)
            await expect(page.locator("header").get_by_text("Live")).to_be_visible()


async def test_console_comes_from_the_server_where_the_app_is_kept_too(
    district: District, chromium: Chromium
) -> None:
    async with chromium.open() as (_, page), district.online():
        await page.goto(f"{district.url}/app/")
        await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        await page.evaluate(AGE)
        await page.goto(f"{district.url}/console/")
        await expect(page.get_by_role("heading", name="The console of your hub")).to_be_visible()
    assert chromium.complaints == []
