"""Starts, watches and ends every process of the demo: nothing of it outlives the block it ran in.

Owns folders, ports, environments and logs. Refuses to know the story that is told with them.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis
from redis.exceptions import RedisError

from server.demo.processes import Child, Command, ProcessError, find_free_ports, run_to_end
from server.demo.stores import Valkey, get_valkey
from server.kit.queue import HEALTH_KEY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from types import FrameType

ROOT = Path(__file__).resolve().parents[2]

START_S = 60.0
"""How long a process may take until it is ready, on a slow machine that does other things too."""

PROBE_S = 1.0
TOOL_S = 60.0
"""How long a command that ends by itself may take."""

FCM_PROJECT = "restante-demo"
MAIL_FROM = "restante@example.org"

INHERITED = ("PATH", "LANG", "LC_ALL", "TZ")
"""What children get of our environment: nothing of ours but these may change what they do."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the processes of the demo can be reached."""

    api: str
    mails: str
    pushes: str
    smtp: str
    valkey: str


class Supervisor:
    """The processes of one demo, in one folder. Use `supervise` to get one."""

    def __init__(self, folder: Path, valkey: Valkey) -> None:
        self.folder = folder
        self.valkey = valkey
        api, mails, pushes, smtp = find_free_ports(4)
        self.endpoints = Endpoints(
            api=f"http://127.0.0.1:{api}",
            mails=f"http://127.0.0.1:{mails}",
            pushes=f"http://127.0.0.1:{pushes}",
            smtp=f"smtp://127.0.0.1:{smtp}",
            valkey=valkey.url,
        )
        self.controllers: list[int] = []
        """Ports of the Bluetooth controllers on the air, once there is one."""
        self._children: dict[str, Child] = {}
        self._services = {
            "push": _python("-m", "server.demo.push_endpoint", str(pushes)),
            "mailbox": _python("-m", "server.demo.mailbox", str(smtp), str(mails)),
            "server": _python("-m", "server.cli", "serve", "--migrate", "--api-only"),
            "worker": _python("-m", "server.cli", "worker"),
        }
        self._settings = {
            "RESTANTE_DATABASE_URL": f"sqlite+aiosqlite:///{folder / 'restante.db'}",
            "RESTANTE_VALKEY_URL": valkey.url,
            "RESTANTE_STATE_DIR": str(folder / "state"),
            "RESTANTE_PUBLIC_URL": self.endpoints.api,
            "RESTANTE_LISTEN_PORT": str(api),
            "RESTANTE_SMTP_URL": self.endpoints.smtp,
            "RESTANTE_MAIL_FROM": MAIL_FROM,
            "RESTANTE_FCM_PROJECT": FCM_PROJECT,
            "RESTANTE_FCM_BASE_URL": self.endpoints.pushes,
        }

    def add_settings(self, settings: Mapping[str, str]) -> None:
        """More settings for the server's processes; those that run already do not see them."""
        self._settings |= settings

    def launch_services(self) -> None:
        """Start push endpoint, mailbox and server, and wait for none of them."""
        for name in ("server", "push", "mailbox"):
            self._start(name, self._services[name])

    def await_services(self) -> None:
        """Return when what was launched is ready; then the worker starts.

        Not before: the server makes the tables that the worker wants to find.
        """
        self._wait("push", "pushes", "/messages")
        self._wait("mailbox", "mails", "/mails")
        self._wait("server", "api", "/readyz")
        self._start("worker", self._services["worker"])

    def await_worker(self) -> None:
        """Return when the worker has given a sign of life."""
        self._children["worker"].wait_ready(self._has_worker, within_s=START_S)

    def kill_services(self) -> None:
        """Kill the web process and the worker as a power cut would."""
        for name in ("server", "worker"):
            self._children[name].kill()

    def revive_services(self) -> None:
        """Start the web process, at its old address, and the worker again."""
        for name in ("server", "worker"):
            self._start(name, self._services[name])
        self._wait("server", "api", "/readyz")
        self.await_worker()

    def start_ether(self, controllers: int) -> None:
        """Start the air with that many Bluetooth controllers, each behind a port."""
        words = ("--controllers", str(controllers), "--json")
        ether = self._start("ether", _python("-m", "ble_agent.backends.ether", *words))
        ether.wait_ready(lambda: "\n" in ether.read_log(), within_s=START_S)
        self.controllers = json.loads(ether.read_log().splitlines()[0])["ports"]

    def start_agent(self, *words: str) -> None:
        """Start the locker's process with these words after `agent`, and wait for its radio."""
        agent = self._start("agent", _python("-m", "ble_agent", "agent", *words))
        agent.wait_ready(lambda: "ready for phones" in agent.read_log(), within_s=START_S)

    def run(self, *words: str, statuses: Collection[int] = frozenset({0})) -> str:
        """What `python WORDS` prints; ProcessError when it ends with no status of these.

        It sees the server's settings if it is a verb of the server.
        """
        return run_to_end(self._command(_python(*words)), within_s=TOOL_S, statuses=statuses)

    def check_alive(self) -> None:
        """Raises `ProcessError` if a process has ended that nobody ended."""
        for name, child in self._children.items():
            if child.exit_status not in (None, -signal.SIGKILL):
                raise ProcessError(f"{name} ended by itself: {child.read_log()[-2_000:]}")

    def rescue_logs(self) -> Path:
        """Copies the logs of all processes to a folder that stays when everything is removed."""
        kept = Path(tempfile.mkdtemp(prefix="restante-demo-logs-"))
        for log in (*self.folder.glob("*.log"), self.valkey.log):
            if log.exists():
                shutil.copy(log, kept)
        return kept

    def close(self) -> None:
        """End every process, all at the same time; repeating this does nothing."""
        for child in self._children.values():
            child.ask_to_end()
        while self._children:
            _, child = self._children.popitem()
            child.stop(within_s=5.0)

    def _start(self, name: str, words: list[str]) -> Child:
        command = self._command(words)
        child = self._children.get(name) or Child(name, command, log=self.folder / f"{name}.log")
        self._children[name] = child
        child.start()
        return child

    def _command(self, words: list[str]) -> Command:
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        # Our packages are found from anywhere, and the folder that a child stands in never wins.
        environ = inherited | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
        if "server.cli" in words:
            environ |= self._settings
        return Command(words, environ, folder=self.folder)

    def _wait(self, name: str, endpoint: str, path: str) -> None:
        address = getattr(self.endpoints, endpoint).removeprefix("http://")
        self._children[name].wait_ready(lambda: _answers(address, path), within_s=START_S)

    def _has_worker(self) -> bool:
        with suppress(RedisError), Redis.from_url(self.valkey.url) as client:
            return bool(client.exists(HEALTH_KEY))
        return False


@contextmanager
def supervise() -> Iterator[Supervisor]:
    """A supervisor in a fresh folder, with Valkey running.

    However the block ends, by Ctrl-C, SIGTERM or SIGHUP too, every process and the folder are gone.
    """
    before = {number: signal.signal(number, _leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    # A shell that starts us in the background has us ignore Ctrl-C, and whoever sends it means us.
    ignored = signal.signal(signal.SIGINT, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="restante-demo-"))
    try:
        with Valkey(get_valkey()) as valkey:
            supervisor = Supervisor(folder, valkey)
            try:
                yield supervisor
            finally:
                # Impatience must not leave anything behind.
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                supervisor.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        for number, handler in {**before, signal.SIGINT: ignored}.items():
            signal.signal(number, handler)


def _leave(number: int, _frame: FrameType | None) -> None:
    """Turns a signal into an exception, so that every block on the way out does its duty."""
    sys.exit(128 + number)


def _python(*words: str) -> list[str]:
    return [sys.executable, *words]


def _answers(address: str, path: str) -> bool:
    link = http.client.HTTPConnection(address, timeout=PROBE_S)
    try:
        link.request("GET", path)
        return link.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
