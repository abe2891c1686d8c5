"""What a phone carries to a locker: which statements are news there, and what one message takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from schema.gatt import MAX_MESSAGE
from schema.handshake import MAX_STATEMENTS
from schema.statements import Acknowledgement, StatementType, Time, parse_statement

if TYPE_CHECKING:
    from schema.handshake import Hello
    from schema.statements import Statement

Carried = tuple[StatementType, bytes]
Parted = tuple[tuple[Carried, ...], tuple[Carried, ...]]
"""What travels in a message, and what has to wait for the next one."""

_ORDER: Final = (
    StatementType.KEY_SET,
    StatementType.REVOCATIONS,
    StatementType.CONFIGURATION,
    StatementType.ACKNOWLEDGEMENT,
)

_REQUEST_SIZE: Final = 32 + 16 + 66 + 12
"""Of a request besides chain and statements: ephemeral key, tag, proof, arrays and `req`."""

_SYNC_SIZE: Final = 16 + 8
"""Of a sync besides its statements: tag, arrays, the bytes it offers to take."""

_PER_STATEMENT: Final = 5
_PER_PART: Final = 3


def newer_than(hello: Hello, statements: tuple[Carried, ...]) -> tuple[Carried, ...]:
    """What of these the locker does not have yet, keys first: the rest is signed by them."""
    known = {
        StatementType.KEY_SET: hello.keys,
        StatementType.REVOCATIONS: hello.rev,
        StatementType.CONFIGURATION: hello.cfg,
        StatementType.ACKNOWLEDGEMENT: hello.acked,
    }
    lacking = [
        (kind, raw)
        for kind, raw in statements
        if kind in known and _number(parse_statement(kind, raw).body) > known[kind]
    ]
    return tuple(sorted(lacking, key=lambda each: _ORDER.index(each[0])))


def part_for_request(
    chain: tuple[bytes, ...], news: tuple[Carried, ...], *, time: bytes | None
) -> Parted:
    """What a request brings, a time statement in any case and last: its key may come with it."""
    room = MAX_MESSAGE - _REQUEST_SIZE - sum(len(part) + _PER_PART for part in chain)
    if time is None:
        return _part(news, room, MAX_STATEMENTS)
    kept, left = _part(news, room - len(time) - _PER_STATEMENT, MAX_STATEMENTS - 1)
    return (*kept, (StatementType.TIME, time)), left


def part_for_sync(news: tuple[Carried, ...]) -> Parted:
    """What one sync brings; a statement that no message takes is left out of both."""
    room = MAX_MESSAGE - _SYNC_SIZE
    fitting = tuple(each for each in news if len(each[1]) + _PER_STATEMENT <= room)
    return _part(fitting, room, MAX_STATEMENTS)


def _part(news: tuple[Carried, ...], room: int, most: int) -> Parted:
    kept: list[Carried] = []
    left: list[Carried] = []
    for kind, raw in news:
        size = len(raw) + _PER_STATEMENT
        if size <= room and len(kept) < most:
            kept.append((kind, raw))
            room -= size
        else:
            left.append((kind, raw))
    return tuple(kept), tuple(left)


def _number(body: Statement) -> int:
    """The counter by which a statement is newer than another of its kind."""
    match body:
        case Acknowledgement():
            return body.upto_seq
        case Time():
            return body.t
        case _:
            return body.seq
