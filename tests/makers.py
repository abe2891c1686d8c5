"""Complete things for tests, with every part that does not matter filled in."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from server.app import House
from server.kit.auth import Actor, Permission, Scope
from server.kit.live import Live
from server.kit.rates import MemoryRates
from server.kit.settings import Settings
from server.people.roles import Role, grants_of

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness

SETTINGS = Settings(public_url="http://testserver")


def make_actor(
    role: Role = Role.RECIPIENT,
    *,
    person_id: uuid.UUID | None = None,
    device_id: uuid.UUID | None = None,
    subject: uuid.UUID | None = None,
) -> Actor:
    """A signed-in person who holds a role, at the hub or in the carrier `subject`."""
    held = frozenset(grants_of(Role.RECIPIENT)) | frozenset(grants_of(role, subject))
    return Actor(person_id=person_id or uuid.UUID(int=1), device_id=device_id, grants=held)


def make_carrier_actor(carrier_id: uuid.UUID, *permissions: Permission) -> Actor:
    """A carrier's system whose key has these permissions, or all that carriers may have."""
    wanted = permissions or tuple(granted.permission for granted in grants_of(Role.CARRIER_ADMIN))
    grants = frozenset((permission, Scope.CARRIER, carrier_id) for permission in wanted)
    return Actor(carrier_id=carrier_id, grants=grants)


def make_house(
    database: Database,
    *,
    clock: MovableClock,
    ids: CountedIds,
    randomness: SeededRandomness,
    keyring: DerivedKeyring,
    settings: Settings = SETTINGS,
) -> House:
    """What the web process shares, with everything foreseen."""
    live = Live()
    database.on_change = live.nudge
    return House(
        settings=settings,
        database=database,
        clock=clock,
        ids=ids,
        randomness=randomness,
        keyring=keyring,
        rates=MemoryRates(clock),
        live=live,
    )
