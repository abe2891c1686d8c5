"""What a link in a letter gives its bearer: tracking always, digits only where nothing else can."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.compartments import ClimateZone
from schema.tokens.passes import is_pin_right
from server.access.links import LINK_LIFE, PASSES_EACH, LinkName
from server.access.service.guests import DEAD_LINK, GUEST_PASS_ISSUED
from server.access.service.passes import PASS_ISSUED, Pass
from server.access.service.revocations import Withdrawn, revoke_grant
from server.access.tables import Grant, IssuedPass
from server.climate.rules import Spoiling
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.lockers.tables import Locker
from server.parcels.states import Authority, ParcelState, Party, Trigger
from server.parcels.tables import Parcel, ParcelEvent
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of
from tests.server.access.service.guests import ask_pass, letter, look, name_in_letter, welcome
from tests.server.access.service.test_bundles import STAY
from tests.server.access.service.test_passes import SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from server.access.service.bundles import Tools
    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock


@pytest.fixture
async def waiting(database: Database, town: Town, keyring: DerivedKeyring) -> Town:
    """The town, where a parcel waits for somebody without a phone."""
    await welcome(database, town, keyring, ParcelState.READY_FOR_PICKUP)
    return town


async def digits(database: Database, name: LinkName, tools: Tools) -> Pass:
    got = await ask_pass(database, name, tools)
    assert isinstance(got, Pass)
    return got


async def code_of(database: Database, name: LinkName, tools: Tools) -> ProblemCode:
    got = await ask_pass(database, name, tools)
    assert isinstance(got, Refusal)
    return got.code


async def test_guest_is_given_the_pin_that_the_locker_works_out(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    got = await digits(database, await name_in_letter(database, tools()), tools())
    assert is_pin_right(SECRET, STAY, got.digits, int(START.timestamp()))
    assert got.place.compartment.number == 3
    async with database.read() as session:
        (grant,) = (await session.exec(select(Grant))).all()
    assert grant.holder_id == key_of("guest")


async def test_each_pin_that_a_link_gives_is_written_down_and_told(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    first, second = [await digits(database, name, tools()) for _ in range(2)]
    assert first.digits == second.digits
    async with database.read() as session:
        rows = (await session.exec(select(IssuedPass))).all()
        news = (await session.exec(select(Outbox).order_by(col(Outbox.id)))).all()
    assert [(row.device_id, row.day) for row in rows] == [(None, rows[0].day)] * 2
    assert [one.kind for one in news] == [GUEST_PASS_ISSUED] * 2
    assert {one.id for one in news} == {row.id for row in rows}
    assert [one.facts for one in news] == [
        {"number": number, "personId": str(key_of("guest"))} for number in (1, 2)
    ]
    assert first.digits not in f"{rows}{[one.model_dump() for one in news]}"
    assert PASS_ISSUED not in {one.kind for one in news}


async def test_recipient_with_a_phone_gets_no_pin_by_link_and_sees_the_parcel(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    async with database.write() as session:
        device = await waiting.add_phone(session, "guest")
    assert await code_of(database, name, tools()) is ProblemCode.NOT_PERMITTED
    seen = await look(database, name, tools())
    assert seen is not None
    assert not seen.may_request_pass
    async with database.write() as session:
        device.revoked_at = START
        session.add(device)
    assert await code_of(database, name, tools()) is ProblemCode.NOT_PERMITTED


async def test_link_gives_its_share_of_pins_and_is_locked(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    for _ in range(PASSES_EACH):
        await digits(database, name, tools())
    refused = await ask_pass(database, name, tools())
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.next) == (
        ProblemCode.WRONG_STATE,
        "Ask at the hub, or ask support for a new link.",
    )
    seen = await look(database, name, tools())
    assert seen is not None
    assert not seen.may_request_pass
    async with database.read() as session:
        assert len((await session.exec(select(IssuedPass))).all()) == PASSES_EACH


@pytest.mark.parametrize(
    "state", [ParcelState.OUT_FOR_DELIVERY, ParcelState.COLLECTED, ParcelState.EXPIRED]
)
async def test_there_is_no_pin_for_a_parcel_that_does_not_wait(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    tools: Callable[[], Tools],
    state: ParcelState,
) -> None:
    await welcome(database, town, keyring, state)
    name = await name_in_letter(database, tools())
    assert await code_of(database, name, tools()) is ProblemCode.WRONG_STATE
    seen = await look(database, name, tools())
    assert seen is not None
    assert (seen.guest.parcel.state, seen.may_request_pass) == (state, False)


async def test_there_is_no_pin_for_food_that_may_not_be_eaten(
    database: Database, town: Town, keyring: DerivedKeyring, tools: Callable[[], Tools]
) -> None:
    await welcome(database, town, keyring, ParcelState.ON_HOLD)
    async with database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.climate_zone, parcel.version = ClimateZone.CHILLED, 1
        session.add(
            ParcelEvent(
                id=key_of("held"),
                parcel_id=parcel.id,
                number=1,
                at=START,
                recorded_at=START,
                row="P20",
                trigger=Trigger.HOLD,
                source=ParcelState.READY_FOR_PICKUP,
                target=ParcelState.ON_HOLD,
                authority=Authority.INTENT,
                party=Party.SRV,
                reason=Spoiling.TOO_WARM,
            )
        )
    name = await name_in_letter(database, tools())
    assert await code_of(database, name, tools()) is ProblemCode.CLIMATE_HOLD


async def test_there_is_no_pin_once_the_right_was_withdrawn(
    database: Database, waiting: Town, keyring: DerivedKeyring, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    got = await digits(database, name, tools())
    async with database.write() as session:
        (grant,) = (await session.exec(select(Grant))).all()
        outcome = await revoke_grant(
            session, waiting.operator, grant_id=grant.id, keyring=keyring, now=START
        )
    assert isinstance(outcome, Withdrawn)
    assert outcome.pin_until == got.expires_at
    assert await code_of(database, name, tools()) is ProblemCode.WRONG_STATE


async def test_there_is_no_pin_from_a_locker_whose_secret_cannot_be_read(
    database: Database, waiting: Town, keyring: DerivedKeyring, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    async with database.write() as session:
        (await session.get_one(Locker, waiting.locker_id)).sealed_pin_secret = bytes(82)
    assert await code_of(database, name, tools()) is ProblemCode.WRONG_STATE


async def test_link_ends_by_itself_and_shows_nothing_after_that(
    database: Database, waiting: Town, tools: Callable[[], Tools], clock: MovableClock
) -> None:
    name = await name_in_letter(database, tools())
    clock.move(seconds=LINK_LIFE.total_seconds() - 1)
    assert await look(database, name, tools()) is not None
    clock.move(seconds=1)
    assert await look(database, name, tools()) is None
    assert await ask_pass(database, name, tools()) is DEAD_LINK


@pytest.mark.parametrize("series", [0, 2])
async def test_link_of_another_series_or_to_nothing_is_dead(
    database: Database, waiting: Town, tools: Callable[[], Tools], series: int
) -> None:
    await letter(database, tools())
    for name in (LinkName(key_of("parcel"), series), LinkName(key_of("none"), 1)):
        assert await look(database, name, tools()) is None
        assert await ask_pass(database, name, tools()) is DEAD_LINK


async def test_link_that_no_letter_brought_is_dead(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    for series in (0, 1):
        name = LinkName(key_of("parcel"), series)
        assert await look(database, name, tools()) is None


async def test_guest_sees_the_last_changes_of_state_in_order(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    states = [None, ParcelState.IN_TRANSIT, ParcelState.IN_TRANSIT, ParcelState.OUT_FOR_DELIVERY]
    async with database.write() as session:
        for number in range(1, len(states)):
            target = states[number]
            assert target is not None
            session.add(
                ParcelEvent(
                    id=key_of(f"line {number}"),
                    parcel_id=key_of("parcel"),
                    number=number,
                    at=START + timedelta(hours=number),
                    recorded_at=START,
                    row="P7",
                    trigger=Trigger.ANNOUNCE,
                    source=states[number - 1],
                    target=target,
                    authority=Authority.INTENT,
                    party=Party.CAR,
                )
            )
    seen = await look(database, await name_in_letter(database, tools()), tools())
    assert seen is not None
    assert [one.number for one in seen.history] == [1, 3]
    assert seen.hub.id == waiting.hub_id
    assert seen.may_request_pass


async def test_parcel_for_nobody_gives_no_pin(
    database: Database, waiting: Town, tools: Callable[[], Tools]
) -> None:
    name = await name_in_letter(database, tools())
    async with database.write() as session:
        (await session.get_one(Parcel, key_of("parcel"))).recipient_id = None
    assert await code_of(database, name, tools()) is ProblemCode.NOT_PERMITTED
