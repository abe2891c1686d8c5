"""One phone: its hello, the one request it serves, and the frames of the session that follows.

Whole messages come in and go out; fragments, places and time limits of connections are `desk`'s.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ble_agent.policy.verdicts import Refusal
from ble_agent.radio.port import Refused
from ble_agent.uplink import Reach, take_for_phone
from schema.codec import Malformed
from schema.codes import Code
from schema.gatt import AttError, result_value
from schema.handshake import (
    EnvelopeFrame,
    LockerVisit,
    ReopenFrame,
    Report,
    SyncFrame,
    encode_envelope_frame,
    encode_report,
    parse_phone_frame,
    parse_request,
)
from schema.statements import time_nonce

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.journal import Line
    from ble_agent.session.locker import Decision, Locker
    from schema.codes import DoorEvent
    from schema.handshake import PhoneFrame

HELLO_S = 15
"""A hello serves a request for this long (PROTOCOL 4)."""


class Session:
    """The state of one connection.

    A hello serves one request, whether that opens or not. `send` takes whole sealed messages in
    order; it must not block. `is_proven` turns true with the first request answered 0.
    """

    def __init__(
        self,
        locker: Locker,
        *,
        take_random: Callable[[int], bytes],
        send: Callable[[bytes], None],
    ) -> None:
        self._locker = locker
        self._take_random = take_random
        self._send = send
        self._visit: LockerVisit | None = None
        self._hello_s = 0.0
        self._awaits_request = False
        self._accepted: Decision | None = None
        self._carried = Reach(0)
        self._result = b""
        self.is_proven = False

    def read_hello(self, offset: int) -> bytes:
        """A new hello at offset 0, which ends the former session; the rest of it elsewhere."""
        if offset == 0:
            self.end()
            self._visit = LockerVisit(
                self._locker.hello(),
                static=self._locker.identity.noise_private,
                ephemeral=self._take_random(32),
            )
            self._hello_s = self._locker.journal.clock.uptime_s()
            self._awaits_request = True
        if self._visit is None:
            raise Refused(AttError.NO_HELLO)
        return self._visit.hello[offset:]

    def read_result(self, offset: int) -> bytes:
        """The last whole message of this connection, if a read can carry it."""
        return self._result[offset:]

    def expects_message(self) -> bool:
        """Whether there is anything that a message could answer."""
        age_s = self._locker.journal.clock.uptime_s() - self._hello_s
        return self._accepted is not None or (self._awaits_request and age_s <= HELLO_S)

    def take(self, message: bytes) -> None:
        """Answer a request or a frame; raises Refused when it does not even open."""
        if not self.expects_message():
            raise Refused(AttError.NO_HELLO)
        if self._accepted is None:
            self._take_request(message)
        else:
            self._take_frame(message, self._accepted)

    def has_open_door(self) -> bool:
        """Whether a door of this session is open or about to open."""
        return self._locker.doors.is_open_for(self._on_door_event)

    def end(self) -> None:
        """Forget hello and session; doors are watched on without it."""
        self._locker.doors.unfollow(self._on_door_event)
        self._accepted, self._awaits_request, self._carried = None, False, Reach(0)

    def _take_request(self, message: bytes) -> None:
        visit = self._visit
        assert visit is not None
        self._awaits_request = False
        try:
            payload = visit.open_request(message)
        except Malformed as error:
            raise Refused(AttError.BAD_MESSAGE) from error
        decision = self._decide(payload, visit)
        # The result is sealed and queued before a bolt can move: door events come after it.
        self._seal(self._report(decision), is_event=False)
        if decision.code is Code.OK:
            self.is_proven = True
            self._accepted = decision
            self._locker.doors.fire(decision.comps, self._on_door_event)

    def _decide(self, payload: bytes, visit: LockerVisit) -> Decision:
        try:
            request = parse_request(payload)
        except Malformed:
            return self._locker.refuse(Code.BAD_FORMAT)
        return self._locker.decide(request, visit.handshake_hash, time_nonce(visit.hello))

    def _take_frame(self, message: bytes, accepted: Decision) -> None:
        assert self._visit is not None
        try:
            payload = self._visit.open_frame(message)
        except Malformed as error:
            raise Refused(AttError.BAD_MESSAGE) from error
        try:
            frame = parse_phone_frame(payload)
        except Malformed:
            self._refuse_frame(Code.BAD_FORMAT)
            return
        self._answer(frame, accepted)

    def _answer(self, frame: PhoneFrame, accepted: Decision) -> None:
        match frame:
            case SyncFrame():
                self._sync(frame)
            case ReopenFrame():
                self._reopen(frame, accepted)

    def _sync(self, frame: SyncFrame) -> None:
        refused = self._locker.apply(frame.statements, nonce=None)
        if refused is not None:
            self._refuse_frame(refused.code)
            return
        outgoing = self._locker.outgoing
        line = max(self._carried.line, outgoing.journal.acknowledged())
        load = take_for_phone(
            outgoing,
            self._locker.statements.trust().keys.find_sealing_key(),
            after=self._carried._replace(line=line),
            max_bytes=frame.max_bytes,
        )
        self._carried = load.reach
        self._push(encode_envelope_frame(EnvelopeFrame(load.envelope, load.pending)))

    def _reopen(self, frame: ReopenFrame, accepted: Decision) -> None:
        if frame.comp not in accepted.comps:
            self._refuse_frame(Code.OUT_OF_SCOPE)
            return
        opened = self._locker.reopen(frame.comp, accepted.line.seq, self._on_door_event)
        if isinstance(opened, Refusal):
            self._refuse_frame(opened.code)
        else:
            report = self._locker.report(Code.OK, frame.comp, opened)
            self._seal(report, is_event=True)

    def _refuse_frame(self, code: Code) -> None:
        self._seal(self._report(self._locker.refuse(code)), is_event=True)

    def _report(self, decision: Decision) -> Report:
        return self._locker.report(decision.code, decision.comp, decision.line)

    def _on_door_event(self, event: DoorEvent, comp: int, line: Line) -> None:
        self._seal(self._locker.report(event, comp, line), is_event=True)

    def _seal(self, report: Report, *, is_event: bool) -> None:
        self._push(encode_report(report, is_event=is_event))

    def _push(self, payload: bytes) -> None:
        assert self._visit is not None
        message = self._visit.seal(payload)
        self._result = result_value(message)
        self._send(message)
