"""The verbs of `./restante`. Imports a verb's module only when the verb is called.

Top level uses the standard library alone: the launcher reads `VERBS` before anything is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import getpass
import os
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

    from server.kit.house import House

ROOT = Path(__file__).resolve().parent.parent
SDL = ROOT / "schema" / "api.graphql"

SERVER = ("postgres", "server")
AGENT = ("agent", "bumble", "sensors")
DEMO = (*AGENT, *SERVER, "demo", "worker")
EVERYTHING = (*DEMO, "anchor", "panel", "qr", "test")


@dataclass(frozen=True, slots=True)
class Verb:
    """One word after `./restante`: what it does, and which extras (or the group `test`) it needs.

    A verb that `explains_itself` answers `--help` from here; the others hand it to their process.
    `words` names what its second word, or an option, needs besides.
    """

    summary: str
    needs: tuple[str, ...]
    run: Callable[[list[str]], int]
    explains_itself: bool = True
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def needs_of(self, argv: Sequence[str]) -> set[str]:
        """Extras and groups for these words after the verb."""
        options = [word.partition("=")[0] for word in argv if word.startswith("--")]
        told = {*argv[:1], *options} & self.words.keys()
        return {*self.needs, *(need for word in told for need in self.words[word])}


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
    parser.add_argument(
        "--api-only", action="store_true", help="build no pages where they are not built yet"
    )
    wanted = parser.parse_args(argv)
    from server.kit.settings import Settings

    def work() -> None:
        # A wrong setting is told at once: the imports of the web process take a second.
        Settings.from_environ(os.environ)
        from server.app import serve

        if wanted.migrate:
            _migrate()
        if not wanted.api_only:
            _build_pages()
        serve(os.environ)

    return _told(work)


def _build_pages() -> None:
    """What pages take from npm, once; without Node the API is served all the same."""
    from server.kit.errors import WebBuildError
    from server.kit.web_build import build_web

    try:
        build_web()
    except WebBuildError as error:
        print(f"restante: no pages: {error}", file=sys.stderr)


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
    from server.kit.errors import SettingsError
    from server.people.rules import ContactKind, read_contact
    from server.people.service.accounts import add_operator

    contact = read_contact(email)
    if contact is None or contact.kind is not ContactKind.EMAIL:
        raise SettingsError(f"{email} is no e-mail address")
    async with _house() as house, house.database.write() as session:
        await add_operator(session, contact, ids=house.ids, now=house.clock.now())
    print(f"{contact.address} is an operator and may sign in")


@asynccontextmanager
async def _house() -> AsyncIterator[House]:
    """What the web process has, for a moment; DatabaseError without a database of this version."""
    from server.kit.errors import DatabaseError
    from server.kit.house import build_house
    from server.kit.settings import Settings
    from server.tables import TABLES

    house = build_house(Settings.from_environ(os.environ))
    try:
        if not await house.database.is_reachable() or await house.database.missing_tables(TABLES):
            raise DatabaseError("no database of this version: ./restante serve --migrate makes it")
        yield house
    finally:
        await house.database.close()


def _keys(argv: list[str]) -> int:
    """All but `draft` and `add` work without a network, a database and the server's packages."""
    from server.kit.ceremony.desk import Desk, Terminal, add_arguments
    from server.kit.ceremony.keyfiles import MODERATE
    from server.kit.clock import SystemClock
    from server.kit.ids import SystemRandomness

    parser = _parser("keys", "A passphrase is typed or read from a file, and no argument.")
    add_arguments(parser)
    options = parser.parse_args(argv)
    if options.verb == "draft":
        return _told(lambda: asyncio.run(_draft_key_set(options.out, options.locker)))
    if options.verb == "add":
        return _told(lambda: asyncio.run(_add_key_set(Path(options.file))))
    terminal = Terminal(
        tell=print,
        confirm=lambda question: input(f"{question} [yes/no] ").strip() == "yes",
        read_passphrase=getpass.getpass,
    )
    desk = Desk(terminal, SystemClock(), SystemRandomness(), MODERATE)
    outcomes: list[int] = []
    return _told(lambda: outcomes.append(desk.run(options))) or outcomes[0]


async def _draft_key_set(out: str, locker: str | None) -> None:
    from schema.ids import EVERY_LOCKER, parse_locker_text
    from server.kit.ceremony.keyfiles import armour, write_new
    from server.kit.errors import SettingsError
    from server.lockers.service.keysets import draft_key_set, payload_of

    try:
        lid = EVERY_LOCKER if locker is None else parse_locker_text(locker)
    except ValueError as error:
        raise SettingsError(f"--locker: {error}") from error
    async with _house() as house, house.database.read() as session:
        body = await draft_key_set(session, keyring=house.keyring, lid=lid, now=house.clock.now())
    write_new(Path(out), armour(payload_of(body)))
    print(f"wrote {out}: key set {body.seq}, to be signed where the root key is")


async def _add_key_set(file: Path) -> None:
    from server.kit.ceremony.keyfiles import read_armoured
    from server.kit.errors import KeyringError, Refusal
    from server.lockers.service.keysets import add_key_set, roots_of

    statement = read_armoured(file)
    async with _house() as house, house.database.write() as session:
        added = await add_key_set(
            session,
            statement,
            roots=roots_of(house.settings.root_keys),
            ids=house.ids,
            now=house.clock.now(),
        )
    if isinstance(added, Refusal):
        raise KeyringError(added.message or f"another key set has this number ({added.code})")
    print(f"key set {added.seq} is published")


def _outbox(argv: list[str]) -> int:
    from server.kit.backlog_words import add_arguments

    parser = _parser("outbox", "For whoever has the server machine: reads the same settings.")
    add_arguments(parser)
    options = parser.parse_args(argv)

    async def sit_down() -> None:
        from server.kit.backlog_desk import BacklogDesk

        async with _house() as house:
            await BacklogDesk(house.database, house.clock, print).run(options)

    return _told(lambda: asyncio.run(sit_down()))


def _anchor(argv: list[str]) -> int:
    from server.ledger.anchors.jobs.words import add_arguments

    parser = _parser(
        "anchor", "Reads the settings of the server. Ends with 1 if the chain holds a foreign head."
    )
    add_arguments(parser)
    word = parser.parse_args(argv).word

    async def sit_down() -> bool:
        from server.ledger.anchors.jobs.desk import AnchorDesk

        async with _house() as house:
            return await AnchorDesk(house, print).run(word)

    outcomes: list[bool] = []
    return _told(lambda: outcomes.append(asyncio.run(sit_down()))) or int(not outcomes[0])


def _log(argv: list[str]) -> int:
    parser = _parser("log", "Reads the settings of the server.")
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    export = words.add_parser("export", help="bring a folder of its files to the newest head")
    export.add_argument("folder", type=Path, metavar="DIR", help="to be served as /log")
    status = words.add_parser("status", help="tell its key and how it is; 1 for a split view")
    status.add_argument(
        "--forget",
        action="store_true",
        help="forget what witnesses hold against the log, once somebody has looked into it",
    )
    options = parser.parse_args(argv)
    outcomes = [0]

    def work() -> None:
        if options.word == "export":
            asyncio.run(_export_log(options.folder))
        else:
            outcomes.append(asyncio.run(_tell_log(forget=options.forget)))

    return _told(work) or outcomes[-1]


async def _export_log(folder: Path) -> None:
    from server.ledger.shelf.folder import FolderShelf
    from server.ledger.shelf.jobs import fill_shelf

    async with _house() as house:
        size = await fill_shelf(house.database, FolderShelf(folder))
    print(f"{folder} holds the log up to leaf {size}" if size else "the log is empty")


async def _tell_log(*, forget: bool) -> int:
    from schema.checkpoint.notes import KeyKind, NoteKey
    from server.kit.keyring import Purpose
    from server.ledger.log.cosigning.service import describe_log, forget_troubles
    from server.ledger.log.rules import origin_of

    async with _house() as house:
        if forget:
            async with house.database.write() as session:
                print(f"forgotten: {await forget_troubles(session)}")
        async with house.database.read() as session:
            lines, is_split = await describe_log(session, now=house.clock.now())
        origin, url = origin_of(house.settings.public_url), f"{house.settings.public_url}/log"
        for key in house.keyring.list_keys(Purpose.LOG):
            print(f"log {NoteKey(origin, KeyKind.LOG, key.public)} {url}")
    print("\n".join(lines))
    return 1 if is_split else 0


def _demo(argv: list[str]) -> int:
    parser = _parser("demo", "Ends with 0 only if each step was verified; leaves nothing behind.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write steps and versions there")
    parser.add_argument(
        "--keep", action="store_true", help="leave everything running until Ctrl-C, and tell how on"
    )
    parser.add_argument(
        "--receipt",
        type=Path,
        metavar="FILE",
        help="write the parcel's receipt there, and FILE.trust",
    )
    wanted = parser.parse_args(argv)
    for file in (wanted.json, wanted.receipt):
        if file is not None and not file.parent.is_dir():
            parser.error(f"there is no folder {file.parent}")
    print("A parcel goes through a locker. Starting the server, the air, a locker.", flush=True)
    from server.demo.play import play

    return play(report=wanted.json, keep=wanted.keep, receipt=wanted.receipt)


def _test(argv: list[str]) -> int:
    """Three processes: the two cores of the smallest machine we promise often wait for stores and
    radios. A later `-n` wins.
    """
    parser = _parser("test", "Whatever follows is passed on to pytest.")
    parser.add_argument("pytest", nargs="*", help="folders, files and options of pytest")
    if {"-h", "--help"} & set(argv):
        parser.print_help()
        return 0
    os.chdir(ROOT)
    _become("pytest", "-n", "3", "--dist", "worksteal", *argv)


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


def _verify(argv: list[str]) -> int:
    from server.verify import main as verify

    return verify(argv)


def _witness(argv: list[str]) -> int:
    from server.ledger.witness.words import add_arguments

    parser = _parser(
        "witness",
        "Speaks c2sp.org/tlog-witness. Ends with 1 if a log it watches has split its view.",
    )
    add_arguments(parser)
    options = parser.parse_args(argv)
    outcomes: list[int] = []

    def work() -> None:
        from server.ledger.witness.desk import watch

        outcomes.append(watch(options, lambda line: print(line, flush=True)))

    return _told(work) or outcomes[0]


def _monitor(argv: list[str]) -> int:
    from server.ledger.monitor.words import add_arguments

    parser = _parser(
        "monitor",
        "Needs PyNaCl alone. Ends with 0 if nothing was found, 1 while any finding stands, 2 if "
        "nothing can be said.",
    )
    add_arguments(parser)
    options = parser.parse_args(argv)
    if not options.every > 0:
        parser.error("--every must be at least 1")
    import signal
    import threading

    from server.kit.clock import SystemClock
    from server.ledger.monitor.desk import CANNOT_TELL, open_desk
    from server.ledger.monitor.findings import CannotTell

    try:
        desk = open_desk(options, SystemClock(), lambda line: print(line, flush=True))
        if options.forget:
            desk.forget()
    except CannotTell as error:
        print(f"restante: {error}", file=sys.stderr)
        return CANNOT_TELL
    if options.once:
        return desk.look(told=())
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: ending.set())
    return desk.watch(every_s=options.every, wait=ending.wait)


def _bench(argv: list[str]) -> int:
    _become("tests.bench", *argv)


def _shots(argv: list[str]) -> int:
    parser = _parser("shots", "Needs chromium and Node, as the tests of the pages do.")
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(".restante/shots"),
        help="where the pictures go (default: .restante/shots)",
    )
    folder = parser.parse_args(argv).folder
    os.chdir(ROOT)
    words = ("--every-screen", "-k", "keeps_anybody_out", "--shots", str(folder))
    _become("pytest", "-q", "-n", "0", "tests/browser", *words)


def _bluez(argv: list[str]) -> int:
    _become("tests.bluez", *argv)


def _mutants(argv: list[str]) -> int:
    _become("tests.mutants", *argv)


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
    "agent": Verb(
        "run a locker's own process",
        AGENT,
        _agent,
        explains_itself=False,
        words={"--panel": ("panel",)},
    ),
    "locker": Verb("commission a locker, enrol it", AGENT, _locker, explains_itself=False),
    "phone": Verb(
        "a reference phone on the command line",
        AGENT,
        _phone,
        explains_itself=False,
        words={"receipt": ("qr",)},
    ),
    "operator": Verb("make somebody an operator of the network", SERVER, _operator),
    "outbox": Verb("look at what waits to be told or done, try it again", SERVER, _outbox),
    "anchor": Verb("write the log's heads to a blockchain", (*SERVER, "anchor"), _anchor),
    "log": Verb("tell how the public log is, write it as files to be served", SERVER, _log),
    "keys": Verb(
        "make root, service and hub keys offline, and sign with them",
        (),
        _keys,
        explains_itself=False,
        words={"draft": SERVER, "add": SERVER},
    ),
    "verify": Verb("check a receipt offline", (), _verify, explains_itself=False),
    "witness": Verb("cosign heads of logs that only ever grow, for a partner", SERVER, _witness),
    "monitor": Verb("follow a public log from outside, say what is wrong", (), _monitor),
    "test": Verb("run the tests of every commit", EVERYTHING, _test),
    "check": Verb("run the static checks: lint, format, types, imports, SDL", EVERYTHING, _check),
    "sdl": Verb("write the API's schema to schema/api.graphql", SERVER, _sdl),
    "bench": Verb("measure what is promised", EVERYTHING, _bench, explains_itself=False),
    "shots": Verb("take pictures of every screen of every face", EVERYTHING, _shots),
    "bluez": Verb(
        "test the radio on the real BlueZ, in a virtual machine",
        (*AGENT, "test"),
        _bluez,
        explains_itself=False,
    ),
    "mutants": Verb(
        "change the code a little and count what the tests notice",
        EVERYTHING,
        _mutants,
        explains_itself=False,
    ),
}

if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
