"""The five kinds of statement: each read back, each bound, each other form refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import Malformed, decode, encode
from schema.compartments import ClimateZone
from schema.cose import sign_object
from schema.ids import EVERY_LOCKER, LIMIT, LockerId
from schema.statements import (
    CFG_CHILLED,
    CFG_FROZEN,
    Acknowledgement,
    Configuration,
    KeySetStatement,
    Revocations,
    Statement,
    StatementType,
    Time,
    parse_statement,
    sign_statement,
    time_nonce,
    zones_as_values,
    zones_of,
)
from tests.schema.makers import (
    ISSUER_KID,
    LID,
    NOW,
    make_body,
    make_key_entry,
    make_locker_visit,
    make_statement,
    signing_key,
)

if TYPE_CHECKING:
    from schema.codec import Value

COUNTERS = st.integers(0, LIMIT - 1)
UNKNOWN_KEYS = st.integers(16, 99).filter(lambda key: key not in {CFG_CHILLED, CFG_FROZEN})
AUDIENCES = st.sampled_from([LID, EVERY_LOCKER])
IDS = st.binary(min_size=8, max_size=8)
BODIES: st.SearchStrategy[Statement] = st.one_of(
    st.builds(
        Revocations,
        lid=AUDIENCES,
        seq=COUNTERS,
        iat=COUNTERS,
        min_iat=COUNTERS,
        entries=st.lists(st.tuples(IDS, COUNTERS), max_size=40).map(tuple),
    ),
    st.builds(Time, lid=AUDIENCES, t=COUNTERS, nonce=st.binary(min_size=16, max_size=16)),
    st.builds(
        KeySetStatement,
        lid=AUDIENCES,
        seq=COUNTERS,
        iat=COUNTERS,
        keys=st.lists(st.builds(make_key_entry, st.integers(0, 65535)), max_size=8).map(tuple),
    ),
    st.builds(
        Configuration,
        lid=AUDIENCES,
        seq=COUNTERS,
        iat=COUNTERS,
        values=st.dictionaries(UNKNOWN_KEYS, st.integers() | st.text(), max_size=5),
    ).filter(lambda body: all(abs(v) < LIMIT for v in body.values.values() if isinstance(v, int))),
    st.builds(
        Acknowledgement,
        lid=st.just(LID),
        iat=COUNTERS,
        upto_seq=COUNTERS,
        head=st.binary(min_size=32, max_size=32),
    ),
)


@given(BODIES)
def test_signed_statement_is_read_back(body: Statement) -> None:
    raw = sign_statement(signing_key("issuer"), ISSUER_KID, body)
    kind = next(kind for kind in StatementType if isinstance(body, type(make_body(kind))))
    statement = parse_statement(kind, raw)
    assert (statement.body, statement.type, statement.raw) == (body, kind, raw)
    assert statement.is_signed_by(signing_key("issuer").public)
    assert not statement.is_signed_by(signing_key("root").public)


def test_time_is_its_own_date_of_issue() -> None:
    assert Time(LID, NOW, bytes(16)).iat == NOW


def test_time_nonce_belongs_to_one_hello() -> None:
    hellos = [make_locker_visit(name).hello for name in ("one", "another")]
    assert time_nonce(hellos[0]) == time_nonce(hellos[0])
    assert time_nonce(hellos[0]) != time_nonce(hellos[1])
    assert len(time_nonce(hellos[0])) == 16


TOO_MUCH: dict[str, tuple[StatementType, dict[str, Any]]] = {
    "41 revocations": (StatementType.REVOCATIONS, {"entries": ((bytes(8), NOW),) * 41}),
    "revoked id of 7 bytes": (StatementType.REVOCATIONS, {"entries": ((bytes(7), NOW),)}),
    "9 keys": (StatementType.KEY_SET, {"keys": (make_key_entry(1),) * 9}),
    "key of 31 bytes": (StatementType.KEY_SET, {"keys": (make_key_entry(1, public=bytes(31)),)}),
    "kid of 1 byte": (StatementType.KEY_SET, {"keys": (make_key_entry(1, kid=b"\x01"),)}),
    "negative mask": (StatementType.KEY_SET, {"keys": (make_key_entry(1, actions=-1),)}),
    "nonce of 15 bytes": (StatementType.TIME, {"nonce": bytes(15)}),
    "time of 2^53": (StatementType.TIME, {"t": LIMIT}),
    "negative seq": (StatementType.CONFIGURATION, {"seq": -1}),
    "presence code as a number": (StatementType.CONFIGURATION, {"values": {1: 1}}),
    "29 s until overdue": (StatementType.CONFIGURATION, {"values": {2: 29}}),
    "3601 s until overdue": (StatementType.CONFIGURATION, {"values": {2: 3601}}),
    "overdue as a flag": (StatementType.CONFIGURATION, {"values": {2: True}}),
    "chilled compartments as a list": (StatementType.CONFIGURATION, {"values": {17: [1]}}),
    "257 frozen compartments": (StatementType.CONFIGURATION, {"values": {18: bytes(257)}}),
    "head of 31 bytes": (StatementType.ACKNOWLEDGEMENT, {"head": bytes(31)}),
    "acknowledgement for every locker": (StatementType.ACKNOWLEDGEMENT, {"lid": EVERY_LOCKER}),
    "audience of 7 bytes": (StatementType.REVOCATIONS, {"lid": LockerId(bytes(7))}),
    "audience of another star": (StatementType.TIME, {"lid": LockerId(b"+")}),
}


@pytest.mark.parametrize("form", TOO_MUCH)
def test_statement_that_no_locker_would_read_is_not_signed(form: str) -> None:
    kind, changes = TOO_MUCH[form]
    body = replace(make_body(kind), **changes)
    with pytest.raises(Malformed):
        sign_statement(signing_key("issuer"), ISSUER_KID, body)


@pytest.mark.parametrize("seconds", [30, 120, 3600])
def test_seconds_until_overdue_reach_from_30_to_3600(seconds: int) -> None:
    body = Configuration(LID, 1, NOW, {2: seconds})
    raw = sign_statement(signing_key("issuer"), ISSUER_KID, body)
    assert parse_statement(StatementType.CONFIGURATION, raw).body == body


def test_zones_of_compartments_are_read_as_they_were_written() -> None:
    zones = {3: ClimateZone.CHILLED, 255: ClimateZone.CHILLED, 0: ClimateZone.FROZEN}
    values = zones_as_values({**zones, 7: ClimateZone.AMBIENT})
    assert values == {17: b"\x03\xff", 18: b"\x00"}
    assert zones_of(values) == zones
    assert zones_as_values({7: ClimateZone.AMBIENT}) == zones_of({}) == {}
    assert zones_of({17: b"\x01\x02", 18: b"\x02\x02"}) == {
        1: ClimateZone.CHILLED,
        2: ClimateZone.FROZEN,
    }
    widest = Configuration(LID, 1, NOW, {17: bytes(range(256)), 18: b""})
    raw = sign_statement(signing_key("issuer"), ISSUER_KID, widest)
    assert parse_statement(StatementType.CONFIGURATION, raw).body == widest


def test_configuration_keeps_keys_that_it_does_not_know() -> None:
    body = Configuration(LID, 1, NOW, {16: [1, b"x"], 99: None, -1: {1: "nested"}})
    raw = sign_statement(signing_key("issuer"), ISSUER_KID, body)
    assert parse_statement(StatementType.CONFIGURATION, raw).body == body


@pytest.mark.parametrize("kind", StatementType)
def test_statement_with_a_part_missing_or_added_is_malformed(kind: StatementType) -> None:
    payload = decode(parse_statement(kind, make_statement(kind)).signed.payload)
    assert isinstance(payload, list)
    others: list[Value] = [payload[:-1], [*payload, 0], {1: payload}, None, 7]
    for wrong in others:
        raw = sign_object(signing_key("issuer"), kind.aad, encode(wrong), ISSUER_KID)
        with pytest.raises(Malformed):
            parse_statement(kind, raw)


@pytest.mark.parametrize("kind", StatementType)
def test_statement_with_any_part_of_another_type_is_malformed(kind: StatementType) -> None:
    payload = decode(parse_statement(kind, make_statement(kind)).signed.payload)
    assert isinstance(payload, list)
    for at in range(len(payload)):
        wrong = [*payload[:at], "text", *payload[at + 1 :]]
        raw = sign_object(signing_key("issuer"), kind.aad, encode(wrong), ISSUER_KID)
        with pytest.raises(Malformed):
            parse_statement(kind, raw)


@pytest.mark.parametrize("kind", StatementType)
def test_statement_with_bytes_after_its_payload_is_malformed(kind: StatementType) -> None:
    signed = parse_statement(kind, make_statement(kind)).signed
    raw = sign_object(signing_key("issuer"), kind.aad, signed.payload + b"\x00", ISSUER_KID)
    with pytest.raises(Malformed, match="after the value"):
        parse_statement(kind, raw)
