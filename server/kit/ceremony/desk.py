"""The table at which keys are made and used: `./restante keys`, as far as it needs no network.

Owns the words of the command line. Whoever sits there is met through `Terminal`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from schema.cose import PUBLIC_KEY_SIZE
from schema.ids import ID_SIZE, KeyId, LockerId, StayId, locker_text, parse_locker_text
from schema.keys import Operation
from server.kit.ceremony.keyfiles import (
    KeyKind,
    OfflineKey,
    PublicHalf,
    armour,
    make_key,
    open_key,
    read_armoured,
    read_half,
    read_text,
    seal_key,
    write_half,
    write_new,
)
from server.kit.ceremony.signing import (
    ROLES,
    StaffTerms,
    amend,
    describe,
    issue_staff_token,
    read_draft,
    sign_key_set,
)
from server.kit.errors import KeyringError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from server.kit.ceremony.keyfiles import Cost
    from server.kit.clock import Clock
    from server.kit.ids import Randomness

DEFAULT_DAYS, MOST_DAYS = 365, 730
"""Life of a service or hub key: long enough to be renewed in a yearly ceremony."""

_NEW = {"new-root": KeyKind.ROOT, "new-service": KeyKind.SERVICE, "new-hub": KeyKind.HUB}


@dataclass(frozen=True, slots=True)
class Terminal:
    """Who sits at the table: hears lines, says yes or no, types a passphrase unseen."""

    tell: Callable[[str], None]
    confirm: Callable[[str], bool]
    read_passphrase: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Desk:
    """The table with what lies on it; `cost` is what a passphrase shall cost to try."""

    terminal: Terminal
    clock: Clock
    randomness: Randomness
    cost: Cost

    def run(self, options: argparse.Namespace) -> int:
        """Does one verb; 1 when the person said no. KeyringError for what cannot be done."""
        verbs: dict[str, Callable[[argparse.Namespace], int]] = {
            **dict.fromkeys(_NEW, self._make),
            "show": self._show,
            "sign": self._sign,
            "issue": self._issue,
        }
        return verbs[options.verb](options)

    def _make(self, options: argparse.Namespace) -> int:
        kind, file = _NEW[options.verb], Path(options.file)
        if file.exists():
            raise KeyringError(f"{file} is there already; nothing was changed")
        nbf = exp = 0
        if kind is not KeyKind.ROOT:
            if not 0 < options.days <= MOST_DAYS:
                raise KeyringError(f"--days must be 1 to {MOST_DAYS}")
            now = self.clock.now()
            nbf = int(now.timestamp())
            exp = int((now + timedelta(days=options.days)).timestamp())
        key = make_key(kind, self.randomness, nbf=nbf, exp=exp)
        passphrase = self._new_passphrase(options)
        write_new(file, seal_key(key, passphrase, self.randomness, cost=self.cost))
        write_new(file.with_name(f"{file.name}.pub"), write_half(key.half))
        self.terminal.tell(f"wrote {file} (keep it offline) and {file}.pub (for everybody)")
        self._tell_half(key.half)
        return 0

    def _show(self, options: argparse.Namespace) -> int:
        for name in options.file:
            self._tell_half(read_half(_read(name)))
        return 0

    def _sign(self, options: argparse.Namespace) -> int:
        include = [read_half(_read(name)).as_entry() for name in options.include]
        without = [_kid(text) for text in options.without]
        body = amend(
            read_draft(read_armoured(Path(options.draft))), include=include, without=without
        )
        for line in describe(body):
            self.terminal.tell(line)
        if not (options.yes or self.terminal.confirm("Sign exactly this?")):
            self.terminal.tell("nothing was signed")
            return 1
        raw = sign_key_set(self._open(options.root, options), body)
        write_new(Path(options.out), armour(raw))
        self.terminal.tell(f"wrote {options.out}: hand it in with ./restante keys add")
        return 0

    def _issue(self, options: argparse.Namespace) -> int:
        terms = StaffTerms(
            lid=_locker(options.locker),
            operation=Operation[options.operation],
            holder=_hex(options.holder, PUBLIC_KEY_SIZE, "--holder"),
            start=int(self.clock.now().timestamp()),
            life_s=options.minutes * 60,
            comps=_numbers(options.compartments),
            stay=StayId(_hex(options.stay, ID_SIZE, "--stay") if options.stay else b""),
        )
        noise = _hex(options.noise, PUBLIC_KEY_SIZE, "--noise")
        sign = _hex(options.sign, PUBLIC_KEY_SIZE, "--sign")
        raw = issue_staff_token(self._open(options.key, options), terms, self.randomness)
        words = {
            "operation": terms.operation.name,
            "lockerId": locker_text(terms.lid),
            "noisePublic": noise.hex(),
            "signPublic": sign.hex(),
            "token": armour(raw).strip(),
        }
        write_new(Path(options.out), json.dumps(words, indent=1) + "\n")
        self.terminal.tell(
            f"wrote {options.out}: for the phone of that key alone; register it at the server "
            "before it is used (./restante phone register-token)"
        )
        return 0

    def _open(self, name: str, options: argparse.Namespace) -> OfflineKey:
        return open_key(_read(name), self._passphrase(options, f"passphrase of {name}: "))

    def _new_passphrase(self, options: argparse.Namespace) -> bytes:
        first = self._passphrase(options, "new passphrase: ")
        if options.passphrase_file is None and first != self._passphrase(options, "once more: "):
            raise KeyringError("the two differ; nothing was made")
        return first

    def _passphrase(self, options: argparse.Namespace, prompt: str) -> bytes:
        if options.passphrase_file is None:
            return self.terminal.read_passphrase(prompt).encode()
        return _read(options.passphrase_file).rstrip("\r\n").encode()

    def _tell_half(self, half: PublicHalf) -> None:
        if half.kind is KeyKind.ROOT:
            self.terminal.tell(f"root key {half.kid.hex()}, for --root and RESTANTE_ROOT_KEYS:")
            self.terminal.tell(half.hex)
        else:
            self.terminal.tell(f"{half.kind} key {half.kid.hex()}: {half.public.hex()}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The verbs of the table, and those of the server machine, which this module only names."""
    words = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, kind in _NEW.items():
        new = words.add_parser(name, help=f"make a {kind} key in a new encrypted file")
        new.add_argument("file", help="the key file; FILE.pub beside it is for everybody")
        _add_passphrase(new)
        if kind is not KeyKind.ROOT:
            new.add_argument("--days", type=int, default=DEFAULT_DAYS, help="how long it lives")
    show = words.add_parser("show", help="print public halves; no passphrase is asked for")
    show.add_argument("file", nargs="+", help="key files or .pub files")
    draft = words.add_parser("draft", help="on the server machine: write what a root is to sign")
    draft.add_argument("out", help="a new file")
    draft.add_argument("--locker", help="id of the locker that it is for (default: every locker)")
    _add_sign(words.add_parser("sign", help="show a draft in words and sign it with a root key"))
    _add_issue(
        words.add_parser("issue", help="sign a token for one phone with a service or hub key")
    )
    add = words.add_parser("add", help="on the server machine: hand in what a root signed")
    add.add_argument("file", help="what `keys sign` wrote")


def _add_sign(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("draft", help="what `keys draft` or the API's keySetDraft gave")
    parser.add_argument("--root", required=True, help="file of the root key")
    parser.add_argument("--out", required=True, help="a new file for the signed statement")
    parser.add_argument(
        "--include", action="append", default=[], metavar="FILE.pub", help="add a key"
    )
    parser.add_argument(
        "--without", action="append", default=[], metavar="KID", help="leave one out"
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    _add_passphrase(parser)


def _add_issue(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", help="file of the service or hub key")
    parser.add_argument("--operation", required=True, choices=[one.name for one in ROLES])
    parser.add_argument("--locker", required=True, help="its id, 11 characters or 16 of hex")
    parser.add_argument("--noise", required=True, metavar="HEX", help="the locker's X25519 key")
    parser.add_argument("--sign", required=True, metavar="HEX", help="the locker's Ed25519 key")
    parser.add_argument("--holder", required=True, metavar="HEX", help="key of the person's phone")
    parser.add_argument("--compartments", default="", metavar="N,N", help="which doors")
    parser.add_argument("--stay", metavar="HEX", help="which stay, to deposit or open one")
    parser.add_argument("--minutes", type=int, default=60, help="how long it is good")
    parser.add_argument("--out", required=True, help="a new file for the token")
    _add_passphrase(parser)


def _add_passphrase(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--passphrase-file",
        metavar="FILE",
        help="read the passphrase there (/dev/fd/3 is a descriptor) instead of asking",
    )


def _read(name: str) -> str:
    return read_text(Path(name))


def _locker(text: str) -> LockerId:
    try:
        return (
            LockerId(bytes.fromhex(text)) if len(text) == 2 * ID_SIZE else parse_locker_text(text)
        )
    except ValueError as error:
        raise KeyringError("--locker must be 11 characters of base64url or 16 of hex") from error


def _kid(text: str) -> KeyId:
    return KeyId(_hex(text, 2, "--without"))


def _hex(text: str, size: int, name: str) -> bytes:
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        raw = b""
    if len(raw) != size:
        raise KeyringError(f"{name} must be {size} bytes in hex")
    return raw


def _numbers(text: str) -> tuple[int, ...]:
    try:
        numbers = tuple(int(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise KeyringError("--compartments must be numbers parted by commas") from error
    if any(not 0 <= number < 256 for number in numbers):
        raise KeyringError("compartment numbers are 0 to 255")
    return numbers
