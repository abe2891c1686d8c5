"""Opening one envelope and taking what is in it.

Whoever brings the bytes is not trusted and needs no account. The locker's signature is verified
before anything is inflated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.codec import Malformed
from schema.codes import ProblemCode
from schema.envelopes import Outer, open_envelope, parse_outer, unseal
from server.access.service.statements import find_signer, list_statements
from server.kit.errors import Refusal
from server.kit.keyring import Keyring, Purpose
from server.ledger import service as ledger
from server.ledger.rules import read_line
from server.ledger.service import Forked
from server.lockers.incidents import IncidentKind
from server.lockers.service import facts as lockers
from server.lockers.service.reading import find_locker_by_lid
from server.uplink.desk import Desk, report
from server.uplink.facts import tell

if TYPE_CHECKING:
    from datetime import datetime

    from schema.envelopes import Contents
    from schema.ids import LockerId
    from server.access.service.statements import Carried
    from server.kit.db import Database
    from server.kit.ids import Ids

_INVALID = Refusal(ProblemCode.ENVELOPE_INVALID)
_FORKED = Refusal(
    ProblemCode.ENVELOPE_INVALID,
    "This locker has contradicted its own journal; nothing more is taken until it was inspected.",
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one envelope, and the statements that its locker should be brought.

    The locker's journal is stored without a gap up to `upto_seq`.
    """

    lid: LockerId
    stored: int
    known: int
    upto_seq: int
    statements: list[Carried]


async def deliver_envelope(
    database: Database, envelope: bytes, *, keyring: Keyring, ids: Ids, now: datetime
) -> Taken | Refusal:
    """Take one envelope in one transaction: entries, readings, what they mean, the answer.

    Bringing it again changes nothing and is answered alike. ENVELOPE_INVALID for anything that no
    locker of ours signed, for a controller that was replaced, and for a locker that contradicts
    itself; the latter opens an incident.
    """
    try:
        outer = parse_outer(envelope)
        inner = unseal(outer.sealed, _find_seed(keyring, outer))
    except Malformed:
        return _INVALID
    async with database.read() as session:
        locker = await find_locker_by_lid(session, outer.lid)
    if locker is None or locker.replaced_by is not None:
        return _INVALID
    try:
        contents = open_envelope(outer, inner, find_locker_key=lambda _: locker.sign_public)
    except Malformed:
        return _INVALID
    async with database.write() as session:
        return await _take(Desk(session, locker, ids, now), contents, keyring)


def _find_seed(keyring: Keyring, outer: Outer) -> bytes:
    """The private half of the key that the envelope is sealed to; Malformed if it is not ours."""
    for key in keyring.list_keys(Purpose.SEAL):
        if key.kid == outer.kid:
            return key.seed
    raise Malformed("an envelope sealed to another key")


async def _take(desk: Desk, contents: Contents, keyring: Keyring) -> Taken | Refusal:
    session, lid, now = desk.session, desk.lid, desk.now
    try:
        outcome = await ledger.append(session, contents, now=now)
    except Malformed:
        return _INVALID
    if isinstance(outcome, Forked):
        if outcome.is_new:
            # Without a number of its own: after an inspection the same may be told anew.
            detail = f"two entries have number {outcome.seq}"
            await report(desk, IncidentKind.JOURNAL_FORK, None, detail)
        return _INVALID if outcome.is_judged else _FORKED
    await ledger.observe_readings(session, lid, contents.readings, now=now)
    if contents.entries:
        newest = read_line(contents.entries[-1]).entry
        await lockers.on_heard(
            session, desk.locker.id, at=desk.at(newest.t), clock_quality=newest.clockq
        )
    elif contents.readings:
        measured_at = desk.at(max(reading.t for reading in contents.readings))
        await lockers.on_heard(session, desk.locker.id, at=measured_at)
    for line in outcome.ready:
        await tell(desk, line)
    signer = await find_signer(session, lid, keyring=keyring, now=now)
    carried = [] if isinstance(signer, Refusal) else await list_statements(session, signer, now=now)
    return Taken(lid, outcome.stored, outcome.known, outcome.tip.seq, carried)
