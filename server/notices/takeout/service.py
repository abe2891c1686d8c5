"""Writing down all that is kept about a person, page by page, with receipts."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.access.service.key_history import list_key_history, make_key_proof
from server.access.service.receipts import make_parcel_receipt
from server.kit.auth import Actor, Permission, Scope, deny, not_found
from server.kit.errors import Refusal
from server.notices.takeout import queries
from server.notices.takeout.rules import MOST_ROWS, PARCELS_AT_ONCE, as_text, plain
from server.people.queries import find_person

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from server.kit.db import Session
    from server.parcels.tables import Parcel

MOST_KEYS = 100
"""Entries of the key history; an account has twenty devices at a time."""


@dataclass(frozen=True, slots=True)
class Takeout:
    """One page as JSON. `ended_at` is the last parcel of it where more follow."""

    document: str
    ended_at: uuid.UUID | None


class Page:
    """What is being written down; `cut` names the tables of which there was more than fits."""

    def __init__(self) -> None:
        self.cut: set[str] = set()

    def rows(self, name: str, found: Sequence[Any]) -> list[Any]:
        """The rows that fit."""
        if len(found) > MOST_ROWS:
            self.cut.add(name)
        return [*found[:MOST_ROWS]]


async def export_account(
    session: Session,
    actor: Actor,
    *,
    person_id: uuid.UUID | None,
    after: uuid.UUID | None,
    now: datetime,
) -> Takeout | Refusal:
    """All about whoever asks, or for an operator about the person who asked them.

    The first page has what belongs to the account; each has ten parcels, by id behind `after`,
    with all that hangs on them. Other people stand in it by what they are, never by an id.
    """
    wanted = person_id or actor.person_id
    if wanted is None or not actor.can(Permission.PERSON_EXPORT):
        return deny(actor)
    is_for_all = (Permission.PERSON_EXPORT, Scope.NETWORK, None) in actor.grants
    person = await find_person(session, wanted)
    if person is None or (wanted != actor.person_id and not is_for_all):
        return not_found(actor, "person")
    page = Page()
    parcels = await queries.list_parcels(session, wanted, after=after, limit=PARCELS_AT_ONCE + 1)
    shown = parcels[:PARCELS_AT_ONCE]
    told: dict[str, Any] = {"version": 1, "takenAt": now.isoformat()}
    if after is None:
        told |= await _tell_account(session, wanted, page)
    told["parcels"] = await _tell_parcels(session, actor, wanted, shown, page)
    told["cut"] = sorted(page.cut)
    has_more = len(parcels) > PARCELS_AT_ONCE
    return Takeout(json.dumps(told, sort_keys=True), shown[-1].id if has_more else None)


async def _tell_account(session: Session, person_id: uuid.UUID, page: Page) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, (table, column) in queries.OF_PERSON.items():
        found = await queries.list_of(session, table, column, [person_id])
        told[name] = [plain(row.model_dump()) for row in page.rows(name, found)]
    asked = page.rows("signIns", await queries.list_sign_ins(session, person_id))
    keys = await list_key_history(session, person_id, after=0, limit=MOST_KEYS + 1)
    proof = await make_key_proof(session, person_id, after=0, limit=MOST_KEYS)
    if len(keys) > MOST_KEYS:
        page.cut.add("keyHistory")
    return told | {
        "id": f"{person_id}",
        "signIns": [plain(row.model_dump()) for row in asked],
        "keyHistory": [
            {"seq": row.seq, "entry": as_text(row.raw), "head": as_text(row.head)}
            for row in keys[:MOST_KEYS]
        ],
        "keyProof": None if isinstance(proof, Refusal) else as_text(proof),
    }


async def _tell_parcels(
    session: Session, actor: Actor, person_id: uuid.UUID, parcels: Sequence[Parcel], page: Page
) -> list[dict[str, Any]]:
    by_parcel: dict[uuid.UUID, dict[str, Any]] = {}
    for parcel in parcels:
        receipt = await make_parcel_receipt(session, actor, parcel_id=parcel.id)
        by_parcel[parcel.id] = {
            "role": "recipient" if parcel.recipient_id == person_id else "sender",
            "parcel": plain(parcel.model_dump()),
            "receipt": None if isinstance(receipt, Refusal) else as_text(receipt),
            **{name: [] for name in (*queries.OF_PARCEL, *queries.OF_GRANT)},
            "grants": [],
            "assistances": [],
        }
    for name, (table, column) in queries.OF_PARCEL.items():
        found = await queries.list_of(session, table, column, by_parcel.keys())
        for row in page.rows(name, found):
            by_parcel[getattr(row, column)][name].append(plain(row.model_dump()))
    await _tell_stays(session, by_parcel, page)
    await _tell_grants(session, person_id, by_parcel, page)
    return [*by_parcel.values()]


async def _tell_stays(
    session: Session, by_parcel: dict[uuid.UUID, dict[str, Any]], page: Page
) -> None:
    """Each stay that a parcel was in with its times, and who was helped there."""
    lain = [line for told in by_parcel.values() for line in told["stays"]]
    ids = {uuid.UUID(line["stayId"]) for line in lain}
    stays = {
        f"{stay.id}": plain(stay.model_dump()) for stay in await queries.list_stays(session, ids)
    }
    helped = page.rows("assistances", await queries.list_assistances(session, ids))
    for told in by_parcel.values():
        own = {line["stayId"] for line in told["stays"]}
        told["assistances"] = [plain(one.model_dump()) for one in helped if f"{one.stay_id}" in own]
        for line in told["stays"]:
            line["stay"] = stays[line["stayId"]]


async def _tell_grants(
    session: Session,
    person_id: uuid.UUID,
    by_parcel: dict[uuid.UUID, dict[str, Any]],
    page: Page,
) -> None:
    """Rights that the person holds, what was issued for them, and what was passed on."""
    grants = page.rows("grants", await queries.list_grants(session, person_id, by_parcel.keys()))
    owners = {grant.id: by_parcel[grant.parcel] for grant in grants}
    for grant in grants:
        owners[grant.id]["grants"].append(plain(grant.model_dump()))
    for name, table in queries.OF_GRANT.items():
        found = await queries.list_of(session, table, "grant_id", owners.keys())
        for row in page.rows(name, found):
            owners[row.grant_id][name].append(plain(row.model_dump()))
