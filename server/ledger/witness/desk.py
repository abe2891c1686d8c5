"""The process of a witness, from its first word to its last: `./restante witness`."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

from schema.checkpoint.notes import KeyKind, NoteKey
from schema.codec import Malformed
from server.kit.clock import SystemClock
from server.kit.errors import SettingsError
from server.kit.ids import SystemRandomness
from server.kit.listener import make_listener
from server.kit.log import start_logging
from server.ledger.witness.door import Witness, make_door
from server.ledger.witness.seal import open_seal
from server.ledger.witness.store import Heads

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path

    import uvicorn

HEADS_FILE = "witness.db"

MOST_REQUESTS = 100


def watch(options: argparse.Namespace, tell: Callable[[str], None]) -> int:
    """Cosigns until SIGTERM or SIGINT; 0 if no log it watches ever split its view, else 1.

    The first lines name its key and its address. SettingsError, KeyringError and DatabaseError say
    what keeps it from starting.
    """
    logs = tuple(map(_parse_log, options.log))
    folder = _make_folder(options.state)
    seal = open_seal(folder, options.name, SystemRandomness())
    heads = Heads(folder / HEADS_FILE)
    try:
        with _open_door(options.host, options.port) as door:
            tell(f"witness {seal.public}")
            tell(f"listens at {_address_of(door)}, for {', '.join(key.name for key in logs)}")
            start_logging()
            server = make_listener(
                make_door(Witness(seal, logs, heads, SystemClock())),
                host=options.host,
                port=options.port,
                lifespan="off",
                limit_concurrency=MOST_REQUESTS,
            )
            _outlive_signals(server)
            server.run(sockets=[door])
        count = len(heads.list_splits())
        if count:
            tell(f"split views seen: {count}, in {folder / HEADS_FILE}")
        return 1 if count else 0
    finally:
        heads.close()


def _outlive_signals(server: uvicorn.Server) -> None:
    """uvicorn ends at a signal, then raises it again for whoever had it before: that is us, and
    there is still something to tell.
    """

    def end(_number: int, _frame: object) -> None:
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)


def _parse_log(vkey: str) -> NoteKey:
    try:
        key = NoteKey.parse(vkey)
    except Malformed as error:
        raise SettingsError(f"--log {vkey}: {error}") from error
    if key.kind is not KeyKind.LOG:
        raise SettingsError(f"--log {vkey}: this is the key of a witness")
    return key


def _make_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"--state: {folder}: {error.strerror}") from error
    if folder.stat().st_mode & 0o077:
        raise SettingsError(f"--state: {folder} holds a private key and is open to others")
    return folder


def _open_door(host: str, port: int) -> socket.socket:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        raise SettingsError(f"cannot listen at {host}, port {port}: {error}") from error


def _address_of(door: socket.socket) -> str:
    host, port, *_ = door.getsockname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
