"""A courier's round past two lockers with the server gone, and what the server makes of it after.

The server is the whole application over HTTP, the lockers are whole agents; only radio waves and
parcels are simulated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.phone import bundles, rounds
from ble_agent.phone.rounds import REMOVAL
from server.parcels.states import ParcelState
from tests.fakes.district import District, open_district

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.app import House
    from server.kit.guard import GuardedSchema

S = ParcelState
NEAR, FAR = "locker", "mill locker"

SEND = """mutation ($parcel: SendingInput!) { sendParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id state } } ... on Problem { code message } } }"""
RETURN = """mutation ($parcel: ID!) { returnParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id state } } ... on Problem { code message } } }"""
CANCEL = """mutation ($parcel: ID!) { cancelParcel(parcel: $parcel) {
  ... on ParcelPayload { parcel { id state } } ... on Problem { code message } } }"""
RESERVE = """mutation ($parcel: ID!) { reserveCompartment(parcel: $parcel) {
  ... on ReserveCompartmentPayload { reservation { compartment { number } } }
  ... on Problem { code message } } }"""
REPORT = """mutation ($parcel: ID!, $code: String!) {
  reportScan(parcel: $parcel, sourceSystem: "restante", sourceCode: $code) {
    ... on ParcelPayload { parcel { id state } } ... on Problem { code message } } }"""


@pytest.fixture
async def district(house: House, schema: GuardedSchema, tmp_path: Path) -> AsyncIterator[District]:
    async with open_district(house, schema, tmp_path) as made:
        yield made


async def send(district: District, name: str, key: str, *, to: str, hub: str) -> str:
    """Somebody offers a parcel, and fetches what opens the near locker for it."""
    sending = {
        "key": key,
        "carrier": district.gid("Carrier", "carrier"),
        "hub": district.gid("Hub", hub),
        "recipient": f"{to}@example.org",
        "recipientName": "R. Cipient",
        "widthMm": 200,
        "heightMm": 100,
        "depthMm": 300,
    }
    payload = await district.ask(name, SEND, parcel=sending)
    parcel: str = payload["parcel"]["id"]
    await fetch_dropoff(district, name, parcel)
    return parcel


async def fetch_dropoff(district: District, name: str, parcel: str) -> None:
    locker = district.gid("Locker", NEAR)
    bundle = await bundles.fetch_dropoff(district.account(name), parcel, locker)
    district.people[name].wallet.put_bundle(parcel, bundle)


async def fetch_unlock(district: District, name: str, parcel: str) -> None:
    bundle = await bundles.fetch_unlock(district.account(name), parcel)
    district.people[name].wallet.put_bundle(parcel, bundle)


async def fetch_round(district: District, *, deposits: list[str], removals: list[str]) -> None:
    """The courier's morning: everything for the day onto the phone."""
    account, wallet = district.account("courier"), district.people["courier"].wallet
    put_in = await bundles.fetch_deposits(account, deposits, is_route=True)
    for parcel, bundle in put_in.items():
        wallet.put_bundle(parcel, bundle)
    take_out = await bundles.fetch_removals(account, removals, purpose=None, is_route=True)
    for parcel, bundle in take_out.items():
        wallet.put_bundle(REMOVAL + parcel, bundle)


async def deposit(district: District, at: str, parcel: str, **how: Any) -> dict[str, Any]:
    told = await district.door("courier", "deposit", at, parcel, leaves=True, **how)
    assert told["isDeposited"], told
    return told


async def remove(district: District, at: str, parcel: str) -> None:
    told = await district.door("courier", "remove", at, parcel, leaves=False)
    assert told["isRemoved"], told


async def put_in_now(district: District, at: str, *parcels: str) -> None:
    """Fetched, deposited and told of at once, with the server there."""
    account, wallet = district.account("courier"), district.people["courier"].wallet
    found = await bundles.fetch_deposits(account, list(parcels), is_route=True)
    for comp, parcel in enumerate(parcels, 1):
        wallet.put_bundle(parcel, found[parcel])
        await deposit(district, at, parcel, comp=comp)
    await district.deliver("courier")
    await district.work()


async def days_before(district: District) -> dict[str, str]:
    """What lies in the lockers before the round begins, all of it known to the server."""
    p: dict[str, str] = {}
    async with district.online():
        await district.meet("courier", "anna", "ben", "cleo")
        for name in ("expired", "worn"):
            p[name] = await district.announce(name, "anna")
        await put_in_now(district, NEAR, p["expired"], p["worn"])
        p["early"] = await district.announce("early", "ben", hub="mill")
        await put_in_now(district, FAR, p["early"])
        await fetch_unlock(district, "anna", p["worn"])
        told = await district.door("anna", "collect", NEAR, p["worn"], leaves=False)
        assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
        await district.deliver("anna")
    await district.pass_hours(100)
    await district.expire()
    async with district.online():
        payload = await district.ask("anna", RETURN, parcel=p["worn"])
        p["back"] = payload["parcel"]["id"]
        await fetch_dropoff(district, "anna", p["back"])
        p["through"] = await send(district, "ben", "gift", to="cleo", hub="hub")
        p["across"] = await send(district, "ben", "book", to="cleo", hub="mill")
        p["called off"] = await send(district, "ben", "lamp", to="cleo", hub="mill")
        for who, name in (("anna", "back"), ("ben", "through"), ("ben", "across")):
            told = await district.door(who, "deposit", NEAR, p[name], leaves=True)
            assert told["isDeposited"], told
        await district.deliver("anna", "ben")
        await district.work()
    return p


async def morning(district: District, p: dict[str, str]) -> None:
    """Everything for the day goes onto the phones."""
    assert await district.state(p["expired"]) is S.EXPIRED
    assert await district.state(p["back"]) is S.DROPPED_OFF
    # Dropped off where it is collected, it needs no courier, and its recipient was told.
    assert await district.rows(p["through"]) == ["P2", "P4", "P6b", "P19"]
    for name, to in (("plain", "anna"), ("bulky", "ben"), ("one", "cleo"), ("two", "cleo")):
        p[name] = await district.announce(name, to, hub="mill")
    for name in ("wrong", "unwanted", "kept for"):
        p[name] = await district.announce(name, "anna", hub="mill")
    deposits = [p[name] for name in ("plain", "bulky", "one", "two", "wrong", "unwanted", "across")]
    removals = [p[name] for name in ("expired", "back", "across")]
    async with district.online():
        await fetch_unlock(district, "cleo", p["through"])
        await fetch_round(district, deposits=deposits, removals=removals)
    stops = rounds.list_stops(district.people["courier"].wallet)
    tasks = {stop["hub"]: {one["parcel"] for one in stop["removals"]} for stop in stops}
    assert tasks == {"Corner Shop": set(removals), "Old Mill": set()}


async def at_the_near_locker(district: District, p: dict[str, str]) -> None:
    """Out with what nobody fetched, with a return, and with what goes on to the far locker."""
    for name in ("expired", "back", "across"):
        told = await district.door("courier", "remove", NEAR, p[name], leaves=False)
        assert told["isRemoved"], told
    told = await district.door("cleo", "collect", NEAR, p["through"], leaves=False)
    assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
    told = await district.door("ben", "deposit", NEAR, p["called off"], leaves=True)
    assert told["isDeposited"], told


async def at_the_far_locker(district: District, p: dict[str, str]) -> None:
    """One plain deposit, one swap for its size, two in one compartment, one taken back, one more.

    Compartment 1 holds a parcel of days before.
    """
    wallet = district.people["courier"].wallet
    taken = await district.door("courier", "deposit", FAR, p["plain"], leaves=True, comp=1)
    assert taken["name"] == "COMPARTMENT_BUSY"
    assert 2 in {one.number for one in rounds.list_choices(wallet, p["plain"])}
    await deposit(district, FAR, p["plain"], comp=2)
    tried = await district.door("courier", "deposit", FAR, p["bulky"], leaves=False, comp=3)
    assert (tried["events"], tried["isDeposited"]) == (["DOOR_OPENED", "CLOSED_EMPTY"], False)
    await deposit(district, FAR, p["bulky"], comp=4)
    await deposit(district, FAR, p["one"], comp=3)
    choice = rounds.list_choices(wallet, p["two"])[0]
    assert (choice.number, choice.beside) == (3, p["one"])
    added = await deposit(district, FAR, p["two"], beside=p["one"])
    assert added["compartment"] == 3
    await deposit(district, FAR, p["wrong"], comp=5)
    undone = await district.door("courier", "undo", FAR, p["wrong"], leaves=False)
    assert undone["isWithdrawn"], undone
    # It was in the wrong compartment only.
    await deposit(district, FAR, p["wrong"], comp=7)
    await deposit(district, FAR, p["across"], comp=6)
    await deposit(district, FAR, p["unwanted"], comp=8)
    undone = await district.door("courier", "undo", FAR, p["unwanted"], leaves=False)
    assert undone["isWithdrawn"], undone


async def meanwhile_the_server_decides(district: District, p: dict[str, str]) -> None:
    """It knows nothing of the round, and people tell it otherwise."""
    async with district.online():
        payload = await district.ask("courier", REPORT, parcel=p["plain"], code=FULL)
        assert payload["parcel"]["state"] == "IN_TRANSIT"
        payload = await district.ask("ben", CANCEL, parcel=p["called off"])
        assert payload["parcel"]["state"] == "CANCELLED"
        payload = await district.ask("courier", RESERVE, parcel=p["kept for"])
        assert payload["reservation"]["compartment"]["number"] == 2
        await district.work()
    await district.revive(p["expired"])
    assert await district.state(p["expired"]) is S.READY_FOR_PICKUP


@pytest.mark.both_databases_in_ci
async def test_round_without_a_server_is_believed_when_it_becomes_known(
    district: District,
) -> None:
    p = await days_before(district)
    await morning(district, p)
    await at_the_near_locker(district, p)
    await district.pass_hours(1)
    await at_the_far_locker(district, p)
    await district.pass_hours(1)
    await meanwhile_the_server_decides(district, p)
    async with district.online():
        # The far locker's news first: one parcel is there that has not left the near one yet.
        await district.deliver("courier", of=FAR)
        assert await district.state(p["across"]) is S.DEPOSITED
        await district.deliver("ben", "courier", "cleo")
        await district.work()
        states = {name: await district.state(parcel) for name, parcel in p.items()}
        assert states == AFTER
        await fetch_unlock(district, "cleo", p["one"])
        told = await district.door("cleo", "collect", FAR, p["one"], leaves=False)
        assert told["events"] == ["DOOR_OPENED", "CLOSED_EMPTY"]
        await district.deliver("cleo")
    assert await district.state(p["one"]) is S.COLLECTED
    assert await district.state(p["two"]) is S.COLLECTED
    assert (await district.rows(p["plain"]))[:3] == ["P9", "CR", "P10"]
    assert (await district.rows(p["expired"]))[-3:] == ["P23", "CR", "P25"]
    assert (await district.rows(p["across"]))[:4] == ["P2", "P4", "P6", "P10b"]
    assert (await district.rows(p["wrong"])) == ["P10", "P13", "P10", "P12"]
    assert (await district.rows(p["unwanted"])) == ["P10", "P13"]
    # What was reserved for another parcel is reserved elsewhere, each time its door was taken.
    assert (await district.reservations())[p["kept for"]] == 5
    assert await district.incidents() == ["LATE_FACT"] * 3


FULL = "stop_failed/FULL"
AFTER = {
    "expired": S.RETURNING,
    "worn": S.COLLECTED,
    "early": S.EXPIRED,
    "back": S.IN_TRANSIT,
    "through": S.COLLECTED,
    "across": S.READY_FOR_PICKUP,
    "called off": S.ON_HOLD,
    "plain": S.READY_FOR_PICKUP,
    "bulky": S.READY_FOR_PICKUP,
    "one": S.READY_FOR_PICKUP,
    "two": S.READY_FOR_PICKUP,
    "wrong": S.READY_FOR_PICKUP,
    "unwanted": S.OUT_FOR_DELIVERY,
    "kept for": S.OUT_FOR_DELIVERY,
}
"""How every parcel stands once both lockers have been heard."""
