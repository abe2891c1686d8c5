"""Tokens that service and hub keys signed offline: registered, so that their use alarms nobody.

Whoever registers one vouches for it; the signature alone is no reason to believe that the key is
still in the right hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.codes import ProblemCode
from schema.cose import Aad
from schema.ids import LockerId, parse_locker_text
from schema.keys import Operation
from schema.tokens import parse_token
from server.access import queries
from server.access.service import emergencies
from server.access.tables import RegisteredToken
from server.kit.auth import Actor, Permission, Scope, deny
from server.kit.errors import BrokenPromise, Refusal
from server.ledger import service as ledger
from server.ledger.rules import accepted_of, read_line
from server.lockers.incidents import IncidentKind
from server.lockers.service.doors import list_open_incidents_about
from server.lockers.service.facts import end_incident
from server.lockers.service.keysets import find_key_set, keys_of
from server.lockers.service.reading import find_locker_by_lid

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from schema.journal import Accepted
    from schema.tokens import Token
    from server.kit.db import Session
    from server.lockers.tables import Locker

ALARMS_AT_ONCE = 100
"""Incidents about unknown tokens looked at when one is registered, the oldest first."""

_NO_TOKEN = Refusal(
    ProblemCode.INPUT_INVALID, "This is no token that a service or hub key signed.", "token"
)


async def register_token(
    session: Session, actor: Actor, raw: bytes, *, now: datetime
) -> RegisteredToken | Refusal:
    """Keeps a token of a key that the locker's newest key set holds beside the server's own.

    For whoever provisions lockers in the whole network. One that opens every door, or the door of
    a parcel, needs that two persons agreed to an emergency opening before: SECOND_PERSON_NEEDED.
    If it was used already, the alarm of that is over. Repeating changes nothing.
    """
    if (Permission.LOCKER_PROVISION, Scope.NETWORK, None) not in actor.grants:
        return deny(actor)
    try:
        token = parse_token(raw)
        lid = parse_locker_text(token.claims.aud)
    except (Malformed, ValueError):
        return _NO_TOKEN
    locker = await find_locker_by_lid(session, lid)
    if locker is None:
        return Refusal(ProblemCode.NOT_FOUND, "The token is for no locker of ours.", "token")
    if not await _is_of_staff_key(session, lid, token):
        return _NO_TOKEN
    claims = token.claims
    if not await emergencies.is_agreed(session, locker, _reach(token), now=now):
        return emergencies.NEEDS_TWO
    row = RegisteredToken(
        cti=claims.cti,
        lid=lid,
        kid=token.signed.kid or b"",
        exp=claims.exp,
        raw=raw,
        registered_at=now,
        registered_by=actor.person_id,
    )
    await queries.insert_registered_token(session, row)
    kept = await queries.list_registered_tokens(session, lid, [claims.cti])
    if not kept:
        raise BrokenPromise(f"token {claims.cti.hex()} is registered for another locker")
    if kept[0].raw != raw:
        return _NO_TOKEN
    await _end_alarms(session, locker, now=now)
    return kept[0]


async def list_unknown_tokens(session: Session, lid: LockerId, accepted: Accepted) -> list[str]:
    """The tokens of an acceptance, by name, that nobody registered; two were shown for OPEN_ALL.

    Ask for an acceptance whose token the server did not issue.
    """
    shown = [accepted.cti or b""]
    if accepted.op == Operation.OPEN_ALL:
        shown += [_name_of(raw) for raw in accepted.rest]
    known = {one.cti for one in await queries.list_registered_tokens(session, lid, shown)}
    return [cti.hex() or "of no form" for cti in shown if cti not in known]


async def find_registered(
    session: Session, lid: LockerId, accepted: Accepted
) -> RegisteredToken | None:
    """The token of a service or hub key by which somebody was let in, if it was registered."""
    kept = await queries.list_registered_tokens(session, lid, [accepted.cti or b""])
    return kept[0] if kept else None


async def _end_alarms(session: Session, locker: Locker, *, now: datetime) -> None:
    """Ends the locker's incidents about tokens of which every one is known by now."""
    lid, kind = LockerId(locker.lid), IncidentKind.UNKNOWN_TOKEN
    alarms = await list_open_incidents_about(session, [locker.id], [kind], limit=ALARMS_AT_ONCE)
    for alarm in alarms:
        entries = await ledger.list_entries(session, lid, after=(alarm.seq or 0) - 1, limit=1)
        raw = entries[0].raw if entries else None
        if raw is None or entries[0].seq != alarm.seq:
            continue
        accepted = accepted_of(read_line(raw).entry)
        if not await list_unknown_tokens(session, lid, accepted):
            end_incident(session, alarm, "The token was registered.", now=now)


def _reach(token: Token) -> Collection[int] | None:
    """The doors without a stay that a token opens; None for all of them."""
    if token.claims.actions & Operation.OPEN_ALL:
        return None
    return token.claims.comps if token.claims.actions & Operation.SERVICE else ()


async def _is_of_staff_key(session: Session, lid: LockerId, token: Token) -> bool:
    row = await find_key_set(session, lid)
    key = None if row is None else keys_of(row).find_signer(token.signed.kid)
    claims = token.claims
    return (
        key is not None
        and not key.actions & Operation.SYNC
        and key.allows(actions=claims.actions, nbf=claims.nbf, exp=claims.exp)
        and token.signed.is_signed_by(key.public, Aad.TOKEN)
    )


def _name_of(raw: bytes) -> bytes:
    try:
        return parse_token(raw).claims.cti
    except Malformed:
        return b""
