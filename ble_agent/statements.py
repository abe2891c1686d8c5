"""Signed statements on the locker: who may make one, when it counts, what it leaves behind.

Keeps the key set, the revocations, `min_iat` of each signer and the configuration.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, assert_never

from ble_agent.errors import StoreFull
from ble_agent.policy.credentials import TOLERANCE_S
from ble_agent.policy.verdicts import Refusal
from ble_agent.policy.world import Revoked
from schema.codec import decode, encode
from schema.codec.fields import as_array, as_id
from schema.codes import Code
from schema.ids import EVERY_LOCKER
from schema.journal import Kind
from schema.keys import KeySet, parse_key_entries
from schema.statements import (
    CFG_CLOSE_OVERDUE_S,
    CFG_PRESENCE_CODE,
    CLOSE_OVERDUE_DEFAULT_S,
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    SignedStatement,
    Time,
    zones_of,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from ble_agent.journal import Journal, Record
    from ble_agent.redemptions import Redemptions
    from ble_agent.store import Store
    from schema.codec import Value
    from schema.compartments import ClimateZone
    from schema.ids import LockerId
    from schema.keys import Roots

TABLES: Final = (
    # One row a kind: the newest statement, complete, with its signer.
    "CREATE TABLE statements (kind TEXT PRIMARY KEY, seq INTEGER NOT NULL, body BLOB NOT NULL,"
    " kid BLOB NOT NULL, public BLOB NOT NULL) STRICT",
    # `min_iat` only grows for as long as its signer is trusted.
    "CREATE TABLE min_iats (kid BLOB NOT NULL, public BLOB NOT NULL, min_iat INTEGER NOT NULL,"
    " PRIMARY KEY (kid, public)) STRICT",
)

MAX_AHEAD = 1 << 20
"""A `seq` further above the last applied one is ignored (PROTOCOL 2)."""

_KEYS, _REV, _CFG = "keys", "rev", "cfg"

_Complete = KeySetStatement | Revocations | Configuration
"""Statements that replace the former of their kind (PROTOCOL 2)."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What the locker believes because it was signed."""

    keys: KeySet = field(default_factory=KeySet)
    key_seq: int = 0
    revoked: Revoked = field(default_factory=Revoked)
    cfg_seq: int = 0
    asks_presence: bool = False
    close_overdue_s: int = CLOSE_OVERDUE_DEFAULT_S
    zones: Mapping[int, ClimateZone] = field(default_factory=dict)
    """The cooled compartments; what is not there is as warm as its place."""


class Statements:
    """Applies statements one at a time, each with its effect and its line in one record."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        redemptions: Redemptions,
        *,
        lid: LockerId,
        roots: Roots,
    ) -> None:
        self._store = store
        self._journal = journal
        self._redemptions = redemptions
        self._lid = lid
        self._roots = roots
        self._cached: Trust | None = None

    def trust(self) -> Trust:
        """What is believed now."""
        if self._cached is None:
            with self._store.reading() as connection:
                self._cached = _load(connection)
        return self._cached

    def apply(
        self, statements: tuple[SignedStatement, ...], *, nonce: bytes | None
    ) -> Refusal | None:
        """Apply in order; the first that fails ends it, those before it stay applied.

        `nonce` is that of the hello this very request answers; without one no time is bound.
        A statement that is ignored (PROTOCOL 2) has no effect and is no failure.
        """
        for statement in statements:
            try:
                refused = self._apply_one(statement, nonce)
            except StoreFull:
                refused = Refusal(Code.STORAGE_FULL, "no room for what the statement leaves")
            if refused:
                return refused
        return None

    def _apply_one(self, statement: SignedStatement, nonce: bytes | None) -> Refusal | None:
        if statement.body.lid not in {self._lid, EVERY_LOCKER}:
            return None
        signer = self._find_signer(statement)
        if isinstance(signer, Refusal):
            return signer
        try:
            with self._journal.record("statement") as record:
                self._take_effect(record, statement, signer, nonce)
        finally:
            self._cached = None
        return None

    def _find_signer(self, statement: SignedStatement) -> bytes | Refusal:
        """The public key that made the statement, if it may make such a one."""
        kid, body = statement.signed.kid, statement.body
        if isinstance(body, KeySetStatement):
            public, may_sign = self._roots.find(kid), True
        else:
            key = self.trust().keys.find_signer(kid)
            public = key.public if key else None
            may_sign = key is not None and key.may_sync(body.iat)
        if public is None or not statement.is_signed_by(public):
            return Refusal(Code.BAD_SIGNATURE, "a statement that no trusted key has signed")
        if not may_sign:
            return Refusal(Code.OUT_OF_SCOPE, "a statement whose key may not make it")
        return public

    def _take_effect(
        self, record: Record, statement: SignedStatement, public: bytes, nonce: bytes | None
    ) -> None:
        match statement.body:
            case Time() as time:
                self._apply_time(record, time, nonce)
            case Acknowledgement() as ack:
                self._apply_acknowledgement(record, ack)
            case KeySetStatement() as keys:
                if self._replace(record, _KEYS, statement, keys, public):
                    _forget_signers(record.connection, KeySet(keys.keys))
            case Revocations() as rev:
                is_possible = rev.min_iat <= rev.iat
                if is_possible and self._replace(record, _REV, statement, rev, public):
                    _raise_min_iat(record.connection, statement, public, rev.min_iat)
            case Configuration() as cfg:
                self._replace(record, _CFG, statement, cfg, public)
            case _ as unreachable:
                assert_never(unreachable)

    def _apply_time(self, record: Record, time: Time, nonce: bytes | None) -> None:
        if nonce is None or time.nonce != nonce:
            return
        record.set_time(time.t)
        self._redemptions.prune(record, time.t - TOLERANCE_S)

    def _apply_acknowledgement(self, record: Record, ack: Acknowledgement) -> None:
        is_future = self._is_future(record, ack.iat)
        if not is_future and self._journal.acknowledge(record, ack.upto_seq, ack.head):
            record.raise_floor(ack.iat)

    def _replace(
        self,
        record: Record,
        kind: str,
        statement: SignedStatement,
        body: _Complete,
        public: bytes,
    ) -> bool:
        """Puts a complete statement in the place of the former; False for one that is ignored."""
        if not self._supersedes(record, kind, body):
            return False
        _put(record, kind, statement, public)
        record.raise_floor(body.iat)
        record.append(Kind.STATEMENT, [statement.type.aad.value, body.seq])
        return True

    def _supersedes(self, record: Record, kind: str, body: _Complete) -> bool:
        last = _find_seq(record.connection, kind)
        return last < body.seq <= last + MAX_AHEAD and not self._is_future(record, body.iat)

    def _is_future(self, record: Record, iat: int) -> bool:
        now = record.clock.now(self._journal.clock.uptime_s())
        return bool(record.clock.quality) and iat > now + TOLERANCE_S


def _find_seq(connection: sqlite3.Connection, kind: str) -> int:
    row = connection.execute("SELECT seq FROM statements WHERE kind = ?", (kind,)).fetchone()
    return int(row[0]) if row else 0


def _put(record: Record, kind: str, statement: SignedStatement, public: bytes) -> None:
    fields = decode(statement.signed.payload)
    assert isinstance(fields, list)
    record.connection.execute(
        "INSERT OR REPLACE INTO statements (kind, seq, body, kid, public) VALUES (?, ?, ?, ?, ?)",
        (kind, fields[1], encode(fields[-1]), statement.signed.kid, public),
    )


def _raise_min_iat(
    connection: sqlite3.Connection, statement: SignedStatement, public: bytes, min_iat: int
) -> None:
    connection.execute(
        "INSERT INTO min_iats (kid, public, min_iat) VALUES (?, ?, ?)"
        " ON CONFLICT (kid, public) DO UPDATE SET min_iat = max(min_iat, excluded.min_iat)",
        (statement.signed.kid, public, min_iat),
    )


def _forget_signers(connection: sqlite3.Connection, keys: KeySet) -> None:
    """Drop what was signed by keys that the new set no longer holds: the cure of a stolen key."""
    trusted = {(key.kid, key.public) for key in keys.entries if key.actions}
    for table, named in (("statements", "kind <> 'keys'"), ("min_iats", "true")):
        rows = connection.execute(f"SELECT kid, public FROM {table} WHERE {named}").fetchall()  # noqa: S608 - constants
        for kid, public in set(rows) - trusted:
            connection.execute(
                f"DELETE FROM {table} WHERE {named} AND kid = ? AND public = ?",  # noqa: S608 - constants
                (kid, public),
            )


def _load(connection: sqlite3.Connection) -> Trust:
    rows = connection.execute("SELECT kind, seq, body FROM statements").fetchall()
    stored = {str(kind): (int(seq), decode(bytes(body))) for kind, seq, body in rows}
    nothing: tuple[int, Value] = (0, None)
    key_seq, keys = stored.get(_KEYS, nothing)
    rev_seq, revocations = stored.get(_REV, nothing)
    cfg_seq, values = stored.get(_CFG, nothing)
    (min_iat,) = connection.execute("SELECT coalesce(max(min_iat), 0) FROM min_iats").fetchone()
    configuration = values if isinstance(values, dict) else {}
    overdue_s = configuration.get(CFG_CLOSE_OVERDUE_S)
    return Trust(
        keys=KeySet(parse_key_entries(keys or [])),
        key_seq=key_seq,
        revoked=Revoked(rev_seq, _revoked_ids(revocations), int(min_iat)),
        cfg_seq=cfg_seq,
        asks_presence=configuration.get(CFG_PRESENCE_CODE) is True,
        close_overdue_s=overdue_s if isinstance(overdue_s, int) else CLOSE_OVERDUE_DEFAULT_S,
        zones=zones_of(configuration),
    )


def _revoked_ids(entries: Value) -> frozenset[bytes]:
    return frozenset(as_id(as_array(pair)[0]) for pair in as_array(entries or []))
