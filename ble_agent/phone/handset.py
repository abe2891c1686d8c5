"""A phone as its verbs see it: what it keeps, and how it reaches server and locker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ble_agent.backends.carrier import ServiceError
from ble_agent.errors import AgentError
from ble_agent.phone.account import Account
from ble_agent.phone.bundles import fetch_time
from schema.statements import time_nonce

if TYPE_CHECKING:
    from ble_agent.phone.errand import TimeSource
    from ble_agent.phone.wallet import Wallet


@dataclass(frozen=True, slots=True)
class Phone:
    """A wallet, and the server if one was named."""

    wallet: Wallet
    url: str | None
    radio: str

    def account(self) -> Account:
        """The account of this wallet's key; AgentError without a server."""
        if self.url is None:
            raise AgentError("name the server: --server https://host")
        return Account(self.url, self.wallet.key)

    def time_source(self, locker_id: str) -> TimeSource | None:
        """How to bring the time to a locker that lost it: only while a server is named."""
        if self.url is None:
            return None
        account = self.account()

        async def find_time(hello: bytes) -> bytes | None:
            try:
                return await fetch_time(account, locker_id, time_nonce(hello))
            except ServiceError:
                return None  # the door may do without; the locker says so if it may not

        return find_time
