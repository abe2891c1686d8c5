"""Keys, claims and objects for the tests of SLK1, with complete defaults; keys grow from names."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from schema.cose import SigningKey
from schema.handshake import Hello, LockerVisit, OpenRequest, PhoneVisit
from schema.ids import KeyId, LockerId, StayId, TokenId, locker_text
from schema.journal import FIRST_PREV_HEAD, Accepted, Entry, Kind, OwnKind, entry_head
from schema.keys import KeyEntry, Operation, Role
from schema.noise import x25519_public
from schema.statements import (
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    Statement,
    StatementType,
    Time,
    sign_statement,
)
from schema.tokens import Claims, delegate, issue_token

if TYPE_CHECKING:
    from schema.codec import Value


def seed(name: str) -> bytes:
    """The 32 bytes from which everything of this name grows."""
    return hashlib.sha256(f"restante vector: {name}".encode()).digest()


def signing_key(name: str) -> SigningKey:
    """The Ed25519 key pair of this name."""
    return SigningKey(seed(name))


def case_id(value: object) -> str:
    """The name of a test case that a command line can give: pytest bends backslashes."""
    return ascii(value).replace("\\", "")[:40]


NOW: Final = 1_760_000_000
LID: Final = LockerId(seed("locker")[:8])
OTHER_LID: Final = LockerId(seed("another locker")[:8])
STAY: Final = StayId(seed("stay")[:8])
ISSUER_KID: Final = KeyId(b"\x00\x01")
ROOT_KID: Final = KeyId(b"\xf0\x01")
SEALING_KID: Final = KeyId(b"\x01\x01")
LOCKER_STATIC: Final = seed("locker's static key")
SERVER_STATIC: Final = seed("server's sealing key")


def make_claims(**changes: Any) -> Claims:
    """A recipient's claims to one stay."""
    claims = Claims(
        aud=locker_text(LID),
        exp=NOW + 3600,
        nbf=NOW - 60,
        iat=NOW - 60,
        cti=TokenId(seed("token")[:8]),
        holder=signing_key("device").public,
        role=Role.RECIPIENT,
        actions=int(Operation.OPEN),
        comps=(),
        stay=STAY,
        depth=2,
        minrev=0,
    )
    return replace(claims, **changes)


def make_token(**changes: Any) -> bytes:
    """A token of the issuer."""
    return issue_token(signing_key("issuer"), ISSUER_KID, LID, make_claims(**changes))


def make_chain(*holders: str) -> tuple[bytes, ...]:
    """The recipient's token, then a delegation to each holder by the one before."""
    chain = [make_token()]
    for giver, taker in zip(("device", *holders), holders, strict=False):
        key, holder, actions = signing_key(giver), signing_key(taker).public, int(Operation.OPEN)
        chain.append(delegate(key, chain[-1], exp=NOW + 1800, holder=holder, actions=actions))
    return tuple(chain)


def make_key_entry(number: int, **changes: Any) -> KeyEntry:
    """One signing key of a set."""
    entry = KeyEntry(
        kid=KeyId(number.to_bytes(2, "big")),
        public=signing_key(f"key {number}").public,
        actions=int(Operation.OPEN | Operation.SYNC),
        max_ttl=604_800,
        nbf=NOW - 86_400,
        exp=NOW + 3_888_000,
    )
    return replace(entry, **changes)


def make_body(kind: StatementType) -> Statement:
    """A statement of this type with something of everything in it."""
    bodies: dict[StatementType, Statement] = {
        StatementType.REVOCATIONS: Revocations(LID, 6, NOW, NOW - 86_400, ((bytes(8), NOW),)),
        StatementType.TIME: Time(LID, NOW, bytes(16)),
        StatementType.KEY_SET: KeySetStatement(LID, 2, NOW, (make_key_entry(1),)),
        StatementType.CONFIGURATION: Configuration(LID, 3, NOW, {1: True, 2: 60, 16: "kept"}),
        StatementType.ACKNOWLEDGEMENT: Acknowledgement(LID, NOW, 10, bytes(32)),
    }
    return bodies[kind]


def make_statement(kind: StatementType) -> bytes:
    """A signed statement of this type."""
    if kind is StatementType.KEY_SET:
        return sign_statement(signing_key("root"), ROOT_KID, make_body(kind))
    return sign_statement(signing_key("issuer"), ISSUER_KID, make_body(kind))


ACCEPTED: Final = Accepted(
    op=int(Operation.OPEN),
    asked_comp=3,
    code=42,
    comp=3,
    cti=seed("token")[:8],
    h=bytes(32),
    pop=bytes(64),
    chain_hash=bytes(32),
    rest=(b"delegation",),
)

BODIES: Final[dict[Kind | OwnKind, list[Value]]] = {
    Kind.BOOT: ["1.0", 2],
    Kind.ACCEPTED: ACCEPTED.as_body(),
    Kind.PULSED: [3, 1],
    Kind.DOOR_OPENED: [3, True],
    Kind.DOOR_CLOSED: [3, None],
    Kind.OPEN_NOT_DETECTED: [3],
    Kind.CLOSE_OVERDUE: [3],
    Kind.UNEXPECTED_OPEN: [255],
    Kind.DENIED: [NOW, {2: 5, 9: 1000}],
    Kind.STATEMENT: [b"SLK1-rev", 6],
    Kind.CLOCK: [0, NOW, 2],
    Kind.DEPOSITED: [3, STAY],
    Kind.COLLECTED: [3, STAY, 1],
    Kind.EXCURSION: [3, 1, -185],
    Kind.SANITISED: [3, 16, 0],
    Kind.POWER: [2],
    Kind.FAULT: [None, 16],
    Kind.REFITTED: [[1, 2, 255]],
    Kind.WITHDRAWN: [3, STAY],
    Kind.FOUND_EMPTY: [3, STAY],
    OwnKind.DEVICE_ADDED: ["dGh1bWJwcmludA", bytes(32)],
    OwnKind.DEVICE_REMOVED: ["dGh1bWJwcmludA", bytes(32)],
    OwnKind.KEY_SET_ISSUED: [b"*", 1, bytes(32)],
    OwnKind.REVOCATIONS_ISSUED: [LID, 2, bytes(32)],
    OwnKind.LOCKER_ENROLLED: [LID, bytes(32), None],
    OwnKind.EVIDENCE_FROZEN: [bytes(32)],
}


def make_entry(kind: Kind | OwnKind = Kind.BOOT, **changes: Any) -> Entry:
    """The first entry of a journal, of this kind."""
    entry = Entry(
        lid=LID,
        boot=1,
        seq=1,
        prev_head=FIRST_PREV_HEAD,
        t=NOW,
        clockq=2,
        mono_ms=1000,
        salt=seed("salt")[:16],
        kind=kind,
        body=BODIES[kind],
    )
    return replace(entry, **changes)


def make_journal() -> tuple[tuple[bytes, ...], bytes]:
    """A chain of one entry of each kind, and its head."""
    raws: list[bytes] = []
    head = FIRST_PREV_HEAD
    for seq, kind in enumerate(Kind, 1):
        raws.append(make_entry(kind, seq=seq, prev_head=head).encode())
        head = entry_head(raws[-1])
    return tuple(raws), head


def make_hello(**changes: Any) -> Hello:
    """What the locker says of itself."""
    hello = Hello(lid=LID, rev=5, keys=1, cfg=0, now=NOW, clockq=2, acked=2, seq=20)
    return replace(hello, **changes)


def make_locker_visit(ephemeral: str = "locker's ephemeral key") -> LockerVisit:
    """The locker's side, hello spoken."""
    return LockerVisit(make_hello(), static=LOCKER_STATIC, ephemeral=seed(ephemeral))


def make_phone_visit(hello: bytes, ephemeral: str = "phone's ephemeral key") -> PhoneVisit:
    """The phone's side, hello heard."""
    public = x25519_public(LOCKER_STATIC)
    return PhoneVisit(hello, lid=LID, locker_static=public, ephemeral=seed(ephemeral))


def make_session() -> tuple[LockerVisit, PhoneVisit]:
    """Both sides after message 2, the result still to come."""
    locker = make_locker_visit()
    phone = make_phone_visit(locker.hello)
    request = OpenRequest(Operation.OPEN)
    locker.open_request(phone.write_request((make_token(),), request, signing_key("device")))
    return locker, phone
