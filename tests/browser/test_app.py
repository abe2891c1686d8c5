"""The recipient's app in a real browser: signing in, and what it opens without a network."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from playwright.async_api import expect

from ble_agent.hardware.port import Door
from ble_agent.phone import bundles
from server.parcels.states import ParcelState
from tests.browser.air import Air

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Page

    from tests.ble_agent.standing import Standing
    from tests.browser.conftest import Chromium
    from tests.fakes.district import District

ADDRESS = "recipient@example.org"
NEAR = "locker"
TAMPER = """async () => {
  const { change, find } = await import("/web/kit/store.js");
  const [parcel] = await find("bundles");
  await change(`bundle ${parcel}`, (kept) => {
    const bytes = Uint8Array.from(atob(kept.token.bytes), (one) => one.charCodeAt(0));
    bytes[bytes.length - 1] ^= 1;
    return { ...kept, token: { ...kept.token, bytes: btoa(String.fromCharCode(...bytes)) } };
  });
  await change("parcels", (kept) => kept);
}"""
STEP_S = 0.1


async def sign_in(district: District, page: Page) -> None:
    await page.goto(f"{district.url}/app/")
    await page.get_by_label("E-mail address or phone number").fill(ADDRESS)
    await page.get_by_role("button", name="Send me a code").click()
    await expect(page.get_by_label("Code")).to_be_focused()
    await page.get_by_label("Code").fill(await district.code_for(ADDRESS))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("heading", name="Your parcels", exact=True)).to_be_visible()


async def deposit(district: District) -> str:
    """The courier has put a parcel for the recipient in, and brought the journal; its id."""
    await district.meet("courier")
    district.people["recipient"] = await district.find_person("recipient")
    parcel = await district.announce("parcel", "recipient")
    courier = district.people["courier"]
    found = await bundles.fetch_deposits(district.account("courier"), [parcel], is_route=True)
    courier.wallet.put_bundle(parcel, found[parcel])
    told = await district.door("courier", "deposit", NEAR, parcel, leaves=True, comp=1)
    assert told["isDeposited"], told
    await district.deliver("courier")
    await district.work()
    assert await district.state(parcel) is ParcelState.READY_FOR_PICKUP
    return parcel


@asynccontextmanager
async def time_at(standing: Standing, *, leaves: bool = False) -> AsyncIterator[None]:
    """Time goes on at a locker, and whoever opens a door shuts it a moment later."""

    async def go_on() -> None:
        while True:
            # A browser needs real time for what takes none at the locker: it must not run away.
            await asyncio.sleep(STEP_S)
            await standing.pass_time(STEP_S)
            for comp in standing.hardware.compartments:
                if standing.hardware.door(comp) is Door.OPEN:
                    standing.hardware.swing_shut(comp, occupied=leaves)

    going = asyncio.create_task(go_on())
    try:
        yield
    finally:
        going.cancel()


async def hold(page: Page) -> None:
    """Holds the button that opens, for as long as it takes."""
    await page.get_by_role("button", name="Hold to open").hover()
    await page.mouse.down()
    await page.clock.run_for(1_000)
    await page.mouse.up()


async def show_ready(district: District, page: Page) -> str:
    """The page shows a parcel that is ready, and keeps all that is needed without a network."""
    parcel = await deposit(district)
    await page.reload()
    await page.get_by_role("link", name="ready for you").click()
    await expect(page.get_by_role("button", name="Hold to open")).to_be_visible()
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    return parcel


async def test_door_opens_while_the_server_is_gone_and_the_journal_comes_home_later(
    district: District, chromium: Chromium
) -> None:
    locker = district.lockers[NEAR]
    async with chromium.open() as (browser, page):
        async with district.online():
            await sign_in(district, page)
            parcel, origin = await show_ready(district, page), district.url
        await page.reload()
        await expect(page.get_by_text("No network.")).to_be_visible()
        await Air(locker).surround(browser, page)
        async with time_at(locker):
            await hold(page)
            await expect(page.get_by_text("That is yours now.")).to_be_visible()
            # The phone still takes the journal; when it has, the button is free again.
            await expect(page.get_by_role("button", name="Hold to open")).to_be_enabled()
        assert not locker.stays_in_now()
        assert await district.state(parcel) is ParcelState.READY_FOR_PICKUP
        async with district.online(origin):
            async with page.expect_response("**/graphql"):
                await page.evaluate("dispatchEvent(new Event('online'))")
            await page.reload()
            await expect(page.get_by_role("heading", name="fetched")).to_be_visible()
            assert await district.state(parcel) is ParcelState.COLLECTED
            await page.get_by_label("What happened").select_option("EMPTY")
            await page.get_by_role("button", name="Have it looked into").click()
            await expect(page.get_by_text("Under review since")).to_be_visible()
    assert await district.state(parcel) is ParcelState.DISPUTED
    assert [one for one in chromium.complaints if "ERR_CONNECTION_REFUSED" not in one] == []


async def test_tampered_token_opens_nothing(district: District, chromium: Chromium) -> None:
    locker = district.lockers[NEAR]
    async with chromium.open() as (browser, page), district.online():
        await sign_in(district, page)
        await show_ready(district, page)
        await Air(locker).surround(browser, page)
        await page.evaluate(TAMPER)
        await page.reload()
        async with time_at(locker):
            await hold(page)
            refusal = page.get_by_text("The locker refused")
            await expect(refusal).to_be_visible()
        assert locker.stays_in_now() == {1}
