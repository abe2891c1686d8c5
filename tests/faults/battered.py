"""The real agent as a process, and a phone that talks to it over virtual Bluetooth."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ble_agent.phone.errand import Errand
from ble_agent.phone.link import open_link
from ble_agent.session.locker import open_store
from schema.codes import Code, DoorEvent
from schema.cose import SigningKey
from schema.handshake import OpenRequest
from schema.keys import Operation
from tests.fakes.agents import Authority, commission_locker, start_agent

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from ble_agent.backends.bumble_central import BumbleCentral
    from ble_agent.phone.errand import LockerKeys

DOOR_S = "0.3"


@dataclass
class Battered:
    """A locker whose process is killed and started again, and a phone that does not give up."""

    state: Path
    ports: list[int]
    authority: Authority
    holder: SigningKey
    options: tuple[str, ...] = ("--sim-door-seconds", DOOR_S)
    environ: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def keys(self) -> LockerKeys:
        """What a phone knows of the locker."""
        return self.authority.keys

    def start(self) -> None:
        """The same command, with another port."""
        self.starts += 1
        port = self.ports[self.starts % 2]
        self.process = start_agent(self.state, port, *self.options, environ=self.environ)

    def kill(self) -> None:
        """As a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def token(self, op: Operation, stay: bytes) -> bytes:
        """A token for the phone."""
        return self.authority.token(op, stay, self.holder.public)

    async def try_once(self, central: BumbleCentral, op: Operation, token: bytes) -> bool:
        """Whether the token has served its purpose by the end of this visit."""
        async with open_link(
            self.keys.lid,
            timeout_s=2.5,
            scanner_backend=central.scanner,
            client_backend=central.client,
        ) as link:
            errand = Errand(link, self.keys, self.holder)
            done = await errand.request(
                (token,),
                OpenRequest(op),
                (self.authority.key_set(),),
                find_time=self.authority.find_time,
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
    """A locker of three compartments, not started yet."""
    holder = SigningKey(secrets.token_bytes(32))
    return Battered(state, ports, commission_locker(state, compartments=3), holder)
