"""What the operator says on the command line, checked whole before anything is touched."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from schema.cose import PUBLIC_KEY_SIZE
from schema.ids import KEY_ID_SIZE, KeyId
from schema.keys import Roots

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_COMPARTMENTS = 255
MAX_ROOTS = 2
MAX_PORT = 65_535

SIM_DOOR_SECONDS = 2.0
"""How long a simulated visitor keeps a door open; the black-box entry's default."""

_ROOT_SIZE = KEY_ID_SIZE + PUBLIC_KEY_SIZE


@dataclass(frozen=True, slots=True)
class InitSettings:
    """`locker init`: a new state folder."""

    state: Path
    compartments: int
    roots: Roots
    as_json: bool


@dataclass(frozen=True, slots=True)
class EnrolSettings:
    """`locker enrol`: make the locker known to a server by a one-time code."""

    state: Path
    code: str
    url: str
    is_replacement: bool
    """Whether the compartments may hold parcels already."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """`agent`: serve phones until told to stop."""

    state: Path
    radio: str
    hardware: str
    sim_door_seconds: float
    uplink: str | None
    verbose: bool
    panel: int
    """The port of the panel's page on the loopback interface; 0: there is no panel."""
    panel_language: str


Settings = InitSettings | EnrolSettings | AgentSettings


def parse_arguments(argv: Sequence[str]) -> Settings:
    """The settings in `argv`; exits with a usage line where they cannot be."""
    parser = argparse.ArgumentParser(prog="./restante", description=__doc__)
    words = parser.add_subparsers(dest="word", required=True, metavar="VERB")
    _add_agent(words.add_parser("agent", help="serve phones at the door", prog="./restante agent"))
    locker = words.add_parser("locker", help="commission a locker", prog="./restante locker")
    acts = locker.add_subparsers(dest="act", required=True, metavar="init|enrol")
    _add_init(acts.add_parser("init", help="make a state folder with keys of its own"))
    _add_enrol(acts.add_parser("enrol", help="make the locker known to a server"))
    found = parser.parse_args(argv)
    if len(getattr(found, "root", None) or ()) > MAX_ROOTS:
        parser.error(f"a locker has at most {MAX_ROOTS} roots")
    return _as_settings(found)


def _add_agent(parser: argparse.ArgumentParser) -> None:
    parser.description = "Serve phones by Bluetooth until SIGTERM. Needs no network."
    parser.add_argument("--state", type=Path, required=True, help="folder made by `locker init`")
    parser.add_argument(
        "--radio",
        default="bluez",
        type=_radio,
        help="bluez, bluez:hci1, or bumble:TRANSPORT with any transport name of Bumble, such as"
        " bumble:tcp-client:127.0.0.1:6402 (default: %(default)s)",
    )
    parser.add_argument(
        "--hardware",
        default="simulated",
        type=_hardware,
        help="simulated, or gpio:FILE or modbus:FILE with the wiring in TOML"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "--sim-door-seconds",
        default=SIM_DOOR_SECONDS,
        type=_seconds,
        metavar="S",
        help="how long a simulated visitor keeps a door open (default: %(default)g)",
    )
    parser.add_argument("--uplink", type=_url, metavar="URL", help="server to deliver to, if any")
    parser.add_argument("--verbose", action="store_true", help="log what happens, without secrets")
    parser.add_argument(
        "--panel",
        default=0,
        type=_port,
        metavar="PORT",
        help="show the panel for people without a phone to a browser of this machine, at this port"
        " (default: 0, no panel)",
    )
    parser.add_argument(
        "--panel-language",
        default="en",
        choices=("en", "de", "fr", "es"),
        help="what it speaks until somebody chooses another language (default: %(default)s)",
    )


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.description = "Make a state folder: the locker's id and keys, its compartments 1..N."
    parser.add_argument("--state", type=Path, required=True, help="folder to make")
    parser.add_argument("--compartments", type=_compartments, required=True, metavar="N")
    parser.add_argument(
        "--root",
        type=_root,
        action="append",
        required=True,
        metavar="HEX",
        help="root key of the network: key id (2 bytes), then public key (32); one or two",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object of hex strings")


def _add_enrol(parser: argparse.ArgumentParser) -> None:
    parser.description = "Register the locker's public keys; store the statements that come back."
    parser.add_argument("--state", type=Path, required=True, help="folder made by `locker init`")
    parser.add_argument("--code", required=True, help="one-time code from the operator")
    parser.add_argument("--url", type=_url, required=True, help="the server, as https://host")
    parser.add_argument(
        "--replace",
        action="store_true",
        help="take over a locker that stands: a new board, told by the server what lies inside",
    )


def _as_settings(found: argparse.Namespace) -> Settings:
    if found.word == "agent":
        return AgentSettings(
            state=found.state,
            radio=found.radio,
            hardware=found.hardware,
            sim_door_seconds=found.sim_door_seconds,
            uplink=found.uplink,
            verbose=found.verbose,
            panel=found.panel,
            panel_language=found.panel_language,
        )
    if found.act == "enrol":
        return EnrolSettings(found.state, found.code, found.url, found.replace)
    return InitSettings(found.state, found.compartments, Roots(tuple(found.root)), found.json)


def _root(text: str) -> tuple[KeyId, bytes]:
    try:
        raw = bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("not hexadecimal") from error
    if len(raw) != _ROOT_SIZE:
        raise argparse.ArgumentTypeError(f"a root has {_ROOT_SIZE} bytes, not {len(raw)}")
    return KeyId(raw[:KEY_ID_SIZE]), raw[KEY_ID_SIZE:]


def _compartments(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= MAX_COMPARTMENTS:
        raise argparse.ArgumentTypeError(f"a number from 1 to {MAX_COMPARTMENTS}")
    return int(text)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 <= int(text) <= MAX_PORT:
        raise argparse.ArgumentTypeError(f"a port from 1 to {MAX_PORT}, or 0")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("a number of seconds") from error
    if not 0 <= seconds <= 3600:
        raise argparse.ArgumentTypeError("a number of seconds from 0 to 3600")
    return seconds


def _radio(text: str) -> str:
    kind, _, rest = text.partition(":")
    if kind not in {"bluez", "bumble"} or (kind == "bumble" and not rest):
        raise argparse.ArgumentTypeError("bluez, bluez:ADAPTER or bumble:TRANSPORT")
    return text


def _hardware(text: str) -> str:
    kind, _, rest = text.partition(":")
    if not (text == "simulated" or (kind in {"gpio", "modbus"} and rest)):
        raise argparse.ArgumentTypeError("simulated, gpio:FILE or modbus:FILE")
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise argparse.ArgumentTypeError("an address that begins with https:// or http://")
    return text.rstrip("/")
