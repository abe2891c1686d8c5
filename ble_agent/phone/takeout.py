"""All that a server keeps about this account, fetched page by page and laid down as one file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ble_agent.backends.carrier import Unreachable, pick

if TYPE_CHECKING:
    from ble_agent.phone.account import Account

MOST_PAGES: Final = 1_000
"""Ten thousand parcels; more of them are taken along by an operator."""

_EXPORT: Final = """
query($after: String) { exportAccount(after: $after) { __typename
  ... on AccountExport { document endCursor } ... on Problem { code message } } }"""


async def fetch_takeout(account: Account) -> dict[str, Any]:
    """The whole document, the parcels of all pages in one list; Unreachable, Declined."""
    whole: dict[str, Any] = {}
    after = None
    for _ in range(MOST_PAGES):
        page = pick(await account.ask(_EXPORT, {"after": after}), "exportAccount", "AccountExport")
        try:
            told = json.loads(page["document"])
            parcels, cut = whole.get("parcels", []), whole.get("cut", [])
            whole = told | whole
            whole["parcels"] = [*parcels, *told["parcels"]]
            whole["cut"] = sorted({*cut, *told["cut"]})
            after = page["endCursor"]
        except (KeyError, TypeError, ValueError) as error:
            raise Unreachable("the answer holds no document") from error
        if after is None:
            return whole
    raise Unreachable("the document has no end")
