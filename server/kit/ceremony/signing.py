"""What offline keys sign: key sets out of drafts, and tokens for people at the door.

Pure but for the keys handed in. A key set is put into words before it is signed, for whoever
signs answers for every word of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schema.codec import Malformed, decode
from schema.codec.fields import as_array, as_bytes, as_time, as_uint
from schema.ids import EVERY_LOCKER, ID_SIZE, LockerId, StayId, TokenId, locker_text
from schema.keys import MAX_KEYS, KeyEntry, Operation, Role, parse_key_entries
from schema.statements import KeySetStatement, sign_statement
from schema.tokens import Claims, issue_token
from server.kit.ceremony.keyfiles import KeyKind, OfflineKey
from server.kit.clock import instant_of
from server.kit.errors import KeyringError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from schema.ids import KeyId
    from server.kit.ids import Randomness

ROLES = {
    Operation.SERVICE: Role.TECHNICIAN,
    Operation.OPEN_ALL: Role.OPERATOR,
    Operation.DEPOSIT: Role.HUB,
    Operation.OPEN: Role.HUB,
}
"""In which role a token of an offline key speaks."""

_NO_STAY = StayId(b"")


def read_draft(raw: bytes) -> KeySetStatement:
    """The draft in the payload that the API and `keys draft` give. KeyringError."""
    try:
        lid, seq, iat, keys = as_array(decode(raw), 4)
        audience = LockerId(as_bytes(lid))
        if audience != EVERY_LOCKER and len(audience) != ID_SIZE:
            raise KeyringError("the draft is neither for every locker nor for one")
        return KeySetStatement(audience, as_uint(seq), as_time(iat), parse_key_entries(keys))
    except Malformed as error:
        raise KeyringError("this is no draft of a key set") from error


def amend(
    draft: KeySetStatement, *, include: Sequence[KeyEntry], without: Collection[KeyId]
) -> KeySetStatement:
    """The draft with these keys and without those; the sealing key stays the last.

    An included key takes the place of the same key. KeyringError for two keys of one id, for an
    id to leave out that is not there, and for more keys than a set holds.
    """
    known = {key.kid for key in draft.keys}
    for kid in set(without) - known:
        raise KeyringError(f"the draft holds no key {kid.hex()}")
    kept = [key for key in draft.keys if key.kid not in without]
    for key in include:
        twin = next((one for one in kept if one.kid == key.kid), None)
        if twin is not None and twin.public != key.public:
            raise KeyringError(f"two different keys are called {key.kid.hex()}: make another")
        kept = [one for one in kept if one is not twin]
        kept.append(key)
    keys = sorted(kept, key=lambda key: key.actions == 0)
    if len(keys) > MAX_KEYS:
        raise KeyringError(f"a key set holds {MAX_KEYS} keys, this one would hold {len(keys)}")
    return replace(draft, keys=tuple(keys))


def describe(body: KeySetStatement) -> list[str]:
    """Line by line, everything that a signature under this key set says."""
    whom = "every locker" if body.lid == EVERY_LOCKER else f"locker {locker_text(body.lid)} alone"
    lines = [
        f"key set {body.seq} of {_day(body.iat)}, for {whom}",
        "it replaces every former one; keys that it does not name are trusted no more:",
    ]
    return lines + [_in_words(key) for key in body.keys]


def sign_key_set(root: OfflineKey, body: KeySetStatement) -> bytes:
    """The signed statement; KeyringError for a key that is no root, or a set of bad form."""
    if root.kind is not KeyKind.ROOT:
        raise KeyringError(f"key {root.kid.hex()} is a {root.kind} key; a root signs key sets")
    if any(key.kid == root.kid for key in body.keys):
        raise KeyringError(f"a key of the set has the root's id {root.kid.hex()}: make another")
    try:
        return sign_statement(root.signing, root.kid, body)
    except Malformed as error:
        raise KeyringError(f"lockers would not read this key set: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffTerms:
    """What one person may do at one locker: `holder` is the public key of their phone."""

    lid: LockerId
    operation: Operation
    holder: bytes
    start: int
    life_s: int
    comps: tuple[int, ...] = ()
    stay: StayId = _NO_STAY


def issue_staff_token(key: OfflineKey, terms: StaffTerms, randomness: Randomness) -> bytes:
    """A token that lockers take from this key; KeyringError where its rights do not reach."""
    rights = key.half.as_entry()
    exp = terms.start + terms.life_s
    if not rights.allows(actions=int(terms.operation), nbf=terms.start, exp=exp):
        hours = rights.max_ttl // 3600
        raise KeyringError(
            f"a {key.kind} key signs {_names(rights.actions)} for {hours} h at most, "
            f"from {_day(rights.nbf)} to {_day(rights.exp)}"
        )
    is_for_all = terms.operation is Operation.OPEN_ALL
    if is_for_all is bool(terms.comps or terms.stay):
        raise KeyringError("name the compartments or the stay; OPEN_ALL alone goes without")
    claims = Claims(
        aud=locker_text(terms.lid),
        exp=exp,
        nbf=terms.start,
        iat=terms.start,
        cti=TokenId(randomness.take(ID_SIZE)),
        holder=terms.holder,
        role=ROLES[terms.operation],
        actions=int(terms.operation),
        comps=terms.comps,
        stay=terms.stay,
        depth=0,
        minrev=0,
    )
    try:
        return issue_token(key.signing, key.kid, terms.lid, claims)
    except Malformed as error:
        raise KeyringError(f"a locker would not read this token: {error}") from error


def _in_words(key: KeyEntry) -> str:
    shown = f"  {key.kid.hex()}  {key.public.hex()}"
    if not key.actions:
        return f"{shown}\n        envelopes are sealed to it; it signs nothing"
    return (
        f"{shown}\n        may sign {_names(key.actions)}, each for {_span(key.max_ttl)} at most, "
        f"from {_day(key.nbf)} to {_day(key.exp)}"
    )


def _names(actions: int) -> str:
    known = [operation.name or "" for operation in Operation if operation & actions]
    rest = actions & ~sum(int(operation) for operation in Operation)
    return ", ".join([*known, f"unknown actions {rest}"] if rest else known)


def _span(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{seconds} s" if rest else f"{hours} h"


def _day(unix_s: int) -> str:
    return f"{instant_of(unix_s):%Y-%m-%d %H:%M} UTC"
