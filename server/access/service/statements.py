"""Statements for lockers: the newest of each kind, signed by a key that the locker can learn.

Whoever hands them out carries them; a locker takes only what is newer than what it has.
"""

from __future__ import annotations

import hashlib
import uuid
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from schema.ids import KeyId, LockerId
from schema.statements import (
    CFG_CHILLED,
    CFG_CLOSE_OVERDUE_S,
    CFG_FROZEN,
    CFG_PRESENCE_CODE,
    CLOSE_OVERDUE_DEFAULT_S,
    NONCE_SIZE,
    Configuration,
    Revocations,
    StatementType,
    parse_statement,
    zones_as_values,
)
from server.access import queries, signing
from server.access.rules import Revoked, first_day, list_revocations, pass_end
from server.access.tables import SignedStatement
from server.kit.auth import Actor, deny
from server.kit.clock import instant_of
from server.kit.errors import BrokenPromise, Refusal
from server.kit.keyring import Keyring, Purpose
from server.ledger import service as ledger
from server.ledger.own.rules import revocations_issued
from server.ledger.own.service import note
from server.lockers.service import keysets
from server.lockers.service.reading import find_locker, find_locker_by_lid, find_zones

if TYPE_CHECKING:
    from datetime import datetime

    from schema.codec import Value
    from schema.keys import KeySet
    from server.access.signing import Issuer
    from server.kit.db import Session
    from server.lockers.tables import Locker

REVOKED_AT_ONCE = 200
"""Revoked tokens, and as many delegations, looked at for one list; beyond 40 the oldest issue is
raised anyway.
"""

DEFAULT_CONFIGURATION: dict[int, Value] = {
    CFG_PRESENCE_CODE: False,
    CFG_CLOSE_OVERDUE_S: CLOSE_OVERDUE_DEFAULT_S,
}
"""What a locker is told when it joins."""

_NO_KEY_SET = Refusal(
    ProblemCode.WRONG_STATE,
    "The operator has not published a key set that holds a living key of this server.",
)


@dataclass(frozen=True, slots=True)
class Carried:
    """One signed statement on its way; `seq` is None for kinds that have none."""

    kind: StatementType
    seq: int | None
    raw: bytes


@dataclass(frozen=True, slots=True)
class Signer:
    """Our key for one locker, and the key set by which the locker knows it."""

    lid: LockerId
    issuer: Issuer
    trusted: KeySet
    key_set: Carried

    @property
    def ends_at(self) -> datetime:
        """When the key dies."""
        return instant_of(self.issuer.rights.exp)


async def find_signer(
    session: Session, lid: LockerId, *, keyring: Keyring, now: datetime
) -> Signer | Refusal:
    """The key that signs for this locker now; WRONG_STATE while no root has published one."""
    row = await keysets.find_key_set(session, lid)
    if row is None:
        return _NO_KEY_SET
    trusted, keys = keysets.keys_of(row), keyring.list_keys(Purpose.ISSUER)
    issuer = signing.find_issuer(keys, trusted, now=signing.unix_s(now))
    if issuer is None:
        return _NO_KEY_SET
    return Signer(lid, issuer, trusted, Carried(StatementType.KEY_SET, row.seq, row.statement))


async def find_familiar_signer(
    session: Session, locker: Locker, *, keyring: Keyring, now: datetime
) -> Signer | Refusal:
    """As `find_signer`, but by a key that the locker has reported to know while one lives.

    For what is asked for at the door: the key set that the phone took along may be an older one.
    """
    newest = await find_signer(session, LockerId(locker.lid), keyring=keyring, now=now)
    applied = await keysets.find_key_set_by_seq(session, locker.key_set_seq)
    if isinstance(newest, Refusal) or applied is None:
        return newest
    known = keysets.keys_of(applied)
    familiar = [key for key in keyring.list_keys(Purpose.ISSUER) if known.find_signer(key.kid)]
    issuer = signing.find_issuer(familiar, newest.trusted, now=signing.unix_s(now))
    return newest if issuer is None else replace(newest, issuer=issuer)


async def list_statements(session: Session, signer: Signer, *, now: datetime) -> list[Carried]:
    """Everything that a phone brings to the locker, in the order to apply: key set first.

    A configuration is made if there is none; what was signed by a key that the key set no longer
    holds is signed anew, since the locker forgets it together with that key.
    """
    carried = [signer.key_set]
    revocations = await ensure_revocations(session, signer, now=now)
    configuration = await _find_valid(session, signer, StatementType.CONFIGURATION)
    if configuration is None:
        configuration = await _publish_configuration(session, signer, now=now)
    carried += [one for one in (revocations, configuration) if one is not None]
    acknowledgement = await find_acknowledgement(session, signer, now=now)
    return carried if acknowledgement is None else [*carried, acknowledgement]


async def find_acknowledgement(
    session: Session, signer: Signer, *, now: datetime
) -> Carried | None:
    """That the locker's journal is stored so far; None before its first entry, or after a fork."""
    tip = await ledger.find_tip(session, signer.lid)
    if tip is None or tip.seq == 0 or await ledger.is_distrusted(session, signer.lid):
        return None
    raw = signing.make_acknowledgement(
        signer.issuer, signer.lid, now=signing.unix_s(now), upto_seq=tip.seq, head=tip.head
    )
    return Carried(StatementType.ACKNOWLEDGEMENT, None, raw)


async def ensure_revocations(session: Session, signer: Signer, *, now: datetime) -> Carried | None:
    """The list that counts at the locker, made anew where the newest says too little, or too much,
    or its signer is gone; None while nothing was ever revoked there.
    """
    former = await find_revocations(session, signer.lid)
    revoked = await _list_revoked(session, signer.lid, former, now=now)
    if former is None and not revoked:
        return None
    valid = await _find_valid(session, signer, StatementType.REVOCATIONS)
    if former is None or valid is None or await _is_outdated(session, former, revoked):
        return await publish_revocations(session, signer, now=now)
    return valid


async def publish_revocations(session: Session, signer: Signer, *, now: datetime) -> Carried:
    """A new list of everything revoked at the locker, with the next number."""
    now_s = signing.unix_s(now)
    former = await find_revocations(session, signer.lid)
    listed = list_revocations(
        await _list_revoked(session, signer.lid, former, now=now),
        min_iat=0 if former is None else former.min_iat,
        now=now_s,
    )
    seq = await queries.draw_seq(session, StatementType.REVOCATIONS)
    raw = signing.make_revocations(signer.issuer, signer.lid, seq=seq, now=now_s, listed=listed)
    digest = hashlib.sha256(raw).digest()
    note(session, revocations_issued(signer.lid, seq, digest), now=now)
    return await _keep(session, signer, StatementType.REVOCATIONS, seq=seq, raw=raw, now=now)


async def sign_time(
    session: Session,
    actor: Actor,
    *,
    which: uuid.UUID | LockerId,
    nonce: bytes,
    keyring: Keyring,
    now: datetime,
) -> Carried | Refusal:
    """The present time for the one hello whose nonce this is; for any device that is signed in.

    `which` is the locker's row id or its protocol id.
    """
    if actor.device_id is None:
        return deny(actor)
    if len(nonce) != NONCE_SIZE:
        rule = f"nonce: must be {NONCE_SIZE} bytes, derived from the locker's hello."
        return Refusal(ProblemCode.INPUT_INVALID, rule, "nonce")
    if isinstance(which, uuid.UUID):
        locker = await find_locker(session, which)
    else:
        locker = await find_locker_by_lid(session, which)
    if locker is None:
        return Refusal(ProblemCode.NOT_FOUND, field="lockerId")
    signer = await find_familiar_signer(session, locker, keyring=keyring, now=now)
    if isinstance(signer, Refusal):
        return signer
    raw = signing.make_time(signer.issuer, signer.lid, now=signing.unix_s(now), nonce=nonce)
    return Carried(StatementType.TIME, None, raw)


async def find_revocations(session: Session, lid: LockerId) -> Revocations | None:
    """What the newest list of revocations for the locker says; None without one."""
    row = await queries.find_statement(session, StatementType.REVOCATIONS, lid)
    return None if row is None else _revocations_of(row)


async def _publish_configuration(session: Session, signer: Signer, *, now: datetime) -> Carried:
    """The former configuration signed anew, or the first one; with the zones as they are now."""
    former = await queries.find_statement(session, StatementType.CONFIGURATION, signer.lid)
    values = DEFAULT_CONFIGURATION if former is None else _configuration_of(former).values
    kept = {key: value for key, value in values.items() if key not in {CFG_CHILLED, CFG_FROZEN}}
    values = kept | zones_as_values(await find_zones(session, signer.lid))
    seq = await queries.draw_seq(session, StatementType.CONFIGURATION)
    raw = signing.make_configuration(
        signer.issuer, signer.lid, seq=seq, now=signing.unix_s(now), values=values
    )
    return await _keep(session, signer, StatementType.CONFIGURATION, seq=seq, raw=raw, now=now)


async def _keep(
    session: Session, signer: Signer, kind: StatementType, *, seq: int, raw: bytes, now: datetime
) -> Carried:
    row = SignedStatement(
        kind=kind.value,
        seq=seq,
        audience=signer.lid,
        kid=signer.issuer.kid,
        raw=raw,
        made_at=now,
    )
    await queries.insert_statement(session, row)
    return Carried(kind, seq, raw)


async def _find_valid(session: Session, signer: Signer, kind: StatementType) -> Carried | None:
    """The newest statement of the kind if the published key set still holds its signer."""
    row = await queries.find_statement(session, kind, signer.lid)
    if row is None:
        return None
    rights = signer.trusted.find_signer(KeyId(row.kid))
    if rights is None or not parse_statement(kind, row.raw).is_signed_by(rights.public):
        return None
    return Carried(kind, row.seq, row.raw)


async def _list_revoked(
    session: Session, lid: LockerId, former: Revocations | None, *, now: datetime
) -> list[Revoked]:
    """Revoked tokens and delegations that the former list's `min_iat` does not cover anyway, and
    stays whose PIN is in hands that have no right any more (decision 26).
    """
    since, now_s = 0 if former is None else former.min_iat, signing.unix_s(now)
    tokens = await queries.list_revoked(
        session, lid, issued_since=since, now_s=now_s, limit=REVOKED_AT_ONCE
    )
    delegations = await queries.list_revoked_delegations(
        session, lid, issued_since=since, now_s=now_s, limit=REVOKED_AT_ONCE
    )
    outliving = await queries.list_outliving_passes(
        session, lid, since_day=first_day(now_s), limit=REVOKED_AT_ONCE
    )
    return [
        *(Revoked(one.cti, one.iat, one.exp) for one in tokens),
        *(Revoked(one.name, iat, one.exp) for one, iat in delegations),
        # No `min_iat` ends a PIN: of these none is ever left out for its age.
        *(Revoked(stay, now_s, pass_end(day)) for stay, day in outliving),
    ]


async def _is_outdated(session: Session, listed: Revocations, revoked: list[Revoked]) -> bool:
    """Whether something was revoked that the list does not hold, or a stay that it names has become
    somebody's to open again.
    """
    named, wanted = {name for name, _ in listed.entries}, {one.id for one in revoked}
    if wanted - named:
        return True
    extra = named - wanted
    return bool(extra and await queries.list_opened_again(session, extra))


def _revocations_of(row: SignedStatement) -> Revocations:
    body = parse_statement(StatementType.REVOCATIONS, row.raw).body
    if not isinstance(body, Revocations):
        raise BrokenPromise(f"a kept list of revocations was read as {type(body).__name__}")
    return body


def _configuration_of(row: SignedStatement) -> Configuration:
    body = parse_statement(StatementType.CONFIGURATION, row.raw).body
    if not isinstance(body, Configuration):
        raise BrokenPromise(f"a kept configuration was read as {type(body).__name__}")
    return body
