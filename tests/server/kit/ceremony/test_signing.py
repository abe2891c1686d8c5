"""Drafts in words, what may be put into them, and tokens of offline keys."""

from __future__ import annotations

from dataclasses import replace

import pytest

from schema.codec import encode
from schema.ids import EVERY_LOCKER, KeyId, LockerId, StayId, locker_text
from schema.keys import KeyEntry, Operation, Role
from schema.statements import KeySetStatement, StatementType, parse_statement
from schema.tokens import parse_token
from server.kit.ceremony.keyfiles import KeyKind, OfflineKey, make_key
from server.kit.ceremony.signing import (
    StaffTerms,
    amend,
    describe,
    issue_staff_token,
    read_draft,
    sign_key_set,
)
from server.kit.errors import KeyringError
from server.lockers.service.keysets import payload_of
from tests.fakes.sources import START, SeededRandomness

NOW = int(START.timestamp())
DAY = 86_400
LID = LockerId(b"lockerno")
ISSUER = KeyEntry(KeyId(b"\x00\x01"), b"i" * 32, 23, 7 * DAY, NOW, NOW + 45 * DAY)
SEAL = KeyEntry(KeyId(b"\x00\x02"), b"s" * 32, 0, 0, 0, 0)
DRAFT = KeySetStatement(EVERY_LOCKER, 3, NOW, (ISSUER, SEAL))


def a_key(kind: KeyKind, name: str = "") -> OfflineKey:
    return make_key(kind, SeededRandomness(f"{kind} {name}"), nbf=NOW, exp=NOW + 365 * DAY)


SERVICE, HUB, ROOT = (a_key(kind) for kind in (KeyKind.SERVICE, KeyKind.HUB, KeyKind.ROOT))


def terms(operation: Operation = Operation.SERVICE, **changes: object) -> StaffTerms:
    made = StaffTerms(
        lid=LID, operation=operation, holder=b"h" * 32, start=NOW, life_s=3600, comps=(1, 2)
    )
    return replace(made, **changes)  # type: ignore[arg-type]  # whatever a test changes


def test_draft_is_read_as_it_was_composed() -> None:
    assert read_draft(payload_of(DRAFT)) == DRAFT
    assert read_draft(payload_of(replace(DRAFT, lid=LID))).lid == LID


@pytest.mark.parametrize("raw", [b"", encode([]), encode([b"??", 1, 1, []]), encode([b"*", 1, 1])])
def test_other_bytes_are_no_draft(raw: bytes) -> None:
    with pytest.raises(KeyringError):
        read_draft(raw)


def test_signature_is_described_in_words_key_by_key() -> None:
    body = amend(DRAFT, include=[SERVICE.half.as_entry()], without=[])
    lines = describe(body)
    text = "\n".join(lines)
    assert lines[0] == "key set 3 of 2026-05-04 09:30 UTC, for every locker"
    assert "OPEN, DEPOSIT, INSPECT, SYNC, each for 168 h at most" in text
    assert "to 2026-06-18 09:30 UTC" in text
    assert "SERVICE, OPEN_ALL, each for 4 h at most" in text
    assert "it signs nothing" in text
    assert all(key.public.hex() in text for key in body.keys)
    assert describe(replace(DRAFT, lid=LID))[0].endswith(f"locker {locker_text(LID)} alone")


def test_unknown_actions_and_odd_lives_are_described_too() -> None:
    odd = replace(ISSUER, actions=1 | 128, max_ttl=90)
    assert "OPEN, unknown actions 128, each for 90 s" in describe(replace(DRAFT, keys=(odd,)))[-1]


def test_sealing_key_stays_last_and_a_key_is_included_once() -> None:
    entry = SERVICE.half.as_entry()
    body = amend(DRAFT, include=[entry, entry], without=[])
    assert body.keys == (ISSUER, entry, SEAL)
    assert amend(body, include=[], without=[entry.kid]) == DRAFT


def test_namesakes_strangers_and_too_many_are_refused() -> None:
    entry = SERVICE.half.as_entry()
    with pytest.raises(KeyringError, match="two different keys"):
        amend(DRAFT, include=[replace(entry, kid=ISSUER.kid)], without=[])
    with pytest.raises(KeyringError, match="holds no key ffff"):
        amend(DRAFT, include=[], without=[KeyId(b"\xff\xff")])
    many = [replace(entry, kid=KeyId(bytes([9, n]))) for n in range(7)]
    with pytest.raises(KeyringError, match="would hold 9"):
        amend(DRAFT, include=many, without=[])


def test_only_a_root_signs_and_none_that_is_named_in_the_set() -> None:
    raw = sign_key_set(ROOT, DRAFT)
    parsed = parse_statement(StatementType.KEY_SET, raw)
    assert parsed.body == DRAFT
    assert parsed.signed.kid == ROOT.kid
    assert parsed.is_signed_by(ROOT.signing.public)
    with pytest.raises(KeyringError, match="a root signs key sets"):
        sign_key_set(SERVICE, DRAFT)
    with pytest.raises(KeyringError, match="the root's id"):
        sign_key_set(ROOT, replace(DRAFT, keys=(replace(SEAL, kid=ROOT.kid),)))


@pytest.mark.parametrize(
    ("key", "wanted", "role"),
    [
        (SERVICE, terms(), Role.TECHNICIAN),
        (SERVICE, terms(Operation.OPEN_ALL, comps=()), Role.OPERATOR),
        (HUB, terms(Operation.DEPOSIT, comps=(), stay=StayId(b"thestay1")), Role.HUB),
        (HUB, terms(Operation.OPEN, life_s=DAY), Role.HUB),
    ],
)
def test_token_says_what_was_asked_and_no_more(
    key: OfflineKey, wanted: StaffTerms, role: Role
) -> None:
    token = parse_token(issue_staff_token(key, wanted, SeededRandomness()))
    claims = token.claims
    assert token.signed.kid == key.kid
    assert (claims.role, claims.actions, claims.depth) == (role, wanted.operation, 0)
    assert (claims.nbf, claims.exp) == (NOW, NOW + wanted.life_s)
    assert (claims.comps, claims.stay, claims.holder) == (wanted.comps, wanted.stay, wanted.holder)


@pytest.mark.parametrize(
    ("key", "wanted"),
    [
        (HUB, terms()),
        (SERVICE, terms(Operation.OPEN)),
        (SERVICE, terms(life_s=4 * 3600 + 1)),
        (SERVICE, terms(start=NOW - 1)),
        (SERVICE, terms(start=NOW + 365 * DAY)),
        (ROOT, terms()),
        (SERVICE, terms(comps=())),
        (SERVICE, terms(Operation.OPEN_ALL)),
        (SERVICE, terms(comps=tuple(range(65)))),
        (SERVICE, terms(life_s=-5)),
    ],
)
def test_token_beyond_the_rights_of_its_key_is_not_made(
    key: OfflineKey, wanted: StaffTerms
) -> None:
    with pytest.raises(KeyringError):
        issue_staff_token(key, wanted, SeededRandomness())
