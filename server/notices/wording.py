"""The words of notices and letters, in English.

A locked screen and the list of a mailbox show titles and first lines: they hold no sender, no
contents, no compartment and no code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.notices.rules import NoticeKind

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Wording:
    """A title and one or more sentences."""

    title: str
    body: str = field(repr=False)


NOTICES = {
    NoticeKind.READY: Wording(
        "A parcel is ready for you",
        "Open the app to see where it waits and until when.",
    ),
    NoticeKind.AT_COUNTER: Wording(
        "A parcel waits for you at a counter",
        "Open the app to see where and until when, and for the digits to say there. "
        "A document that shows who you are does as well.",
    ),
    NoticeKind.NEW_DEVICE: Wording(
        "A new phone was added to your account",
        "If it was you, confirm it on your other phone. If it was not, remove it there: "
        "for 24 hours it can open nothing that was on its way to you before.",
    ),
    NoticeKind.DOOR_LEFT_OPEN: Wording(
        "A locker door stands open",
        "You opened it, or your parcel lies behind it. If you are still there, please shut it.",
    ),
    NoticeKind.MOVED: Wording(
        "Your parcel is not where it was",
        "It was taken out of the locker again. Open the app to see where it is now; you will be "
        "told when it can be collected.",
    ),
    NoticeKind.INCIDENT: Wording(
        "Something is wrong with your parcel",
        "It is held until somebody has looked into it. Open the app to see what you can do.",
    ),
}
"""What each kind says on every channel."""


def write_code_letter(code: str, expires_at: datetime) -> Wording:
    """The letter with a one-time code; the title alone does not give it away."""
    return Wording(
        "Your code to sign in",
        f"Somebody, hopefully you, wants to sign in with this address.\n\n"
        f"The code is {code}. It is good once, until {expires_at:%H:%M} UTC.\n\n"
        f"Tell it to nobody: whoever asks for it is not us. If it was not you, do nothing.",
    )
