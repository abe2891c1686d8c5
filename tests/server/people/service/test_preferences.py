"""Choosing under the eyes of other devices: one version after another, each told once."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.people.preferences import Language, Preferences
from server.people.service.preferences import (
    PREFERENCES_CHANGED,
    change_preferences,
    get_preferences,
    list_preferences,
)
from server.people.tables import StoredPreferences
from tests.fakes.sources import START
from tests.fakes.town import Town, build_town, key_of
from tests.makers import make_carrier_actor

if TYPE_CHECKING:
    from server.kit.auth import Actor
    from server.kit.db import Database

GERMAN = Preferences(language=Language.DE)


@pytest.fixture
async def town(database: Database) -> Town:
    async with database.write() as session:
        return await build_town(session)


async def change(
    database: Database, actor: Actor, wanted: Preferences = GERMAN
) -> Preferences | Refusal:
    async with database.write() as session:
        return await change_preferences(session, actor, wanted=wanted, now=START)


async def told(database: Database) -> list[int]:
    async with database.read() as session:
        rows = await session.exec(select(Outbox).where(Outbox.kind == PREFERENCES_CHANGED))
        return sorted(row.facts["version"] for row in rows)


async def test_each_choice_is_a_version_and_is_told_once(database: Database, town: Town) -> None:
    for _ in range(2):
        assert await change(database, town.recipient) == replace(GERMAN, version=1)
    second = Preferences(version=1, language=Language.ES)
    assert await change(database, town.recipient, second) == replace(second, version=2)
    assert await told(database) == [1, 2]
    async with database.read() as session:
        assert len((await session.exec(select(StoredPreferences))).all()) == 1
        assert (await get_preferences(session, key_of("recipient"))).language is Language.ES


async def test_two_devices_at_once_never_mix_their_wishes(database: Database, town: Town) -> None:
    wishes = [Preferences(language=one) for one in (Language.DE, Language.ES, Language.FR)]
    outcomes = await asyncio.gather(*(change(database, town.recipient, one) for one in wishes))
    kept = [one for one in outcomes if isinstance(one, Preferences)]
    late = [one.code for one in outcomes if isinstance(one, Refusal)]
    assert len(kept) == 1
    assert late == [ProblemCode.CHANGED_MEANWHILE] * 2
    async with database.read() as session:
        assert await get_preferences(session, key_of("recipient")) == kept[0]


async def test_only_people_prefer_anything(database: Database, town: Town) -> None:
    for actor, code in (
        (ANONYMOUS, ProblemCode.SIGNED_OUT),
        (make_carrier_actor(uuid.UUID(int=5)), ProblemCode.NOT_PERMITTED),
    ):
        refused = await change(database, actor)
        assert isinstance(refused, Refusal)
        assert refused.code is code
    assert await told(database) == []


async def test_a_refusal_changes_nothing(database: Database, town: Town) -> None:
    refused = await change(database, town.recipient, replace(GERMAN, time_zone="Moon/Sea"))
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == (ProblemCode.POLICY_INVALID, "timeZone")
    assert await told(database) == []


async def test_everybody_asked_for_is_answered(database: Database, town: Town) -> None:
    await change(database, town.recipient)
    people = [key_of("recipient"), key_of("stranger")]
    async with database.read() as session:
        known = await list_preferences(session, people)
    assert known == {people[0]: replace(GERMAN, version=1), people[1]: Preferences()}
