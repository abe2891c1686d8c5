"""What `schema` makes of bytes that another reader is shown too: `KIND HEX` in, 1 or 0 out."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING

from schema import gatt, handshake, statements, tokens
from schema.codec import Malformed, decode
from schema.codes import Code, DoorEvent
from schema.cose import Aad
from schema.gatt import AttError
from schema.ids import parse_locker_text
from schema.keys import Operation, Role
from schema.statements import StatementType
from schema.tokens import passes

if TYPE_CHECKING:
    from collections.abc import Callable
    from enum import Enum

READERS: dict[str, Callable[[bytes], object]] = {
    "value": decode,
    "token": tokens.parse_token,
    "delegation": tokens.parse_delegation,
    "hello": handshake.parse_hello,
    "request": handshake.parse_request,
    "code": lambda raw: passes.parse_shown_token(raw.decode()),
    "locker": lambda raw: parse_locker_text(raw.decode()),
    **{kind.name.lower(): partial(statements.parse_statement, kind) for kind in StatementType},
}


def judge(line: str) -> str:
    """Whether our reader of this kind takes these bytes."""
    kind, _, raw = line.partition(" ")
    try:
        READERS[kind](bytes.fromhex(raw))
    except (Malformed, ValueError):
        return "0"
    return "1"


def list_names() -> dict[str, dict[str, int | str]]:
    """The words that both languages have, with their numbers."""
    kinds: list[type[Enum]] = [Code, DoorEvent, Operation, Role, StatementType, AttError]
    names: dict[str, dict[str, int | str]] = {
        kind.__name__: {member.name: member.value for member in kind} for kind in kinds
    }
    names["Aad"] = {aad.name: aad.value.decode() for aad in Aad}
    return names | {"Gatt": {name: getattr(gatt, name) for name in GATT}}


GATT = ("SERVICE_UUID", "HELLO_UUID", "COMMAND_UUID", "RESULT_UUID", "COMPANY_ID", "MAX_MESSAGE")

if __name__ == "__main__":
    if sys.argv[1:] == ["--names"]:
        sys.stdout.write(json.dumps(list_names()))
    else:
        sys.stdout.write("\n".join(map(judge, sys.stdin.read().splitlines())))
