"""The words of notices and letters: here in English, in `languages/` in the others.

A locked screen and the list of a mailbox show titles and first lines: they hold no sender, no
contents, no compartment and no code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.notices.languages import say, tell_time
from server.notices.rules import NoticeKind

if TYPE_CHECKING:
    from datetime import datetime

    from server.people.preferences import Language


@dataclass(frozen=True, slots=True)
class Wording:
    """A title and one or more sentences."""

    title: str
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Facts:
    """What the sentences tell of: the name of the hub, the end of the time, by the person's own
    clock. Empty where a kind says nothing of it.
    """

    hub: str = ""
    until: datetime | None = None


NOTICES = {
    NoticeKind.READY: Wording(
        "A parcel is ready for you",
        "It waits at {hub}. Open the app to see until when, and which door is yours.",
    ),
    NoticeKind.READY_AGAIN: Wording(
        "A parcel came for you in the night",
        "It waits at {hub} until {until}. Open the app to see how to get it.",
    ),
    NoticeKind.REMIND_1: Wording(
        "Your parcel still waits for you",
        "It is at {hub} until {until}.",
    ),
    NoticeKind.REMIND_2: Wording(
        "Your parcel waits until {until}",
        "It is at {hub}. If you cannot come, ask for more time in the app or share it with "
        "somebody.",
    ),
    NoticeKind.REMIND_3: Wording(
        "Last hours for your parcel",
        "It is at {hub} until {until}. After that it is taken away.",
    ),
    NoticeKind.COOL_1: Wording(
        "Your cooled parcel waits for you",
        "It is at {hub} until {until}. Cooled goods keep best when they are fetched soon.",
    ),
    NoticeKind.COOL_2: Wording(
        "Your cooled parcel still waits",
        "It is at {hub} until {until}. If you cannot come, share it with somebody who can.",
    ),
    NoticeKind.COOL_3: Wording(
        "Last hours for your cooled parcel",
        "It is at {hub} until {until}. After that nobody can say that it is still good.",
    ),
    NoticeKind.WINDOW_OPEN: Wording(
        "The time you chose for your parcel has begun",
        "It waits at {hub} until {until}. Choose another time in the app if you cannot come now.",
    ),
    NoticeKind.AT_COUNTER: Wording(
        "A parcel waits for you at a counter",
        "It is at {hub}. Open the app for the digits to say there. A document that shows "
        "who you are does as well.",
    ),
    NoticeKind.MOVED: Wording(
        "Your parcel is not where it was",
        "It was taken out of the locker again. Open the app to see where it is now; you "
        "will be told when it can be collected.",
    ),
    NoticeKind.COLLECTED: Wording(
        "Your parcel was collected",
        "The receipt is in the app. If it was not you, tell us there.",
    ),
    NoticeKind.DELEGATE_USED: Wording(
        "Your parcel was fetched for you",
        "Somebody with whom you shared it has opened the door. The receipt is in the app.",
    ),
    NoticeKind.REDIRECTED: Wording(
        "Your parcel goes to another place",
        "It is on its way to {hub}. If that was not you, change it in the app.",
    ),
    NoticeKind.EXTENDED: Wording(
        "Your parcel waits for longer",
        "It is at {hub} until {until}.",
    ),
    NoticeKind.HUB_CLOSED: Wording(
        "The place of your parcel is closed",
        "{hub} had to close. Your time was moved: the parcel waits until {until}.",
    ),
    NoticeKind.EXPIRED: Wording(
        "The time for your parcel is over",
        "It was to be fetched at {hub} until {until}. As long as it lies there you can ask "
        "for more time in the app.",
    ),
    NoticeKind.RETURNED: Wording(
        "Your parcel went back",
        "It was not fetched in time and is with its sender again. Ask them if you still want it.",
    ),
    NoticeKind.EXCURSION: Wording(
        "Please fetch your cooled parcel soon",
        "Its compartment does not keep its temperature just now, and the hub has been told. Come "
        "as soon as you can, or share the parcel with somebody who can: the app shows how long it "
        "is good.",
    ),
    NoticeKind.CLIMATE_HOLD: Wording(
        "Your cooled parcel may not be safe any more",
        "Its cooling failed. Do not eat what is in it: the parcel is held and you need not come. "
        "Ask its sender for your money back or for another one.",
    ),
    NoticeKind.INCIDENT: Wording(
        "Something is wrong with your parcel",
        "It is held until somebody has looked into it. Open the app to see what you can do.",
    ),
    NoticeKind.DISPUTED: Wording(
        "Your objection has arrived",
        "Somebody looks into it. The app shows what is decided.",
    ),
    NoticeKind.DISPUTED_BY_OTHER: Wording(
        "Somebody doubts that you have your parcel",
        "Its sender or its carrier says that the collection was not right. Somebody looks into "
        "it, and you need do nothing. The app shows what is decided.",
    ),
    NoticeKind.DISPUTE_RESOLVED: Wording(
        "It was decided about your parcel",
        "Somebody has looked into its collection. The app shows what was decided, and why.",
    ),
    NoticeKind.DOOR_LEFT_OPEN: Wording(
        "A locker door stands open",
        "You opened it, or your parcel lies behind it. If you are still there, please shut it.",
    ),
    NoticeKind.NEW_DEVICE: Wording(
        "A new phone was added to your account",
        "If it was you, confirm it on your other phone. If it was not, remove it there: for "
        "24 hours it can open nothing that was on its way to you before.",
    ),
    NoticeKind.GUEST_LINK: Wording(
        "A new link to your parcel",
        "Links that you had before do not work any more.",
    ),
    NoticeKind.DEVICE_CONFIRMED: Wording(
        "A new phone may open your parcels now",
        "It was confirmed on an older phone of yours, or at a hub. If that was not you, "
        "remove it in the app at once.",
    ),
    NoticeKind.DEVICE_REMOVED: Wording(
        "A phone was removed from your account",
        "If that was you, nothing is left to do. If it was not, remove the phone that did "
        "it, and have yours confirmed at a hub.",
    ),
    NoticeKind.REMOVED_KEY_TRIED: Wording(
        "A phone that you removed tried to sign in",
        "It was refused. Whoever has it can read your messages as well: the code was right. "
        "Change the password of your mailbox, or have your SIM card blocked.",
    ),
    NoticeKind.PIN_ISSUED: Wording(
        "Digits for a door were asked for",
        "They open the door of one of your parcels until tomorrow night. If that was not "
        "you, take them back in the app, and remove the phone that asked.",
    ),
    NoticeKind.PARCEL_SHARED: Wording(
        "A parcel of yours was shared",
        "Somebody else can open its door now. If that was not you, take it back in the app, "
        "and remove the phone that did it.",
    ),
    NoticeKind.GUEST_PASS: Wording(
        "Digits for your parcel were asked for",
        "Somebody opened the link in our message and was given the digits for the door. If "
        "that was not you, ask at the hub at once: who has the digits can take the parcel "
        "out.",
    ),
    NoticeKind.PARCEL_ADOPTED: Wording(
        "Your parcel was taken into another account",
        "Somebody opened the link in our message and made the parcel their own. If that was "
        "not with your consent, ask at the hub at once.",
    ),
}
"""What each kind says on every channel."""

LINK = (
    "Without the app, this link shows your parcel, and while it waits behind a door it gives you "
    "the digits for that door when you ask:"
)
KEEP_LINK = "Keep it to yourself: whoever has the link can do the same."

WHERE = "Open the app to see where it is, and until when."

CODE_TITLE = "Your code to sign in"
CODE_SENTENCES = (
    "Somebody, hopefully you, wants to sign in with this address.",
    "The code is {code}. It is good once, until {until}.",
    "Tell it to nobody: whoever asks for it is not us. If it was not you, do nothing.",
)


def write_notice(kind: NoticeKind, language: Language, facts: Facts) -> Wording:
    """The notice of this kind in the language; the same for the same facts."""
    source = NOTICES[kind]
    until = "" if facts.until is None else tell_time(facts.until, language)
    return Wording(
        say(source.title, language, hub=facts.hub, until=until),
        say(source.body, language, hub=facts.hub, until=until),
    )


def hide_hub(wording: Wording, kind: NoticeKind, language: Language) -> Wording:
    """The same for the screen of a person who does not want their hub to be read there."""
    if "{hub}" not in NOTICES[kind].body:
        return wording
    return Wording(wording.title, say(WHERE, language))


def add_link(wording: Wording, address: str, language: Language) -> Wording:
    """The letter with the link for somebody without the app; not in its first line."""
    parts = (wording.body, say(LINK, language), address, say(KEEP_LINK, language))
    return Wording(wording.title, "\n\n".join(parts))


def write_code_letter(code: str, expires_at: datetime, language: Language) -> Wording:
    """The letter with a one-time code; the title alone does not give it away."""
    until = f"{expires_at:%H:%M} UTC"
    sentences = (say(one, language, code=code, until=until) for one in CODE_SENTENCES)
    return Wording(say(CODE_TITLE, language), "\n\n".join(sentences))
