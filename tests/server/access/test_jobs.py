"""What access does when a parcel was deposited or a phone removed."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from server.access.jobs import GRANT_READY, AccessJobs
from server.access.rules import Action
from server.access.service.grants import GrantTerms, issue_grant
from server.access.tables import Grant
from server.kit.outbox import Dead, Done, Lease, Outbox
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel, Stay
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import Town, key_of, publish_key_set

if TYPE_CHECKING:
    import uuid

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness


@pytest.fixture
def jobs(
    database: Database,
    keyring: DerivedKeyring,
    ids: CountedIds,
    randomness: SeededRandomness,
    clock: MovableClock,
) -> AccessJobs:
    return AccessJobs(database, keyring=keyring, ids=ids, randomness=randomness, clock=clock)


def lease(kind: str, subject: uuid.UUID) -> Lease:
    return Lease(key_of("event"), kind, subject, {}, 1, START, START + timedelta(seconds=30))


async def put_in(database: Database, town: Town, state: ParcelState) -> None:
    async with database.write() as session:
        parcel = await town.add_parcel(session, state=state)
        session.add(
            Stay(
                id=key_of("stay"),
                name=stay_of(1),
                created_at=START,
                locker_id=town.locker_id,
                compartment_id=key_of("door 3"),
                begun_at=START,
            )
        )
        await session.flush()
        parcel.stay_id = key_of("stay")


async def set_state(database: Database, state: ParcelState) -> None:
    async with database.write() as session:
        parcel = await session.get(Parcel, key_of("parcel"))
        assert parcel is not None
        parcel.state = state


async def events(database: Database) -> list[tuple[str, uuid.UUID]]:
    async with database.read() as session:
        return [(row.kind, row.subject) for row in await session.exec(select(Outbox))]


async def grants(database: Database) -> list[Grant]:
    async with database.read() as session:
        return list(await session.exec(select(Grant)))


async def test_deposit_gives_the_recipient_a_grant_and_tells_of_it_once(
    database: Database, town: Town, jobs: AccessJobs
) -> None:
    await put_in(database, town, ParcelState.DEPOSITED)
    for _ in range(2):
        held = lease("parcel.deposited", key_of("parcel"))
        assert await jobs.on_parcel_deposited(held) == Done()
    (grant,) = await grants(database)
    assert (grant.action, grant.holder_id, grant.stay) == (
        "OPEN",
        key_of("recipient"),
        stay_of(1),
    )
    assert await events(database) == [(GRANT_READY, key_of("parcel"))]


async def test_parcel_taken_away_meanwhile_gets_no_grant(
    database: Database, town: Town, jobs: AccessJobs
) -> None:
    await put_in(database, town, ParcelState.OUT_FOR_DELIVERY)
    assert await jobs.on_parcel_deposited(lease("parcel.deposited", key_of("parcel"))) == Done()
    assert await grants(database) == []
    assert await events(database) == []


async def test_expired_parcel_ends_the_grant_and_a_revived_one_gets_another(
    database: Database, town: Town, jobs: AccessJobs
) -> None:
    await put_in(database, town, ParcelState.DEPOSITED)
    deposited = lease("parcel.deposited", key_of("parcel"))
    await jobs.on_parcel_deposited(deposited)
    await set_state(database, ParcelState.EXPIRED)
    for _ in range(2):
        expired = lease("parcel.expired", key_of("parcel"))
        assert await jobs.on_parcel_expired(expired) == Done()
    assert [grant.state for grant in await grants(database)] == ["EXPIRED"]
    await set_state(database, ParcelState.READY_FOR_PICKUP)
    await jobs.on_parcel_expired(lease("parcel.expired", key_of("parcel")))
    await jobs.on_parcel_deposited(deposited)
    assert sorted(grant.state for grant in await grants(database)) == ["ACTIVE", "EXPIRED"]


async def test_grant_whose_time_is_over_is_ended(
    database: Database, town: Town, jobs: AccessJobs, clock: MovableClock
) -> None:
    async with database.write() as session:
        await town.add_parcel(session)
        for name, life_h in (("short", 1), ("long", 3), ("open", None)):
            terms = GrantTerms(
                action=Action.DEPOSIT,
                parcel_id=key_of("parcel"),
                locker_id=town.locker_id,
                stay=stay_of(1),
                compartment=None,
                holder_id=key_of("courier"),
                not_after=None if life_h is None else START + timedelta(hours=life_h),
            )
            await issue_grant(session, terms, grant_id=key_of(name), now=START)
    clock.move(hours=2)
    for _ in range(2):
        await jobs.expire_grants()
    ended = [grant.id for grant in await grants(database) if grant.state == "EXPIRED"]
    assert ended == [key_of("short")]


async def test_event_about_no_parcel_is_given_up(database: Database, jobs: AccessJobs) -> None:
    held = lease("parcel.deposited", key_of("nothing"))
    assert isinstance(await jobs.on_parcel_deposited(held), Dead)


async def test_removed_phone_without_tokens_is_nothing_to_tell(
    database: Database, town: Town, jobs: AccessJobs
) -> None:
    assert await jobs.on_device_removed(lease("device", key_of("recipient phone"))) == Done()
    assert await events(database) == []


async def test_keys_that_end_soon_are_told_to_whoever_reads_the_log(
    database: Database,
    town: Town,
    jobs: AccessJobs,
    keyring: DerivedKeyring,
    ids: CountedIds,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert await jobs.watch_keys() == START + timedelta(days=45)
    assert not caplog.messages
    clock.move(days=30)
    assert await jobs.watch_keys() == START + timedelta(days=45)
    assert ["keySetDraft" in told for told in caplog.messages] == [True]
    async with database.write() as session:
        await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
    assert await jobs.watch_keys() == clock.now() + timedelta(days=45)
    clock.move(days=46)
    assert await jobs.watch_keys() is None
    assert len(caplog.messages) == 2
