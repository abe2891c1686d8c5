"""What decides about people and devices without looking anything up: addresses, trust, limits."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from schema.codes import ProblemCode
from server.kit.errors import Refusal
from server.kit.rates import Rate

DEVICE_WAIT = timedelta(hours=24)
"""How long a device added by a code alone waits for what already exists (DOMAIN 5.5)."""

CODE_DIGITS = 8
CODE_TRIES = 5
CODE_LIFE = timedelta(minutes=10)

IDLE_LIFE = timedelta(days=90)
"""A device unseen for so long must sign in again; the key may be in other hands by then."""

CODES_PER_ADDRESS = Rate("codes per address and source", 6, 3_600)
CODES_TO_ADDRESS = Rate("codes to an address", 24, 3_600)
"""Higher than one source's share: whoever asks in somebody's name must not lock them out."""

CODES_PER_SOURCE = Rate("codes per source", 30, 3_600)
TRIES_PER_SOURCE = Rate("code tries per source", 60, 3_600)

MAX_DEVICES = 20
MAX_NAME_CHARACTERS = 80
MAX_PUSH_CHARACTERS = 512
"""An FCM registration token has about 160 characters and no promised limit."""


class ContactKind(StrEnum):
    """How a person can be reached."""

    EMAIL = "email"
    PHONE = "phone"


class PushKind(StrEnum):
    """What kind of address a push target is; FCM has two."""

    FCM_TOKEN = "fcm_token"
    FCM_INSTALLATION = "fcm_installation"


class Confirmation(StrEnum):
    """Why a device no longer waits."""

    FIRST = "first"
    """It was the account's first device."""
    OLDER_DEVICE = "older_device"
    """An older device of the account confirmed it."""
    CLERK = "clerk"
    """A hub clerk checked the person's identity."""


@dataclass(frozen=True, slots=True)
class Contact:
    """An address in its one normal form."""

    kind: ContactKind
    address: str


@dataclass(frozen=True, slots=True)
class DeviceTrust:
    """What the rules need to know about a device."""

    registered_at: datetime
    confirmed_at: datetime | None = None

    @property
    def waits_until(self) -> datetime:
        """When it stops waiting if nobody confirms it."""
        return self.registered_at + DEVICE_WAIT

    def is_waiting(self, now: datetime) -> bool:
        """Whether it was added by a code alone, not long ago, and nobody has confirmed it."""
        return self.confirmed_at is None and now < self.waits_until


def read_contact(text: str) -> Contact | None:
    """The e-mail address or international phone number that a person typed, or None if it is none.

    E-mail addresses are compared without regard to case, as every provider of note does.
    """
    typed = unicodedata.normalize("NFKC", text).strip()
    if _EMAIL.fullmatch(typed):
        return Contact(ContactKind.EMAIL, typed.lower())
    digits = _PHONE_FILLING.sub("", typed)
    if _PHONE.fullmatch(digits):
        return Contact(ContactKind.PHONE, digits)
    return None


def read_name(text: str) -> str | None:
    """A name as people may give it: one line of 1 to 80 visible characters, else None."""
    name = unicodedata.normalize("NFC", text).strip()
    return name if 0 < len(name) <= MAX_NAME_CHARACTERS and name.isprintable() else None


def is_push_target(text: str) -> bool:
    """Whether this can be a push service's address: visible ASCII, at most 512 characters."""
    return 0 < len(text) <= MAX_PUSH_CHARACTERS and text.isascii() and text.isprintable()


def code_from(secret: bytes) -> str:
    """The one-time code that 32 derived bytes stand for."""
    return str(int.from_bytes(secret) % 10**CODE_DIGITS).zfill(CODE_DIGITS)


def read_code(text: str) -> str:
    """A typed code without the spaces and dashes that people put into it."""
    return re.sub(r"[\s-]", "", text)


def may_receive(device: DeviceTrust, *, exists_since: datetime, now: datetime) -> Refusal | None:
    """Whether a device may get a token, Pass or delegation for something that exists since then.

    Refused with DEVICE_TOO_NEW for what existed when a device that still waits was registered.
    """
    if exists_since > device.registered_at or not device.is_waiting(now):
        return None
    return Refusal(
        ProblemCode.DEVICE_TOO_NEW,
        retry_after_s=max(1, int((device.waits_until - now).total_seconds())),
        next="Confirm this phone on your other phone, or show your identity at a hub.",
    )


def may_vouch(acting: DeviceTrust, other: DeviceTrust, *, now: datetime) -> Refusal | None:
    """Whether a device may confirm another of the same account: an older one that does not wait."""
    if acting.registered_at >= other.registered_at:
        return Refusal(ProblemCode.NOT_PERMITTED, "Only an older phone can confirm a newer one.")
    return _too_new(acting, now)


def may_check_identity(acting: DeviceTrust, *, is_own: bool, now: datetime) -> Refusal | None:
    """Whether a clerk on this device may end the waiting of somebody's device.

    Not of an own one, and not from a device that waits itself: else whoever reads a clerk's mail
    could vouch for whomever they like.
    """
    if is_own:
        return Refusal(ProblemCode.NOT_PERMITTED, "A colleague must check your identity.")
    return _too_new(acting, now)


def may_remove(acting: DeviceTrust, other: DeviceTrust, *, now: datetime) -> Refusal | None:
    """Whether a device may remove another of the same account: while it waits, no older one."""
    return _too_new(acting, now) if other.registered_at < acting.registered_at else None


def may_erase(acting: DeviceTrust, *, now: datetime) -> Refusal | None:
    """Whether a device may have its whole account erased: not while it waits."""
    return _too_new(acting, now)


def _too_new(device: DeviceTrust, now: datetime) -> Refusal | None:
    return may_receive(device, exists_since=device.registered_at, now=now)


_EMAIL = re.compile(r"[^@\s<>\"',;:\\\x00-\x1f]{1,64}@[^@\s<>\"',;:\\\x00-\x1f]{1,190}")
_PHONE = re.compile(r"\+[1-9]\d{6,14}")  # E.164
_PHONE_FILLING = re.compile(r"[\s().-]")
