"""The verbs of `./restante`. Imports a verb's module only when the verb is called.

Top level uses the standard library alone: the launcher reads `VERBS` before anything is installed.
"""

from __future__ import annotations

import argparse
import asyncio
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
SDL = ROOT / "schema" / "api.graphql"

SERVER = ("postgres", "server")
AGENT = ("agent", "bumble", "sensors")
DEMO = (*AGENT, *SERVER, "demo", "worker")
EVERYTHING = (*DEMO, "test")


@dataclass(frozen=True, slots=True)
class Verb:
    """One word after `./restante`: what it does, and which extras (or the group `test`) it needs.

    A verb that `explains_itself` answers `--help` from here; the others hand it to their process.
    """

    summary: str
    needs: tuple[str, ...]
    run: Callable[[list[str]], int]
    explains_itself: bool = True


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


def _agent(argv: list[str]) -> int:
    _become("ble_agent", "agent", *argv)


def _locker(argv: list[str]) -> int:
    _become("ble_agent", "locker", *argv)


def _phone(argv: list[str]) -> int:
    _become("ble_agent.phone", *argv)


def _serve(argv: list[str]) -> int:
    parser = _parser("serve", "Settings come from RESTANTE_* variables; the README lists them.")
    parser.add_argument(
        "--migrate", action="store_true", help="bring the database to this version first"
    )
    with_migration = parser.parse_args(argv).migrate
    from server.app import serve

    def work() -> None:
        if with_migration:
            _migrate()
        serve(os.environ)

    return _told(work)


def _migrate() -> None:
    """Bring the database of the settings to the newest version; nothing happens if it is there."""
    from alembic import command
    from alembic.config import Config

    from server.kit.settings import Settings

    # The default database is a file in this folder, which holds private keys as well.
    Settings.from_environ(os.environ).state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = Config()
    config.set_main_option("script_location", str(ROOT / "migrations"))
    command.upgrade(config, "head")


def _worker(argv: list[str]) -> int:
    _parser("worker", "Needs RESTANTE_VALKEY_URL and the database of the web process.").parse_args(
        argv
    )
    from server.worker import work

    return _told(lambda: work(os.environ))


def _told(work: Callable[[], None]) -> int:
    """Run it; what the person at the machine can mend ends in a sentence and status 1."""
    from server.kit.errors import ServerError

    try:
        work()
    except ServerError as error:
        print(f"restante: {error}", file=sys.stderr)
        return 1
    return 0


def _operator(argv: list[str]) -> int:
    parser = _parser("operator", "For whoever has the server machine: reads the same settings.")
    words = parser.add_subparsers(dest="word", required=True, metavar="add")
    add = words.add_parser("add", help="make the owner of an e-mail address an operator")
    add.add_argument("email", metavar="EMAIL", help="the address; repeating changes nothing")
    email = parser.parse_args(argv).email
    return _told(lambda: asyncio.run(_add_operator(email)))


async def _add_operator(email: str) -> None:
    from server.app import build_house
    from server.kit.errors import DatabaseError, SettingsError
    from server.kit.settings import Settings
    from server.people.rules import ContactKind, read_contact
    from server.people.service.accounts import add_operator
    from server.tables import TABLES

    contact = read_contact(email)
    if contact is None or contact.kind is not ContactKind.EMAIL:
        raise SettingsError(f"{email} is no e-mail address")
    house = build_house(Settings.from_environ(os.environ))
    database = house.database
    if not await database.is_reachable() or await database.missing_tables(TABLES):
        raise DatabaseError("no database of this version: ./restante serve --migrate makes it")
    async with database.write() as session:
        await add_operator(session, contact, ids=house.ids, now=house.clock.now())
    await database.close()
    print(f"{contact.address} is an operator and may sign in")


def _demo(argv: list[str]) -> int:
    parser = _parser("demo", "Ends with 0 only if each step was verified; leaves nothing behind.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write steps and versions there")
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running until Ctrl-C, and tell how on"
    )
    wanted = parser.parse_args(argv)
    if wanted.json is not None and not wanted.json.parent.is_dir():
        parser.error(f"there is no folder {wanted.json.parent}")
    print("A parcel goes through a locker. Starting the server, the air, a locker.", flush=True)
    from server.demo.play import play

    return play(report=wanted.json, keep=wanted.keep)


def _test(argv: list[str]) -> int:
    """Two processes because the smallest machine we promise has two cores; a later `-n` wins."""
    parser = _parser("test", "Whatever follows is passed on to pytest.")
    parser.add_argument("pytest", nargs="*", help="folders, files and options of pytest")
    if {"-h", "--help"} & set(argv):
        parser.print_help()
        return 0
    os.chdir(ROOT)
    _become("pytest", "-n", "2", "--dist", "worksteal", *argv)


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


def _bench(argv: list[str]) -> int:
    _become("tests.bench", *argv)


def _sdl(argv: list[str]) -> int:
    parser = _parser("sdl")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    only_compare = parser.parse_args(argv).check
    from server.graph import api_schema

    text = api_schema().as_str() + "\n"
    where = SDL.relative_to(ROOT)
    if SDL.exists() and SDL.read_text() == text:
        print(f"{where} is up to date")
    elif only_compare:
        print(f"{where} is not what the code says", file=sys.stderr)
        return 1
    else:
        SDL.write_text(text)
        print(f"wrote {where}")
    return 0


VERBS = {
    "demo": Verb("tell the whole story with real processes, each step verified", DEMO, _demo),
    "serve": Verb("run the web process: the API at /graphql", SERVER, _serve),
    "worker": Verb("run the worker: notices and what time does", (*SERVER, "worker"), _worker),
    "agent": Verb("run a locker's own process", AGENT, _agent, explains_itself=False),
    "locker": Verb("commission a locker, enrol it", AGENT, _locker, explains_itself=False),
    "phone": Verb("a reference phone on the command line", AGENT, _phone, explains_itself=False),
    "operator": Verb("make somebody an operator of the network", SERVER, _operator),
    "test": Verb("run the tests of every commit", EVERYTHING, _test),
    "check": Verb("run the static checks: lint, format, types, imports, SDL", EVERYTHING, _check),
    "sdl": Verb("write the API's schema to schema/api.graphql", SERVER, _sdl),
    "bench": Verb("measure what is promised", EVERYTHING, _bench, explains_itself=False),
}

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
