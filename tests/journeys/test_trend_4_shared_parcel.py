"""A neighbour fetches a parcel until six: two phones and a locker, and no network at all.

Real processes: the agent, both phones' command lines, and a Bluetooth stack for each.
"""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from ble_agent.backends.bumble_central import open_central
from ble_agent.backends.ether import open_ether
from ble_agent.phone.wallet import Wallet
from schema.ids import locker_text
from schema.journal import Accepted, Kind, parse_accepted, parse_entry
from schema.keys import Operation
from schema.tokens import parse_delegation
from tests.contracts.tree import ROOT
from tests.faults.battered import Battered, make_battered

if TYPE_CHECKING:
    from pathlib import Path

PARCEL = "parcel-1"
TRIES = 20


async def say(wallet: Path, *words: str, radio: int | None = None) -> dict[str, Any]:
    """What a phone's command line answers; the code of a refusal is part of it."""
    air = [] if radio is None else ["--radio", f"bumble:tcp-client:127.0.0.1:{radio}"]
    printed = await asyncio.to_thread(  # the ether lives in this loop
        subprocess.run,
        [sys.executable, "-m", "ble_agent.phone", "--wallet", str(wallet), "--json", *air, *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert printed.returncode in {0, 2}, printed.stderr
    answer: dict[str, Any] = json.loads(printed.stdout)
    return answer


def keep_bundle(wallet: Wallet, locker: Battered, stay: bytes) -> None:
    """What the owner's phone fetched while there was a network."""
    token = locker.authority.token(Operation.OPEN, stay, wallet.key.public, depth=2)
    wallet.put_bundle(
        PARCEL,
        {
            "operation": "OPEN",
            "locker": {"lockerId": locker_text(locker.keys.lid)},
            "noisePublic": base64.b64encode(locker.keys.noise_public).decode(),
            "signPublic": base64.b64encode(locker.keys.sign_public).decode(),
            "token": {"bytes": base64.b64encode(token).decode()},
            "compartment": {"number": 1},
            "words": "row 1",
            "statements": [],
        },
    )


async def put_in(locker: Battered, stay: bytes, port: int) -> None:
    """The courier brings the parcel; the locker takes a moment to come up."""
    token = locker.token(Operation.DEPOSIT, stay)
    async with open_central(f"tcp-client:127.0.0.1:{port}") as central:
        for _ in range(TRIES):
            if await locker.try_once(central, Operation.DEPOSIT, token):
                return
    raise AssertionError("nothing was deposited")


async def test_neighbour_fetches_what_was_shared_and_nobody_can_deny_it(tmp_path: Path) -> None:
    here, there, elsewhere = (tmp_path / name for name in ("owner", "neighbour", "thief"))
    shared, stay = tmp_path / "shared.json", secrets.token_bytes(8)
    async with open_ether(4) as ether:
        locker = make_battered(tmp_path / "locker", ether.ports[:2])
        locker.start()
        try:
            await put_in(locker, stay, ether.ports[2])
            keep_bundle(Wallet(here), locker, stay)
            invite = (await say(there, "invite"))["invite"]
            until = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 1800))
            await say(here, "delegate", PARCEL, invite, "--until", until, "--file", str(shared))
            assert (await say(there, "accept", str(shared)))["words"] == "row 1"
            await say(elsewhere, "import", str(shared))
            radio = ether.ports[3]
            refused = await say(elsewhere, "open", PARCEL, radio=radio)
            assert refused["name"] == "HOLDER_PROOF_FAILED"
            told = await say(there, "open", PARCEL, radio=radio)
            assert (told["name"], told["events"]) == ("OK", ["DOOR_OPENED", "CLOSED_EMPTY"])
            assert (await say(here, "open", PARCEL, radio=radio))["name"] == "USED"
        finally:
            locker.kill()
    opening = [accepted for accepted in acceptances(locker) if accepted.op == Operation.OPEN]
    assert [len(accepted.rest) for accepted in opening] == [1]
    assert parse_delegation(opening[0].rest[0]).holder == Wallet(there).key.public


def acceptances(locker: Battered) -> list[Accepted]:
    """Whom the locker let in, from the disk of the killed process."""
    entries = [parse_entry(raw) for raw in locker.entries()]
    return [parse_accepted(entry.body) for entry in entries if entry.kind == Kind.ACCEPTED]
