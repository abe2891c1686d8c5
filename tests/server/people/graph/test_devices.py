"""A person's devices through the API: named, confirmed, removed; and a new one that waits."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.kit.errors import Refusal
from server.kit.graph import global_id
from server.kit.outbox import Outbox
from server.people.roles import Role
from server.people.rules import DEVICE_WAIT, MAX_DEVICES, Contact, ContactKind
from server.people.service import devices
from server.people.service.accounts import Post, invite_member
from server.people.tables import Device
from tests.fakes.counting import counted_statements
from tests.fakes.phone import Phone
from tests.makers import make_actor

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from tests.fakes.sources import MovableClock

FIELDS = "{ ... on DevicePayload { device { id name hasPush confirmation waitsUntil } } "
FIELDS += "... on Problem { code message field retryAfterS } }"
REGISTER = (
    "mutation ($name: String!, $push: PushTargetInput) "
    f"{{ outcome: registerDevice(name: $name, push: $push) {FIELDS} }}"
)
REVOKE = f"mutation ($id: ID!) {{ outcome: revokeDevice(deviceId: $id) {FIELDS} }}"
CONFIRM = (
    "mutation ($id: ID!, $hub: ID) "
    f"{{ outcome: confirmDevice(deviceId: $id, hubId: $hub) {FIELDS} }}"
)
DEVICES = "{ me { devices { id name } } }"
NODE = "query ($id: ID!) { node(id: $id) { __typename id ... on Device { name } } }"
HUB = uuid.UUID(int=77)
PUSH = {"kind": "FCM_TOKEN", "target": "token-of-the-phone"}


@pytest.fixture
async def old(phone: Phone, clock: MovableClock) -> Phone:
    """The account's first device, an hour old."""
    await phone.sign_in()
    clock.move(hours=1)
    await phone.refresh()
    return phone


@pytest.fixture
async def new(old: Phone, house: House) -> Phone:
    """A second device, added by a code alone."""
    phone = Phone(house, old.client, "new phone")
    await phone.sign_in()
    return phone


async def outcome(phone: Phone, query: str, **variables: Any) -> dict[str, Any]:
    found: dict[str, Any] = (await phone.ask(query, **variables))["outcome"]
    return found.get("device") or found


async def test_a_device_is_named_and_told_where_push_goes(old: Phone) -> None:
    device = await outcome(old, REGISTER, name="My phone", push=PUSH)
    assert (device["name"], device["hasPush"]) == ("My phone", True)
    assert (await outcome(old, REGISTER, name="My phone"))["hasPush"] is False


async def test_a_push_target_moves_with_its_phone(old: Phone, new: Phone) -> None:
    await outcome(old, REGISTER, name="old", push=PUSH)
    await outcome(new, REGISTER, name="new", push=PUSH)
    found = await old.ask("{ me { devices { name hasPush } } }")
    assert found["me"]["devices"] == [
        {"name": "old", "hasPush": False},
        {"name": "new", "hasPush": True},
    ]


@pytest.mark.parametrize(
    ("variables", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "x", "push": {"kind": "FCM_TOKEN", "target": ""}}, "push"),
        ({"name": "x", "push": {"kind": "FCM_TOKEN", "target": "x" * 513}}, "push"),
        ({"name": "x", "push": {"kind": "FCM_TOKEN", "target": "a\x00b"}}, "push"),
    ],
)
async def test_bad_words_about_a_device_are_refused(
    old: Phone, variables: dict[str, Any], field: str
) -> None:
    problem = await outcome(old, REGISTER, **variables)
    assert (problem["code"], problem["field"]) == ("INPUT_INVALID", field)


async def test_a_device_added_by_a_code_waits_and_the_older_ones_are_told(
    old: Phone, new: Phone, house: House
) -> None:
    async with house.database.read() as session:
        devices = (await session.exec(select(Device).order_by(Device.registered_at))).all()  # type: ignore[arg-type]
        events = (await session.exec(select(Outbox))).all()
    assert devices[0].trust.is_waiting(house.clock.now()) is False
    assert devices[1].trust.waits_until == house.clock.now() + DEVICE_WAIT
    told = [event.subject for event in events if event.kind == "people.device_added"]
    assert told == [devices[1].id]
    assert new.device_id == global_id("Device", devices[1].id)
    assert old.device_id == global_id("Device", devices[0].id)


async def test_an_older_device_ends_the_waiting(old: Phone, new: Phone) -> None:
    device = await outcome(old, CONFIRM, id=new.device_id)
    assert (device["confirmation"], device["waitsUntil"]) == ("OLDER_DEVICE", None)
    assert await outcome(old, CONFIRM, id=new.device_id) == device


async def test_a_device_that_waits_cannot_vouch_for_itself_or_a_newer_one(
    new: Phone, house: House, clock: MovableClock
) -> None:
    clock.move(hours=1)
    third = Phone(house, new.client, "third phone")
    await third.sign_in()
    await new.refresh()
    assert (await outcome(new, CONFIRM, id=new.device_id))["code"] == "NOT_PERMITTED"
    assert (await outcome(new, CONFIRM, id=third.device_id))["code"] == "DEVICE_TOO_NEW"


async def test_a_device_that_waits_cannot_remove_an_older_one(old: Phone, new: Phone) -> None:
    problem = await outcome(new, REVOKE, id=old.device_id)
    assert problem["code"] == "DEVICE_TOO_NEW"
    assert problem["retryAfterS"] == DEVICE_WAIT.total_seconds()
    assert (await old.ask(DEVICES))["me"]


async def test_waiting_ends_by_itself_after_a_day(
    old: Phone, new: Phone, clock: MovableClock
) -> None:
    clock.move(seconds=DEVICE_WAIT.total_seconds())
    await new.refresh()
    assert "code" not in await outcome(new, REVOKE, id=old.device_id)


async def test_a_removed_device_is_out_at_once_and_its_key_is_spent(old: Phone, new: Phone) -> None:
    await outcome(old, REVOKE, id=new.device_id)
    answer = await new.client.post("/graphql", json={"query": DEVICES}, headers=new.headers())
    assert answer.status_code == 401
    again = await new.sign_in()
    assert again["code"] == "DEVICE_PROOF_INVALID"
    assert again["next"]
    assert [each["id"] for each in (await old.ask(DEVICES))["me"]["devices"]] == [old.device_id]


async def told(house: House, kind: str) -> list[str]:
    """The devices that events of this kind are about, by their global ids."""
    async with house.database.read() as session:
        events = (await session.exec(select(Outbox).where(Outbox.kind == kind))).all()
    return [global_id("Device", event.subject) for event in events]


async def test_removed_phone_that_has_the_code_is_told_of_once_in_a_day(
    old: Phone, new: Phone, house: House, clock: MovableClock
) -> None:
    await outcome(old, REVOKE, id=new.device_id)
    for address in ("recipient@example.org", "somebody-else@example.org", "recipient@example.org"):
        assert (await new.sign_in(address))["code"] == "DEVICE_PROOF_INVALID"
    assert await told(house, devices.REMOVED_KEY_TRIED) == [new.device_id]
    clock.move(days=1)
    await new.sign_in()
    assert await told(house, devices.REMOVED_KEY_TRIED) == [new.device_id] * 2


async def test_phone_of_another_account_is_refused_and_nobody_is_alarmed(
    old: Phone, house: House
) -> None:
    await old.sign_in("somebody-else@example.org")
    assert await told(house, devices.REMOVED_KEY_TRIED) == []


async def test_end_of_the_waiting_is_told_once(old: Phone, new: Phone, house: House) -> None:
    for _ in range(2):
        await outcome(old, CONFIRM, id=new.device_id)
    assert await told(house, devices.DEVICE_CONFIRMED) == [new.device_id]


async def test_of_two_phones_that_remove_each_other_the_second_finds_itself_removed(
    old: Phone, new: Phone, house: House, clock: MovableClock
) -> None:
    clock.move(seconds=DEVICE_WAIT.total_seconds())
    await old.refresh()
    async with house.database.read() as session:
        rows = (await session.exec(select(Device).order_by(Device.registered_at))).all()  # type: ignore[arg-type]
    older, newer = rows
    stale = make_actor(person_id=newer.person_id, device_id=newer.id)
    await outcome(old, REVOKE, id=new.device_id)
    async with house.database.write() as session:
        told = [
            await devices.revoke_device(session, stale, device_id=older.id, now=clock.now()),
            await devices.confirm_device(
                session, stale, device_id=older.id, hub_id=None, now=clock.now()
            ),
            await devices.register_device(session, stale, name="x", push=None),
            await devices.sign_out(session, stale, now=clock.now()),
        ]
    assert told == [Refusal(ProblemCode.SIGNED_OUT)] * 4
    assert (await old.ask(DEVICES))["me"]["devices"]


async def test_signing_out_everywhere_does_not_make_a_stranger_first(
    old: Phone, house: House
) -> None:
    await outcome(old, REVOKE, id=old.device_id)
    stranger = Phone(house, old.client, "stranger")
    assert (await stranger.sign_in())["device"]["waitsUntil"] is not None


async def test_a_key_belongs_to_one_account(old: Phone) -> None:
    problem = await old.sign_in("somebody-else@example.org")
    assert problem["code"] == "DEVICE_PROOF_INVALID"


async def test_other_peoples_devices_look_as_if_they_were_not_there(
    old: Phone, house: House
) -> None:
    other = Phone(house, old.client, "other")
    await other.sign_in("other@example.org")
    nothing = global_id("Device", uuid.UUID(int=1))
    for query in (REVOKE, CONFIRM):
        foreign = await outcome(old, query, id=other.device_id)
        missing = await outcome(old, query, id=nothing)
        assert foreign == missing
        assert foreign["code"] == "NOT_FOUND"
        assert (await outcome(old, query, id="garbage"))["code"] == "NOT_FOUND"
    assert await old.ask(NODE, id=other.device_id) == await old.ask(NODE, id=nothing)


async def test_ones_own_device_is_found_by_its_global_id(old: Phone) -> None:
    found = (await old.ask(NODE, id=old.device_id))["node"]
    assert found == {"__typename": "Device", "id": old.device_id, "name": ""}


@pytest.mark.parametrize("key", ["", "x", "😀", "RGV2aWNlOng=", "TmV2ZXI6" + "A" * 48])
async def test_what_is_no_global_id_leads_nowhere(old: Phone, key: str) -> None:
    assert (await old.ask(NODE, id=key))["node"] is None


@pytest.fixture
async def clerk(old: Phone, house: House) -> Phone:
    """A clerk of the hub, on a phone of their own."""
    manager = make_actor(Role.HUB_MANAGER, subject=HUB)
    async with house.database.write() as session:
        await invite_member(
            session,
            manager,
            contact=Contact(ContactKind.EMAIL, "clerk@example.org"),
            post=Post(Role.HUB_CLERK, HUB),
            ids=house.ids,
            now=house.clock.now(),
        )
    phone = Phone(house, old.client, "clerk")
    await phone.sign_in("clerk@example.org")
    return phone


async def test_a_clerk_who_checked_the_identity_ends_the_waiting(new: Phone, clerk: Phone) -> None:
    hub = global_id("Hub", HUB)
    device = await outcome(clerk, CONFIRM, id=new.device_id, hub=hub)
    assert (device["confirmation"], device["waitsUntil"]) == ("CLERK", None)


async def test_a_clerk_does_not_vouch_for_an_own_device_nor_from_one_that_waits(
    new: Phone, clerk: Phone, house: House
) -> None:
    hub = global_id("Hub", HUB)
    second = Phone(house, new.client, "the clerk's second phone")
    await second.sign_in("clerk@example.org")
    own = await outcome(clerk, CONFIRM, id=second.device_id, hub=hub)
    assert own["code"] == "NOT_PERMITTED"
    waiting = await outcome(second, CONFIRM, id=new.device_id, hub=hub)
    assert waiting["code"] == "DEVICE_TOO_NEW"


async def test_a_clerk_of_another_hub_does_not(new: Phone, clerk: Phone) -> None:
    elsewhere = global_id("Hub", uuid.UUID(int=78))
    assert (await outcome(clerk, CONFIRM, id=new.device_id, hub=elsewhere))["code"] == (
        "NOT_PERMITTED"
    )


async def test_nobody_is_told_to_sign_in(api: httpx.AsyncClient) -> None:
    for query in (REVOKE, CONFIRM):
        variables = {"id": global_id("Device", uuid.UUID(int=1))}
        answer = await api.post("/graphql", json={"query": query, "variables": variables})
        assert answer.json()["data"]["outcome"]["code"] == "SIGNED_OUT"


async def test_an_account_has_only_so_many_devices(old: Phone, house: House) -> None:
    for n in range(MAX_DEVICES - 1):
        house.clock.move(hours=1)  # type: ignore[attr-defined]  # the clock of tests
        assert "device" in await Phone(house, old.client, f"phone {n}").sign_in()
    problem = await Phone(house, old.client, "one too many").sign_in()
    assert problem["code"] == "POLICY_INVALID"


async def test_a_list_of_devices_costs_the_same_however_long(
    old: Phone, house: House, clock: MovableClock
) -> None:
    async def cost() -> int:
        async with counted_statements(house.database) as statements:
            await old.ask("{ me { devices { id name lastSeenAt } } }")
        return len(statements)

    alone = await cost()
    for n in range(3):
        await Phone(house, old.client, f"phone {n}").sign_in()
    assert await cost() == alone
