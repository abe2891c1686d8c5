"""The reference phone on the command line: `python -m ble_agent.phone VERB ...`.

For technicians, the demo and tests. Opening needs a fetched bundle and no network.
"""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

from ble_agent.backends.carrier import ServiceError, Unreachable, deliver
from ble_agent.errors import AgentError
from ble_agent.phone import bundles, receipts, rounds, sharing
from ble_agent.phone.bluetooth import reach
from ble_agent.phone.bundles import (
    fetch_deposits,
    fetch_unlock,
    list_parcels,
    read_pass,
)
from ble_agent.phone.door import replay, visit_door
from ble_agent.phone.files import parse_object, read_file, write_file
from ble_agent.phone.handset import Phone
from ble_agent.phone.inbox import Inbox, list_notices
from ble_agent.phone.keys import check_keys
from ble_agent.phone.staff import fetch_inspection, join, read_staff_pass, register
from ble_agent.phone.takeout import fetch_takeout
from ble_agent.phone.wallet import Wallet
from ble_agent.phone.words import make_parser
from schema.checkpoint.trust import parse_trust
from schema.codec import Malformed
from schema.ids import locker_text
from schema.receipts import show_receipt

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator, Awaitable, Callable

    from ble_agent.phone.bundles import Pass

FIND_S = 20.0
DOOR_S = 300.0
"""How long the phone follows a door: longer than CLOSE_OVERDUE, shorter than patience."""


async def request_code(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Have a one-time code sent."""
    return {"requestId": await phone.account().request_code(options.address)}


async def sign_in(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Sign this wallet's key in, and tell where push messages go."""
    account = phone.account()
    await account.sign_in(options.request_id, options.code)
    await account.register(options.name, options.push)
    return {"device": phone.wallet.key.public.hex()}


async def show_parcels(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """List the account's parcels."""
    del options
    return {"parcels": await list_parcels(phone.account())}


async def show_notices(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """List what the account was told and this phone has not shown yet, the oldest first."""
    del options
    inbox = Inbox(phone.wallet.get_shown())
    told = await list_notices(phone.account())
    fresh = [one for one in told if inbox.is_new(str(one["messageId"]))]
    # If we crash before the list is printed, the notice is in the API still.
    phone.wallet.put_shown(inbox.shown)
    return {"notices": fresh}


async def ask_anything(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Send one operation to the API in the account's name; its problems are part of the answer."""
    variables = parse_object("--variables", options.variables)
    return {"data": await phone.account().ask(options.document, variables)}


async def fetch(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep what opens a parcel's door."""
    bundle = await fetch_unlock(phone.account(), options.parcel)
    phone.wallet.put_bundle(options.parcel, bundle)
    return {"parcel": options.parcel, "words": bundle["words"], "hub": bundle["hub"]}


async def fetch_route(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep what puts parcels into their compartments."""
    found = await fetch_deposits(phone.account(), options.parcel, is_route=options.route)
    for parcel, bundle in found.items():
        phone.wallet.put_bundle(parcel, bundle)
    return {"parcels": sorted(found)}


async def open_door(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Use a kept bundle at the door: open it, or deposit, as the bundle says."""
    bundle = phone.wallet.get_bundle(options.parcel)
    found = read_pass(bundle)
    find_time = phone.time_source(bundle["locker"]["lockerId"])
    async with reach(found.keys.lid, phone.radio, timeout_s=FIND_S) as link:
        return await visit_door(
            link,
            found,
            phone.wallet,
            comp=options.compartment,
            find_time=find_time,
            follow_s=DOOR_S,
            record=options.record.write_bytes if options.record else None,
        )


async def show_key(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Tell the public key of this phone, which staff tokens are made for."""
    del options
    return {"device": phone.wallet.key.public.hex()}


async def open_as_staff(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Open a compartment by a token that a service or hub key signed."""
    found = read_staff_pass(options.file, key_set=options.key_set)
    return await _visit_as_staff(phone, found, comp=options.compartment)


async def open_all(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Open every compartment by two tokens of two keys."""
    first = read_staff_pass(options.file, key_set=options.key_set)
    return await _visit_as_staff(phone, join(first, read_staff_pass(options.second)), comp=None)


async def _visit_as_staff(phone: Phone, found: Pass, *, comp: int | None) -> dict[str, Any]:
    find_time = phone.time_source(locker_text(found.keys.lid))
    async with reach(found.keys.lid, phone.radio, timeout_s=FIND_S) as link:
        return await visit_door(
            link,
            found,
            phone.wallet,
            comp=comp,
            find_time=find_time,
            follow_s=DOOR_S,
        )


async def register_tokens(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Vouch at the server for tokens before they are used, in an operator's name."""
    account = phone.account()
    ends = [await register(account, read_staff_pass(file)) for file in options.file]
    return {"expire": ends}


async def show_invite(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Tell the text by which another phone shares a parcel with this one."""
    del options
    return {"invite": sharing.write_invite(phone.wallet.key.public)}


async def share_parcel(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Sign for another phone; the server, where one is named, is told, and need not be."""
    now = datetime.now().astimezone()
    until_s = sharing.read_until(options.until, now=now)
    shared = sharing.share(
        phone.wallet.get_bundle(options.parcel),
        phone.wallet.key,
        holder=sharing.read_invite(options.invite),
        until_s=until_s,
        now_s=int(now.timestamp()),
    )
    answer: dict[str, Any] = {"parcel": options.parcel, "until": until_s}
    if phone.url is not None:
        try:
            answer["delegation"] = await sharing.register(phone.account(), shared)
        except ServiceError as error:
            answer["unregistered"] = str(error)
    text = sharing.write_share(shared)
    if options.file is None:
        return {**answer, "share": text}
    write_file(options.file, text)
    return {**answer, "file": str(options.file)}


async def accept_parcel(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep what was shared with this phone, as a bundle like those that it fetched itself."""
    bundle = parse_object(options.file, read_file(options.file))
    parcel = sharing.take(bundle, phone.wallet.key)
    if phone.wallet.has_own(parcel):
        raise AgentError("this phone has a pass of its own for that parcel")
    phone.wallet.put_bundle(parcel, bundle)
    return {"parcel": parcel, "words": bundle["words"]}


async def replay_request(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Send a recorded request again, as an attacker would."""
    found = read_pass(phone.wallet.get_bundle(options.parcel))
    async with reach(found.keys.lid, phone.radio, timeout_s=FIND_S) as link:
        return await replay(link, read_file(options.file))


async def deliver_envelopes(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Hand over the envelopes carried for lockers, and what they signed; needs no account."""
    del options
    if phone.url is None:
        raise AgentError("name the server: --server https://host")
    envelopes = phone.wallet.list_envelopes()
    outcomes = await deliver(phone.url, envelopes)
    for envelope, outcome in zip(envelopes, outcomes, strict=True):
        if outcome.problem is None:
            phone.wallet.drop_envelope(envelope)
    problems = [outcome.problem for outcome in outcomes if outcome.problem]
    heads = await receipts.tell_heads(phone.url, phone.wallet)
    return {"delivered": len(outcomes) - len(problems), "heads": heads, "problems": problems}


async def export(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Print a kept bundle; without this wallet's key it opens nothing."""
    return phone.wallet.get_bundle(options.parcel)


async def import_bundle(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep a bundle printed by another wallet: what a thief of bundles would do."""
    bundle = parse_object(options.file, read_file(options.file))
    read_pass(bundle)
    parcel = str(bundle.get("parcel"))
    phone.wallet.put_bundle(parcel, bundle)
    return {"parcel": parcel}


async def show_receipts(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """List what lockers have vouched for."""
    del options
    rows = phone.wallet.list_receipts()
    return {"receipts": [{name: getattr(row, name) for name in row.__slots__} for row in rows]}


async def fetch_receipt(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep the receipt of a parcel, which anybody can check with nothing but it and trust."""
    found = await receipts.fetch_receipt(phone.account(), options.parcel)
    path = phone.wallet.put_proof(options.parcel, found)
    try:
        code = show_receipt(found)
    except Malformed as error:
        raise Unreachable("the answer holds no receipt") from error
    if options.svg is not None and code is not None:
        receipts.draw_code(code, options.svg)
    return {"parcel": options.parcel, "bytes": len(found), "file": f"{path}", "code": code}


async def show_keys(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Look in the public log for keys of this account that are none of its phones'."""
    trust = None if options.trust is None else parse_trust(read_file(options.trust))
    return await check_keys(
        phone.account(), phone.wallet.key.public, mine=options.mine, trust=trust
    )


async def take_along(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Write all that the server keeps about this account to a file."""
    whole = await fetch_takeout(phone.account())
    write_file(options.file, json.dumps(whole, indent=1, sort_keys=True))
    return {"file": f"{options.file}", "parcels": len(whole["parcels"]), "cut": whole["cut"]}


async def fetch_removals(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep what takes parcels out of their compartments."""
    found = await bundles.fetch_removals(
        phone.account(), options.parcel, purpose=options.purpose, is_route=options.route
    )
    for parcel, bundle in found.items():
        phone.wallet.put_bundle(rounds.REMOVAL + parcel, bundle)
    return {"parcels": sorted(found)}


async def fetch_dropoff(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep what puts a parcel that one sends into a locker."""
    bundle = await bundles.fetch_dropoff(phone.account(), options.parcel, options.locker)
    phone.wallet.put_bundle(options.parcel, bundle)
    return {"parcel": options.parcel, "words": bundle["words"]}


async def fetch_look(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Keep what opens a compartment without a parcel, for `open`."""
    bundle = await fetch_inspection(
        phone.account(), options.locker, options.number, reason=options.reason
    )
    name = f"inspection {options.number}"
    phone.wallet.put_bundle(name, bundle)
    return {"open": name, "words": bundle["words"]}


async def show_round(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """List what is to be done at which locker."""
    del options
    return {"stops": rounds.list_stops(phone.wallet)}


async def show_doors(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """List the doors that a parcel may go into."""
    choices = rounds.list_choices(phone.wallet, options.parcel)
    return {"doors": [{name: getattr(one, name) for name in one.__slots__} for one in choices]}


async def deposit(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Put a parcel into a compartment, or to another one of its recipient."""
    async with _at_work(phone, options.parcel) as visit:
        return await rounds.deposit(
            visit, options.parcel, comp=options.compartment, beside=options.beside
        )


async def undo_deposit(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Take a parcel back that was deposited a moment ago."""
    async with _at_work(phone, options.parcel) as visit:
        return await rounds.undo(visit, options.parcel)


async def remove(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    """Take out a parcel that nobody collected, or that was dropped off."""
    async with _at_work(phone, rounds.REMOVAL + options.parcel) as visit:
        return await rounds.remove(visit, options.parcel)


@asynccontextmanager
async def _at_work(phone: Phone, name: str) -> AsyncIterator[rounds.Visit]:
    bundle = phone.wallet.get_bundle(name)
    find_time = phone.time_source(bundle["locker"]["lockerId"])
    lid = read_pass(bundle).keys.lid
    async with reach(lid, phone.radio, timeout_s=FIND_S) as link:
        yield rounds.Visit(link, phone.wallet, find_time, DOOR_S)


_Verb = tuple[str, "Callable[[Phone, argparse.Namespace], Awaitable[dict[str, Any]]]"]
_VERBS: dict[str, _Verb] = {
    "request-code": ("have a one-time code sent to an address", request_code),
    "sign-in": ("sign this phone in by the code", sign_in),
    "parcels": ("list the account's parcels", show_parcels),
    "notices": ("list what the account was told, each notice once", show_notices),
    "ask": ("send any GraphQL operation in the account's name", ask_anything),
    "fetch": ("keep what opens a parcel's door, for use without a network", fetch),
    "fetch-route": ("keep what a courier needs to deposit parcels", fetch_route),
    "fetch-removals": ("keep what a courier needs to take parcels out", fetch_removals),
    "fetch-dropoff": ("keep what puts a parcel that one sends into a locker", fetch_dropoff),
    "round": ("list what is to be done at which locker", show_round),
    "doors": ("list the doors that a parcel may go into", show_doors),
    "deposit": ("put a parcel into a compartment, or to another one", deposit),
    "undo": ("take a parcel back that was just deposited", undo_deposit),
    "remove": ("take out what nobody collected, or what was dropped off", remove),
    "open": ("use a kept bundle at the door: collect, or deposit", open_door),
    "invite": ("print what another phone needs to share a parcel with this one", show_invite),
    "delegate": ("share a kept bundle with the phone of an invitation", share_parcel),
    "accept": ("keep what another phone has shared with this one", accept_parcel),
    "key": ("print this phone's public key", show_key),
    "fetch-inspection": ("keep what opens a compartment without a parcel, to look in", fetch_look),
    "service": ("open a compartment by a token of a service or hub key", open_as_staff),
    "open-all": ("open every compartment by two tokens of two keys", open_all),
    "register-token": ("make staff tokens known to the server", register_tokens),
    "replay": ("send a recorded request again, to see it refused", replay_request),
    "deliver": ("hand over the envelopes carried for lockers", deliver_envelopes),
    "export": ("print a kept bundle", export),
    "import": ("keep a bundle printed by another phone", import_bundle),
    "receipts": ("list what lockers have vouched for", show_receipts),
    "receipt": ("fetch and keep a parcel's receipt of the public log", fetch_receipt),
    "takeout": ("write all that the server keeps about the account to a file", take_along),
    "keys": ("look in the public log for keys of the account that are not its phones'", show_keys),
}


def main(argv: list[str]) -> int:
    """Run one verb; 1 with a sentence on stderr if it cannot be done, 2 if refused or warned."""
    parser = make_parser(__doc__, {name: text for name, (text, _) in _VERBS.items()})
    options = parser.parse_args(argv)
    try:
        wallet = Wallet(options.wallet)
        url = options.server.rstrip("/") if options.server else None
        answer = asyncio.run(_run(Phone(wallet, url, options.radio), options))
    except (AgentError, Malformed) as error:
        print(f"restante: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(answer))
    else:
        print("\n".join(f"{name}: {value}" for name, value in answer.items()))
    return 2 if any(answer.get(name) for name in ("code", "att", "alarms")) else 0


async def _run(phone: Phone, options: argparse.Namespace) -> dict[str, Any]:
    return await _VERBS[options.verb][1](phone, options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
