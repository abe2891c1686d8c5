"""The console in a real browser: what staff see live of a hub, and what they have done about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.async_api import expect

from server.lockers.rules import Allocation
from server.lockers.tables import Compartment
from server.parcels.states import ParcelState
from server.people.roles import Role
from server.people.rules import read_contact
from server.people.service.accounts import ensure_person
from server.people.tables import Membership
from tests.browser.axe import find_barriers
from tests.browser.test_app import deposit
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from playwright.async_api import Locator, Page

    from tests.browser.conftest import Chromium
    from tests.fakes.district import District

ADDRESS = "staff@example.org"


async def employ(district: District, role: Role, hub: str = "hub") -> None:
    """Somebody is given a role at a hub before they ever signed in."""
    house = district.house
    contact, now = read_contact(ADDRESS), house.clock.now()
    assert contact is not None
    async with house.database.write() as session:
        person = await ensure_person(session, contact, ids=house.ids, now=now)
        session.add(
            Membership(
                id=house.ids.new(),
                created_at=now,
                person_id=person,
                role=role,
                subject=key_of(hub),
            )
        )


async def sign_in(district: District, page: Page) -> None:
    await page.goto(f"{district.url}/console/")
    await page.get_by_label("E-mail address or phone number").fill(ADDRESS)
    await page.get_by_role("button", name="Send me a code").click()
    await expect(page.get_by_label("Code")).to_be_focused()
    await page.get_by_label("Code").fill(await district.code_for(ADDRESS))
    await page.get_by_role("button", name="Sign in").click()


def tile(page: Page, label: str) -> Locator:
    return page.get_by_role("button").filter(has_text=label)


async def give_reason(page: Page, button: str, reason: str) -> None:
    """The dialog that asks why is filled in and sent."""
    await page.get_by_role("dialog").get_by_role("textbox").fill(reason)
    await page.get_by_role("dialog").get_by_role("button", name=button, exact=True).click()


async def test_clerk_sees_a_deposit_on_the_wall_and_closes_a_door_for_a_check(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_CLERK)
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await expect(page.get_by_role("heading", name="Doors", exact=True)).to_be_visible()
        await expect(tile(page, "A1")).to_contain_text("free")
        await district.meet("recipient")
        await deposit(district)
        await expect(tile(page, "A1")).to_contain_text("holds a parcel")
        await tile(page, "A3").click()
        await page.get_by_role("button", name="Close for a check").click()
        await give_reason(page, "Close for a check", "It smells of paint.")
        await expect(tile(page, "A3")).to_contain_text("closed for a check")
        await expect(page.get_by_role("link", name="Incidents")).to_have_count(0)
        await page.get_by_role("link", name="Parcels").click()
        await expect(page.get_by_text("door A1")).to_be_visible()
        await page.get_by_role("button", name="What happened to parcel").click()
        await expect(page.get_by_role("dialog").get_by_text("in the locker")).to_be_visible()
        await page.get_by_role("button", name="Close", exact=True).click()
        await page.get_by_role("button", name="Help at the door").click()
        await page.get_by_role("dialog").get_by_role("button", name="Help at the door").click()
        await expect(page.get_by_text("It is kept that you help with parcel.")).to_be_visible()
    assert chromium.complaints == []


async def test_manager_resolves_an_incident_and_returns_nothing_unseen_to_service(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_MANAGER)
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await tile(page, "A2").click()
        await page.get_by_role("button", name="Close for a check").click()
        await give_reason(page, "Close for a check", "The hinge is loose.")
        await tile(page, "A2").filter(has_text="closed for a check").click()
        await page.get_by_role("button", name="Return to service").click()
        await give_reason(page, "Return to service", "Looks fine.")
        await expect(page.get_by_role("alert")).to_contain_text("That did not work")
        await page.get_by_role("button", name="Close", exact=True).click()
        await page.get_by_role("link", name="Incidents 1").click()
        await expect(page.get_by_text("The hinge is loose.")).to_be_visible()
        await page.get_by_role("button", name="Resolve").click()
        await give_reason(page, "Resolve", "The hinge was tightened.")
        await expect(page.get_by_text("The incident is resolved.")).to_be_visible()
        await expect(page.get_by_text("Nothing is wrong.")).to_be_visible()
    assert chromium.complaints == []


async def test_closure_is_written_and_hours_that_nobody_can_mean_are_not(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_OWNER)
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await page.get_by_role("link", name="Hours").click()
        await page.get_by_role("button", name="Change the hours").click()
        await page.get_by_label("Monday").fill("9 to 5")
        await page.get_by_role("dialog").get_by_role("button", name="Change the hours").click()
        await expect(page.get_by_role("alert")).to_contain_text("“9 to 5” is no time span")
        await page.get_by_label("Monday").fill("09:00-17:30")
        await page.get_by_role("dialog").get_by_role("button", name="Change the hours").click()
        await expect(page.get_by_text("09:00-17:30")).to_be_visible()
        await page.get_by_role("button", name="Add a closure").click()
        day = f"{district.house.clock.now().date()}"
        await page.get_by_label("First day").fill(day)
        await page.get_by_label("Last day").fill(day)
        await page.get_by_label("Why").fill("Stocktaking")
        await page.get_by_role("dialog").get_by_role("button", name="Add a closure").click()
        await expect(page.get_by_text("Stocktaking")).to_be_visible()
        await expect(page.get_by_text("Shut now")).to_be_visible()
    assert chromium.complaints == []


async def test_whoever_works_at_two_hubs_chooses_one(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_CLERK)
    await employ(district, Role.HUB_MANAGER, "mill")
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await expect(page.get_by_role("img", name="Where your hubs are")).to_be_visible()
        assert await find_barriers(page) == []
        await page.get_by_role("link", name="2. Old Mill").click()
        await expect(page.get_by_role("button", name="B1")).to_be_visible()
        await expect(page.get_by_role("link", name="Incidents")).to_be_visible()
        await page.get_by_role("link", name="Hubs").click()
        await page.get_by_role("link", name="1. Corner Shop").click()
        await expect(page.get_by_role("button", name="A1")).to_be_visible()
        await expect(page.get_by_role("link", name="Incidents")).to_have_count(0)
    assert chromium.complaints == []


async def test_door_in_doubt_is_not_cleared_by_words_alone(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_CLERK)
    async with district.house.database.write() as session:
        door = await session.get_one(Compartment, key_of("door 4"))
        door.allocation = Allocation.UNKNOWN
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await tile(page, "A4").filter(has_text="unknown").click()
        await page.get_by_role("button", name="Say what is inside").click()
        await give_reason(page, "Say what is inside", "Nothing there.")
        await expect(page.get_by_role("alert")).to_contain_text("That did not work")
    assert chromium.complaints == []


async def test_whoever_works_nowhere_is_told_so(district: District, chromium: Chromium) -> None:
    async with chromium.open() as (_, page), district.online():
        await sign_in(district, page)
        await expect(page.get_by_text("This account works at no hub.")).to_be_visible()
        await page.goto(f"{district.url}/console/#/{district.gid('Hub', 'hub')}/wall")
        await expect(page.get_by_text("This hub is not open to your account.")).to_be_visible()
    assert chromium.complaints == []


async def test_clerk_takes_a_parcel_in_and_hands_it_over_after_an_identity_check(
    district: District, chromium: Chromium
) -> None:
    await employ(district, Role.HUB_CLERK)
    async with chromium.open() as (_, page), district.online():
        await district.meet("recipient")
        await sign_in(district, page)
        parcel = await district.announce("parcel", "recipient")
        await page.get_by_role("link", name="Parcels").click()
        await page.reload()
        await page.get_by_role("button", name="Take in at the counter").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_role("button", name="Take in at the counter").click()
        await page.get_by_role("button", name="Hand over").click()
        await dialog.get_by_label("Digits of the pass").fill("000 000")
        await dialog.get_by_role("button", name="Hand over").click()
        await expect(page.get_by_role("alert")).to_contain_text("not this parcel's digits")
        await dialog.get_by_label("How they were known").select_option("PASSPORT")
        await dialog.get_by_role("button", name="Hand over").click()
        await expect(page.get_by_text("parcel was handed over.")).to_be_visible()
        await expect(page.get_by_text("No parcel is here.")).to_be_visible()
        assert await district.state(parcel) is ParcelState.COLLECTED
    assert chromium.complaints == []
