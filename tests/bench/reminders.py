"""How fast a worker finds, words and hands out reminders when very many are due at once."""

from __future__ import annotations

import asyncio
import hashlib
import resource
import sys
import tempfile
import time
import uuid
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from schema.compartments import ClimateZone
from server.kit.db import Database, insert_all_new
from server.notices.rules import NoticeKind
from server.notices.service.reminding import SWEEP, hand_out
from server.notices.tables import Reminder
from server.notices.wording import Facts, write_notice
from server.parcels.states import ParcelState
from server.parcels.tables import LocationKind, Parcel
from server.people.preferences import Language, Preferences, store
from server.people.tables import Person, StoredPreferences
from tests.fakes.sources import START
from tests.fakes.stores import SqliteTemplate
from tests.fakes.town import build_town, key_of

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from server.kit.db import Session
    from tests.bench.report import Row

DUE = 100_000
PORTION = 1_000
LEAST_PER_S = 2_000
MOST_MB = 300
NOW = START + timedelta(hours=24)

ZONES = ("Europe/Tallinn", "Europe/Paris", "Europe/Lisbon")
WISHES = tuple(
    Preferences(version=1, language=language, time_zone=zone)
    for language in Language
    for zone in ZONES
)
"""What recipients have chosen, each in turn; nobody sleeps at noon."""


async def measure() -> list[Row]:
    """The rate beside the least that is wanted, and the memory of a process of its own."""
    script = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bench.reminders", stdout=asyncio.subprocess.PIPE
    )
    answer, _ = await script.communicate()
    took_s, enqueued, peak_mb = (float(word) for word in answer.split()[-3:])
    rate = enqueued / took_s
    return [
        {
            "name": f"{DUE:,} due reminders: 2,000 a second, beside what was reached",
            "value": LEAST_PER_S / rate,
            "limit": 1.0,
            "detail": f"{enqueued:,.0f} found, worded and enqueued in {took_s:.1f} s,"
            f" {rate:,.0f} a second",
        },
        {
            "name": "reminders: peak memory of the process, MB",
            "value": peak_mb,
            "limit": float(MOST_MB),
            "detail": f"in portions of {SWEEP}",
        },
    ]


async def run() -> None:
    """Fill a database, then hand everything out; prints seconds, events and peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        template = await asyncio.to_thread(SqliteTemplate, Path(folder))
        database = Database(template.copy(Path(folder)))
        await fill(database)
        before = time.perf_counter()
        enqueued = await hand_out_all(database)
        took_s = time.perf_counter() - before
        await database.close()
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(took_s, enqueued, peak_mb)


async def hand_out_all(database: Database) -> int:
    """As the worker does, with the words that each recipient will read: nobody's are another's."""
    total, zones = 0, {wishes.zone("UTC").key: wishes.zone("UTC") for wishes in WISHES}
    while True:
        async with database.write() as session:
            seen = await hand_out(session, now=NOW)
        for number in range(total, total + seen):
            wishes = wishes_of(number)
            until = through_of(number).astimezone(zones[str(wishes.time_zone)])
            write_notice(NoticeKind.REMIND_1, wishes.language, Facts("Corner Shop", until))
        total += seen
        if seen < SWEEP:
            return total


def wishes_of(number: int) -> Preferences:
    """What the recipient of this number has chosen."""
    return WISHES[number % len(WISHES)]


def through_of(number: int) -> datetime:
    """Until when their parcel waits: every minute of two days."""
    return START + timedelta(hours=72, minutes=number % 2880)


async def fill(database: Database) -> None:
    """So many parcels that were ready a day ago, each with its own recipient."""
    async with database.write() as session:
        await build_town(session)
    for first in range(0, DUE, PORTION):
        async with database.write() as session:
            await add_portion(session, range(first, first + PORTION))


async def add_portion(session: Session, numbers: range) -> None:
    """Recipients with their wishes, their parcels and the reminders of these."""
    ids = {number: uuid.UUID(int=1 << 100 | number) for number in numbers}
    await insert_all_new(
        session, Person, [{"id": one, "created_at": START} for one in ids.values()]
    )
    chosen = [preferences(number, one) for number, one in ids.items()]
    await insert_all_new(session, StoredPreferences, chosen)
    await insert_all_new(session, Parcel, [parcel(number, one) for number, one in ids.items()])
    await insert_all_new(session, Reminder, [reminder(one, NOW) for one in ids.values()])


def preferences(number: int, key: uuid.UUID) -> dict[str, Any]:
    """What the person of this key has chosen."""
    wishes = wishes_of(number)
    return {"person_id": key, "version": 1, "changed_at": START, "wishes": store(wishes)}


def parcel(number: int, key: uuid.UUID) -> dict[str, Any]:
    """A parcel that has waited for a day; its recipient has the same key."""
    return {
        "id": key,
        "created_at": START,
        "version": 3,
        "code": f"R{number}",
        "carrier_id": key_of("carrier"),
        "tracking_no": f"T{number}",
        "content_hash": hashlib.sha256(key.bytes).digest(),
        "recipient_id": key,
        "width_mm": 200,
        "height_mm": 100,
        "depth_mm": 300,
        "climate_zone": ClimateZone.AMBIENT,
        "is_perishable": False,
        "is_age_restricted": False,
        "is_fragile": False,
        "state": ParcelState.READY_FOR_PICKUP,
        "hub_id": key_of("hub"),
        "planned_hub_id": key_of("hub"),
        "location_kind": LocationKind.PLANNED,
        "is_pass_through": False,
        "is_from_counter": False,
        "available_from": START,
        "available_through": through_of(number),
        "deadline_version": 1,
    }


def reminder(key: uuid.UUID, at: datetime) -> dict[str, Any]:
    """The first reminder of that parcel."""
    return {
        "parcel_id": key,
        "kind": NoticeKind.REMIND_1,
        "due_at": at,
    }


if __name__ == "__main__":
    asyncio.run(run())
