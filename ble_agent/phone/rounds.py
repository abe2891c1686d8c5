"""A courier's round with no server: what is to do where, which doors would do, and one visit each.

Everything was fetched in the morning; the door says what is free, and the sensor what is inside.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ble_agent.errors import AgentError
from ble_agent.phone.bundles import read_pass
from ble_agent.phone.door import visit_door
from ble_agent.phone.wallet import WalletBroken
from schema.codes import Code, DoorEvent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ble_agent.phone.bundles import Pass
    from ble_agent.phone.errand import TimeSource
    from ble_agent.phone.link import PhoneLink
    from ble_agent.phone.wallet import Wallet

REMOVAL = "removal "
"""Before a parcel's id: the wallet's name of what takes it out, beside what puts it in."""

_CLOSED = {
    DoorEvent.CLOSED_OCCUPIED.name: True,
    DoorEvent.CLOSED_UNKNOWN.name: True,
    DoorEvent.CLOSED_EMPTY.name: False,
    DoorEvent.OPEN_NOT_DETECTED.name: False,
}
"""Whether what was to go in is inside after this event; without a sensor the locker takes it so."""


class NotOnTheRound(AgentError):
    """What was asked is not in the bundles of this round; the sentence says what is missing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A door that a parcel may go into, and what was known of it in the morning."""

    number: int
    label: str
    size: str
    status: str
    beside: str | None = None
    """The parcel of the same recipient that lies there, or that was just put there."""


@dataclass(frozen=True, slots=True)
class Visit:
    """How a courier meets a locker: the link, the wallet, and how long to follow the door."""

    link: PhoneLink
    wallet: Wallet
    find_time: TimeSource | None
    follow_s: float


def list_stops(wallet: Wallet) -> list[dict[str, Any]]:
    """The lockers of the round, each with what to put in and what to take out."""
    stops: dict[str, dict[str, Any]] = {}
    for bundle in wallet.list_bundles():
        is_removal = bundle["operation"] == "OPEN" and "purpose" in bundle
        if not is_removal and bundle["operation"] != "DEPOSIT":
            continue
        locker = bundle["locker"]["lockerId"]
        hub = bundle["hub"]["name"]
        stop = stops.setdefault(
            locker, {"locker": locker, "hub": hub, "deposits": [], "removals": []}
        )
        task = {"parcel": bundle["parcelId"], "words": bundle["words"]}
        if is_removal:
            stop["removals"].append({**task, "purpose": bundle["purpose"]})
        else:
            stop["deposits"].append({**task, "lies": bundle.get("lies")})
    return list(stops.values())


def list_choices(wallet: Wallet, parcel: str) -> list[Choice]:
    """Where the parcel may go: to one of its recipient's that lies here, then the doors that fit.

    The one that was kept comes first among these. What the morning knew may have changed: a door
    that is taken meanwhile answers COMPARTMENT_BUSY, and the next one is tried.
    """
    bundle = _deposit_of(wallet, parcel)
    doors = {door["number"]: door for door in bundle["locker"].get("compartments", ())}
    found = []
    for addition in bundle.get("additions", ()):
        lies = _lies_at(wallet, addition)
        if lies is not None and lies in addition["compartments"]:
            found.append(_choice(doors, lies, beside=addition["beside"]))
    return found + [_choice(doors, number) for number in bundle["compartments"]]


async def deposit(
    visit: Visit, parcel: str, *, comp: int | None = None, beside: str | None = None
) -> dict[str, Any]:
    """Opens a door for the parcel: the kept one, another that fits, or that of another parcel.

    `isDeposited` tells whether the door closed on it, null when the phone was gone by then. If it
    does not go in, shut the door empty and choose another: nothing was used up.
    """
    bundle = _deposit_of(visit.wallet, parcel)
    found = read_pass(bundle)
    if beside is not None:
        token = _addition_to(bundle, beside)["token"]
        found = replace(found, token=base64.b64decode(token["bytes"]))
        comp = _lies_at(visit.wallet, _addition_to(bundle, beside))
    told = await _see_through(visit, found, comp or found.comp)
    is_deposited = _is_inside(told)
    if is_deposited:
        lies = {"compartment": told["compartment"], "beside": beside}
        visit.wallet.put_bundle(parcel, {**bundle, "lies": lies})
    return {**told, "isDeposited": is_deposited}


async def undo(visit: Visit, parcel: str) -> dict[str, Any]:
    """Opens the door of a deposit again, within two minutes; everything in it has to come out.

    `isWithdrawn` tells whether the sensor saw it empty, null when the phone was gone by then. Then
    the stay has ended for every parcel that was in it; each may be deposited once more.
    """
    bundle = _deposit_of(visit.wallet, parcel)
    lies = bundle.get("lies")
    if lies is None:
        raise NotOnTheRound(f"this phone has not deposited parcel {parcel}")
    found = read_pass(bundle)
    if lies["beside"] is not None:
        token = _addition_to(bundle, lies["beside"])["token"]
        found = replace(found, token=base64.b64decode(token["bytes"]))
    told = await _see_through(visit, found, lies["compartment"])
    is_withdrawn = _is_emptied(told)
    if is_withdrawn:
        for one in (parcel, *_beside(visit.wallet, parcel, lies)):
            visit.wallet.put_bundle(one, _taken_back(visit.wallet.get_bundle(one)))
    return {**told, "isWithdrawn": is_withdrawn}


async def remove(visit: Visit, parcel: str) -> dict[str, Any]:
    """Opens the door of what nobody collected, or of a drop-off; `isRemoved` as for `undo`."""
    found = read_pass(visit.wallet.get_bundle(REMOVAL + parcel))
    told = await _see_through(visit, found, None)
    return {**told, "isRemoved": _is_emptied(told)}


async def _see_through(visit: Visit, found: Pass, comp: int | None) -> dict[str, Any]:
    return await visit_door(
        visit.link,
        found,
        visit.wallet,
        comp=comp,
        find_time=visit.find_time,
        follow_s=visit.follow_s,
    )


def _is_inside(told: Mapping[str, Any]) -> bool | None:
    if told["code"] != Code.OK:
        return False
    return _CLOSED.get(told["events"][-1]) if told["events"] else None


def _is_emptied(told: Mapping[str, Any]) -> bool | None:
    if told["code"] != Code.OK or DoorEvent.OPEN_NOT_DETECTED.name in told["events"]:
        return False
    inside = _is_inside(told)
    return None if inside is None else not inside


def _deposit_of(wallet: Wallet, parcel: str) -> dict[str, Any]:
    bundle = wallet.get_bundle(parcel)
    if bundle.get("operation") != "DEPOSIT" or "compartments" not in bundle:
        raise WalletBroken(f"the bundle for parcel {parcel} deposits nothing: fetch it again")
    return bundle


def _taken_back(bundle: Mapping[str, Any]) -> dict[str, Any]:
    """The bundle after its deposit was undone: a token whose stay has ended gives way to the spare.

    A parcel that was put to another one never used its own.
    """
    lies, spare = bundle["lies"], bundle.get("spare")
    if lies["beside"] is not None or spare is None:
        return {**bundle, "lies": None}
    return {**bundle, "lies": None, "token": spare, "spare": None, "isSpare": True}


def _addition_to(bundle: Mapping[str, Any], beside: str) -> dict[str, Any]:
    for addition in bundle.get("additions", ()):
        if addition["beside"] == beside:
            return dict(addition)
    raise NotOnTheRound(f"the parcel may not be put to parcel {beside}")


def _lies_at(wallet: Wallet, addition: Mapping[str, Any]) -> int | None:
    """Where the other parcel can be joined: where this round put it, or the only door there is."""
    comps: list[int] = addition["compartments"]
    for bundle in wallet.list_bundles():
        if bundle.get("parcelId") == addition["beside"] and bundle["operation"] == "DEPOSIT":
            lies = bundle.get("lies")
            # Under the spare it has another stay, which no other parcel's token names.
            if lies is None or bundle.get("isSpare"):
                return None
            return int(lies["compartment"])
    return comps[0] if len(comps) == 1 else None


def _beside(wallet: Wallet, parcel: str, lies: Mapping[str, Any]) -> list[str]:
    """The other parcels of this round in the same compartment of the same locker."""
    here = wallet.get_bundle(parcel)["locker"]["lockerId"]
    return [
        bundle["parcel"]
        for bundle in wallet.list_bundles()
        if bundle["parcel"] != parcel and bundle["locker"]["lockerId"] == here
        if (bundle.get("lies") or {}).get("compartment") == lies["compartment"]
    ]


def _choice(
    doors: Mapping[int, Mapping[str, Any]], number: int, *, beside: str | None = None
) -> Choice:
    door = doors.get(number, {})
    return Choice(
        number,
        str(door.get("label", number)),
        str(door.get("sizeClass", "")),
        str(door.get("status", "")),
        beside,
    )
