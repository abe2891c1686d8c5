"""The locker's word for where its journal stands, which every result and every event carries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.journal import sign_head

if TYPE_CHECKING:
    from ble_agent.journal import Line
    from ble_agent.store.identity import Identity


class Voucher:
    """Signs where the chain stands; the newest line only once, for refusals all name that one."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._line: Line | None = None
        self._signature = b""

    def sign(self, line: Line) -> bytes:
        """The locker's signature over this line's head."""
        if line != self._line:
            identity = self._identity
            self._signature = sign_head(identity.signing, identity.lid, line.seq, line.head)
            self._line = line
        return self._signature
