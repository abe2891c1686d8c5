"""Whom a reader of the log trusts: a policy file of c2sp.org/tlog-policy, and keys of lockers.

Ours has two more kinds of line: `locker <id> <key>`, in hexadecimal and base64, and `anchor <chain>
<contract>` for a contract that holds heads of the log. What is not understood is refused: a line
that is skipped could have been the one that mattered.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.checkpoint.anchors import Contract, parse_contract
from schema.checkpoint.notes import KeyKind, NoteKey
from schema.codec import Malformed
from schema.cose import PUBLIC_KEY_SIZE
from schema.ids import ID_SIZE, LockerId

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

TRUST_BYTES = 262_144
"""Longest file that is read: some thousand lockers."""

NOBODY = "none"
"""The quorum that asks for no witness."""

_PRINTABLE = 0x20


@dataclass(frozen=True, slots=True)
class Group:
    """Witnesses and groups of which so many must have seen a head."""

    least: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trust:
    """Keys of logs, witnesses by their name in the file, the quorum, and keys of lockers."""

    logs: tuple[NoteKey, ...]
    witnesses: Mapping[str, NoteKey]
    groups: Mapping[str, Group]
    quorum: str
    lockers: Mapping[LockerId, bytes]
    urls: Mapping[NoteKey, str] = field(default_factory=dict)
    """Where a log is read, or a witness is asked, by its key; nothing is promised of the text."""
    anchors: tuple[Contract, ...] = ()

    def is_quorum(self, seen: Collection[str]) -> bool:
        """Whether these witnesses are enough."""
        return self.quorum == NOBODY or self._has_seen(self.quorum, seen)

    def _has_seen(self, name: str, seen: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in seen
        return sum(self._has_seen(member, seen) for member in group.members) >= group.least


@dataclass(slots=True)
class _Reader:
    """The file so far. A name means one thing, and what a line refers to stands before it."""

    logs: list[NoteKey] = field(default_factory=list)
    witnesses: dict[str, NoteKey] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)
    quorum: str | None = None
    lockers: dict[LockerId, bytes] = field(default_factory=dict)
    urls: dict[NoteKey, str] = field(default_factory=dict)
    anchors: list[Contract] = field(default_factory=list)

    def read(self, words: list[str]) -> None:
        match words:
            case ["log", vkey, *url] if len(url) <= 1:
                self.logs.append(self._new_key(vkey, KeyKind.LOG, url))
            case ["witness", name, vkey, *url] if len(url) <= 1:
                self._check_new(name)
                self.witnesses[name] = self._new_key(vkey, KeyKind.WITNESS, url)
            case ["group", name, least, *members]:
                self._check_new(name)
                self.groups[name] = self._new_group(least, members)
            case ["quorum", name] if self.quorum is None:
                if name != NOBODY and name not in self._names():
                    raise Malformed(f"nobody is named {name}")
                self.quorum = name
            case ["locker", lid, key]:
                self._add_locker(lid, key)
            case ["anchor", chain_id, address]:
                self._add_anchor(parse_contract(chain_id, address))
            case _:
                raise Malformed(f"no line of a trust file: {words[0]}")

    def _names(self) -> set[str]:
        return {*self.witnesses, *self.groups}

    def _check_new(self, name: str) -> None:
        if name == NOBODY or name in self._names():
            raise Malformed(f"{name} is named twice")

    def _new_key(self, vkey: str, kind: KeyKind, url: list[str]) -> NoteKey:
        key = NoteKey.parse(vkey)
        known = self.logs if kind is KeyKind.LOG else self.witnesses.values()
        if key.kind is not kind or key.public in {one.public for one in known}:
            raise Malformed(f"{key.name} is a key of another kind, or there twice")
        if url:
            self.urls[key] = url[0]
        return key

    def _new_group(self, least: str, members: list[str]) -> Group:
        if not members or not self._names().issuperset(members) or self.members & {*members}:
            raise Malformed("a group has members that are known, and in no other group")
        if len({*members}) < len(members):
            raise Malformed("a group has each member once")
        counts = {"all": len(members), "any": 1}
        counts |= {f"{count}": count for count in range(1, len(members) + 1)}
        if least not in counts:
            raise Malformed(f"a group of {len(members)} cannot ask for {least}")
        self.members |= {*members}
        return Group(counts[least], tuple(members))

    def _add_locker(self, lid: str, key: str) -> None:
        try:
            name, public = LockerId(bytes.fromhex(lid)), base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError) as error:
            raise Malformed("a locker has an id in hexadecimal and a key in base64") from error
        if len(name) != ID_SIZE or len(public) != PUBLIC_KEY_SIZE or name in self.lockers:
            raise Malformed(f"locker {lid} has a wrong id or key, or is there twice")
        self.lockers[name] = public

    def _add_anchor(self, contract: Contract) -> None:
        if contract in self.anchors:
            raise Malformed(f"contract {contract.address} is there twice")
        self.anchors.append(contract)


def parse_trust(raw: bytes) -> Trust:
    """The trust that a file tells; Malformed when a line of it is not understood."""
    if len(raw) > TRUST_BYTES:
        raise Malformed(f"a trust file has at most {TRUST_BYTES} bytes")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed("a trust file is UTF-8") from error
    if any((ord(one) < _PRINTABLE and one not in "\t\n") or one == "\x7f" for one in text):
        raise Malformed("a trust file has no control characters")
    reader = _Reader()
    for line in text.split("\n"):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            reader.read(words)
    if reader.quorum is None:
        raise Malformed("a trust file has one line that tells the quorum")
    return Trust(
        logs=tuple(reader.logs),
        witnesses=reader.witnesses,
        groups=reader.groups,
        quorum=reader.quorum,
        lockers=reader.lockers,
        urls=reader.urls,
        anchors=tuple(reader.anchors),
    )


def write_trust(
    logs: Iterable[NoteKey],
    *,
    witnesses: Iterable[NoteKey] = (),
    least: int = 0,
    lockers: Mapping[LockerId, bytes],
    anchors: Iterable[Contract] = (),
) -> str:
    """A trust file that asks for `least` of these witnesses."""
    lines = [f"log {key}" for key in logs]
    seers = [*witnesses]
    lines += [f"witness {key.name} {key}" for key in seers]
    if least:
        lines.append(f"group witnesses {least} {' '.join(key.name for key in seers)}")
    lines.append(f"quorum {'witnesses' if least else NOBODY}")
    lines += [
        f"locker {lid.hex()} {base64.b64encode(public).decode()}" for lid, public in lockers.items()
    ]
    lines += [f"anchor {contract}" for contract in anchors]
    return "".join(f"{line}\n" for line in lines)
