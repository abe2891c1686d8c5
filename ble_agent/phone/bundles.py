"""What the server gives a phone for the door: fetched while online, read back with no network."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ble_agent.backends.carrier import pick
from ble_agent.phone.errand import LockerKeys
from ble_agent.phone.wallet import WalletBroken
from schema.ids import parse_locker_text
from schema.keys import Operation
from schema.statements import StatementType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ble_agent.phone.account import Account
    from ble_agent.phone.luggage import Carried

_SITE = """hub { name street postalCode city latitude longitude timeZone }
  noisePublic signPublic statements { type bytes }"""

STOP = f"{_SITE} locker {{ lockerId }}"
"""Where to go and which locker, with what to bring it."""

_WORKPLACE = f"""{_SITE} locker {{ lockerId
  compartments {{ number label sizeClass widthMm heightMm depthMm status }} }}"""

DOOR = "token { bytes expiresAt } compartment { number label } words"
"""What opens which door."""

_UNLOCK = f"""
mutation($parcelId: ID!) {{ unlockBundle(parcelId: $parcelId) {{ __typename
  ... on UnlockBundle {{ {STOP} {DOOR} }}
  ... on Problem {{ code message }} }} }}"""

_COURIER = f"""
mutation($parcelIds: [ID!]!, $isRoute: Boolean!) {{
  courierBundle(parcelIds: $parcelIds, isRoute: $isRoute) {{ __typename
    ... on CourierBundle {{ stops {{ {_WORKPLACE} deposits {{ parcelId {DOOR} compartments
      spare {{ bytes expiresAt }}
      additions {{ beside token {{ bytes expiresAt }} compartments }} }} }} }}
    ... on Problem {{ code message }} }} }}"""

_REMOVAL = f"""
mutation($parcelIds: [ID!]!, $purpose: RemovalPurpose, $isRoute: Boolean!) {{
  removalBundle(parcelIds: $parcelIds, purpose: $purpose, isRoute: $isRoute) {{ __typename
    ... on RemovalBundle {{ stops {{ {STOP} removals {{ parcelId purpose {DOOR} }} }} }}
    ... on Problem {{ code message }} }} }}"""

_DROPOFF = f"""
mutation($parcelId: ID!, $lockerId: ID!) {{
  dropoffBundle(parcelId: $parcelId, lockerId: $lockerId) {{ __typename
    ... on DropoffBundle {{ parcelId {_WORKPLACE} {DOOR} compartments }}
    ... on Problem {{ code message }} }} }}"""

_TIME = """
mutation($lockerId: ID!, $nonce: Base64!) { signTime(lockerId: $lockerId, nonce: $nonce) {
  __typename ... on SignTimePayload { statement { type bytes } }
  ... on Problem { code message } } }"""

_PARCELS = """
query($first: Int, $after: String) { me { parcels(first: $first, after: $after) {
  edges { node { id code trackingNo state availableThrough collectedAt assurance
    location { words } } }
  pageInfo { hasNextPage endCursor } } } }"""

PAGE = 50


@dataclass(frozen=True, slots=True)
class Pass:
    """A bundle as the door needs it: one token, the locker's keys, statements to bring."""

    operation: Operation
    keys: LockerKeys
    token: bytes
    comp: int | None
    words: str
    statements: tuple[Carried, ...]
    more: tuple[bytes, ...] = ()
    """What follows the token in the chain: delegations, or for OPEN_ALL the second token."""


async def fetch_unlock(account: Account, parcel: str) -> dict[str, Any]:
    """What opens the door of a parcel, to be kept in the wallet. Declined, Unreachable."""
    data = await account.ask(_UNLOCK, {"parcelId": parcel})
    payload = pick(data, "unlockBundle", "UnlockBundle")
    return {"operation": "OPEN", **payload}


async def fetch_deposits(
    account: Account, parcels: list[str], *, is_route: bool
) -> dict[str, dict[str, Any]]:
    """What puts these parcels into their compartments, by parcel. Declined, Unreachable."""
    data = await account.ask(_COURIER, {"parcelIds": parcels, "isRoute": is_route})
    found: dict[str, dict[str, Any]] = {}
    for stop in pick(data, "courierBundle", "CourierBundle")["stops"]:
        shared = {name: value for name, value in stop.items() if name != "deposits"}
        for deposit in stop["deposits"]:
            found[deposit["parcelId"]] = {"operation": "DEPOSIT", **shared, **deposit}
    return found


async def fetch_removals(
    account: Account, parcels: list[str], *, purpose: str | None, is_route: bool
) -> dict[str, dict[str, Any]]:
    """What takes these parcels out of their compartments, by parcel. Declined, Unreachable."""
    variables = {"parcelIds": parcels, "purpose": purpose, "isRoute": is_route}
    data = await account.ask(_REMOVAL, variables)
    found: dict[str, dict[str, Any]] = {}
    for stop in pick(data, "removalBundle", "RemovalBundle")["stops"]:
        shared = {name: value for name, value in stop.items() if name != "removals"}
        for removal in stop["removals"]:
            found[removal["parcelId"]] = {"operation": "OPEN", **shared, **removal}
    return found


async def fetch_dropoff(account: Account, parcel: str, locker: str) -> dict[str, Any]:
    """What puts a parcel that one sends into a locker. Declined, Unreachable."""
    data = await account.ask(_DROPOFF, {"parcelId": parcel, "lockerId": locker})
    return {"operation": "DEPOSIT", **pick(data, "dropoffBundle", "DropoffBundle")}


async def fetch_time(account: Account, locker_id: str, nonce: bytes) -> bytes:
    """The server's time, bound to a hello of this locker. Declined, Unreachable."""
    variables = {"lockerId": locker_id, "nonce": base64.b64encode(nonce).decode()}
    payload = pick(await account.ask(_TIME, variables), "signTime", "SignTimePayload")
    return base64.b64decode(payload["statement"]["bytes"])


async def list_parcels(account: Account) -> list[dict[str, Any]]:
    """All parcels of the account, page by page."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while True:
        data = await account.ask(_PARCELS, {"first": PAGE, "after": after})
        connection = (data.get("me") or {}).get("parcels") or {"edges": [], "pageInfo": {}}
        found += [edge["node"] for edge in connection["edges"]]
        after = connection["pageInfo"].get("endCursor")
        if not connection["pageInfo"].get("hasNextPage"):
            return found


def read_pass(bundle: Mapping[str, Any]) -> Pass:
    """A kept bundle as the door needs it; WalletBroken when it is none."""
    try:
        return Pass(
            operation=Operation[bundle["operation"]],
            keys=LockerKeys(
                parse_locker_text(bundle["locker"]["lockerId"]),
                base64.b64decode(bundle["noisePublic"]),
                base64.b64decode(bundle["signPublic"]),
            ),
            token=base64.b64decode(bundle["token"]["bytes"]),
            comp=int(bundle["compartment"]["number"]),
            words=str(bundle["words"]),
            statements=tuple(
                (StatementType[row["type"]], base64.b64decode(row["bytes"]))
                for row in bundle["statements"]
            ),
            more=tuple(base64.b64decode(each) for each in bundle.get("delegations", ())),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise WalletBroken("a bundle of the wallet cannot be read: fetch it again") from error
