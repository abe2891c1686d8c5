"""One visit at the door: requests, results and frames, read whole or refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import Malformed, decode, encode
from schema.gatt import MAX_MESSAGE
from schema.handshake import (
    MAX_ENVELOPE,
    EnvelopeFrame,
    Hello,
    OpenRequest,
    ReopenFrame,
    Report,
    SyncFrame,
    encode_envelope_frame,
    encode_report,
    parse_hello,
    parse_phone_frame,
    parse_request,
    proof_message,
)
from schema.ids import LIMIT, LockerId
from schema.journal import sign_head
from schema.keys import Operation
from schema.statements import StatementType
from tests.schema.makers import (
    LID,
    NOW,
    OTHER_LID,
    case_id,
    make_chain,
    make_hello,
    make_locker_visit,
    make_phone_visit,
    make_session,
    make_statement,
    make_token,
    signing_key,
)

if TYPE_CHECKING:
    from schema.codec import Value

COUNTERS = st.integers(0, LIMIT - 1)
COMPARTMENTS = st.none() | st.integers(0, 255)
HELLOS = st.builds(
    Hello,
    lid=st.binary(min_size=8, max_size=8).map(LockerId),
    rev=COUNTERS,
    keys=COUNTERS,
    cfg=COUNTERS,
    now=COUNTERS,
    clockq=st.integers(0, 2),
    acked=COUNTERS,
    seq=COUNTERS,
)
REPORTS = st.builds(
    Report,
    code=st.integers(0, 255),
    comp=COMPARTMENTS,
    seq=COUNTERS,
    head=st.binary(min_size=32, max_size=32),
    signature=st.binary(min_size=64, max_size=64),
    now=COUNTERS,
    clockq=st.integers(0, 2),
)
REQUESTS = st.builds(
    OpenRequest,
    op=st.sampled_from([op for op in Operation if op is not Operation.OPEN_ALL]),
    comp=COMPARTMENTS,
    code=st.none() | st.integers(0, 99),
)
DEVICE = signing_key("device")
REPORT = Report(0, 3, 4, bytes(32), bytes(64), NOW, 2)


@given(HELLOS)
def test_hello_is_read_back(hello: Hello) -> None:
    assert parse_hello(hello.encode()) == hello


def test_unlock_with_one_token_costs_54_304_and_127_bytes() -> None:
    locker = make_locker_visit()
    phone = make_phone_visit(locker.hello)
    message = phone.write_request((make_token(),), OpenRequest(Operation.OPEN), DEVICE)
    locker.open_request(message)
    result = locker.seal(encode_report(REPORT, is_event=False))
    assert [len(locker.hello), len(message), len(result)] == [54, 304, 127]


@given(REQUESTS, st.lists(st.sampled_from(StatementType), max_size=4))
def test_request_arrives_whole_and_is_proved(
    request: OpenRequest, kinds: list[StatementType]
) -> None:
    locker = make_locker_visit()
    chain = make_chain("friend")
    brought = tuple((kind, make_statement(kind)) for kind in kinds)
    message = make_phone_visit(locker.hello).write_request(
        chain, request, signing_key("friend"), brought
    )
    read = parse_request(locker.open_request(message))
    assert (read.chain, read.req, read.second_token) == (chain, request, None)
    assert tuple((statement.type, statement.raw) for statement in read.statements) == brought
    proved = proof_message(locker.handshake_hash, chain, request)
    assert read.pop == signing_key("friend").sign(proved)


def test_proof_covers_handshake_chain_and_request() -> None:
    request = OpenRequest(Operation.OPEN, 3, 42)
    base = proof_message(bytes(32), (b"ab",), request)
    assert base.startswith(b"SLK1-pop\x00" + bytes(32))
    assert base.endswith(encode([1, 3, 42]))
    others = [
        proof_message(b"\x01" + bytes(31), (b"ab",), request),
        proof_message(bytes(32), (b"ac",), request),
        proof_message(bytes(32), (b"ab",), replace(request, comp=4)),
        proof_message(bytes(32), (b"ab",), replace(request, code=None)),
    ]
    assert len({base, *others}) == 5


def test_opening_all_takes_two_tokens() -> None:
    chain = (make_token(), make_token(minrev=1))
    payload = encode([list(chain), bytes(64), [64, None, None], []])
    request = parse_request(payload)
    assert request.second_token is not None
    assert (request.chain, request.delegations) == (chain, ())


def _payload(**changes: Any) -> Value:
    parts: dict[str, Any] = {
        "chain": [make_token()],
        "pop": bytes(64),
        "req": [1, None, None],
        "stmts": [],
    }
    parts |= changes
    return list(parts.values())


CFG = make_statement(StatementType.CONFIGURATION)
WRONG_REQUESTS: dict[str, dict[str, Any]] = {
    "empty chain": {"chain": []},
    "chain of four": {"chain": [*make_chain("friend", "neighbour"), make_token()]},
    "chain as bytes": {"chain": make_token()},
    "delegation first": {"chain": [make_chain("friend")[1]]},
    "token in a delegation's place": {"chain": [make_token(), make_token()]},
    "delegation among two tokens": {"chain": list(make_chain("friend")), "req": [64, None, None]},
    "proof of 63 bytes": {"pop": bytes(63)},
    "proof null": {"pop": None},
    "operation 0": {"req": [0, None, None]},
    "operation 3": {"req": [3, None, None]},
    "operation 32": {"req": [32, None, None]},
    "operation as a flag": {"req": [True, None, None]},
    "compartment 256": {"req": [1, 256, None]},
    "compartment as a flag": {"req": [1, False, None]},
    "code 100": {"req": [1, None, 100]},
    "code as text": {"req": [1, None, "42"]},
    "request of two": {"req": [1, None]},
    "five statements": {"stmts": [[4, CFG]] * 5},
    "statement of type 0": {"stmts": [[0, CFG]]},
    "statement of type 6": {"stmts": [[6, CFG]]},
    "statement of another type": {"stmts": [[1, CFG]]},
    "statement without its type": {"stmts": [CFG]},
    "statements null": {"stmts": None},
    "a fifth part": {"more": None},
}


@pytest.mark.parametrize("form", WRONG_REQUESTS)
def test_request_of_another_form_is_malformed(form: str) -> None:
    parse_request(encode(_payload()))
    with pytest.raises(Malformed):
        parse_request(encode(_payload(**WRONG_REQUESTS[form])))


@pytest.mark.parametrize(
    "wrong",
    [{0: 2}, {1: bytes(7)}, {6: 3}, {6: -1}, {5: LIMIT}, {8: None}],
    ids=case_id,
)
def test_hello_of_another_form_is_malformed(wrong: dict[int, Value]) -> None:
    fields = decode(make_hello().encode())
    assert isinstance(fields, list)
    for at, value in wrong.items():
        fields[at] = value
    with pytest.raises(Malformed):
        parse_hello(encode(fields))


@given(REPORTS, st.booleans())
def test_report_is_read_back(report: Report, is_event: bool) -> None:
    locker, phone = make_session()
    sealed = locker.seal(encode_report(report, is_event=is_event))
    assert (phone.read_frame(sealed) if is_event else phone.read_result(sealed)) == report


@given(st.none() | st.binary(max_size=1300), COUNTERS)
def test_sync_answer_is_read_back(envelope: bytes | None, pending: int) -> None:
    locker, phone = make_session()
    frame = EnvelopeFrame(envelope, pending)
    assert phone.read_frame(locker.seal(encode_envelope_frame(frame))) == frame


def test_longest_envelope_of_a_sync_fits_a_message_and_is_1300_bytes() -> None:
    locker, _ = make_session()
    frame = EnvelopeFrame(bytes(MAX_ENVELOPE), LIMIT - 1)
    assert len(locker.seal(encode_envelope_frame(frame))) <= MAX_MESSAGE
    assert MAX_ENVELOPE == 1300


def test_frames_of_the_phone_are_read_back_in_order() -> None:
    locker, phone = make_session()
    brought = ((StatementType.CONFIGURATION, CFG),)
    sync, reopen = phone.write_sync(brought, 1300), phone.write_reopen(255)
    read = parse_phone_frame(locker.open_frame(sync))
    assert isinstance(read, SyncFrame)
    assert (read.statements[0].raw, read.max_bytes) == (CFG, 1300)
    assert parse_phone_frame(locker.open_frame(reopen)) == ReopenFrame(255)


WRONG_FRAMES: list[Value] = [
    [],
    [1],
    [2],
    [0, [], 0],
    [3, 1],
    [1, [], -1],
    [1, [], None],
    [1, None, 0],
    [1, [[4, CFG]] * 5, 0],
    [1, [], 0, 0],
    [2, 256],
    [2, None],
    [2, 1, 1],
    [True, [], 0],
    {1: []},
    None,
]


@pytest.mark.parametrize("frame", WRONG_FRAMES, ids=case_id)
def test_frame_of_another_form_is_malformed(frame: Value) -> None:
    with pytest.raises(Malformed):
        parse_phone_frame(encode(frame))


WRONG_ANSWERS: list[Value] = [
    [],
    [3, None, 0],
    [2, None],
    [2, "text", 0],
    [2, None, -1],
    [1, 256, 3, 4, bytes(32), bytes(64), NOW, 2],
    [1, 0, 256, 4, bytes(32), bytes(64), NOW, 2],
    [1, 0, 3, 4, bytes(31), bytes(64), NOW, 2],
    [1, 0, 3, 4, bytes(32), bytes(63), NOW, 2],
    [1, 0, 3, 4, bytes(32), bytes(64), NOW, 3],
    [0, 0, 3, 4, bytes(32), bytes(64), NOW, 2],
]


@pytest.mark.parametrize("answer", WRONG_ANSWERS, ids=case_id)
def test_answer_of_another_form_is_malformed(answer: Value) -> None:
    locker, phone = make_session()
    with pytest.raises(Malformed):
        phone.read_frame(locker.seal(encode(answer)))


def test_event_in_the_results_place_is_malformed() -> None:
    locker, phone = make_session()
    with pytest.raises(Malformed, match="expected a result"):
        phone.read_result(locker.seal(encode_report(REPORT, is_event=True)))


def test_result_is_vouched_for_by_its_own_locker_only() -> None:
    signer = signing_key("locker")
    report = replace(REPORT, signature=sign_head(signer, LID, REPORT.seq, REPORT.head))
    assert report.is_vouched_by(signer.public, LID)
    assert not report.is_vouched_by(signer.public, OTHER_LID)
    assert not report.is_vouched_by(signing_key("impostor").public, LID)
    assert not replace(report, seq=5).is_vouched_by(signer.public, LID)


def test_phone_refuses_the_hello_of_another_locker() -> None:
    visit = make_locker_visit()
    foreign = make_hello(lid=OTHER_LID)
    with pytest.raises(Malformed, match="another locker"):
        make_phone_visit(visit.hello[:32] + foreign.encode())
