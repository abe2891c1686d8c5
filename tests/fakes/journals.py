"""A locker as the server sees it: keys, a journal that grows entry by entry, sealed envelopes."""

from __future__ import annotations

import copy
import hashlib
from typing import TYPE_CHECKING

from schema.cose import SigningKey
from schema.envelopes import Contents, pack, seal_envelope
from schema.handshake import OpenRequest, proof_message
from schema.ids import KeyId, LockerId, StayId
from schema.journal import FIRST_PREV_HEAD, Accepted, Entry, Kind, entry_head, sign_head
from schema.keys import Operation
from schema.noise import x25519_public
from schema.tokens import parse_token
from tests.fakes.sources import START

if TYPE_CHECKING:
    from schema.codec import Value
    from schema.readings import Reading


def seed(*parts: object) -> bytes:
    """32 bytes derived from a name."""
    return hashlib.sha256("/".join(map(str, parts)).encode()).digest()


def stay_of(number: int) -> StayId:
    """A stay's 8 bytes."""
    return StayId(seed("stay", number)[:8])


class JournalingLocker:
    """Writes a journal as PROTOCOL 8 wants it; `copy` gives it a twin with the same keys."""

    def __init__(self, name: str = "locker") -> None:
        self.lid = LockerId(seed(name, "lid")[:8])
        self.key = SigningKey(seed(name, "sign"))
        self.noise_public = x25519_public(seed(name, "noise"))
        self.entries: list[bytes] = []
        self.now = int(START.timestamp())
        self.clockq = 2

    def copy(self) -> JournalingLocker:
        """The same locker with the same past, free to go on differently."""
        twin = copy.copy(self)
        twin.entries = list(self.entries)
        return twin

    @property
    def head(self) -> bytes:
        """The head after the last entry."""
        return self.head_at(len(self.entries))

    def head_at(self, seq: int) -> bytes:
        """The head after entry `seq`; 0 is before the first."""
        return entry_head(self.entries[seq - 1]) if seq else FIRST_PREV_HEAD

    def receipt(self, seq: int) -> bytes:
        """The locker's signature on its head after `seq`, as a phone gets it in a result."""
        return sign_head(self.key, self.lid, seq, self.head_at(seq))

    def write(self, kind: int, *body: Value, salt: int = 0) -> int:
        """Appends one entry and returns its number."""
        seq = len(self.entries) + 1
        entry = Entry(
            lid=self.lid,
            boot=1,
            seq=seq,
            prev_head=self.head,
            t=self.now,
            clockq=self.clockq,
            mono_ms=seq * 1000,
            salt=seed(seq, salt)[:16],
            kind=kind,
            body=list(body),
        )
        self.entries.append(entry.encode())
        return seq

    def boot(self) -> int:
        """Starts."""
        return self.write(Kind.BOOT, "test", 0)

    def accept(
        self,
        operation: Operation,
        comp: int | None,
        cti: bytes | None,
        *,
        chain: tuple[bytes, ...] = (b"",),
        holder: SigningKey | None = None,
    ) -> int:
        """Lets the holder of a token (without cti: of a PIN) at a compartment.

        With a chain and a key the entry holds the proof that the holder really asked.
        """
        asked, h = OpenRequest(operation), seed("handshake", len(self.entries))
        chain_hash = hashlib.sha256(b"".join(chain)).digest()
        pop = bytes(64) if holder is None else holder.sign(proof_message(h, chain, asked))
        accepted = Accepted(
            op=int(operation),
            asked_comp=None,
            code=None,
            comp=comp,
            cti=cti,
            h=None if cti is None else h,
            pop=None if cti is None else pop,
            chain_hash=None if cti is None else chain_hash,
            rest=chain[1:],
        )
        return self.write(Kind.ACCEPTED, *accepted.as_body())

    def admit(self, token: bytes, comp: int, holder: SigningKey, *delegations: bytes) -> int:
        """Lets the holder of this token in, with proof; its operation and `cti` say the rest.

        With delegations the last one's holder comes.
        """
        claims = parse_token(token).claims
        chain = (token, *delegations)
        return self.accept(Operation(claims.actions), comp, claims.cti, chain=chain, holder=holder)

    def move_door(self, comp: int, *, before: bool | None, after: bool | None) -> int:
        """The bolt is pulsed, the door opens and closes; what is sensed before and after."""
        self.write(Kind.PULSED, comp, 1)
        self.write(Kind.DOOR_OPENED, comp, before)
        return self.write(Kind.DOOR_CLOSED, comp, after)

    def deposit(self, comp: int, stay: StayId, cti: bytes) -> int:
        """A whole deposit; returns the number of its DEPOSITED."""
        self.accept(Operation.DEPOSIT, comp, cti)
        self.move_door(comp, before=False, after=True)
        return self.write(Kind.DEPOSITED, comp, stay)

    def collect(self, comp: int, stay: StayId, cti: bytes | None, *, grade: int = 1) -> int:
        """A whole collection; returns the number of its COLLECTED."""
        self.accept(Operation.OPEN, comp, cti)
        self.move_door(comp, before=True, after=False)
        return self.write(Kind.COLLECTED, comp, stay, grade)

    def contents(
        self, first: int = 1, last: int | None = None, *, readings: tuple[Reading, ...] = ()
    ) -> Contents:
        """What an envelope of these entries holds."""
        last = len(self.entries) if last is None else last
        entries = tuple(self.entries[first - 1 : last])
        return Contents(self.lid, first, entries, self.head_at(last), readings)

    def envelope(
        self,
        first: int = 1,
        last: int | None = None,
        *,
        kid: KeyId,
        to: bytes,
        readings: tuple[Reading, ...] = (),
    ) -> bytes:
        """These entries, signed and sealed to the server's key."""
        made = self.contents(first, last, readings=readings)
        packed = pack(first=first, entries=made.entries, head=made.head, readings=made.readings)
        return seal_envelope(
            packed,
            lid=self.lid,
            first=first,
            count=len(made.entries),
            key=self.key,
            kid=kid,
            to=to,
        )
