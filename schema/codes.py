"""Every code that a phone, a locker or a client of the API may be answered with.

Names and numbers are API: never reused, never renumbered.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum


class Code(IntEnum):
    """What the locker answers to a request or a frame (PROTOCOL 4)."""

    OK = 0
    """Accepted: the intent is durable and the bolt is about to move."""
    BAD_FORMAT = 1
    """Some byte, type or length is not what SLK1 allows."""
    BAD_SIGNATURE = 2
    """The issuer's key is unknown to this locker, or the signature does not hold."""
    WRONG_LOCKER = 3
    """The token is for another locker."""
    EXPIRED = 4
    """The token's or the delegation's time is over."""
    NOT_YET_VALID = 5
    """The token's time has not begun."""
    REVOKED = 6
    """The token, its stay or a delegation was withdrawn."""
    USED = 7
    """The stay has ended, or the use that the token allows was consumed."""
    OUT_OF_SCOPE = 8
    """The key or the token does not reach so far."""
    HOLDER_PROOF_FAILED = 9
    """The request is not signed by the holder of the token, or the PIN is wrong."""
    CLOCK_UNTRUSTED = 10
    """The locker has lost the time; a phone that is online brings it."""
    REVOCATIONS_NEEDED = 11
    """The token asks for a newer revocation list than the locker has."""
    BAD_DELEGATION = 12
    """The chain of delegations does not hold."""
    COMPARTMENT_BUSY = 13
    """The door is open or somebody else's session is not over, or nothing free fits."""
    COMPARTMENT_FAULT = 14
    """The door did not open however often the bolt was pulsed."""
    RATE_LIMITED = 15
    """Too many wrong PINs for this compartment; phones and other compartments go on."""
    POWER_CRITICAL = 16
    """The locker saves its last power."""
    QUARANTINED = 17
    """The compartment is closed for a check."""
    CLIMATE_HOLD = 18
    """The cooling failed; what is inside may not be safe."""
    HOST_CLOSED = 19
    """The host of the locker is closed."""
    PRESENCE_CODE_WRONG = 20
    """The two digits shown at the locker are missing or wrong."""
    STORAGE_FULL = 21
    """The locker's memory is nearly full: only what ends stays is served."""


class DoorEvent(IntEnum):
    """What became of a door after an acceptance (PROTOCOL 4)."""

    DOOR_OPENED = 100
    """The door sensor saw the door open."""
    CLOSED_EMPTY = 101
    """The door is closed and the compartment is sensed empty."""
    CLOSED_OCCUPIED = 102
    """The door is closed and the compartment is sensed occupied."""
    CLOSED_UNKNOWN = 103
    """The door is closed; there is no sensor, or it is silent."""
    OPEN_NOT_DETECTED = 104
    """The door never opened; the use is given back."""
    CLOSE_OVERDUE = 105
    """The door stands open for longer than configured."""


class ProblemCode(StrEnum):
    """Why the API refused what was asked; each comes with a sentence and, if any, a next step."""

    SIGNED_OUT = "SIGNED_OUT"
    """No valid access token came with the request."""
    CODE_WRONG = "CODE_WRONG"
    """The one-time code is not the one that was sent."""
    CODE_EXPIRED = "CODE_EXPIRED"
    """The one-time code is too old, used, or was tried too often."""
    DEVICE_PROOF_INVALID = "DEVICE_PROOF_INVALID"
    """The proof of the device key (DPoP) is missing, wrong, stale or was seen before."""
    DEVICE_TOO_NEW = "DEVICE_TOO_NEW"
    """This device was added by a code alone and has to wait for parcels that already exist."""
    NOT_FOUND = "NOT_FOUND"
    """There is no such thing, or you may not see it."""
    NOT_PERMITTED = "NOT_PERMITTED"
    """The account lacks the permission."""
    SECOND_PERSON_NEEDED = "SECOND_PERSON_NEEDED"
    """A colleague must confirm this."""
    CHANGED_MEANWHILE = "CHANGED_MEANWHILE"
    """The object is not what the caller believed it to be."""
    WRONG_STATE = "WRONG_STATE"
    """The object's state does not allow this."""
    CONSENT_MISSING = "CONSENT_MISSING"
    """The recipient has not agreed to this place or kind of place."""
    NO_COMPARTMENT = "NO_COMPARTMENT"
    """Nothing free fits at this locker."""
    NO_CLIMATE = "NO_CLIMATE"
    """No compartment of the needed climate zone is ready."""
    CLIMATE_HOLD = "CLIMATE_HOLD"
    """The cooling failed; what is inside may not be safe."""
    RESERVATION_EXPIRED = "RESERVATION_EXPIRED"
    """The hold on the compartment ran out."""
    EXTENSION_REFUSED = "EXTENSION_REFUSED"
    """No more time to collect; the message says why."""
    ERASURE_PARTIAL = "ERASURE_PARTIAL"
    """Erased but for what the message names, which follows as soon as it is settled."""
    DISPUTE_WINDOW_OVER = "DISPUTE_WINDOW_OVER"
    """A collection can be disputed for two weeks, and these are over."""
    DELEGATION_TOO_WIDE = "DELEGATION_TOO_WIDE"
    """More, or for longer, was to be shared than the caller holds."""
    SLOW_DOWN = "SLOW_DOWN"
    """Too many requests; `retryAfterS` says when again."""
    TOO_COSTLY = "TOO_COSTLY"
    """The document asks for more than one request may."""
    PROVIDER_DOWN = "PROVIDER_DOWN"
    """A partner system is down; it will be tried again."""
    WINDOW_IMPOSSIBLE = "WINDOW_IMPOSSIBLE"
    """The hub is closed, or the time to collect is over, in part of the window."""
    POLICY_INVALID = "POLICY_INVALID"
    """A value breaks a rule that the message names."""
    INPUT_INVALID = "INPUT_INVALID"
    """An argument has the wrong form; `field` names it."""
    ENVELOPE_INVALID = "ENVELOPE_INVALID"
    """The bytes are not an envelope that a known locker signed."""
