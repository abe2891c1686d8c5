"""The app for everybody: by screen reader, keyboard and large type, in both themes, on a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from playwright.async_api import expect

from tests.browser.axe import find_barriers
from tests.browser.test_app import ADDRESS, show_ready, sign_in

if TYPE_CHECKING:
    from playwright.async_api import Page

    from tests.browser.conftest import Chromium
    from tests.fakes.district import District

FIRST_LOAD_BYTES = 120_000


async def test_no_screen_keeps_anybody_out(
    district: District, chromium: Chromium, scheme: str
) -> None:
    async with chromium.open(scheme=scheme) as (_, page):
        async with district.online():
            await page.goto(f"{district.url}/app/")
            await expect(page.get_by_label("E-mail address or phone number")).to_be_visible()
            assert await find_barriers(page) == []
            await page.evaluate("document.querySelector('header img').removeAttribute('alt')")
            [barrier] = await find_barriers(page)
            assert barrier.startswith("image-alt")
            await page.evaluate("document.querySelector('header img').alt = ''")
            await page.get_by_label("E-mail address or phone number").fill("nobody")
            await page.get_by_role("button", name="Send me a code").click()
            await expect(page.get_by_text("That did not work")).to_be_visible()
            assert await find_barriers(page) == []
            await sign_in(district, page)
            await expect(page.get_by_text("Nothing is on its way to you.")).to_be_visible()
            assert await find_barriers(page) == []
            await show_ready(district, page)
            await expect(page.get_by_role("heading", name="What happened")).to_be_visible()
            assert await find_barriers(page) == []
            await page.get_by_role("link", name="Account").click()
            await expect(page.get_by_text(ADDRESS)).to_be_visible()
            assert await find_barriers(page) == []
            await page.get_by_role("link", name="Parcels", exact=True).click()
            await expect(page.get_by_role("link", name="ready for you")).to_be_visible()
            assert await find_barriers(page) == []
        await page.reload()
        await expect(page.get_by_text("No network.")).to_be_visible()
        assert await find_barriers(page) == []


async def test_app_is_light_and_comes_from_the_phone_the_second_time(
    district: District, chromium: Chromium
) -> None:
    async with chromium.open() as (_, page), district.online():
        loaded = await count_bytes(page)
        await page.goto(f"{district.url}/app/")
        await expect(page.get_by_role("button", name="Send me a code")).to_be_visible()
        first = sum(loaded.values())
        assert 0 < first <= FIRST_LOAD_BYTES
        await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        await page.reload()
        loaded.clear()
        await page.reload()
        await expect(page.get_by_role("button", name="Send me a code")).to_be_visible()
        assert sum(loaded.values()) == 0, loaded


async def count_bytes(page: Page) -> dict[str, int]:
    """Bytes that came over the network for this page, compressed, with their headers, by file."""
    session = await page.context.new_cdp_session(page)
    urls: dict[str, str] = {}
    loaded: dict[str, int] = {}

    def begin(event: dict[str, Any]) -> None:
        response = event["response"]
        if not response.get("fromServiceWorker") and not response.get("fromDiskCache"):
            urls[event["requestId"]] = response["url"]

    def end(event: dict[str, Any]) -> None:
        url = urls.get(event["requestId"])
        if url is not None:
            loaded[url] = loaded.get(url, 0) + int(event["encodedDataLength"])

    session.on("Network.responseReceived", begin)
    session.on("Network.loadingFinished", end)
    await session.send("Network.enable")
    return loaded


async def test_browser_finds_nothing_that_keeps_it_from_being_installed(
    district: District, chromium: Chromium
) -> None:
    async with chromium.open() as (_, page), district.online():
        await page.goto(f"{district.url}/app/")
        await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
        session = await page.context.new_cdp_session(page)
        assert await session.send("Page.getInstallabilityErrors") == {"installabilityErrors": []}
        assert (await session.send("Page.getAppManifest"))["errors"] == []


HEADINGS = {"de": "Deine Pakete", "fr": "Vos colis", "es": "Tus paquetes"}


async def test_chosen_language_is_spoken_and_stays(district: District, chromium: Chromium) -> None:
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        for language, heading in HEADINGS.items():
            await page.locator("nav a").last.click()
            await page.locator("#language").select_option(language)
            await page.locator("nav a").first.click()
            await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
            await page.reload()
            await expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
            assert await page.evaluate("document.documentElement.lang") == language


async def test_everything_is_reached_by_keyboard_and_twice_as_large(
    district: District, chromium: Chromium
) -> None:
    async with chromium.open() as (_, page), district.online():
        await page.goto(f"{district.url}/app/")
        await page.evaluate("document.documentElement.style.fontSize = '200%'")
        await expect(page.get_by_label("E-mail address or phone number")).to_be_visible()
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="To the content")).to_be_focused()
        await page.keyboard.press("Enter")
        await page.keyboard.press("Tab")
        await expect(page.get_by_label("E-mail address or phone number")).to_be_focused()
        await page.keyboard.type(ADDRESS)
        await page.keyboard.press("Enter")
        await expect(page.get_by_label("Code")).to_be_focused()
        await page.keyboard.type(await district.code_for(ADDRESS))
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Nothing is on its way to you.")).to_be_visible()
        width = await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert width[0] <= width[1]
