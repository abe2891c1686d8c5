"""The secrets behind PINs outlive the keys that they are sealed to."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlmodel import select

from server.kit.keyring import LIVES, OVERLAPS, Purpose
from server.lockers import jobs
from server.lockers.service import pin_secrets
from server.lockers.tables import Locker

if TYPE_CHECKING:
    import pytest

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock
    from tests.fakes.town import Town

SECRET = bytes(range(32))
LIFE_DAYS = LIVES[Purpose.SEAL] // timedelta(days=1)
OVERLAP_DAYS = OVERLAPS[Purpose.SEAL] // timedelta(days=1)


async def enrol(database: Database, town: Town, keyring: DerivedKeyring) -> None:
    async with database.write() as session:
        locker = await session.get_one(Locker, town.locker_id)
        locker.sealed_pin_secret = pin_secrets.seal_secret(SECRET, keyring)


async def locker_of(database: Database, town: Town) -> Locker:
    async with database.read() as session:
        return await session.get_one(Locker, town.locker_id)


async def secret_of(database: Database, town: Town, keyring: DerivedKeyring) -> bytes | None:
    return pin_secrets.open_secret(await locker_of(database, town), keyring)


async def test_secret_outlives_the_key_that_it_was_sealed_to(
    database: Database, town: Town, keyring: DerivedKeyring, clock: MovableClock
) -> None:
    await enrol(database, town, keyring)
    for _ in range(5):
        clock.move(days=LIFE_DAYS - OVERLAP_DAYS + 1)
        assert await jobs.reseal_pin_secrets(database, keyring) == 0
        assert await secret_of(database, town, keyring) == SECRET
    assert len(keyring.list_keys(Purpose.SEAL)) == 2


async def test_nothing_is_written_while_no_key_is_newer(
    database: Database, town: Town, keyring: DerivedKeyring, clock: MovableClock
) -> None:
    await enrol(database, town, keyring)
    before = await locker_of(database, town)
    clock.move(days=LIFE_DAYS - OVERLAP_DAYS - 1)
    await jobs.reseal_pin_secrets(database, keyring)
    assert await locker_of(database, town) == before
    clock.move(days=2)
    for _ in range(2):
        await jobs.reseal_pin_secrets(database, keyring)
    after = await locker_of(database, town)
    assert after.version == before.version + 1
    assert after.sealed_pin_secret != before.sealed_pin_secret


async def test_secret_that_is_lost_is_told_and_keeps_nobody_waiting(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    clock: MovableClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A machine that stood still for years: what it had sealed is gone, what came since is not."""
    sealed = pin_secrets.seal_secret(SECRET, keyring)
    first = await locker_of(database, town)
    clock.move(days=LIFE_DAYS + 1)
    keyring.rotate(Purpose.SEAL)
    async with database.write() as session:
        (await session.get_one(Locker, first.id)).sealed_pin_secret = sealed
        for number in range(pin_secrets.RESEALED_AT_ONCE):
            session.add(_twin(first, number, sealed))
        session.add(_twin(first, 0xFFFF, pin_secrets.seal_secret(SECRET, keyring)))
    clock.move(days=LIFE_DAYS - OVERLAP_DAYS)
    keyring.rotate(Purpose.SEAL)
    lost = await jobs.reseal_pin_secrets(database, keyring)
    assert lost == pin_secrets.RESEALED_AT_ONCE + 1
    assert "lost the secret of their PINs" in caplog.text
    async with database.read() as session:
        query = select(Locker).where(Locker.serial == f"twin {0xFFFF}")
        kept = (await session.exec(query)).one()
    assert kept.version == first.version + 1
    assert pin_secrets.open_secret(kept, keyring) == SECRET


async def test_board_that_was_replaced_is_left_alone(
    database: Database, town: Town, keyring: DerivedKeyring, clock: MovableClock
) -> None:
    await enrol(database, town, keyring)
    async with database.write() as session:
        old = await session.get_one(Locker, town.locker_id)
        new = _twin(old, 1, old.sealed_pin_secret)
        session.add(new)
        await session.flush()
        old.replaced_by = new.id
    clock.move(days=LIFE_DAYS - OVERLAP_DAYS + 1)
    await jobs.reseal_pin_secrets(database, keyring)
    assert (await locker_of(database, town)).version == 1


def _twin(first: Locker, number: int, sealed: bytes) -> Locker:
    """Another locker; its id comes behind those of lower numbers."""
    name = number.to_bytes(8)
    unlike = {
        "id": uuid.UUID(int=(0xFFFF << 112) + number),
        "lid": name,
        "serial": f"twin {number}",
        "noise_public": name * 4,
        "sign_public": name[::-1] * 4,
        "sealed_pin_secret": sealed,
    }
    return Locker(**{**first.model_dump(), **unlike})
