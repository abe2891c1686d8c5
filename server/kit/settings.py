"""Settings of the server's processes: read once from the environment, frozen, passed down.

Every field of `Settings` is the environment variable `RESTANTE_<FIELD IN CAPITALS>`; `describe`
lists them for people.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from server.kit.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

PREFIX = "RESTANTE_"

OTHERS = frozenset({"RESTANTE_POSTGRES_BIN"})
"""Variables of this prefix that are no settings: where tests find PostgreSQL's programs."""

ROOT_KEY_SIZE = 34
"""A root key as text names 2 bytes of key id and 32 of Ed25519 public key."""


@dataclass(frozen=True, slots=True)
class SettingDescription:
    """One row of the table of settings in the README."""

    name: str
    default: str
    meaning: str


def _told(parse: Callable[[str], object], meaning: str) -> dict[str, Any]:
    return {"parse": parse, "meaning": meaning}


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


def _path(text: str) -> Path:
    return Path(_text(text))


def _database_url(text: str) -> str:
    if not text.startswith(("sqlite+aiosqlite:///", "postgresql+asyncpg://")):
        raise ValueError("must begin with sqlite+aiosqlite:/// or postgresql+asyncpg://")
    return text


def _url_of(*schemes: str, needs_port: bool = False) -> Callable[[str], str]:
    def parse(text: str) -> str:
        parts = urlsplit(text)
        if parts.scheme not in schemes or not parts.hostname or (needs_port and not parts.port):
            raise ValueError(f"must be an address like {schemes[0]}://host:port")
        return text

    return parse


def _origin(text: str) -> str:
    parts = urlsplit(_url_of("https", "http")(text))
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must be scheme, host and port alone")
    return text.rstrip("/")


def _origins(text: str) -> tuple[str, ...]:
    return tuple(_origin(part.strip()) for part in text.split(",") if part.strip())


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise ValueError("must be a port from 0 to 65535")
    return int(text)


def _many(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", text):
        raise ValueError("must be a whole number from 1 to 99999")
    return int(text)


def _count(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,2}", text):
        raise ValueError("must be a small whole number")
    return int(text)


def _whole(most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,16}", text) or int(text) > most:
            raise ValueError(f"must be a whole number up to {most}")
        return int(text)

    return parse


def _contract(text: str) -> str:
    if not re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        raise ValueError("must be 0x and 40 hexadecimal digits")
    return text.lower()


def _flag(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError("must be true or false")
    return text == "true"


def _roots(text: str) -> tuple[bytes, ...]:
    keys = tuple(bytes.fromhex(part.strip()) for part in text.split(",") if part.strip())
    if any(len(key) != ROOT_KEY_SIZE for key in keys):
        raise ValueError(f"must be keys of {ROOT_KEY_SIZE} bytes in hex, parted by commas")
    return keys


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s<>]{1,64}@[^@\s<>]{1,190}", text):
        raise ValueError("must be an e-mail address")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a process is told from outside. What may hold a password is kept out of `repr`."""

    database_url: str = field(
        default="sqlite+aiosqlite:///.restante/restante.db",
        repr=False,
        metadata=_told(
            _database_url,
            "Database: `sqlite+aiosqlite:///FILE` or `postgresql+asyncpg://USER:PASSWORD@HOST/NAME`.",
        ),
    )
    database_pooler: bool = field(
        default=False,
        metadata=_told(
            _flag, "`true` when a transaction pooler such as pgbouncer stands before PostgreSQL."
        ),
    )
    valkey_url: str | None = field(
        default=None,
        repr=False,
        metadata=_told(
            _url_of("redis", "rediss", needs_port=True),
            "Valkey or Redis for the job queue and shared rate limits: `redis://HOST:PORT/0`.",
        ),
    )
    state_dir: Path = field(
        default=Path(".restante"),
        metadata=_told(_path, "Folder of the server's private keys, readable by its owner alone."),
    )
    public_url: str = field(
        default="http://127.0.0.1:8000",
        metadata=_told(
            _origin,
            "Scheme, host and port under which phones reach the server; "
            "device proofs (DPoP) name it.",
        ),
    )
    allowed_origins: tuple[str, ...] = field(
        default=(),
        metadata=_told(
            _origins, "Other web origins that may call the API from a browser, parted by commas."
        ),
    )
    listen_host: str = field(default="127.0.0.1", metadata=_told(_text, "Address to listen at."))
    listen_port: int = field(
        default=8000, metadata=_told(_port, "Port to listen at; 0 takes a free one.")
    )
    metrics_port: int | None = field(
        default=None,
        metadata=_told(
            _port,
            "Port of the loopback interface where the process tells its metrics to Prometheus "
            "(`/metrics`), 0 takes a free one; each process needs its own.",
        ),
    )
    trusted_proxies: int = field(
        default=0,
        metadata=_told(
            _count, "How many proxies of yours add to `X-Forwarded-For`; 0 ignores the header."
        ),
    )
    live_per_source: int = field(
        default=500,
        metadata=_told(
            _many, "How many WebSockets and event streams one network address may hold open."
        ),
    )
    log_wait_s: int = field(
        default=60,
        metadata=_told(
            _many,
            "How long an entry waits at most for a signed head of the public log, in seconds.",
        ),
    )
    log_policy: Path | None = field(
        default=None,
        metadata=_told(
            _path,
            "File of the witnesses of the public log and how many must have seen a head before it "
            "is published (c2sp.org/tlog-policy, with addresses); without it none are asked.",
        ),
    )
    root_keys: tuple[bytes, ...] = field(
        default=(),
        metadata=_told(
            _roots,
            "Root public keys given to lockers: key id and key, 34 bytes in hex, parted by commas.",
        ),
    )
    smtp_url: str | None = field(
        default=None,
        repr=False,
        metadata=_told(
            _url_of("smtp", "smtps", "smtp+starttls"),
            "Mail server for letters: `smtp://`, `smtps://` or "
            "`smtp+starttls://USER:PASSWORD@HOST:PORT`.",
        ),
    )
    mail_from: str = field(
        default="restante@localhost", metadata=_told(_email, "Sender address of letters.")
    )
    fcm_project: str | None = field(
        default=None,
        metadata=_told(_text, "Firebase project for push messages; without it none are sent."),
    )
    fcm_credentials: Path | None = field(
        default=None, metadata=_told(_path, "File with the service account of that project.")
    )
    fcm_base_url: str | None = field(
        default=None,
        metadata=_told(
            _url_of("https", "http"),
            "Where to send push messages instead of Google, for a local endpoint.",
        ),
    )

    log_folder: Path | None = field(
        default=None,
        metadata=_told(
            _path, "Folder that the worker keeps filled with the public log's files, to be served."
        ),
    )
    chain_url: str | None = field(
        default=None,
        repr=False,
        metadata=_told(
            _url_of("https", "http"),
            "JSON-RPC address of a node of the blockchain (EVM) on which the log is anchored; "
            "without it none is.",
        ),
    )
    chain_id: int | None = field(
        default=None, metadata=_told(_whole(2**53), "Number of that chain: 1 is Ethereum.")
    )
    chain_contract: str | None = field(
        default=None,
        metadata=_told(
            _contract, "Address of the contract of anchors; `./restante anchor deploy` makes one."
        ),
    )
    chain_key: Path | None = field(
        default=None,
        metadata=_told(
            _path,
            "File with the key of the account that pays for anchors and does nothing else; "
            "`./restante anchor key` makes one.",
        ),
    )
    chain_confirmations: int = field(
        default=12,
        metadata=_told(_whole(100), "How many blocks must lie on an anchor before it counts."),
    )
    chain_gas_limit: int = field(
        default=200_000,
        metadata=_told(_whole(10_000_000), "Gas that an anchor may use; 140,000 do."),
    )
    chain_fee_cap_gwei: int = field(
        default=100,
        metadata=_told(_whole(1_000_000), "What a unit of gas may cost at most, in gwei."),
    )
    anchor_minutes: int = field(
        default=60,
        metadata=_told(_many, "How often the log is anchored, if it has grown, in minutes."),
    )

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> Self:
        """The settings in `environ`; SettingsError names what is unknown or has a bad value."""
        known = {PREFIX + entry.name.upper(): entry for entry in fields(cls)}
        values: dict[str, Any] = {}
        for name, text in environ.items():
            if not name.startswith(PREFIX) or name in OTHERS:
                continue
            if name not in known:
                raise SettingsError(f"{name} is no setting of this version; the README lists them")
            try:
                values[known[name].name] = known[name].metadata["parse"](text)
            except ValueError as error:
                raise SettingsError(f"{name} {error}") from error
        return cls(**values)

    @classmethod
    def describe(cls) -> Iterator[SettingDescription]:
        """Name, default and meaning of every setting, in the order of the class."""
        for entry in fields(cls):
            default = "" if entry.default in (None, ()) else str(entry.default)
            default = default.lower() if isinstance(entry.default, bool) else default
            yield SettingDescription(
                PREFIX + entry.name.upper(), default, entry.metadata["meaning"]
            )
