"""Whether a typed PIN or a shown QR code is let in, by the same checks as a request. Pure.

Both need a clock that knows the time, and neither is asked for a presence code: whoever types or
shows something stands at the locker.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ble_agent.policy import credentials as tokens
from ble_agent.policy.admission import Asked, admit, check_storage
from ble_agent.policy.credentials import Case
from ble_agent.policy.verdicts import Permit, Refusal
from ble_agent.policy.world import Bearer
from schema.codes import Code
from schema.handshake import OpenRequest, Request
from schema.ids import ID_SIZE, StayId
from schema.keys import Operation
from schema.tokens.passes import PIN_DIGITS, PIN_WINDOW_S, QR_STEP_S, is_pin_right

if TYPE_CHECKING:
    from ble_agent.policy.lockout import Lockout
    from ble_agent.policy.world import World
    from schema.tokens.passes import ShownToken

_NO_STAY = StayId(bytes(ID_SIZE))
"""What digits are compared with where nothing is stored, so that they take as long."""

_WINDOWS_LEFT = 2
"""A PIN of today counts until the end of tomorrow."""


@dataclass(frozen=True, slots=True)
class TypedPin:
    """What a visitor has typed: a compartment's printed number, and digits."""

    comp: int
    digits: str

    @property
    def is_whole(self) -> bool:
        """Whether these are eight digits at all."""
        return len(self.digits) == PIN_DIGITS and self.digits.isascii() and self.digits.isdigit()


def judge_pin(typed: TypedPin, secret: bytes, lockout: Lockout, world: World) -> Permit | Refusal:
    """The verdict on a PIN. HOLDER_PROOF_FAILED is the only one that counts as a wrong try.

    Where nothing is stored any digits are wrong, and nothing tells the two apart.
    """
    if not typed.is_whole:
        return Refusal(Code.BAD_FORMAT, "a PIN has eight digits")
    if refused := check_storage(Operation.OPEN, world):
        return refused  # a wrong try could not be counted
    if not world.clockq:
        return Refusal(Code.CLOCK_UNTRUSTED, "without a clock no PIN has a day")
    if lockout.left_s(world.now):
        return Refusal(Code.RATE_LIMITED, "too many wrong tries at this compartment")
    compartment = world.compartments.get(typed.comp)
    stay = compartment.stay if compartment else None
    is_right = is_pin_right(secret, stay or _NO_STAY, typed.digits, world.now)
    if stay is None or not is_right:
        return Refusal(Code.HOLDER_PROOF_FAILED, "not the PIN of this compartment")
    if stay in world.revoked.ids:
        return Refusal(Code.REVOKED, "the stay was withdrawn, and its PIN with it")
    return _admit(_asked_by_pin(typed.comp, stay, world.now), world, has_token=False)


def judge_shown(shown: ShownToken, used_steps: frozenset[int], world: World) -> Permit | Refusal:
    """The verdict on a shown token, of which these minutes have already let somebody in."""
    request = Request(
        token=shown.token,
        second_token=None,
        delegations=(),
        pop=shown.signature,
        req=OpenRequest(Operation.OPEN),
        statements=(),
    )
    credentials = tokens.find_issuers(request, world)
    if isinstance(credentials, Refusal):
        return credentials
    case = Case(request, credentials, handshake_hash=b"", world=world)
    refused = (
        tokens.check_audience(case)
        or tokens.check_key_rights(case)
        or _check_minute(shown, world)
        or _first_refusal(case)
        or _check_clock_and_use(shown, used_steps, world)
    )
    return refused or _admit(tokens.as_asked(case), world, has_token=True)


def _check_minute(shown: ShownToken, world: World) -> Refusal | None:
    """The holder's proof; whether its minute is now, only a clock can tell."""
    judged_at = world.now if world.clockq else shown.step * QR_STEP_S
    if shown.is_proved_at(judged_at):
        return None
    return Refusal(Code.HOLDER_PROOF_FAILED, "not signed by the holder for this minute")


def _first_refusal(case: Case) -> Refusal | None:
    return next(filter(None, (check(case) for check in tokens.CHECKS_OF_LIFE)), None)


def _check_clock_and_use(
    shown: ShownToken, used_steps: frozenset[int], world: World
) -> Refusal | None:
    if not world.clockq:
        return Refusal(Code.CLOCK_UNTRUSTED, "without a clock no code has a minute")
    if shown.step in used_steps:
        return Refusal(Code.USED, "this minute's code has let somebody in")
    return None


def _asked_by_pin(comp: int, stay: StayId, now: int) -> Asked:
    return Asked(
        op=Operation.OPEN,
        comp=comp,
        code=None,
        bearer=Bearer(holder=b"", token=stay),
        actions=Operation.OPEN,
        comps=(comp,),
        stay=stay,
        cti=b"",
        second_cti=None,
        exp=(now // PIN_WINDOW_S + _WINDOWS_LEFT) * PIN_WINDOW_S,
        floor_iat=None,
    )


def _admit(asked: Asked, world: World, *, has_token: bool) -> Permit | Refusal:
    verdict = admit(asked, replace(world, presence_code=None))
    if isinstance(verdict, Permit) and not has_token:
        return replace(verdict, cti=None)
    return verdict
