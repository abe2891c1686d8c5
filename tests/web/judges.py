"""What `schema` makes of bytes that another reader is shown too: `KIND HEX` in, 1 or 0 out."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from schema import handshake, statements, tokens
from schema.codec import Malformed, decode
from schema.ids import parse_locker_text
from schema.statements import StatementType
from schema.tokens import passes

if TYPE_CHECKING:
    from collections.abc import Callable

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


if __name__ == "__main__":
    sys.stdout.write("\n".join(map(judge, sys.stdin.read().splitlines())))
