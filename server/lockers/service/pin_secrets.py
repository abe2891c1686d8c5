"""The secrets behind lockers' PINs, sealed to a key of ours, and to the next before that one dies.

What is in the database opens nothing without the keyring.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nacl.public import PublicKey, SealedBox

from schema.codec import Malformed
from schema.envelopes import unseal
from schema.ids import KEY_ID_SIZE
from server.kit.keyring import Purpose, current_key
from server.lockers import queries

if TYPE_CHECKING:
    import uuid

    from server.kit.db import Session
    from server.kit.keyring import Keyring
    from server.lockers.tables import Locker

RESEALED_AT_ONCE = 100
"""Lockers looked at in one transaction."""


def seal_secret(secret: bytes, keyring: Keyring) -> bytes:
    """The id of our newest sealing key, then the secret in a sealed box to it."""
    key = current_key(keyring, Purpose.SEAL)
    return key.kid + SealedBox(PublicKey(key.public)).encrypt(secret)


def open_secret(locker: Locker, keyring: Keyring) -> bytes | None:
    """The locker's secret; None once the key that it was sealed to is dead."""
    kid, sealed = locker.sealed_pin_secret[:KEY_ID_SIZE], locker.sealed_pin_secret[KEY_ID_SIZE:]
    for key in keyring.list_keys(Purpose.SEAL):
        if key.kid == kid:
            try:
                return unseal(sealed, key.seed)
            except Malformed:
                return None
    return None


async def reseal_secrets(
    session: Session, keyring: Keyring, *, after: uuid.UUID | None
) -> tuple[uuid.UUID | None, list[Locker]]:
    """Seals up to 100 secrets, of lockers with an id above `after`, to our newest key.

    Returns the last id looked at, or None when none was left, and the lockers whose secret could
    not be read any more: they are as they were.
    """
    newest = current_key(keyring, Purpose.SEAL)
    rows = await queries.list_sealed_elsewhere(
        session, newest.kid, after=after, limit=RESEALED_AT_ONCE
    )
    lost = []
    for locker in rows:
        secret = open_secret(locker, keyring)
        if secret is None:
            lost.append(locker)
        else:
            locker.sealed_pin_secret = seal_secret(secret, keyring)
            locker.version += 1
    return (rows[-1].id if rows else None), lost
