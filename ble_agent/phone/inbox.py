"""What a phone has shown of what it was told: each notice once, however often it comes.

A provider delivers at least once, and the same notice may come by push and be read from the server:
its id (`notice` in a push, `messageId` in the API) tells the copies.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ble_agent.phone.account import Account

_NOTICES = """
query($first: Int!) { me { notices(first: $first) { edges { node {
  messageId kind parcel channel state createdAt } } } } }"""

PAGE: Final = 100
"""Notices that are looked at; who looks less often than that reads the older ones in the app."""

MAX_SHOWN: Final = 1_000
"""Ids that are remembered, the newest; the server keeps no notice for as long as that takes."""


class Inbox:
    """The ids of what was shown, in the order in which it was."""

    def __init__(self, shown: Iterable[str] = ()) -> None:
        """Goes on from what `shown` once was."""
        self._shown: OrderedDict[str, None] = OrderedDict.fromkeys(shown)
        self._forget()

    @property
    def shown(self) -> tuple[str, ...]:
        """What to keep until the next start, the oldest first."""
        return tuple(self._shown)

    def is_new(self, notice: str) -> bool:
        """Whether this is to be shown now; a second time it is not."""
        if notice in self._shown:
            self._shown.move_to_end(notice)
            return False
        self._shown[notice] = None
        self._forget()
        return True

    def _forget(self) -> None:
        while len(self._shown) > MAX_SHOWN:
            self._shown.popitem(last=False)


async def list_notices(account: Account) -> list[dict[str, Any]]:
    """What the account was told of late, the oldest first; at most `PAGE`."""
    data = await account.ask(_NOTICES, {"first": PAGE})
    connection = (data.get("me") or {}).get("notices") or {"edges": []}
    return [edge["node"] for edge in reversed(connection["edges"])]
