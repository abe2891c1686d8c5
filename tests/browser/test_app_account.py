"""The recipient's account in the app: signing in, losing the key, wishes, and what is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from tests.browser.test_app import ADDRESS, sign_in

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.conftest import Chromium
    from tests.fakes.district import District

EVICT = """async () => {
  const { drop } = await import("/web/kit/store.js");
  await drop("device-key");
}"""


async def test_whoever_signs_in_sees_their_parcels(district: District, chromium: Chromium) -> None:
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await expect(page.get_by_text("Nothing is on its way to you.")).to_be_visible()
    assert chromium.complaints == []


async def test_whoever_lost_the_devices_key_signs_in_again(
    district: District, chromium: Chromium
) -> None:
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await page.evaluate(EVICT)
        await page.reload()
        await expect(page.get_by_text("This browser has forgotten the key")).to_be_visible()
        await sign_in(district, page)


async def test_wishes_are_kept_and_everything_is_taken_along_before_it_is_erased(
    district: District, chromium: Chromium, tmp_path: Path
) -> None:
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await page.get_by_role("link", name="Account").click()
        await page.get_by_label("Quiet from").fill("23:30")
        await page.get_by_label("Doors that can be reached sitting").check()
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_text("Saved.")).to_be_visible()
        await page.reload()
        await expect(page.get_by_label("Quiet from")).to_have_value("23:30")
        await expect(page.get_by_label("Doors that can be reached sitting")).to_be_checked()
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Take it along").click()
        await (await saving.value).save_as(tmp_path / "mine.json")
        assert ADDRESS in (tmp_path / "mine.json").read_text()
        await expect(page.get_by_role("button", name="Erase my account")).to_be_disabled()
        await page.get_by_label("I want to be forgotten").check()
        await page.get_by_role("button", name="Erase my account").click()
        await expect(page.get_by_role("button", name="Send me a code")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("button", name="Send me a code")).to_be_visible()
    assert chromium.complaints == []
