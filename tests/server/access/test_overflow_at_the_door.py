"""More is revoked than a list holds: what the server hands out then, and what a real locker takes.

The server's services and the agent are the real ones.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ble_agent.phone.errand import Errand, LockerKeys
from ble_agent.phone.link import PhoneLink
from ble_agent.session.locker import open_store
from ble_agent.store.identity import commission
from schema.codes import Code
from schema.handshake import OpenRequest
from schema.keys import Operation
from schema.statements import MAX_REVOCATIONS, time_nonce
from schema.tokens import parse_token
from server.access import queries, signing
from server.access.service.bundles import Tools, UnlockBundle, make_unlock_bundle
from server.access.service.revocations import revoke_device
from server.access.service.statements import Signer, find_revocations, find_signer
from server.kit.auth import Actor
from server.lockers.tables import Locker
from server.parcels.states import ParcelState
from server.parcels.tables import Stay
from tests.ble_agent.standing import Standing, quick_folder
from tests.fakes.journals import stay_of
from tests.fakes.sources import START
from tests.fakes.town import COMPARTMENTS, ROOTS, Town, key_of, phone_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from server.kit.db import Database
    from tests.fakes.sources import DerivedKeyring, MovableClock

LOST = MAX_REVOCATIONS + 1


@dataclass
class Street:
    """The recipient's phones, the server, and the locker where their parcel lies."""

    database: Database
    town: Town
    locker: Standing
    keyring: DerivedKeyring
    clock: MovableClock
    tools: Callable[[], Tools]

    async def add_phone(self, name: str) -> None:
        async with self.database.write() as session:
            await self.town.add_phone(session, f"recipient {name}")

    async def fetch(self, name: str) -> UnlockBundle:
        """What the recipient's phone of this name gets now."""
        own = self.town.recipient
        actor = Actor(own.person_id, key_of(f"recipient {name} phone"), None, own.grants)
        async with self.database.write() as session:
            got = await make_unlock_bundle(
                session, actor, parcel_id=key_of("parcel"), tools=self.tools()
            )
        assert isinstance(got, UnlockBundle), got
        return got

    async def lose(self, *names: str) -> None:
        """The recipient removes these phones."""
        for name in names:
            async with self.database.write() as session:
                await revoke_device(
                    session,
                    key_of(f"recipient {name} phone"),
                    keyring=self.keyring,
                    now=self.clock.now(),
                )

    async def ask(self, name: str, token: bytes, *bundles: UnlockBundle) -> Code:
        """What the locker answers this phone, which brings the statements of these bundles."""
        identity = self.locker.locker.identity
        keys = LockerKeys(identity.lid, identity.noise_public, identity.signing.public)
        brought = tuple((one.kind, one.raw) for each in bundles for one in each.statements)
        async with self._door() as link:
            errand = Errand(link, keys, phone_key(f"recipient {name}"))
            outcome = await errand.request(
                (token,), OpenRequest(Operation.OPEN), brought, find_time=self._time
            )
        return Code(outcome.result.code)

    async def _time(self, hello: bytes) -> bytes:
        async with self.database.read() as session:
            signer = await find_signer(
                session, self.locker.lid, keyring=self.keyring, now=self.clock.now()
            )
        assert isinstance(signer, Signer)
        now = signing.unix_s(self.clock.now())
        return signing.make_time(signer.issuer, signer.lid, now=now, nonce=time_nonce(hello))

    @asynccontextmanager
    async def _door(self) -> AsyncIterator[PhoneLink]:
        phone = await self.locker.radio.connect()
        try:
            yield PhoneLink(phone)
        finally:
            await phone.leave()


@pytest.fixture
async def street(
    database: Database,
    town: Town,
    keyring: DerivedKeyring,
    clock: MovableClock,
    tools: Callable[[], Tools],
) -> AsyncIterator[Street]:
    with quick_folder() as folder:
        locker = Standing(folder / "state", compartments=COMPARTMENTS)
        store = open_store(locker.folder)
        identity = commission(
            store, compartments=COMPARTMENTS, roots=ROOTS, take_random=secrets.token_bytes
        )
        store.close()
        await locker.start()
        async with database.write() as session:
            row = await session.get_one(Locker, town.locker_id)
            row.lid, row.noise_public = identity.lid, identity.noise_public
            row.sign_public = identity.signing.public
            parcel = await town.add_parcel(session, state=ParcelState.READY_FOR_PICKUP)
            stay = Stay(
                id=key_of("stay"),
                name=stay_of(1),
                created_at=START,
                locker_id=town.locker_id,
                compartment_id=key_of("door 3"),
                begun_at=START,
            )
            session.add(stay)
            await session.flush()
            parcel.stay_id = stay.id
        yield Street(database, town, locker, keyring, clock, tools)
        await locker.stop()


async def test_overflow_kills_old_tokens_and_every_live_phone_gets_a_new_one(
    street: Street,
) -> None:
    lost = [f"lost {number}" for number in range(LOST)]
    live = ["one", "two"]
    for name in (*lost, *live):
        await street.add_phone(name)
    former = {name: await street.fetch(name) for name in (*lost, *live)}
    street.clock.move(minutes=1)
    await street.lose(*lost)
    fresh = {name: await street.fetch(name) for name in live}
    for name in live:
        assert fresh[name].token.raw != former[name].token.raw
        assert fresh[name].grant.id == former[name].grant.id
        again = await street.fetch(name)
        assert again.token.raw == fresh[name].token.raw
    # The stay is not stored there: a token that is taken up to that point is answered 8.
    first = await street.ask("one", fresh["one"].token.raw, fresh["one"])
    assert first is Code.OUT_OF_SCOPE
    for name in (*lost, *live):
        assert await street.ask(name, former[name].token.raw) is Code.REVOKED
    assert await street.ask("two", fresh["two"].token.raw) is Code.OUT_OF_SCOPE


async def test_token_in_a_bundle_outlives_the_list_beside_it(street: Street) -> None:
    """The list is made when the bundle is: nothing told the server before that it is too long."""
    names = [f"lost {number}" for number in range(LOST)]
    for name in (*names, "one"):
        await street.add_phone(name)
        await street.fetch(name)
    street.clock.move(minutes=1)
    async with street.database.write() as session:
        for name in names:
            await queries.revoke_device_tokens(
                session,
                key_of(f"recipient {name} phone"),
                now=street.clock.now(),
                now_s=signing.unix_s(street.clock.now()),
            )
    bundle = await street.fetch("one")
    claims = parse_token(bundle.token.raw).claims
    async with street.database.read() as session:
        listed = await find_revocations(session, street.locker.lid)
    assert listed is not None
    assert listed.min_iat == signing.unix_s(street.clock.now())
    assert (claims.iat >= listed.min_iat, claims.minrev) == (True, listed.seq)
    assert await street.ask("one", bundle.token.raw, bundle) is Code.OUT_OF_SCOPE


async def test_list_that_was_cut_in_one_second_is_whole_in_the_next(street: Street) -> None:
    names = [f"lost {number}" for number in range(LOST)]
    for name in (*names, "one"):
        await street.add_phone(name)
    former = {name: await street.fetch(name) for name in names}
    await street.lose(*names)
    street.clock.move(seconds=1)
    bundle = await street.fetch("one")
    assert await street.ask("one", bundle.token.raw, bundle) is Code.OUT_OF_SCOPE
    answers = {await street.ask(name, former[name].token.raw) for name in names}
    assert answers == {Code.REVOKED}
