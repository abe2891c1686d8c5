"""Our own frozen bytes: written the same today, and read by everything that reads them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from schema import envelopes, handshake, journal, statements, tokens
from schema.codec import Malformed
from schema.ids import LIMIT, LockerId, StayId
from schema.journal import FIRST_PREV_HEAD, Kind
from schema.statements import StatementType
from schema.tokens import passes
from tests.schema.frozen import load_frozen
from tests.schema.makers import STAY, make_locker_visit, make_phone_visit, signing_key
from tests.schema.own_vectors import NAME, build

if TYPE_CHECKING:
    from collections.abc import Callable

FROZEN = load_frozen(NAME)
LID = LockerId(bytes.fromhex(FROZEN["keys"]["lid"]))
PARSERS: dict[str, Callable[[bytes], object]] = {
    "token": tokens.parse_token,
    "delegation": tokens.parse_delegation,
    "request": handshake.parse_request,
    "phone_frame": handshake.parse_phone_frame,
    "hello": handshake.parse_hello,
    "entry": journal.parse_entry,
    "envelope": envelopes.parse_outer,
    **{kind.name.lower(): partial(statements.parse_statement, kind) for kind in StatementType},
}


@pytest.mark.parametrize("section", FROZEN)
def test_section_is_written_today_as_it_was_frozen(section: str) -> None:
    assert build()[section] == FROZEN[section]


def test_no_section_is_missing_from_the_file() -> None:
    assert list(build()) == list(FROZEN)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(kind, name) for kind, examples in FROZEN["malformed"].items() for name in examples],
)
def test_malformed_example_is_refused(kind: str, name: str) -> None:
    with pytest.raises(Malformed):
        PARSERS[kind](bytes.fromhex(FROZEN["malformed"][kind][name]))


def test_every_parser_has_a_malformed_example() -> None:
    assert FROZEN["malformed"].keys() == PARSERS.keys()


def test_widest_token_and_its_chain_fit_a_message() -> None:
    widest = tokens.parse_token(bytes.fromhex(FROZEN["tokens"]["widest"]))
    assert len(widest.claims.comps) == tokens.MAX_COMPARTMENTS
    assert widest.claims.exp == widest.claims.minrev == LIMIT - 1
    delegations = [len(part) // 2 for part in FROZEN["chain"][1:]]
    assert len(widest.raw) + sum(delegations) < 1000
    narrowest = tokens.parse_token(bytes.fromhex(FROZEN["tokens"]["narrowest"]))
    assert (narrowest.claims.stay, narrowest.claims.comps) == (b"", ())


def test_frozen_visit_is_read_by_a_phone_to_its_last_frame() -> None:
    visit = FROZEN["visit"]
    locker = make_locker_visit()
    phone = make_phone_visit(bytes.fromhex(visit["hello"]))
    message = phone.write_payload(bytes.fromhex(visit["message2_plain"]))
    assert message.hex() == visit["message2"]
    asked = handshake.parse_request(locker.open_request(message))
    assert len(asked.chain) == 3
    assert len(asked.statements) == handshake.MAX_STATEMENTS
    assert phone.read_result(bytes.fromhex(visit["message3"])).comp == 255
    read = [phone.read_frame(bytes.fromhex(frame)) for frame in visit["from_locker"].values()]
    codes = [report.code for report in read if isinstance(report, handshake.Report)]
    assert codes == [100, 101, 102, 103, 104, 105, 13]
    assert read[-1] == handshake.EnvelopeFrame(None, LIMIT - 1)
    frames = [locker.open_frame(bytes.fromhex(frame)) for frame in visit["from_phone"].values()]
    bare, bringing, reopening = map(handshake.parse_phone_frame, frames)
    assert bare == handshake.SyncFrame((), 0)
    assert isinstance(bringing, handshake.SyncFrame)
    assert bringing.statements[0].type is StatementType.ACKNOWLEDGEMENT
    assert reopening == handshake.ReopenFrame(0)


def test_frozen_journal_holds_each_kind_once_under_one_signature() -> None:
    raws = [bytes.fromhex(raw) for raw in FROZEN["journal"]["entries"]]
    assert [journal.parse_entry(raw).kind for raw in raws] == list(Kind)
    head = journal.check_chain(raws, lid=LID, first=1, prev_head=FIRST_PREV_HEAD)
    assert head.hex() == FROZEN["journal"]["head"]
    terms: dict[str, Any] = {
        "lid": LID,
        "seq": len(raws),
        "head": head,
        "signature": bytes.fromhex(FROZEN["journal"]["signature"]),
    }
    assert journal.verify_head(signing_key("locker").public, **terms)


@pytest.mark.parametrize(("name", "entries"), [("whole journal", 20), ("readings alone", 0)])
def test_frozen_envelope_is_opened_by_the_server(name: str, entries: int) -> None:
    outer = envelopes.parse_outer(bytes.fromhex(FROZEN["envelopes"][name]))
    private = bytes.fromhex(FROZEN["keys"]["server_x25519_private"])
    inner = envelopes.unseal(outer.sealed, private)
    known = {LID: bytes.fromhex(FROZEN["keys"]["public"]["locker"])}
    contents = envelopes.open_envelope(outer, inner, find_locker_key=known.get)
    assert len(contents.entries) == outer.last - outer.first + 1 == entries
    assert [reading.value for reading in contents.readings] == [1 - LIMIT, LIMIT - 1]
    assert contents.head.hex() == FROZEN["journal"]["head"]


def test_frozen_pins_and_codes_reach_the_last_window() -> None:
    secret = bytes.fromhex(FROZEN["keys"]["pin_secret"])
    for window, typed in FROZEN["pins"].items():
        at = int(window) * passes.PIN_WINDOW_S
        assert passes.is_pin_right(secret, StayId(STAY), typed, at)
    for step, text in FROZEN["codes"].items():
        assert passes.parse_shown_token(text).is_proved_at(int(step) * passes.QR_STEP_S)
