"""Hello, request, result and session frames: one visit at the door as two state machines, no I/O.

The locker's side is `LockerVisit`, the phone's `PhoneVisit`; whole messages go in and come out, and
fragments are the business of `schema.gatt`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TypeAlias

from schema.codec import Malformed, Value, decode, encode
from schema.codec.fields import as_array, as_bytes, as_compartment, as_id, as_time, as_uint
from schema.cose import SIGNATURE_SIZE, SigningKey
from schema.ids import LockerId
from schema.journal import HEAD_SIZE, verify_head
from schema.keys import Operation
from schema.noise import Initiator, Responder, Transport
from schema.statements import SignedStatement, StatementType, parse_statement
from schema.tokens import MAX_DELEGATIONS, Delegation, Token, parse_delegation, parse_token

MAX_STATEMENTS = 4
"""Statements that one request or sync may bring (PROTOCOL 4)."""

MAX_ENVELOPE = 1300
"""Bytes of an envelope in a sync answer, whatever the phone would take."""

CODE_LIMIT = 100
"""Presence codes are 0..99."""

LOOKAHEAD = 16
"""Lost notifications that the phone's side bridges."""

_PROTOCOL_VERSION = 1
_RESULT, _EVENT, _ENVELOPE = 0, 1, 2
_SYNC, _REOPEN = 1, 2


@dataclass(frozen=True, slots=True)
class Hello:
    """What a locker says of itself in clear: newest statements (0 = none), clock, journal."""

    lid: LockerId
    rev: int
    keys: int
    cfg: int
    now: int
    clockq: int
    acked: int
    seq: int

    def encode(self) -> bytes:
        """The payload of message 1."""
        counters: list[Value] = [self.rev, self.keys, self.cfg, self.now, self.clockq]
        return encode([_PROTOCOL_VERSION, self.lid, *counters, self.acked, self.seq])


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """`req` of a request: the operation, the compartment and the presence code, where given."""

    op: Operation
    comp: int | None = None
    code: int | None = None

    def as_value(self) -> list[Value]:
        """The three-element array, as sent and as signed."""
        return [int(self.op), self.comp, self.code]


@dataclass(frozen=True, slots=True)
class Request:
    """Message 2 once opened, every form in it checked; nothing in it is judged yet."""

    token: Token
    second_token: Token | None
    delegations: tuple[Delegation, ...]
    pop: bytes
    req: OpenRequest
    statements: tuple[SignedStatement, ...]

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The chain's parts as they were sent."""
        rest = [self.second_token] if self.second_token else self.delegations
        return (self.token.raw, *(part.raw for part in rest))


@dataclass(frozen=True, slots=True)
class Report:
    """A result (message 3) or a door event: a code and the journal entry that stands behind it."""

    code: int
    comp: int | None
    seq: int
    head: bytes
    signature: bytes
    now: int
    clockq: int

    def is_vouched_by(self, public: bytes, lid: LockerId) -> bool:
        """Whether the locker's signing key stands behind the entry: the receipt check."""
        return verify_head(public, lid=lid, seq=self.seq, head=self.head, signature=self.signature)


@dataclass(frozen=True, slots=True)
class EnvelopeFrame:
    """The answer to a sync: an envelope to carry home, if any, and how many entries are left."""

    envelope: bytes | None
    pending: int


@dataclass(frozen=True, slots=True)
class SyncFrame:
    """The phone brings statements and offers to carry `max_bytes` of envelope."""

    statements: tuple[SignedStatement, ...]
    max_bytes: int


@dataclass(frozen=True, slots=True)
class ReopenFrame:
    """The phone asks for its closed door once more."""

    comp: int


PhoneFrame: TypeAlias = SyncFrame | ReopenFrame


def prologue(lid: LockerId) -> bytes:
    """The handshake's prologue for one locker."""
    return b"SLK1" + lid


def proof_message(h: bytes, chain: tuple[bytes, ...], req: OpenRequest) -> bytes:
    """What the last holder signs: this handshake, this chain, this request."""
    return b"SLK1-pop\x00" + h + hashlib.sha256(b"".join(chain)).digest() + encode(req.as_value())


def parse_hello(payload: bytes) -> Hello:
    """The hello in message 1's payload; Malformed for another version too."""
    version, lid, rev, keys, cfg, now, clockq, acked, seq = as_array(decode(payload), 9)
    if as_uint(version) != _PROTOCOL_VERSION:
        raise Malformed("a hello of another protocol version")
    return Hello(
        lid=LockerId(as_id(lid)),
        rev=as_uint(rev),
        keys=as_uint(keys),
        cfg=as_uint(cfg),
        now=as_time(now),
        clockq=as_uint(clockq, 3),
        acked=as_uint(acked),
        seq=as_uint(seq),
    )


def parse_request(payload: bytes) -> Request:
    """Every type of message 2, down into tokens, delegations and statements; else Malformed."""
    chain, pop, req, statements = as_array(decode(payload), 4)
    parts = [as_bytes(part) for part in as_array(chain)]
    if not 1 <= len(parts) <= 1 + MAX_DELEGATIONS:
        raise Malformed("a chain is a token and at most two delegations")
    request = _parse_req(req)
    second: Token | None = None
    delegations: tuple[Delegation, ...] = ()
    if request.op is Operation.OPEN_ALL and len(parts) == 2:
        second = parse_token(parts[1])
    else:
        delegations = tuple(parse_delegation(part) for part in parts[1:])
    return Request(
        token=parse_token(parts[0]),
        second_token=second,
        delegations=delegations,
        pop=as_bytes(pop, SIGNATURE_SIZE),
        req=request,
        statements=_parse_statements(statements),
    )


def parse_phone_frame(payload: bytes) -> PhoneFrame:
    """A session frame from the phone; Malformed on any deviation."""
    fields = as_array(decode(payload))
    if len(fields) == 3 and as_uint(fields[0]) == _SYNC:
        return SyncFrame(_parse_statements(fields[1]), as_uint(fields[2]))
    if len(fields) == 2 and as_uint(fields[0]) == _REOPEN:
        return ReopenFrame(as_compartment(fields[1]))
    raise Malformed("neither a sync nor a reopening")


def encode_report(report: Report, *, is_event: bool) -> bytes:
    """The payload of message 3, or of a door event."""
    kind = _EVENT if is_event else _RESULT
    fields: list[Value] = [report.code, report.comp, report.seq, report.head]
    return encode([kind, *fields, report.signature, report.now, report.clockq])


def encode_envelope_frame(frame: EnvelopeFrame) -> bytes:
    """The payload of a sync answer."""
    return encode([_ENVELOPE, frame.envelope, frame.pending])


def _parse_req(value: Value) -> OpenRequest:
    op, comp, code = as_array(value, 3)
    if as_uint(op) not in _OPERATIONS:
        raise Malformed("an unknown operation")
    return OpenRequest(
        op=Operation(as_uint(op)),
        comp=None if comp is None else as_compartment(comp),
        code=None if code is None else as_uint(code, CODE_LIMIT),
    )


_OPERATIONS = frozenset(int(op) for op in Operation)


def _parse_statements(value: Value) -> tuple[SignedStatement, ...]:
    items = as_array(value)
    if len(items) > MAX_STATEMENTS:
        raise Malformed(f"more than {MAX_STATEMENTS} statements")
    parsed = []
    for item in items:
        kind, raw = as_array(item, 2)
        if as_uint(kind) not in _STATEMENT_TYPES:
            raise Malformed("a statement of unknown type")
        parsed.append(parse_statement(StatementType(as_uint(kind)), as_bytes(raw)))
    return tuple(parsed)


_STATEMENT_TYPES = frozenset(int(kind) for kind in StatementType)


def _parse_report(fields: list[Value]) -> Report:
    code, comp, seq, head, signature, now, clockq = fields
    return Report(
        code=as_uint(code, 256),
        comp=None if comp is None else as_compartment(comp),
        seq=as_uint(seq),
        head=as_bytes(head, HEAD_SIZE),
        signature=as_bytes(signature, SIGNATURE_SIZE),
        now=as_time(now),
        clockq=as_uint(clockq, 3),
    )


class LockerVisit:
    """The locker's side: one hello that serves one request, then the session's frames.

    `hello` is ready at once. `open_request` may be called once. Frames exist only after it.
    """

    def __init__(self, hello: Hello, *, static: bytes, ephemeral: bytes) -> None:
        self._noise = Initiator(prologue(hello.lid), static=static, ephemeral=ephemeral)
        self.hello = self._noise.write(hello.encode())
        self._transport: Transport | None = None

    def open_request(self, message: bytes) -> bytes:
        """The payload of message 2; Malformed when it does not open, and then nothing will."""
        payload, self._transport = self._noise.read(message)
        return payload

    @property
    def handshake_hash(self) -> bytes:
        """`h`, over which the holder's proof was signed."""
        assert self._transport is not None
        return self._transport.handshake_hash

    def seal(self, payload: bytes) -> bytes:
        """The next message to the phone; the first one sealed is message 3."""
        assert self._transport is not None
        return self._transport.sending.seal(payload)

    def open_frame(self, message: bytes) -> bytes:
        """The phone's next frame; Malformed unless it has exactly the next number."""
        if self._transport is None:
            raise Malformed("no session")
        return self._transport.receiving.open(message)


class PhoneVisit:
    """The phone's side: checks the hello, proves the holder, reads results and door events.

    `handshake_hash` is `h`, which the journal line of an acceptance names.
    """

    def __init__(self, hello: bytes, *, lid: LockerId, locker_static: bytes, ephemeral: bytes):
        """Malformed when the hello is not of this locker or not of this protocol."""
        self._noise = Responder(prologue(lid), remote_static=locker_static, ephemeral=ephemeral)
        self.hello = parse_hello(self._noise.read(hello))
        self.handshake_hash = self._noise.handshake_hash
        if self.hello.lid != lid:
            raise Malformed("a hello of another locker")
        self._transport: Transport | None = None

    def write_request(
        self,
        chain: tuple[bytes, ...],
        req: OpenRequest,
        holder: SigningKey,
        statements: tuple[tuple[StatementType, bytes], ...] = (),
    ) -> bytes:
        """Message 2: the chain, the holder's proof over this handshake, statements to bring."""
        pop = holder.sign(proof_message(self.handshake_hash, chain, req))
        parts: list[Value] = list(chain)
        payload = encode([parts, pop, req.as_value(), _statement_values(statements)])
        return self.write_payload(payload)

    def write_payload(self, payload: bytes) -> bytes:
        """Message 2 around a payload as it is, also one that no locker would accept."""
        message, self._transport = self._noise.write(payload)
        return message

    def read_result(self, message: bytes) -> Report:
        """Message 3; Malformed for what another phone was meant to read."""
        fields = as_array(decode(self._open(message)), 8)
        if as_uint(fields[0]) != _RESULT:
            raise Malformed("expected a result")
        return _parse_report(fields[1:])

    def read_frame(self, message: bytes) -> Report | EnvelopeFrame:
        """A door event or a sync answer; Malformed for what is not of this session."""
        fields = as_array(decode(self._open(message)))
        if len(fields) == 8 and as_uint(fields[0]) == _EVENT:
            return _parse_report(fields[1:])
        if len(fields) == 3 and as_uint(fields[0]) == _ENVELOPE:
            envelope = None if fields[1] is None else as_bytes(fields[1])
            return EnvelopeFrame(envelope, as_uint(fields[2]))
        raise Malformed("neither a door event nor a sync answer")

    def write_sync(
        self, statements: tuple[tuple[StatementType, bytes], ...], max_bytes: int
    ) -> bytes:
        """A frame that brings statements and takes an envelope of at most `max_bytes`."""
        return self._seal(encode([_SYNC, _statement_values(statements), max_bytes]))

    def write_reopen(self, comp: int) -> bytes:
        """A frame that asks for this session's door once more."""
        return self._seal(encode([_REOPEN, comp]))

    def _seal(self, payload: bytes) -> bytes:
        assert self._transport is not None
        return self._transport.sending.seal(payload)

    def _open(self, message: bytes) -> bytes:
        assert self._transport is not None
        return self._transport.receiving.open(message, ahead=LOOKAHEAD)


def _statement_values(statements: tuple[tuple[StatementType, bytes], ...]) -> list[Value]:
    return [[int(kind), raw] for kind, raw in statements]
