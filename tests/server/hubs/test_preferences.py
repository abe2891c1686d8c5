"""What a person prefers, through the API: whole, versioned, their own."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from server.kit.graph import global_id
from server.people.preferences import MAX_WINDOWS, Preferences
from server.people.service.preferences import get_preferences, list_preferences
from tests.fakes.phone import Phone
from tests.fakes.town import build_town, key_of

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from tests.fakes.sources import MovableClock

FIELDS = """version language timeZone channels quiet { startsMinute endsMinute } mayCooledBreakQuiet
  holdUntil reach { lowestMm highestMm } counterOnly neverAppOnly neverAmbientIfPerishable
  allowedHubs favouriteHubs usualWindows { weekdays span { startsMinute endsMinute } } learns
  keepsPast namesHubOnScreen"""
READ = f"{{ me {{ preferences {{ {FIELDS} }} }} }}"
CHANGE = f"""mutation ($version: Int!, $wanted: PreferencesInput!) {{
  outcome: changePreferences(version: $version, preferences: $wanted) {{
    ... on ChangePreferencesPayload {{ preferences {{ {FIELDS} }} }}
    ... on Problem {{ code field message }} }} }}"""
HUB = global_id("Hub", key_of("hub"))
NOWHERE = global_id("Hub", uuid.UUID(int=7))
DAY = {"startsMinute": 480, "endsMinute": 1080}
EVERYTHING = {
    "language": "FR",
    "timeZone": "Europe/Paris",
    "channels": ["SMS", "PUSH"],
    "quiet": None,
    "mayCooledBreakQuiet": True,
    "holdUntil": "2026-05-12",
    "reach": {"lowestMm": 380, "highestMm": 1220},
    "counterOnly": True,
    "neverAppOnly": True,
    "neverAmbientIfPerishable": True,
    "allowedHubs": [HUB],
    "favouriteHubs": [HUB],
    "usualWindows": [{"weekdays": [0, 4], "span": DAY}],
    "learns": False,
    "keepsPast": False,
    "namesHubOnScreen": False,
}


@pytest.fixture
async def owner(phone: Phone, house: House) -> Phone:
    async with house.database.write() as session:
        await build_town(session)
    await phone.sign_in()
    return phone


async def read(phone: Phone) -> Any:
    return (await phone.ask(READ))["me"]["preferences"]


async def change(phone: Phone, version: int, **wanted: Any) -> Any:
    return (await phone.ask(CHANGE, version=version, wanted=wanted))["outcome"]


async def test_who_chose_nothing_has_the_defaults(owner: Phone) -> None:
    known = await read(owner)
    assert known["version"] == 0
    assert known["channels"] == ["PUSH", "EMAIL", "SMS"]
    assert known["quiet"] == {"startsMinute": 1320, "endsMinute": 480}
    assert known["learns"] is True


async def test_everything_that_is_chosen_is_read_again(owner: Phone) -> None:
    changed = await change(owner, 0, **EVERYTHING)
    assert changed["preferences"] == {"version": 1, **EVERYTHING}
    assert await read(owner) == changed["preferences"]


async def test_nothing_named_is_what_nobody_chose(owner: Phone) -> None:
    before = await read(owner)
    await change(owner, 0, **EVERYTHING)
    changed = await change(owner, 1)
    assert changed["preferences"] == {**before, "version": 2}


async def test_choosing_the_same_again_changes_nothing(owner: Phone) -> None:
    first = await change(owner, 0, **EVERYTHING)
    assert await change(owner, 0, **EVERYTHING) == first
    assert await change(owner, 1, **EVERYTHING) == first


async def test_a_device_that_did_not_see_the_last_change_is_told(owner: Phone) -> None:
    await change(owner, 0, language="DE")
    refused = await change(owner, 0, language="ES")
    assert (refused["code"], refused["field"]) == ("CHANGED_MEANWHILE", "version")
    assert (await read(owner))["language"] == "DE"


@pytest.mark.parametrize(
    ("code", "field", "wanted"),
    [
        ("POLICY_INVALID", "timeZone", {"timeZone": "Moon/Sea"}),
        ("POLICY_INVALID", "channels", {"channels": []}),
        ("POLICY_INVALID", "reach", {"reach": {"lowestMm": 5, "highestMm": 4}}),
        ("INPUT_INVALID", "quiet", {"quiet": {"startsMinute": 5, "endsMinute": 5}}),
        (
            "INPUT_INVALID",
            "usualWindows",
            {"usualWindows": [{"weekdays": [1], "span": {"startsMinute": -1, "endsMinute": 5}}]},
        ),
        (
            "POLICY_INVALID",
            "usualWindows",
            {"usualWindows": [{"weekdays": [1], "span": DAY}] * (MAX_WINDOWS + 1)},
        ),
        ("NOT_FOUND", "allowedHubs", {"allowedHubs": ["nonsense"]}),
        ("NOT_FOUND", "allowedHubs", {"allowedHubs": [HUB, NOWHERE]}),
        ("NOT_FOUND", "favouriteHubs", {"favouriteHubs": [NOWHERE]}),
        ("POLICY_INVALID", "favouriteHubs", {"favouriteHubs": [HUB] * 500}),
    ],
)
async def test_what_cannot_be_kept_names_its_field_and_changes_nothing(
    owner: Phone, code: str, field: str, wanted: dict[str, Any]
) -> None:
    refused = await change(owner, 0, **wanted)
    assert (refused["code"], refused["field"]) == (code, field)
    assert (await read(owner))["version"] == 0


async def test_an_absence_can_be_planned_for_two_months(owner: Phone, clock: MovableClock) -> None:
    today = clock.now().date()
    kept = await change(owner, 0, holdUntil=(today + timedelta(days=60)).isoformat())
    assert kept["preferences"]["version"] == 1
    refused = await change(owner, 1, holdUntil=(today + timedelta(days=61)).isoformat())
    assert refused["field"] == "holdUntil"


async def test_a_stranger_reads_nothing_and_changes_nothing(api: httpx.AsyncClient) -> None:
    body = {"query": CHANGE, "variables": {"version": 0, "wanted": {}}}
    answer = (await api.post("/graphql", json=body)).json()
    assert answer["data"]["outcome"]["code"] == "SIGNED_OUT"
    assert (await api.post("/graphql", json={"query": READ})).json()["data"] == {"me": None}


async def test_two_people_prefer_what_they_prefer(owner: Phone, house: House) -> None:
    other = Phone(house, owner.client, "other")
    await other.sign_in("other@example.org")
    await change(owner, 0, language="DE")
    assert (await read(other))["version"] == 0
    nobody = uuid.UUID(int=99)
    async with house.database.read() as session:
        assert await list_preferences(session, [nobody]) == {nobody: Preferences()}
        assert await get_preferences(session, None) == Preferences()
