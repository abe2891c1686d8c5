"""Who a locker is: its id, its own keys, the roots it was commissioned with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ble_agent.errors import StateMissing
from schema.cose import SEED_SIZE, SigningKey
from schema.ids import ID_SIZE, KEY_ID_SIZE, KeyId, LockerId
from schema.keys import Roots
from schema.noise import x25519_public

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.store import Store

PIN_SECRET_SIZE: Final = 32

TABLES: Final = ("CREATE TABLE identity (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",)


@dataclass(frozen=True, slots=True)
class Identity:
    """Who the locker is: its id, its own keys, and the roots put in at commissioning.

    Its secrets are left out of what is printed.
    """

    lid: LockerId
    noise_private: bytes = field(repr=False)
    signing: SigningKey
    pin_secret: bytes = field(repr=False)
    roots: Roots

    @property
    def noise_public(self) -> bytes:
        """The X25519 key that phones learn from the server's bundle."""
        return x25519_public(self.noise_private)


def commission(
    store: Store, *, compartments: int, roots: Roots, take_random: Callable[[int], bytes]
) -> Identity:
    """Give a fresh state folder an identity and compartments 1..n, all empty; in one commit."""
    lid = LockerId(take_random(ID_SIZE))
    seed, private = take_random(SEED_SIZE), take_random(SEED_SIZE)
    secret = take_random(PIN_SECRET_SIZE)
    rows = {"lid": lid, "noise": private, "signing": seed, "pin": secret}
    with store.transaction("commission") as connection:
        connection.executemany("INSERT INTO identity (name, value) VALUES (?, ?)", rows.items())
        connection.executemany(
            "INSERT INTO identity (name, value) VALUES (?, ?)",
            [(f"root{i}", kid + public) for i, (kid, public) in enumerate(roots.keys)],
        )
        connection.executemany(
            "INSERT INTO compartments (number) VALUES (?)",
            [(number,) for number in range(1, compartments + 1)],
        )
    return Identity(lid, private, SigningKey(seed), secret, roots)


def find_identity(store: Store) -> Identity | None:
    """The identity in a state folder; None where none was commissioned."""
    with store.reading() as connection:
        found = connection.execute("SELECT name, value FROM identity").fetchall()
    rows = {str(name): bytes(value) for name, value in found}
    if "lid" not in rows:
        return None
    roots = [rows[name] for name in sorted(rows) if name.startswith("root")]
    return Identity(
        lid=LockerId(rows["lid"]),
        noise_private=rows["noise"],
        signing=SigningKey(rows["signing"]),
        pin_secret=rows["pin"],
        roots=Roots(tuple((KeyId(raw[:KEY_ID_SIZE]), raw[KEY_ID_SIZE:]) for raw in roots)),
    )


def get_identity(store: Store) -> Identity:
    """The identity in a state folder; StateMissing where none was commissioned."""
    identity = find_identity(store)
    if identity is None:
        raise StateMissing("the state folder holds no locker: run `./restante locker init` first")
    return identity
