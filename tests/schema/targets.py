"""Every parser that a stranger's bytes reach, with what it reads when all is well."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from schema import envelopes, gatt, handshake, journal, statements, tokens
from schema.checkpoint.notes import parse_checkpoint, parse_note
from schema.checkpoint.submissions import parse_submission
from schema.checkpoint.tiles import read_bundle, write_bundle
from schema.checkpoint.trust import parse_trust, write_trust
from schema.codec import Malformed, decode, encode
from schema.noise import x25519_public
from schema.tokens import passes
from tests.fakes.trees import LID as LOGGED
from tests.fakes.trees import Tree, entries_of
from tests.schema.crafted import base45, make_inner, make_outer, open_packed, sealed_box
from tests.schema.makers import (
    LID,
    SEALING_KID,
    SERVER_STATIC,
    make_chain,
    make_hello,
    make_journal,
    make_locker_visit,
    make_phone_visit,
    make_session,
    make_statement,
    make_token,
    seed,
    signing_key,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = list(statements.StatementType)


@dataclass(frozen=True, slots=True)
class Target:
    """A parser, what it reads when all is well, and how often it is tried among the others."""

    parse: Callable[[bytes], object]
    specimens: tuple[bytes, ...]
    weight: int = 8


def _read_back(data: bytes) -> None:
    assert encode(decode(data)) == data


def _requests() -> tuple[bytes, ...]:
    chains = [make_chain(), make_chain("friend"), make_chain("friend", "neighbour")]
    brought: Any = [[int(kind), make_statement(kind)] for kind in KINDS[:4]]
    alone = [encode([[*chain], bytes(64), [1, 3, 42], []]) for chain in chains]
    many = encode([[*chains[0]], bytes(64), [2, None, None], brought])
    both = encode([[make_token(), make_token(minrev=1)], bytes(64), [64, None, None], []])
    return (*alone, many, both)


def _frames() -> tuple[bytes, ...]:
    syncs = [encode([1, [[int(kind), make_statement(kind)]], 1300]) for kind in KINDS]
    return (encode([2, 3]), *syncs)


def _answers() -> tuple[bytes, ...]:
    report = handshake.Report(0, 3, 4, bytes(32), bytes(64), 0, 2)
    answer = handshake.encode_envelope_frame(handshake.EnvelopeFrame(b"sealed", 3))
    reports = [handshake.encode_report(report, is_event=is_event) for is_event in (False, True)]
    return (*reports, answer)


def _open_request(message: bytes) -> None:
    make_locker_visit().open_request(message)


def _outside(sealed: bytes) -> bytes:
    return encode([1, SEALING_KID, LID, 1, 1, sealed])


def _sealed(inner: bytes) -> bytes:
    return _outside(sealed_box(inner, to=x25519_public(SERVER_STATIC), ephemeral=seed("carrier")))


def _open_outside(data: bytes) -> None:
    envelopes.unseal(envelopes.parse_outer(data).sealed, SERVER_STATIC)


def _open_inside(data: bytes) -> None:
    known = {LID: signing_key("locker").public}.get
    envelopes.open_envelope(make_outer(), data, find_locker_key=known)


def _feed(data: bytes) -> None:
    """Cut the bytes into fragments as they say themselves; what comes out is within its bounds."""
    into = gatt.Reassembler()
    at, now_s = 0, 0.0
    while at < len(data):
        size = 1 + data[at] % 60
        answer = into.take(data[at : at + size], now_s=now_s)
        at, now_s = at + size, now_s + data[at] % 7
        assert not isinstance(answer, bytes) or 0 < len(answer) <= gatt.MAX_MESSAGE
    assert into.longest <= gatt.MAX_ATTRIBUTE


def _phone_reads(*, is_result: bool) -> Callable[[bytes], None]:
    """A phone before which a locker gone bad seals whatever it likes."""
    locker, phone = make_session()

    def read(data: bytes) -> None:
        sealed = locker.seal(data)
        phone.read_result(sealed) if is_result else phone.read_frame(sealed)

    return read


def _request_messages() -> tuple[bytes, ...]:
    return tuple(
        make_phone_visit(make_locker_visit().hello).write_payload(payload)
        for payload in _requests()[:2]
    )


def _log_targets() -> dict[str, Target]:
    """What comes from a log, from who shows its head, and from who says whom to trust."""
    tree = Tree(entries_of(LOGGED, 1, 9))
    trust = write_trust([tree.public], lockers={LOGGED: bytes(32)})
    return {
        "head": Target(
            lambda data: parse_checkpoint(parse_note(data)), (str(tree.note(9)).encode(),)
        ),
        "shown head": Target(parse_submission, (tree.show(5, 9), tree.show(0, 9))),
        "entry bundle": Target(read_bundle, (write_bundle(tree.leaves),)),
        "trust file": Target(parse_trust, (trust.encode(),)),
    }


def make_targets() -> dict[str, Target]:
    """The parsers by name; those of a session stand in one of their own."""
    entries, head = make_journal()
    session, _ = make_session()
    contents = encode([1, [entries[0]], head, [[0, 1, 1, -5]]])
    shown = make_token() + bytes(68)
    code = passes.QR_PREFIX + base45(shown)
    inner = make_inner(zlib.compress(contents))
    return {
        "codec": Target(_read_back, (*_requests(), *entries), 24),
        "token": Target(tokens.parse_token, (make_token(), make_token(comps=(1, 200)))),
        "delegation": Target(tokens.parse_delegation, make_chain("friend", "neighbour")[1:]),
        **{
            kind.name: Target(partial(statements.parse_statement, kind), (make_statement(kind),))
            for kind in KINDS
        },
        "request": Target(handshake.parse_request, _requests(), 24),
        "request message": Target(_open_request, _request_messages(), 1),
        "phone frame": Target(handshake.parse_phone_frame, _frames()),
        "sealed frame": Target(session.open_frame, (bytes(40),), 2),
        "hello": Target(handshake.parse_hello, (make_hello().encode(),)),
        "hello message": Target(make_phone_visit, (make_locker_visit().hello,), 1),
        "result": Target(_phone_reads(is_result=True), _answers()),
        "event": Target(_phone_reads(is_result=False), _answers()),
        "entry": Target(journal.parse_entry, entries),
        "envelope": Target(envelopes.parse_outer, (_outside(bytes(80)),)),
        "sealed box": Target(_open_outside, (_sealed(inner),), 1),
        "envelope inside": Target(_open_inside, (inner,), 4),
        "compressed": Target(open_packed, (zlib.compress(contents),), 2),
        "contents": Target(lambda data: open_packed(zlib.compress(data, 1)), (contents,), 2),
        "shown token": Target(
            lambda data: passes.parse_shown_token(passes.QR_PREFIX + base45(data)), (shown,)
        ),
        "scanned text": Target(
            lambda data: passes.parse_shown_token(data.decode("latin-1")), (code.encode(),)
        ),
        **_log_targets(),
        "fragments": Target(_feed, (bytes(range(256)), *_request_messages())),
    }


def survives(target: Target, data: bytes) -> bool:
    """Whether the parser took the bytes; anything but Malformed comes out of here."""
    try:
        target.parse(data)
    except Malformed:
        return False
    return True
