"""The real agent as a process, and a phone that talks to it over virtual Bluetooth."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ble_agent.phone.errand import Errand, LockerKeys
from ble_agent.phone.link import open_link
from ble_agent.session.locker import open_store
from schema.codes import Code, DoorEvent
from schema.cose import SigningKey
from schema.handshake import OpenRequest
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
    from pathlib import Path

    from ble_agent.backends.bumble_central import BumbleCentral

ROOT, ISSUER = KeyId(b"\xf0\x01"), KeyId(b"\x00\x01")
DOOR_S = "0.3"


@dataclass
class Battered:
    """A locker whose process is killed and started again, and a phone that does not give up."""

    state: Path
    ports: list[int]
    keys: LockerKeys
    issuer: SigningKey
    holder: SigningKey
    key_set: bytes
    options: tuple[str, ...] = ("--sim-door-seconds", DOOR_S)
    environ: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    def start(self) -> None:
        """The same command, with another port."""
        self.starts += 1
        port = self.ports[self.starts % 2]
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "ble_agent", "agent",
                "--state", str(self.state),
                "--radio", f"bumble:tcp-client:127.0.0.1:{port}",
                *self.options,
            ],
            env=os.environ | self.environ,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def token(self, op: Operation, stay: bytes) -> bytes:
        now = int(time.time())
        claims = Claims(
            aud=locker_text(self.keys.lid),
            exp=now + 3600,
            nbf=now - 60,
            iat=now - 60,
            cti=TokenId(secrets.token_bytes(8)),
            holder=self.holder.public,
            role=Role.COURIER if op is Operation.DEPOSIT else Role.RECIPIENT,
            actions=int(op),
            comps=(),
            stay=StayId(stay),
            depth=0,
            minrev=0,
        )
        return issue_token(self.issuer, ISSUER, self.keys.lid, claims)

    async def find_time(self, hello: bytes) -> bytes:
        body = Time(self.keys.lid, int(time.time()), time_nonce(hello))
        return sign_statement(self.issuer, ISSUER, body)

    async def try_once(self, central: BumbleCentral, op: Operation, token: bytes) -> bool:
        """Whether the token has served its purpose by the end of this visit."""
        async with open_link(
            self.keys.lid,
            timeout_s=2.5,
            scanner_backend=central.scanner,
            client_backend=central.client,
        ) as link:
            errand = Errand(link, self.keys, self.holder)
            brought = ((StatementType.KEY_SET, self.key_set),)
            done = await errand.request(
                (token,), OpenRequest(op), brought, find_time=self.find_time
            )
            if done.result.code != Code.OK:
                return done.result.code == Code.USED
            await errand.watch(done, timeout_s=5)
        wanted = {
            Operation.DEPOSIT: DoorEvent.CLOSED_OCCUPIED,
            Operation.OPEN: DoorEvent.CLOSED_EMPTY,
        }[op]
        return done.events[-1].code == wanted

    def entries(self) -> list[bytes]:
        """The whole journal, read from the disk of the killed process."""
        store = open_store(self.state)
        with store.reading() as connection:
            rows = [bytes(raw) for (raw,) in connection.execute("SELECT raw FROM entries")]
        store.close()
        return rows


def make_battered(state: Path, ports: list[int]) -> Battered:
    root, issuer, holder = (SigningKey(secrets.token_bytes(32)) for _ in range(3))
    printed = subprocess.run(
        [
            sys.executable, "-m", "ble_agent", "locker", "init",
            "--state", str(state), "--compartments", "3",
            "--root", (ROOT + root.public).hex(), "--json",
        ],
        capture_output=True,
        check=True,
    ).stdout  # fmt: skip
    ids = {name: bytes.fromhex(value) for name, value in json.loads(printed).items()}
    keys = LockerKeys(LockerId(ids["lid"]), ids["noise_public"], ids["sign_public"])
    now = int(time.time())
    entry = KeyEntry(ISSUER, issuer.public, 23, 7 * 86_400, now - 3600, now + 86_400)
    body = KeySetStatement(keys.lid, 1, now, (entry,))
    return Battered(state, ports, keys, issuer, holder, sign_statement(root, ROOT, body))
