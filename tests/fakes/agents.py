"""The real agent as a process of its own, and the server's keys as far as its locker knows them."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ble_agent.phone.errand import LockerKeys
from schema.cose import SigningKey
from schema.ids import KeyId, LockerId, StayId, TokenId, locker_text
from schema.keys import KeyEntry, Operation, Role
from schema.statements import (
    KeySetStatement,
    StatementType,
    Time,
    sign_statement,
    time_nonce,
)
from schema.tokens import Claims, issue_token

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ble_agent.phone.luggage import Carried
    from schema.statements import Statement

ROOT, ISSUER = KeyId(b"\xf0\x01"), KeyId(b"\x00\x01")
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Authority:
    """Who signs for one locker: a root, and an issuer in its key set; and whom it knows by keys."""

    keys: LockerKeys
    root: SigningKey
    issuer: SigningKey

    def token(self, op: Operation, stay: bytes, holder: bytes, **changes: Any) -> bytes:
        """A token for this device key, valid now for an hour; any claim may be changed."""
        now = int(time.time())
        claims = Claims(
            aud=locker_text(self.keys.lid),
            exp=now + 3600,
            nbf=now - 60,
            iat=now - 60,
            cti=TokenId(secrets.token_bytes(8)),
            holder=holder,
            role=Role.COURIER if op is Operation.DEPOSIT else Role.RECIPIENT,
            actions=int(op),
            comps=(),
            stay=StayId(stay),
            depth=0,
            minrev=0,
        )
        return issue_token(self.issuer, ISSUER, self.keys.lid, replace(claims, **changes))

    def key_set(self, *more: KeyEntry, seq: int = 1) -> Carried:
        """The issuer's key, and more, signed by the root."""
        now = int(time.time())
        entry = KeyEntry(ISSUER, self.issuer.public, 23, 7 * _DAY_S, now - 3600, now + _DAY_S)
        body = KeySetStatement(self.keys.lid, seq, now, (entry, *more))
        return StatementType.KEY_SET, sign_statement(self.root, ROOT, body)

    def sign(self, body: Statement) -> bytes:
        """A statement of the issuer."""
        return sign_statement(self.issuer, ISSUER, body)

    async def find_time(self, hello: bytes) -> bytes:
        """The server's time for a hello, as an online phone would bring it."""
        return self.sign(Time(self.keys.lid, int(time.time()), time_nonce(hello)))


def commission_locker(state: Path, *, compartments: int) -> Authority:
    """`locker init` in this folder, under a root just made."""
    root, issuer = (SigningKey(secrets.token_bytes(32)) for _ in range(2))
    printed = subprocess.run(
        [
            sys.executable, "-m", "ble_agent", "locker", "init",
            "--state", str(state), "--compartments", str(compartments),
            "--root", (ROOT + root.public).hex(), "--json",
        ],
        capture_output=True,
        check=True,
    ).stdout  # fmt: skip
    ids = {name: bytes.fromhex(value) for name, value in json.loads(printed).items()}
    keys = LockerKeys(LockerId(ids["lid"]), ids["noise_public"], ids["sign_public"])
    return Authority(keys, root, issuer)


def start_agent(
    state: Path, port: int, *options: str, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """`agent` on the virtual controller behind this port; its first line says that it is ready."""
    return subprocess.Popen(
        [
            sys.executable, "-m", "ble_agent", "agent",
            "--state", str(state),
            "--radio", f"bumble:tcp-client:127.0.0.1:{port}",
            *options,
        ],
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
