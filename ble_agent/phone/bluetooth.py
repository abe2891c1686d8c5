"""Which Bluetooth a phone uses: the platform's own, or Bumble on a controller of its own."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ble_agent.phone.link import open_link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from ble_agent.phone.link import PhoneLink


@asynccontextmanager
async def reach(lid: bytes, radio: str, *, timeout_s: float) -> AsyncIterator[PhoneLink]:
    """A link to the locker over `radio`: `bluez`, `bluez:hci1` or `bumble:TRANSPORT`.

    Raises what `open_link` raises. Bumble is loaded only where it is asked for.
    """
    kind, _, rest = radio.partition(":")
    if kind == "bumble":
        from ble_agent.backends.bumble_central import open_central

        async with (
            open_central(rest) as central,
            open_link(
                lid,
                timeout_s=timeout_s,
                scanner_backend=central.scanner,
                client_backend=central.client,
            ) as link,
        ):
            yield link
    else:
        async with open_link(lid, timeout_s=timeout_s, adapter=rest or None) as link:
            yield link
