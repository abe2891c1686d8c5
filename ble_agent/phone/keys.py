"""Which device keys the public log says may act for this account, and which of them are unknown.

A server that gave somebody else's key this account's rights has written so where everybody sees it,
or what it tells of devices has no place in the log: either is an alarm.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ble_agent.backends.carrier import Unreachable, pick
from schema.codec import Malformed
from schema.codec.fields import as_text
from schema.ids import OWN_CHAIN
from schema.journal import OwnKind, parse_entry, person_mark
from schema.receipts import Refused, verify_receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ble_agent.phone.account import Account
    from schema.checkpoint.trust import Trust
    from schema.journal import Entry

PAGE: Final = 100
MOST_PAGES: Final = 10
"""An account that had a thousand keys is looked at by somebody else."""

_HISTORY: Final = """
query($first: Int!, $after: String) { me {
  devices { thumbprint }
  keyHistory(first: $first, after: $after) {
    edges { node { bytes person } } pageInfo { hasNextPage endCursor } } } }"""

_PROOF: Final = """
query($first: Int!, $after: String) { me { keyProof(first: $first, after: $after) { __typename
  ... on Receipt { receipt } ... on Problem { code message } } } }"""


@dataclass(frozen=True, slots=True)
class History:
    """What the server says of an account's keys, each entry parsed and none proven."""

    entries: tuple[Entry, ...]
    listed: frozenset[str]
    """Thumbprints of the devices that the server lists."""


async def check_keys(
    account: Account, public: bytes, *, mine: Iterable[str], trust: Trust | None
) -> dict[str, Any]:
    """The keys of the account, and an alarm for each that is wrong.

    With `trust` every entry is proven by the log (Malformed where one is not); without, the answer
    says that none is. Unreachable, Declined.
    """
    history = await _fetch(account, trust)
    own = thumbprint(public)
    living = find_living(history.entries)
    return {
        "thisPhone": own,
        "keys": sorted(living),
        "proven": trust is not None,
        "alarms": list_alarms(living, own=own, mine={*mine}, listed=history.listed),
    }


def find_living(entries: Iterable[Entry]) -> frozenset[str]:
    """The keys that were added and not removed since; once removed, a key never comes back."""
    found: dict[str, set[int]] = {}
    for entry in entries:
        found.setdefault(as_text(entry.body[0]), set()).add(entry.kind)
    return frozenset(name for name, kinds in found.items() if kinds == {OwnKind.DEVICE_ADDED})


def list_alarms(
    living: frozenset[str], *, own: str, mine: set[str], listed: frozenset[str]
) -> list[str]:
    """What is wrong with these keys, in sentences; nothing if all is as it should be."""
    alarms = [] if own in living else [f"The log does not hold this phone's key {own}."]
    alarms += [
        f"A key that is none of your phones' may act for you: {key}."
        for key in sorted(living - mine - {own})
    ]
    return alarms + [
        f"The server lists a device whose key the log does not hold: {key}."
        for key in sorted(listed - living - {own})
    ]


def thumbprint(public: bytes) -> str:
    """The thumbprint of an Ed25519 key (RFC 7638), by which server and log name it."""
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": _base64(public)}
    text = json.dumps(jwk, separators=(",", ":"), sort_keys=True)
    return _base64(hashlib.sha256(text.encode()).digest())


async def _fetch(account: Account, trust: Trust | None) -> History:
    entries: list[Entry] = []
    after = None
    for _ in range(MOST_PAGES):
        page = {"first": PAGE, "after": after}
        told = await account.ask(_HISTORY, page)
        try:
            me = told["me"]
            raws = [
                (_bytes(edge["node"]["bytes"]), _bytes(edge["node"]["person"]))
                for edge in me["keyHistory"]["edges"]
            ]
            listed = frozenset(str(device["thumbprint"]) for device in me["devices"])
            info = me["keyHistory"]["pageInfo"]
        except (binascii.Error, KeyError, TypeError) as error:
            raise Unreachable("the answer holds no key history") from error
        entries += [_read(raw, person) for raw, person in raws]
        if trust is not None and raws:
            await _prove(account, page, [raw for raw, _ in raws], trust)
        after = info["endCursor"]
        if not info["hasNextPage"]:
            return History(tuple(entries), listed)
    raise Unreachable("the key history has no end")


async def _prove(
    account: Account, page: dict[str, Any], raws: Sequence[bytes], trust: Trust
) -> None:
    proof = pick((await account.ask(_PROOF, page))["me"], "keyProof", "Receipt")
    try:
        proven = verify_receipt(_bytes(proof["receipt"]), trust).entries
    except (Refused, binascii.Error, KeyError, TypeError) as error:
        raise Malformed(f"the key history is not proven: {error}") from error
    if [one.entry for one in proven] != [parse_entry(raw) for raw in raws]:
        raise Malformed("the key history is not what its proof says")


def _read(raw: bytes, person: bytes) -> Entry:
    entry = parse_entry(raw)
    is_of_keys = entry.kind in {OwnKind.DEVICE_ADDED, OwnKind.DEVICE_REMOVED}
    if entry.lid != OWN_CHAIN or not is_of_keys:
        raise Malformed("an entry of the key history is about no device key")
    if entry.body[1] != person_mark(entry.salt, person):
        raise Malformed("an entry of the key history is about somebody else")
    return entry


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
