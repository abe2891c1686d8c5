"""The real agent behind a pipe: phones of another language at its loopback radio, a line a wish.

`NUMBER VERB WORDS` comes in, `NUMBER ok WORDS` or `NUMBER att CODE` goes out, bytes in hex; between
them `notify PHONE FRAGMENT` and `gone PHONE`. Its time moves only by `pass`.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

from ble_agent.radio.port import RadioLost, Refused
from schema.ids import KeyId, StayId
from schema.keys import KeyEntry, Operation, Role
from tests.ble_agent.standing import DAY, KEYS, NOW, Standing, bytes_of, quick_folder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ble_agent.radio.loopback import LoopbackPhone

GONE = "0"
"""What a call on an ended connection is answered with in place of an ATT error."""


class Pipe:
    """A locker with keys, and the phones that were connected by name."""

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._phones: dict[str, LoopbackPhone] = {}
        self._listening: set[asyncio.Task[None]] = set()
        self.verbs: dict[str, Callable[..., Awaitable[str]]] = {
            "identity": self._identity,
            "connect": self._connect,
            "leave": self._leave,
            "hello": self._read_hello,
            "result": self._read_result,
            "write": self._write,
            "token": self._token,
            "deposit": self._deposit,
            "statement": self._statement,
            "restart": self._restart,
            "shut": self._shut,
            "pass": self._pass_time,
            "open": self._open,
            "kinds": self._kinds,
        }

    async def serve(self, reader: asyncio.StreamReader) -> None:
        """Answers each line until the other side closes."""
        while line := (await reader.readline()).decode().split():
            number, verb, *words = line
            try:
                answer = f"ok {await self.verbs[verb](*words)}"
            except Refused as refused:
                answer = f"att {refused.att_error:d}"
            except RadioLost:
                answer = f"att {GONE}"
            await self._standing.pass_time()
            say(f"{number} {answer}")
        for task in self._listening:
            task.cancel()

    async def _identity(self) -> str:
        keys = self._standing.locker.identity
        return " ".join(part.hex() for part in (keys.lid, keys.noise_public, keys.signing.public))

    async def _connect(self, name: str, mtu: str) -> str:
        phone = self._phones[name] = await self._standing.radio.connect(int(mtu))
        for listen in (_tell_notifications, _tell_end):
            task = asyncio.get_running_loop().create_task(listen(name, phone))
            self._listening.add(task)
        return str(phone.fragment_size)

    async def _leave(self, name: str) -> str:
        await self._phones[name].leave()
        return ""

    async def _read_hello(self, name: str) -> str:
        return (await self._phones[name].read_hello()).hex()

    async def _read_result(self, name: str) -> str:
        return (await self._phones[name].read_result()).hex()

    async def _write(self, name: str, fragment: str) -> str:
        await self._phones[name].write(bytes.fromhex(fragment))
        return ""

    async def _token(self, operation: str, changes: str) -> str:
        given: dict[str, Any] = json.loads(changes)
        for name in ("holder", "stay"):
            if name in given:
                given[name] = bytes.fromhex(given[name])
        if operation == "SYNC":
            given["role"] = Role.COURIER
        return self._standing.token(Operation[operation], **given).hex()

    async def _deposit(self, stay: str) -> str:
        return str(await self._standing.deposit_by_hand(StayId(bytes.fromhex(stay))))

    async def _statement(self, kind: str, word: str, many: str = "0") -> str:
        """A statement of this number, with so many entries more than are needed."""
        more = [bytes_of(f"entry {number}", 32) for number in range(int(many))]
        spare = tuple(KeyEntry(KeyId(key[:2]), key, 1, 60, NOW, NOW + DAY) for key in more)
        ids = [key[:8] for key in more]
        signed = {
            "time": lambda: self._standing.time(bytes.fromhex(word)),
            "keys": lambda: self._standing.key_set(int(word), (*KEYS, *spare)),
            "revocations": lambda: self._standing.revocations(int(word), *ids),
            "configuration": lambda: self._standing.configuration({1: False}, int(word)),
            "acknowledgement": lambda: self._standing.acknowledgement(int(word)),
        }[kind]()
        return signed[1].hex()

    async def _restart(self) -> str:
        await self._standing.restart()
        return ""

    async def _shut(self, comp: str, occupied: str) -> str:
        await self._standing.shut(int(comp), occupied=occupied == "occupied")
        return ""

    async def _pass_time(self, seconds: str) -> str:
        await self._standing.pass_time(float(seconds))
        return ""

    async def _open(self, envelope: str) -> str:
        contents = self._standing.open(bytes.fromhex(envelope))
        return f"{contents.first} {len(contents.entries)}"

    async def _kinds(self) -> str:
        return " ".join(kind.name for kind in self._standing.kinds())


async def _tell_notifications(name: str, phone: LoopbackPhone) -> None:
    while True:
        say(f"notify {name} {(await phone.next_fragment()).hex()}")


async def _tell_end(name: str, phone: LoopbackPhone) -> None:
    await phone.gone.wait()
    say(f"gone {name}")


def say(line: str) -> None:
    """One line to the other side, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main() -> None:
    """A locker for as long as somebody asks."""
    with quick_folder() as folder:
        standing = await Standing(folder / "state", door_seconds=None).start()
        await standing.set_up()
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        say("ready")
        await Pipe(standing).serve(reader)
        await standing.stop()


if __name__ == "__main__":
    asyncio.run(main())
