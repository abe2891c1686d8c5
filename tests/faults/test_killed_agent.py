"""kill -9 at any moment of a visit, on the real process over virtual Bluetooth.

After each kill the same command starts again on another controller, and the phone tries until it
is through. No use is lost, none happens twice, and the journal is one chain to its end.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from typing import TYPE_CHECKING

from ble_agent.backends.bumble_central import open_central
from ble_agent.backends.ether import open_ether
from ble_agent.phone.link import LinkError
from schema.journal import FIRST_PREV_HEAD, Kind, check_chain, parse_entry
from schema.keys import Operation
from tests.faults.battered import Battered, make_battered

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from ble_agent.backends.bumble_central import BumbleCentral

LONGEST_WAIT_S = 1.5
"""A visit, start of the process included, takes about this long: a kill falls anywhere in it."""

TRIES = 12


async def test_kill_at_any_moment_loses_no_use_and_doubles_none(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    rounds: int = request.config.getoption("--kills")
    async with open_ether(3) as ether:
        battered = make_battered(tmp_path / "locker", ether.ports[:2])
        chance = random.Random(rounds)
        async with open_central(f"tcp-client:127.0.0.1:{ether.ports[2]}") as central:
            for _ in range(rounds):
                await deposit_and_collect(battered, central, chance)
    raws = battered.entries()
    check_chain(raws, lid=battered.keys.lid, first=1, prev_head=FIRST_PREV_HEAD)
    entries = [parse_entry(raw) for raw in raws]
    for kind in (Kind.DEPOSITED, Kind.COLLECTED):
        stays = Counter(entry.body[1] for entry in entries if entry.kind == kind)
        assert sorted(stays.values()) == [1] * rounds
    # A process that dies before its first line has not booted, as far as anybody can tell.
    assert rounds <= sum(entry.kind == Kind.BOOT for entry in entries) <= battered.starts


async def deposit_and_collect(
    battered: Battered, central: BumbleCentral, chance: random.Random
) -> None:
    """One parcel in and out, with one kill at a random moment of it."""
    stay = secrets.token_bytes(8)
    battered.start()
    killing = asyncio.get_running_loop().call_later(
        chance.uniform(0.3, LONGEST_WAIT_S), battered.kill
    )
    for op in (Operation.DEPOSIT, Operation.OPEN):
        token = battered.token(op, stay)
        for _ in range(TRIES):
            try:
                if await battered.try_once(central, op, token):
                    break
            except (LinkError, TimeoutError):
                if battered.process is not None and battered.process.poll() is not None:
                    battered.start()
        else:
            raise AssertionError(f"{op.name} never came through")
    killing.cancel()
    battered.kill()
