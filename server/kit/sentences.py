"""One plain sentence for each problem code, for a refusal without its own (DOMAIN 4.2)."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from schema.codes import ProblemCode

if TYPE_CHECKING:
    from collections.abc import Mapping

INTERNAL = "INTERNAL"
"""The code of an exception; no refusal has it."""

OUR_FAULT = "Something went wrong on our side; quote the id when you ask about it."
"""What is said of an exception, whatever it was."""

SENTENCES: Mapping[ProblemCode, str] = MappingProxyType(
    {
        ProblemCode.SIGNED_OUT: "Sign in again.",
        ProblemCode.CODE_WRONG: "That code is not right.",
        ProblemCode.CODE_EXPIRED: "That code is too old; we can send another.",
        ProblemCode.DEVICE_PROOF_INVALID: "We could not confirm this phone. Sign in again.",
        ProblemCode.DEVICE_TOO_NEW: (
            "This phone is new. Confirm it on your other phone, "
            "show your identity at a hub, or wait."
        ),
        ProblemCode.NOT_FOUND: "We can't find that.",
        ProblemCode.NOT_PERMITTED: "Your account may not do this.",
        ProblemCode.SECOND_PERSON_NEEDED: "A colleague must confirm this.",
        ProblemCode.CHANGED_MEANWHILE: "This changed while you looked. Here is the latest.",
        ProblemCode.WRONG_STATE: "This can't be done in the present state.",
        ProblemCode.CONSENT_MISSING: "The recipient has not agreed to this place.",
        ProblemCode.NO_COMPARTMENT: "Nothing free fits.",
        ProblemCode.NO_CLIMATE: "No compartment of this climate is ready here.",
        ProblemCode.DISPUTE_WINDOW_OVER: "It is too late to report this.",
        ProblemCode.CLIMATE_HOLD: "The cooling failed, so this food may not be safe.",
        ProblemCode.RESERVATION_EXPIRED: "The hold ran out. Reserve again.",
        ProblemCode.EXTENSION_REFUSED: "There is no more time here.",
        ProblemCode.ERASURE_PARTIAL: "Erased, except what is not settled yet.",
        ProblemCode.DELEGATION_TOO_WIDE: (
            "You can share only what you hold, and for no longer than you hold it."
        ),
        ProblemCode.SLOW_DOWN: "Too many requests; wait a little.",
        ProblemCode.TOO_COSTLY: "Ask for less at once.",
        ProblemCode.PROVIDER_DOWN: "A partner system is down; we keep trying.",
        ProblemCode.WINDOW_IMPOSSIBLE: "The hub is closed or your goods spoil before then.",
        ProblemCode.POLICY_INVALID: "A value breaks a rule.",
        ProblemCode.INPUT_INVALID: "An argument has the wrong form.",
        ProblemCode.ENVELOPE_INVALID: "These bytes are not an envelope of a locker we know.",
    }
)
