"""What a radio must offer and what it may expect of its listener.

A radio moves bytes between phones and one listener: it knows the three characteristics and the
advertisement, and refuses to know fragments, hellos and sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from ble_agent.errors import AgentError

if TYPE_CHECKING:
    from schema.gatt import AttError


class RadioLost(AgentError):
    """The controller, its daemon or the way to it is gone, or was not there to begin with.

    Every link has been reported lost before. `start` may be called again, on the same object.
    """


class Refused(Exception):
    """The listener's answer to a read or a write, sent to the phone as an ATT error."""

    def __init__(self, att_error: AttError) -> None:
        super().__init__(att_error.name)
        self.att_error = att_error


@dataclass(frozen=True, slots=True)
class Link:
    """One connection of one phone; a phone that comes back is another link.

    `name` tells links apart in logs, as far as the radio can; it identifies nobody.
    """

    name: str


class Listener(Protocol):
    """Who answers phones; called on the event loop's thread only.

    For each link: `connected` once and first, then reads and writes, then `lost` once and last.
    A call of `write_command` may outlive its link: the radio never cancels it.
    """

    def connected(self, link: Link) -> None:
        """Take notice of a phone; it has not read or written yet."""

    def lost(self, link: Link) -> None:
        """Forget a phone, whoever ended the connection; replies to it go nowhere from now on."""

    def read_hello(self, link: Link, offset: int) -> bytes:
        """Return the hello from `offset` on: a new one at 0, the rest of the same one elsewhere.

        Empty past the end. The radio cuts to the MTU and asks again for what is left.
        Raises Refused.
        """

    def read_result(self, link: Link, offset: int) -> bytes:
        """Return the value of the result characteristic for this phone, from `offset` on.

        Raises Refused.
        """

    async def write_command(self, link: Link, fragment: bytes) -> None:
        """Take a fragment of at most 512 bytes; the phone's write is answered when this returns.

        Never called twice at once for one link: the radio answers BUSY by itself. Raises Refused.
        """


class Radio(Protocol):
    """A Bluetooth peripheral with the one SLK1 service.

    Advertising goes on while phones are connected, as far as the controller can.
    """

    async def start(self, lid: bytes, listener: Listener) -> None:
        """Serve and advertise as the locker `lid` until `stop`; ready for phones on return.

        Raises RadioLost if there is no controller. May be called again after `stop` or RadioLost.
        """

    async def watch(self) -> None:
        """Wait until the radio ends: return after `stop`, raise RadioLost if it was taken away."""

    async def advertise(self, on: bool) -> None:
        """Be found, or not; connected phones are not touched. The same state again is harmless."""

    async def reply(self, link: Link, fragment: bytes) -> None:
        """Notify this phone of `fragment`, at most as long as the longest it has sent.

        Replies to one link arrive in the order of the calls. Returns when the stack has taken it;
        arrival is not promised. Dropped silently if the link is gone or does not listen. Other
        phones may receive it too: what is not theirs does not open.
        """

    async def drop(self, link: Link) -> None:
        """End a connection; nothing happens if it is gone. `lost` is called as for any end."""

    async def stop(self) -> None:
        """End all connections, then the advertisement and the service. Twice is harmless."""
