"""Tokens and delegations: what is written is read, and every other form is refused."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codec import Malformed, decode, encode
from schema.cose import Aad, sign_object
from schema.ids import LIMIT, StayId, TokenId, locker_text
from schema.keys import Role
from schema.tokens import (
    Claims,
    claims_value,
    delegate,
    delegation_id,
    issue_token,
    parent_hash,
    parse_delegation,
    parse_token,
)
from tests.schema.makers import (
    ISSUER_KID,
    LID,
    NOW,
    OTHER_LID,
    case_id,
    make_chain,
    make_claims,
    make_token,
    signing_key,
)

TIMES = st.integers(0, LIMIT - 1)
CLAIMS = st.builds(
    Claims,
    aud=st.just(locker_text(LID)),
    exp=TIMES,
    nbf=TIMES,
    iat=TIMES,
    cti=st.binary(min_size=8, max_size=8).map(TokenId),
    holder=st.binary(min_size=32, max_size=32),
    role=st.sampled_from(Role),
    actions=TIMES,
    comps=st.lists(st.integers(0, 255), max_size=64).map(tuple),
    stay=(st.just(b"") | st.binary(min_size=8, max_size=8)).map(StayId),
    depth=st.integers(0, 2),
    minrev=TIMES,
)


@given(CLAIMS)
def test_issued_claims_are_read_back(claims: Claims) -> None:
    raw = issue_token(signing_key("issuer"), ISSUER_KID, LID, claims)
    token = parse_token(raw)
    assert (token.claims, token.raw, token.signed.kid) == (claims, raw, ISSUER_KID)
    assert token.signed.is_signed_by(signing_key("issuer").public, Aad.TOKEN)


def test_token_of_one_stay_and_no_compartments_has_181_bytes() -> None:
    assert len(make_token()) == 181


def test_token_for_another_locker_than_its_audience_is_not_issued() -> None:
    with pytest.raises(ValueError, match="audience"):
        issue_token(signing_key("issuer"), ISSUER_KID, OTHER_LID, make_claims())


OUT_OF_FORM: dict[str, dict[str, Any]] = {
    "65 compartments": {"comps": tuple(range(65))},
    "compartment 256": {"comps": (256,)},
    "stay of 7 bytes": {"stay": StayId(bytes(7))},
    "cti of 9 bytes": {"cti": TokenId(bytes(9))},
    "holder of 31 bytes": {"holder": bytes(31)},
    "depth of 3": {"depth": 3},
    "time of 2^53": {"exp": LIMIT},
    "negative time": {"nbf": -1},
}


@pytest.mark.parametrize("form", OUT_OF_FORM)
def test_token_that_no_locker_would_read_is_not_issued(form: str) -> None:
    with pytest.raises(Malformed):
        make_token(**OUT_OF_FORM[form])


def _signed(claims: Any, *, scope: list[Any] | None = None) -> bytes:
    if scope is not None:
        claims = {**claims, 9: encode(scope)}
    return sign_object(signing_key("issuer"), Aad.TOKEN, encode(claims), ISSUER_KID)


CLAIMS_MAP: Any = claims_value(make_claims())
SCOPE: Any = decode(CLAIMS_MAP[9])
DEVICE_KEY: Any = CLAIMS_MAP[8][1]
WRONG_CLAIMS: dict[str, Any] = {
    "audience as bytes": {3: b"x"},
    "time as text": {4: str(NOW)},
    "time as a flag": {5: True},
    "cti null": {7: None},
    "no device key": {8: {}},
    "two ways to confirm": {8: {1: DEVICE_KEY, 3: b""}},
    "key of another curve": {8: {1: {**DEVICE_KEY, -1: 4}}},
    "key of another type": {8: {1: {**DEVICE_KEY, 1: 2}}},
    "key type as a flag": {8: {1: {**DEVICE_KEY, 1: True}}},
    "key with its private half": {8: {1: {**DEVICE_KEY, -4: bytes(32)}}},
    "key of 33 bytes": {8: {1: {**DEVICE_KEY, -2: bytes(33)}}},
    "scope as an array": {9: SCOPE},
    "scope with bytes after it": {9: encode(SCOPE) + b"\x00"},
    "an eighth claim": {10: 0},
}
WRONG_SCOPES: dict[str, list[Any]] = {
    "another version": [2, *SCOPE[1:]],
    "an unknown role": [1, 5, *SCOPE[2:]],
    "a negative mask": [1, 0, -1, *SCOPE[3:]],
    "compartments as a number": [*SCOPE[:3], 1, *SCOPE[4:]],
    "stay null": [*SCOPE[:4], None, *SCOPE[5:]],
    "eight parts": [*SCOPE, 0],
    "six parts": SCOPE[:6],
}


@pytest.mark.parametrize("form", WRONG_CLAIMS)
def test_token_of_other_claims_is_malformed(form: str) -> None:
    with pytest.raises(Malformed):
        parse_token(_signed(CLAIMS_MAP | WRONG_CLAIMS[form]))


@pytest.mark.parametrize("claim", CLAIMS_MAP)
def test_token_without_one_of_its_claims_is_malformed(claim: int) -> None:
    rest = {key: value for key, value in CLAIMS_MAP.items() if key != claim}
    with pytest.raises(Malformed, match="seven claims"):
        parse_token(_signed(rest))


@pytest.mark.parametrize("form", WRONG_SCOPES)
def test_token_of_another_scope_is_malformed(form: str) -> None:
    with pytest.raises(Malformed):
        parse_token(_signed(CLAIMS_MAP, scope=WRONG_SCOPES[form]))


@given(st.integers(0, LIMIT - 1), st.binary(min_size=32, max_size=32), st.integers(0, LIMIT - 1))
def test_delegation_is_read_back(exp: int, holder: bytes, actions: int) -> None:
    parent = make_token()
    device = signing_key("device")
    raw = delegate(device, parent, exp=exp, holder=holder, actions=actions)
    read = parse_delegation(raw)
    assert (read.exp, read.holder, read.actions, read.raw) == (exp, holder, actions, raw)
    assert read.parent == hashlib.sha256(parent).digest()[:16]
    assert read.signed.is_signed_by(device.public, Aad.DELEGATION)


def test_each_link_of_a_chain_names_and_is_signed_by_the_one_before() -> None:
    chain = make_chain("friend", "neighbour")
    givers = ["device", "friend"]
    for parent, raw, giver in zip(chain, chain[1:], givers, strict=False):
        delegation = parse_delegation(raw)
        assert delegation.parent == parent_hash(parent)
        assert delegation.id == delegation_id(raw) == hashlib.sha256(raw).digest()[:8]
        assert delegation.signed.is_signed_by(signing_key(giver).public, Aad.DELEGATION)


def test_delegation_spliced_onto_another_token_names_another_parent() -> None:
    delegation = parse_delegation(make_chain("friend")[1])
    assert delegation.parent != parent_hash(make_token(minrev=1))


@pytest.mark.parametrize(
    "changes",
    [{"exp": LIMIT}, {"exp": -1}, {"holder": bytes(31)}, {"actions": -1}],
    ids=case_id,
)
def test_delegation_that_no_locker_would_read_is_not_given(changes: dict[str, Any]) -> None:
    terms: dict[str, Any] = {"exp": NOW, "holder": bytes(32), "actions": 1} | changes
    with pytest.raises(Malformed):
        delegate(signing_key("device"), make_token(), **terms)


@pytest.mark.parametrize(
    "changes",
    [
        {9: encode([2, 1, bytes(16)])},
        {9: encode([1, 1, bytes(15)])},
        {9: encode([1, 1])},
        {5: 0},
        {8: {1: {1: 1, -1: 6}}},
    ],
    ids=case_id,
)
def test_delegation_of_another_form_is_malformed(changes: dict[int, Any]) -> None:
    claims = {4: NOW, 8: CLAIMS_MAP[8], 9: encode([1, 1, bytes(16)])}
    good = sign_object(signing_key("device"), Aad.DELEGATION, encode(claims), None)
    parse_delegation(good)
    wrong: Any = claims | changes
    with pytest.raises(Malformed):
        parse_delegation(sign_object(signing_key("device"), Aad.DELEGATION, encode(wrong), None))
