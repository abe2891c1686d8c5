"""The verbs of `./restante`. Imports a verb's module only when the verb is called.

Top level uses the standard library alone: the launcher reads `VERBS` before anything is installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ROOT = Path(__file__).resolve().parent.parent

SERVER = ("postgres", "server")
AGENT = ("agent", "bumble", "sensors")
EVERYTHING = (*AGENT, *SERVER, "demo", "test", "worker")


@dataclass(frozen=True, slots=True)
class Verb:
    """One word after `./restante`: what it does, and which extras (or the group `test`) it needs.

    A verb that `explains_itself` answers `--help` from here; the others hand it to their process.
    """

    summary: str
    needs: tuple[str, ...]
    run: Callable[[list[str]], int]
    explains_itself: bool = True


def main(argv: Sequence[str]) -> int:
    """Run one verb and return its exit status; unknown words and `--help` end with the list."""
    name, *rest = argv or ["--help"]
    verb = VERBS.get(name)
    if verb is not None:
        return verb.run(rest)
    width = max(map(len, VERBS))
    print("usage: ./restante VERB [options]\n")
    for word, entry in VERBS.items():
        print(f"  {word:{width}}  {entry.summary}")
    print("\n./restante VERB --help tells more about one of them.")
    if name in {"-h", "--help"}:
        return 0
    print(f"\nrestante: there is no verb {name!r}", file=sys.stderr)
    return 2


def _parser(name: str, details: str = "") -> argparse.ArgumentParser:
    return argparse.ArgumentParser(
        prog=f"./restante {name}",
        description=f"{VERBS[name].summary}. {details}".strip(),
    )


def _become(module: str, *argv: str) -> NoReturn:
    """Turn this process into another module, so that a signal meets the very process that works."""
    os.execv(sys.executable, [sys.executable, "-m", module, *argv])


def _test(argv: list[str]) -> int:
    """Two processes because the smallest machine we promise has two cores; a later `-n` wins."""
    parser = _parser("test", "Whatever follows is passed on to pytest.")
    parser.add_argument("pytest", nargs="*", help="folders, files and options of pytest")
    if {"-h", "--help"} & set(argv):
        parser.print_help()
        return 0
    os.chdir(ROOT)
    _become("pytest", "-n", "2", "--dist", "worksteal", *argv)


@dataclass(frozen=True, slots=True)
class Gate:
    """One static check: a module run by our Python, and what to do when it fails."""

    name: str
    argv: tuple[str, ...]
    remedy: str


GATES = (
    Gate("lint", ("ruff", "check", "--quiet", "."), "ruff check --fix mends a part"),
    Gate("format", ("ruff", "format", "--quiet", "--check", "."), "run ruff format"),
    Gate("types", ("mypy",), "give the types that mypy asks for"),
    Gate("imports", ("tests.contracts",), "imports go down only: tests/contracts/order.json"),
    Gate("sdl", ("server.cli", "sdl", "--check"), "run ./restante sdl and commit the file"),
)


def _check(argv: list[str]) -> int:
    _parser("check", "Gates: " + ", ".join(gate.name for gate in GATES) + ".").parse_args(argv)
    failed = [gate.name for gate in GATES if not _passes(gate)]
    print(f"check: {len(GATES) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _passes(gate: Gate) -> bool:
    started = time.monotonic()
    run = subprocess.run(
        [sys.executable, "-m", *gate.argv], cwd=ROOT, capture_output=True, text=True, check=False
    )
    state = "FAIL" if run.returncode else "ok"
    print(f"{state:4}  {gate.name:8}{time.monotonic() - started:6.1f} s", flush=True)
    if run.returncode:
        print(run.stdout + run.stderr + f"      {gate.name}: {gate.remedy}", flush=True)
    return run.returncode == 0


VERBS = {
    "test": Verb("run the tests of every commit", EVERYTHING, _test),
    "check": Verb("run the static checks: lint, format, types, imports, SDL", EVERYTHING, _check),
}

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
