"""Runs mutmut in a workspace and passes on how far it is. Knows nothing of verdicts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import deque
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.mutants.workspace import Workspace

QUIET_S = 5.0
"""Between two lines of progress."""

GRACE_S = 20.0

KEPT_LINES = 60
"""Of mutmut's last words, for whoever must find out why it stopped."""

PROGRESS = re.compile(r"(\d+)/(\d+) ")


class ToolFailed(Exception):
    """mutmut ended before it had tried all mutants; the message is what it said last."""


def try_mutants(workspace: Workspace, *, jobs: int) -> None:
    """Try each mutant that has no verdict. Ctrl-C goes through, and what was found stays."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(jobs)]
    said: deque[str] = deque(maxlen=KEPT_LINES)
    with subprocess.Popen(
        command,
        cwd=workspace.folder,
        env=_environment(workspace),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as run:
        assert run.stdout is not None
        try:
            _listen(run.stdout, said)
        except KeyboardInterrupt:
            run.wait(GRACE_S)  # it had the same Ctrl-C, and writes down what it knows
            raise
    if run.returncode:
        raise ToolFailed("\n".join([*said, f"mutmut stopped with {run.returncode}"]))


def _listen(stream: IO[bytes], said: deque[str]) -> None:
    told_at = 0.0
    for line in _lines(stream):
        progress = PROGRESS.search(line)
        if progress is None:
            said.append(line)
        elif time.monotonic() - told_at >= QUIET_S:
            told_at = time.monotonic()
            _tell(f"{progress[1]} of {progress[2]}")


def _environment(workspace: Workspace) -> dict[str, str]:
    """Nothing of ours on the path: the tests must find the mutated files and no others."""
    keep = {"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ"}
    environ = {name: value for name, value in os.environ.items() if name in keep}
    return environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}


def _lines(stream: IO[bytes]) -> Iterator[str]:
    """Lines as they come; mutmut ends its progress with carriage returns."""
    rest = b""
    while chunk := stream.read1(65536):  # type: ignore[attr-defined]
        *whole, rest = re.split(rb"[\r\n]", rest + chunk)
        yield from (line.decode(errors="replace").strip() for line in whole)
    yield rest.decode(errors="replace")


def _tell(line: str) -> None:
    sys.stderr.write(f"mutants: {line}\n")
    sys.stderr.flush()
