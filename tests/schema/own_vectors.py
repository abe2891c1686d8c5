"""The project's own frozen examples, built from names alone.

`python -m tests.schema.own_vectors` writes them anew. A changed byte is a changed protocol: then
the version changes too.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from schema.codec import encode
from schema.codes import Code, DoorEvent
from schema.handshake import EnvelopeFrame, OpenRequest, Report, encode_envelope_frame
from schema.handshake import encode_report as write
from schema.ids import EVERY_LOCKER, LIMIT, StayId
from schema.journal import entry_head, sign_head
from schema.keys import Operation, Role
from schema.noise import x25519_public
from schema.readings import Reading
from schema.statements import (
    Configuration,
    KeySetStatement,
    Revocations,
    Statement,
    StatementType,
    Time,
    sign_statement,
)
from schema.tokens.passes import pin, show_token
from tests.schema.crafted import make_inner, sealed_box, stored_stream
from tests.schema.frozen import FOLDER
from tests.schema.makers import (
    ISSUER_KID,
    LID,
    LOCKER_STATIC,
    NOW,
    ROOT_KID,
    SEALING_KID,
    SERVER_STATIC,
    STAY,
    make_chain,
    make_entry,
    make_journal,
    make_key_entry,
    make_locker_visit,
    make_phone_visit,
    make_statement,
    make_token,
    seed,
    signing_key,
)
from tests.schema.malformed import make_malformed

if TYPE_CHECKING:
    from schema.codec import Value
    from schema.handshake import LockerVisit, PhoneVisit

NAME = "restante.json"
LAST = LIMIT - 1


def build() -> dict[str, Any]:
    """All sections, byte strings as hex."""
    return {
        "version": "SLK1",
        "how": "All bytes are hex. Seeds are SHA-256 of 'restante vector: ' and the key's name.",
        "keys": _keys(),
        "tokens": _tokens(),
        "chain": [part.hex() for part in make_chain("friend", "neighbour")],
        "statements": {name: raw.hex() for name, raw in _statements().items()},
        "visit": _visit(),
        "journal": _journal(),
        "envelopes": _envelopes(),
        "pins": _pins(),
        "codes": _codes(),
        "malformed": {
            kind: {name: raw.hex() for name, raw in examples.items()}
            for kind, examples in make_malformed().items()
        },
    }


def _keys() -> dict[str, Any]:
    signers = ["issuer", "root", "locker", "device", "friend", "neighbour"]
    return {
        "lid": LID.hex(),
        "seeds": {name: seed(name).hex() for name in signers},
        "public": {name: signing_key(name).public.hex() for name in signers},
        "locker_x25519": x25519_public(LOCKER_STATIC).hex(),
        "server_x25519_private": SERVER_STATIC.hex(),
        "pin_secret": seed("pin secret").hex(),
    }


def _tokens() -> dict[str, str]:
    widest = make_token(
        exp=LAST,
        nbf=LAST,
        iat=LAST,
        role=Role.OPERATOR,
        actions=LAST,
        comps=tuple(range(192, 256)),
        depth=2,
        minrev=LAST,
    )
    narrowest = make_token(exp=0, nbf=0, iat=0, actions=0, stay=StayId(b""), depth=0)
    return {"widest": widest.hex(), "narrowest": narrowest.hex()}


def _statements() -> dict[str, bytes]:
    ids = tuple((seed(f"revoked {number}")[:8], LAST - number) for number in range(40))
    signers = tuple(make_key_entry(number) for number in range(7))
    sealing = make_key_entry(
        0x0101, public=x25519_public(SERVER_STATIC), actions=0, max_ttl=0, nbf=0, exp=0
    )
    bodies: dict[str, Statement] = {
        "forty revocations": Revocations(LID, LAST, NOW, NOW, ids),
        "no revocations": Revocations(EVERY_LOCKER, 0, 0, 0, ()),
        "time for every locker": Time(EVERY_LOCKER, LAST, bytes(16)),
        "eight keys": KeySetStatement(LID, LAST, NOW, (*signers, sealing)),
        "no keys": KeySetStatement(EVERY_LOCKER, 1, NOW, ()),
        "settings not known": Configuration(LID, 1, NOW, {1: False, 2: 3600, 16: [1], -1: "x"}),
        "no settings": Configuration(EVERY_LOCKER, 1, NOW, {}),
    }
    raws = {}
    for name, body in bodies.items():
        by_root = isinstance(body, KeySetStatement)
        signer, kid = ("root", ROOT_KID) if by_root else ("issuer", ISSUER_KID)
        raws[name] = sign_statement(signing_key(signer), kid, body)
    return raws | {kind.name.lower(): make_statement(kind) for kind in StatementType}


def _report(code: int, comp: int | None) -> Report:
    head = entry_head(make_entry().encode())
    signature = sign_head(signing_key("locker"), LID, 1, head)
    return Report(code, comp, 1, head, signature, NOW, 1)


def _visit() -> dict[str, Any]:
    """A delegated request with four statements, then every kind of frame."""
    locker = make_locker_visit()
    phone = make_phone_visit(locker.hello)
    brought = tuple((kind, make_statement(kind)) for kind in list(StatementType)[1:])
    chain = make_chain("friend", "neighbour")
    asked = OpenRequest(Operation.OPEN, 255, 99)
    message = phone.write_request(chain, asked, signing_key("neighbour"), brought)
    return {
        "locker_ephemeral": seed("locker's ephemeral key").hex(),
        "phone_ephemeral": seed("phone's ephemeral key").hex(),
        "hello": locker.hello.hex(),
        "message2": message.hex(),
        "message2_plain": locker.open_request(message).hex(),
        "h": locker.handshake_hash.hex(),
        "message3": locker.seal(write(_report(Code.OK, 255), is_event=False)).hex(),
        "from_locker": _from_locker(locker),
        "from_phone": _from_phone(phone),
    }


def _from_locker(locker: LockerVisit) -> dict[str, str]:
    reports = {event.name: _report(event, 255) for event in DoorEvent}
    frames = {name: write(report, is_event=True) for name, report in reports.items()}
    frames["reopening refused"] = write(_report(Code.COMPARTMENT_BUSY, None), is_event=True)
    frames["nothing to carry"] = encode_envelope_frame(EnvelopeFrame(None, LAST))
    return {name: locker.seal(plain).hex() for name, plain in frames.items()}


def _from_phone(phone: PhoneVisit) -> dict[str, str]:
    brought = ((StatementType.ACKNOWLEDGEMENT, make_statement(StatementType.ACKNOWLEDGEMENT)),)
    return {
        "sync that brings nothing": phone.write_sync((), 0).hex(),
        "sync that brings": phone.write_sync(brought, LAST).hex(),
        "reopening": phone.write_reopen(0).hex(),
    }


def _journal() -> dict[str, Any]:
    raws, head = make_journal()
    return {
        "entries": [raw.hex() for raw in raws],
        "head": head.hex(),
        "signature": sign_head(signing_key("locker"), LID, len(raws), head).hex(),
    }


def _envelopes() -> dict[str, str]:
    raws, head = make_journal()
    edges = [Reading(0, 0, 0, -LAST), Reading(LAST, LAST, LAST, LAST)]
    readings: list[Value] = [[r.t, r.channel, r.kind, r.value] for r in edges]
    return {
        "whole journal": _envelope(1, list(raws), head, readings).hex(),
        "readings alone": _envelope(len(raws) + 1, [], head, readings).hex(),
    }


def _envelope(first: int, entries: list[Value], head: bytes, readings: list[Value]) -> bytes:
    inner = make_inner(stored_stream(encode([first, entries, head, readings])))
    to, ephemeral = x25519_public(SERVER_STATIC), seed("envelope's ephemeral key")
    sealed = sealed_box(inner, to=to, ephemeral=ephemeral)
    return encode([1, SEALING_KID, LID, first, first + len(entries) - 1, sealed])


def _pins() -> dict[str, str]:
    return {str(window): pin(seed("pin secret"), STAY, window) for window in (0, 20370, 2**32 - 1)}


def _codes() -> dict[str, str]:
    device = signing_key("device")
    return {str(step): show_token(make_token(), device, step * 60) for step in (0, 2**32 - 1)}


if __name__ == "__main__":
    text = json.dumps(build(), indent=1, ensure_ascii=True) + "\n"
    (FOLDER / NAME).write_text(text, encoding="utf-8")
