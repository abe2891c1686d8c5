"""What access does when something has happened elsewhere: handlers of outbox events."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING

from schema.ids import EVERY_LOCKER
from server.access.service.bundles import Tools, ensure_recipient_grant, find_open_stay
from server.access.service.grants import EXPIRED_AT_ONCE, expire_grants, on_parcel_expired
from server.access.service.revocations import revoke_deposits, revoke_device
from server.access.service.statements import find_signer
from server.kit import outbox
from server.kit.errors import Refusal
from server.kit.keyring import OVERLAPS, Purpose
from server.kit.outbox import Dead, Done, Outcome
from server.kit.portions import do_portions
from server.parcels import queries as parcels
from server.parcels.states import ParcelState

if TYPE_CHECKING:
    from datetime import datetime

    from server.kit.clock import Clock
    from server.kit.db import Database
    from server.kit.ids import Ids, Randomness
    from server.kit.keyring import Keyring
    from server.kit.outbox import Lease

logger = logging.getLogger(__name__)

GRANT_READY = "grant.ready"
"""Tells the notices that the recipient can fetch a token: subject is the parcel."""


class AccessJobs:
    """Handlers for the worker; each may be called again with the same event."""

    def __init__(
        self,
        database: Database,
        *,
        keyring: Keyring,
        ids: Ids,
        randomness: Randomness,
        clock: Clock,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._ids = ids
        self._randomness = randomness
        self._clock = clock

    async def on_parcel_deposited(self, held: Lease) -> Outcome:
        """Gives the recipient the right to open, and says so to the notices.

        Nothing happens for a parcel that was taken away or collected meanwhile.
        """
        tools = self._tools()
        async with self._database.write() as session:
            parcel = await parcels.lock_parcel(session, held.subject)
            if parcel is None:
                return Dead("there is no such parcel")
            stay = await find_open_stay(session, parcel, now=tools.now)
            if stay is None:
                return Done()
            grant = await ensure_recipient_grant(session, parcel, stay, tools=tools)
            if grant is None:
                return Done()
            await outbox.append(
                session,
                id=uuid.uuid5(held.id, GRANT_READY),
                kind=GRANT_READY,
                subject=parcel.id,
                facts={"grantId": str(grant.id), "stayId": str(stay.id)},
                at=tools.now,
            )
        return Done()

    async def on_parcel_expired(self, held: Lease) -> Outcome:
        """Ends the recipient's grant; its tokens have run out by themselves."""
        async with self._database.write() as session:
            parcel = await parcels.lock_parcel(session, held.subject)
            if parcel is not None and parcel.state is ParcelState.EXPIRED:
                await on_parcel_expired(session, parcel.id, now=self._clock.now())
        return Done()

    async def on_parcel_cancelled(self, held: Lease) -> Outcome:
        """Ends the rights to bring the parcel, and puts their tokens on the lockers' lists."""
        async with self._database.write() as session:
            parcel = await parcels.lock_parcel(session, held.subject)
            if parcel is not None and parcel.state is ParcelState.CANCELLED:
                now = self._clock.now()
                await revoke_deposits(session, parcel.id, keyring=self._keyring, now=now)
        return Done()

    async def expire_grants(self) -> None:
        """Ends grants whose time is over, in portions; may run at any time, also twice.

        What is more than one look can do waits for the next.
        """

        async def expire_some() -> int:
            async with self._database.write() as session:
                return await expire_grants(session, now=self._clock.now())

        await do_portions(expire_some, size=EXPIRED_AT_ONCE)

    async def on_device_removed(self, held: Lease) -> Outcome:
        """Puts the removed device's tokens on the list of every locker that they would open."""
        async with self._database.write() as session:
            await revoke_device(session, held.subject, keyring=self._keyring, now=self._clock.now())
        return Done()

    async def watch_keys(self) -> datetime | None:
        """Warns while what lockers can learn of our keys ends soon; until when all can be signed.

        Only a root can help, so whoever runs the machine must hear of it in time.
        """
        now = self._clock.now()
        async with self._database.read() as session:
            signer = await find_signer(session, EVERY_LOCKER, keyring=self._keyring, now=now)
        ends_at = None if isinstance(signer, Refusal) else signer.ends_at
        if ends_at is None or ends_at - now <= OVERLAPS[Purpose.ISSUER]:
            logger.warning(
                "no key of ours can sign for lockers after %s: have a root sign `keySetDraft`",
                ends_at or now,
            )
        return ends_at

    def _tools(self) -> Tools:
        return Tools(self._keyring, self._ids, self._randomness, self._clock.now())
