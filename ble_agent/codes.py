"""Visitors without a phone: a typed PIN or a shown QR code becomes a decision and a pulse.

It stands behind whatever keypad, scanner or screen there is, and knows none of them. What is let
in and why is `policy`'s business; wrong tries and used minutes are durable before anybody is
answered.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ble_agent.errors import StoreFull
from ble_agent.policy.passes import TypedPin, judge_pin, judge_shown
from ble_agent.policy.verdicts import Refusal
from schema.codec import Malformed
from schema.codes import Code
from schema.ids import StayId
from schema.journal import Accepted
from schema.tokens.passes import parse_shown_token

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.doors import Follower
    from ble_agent.journal import Record
    from ble_agent.policy.lockout import Lockout
    from ble_agent.policy.verdicts import Permit
    from ble_agent.session.locker import Decision, Locker
    from schema.tokens.passes import ShownToken


class Codes:
    """The locker's ways in without a radio.

    Each call answers with a `Decision`; where that is OK the bolt moves after the call has
    returned, and `tell` hears what becomes of the door. A broken store raises StateError.
    """

    def __init__(self, locker: Locker, tell: Follower) -> None:
        self._locker = locker
        self._tell = tell

    def enter_pin(self, comp: int, digits: str) -> Decision:
        """Let in whoever knows the PIN of the parcel in `comp`.

        A wrong one is HOLDER_PROOF_FAILED, five of them lock the compartment's PIN
        (RATE_LIMITED) for a time that grows; no other compartment and no token is touched.
        """
        locker = self._locker
        compartment = locker.redemptions.stored().get(comp)
        stay = compartment.stay if compartment else None
        world = locker.world([], stay or StayId(b""))
        lockout = locker.redemptions.lockout(comp)
        secret = locker.identity.pin_secret
        verdict = judge_pin(TypedPin(comp, digits), secret, lockout, world)
        if isinstance(verdict, Refusal):
            return self._refuse_pin(comp, verdict.code, lockout, world.now)
        accepted = _as_accepted(verdict, asked_comp=comp, chain_hash=None)
        return self._let_in(
            accepted,
            verdict,
            beside=lambda record: locker.redemptions.forget_lockout(record, comp),
        )

    def show_qr(self, text: str) -> Decision:
        """Let in whoever shows a token with this minute's proof of its holder.

        A text that is none is BAD_FORMAT. Each minute's code lets in once (USED after that).
        """
        locker = self._locker
        try:
            shown = parse_shown_token(text)
        except Malformed:
            return locker.refuse(Code.BAD_FORMAT)
        claims = shown.token.claims
        used = locker.redemptions.used_steps(claims.cti)
        world = locker.world([claims.cti], claims.stay)
        verdict = judge_shown(shown, used, world)
        if isinstance(verdict, Refusal):
            return locker.refuse(verdict.code)
        return self._let_in(
            _as_accepted(verdict, asked_comp=None, chain_hash=_digest(shown)),
            verdict,
            beside=lambda record: locker.redemptions.use_step(record, claims.cti, shown.step),
        )

    def wait_s(self, comp: int) -> int:
        """Seconds until the PIN of a compartment may be tried again; 0 when it may be now."""
        now = self._locker.journal.clock.now()
        return self._locker.redemptions.lockout(comp).left_s(now)

    def _let_in(
        self, accepted: Accepted, permit: Permit, *, beside: Callable[[Record], None]
    ) -> Decision:
        decision = self._locker.let_in(accepted, permit, beside=beside)
        self._locker.doors.fire(decision.comps, self._tell)
        return decision

    def _refuse_pin(self, comp: int, code: Code, lockout: Lockout, now: int) -> Decision:
        """Count a wrong try before anybody learns that it was one."""
        match code:
            case Code.HOLDER_PROOF_FAILED:
                counted = lockout.after_wrong(now)
            case Code.RATE_LIMITED:
                counted = lockout.since(now)
            case _:
                counted = lockout
        is_ours = comp in self._locker.redemptions.stored()
        if is_ours and counted != lockout:
            try:
                with self._locker.journal.record("wrong pin") as record:
                    # If we crash before this, nobody was told; after it, the try has counted.
                    self._locker.redemptions.put_lockout(record, comp, counted)
            except StoreFull:
                return self._locker.refuse(Code.STORAGE_FULL)
        return self._locker.refuse(code)


def _as_accepted(permit: Permit, *, asked_comp: int | None, chain_hash: bytes | None) -> Accepted:
    """The line of an acceptance without a handshake: no hash of one, no proof over one."""
    return Accepted(
        op=int(permit.op),
        asked_comp=asked_comp,
        code=None,
        comp=permit.comp,
        cti=permit.cti,
        h=None,
        pop=None,
        chain_hash=chain_hash,
        rest=(),
    )


def _digest(shown: ShownToken) -> bytes:
    return hashlib.sha256(shown.token.raw).digest()
