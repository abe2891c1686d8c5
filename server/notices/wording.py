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
    NoticeKind.GUEST_LINK: Wording(
        "A new link to your parcel",
        "Links that you had before do not work any more.",
    ),
    NoticeKind.DEVICE_CONFIRMED: Wording(
        "A new phone may open your parcels now",
        "It was confirmed on an older phone of yours, or at a hub. If that was not you, remove it "
        "in the app at once.",
    ),
    NoticeKind.DEVICE_REMOVED: Wording(
        "A phone was removed from your account",
        "If that was you, nothing is left to do. If it was not, remove the phone that did it, and "
        "have yours confirmed at a hub.",
    ),
    NoticeKind.REMOVED_KEY_TRIED: Wording(
        "A phone that you removed tried to sign in",
        "It was refused. Whoever has it can read your messages as well: the code was right. "
        "Change the password of your mailbox, or have your SIM card blocked.",
    ),
    NoticeKind.PIN_ISSUED: Wording(
        "Digits for a door were asked for",
        "They open the door of one of your parcels until tomorrow night. If that was not you, take "
        "them back in the app, and remove the phone that asked.",
    ),
    NoticeKind.PARCEL_SHARED: Wording(
        "A parcel of yours was shared",
        "Somebody else can open its door now. If that was not you, take it back in the app, and "
        "remove the phone that did it.",
    ),
    NoticeKind.GUEST_PASS: Wording(
        "Digits for your parcel were asked for",
        "Somebody opened the link in our message and was given the digits for the door. If that "
        "was not you, ask at the hub at once: who has the digits can take the parcel out.",
    ),
    NoticeKind.PARCEL_ADOPTED: Wording(
        "Your parcel was taken into another account",
        "Somebody opened the link in our message and made the parcel their own. If that was not "
        "with your consent, ask at the hub at once.",
    ),
}
"""What each kind says on every channel."""


def add_link(wording: Wording, address: str) -> Wording:
    """The letter with the link for somebody without the app; not in its first line."""
    return Wording(
        wording.title,
        f"{wording.body}\n\n"
        f"Without the app, this link shows your parcel, and while it waits behind a door it gives "
        f"you the digits for that door when you ask:\n\n{address}\n\n"
        f"Keep it to yourself: whoever has the link can do the same.",
    )


def write_code_letter(code: str, expires_at: datetime) -> Wording:
    """The letter with a one-time code; the title alone does not give it away."""
    return Wording(
        "Your code to sign in",
        f"Somebody, hopefully you, wants to sign in with this address.\n\n"
        f"The code is {code}. It is good once, until {expires_at:%H:%M} UTC.\n\n"
        f"Tell it to nobody: whoever asks for it is not us. If it was not you, do nothing.",
    )
