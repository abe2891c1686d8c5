"""The desk at which whoever runs the machine looks after anchors: `./restante anchor`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from server.kit.errors import SettingsError
from server.ledger.anchors import service
from server.ledger.anchors.jobs.looking import anchor_log
from server.ledger.anchors.setting import make_anchor, make_key, make_plan
from server.ledger.anchors.tables import AnchorState

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.kit.house import House
    from server.ledger.anchors.tables import LogAnchor

MOST_TOLD = 20
"""Heads that `status` lists."""


@dataclass(frozen=True, slots=True)
class AnchorDesk:
    """The desk, and whoever hears what is told there. It tells addresses, and never a key."""

    house: House
    tell: Callable[[str], None]

    async def run(self, word: str) -> bool:
        """Does what the word asks for; one of the house's errors says why not.

        False if there is an alarm: the chain holds what this log never signed.
        """
        match word:
            case "key":
                self._key()
            case "deploy":
                await self._deploy()
            case "status":
                return await self._status()
            case _:
                settings = self.house.settings
                plan = make_plan(settings)
                await anchor_log(
                    self.house.database,
                    make_anchor(settings),
                    plan,
                    clock=self.house.clock,
                    at_once=True,
                )
                return await self._status()
        return True

    def _key(self) -> None:
        path = self.house.settings.chain_key
        if path is None:
            raise SettingsError("RESTANTE_CHAIN_KEY names the file of the key")
        made = make_key(path, self.house.randomness)
        self.tell(f"{'made' if made else 'found'} the key in {path}")
        self.tell(f"its account pays for anchors: {make_anchor(self.house.settings).address}")

    async def _deploy(self) -> None:
        settings = self.house.settings
        anchor = make_anchor(settings)
        cap_wei = settings.chain_fee_cap_gwei * 10**9
        contract = await asyncio.to_thread(anchor.deploy, cap_wei=cap_wei)
        self.tell(f"the log is ours in contract {contract} on chain {settings.chain_id}")
        self.tell(f"setting:    RESTANTE_CHAIN_CONTRACT={contract}")
        self.tell(f"trust file: anchor {settings.chain_id} {contract}")

    async def _status(self) -> bool:
        plan = make_plan(self.house.settings)
        async with self.house.database.read() as session:
            rows = await service.list_newest(session, plan.contract, limit=MOST_TOLD)
            alarms = await service.list_alarms(session, plan.contract, limit=MOST_TOLD)
        self.tell(f"{plan.origin} in {plan.contract.address} on chain {plan.contract.chain_id}")
        for row in alarms:
            self.tell(
                f"ALARM: the chain holds a head of {row.size} leaves that this log never signed"
            )
        for row in rows:
            self.tell(_as_line(row))
        if not rows:
            self.tell("nothing was anchored yet")
        return not alarms


def _as_line(row: LogAnchor) -> str:
    parts = [f"{row.size:>12} leaves", f"{row.state.value.lower():9}"]
    if row.block_at is not None:
        parts.append(f"since {row.block_at:%Y-%m-%d %H:%M:%S} UTC")
    if row.tx_hash is not None:
        parts.append(f"0x{row.tx_hash.hex()}")
    if row.reason and row.state in {AnchorState.QUEUED, AnchorState.SENT}:
        parts.append(f"(tried {row.attempts}x: {row.reason})")
    return "  ".join(parts)
