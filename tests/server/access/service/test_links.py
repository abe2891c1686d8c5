"""Links to a parcel: the same in every letter, until they are withdrawn, replaced or over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from server.access.links import LINK_LIFE, MAX_SERIES, PASSES_EACH
from server.access.service.guests import DEAD_LINK
from server.access.service.links import LINK_RENEWED, LinkWithdrawn, renew_link, revoke_link
from server.access.service.passes import Pass
from server.access.tables import GuestLink
from server.kit.auth import ANONYMOUS, Actor
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, Stay
from server.people.roles import Role
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of
from tests.server.access.service.guests import ask_pass, letter, look, name_in_letter, welcome

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock


@pytest.fixture
async def waiting(database: Database, town: Town, keyring: DerivedKeyring) -> Town:
    """The town, where a parcel waits for somebody without a phone."""
    await welcome(database, town, keyring, ParcelState.READY_FOR_PICKUP)
    return town


async def revoke(
    database: Database, actor: Actor, tools: Tools, parcel: str = "parcel"
) -> LinkWithdrawn | Refusal:
    async with database.write() as session:
        return await revoke_link(session, actor, parcel_id=key_of(parcel), now=tools.now)


async def renew(
    database: Database, actor: Actor, tools: Tools, parcel: str = "parcel"
) -> GuestLink | Refusal:
    async with database.write() as session:
        return await renew_link(
            session, actor, parcel_id=key_of(parcel), ids=tools.ids, now=tools.now
        )


async def row(database: Database, parcel_id: uuid.UUID) -> GuestLink:
    async with database.read() as session:
        return await session.get_one(GuestLink, parcel_id)


async def test_every_letter_has_the_same_link_and_gives_it_time(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    first = await letter(database, tools())
    clock.move(days=3)
    assert await letter(database, tools()) == first
    assert (await row(database, key_of("parcel"))).expires_at == clock.now() + LINK_LIFE


async def test_link_is_nowhere_in_the_database(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    link = await letter(database, tools())
    assert link is not None
    kept = await row(database, key_of("parcel"))
    assert link not in f"{kept.model_dump()}"
    assert set(kept.model_dump()) == {
        "parcel_id",
        "series",
        "issued_at",
        "expires_at",
        "revoked_at",
        "revoked_by",
        "passes",
        "passes_allowed",
        "adopted_at",
        "adopted_by",
    }


async def test_letter_after_the_end_has_a_new_link_and_the_old_one_stays_dead(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    old = await name_in_letter(database, tools())
    clock.move(seconds=LINK_LIFE.total_seconds())
    new = await name_in_letter(database, tools())
    assert (old.series, new.series) == (1, 2)
    assert await look(database, old, tools()) is None
    assert await look(database, new, tools()) is not None


@pytest.mark.parametrize("who", ["recipient", "operator", "support"])
async def test_recipient_and_support_withdraw_links_for_good(
    database: Database, waiting: Town, tools: Callable[[], Tools], who: str
) -> None:
    actor = {
        "recipient": waiting.actor("guest"),
        "operator": waiting.operator,
        "support": waiting.actor("support", Role.SUPPORT),
    }[who]
    name = await name_in_letter(database, tools())
    given = await ask_pass(database, name, tools())
    assert isinstance(given, Pass)
    for _ in range(2):
        outcome = await revoke(database, actor, tools())
        assert outcome == LinkWithdrawn(key_of("parcel"), given.expires_at)
    assert (await row(database, key_of("parcel"))).revoked_by == actor.person_id
    assert await look(database, name, tools()) is None
    assert await ask_pass(database, name, tools()) is DEAD_LINK
    assert await letter(database, tools()) is None


async def test_links_can_be_withdrawn_before_there_is_one(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    outcome = await revoke(database, waiting.operator, tools())
    assert outcome == LinkWithdrawn(key_of("parcel"), None)
    clock.move(days=40)
    assert await letter(database, tools()) is None


async def test_pin_of_a_stay_that_has_ended_opens_nothing_any_more(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    await ask_pass(database, await name_in_letter(database, tools()), tools())
    async with database.write() as session:
        (await session.get_one(Stay, key_of("stay"))).ended_at = START
    outcome = await revoke(database, waiting.operator, tools())
    assert outcome == LinkWithdrawn(key_of("parcel"), None)


@pytest.mark.parametrize("role", [None, Role.COURIER, Role.HUB_MANAGER, Role.AUDITOR])
async def test_others_can_neither_withdraw_nor_renew(
    database: Database, waiting: Town, tools: Callable[[], Tools], role: Role | None
) -> None:
    name = await name_in_letter(database, tools())
    actor = waiting.actor("stranger", *([] if role is None else [role]))
    for act in (revoke, renew):
        for parcel in ("parcel", "none"):
            refused = await act(database, actor, tools(), parcel)
            assert isinstance(refused, Refusal)
            assert refused.code is ProblemCode.NOT_FOUND
        refused = await act(database, ANONYMOUS, tools())
        assert isinstance(refused, Refusal)
        assert refused.code is ProblemCode.SIGNED_OUT
    assert await look(database, name, tools()) is not None


async def test_recipient_cannot_have_a_letter_written(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    refused = await renew(database, waiting.actor("guest"), tools())
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.NOT_FOUND


async def test_new_link_ends_the_former_ones_and_unlocks(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    old = await name_in_letter(database, tools())
    for _ in range(PASSES_EACH):
        await ask_pass(database, old, tools())
    await revoke(database, waiting.operator, tools())
    renewed = await renew(database, waiting.operator, tools())
    assert isinstance(renewed, GuestLink)
    new = await name_in_letter(database, tools())
    assert (old.series, new.series) == (1, 2)
    assert await look(database, old, tools()) is None
    assert isinstance(await ask_pass(database, new, tools()), Pass)
    kept = await row(database, key_of("parcel"))
    assert (kept.passes, kept.passes_allowed) == (PASSES_EACH + 1, 2 * PASSES_EACH)
    async with database.read() as session:
        asked = select(Outbox).where(Outbox.kind == LINK_RENEWED)
        (event,) = (await session.exec(asked)).all()
    assert (event.subject, event.facts) == (key_of("parcel"), {"series": 2})


async def test_there_is_no_letter_about_a_parcel_for_nobody_or_after_too_many(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    await letter(database, tools())
    async with database.write() as session:
        (await session.get_one(GuestLink, key_of("parcel"))).series = MAX_SERIES
    refused = await renew(database, waiting.operator, tools())
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.WRONG_STATE
    clock.move(seconds=LINK_LIFE.total_seconds())
    assert await letter(database, tools()) is None
    async with database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).recipient_id = None
    refused = await renew(database, waiting.operator, tools())
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.NOT_FOUND
