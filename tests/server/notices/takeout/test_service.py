"""What a person takes along is all that is kept about them, and nobody else's name or id."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest

from schema.codes import ProblemCode
from schema.receipts import verify_receipt
from server.kit.auth import ANONYMOUS
from server.kit.db import metadata
from server.kit.errors import Refusal
from server.notices.takeout import queries
from server.notices.takeout.queries import OF_PARCEL, OF_PERSON
from server.notices.takeout.rules import HIDDEN, MOST_ROWS, PARCELS_AT_ONCE
from server.notices.takeout.service import Page, Takeout, export_account
from server.parcels.states import ParcelState
from server.people.tables import Person
from tests.fakes.sources import START
from tests.fakes.town import build_town, key_of
from tests.server.access.service.test_evidence import collected
from tests.server.access.service.test_receipts import seal, trust_in
from tests.server.notices.service.test_erasing import MARK, OTHER_MARK, Life

if TYPE_CHECKING:
    import uuid

    from server.kit.auth import Actor
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

LEFT_OUT = {
    "outbox": "what is yet to be done, or was; it names rows that are here",
    "own_subjects": "which entries are in keyHistory",
    "journal_entries": "the locker's own words; those about a parcel are in its receipt",
    "contradicting_entries": "a locker's fault; staff judged it",
    "lockers": "about a machine that took another's place",
    "enrolments": "work of staff on a machine",
    "door_checks": "work of staff at a door",
    "compartment_events": "work of staff, and facts, at a compartment",
    "emergency_openings": "work of staff at a locker",
    "staff_openings": "work of staff at a locker",
    "registered_tokens": "work of staff: tokens of a hub's own keys",
    "taught_parcels": "that a collection was counted; the counts are in habitCounts",
}
"""Tables that have the id of a person, of a parcel or of a right, and are in no document."""

NAMES = {"person_id", "actor_id", "subject", "subject_id", "device_id", "parcel_id", "cti"}
KEYS = {"people.id", "parcels.id", "grants.id", "stays.id", "disputes.id"}


@pytest.fixture
async def life(
    database: Database, ids: CountedIds, clock: MovableClock, keyring: DerivedKeyring
) -> Life:
    async with database.write() as session:
        town = await build_town(session)
    grown = Life(database, town, ids=ids, clock=clock, keyring=keyring)
    await grown.live()
    return grown


async def take(
    database: Database,
    actor: Actor,
    *,
    person_id: uuid.UUID | None = None,
    after: uuid.UUID | None = None,
) -> Takeout | Refusal:
    async with database.read() as session:
        return await export_account(session, actor, person_id=person_id, after=after, now=START)


async def taken(database: Database, actor: Actor) -> dict[str, Any]:
    got = await take(database, actor)
    assert isinstance(got, Takeout)
    assert got.ended_at is None
    document: dict[str, Any] = json.loads(got.document)
    return document


def test_no_table_that_knows_somebody_is_forgotten() -> None:
    knowing = set()
    for table in metadata.tables.values():
        for column in table.columns:
            keys = {key.target_fullname for key in column.foreign_keys}
            if keys & KEYS or column.name in NAMES or column.name.endswith("_by"):
                knowing.add(table.name)
    told = {
        *(table for table, _ in OF_PERSON.values()),
        *(table for table, _ in OF_PARCEL.values()),
        *queries.OF_GRANT.values(),
        *queries.SINGLY,
    }
    assert knowing - {str(one.__tablename__) for one in told} == LEFT_OUT.keys()


async def test_all_that_a_person_ever_gave_is_in_it(life: Life) -> None:
    await life.add_parcel("parcel", ParcelState.COLLECTED)
    await life.open_doors()
    document = await taken(life.database, life.town.recipient)
    [parcel] = document["parcels"]
    sections: dict[str, Any] = {
        **{str(table.__tablename__): document[name] for name, (table, _) in OF_PERSON.items()},
        **{str(table.__tablename__): parcel[name] for name, (table, _) in OF_PARCEL.items()},
        "sign_in_requests": document["signIns"],
        "parcels": parcel["parcel"],
    }
    for place in await life.found():
        table, column = place.split(".")
        if column not in HIDDEN and table not in LEFT_OUT and place != "delegations.holder":
            assert MARK in json.dumps(sections[table]), place
    assert document["devices"][0]["name"] == f"phone of {MARK}"
    assert {one["address"] for one in document["addresses"]} == {
        f"{MARK}@example.org",
        f"+372{MARK}",
    }
    assert document["preferences"][0]["wishes"]["favourite_hubs"] == [f"{life.town.hub_id}"]
    assert parcel["role"] == "recipient"
    assert parcel["parcel"]["recipientName"] == f"Ada {MARK}"
    assert parcel["history"][0]["sourceText"] == f"left with {MARK}"
    assert [len(parcel[name]) for name in ("windows", "links")] == [1, 1]
    assert document["keyHistory"][0]["entry"] is not None
    assert document["cut"] == []


async def test_parcel_comes_with_its_stay_and_a_receipt_that_verifies(
    life: Life, keyring: DerivedKeyring
) -> None:
    town = life.town
    await collected(life.database, town)
    await seal(life.database, keyring)
    [parcel] = (await taken(life.database, town.recipient))["parcels"]
    receipt = base64.b64decode(parcel["receipt"])
    assert len(verify_receipt(receipt, trust_in(town, keyring)).entries) == 4
    assert parcel["stays"][0]["stay"]["begunAt"] == START.isoformat()


async def test_nobody_else_is_in_it(life: Life) -> None:
    await life.add_parcel("parcel", ParcelState.COLLECTED)
    async with life.database.write() as session:
        session.add(Person(id=key_of("other"), created_at=START))
        await session.flush()
        other = await life.town.add_parcel(session, "other parcel")
        other.recipient_id, other.recipient_name = key_of("other"), OTHER_MARK
    text = json.dumps(await taken(life.database, life.town.recipient))
    assert OTHER_MARK not in text
    for name in ("other", "courier", "operator", "stranger"):
        assert f"{key_of(name)}" not in text


async def test_parcels_come_in_pages_each_once(life: Life) -> None:
    async with life.database.write() as session:
        for number in range(PARCELS_AT_ONCE + 1):
            await life.town.add_parcel(session, f"parcel {number}")
    first = await take(life.database, life.town.recipient)
    assert isinstance(first, Takeout)
    rest = await take(life.database, life.town.recipient, after=first.ended_at)
    assert isinstance(rest, Takeout)
    pages = [json.loads(page.document) for page in (first, rest)]
    assert [len(page["parcels"]) for page in pages] == [PARCELS_AT_ONCE, 1]
    assert len({one["parcel"]["id"] for page in pages for one in page["parcels"]}) == 11
    assert ("devices" in pages[0], "devices" in pages[1]) == (True, False)
    assert rest.ended_at is None


async def test_it_is_for_oneself_and_for_operators_who_were_asked(life: Life) -> None:
    town = life.town
    assert isinstance(await take(life.database, town.operator, person_id=life.person), Takeout)
    for actor, person, code in (
        (town.stranger, life.person, ProblemCode.NOT_FOUND),
        (town.manager, life.person, ProblemCode.NOT_FOUND),
        (town.operator, key_of("nobody"), ProblemCode.NOT_FOUND),
        (ANONYMOUS, None, ProblemCode.SIGNED_OUT),
    ):
        refused = await take(life.database, actor, person_id=person)
        assert isinstance(refused, Refusal)
        assert refused.code is code


def test_list_that_is_longer_than_a_page_is_named() -> None:
    page = Page()
    assert len(page.rows("history", [None] * (MOST_ROWS + 1))) == MOST_ROWS
    assert page.rows("links", [None]) == [None]
    assert page.cut == {"history"}
