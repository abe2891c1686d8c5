"""One child process that we start, watch and certainly end.

Refuses to know what runs in it; readiness is a question that the owner asks through a probe.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from server.kit.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

PROBE_PAUSE_S = 0.02
"""Pause between two looks at a starting process: short beside any start-up (60 ms and up)."""

LOG_TAIL_CHARACTERS = 2_000
"""How much of a dead process's output an error message repeats."""


PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections: one of these would be quick to take it."""


class ProcessError(ServerError):
    """A child process failed or was late; the message repeats the end of its output."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: the words of the command, its whole environment, and the account it runs under.

    `account` is a user and a group id, for programs that refuse to run as root.
    """

    words: Sequence[str]
    environ: Mapping[str, str]
    folder: Path = Path("/")
    account: tuple[int, int] | None = None


def find_free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens at now; somebody may a moment later."""
    found: list[int] = []
    while len(found) < count:
        port = random.choice(PORTS)  # noqa: S311 - two demos at once should differ, no more
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            found += [] if port in found else [port]
    return found


def run_to_end(
    command: Command, *, within_s: float, statuses: Collection[int] = frozenset({0})
) -> str:
    """Run a command that ends by itself and return what it printed on standard output.

    Raises `ProcessError` with the end of what it complained about when it takes longer, or ends
    with another status than one of `statuses`.
    """
    user, group = command.account or (None, None)
    name = Path(command.words[0]).name
    try:
        done = subprocess.run(
            list(command.words),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=within_s,
            env=dict(command.environ),
            cwd=command.folder,
            user=user,
            group=group,
            extra_groups=None if user is None else [],
        )
    except subprocess.TimeoutExpired as error:
        raise ProcessError(f"{name} did not end within {within_s:g} s") from error
    except OSError as error:
        raise ProcessError(f"{name} cannot be run: {error}") from error
    if done.returncode not in statuses:
        complaint = done.stderr.decode(errors="replace")[-LOG_TAIL_CHARACTERS:].strip()
        raise ProcessError(f"{name} failed (exit status {done.returncode}): {complaint}")
    return done.stdout.decode(errors="replace")


class Child:
    """A process in a session of its own: Ctrl-C at the terminal reaches it only through us."""

    def __init__(self, name: str, command: Command, *, log: Path) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether the process exists now."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Number of the running process; raises `ProcessError` when there is none."""
        if self._process is None or not self.is_running:
            raise ProcessError(f"{self.name} is not running")
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How the process ended, as the system tells; None while it runs or never did."""
        return None if self._process is None else self._process.poll()

    def start(self) -> None:
        """Start the command, adding its output to the log; a running process is left alone."""
        if self.is_running:
            return
        user, group = self._command.account or (None, None)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                list(self._command.words),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self._command.environ),
                cwd=self._command.folder,
                user=user,
                group=group,
                extra_groups=None if user is None else [],
                start_new_session=True,
            )

    def wait_ready(self, probe: Callable[[], bool], *, within_s: float) -> None:
        """Return once `probe` says yes.

        Raises `ProcessError` when the process ends first or the time is over; a process that is
        merely late is left running.
        """
        deadline = time.monotonic() + within_s
        while not probe():
            if not self.is_running:
                raise ProcessError(self._describe("ended before it was ready"))
            if time.monotonic() > deadline:
                raise ProcessError(self._describe(f"was not ready within {within_s:g} s"))
            time.sleep(PROBE_PAUSE_S)

    def kill(self) -> None:
        """End the process and its group at once, as a power cut would; no process is no error."""
        self._end(signal.SIGKILL, within_s=10.0)

    def ask_to_end(self, sign: signal.Signals = signal.SIGTERM) -> None:
        """Send the signal to the process and its group, and do not wait."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, sign)

    def stop(self, *, sign: signal.Signals = signal.SIGTERM, within_s: float = 10.0) -> None:
        """Ask the process to end, and kill it when it has not within the time.

        No process is no error.
        """
        try:
            self._end(sign, within_s=within_s)
        except subprocess.TimeoutExpired:
            self.kill()

    def read_log(self) -> str:
        """All output so far; what is not UTF-8 is replaced."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def _end(self, sign: signal.Signals, *, within_s: float) -> None:
        self.ask_to_end(sign)
        if self._process is not None:
            self._process.wait(within_s)

    def _describe(self, what: str) -> str:
        tail = self.read_log()[-LOG_TAIL_CHARACTERS:].strip()
        return f"{self.name} {what} (exit status {self.exit_status}); its output ends: {tail}"
