"""A courier at a locker of the same room, with no server: choose, put together, undo, take out."""

from __future__ import annotations

import asyncio
import base64
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.hardware.port import Door
from ble_agent.hardware.simulated import Sensing
from ble_agent.phone import rounds
from ble_agent.phone.link import PhoneLink
from ble_agent.phone.rounds import REMOVAL, NotOnTheRound, Visit
from ble_agent.phone.wallet import BundleMissing, Wallet, WalletBroken
from schema.ids import StayId, locker_text
from schema.keys import Operation, Role
from tests.ble_agent.phone.test_main import run
from tests.ble_agent.standing import Standing, bytes_of, quick_folder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

DOORS = [
    {"number": 1, "label": "A1", "sizeClass": "S", "status": "OCCUPIED"},
    {"number": 2, "label": "A2", "sizeClass": "M", "status": "AVAILABLE"},
    {"number": 3, "label": "A3", "sizeClass": "L", "status": "AVAILABLE"},
]


@pytest.fixture
async def standing() -> AsyncIterator[Standing]:
    with quick_folder() as folder:
        locker = await Standing(folder, door_seconds=None).start()
        await locker.set_up()
        yield locker
        await locker.stop()


@pytest.fixture
def wallet(tmp_path: Path) -> Wallet:
    return Wallet(tmp_path / "wallet")


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def give(
    standing: Standing,
    wallet: Wallet,
    parcel: str,
    *,
    comps: tuple[int, ...] = (2, 3),
    beside: str | None = None,
    shared: tuple[int, ...] = (2, 3),
) -> None:
    """What `fetch-route` would have kept for this parcel."""
    bundle = _bundle(standing, wallet, parcel, Operation.DEPOSIT, Role.COURIER, comps)
    bundle["locker"]["compartments"] = DOORS
    bundle["compartments"] = list(comps)
    bundle["additions"] = []
    spare = _token(standing, wallet, f"{parcel} again", Operation.DEPOSIT, comps)
    bundle["spare"] = {"bytes": b64(spare)}
    if beside is not None:
        token = _token(standing, wallet, beside, Operation.DEPOSIT, shared)
        bundle["additions"].append(
            {"beside": beside, "token": {"bytes": b64(token)}, "compartments": list(shared)}
        )
    wallet.put_bundle(parcel, bundle)


def give_removal(standing: Standing, wallet: Wallet, parcel: str, comp: int) -> None:
    """What `fetch-removals` would have kept."""
    bundle = _bundle(standing, wallet, parcel, Operation.OPEN, Role.COURIER, (comp,))
    wallet.put_bundle(REMOVAL + parcel, {**bundle, "purpose": "RETURN"})


def _token(
    standing: Standing, wallet: Wallet, stay: str, op: Operation, comps: tuple[int, ...]
) -> bytes:
    return standing.token(
        op,
        holder=wallet.key.public,
        role=Role.COURIER,
        comps=comps,
        stay=StayId(bytes_of(stay)),
    )


def _bundle(
    standing: Standing,
    wallet: Wallet,
    parcel: str,
    op: Operation,
    role: Role,
    comps: tuple[int, ...],
) -> dict[str, Any]:
    identity = standing.locker.identity
    return {
        "operation": op.name,
        "parcelId": parcel,
        "hub": {"name": "Corner Shop"},
        "locker": {"lockerId": locker_text(identity.lid)},
        "noisePublic": b64(identity.noise_public),
        "signPublic": b64(identity.signing.public),
        "token": {"bytes": b64(_token(standing, wallet, parcel, op, comps))},
        "compartment": {"number": comps[0]},
        "words": f"row {comps[0]}",
        "statements": [],
    }


@asynccontextmanager
async def at_work(
    standing: Standing, wallet: Wallet, *, leaves: bool | None
) -> AsyncIterator[Visit]:
    """The courier at the door, who shuts it with something inside or not; None: walks away."""
    phone = await standing.radio.connect()

    async def go_on() -> None:
        while True:
            await standing.pass_time(0.5)
            for comp in standing.hardware.compartments:
                if leaves is not None and standing.hardware.door(comp) is Door.OPEN:
                    standing.hardware.swing_shut(comp, occupied=leaves)

    going = asyncio.create_task(go_on())
    try:
        yield Visit(PhoneLink(phone), wallet, None, 5)
    finally:
        going.cancel()
        await phone.leave()


async def put(
    standing: Standing, wallet: Wallet, parcel: str, *, leaves: bool = True, **how: Any
) -> dict[str, Any]:
    async with at_work(standing, wallet, leaves=leaves) as visit:
        return await rounds.deposit(visit, parcel, **how)


async def take_back(
    standing: Standing, wallet: Wallet, parcel: str, *, leaves: bool = False
) -> dict[str, Any]:
    async with at_work(standing, wallet, leaves=leaves) as visit:
        return await rounds.undo(visit, parcel)


async def test_choices_are_the_doors_of_the_token_as_the_morning_knew_them(
    standing: Standing, wallet: Wallet
) -> None:
    give(standing, wallet, "one", comps=(3, 1, 9))
    found = [
        (one.number, one.label, one.size, one.status) for one in rounds.list_choices(wallet, "one")
    ]
    assert found == [(3, "A3", "L", "AVAILABLE"), (1, "A1", "S", "OCCUPIED"), (9, "9", "", "")]


async def test_parcel_that_does_not_go_in_goes_into_another(
    standing: Standing, wallet: Wallet
) -> None:
    give(standing, wallet, "one")
    tried = await put(standing, wallet, "one", leaves=False)
    assert (tried["compartment"], tried["isDeposited"]) == (2, False)
    done = await put(standing, wallet, "one", comp=3)
    assert (done["compartment"], done["isDeposited"]) == (3, True)
    assert standing.stays_in_now() == {3}


async def test_door_that_is_taken_meanwhile_is_no_harm(standing: Standing, wallet: Wallet) -> None:
    give(standing, wallet, "one")
    give(standing, wallet, "two")
    await put(standing, wallet, "one")
    refused = await put(standing, wallet, "two")
    assert (refused["name"], refused["isDeposited"]) == ("COMPARTMENT_BUSY", False)
    alone = await put(standing, wallet, "two", comp=3)
    assert alone["isDeposited"], alone


async def test_two_of_one_recipient_share_a_compartment(standing: Standing, wallet: Wallet) -> None:
    give(standing, wallet, "one")
    give(standing, wallet, "two", beside="one")
    assert [one.beside for one in rounds.list_choices(wallet, "two")] == [None, None]
    await put(standing, wallet, "one", comp=3)
    first = rounds.list_choices(wallet, "two")[0]
    assert (first.number, first.beside) == (3, "one")
    added = await put(standing, wallet, "two", beside="one")
    assert (added["compartment"], added["isDeposited"]) == (3, True)
    assert standing.stay(3) == bytes_of("one")


async def test_parcel_of_yesterday_is_joined_where_its_token_says(
    standing: Standing, wallet: Wallet
) -> None:
    await standing.deposit_by_hand(bytes_of("yesterday"), 1)
    give(standing, wallet, "two", beside="yesterday", shared=(1,))
    assert rounds.list_choices(wallet, "two")[0].number == 1
    added = await put(standing, wallet, "two", beside="yesterday")
    assert (added["compartment"], added["isDeposited"]) == (1, True)


async def test_undoing_takes_everything_out_of_the_compartment(
    standing: Standing, wallet: Wallet
) -> None:
    give(standing, wallet, "one")
    give(standing, wallet, "two", beside="one")
    await put(standing, wallet, "one")
    await put(standing, wallet, "two", beside="one")
    left = await take_back(standing, wallet, "two", leaves=True)
    assert left["isWithdrawn"] is False
    undone = await take_back(standing, wallet, "two")
    assert undone["isWithdrawn"] is True
    assert standing.stays_in_now() == set()
    for parcel in ("one", "two"):
        with pytest.raises(NotOnTheRound, match="has not deposited"):
            await take_back(standing, wallet, parcel)
    # The token for a compartment of its own was never used; the other has a spare one.
    for parcel, comp in (("one", 2), ("two", 3)):
        alone = await put(standing, wallet, parcel, comp=comp)
        assert alone["isDeposited"], alone
    assert standing.stay(2) == bytes_of("one again")
    assert all(one.beside is None for one in rounds.list_choices(wallet, "two"))


async def test_spare_is_good_for_one_more_try(standing: Standing, wallet: Wallet) -> None:
    give(standing, wallet, "one")
    for comp in (2, 3):
        assert (await put(standing, wallet, "one", comp=comp))["isDeposited"]
        assert (await take_back(standing, wallet, "one"))["isWithdrawn"]
    assert (await put(standing, wallet, "one"))["name"] == "USED"


async def test_after_two_minutes_a_deposit_stays(standing: Standing, wallet: Wallet) -> None:
    give(standing, wallet, "one")
    await put(standing, wallet, "one")
    await standing.pass_time(121)
    late = await take_back(standing, wallet, "one")
    assert (late["name"], late["isWithdrawn"]) == ("USED", False)


async def test_without_a_sensor_a_deposit_is_final(standing: Standing, wallet: Wallet) -> None:
    standing.sense(Sensing.SILENT)
    give(standing, wallet, "one")
    told = await put(standing, wallet, "one")
    assert (told["events"][-1], told["isDeposited"]) == ("CLOSED_UNKNOWN", True)
    assert (await take_back(standing, wallet, "one"))["name"] == "COMPARTMENT_BUSY"


async def test_what_nobody_fetched_is_taken_out(standing: Standing, wallet: Wallet) -> None:
    await standing.deposit_by_hand(bytes_of("old"), 2)
    give_removal(standing, wallet, "old", 2)
    async with at_work(standing, wallet, leaves=True) as visit:
        assert (await rounds.remove(visit, "old"))["isRemoved"] is False
    async with at_work(standing, wallet, leaves=False) as visit:
        assert (await rounds.remove(visit, "old"))["isRemoved"] is True
    assert standing.stays_in_now() == set()
    async with at_work(standing, wallet, leaves=False) as visit:
        assert (await rounds.remove(visit, "old"))["name"] == "USED"


async def test_who_walks_away_from_an_open_door_does_not_know(
    standing: Standing, wallet: Wallet
) -> None:
    give(standing, wallet, "one")
    async with at_work(standing, wallet, leaves=None) as visit:
        told = await rounds.deposit(Visit(visit.link, wallet, None, 0.05), "one")
    assert (told["name"], told["isDeposited"]) == ("OK", None)


async def test_round_lists_each_locker_with_its_work(
    standing: Standing, wallet: Wallet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    give(standing, wallet, "one")
    give_removal(standing, wallet, "old", 2)
    await put(standing, wallet, "one")
    assert await asyncio.to_thread(run, tmp_path, "round") == 0
    [stop] = json.loads(capsys.readouterr().out)["stops"]
    assert stop["hub"] == "Corner Shop"
    assert stop["removals"] == [{"parcel": "old", "words": "row 2", "purpose": "RETURN"}]
    assert [(one["parcel"], one["lies"]["compartment"]) for one in stop["deposits"]] == [("one", 2)]
    assert await asyncio.to_thread(run, tmp_path, "doors", "one") == 0
    doors = json.loads(capsys.readouterr().out)["doors"]
    assert [door["number"] for door in doors] == [2, 3]


async def test_what_is_not_on_the_round_is_told_in_a_sentence(
    standing: Standing, wallet: Wallet
) -> None:
    give(standing, wallet, "one")
    give_removal(standing, wallet, "old", 2)
    wallet.put_bundle("mine", wallet.get_bundle(REMOVAL + "old"))
    async with at_work(standing, wallet, leaves=None) as visit:
        with pytest.raises(NotOnTheRound, match="may not be put to parcel two"):
            await rounds.deposit(visit, "one", beside="two")
        with pytest.raises(WalletBroken, match="deposits nothing"):
            await rounds.deposit(visit, "mine")
        with pytest.raises(BundleMissing):
            await rounds.remove(visit, "one")
