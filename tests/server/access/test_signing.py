"""What the server signs for lockers, and the key set that a root signs for the server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from schema.codec import Malformed
from schema.cose import Aad, SigningKey
from schema.ids import EVERY_LOCKER, KeyId, LockerId, StayId, TokenId
from schema.keys import KeySet, Operation, Role, Roots
from schema.statements import (
    KeySetStatement,
    Revocations,
    StatementType,
    parse_statement,
)
from schema.tokens import parse_token
from server.access import signing
from server.access.rules import RevocationList, Span
from server.access.signing import Issuer, TokenTerms
from server.kit.keyring import LIVES, Purpose
from tests.fakes.journals import seed

if TYPE_CHECKING:
    from tests.fakes.sources import DerivedKeyring, MovableClock

LID = LockerId(b"locker-1")
ROOT = SigningKey(seed("root"))
ROOT_KID = KeyId(b"\xf0\x01")
ROOTS = Roots(((ROOT_KID, ROOT.public),))


def published(keyring: DerivedKeyring, now: int, seq: int = 1) -> KeySet:
    draft = signing.draft_key_set(
        EVERY_LOCKER,
        seq=seq,
        now=now,
        issuers=keyring.list_keys(Purpose.ISSUER),
        seal=keyring.list_keys(Purpose.SEAL)[0],
    )
    signed = signing.sign_key_set(draft, kid=ROOT_KID, seed=seed("root"))
    body = parse_statement(StatementType.KEY_SET, signed).body
    assert isinstance(body, KeySetStatement)
    return KeySet(body.keys)


@pytest.fixture
def now(clock: MovableClock) -> int:
    return signing.unix_s(clock.now())


@pytest.fixture
def issuer(keyring: DerivedKeyring, now: int) -> Issuer:
    found = signing.find_issuer(keyring.list_keys(Purpose.ISSUER), published(keyring, now), now=now)
    assert found is not None
    return found


def terms(now: int, *, exp: int, operation: Operation = Operation.OPEN) -> TokenTerms:
    return TokenTerms(
        cti=TokenId(b"token-01"),
        holder=seed("phone"),
        role=Role.RECIPIENT,
        operation=operation,
        stay=StayId(b"stay-001"),
        span=Span(now, exp),
        depth=2,
        minrev=7,
    )


def test_token_says_what_its_terms_say(issuer: Issuer, now: int) -> None:
    token = parse_token(signing.make_token(issuer, LID, terms(now, exp=now + 600)))
    assert token.signed.is_signed_by(issuer.rights.public, Aad.TOKEN)
    claims = token.claims
    assert (claims.nbf, claims.iat, claims.exp) == (now, now, now + 600)
    assert (claims.stay, claims.depth, claims.minrev) == (b"stay-001", 2, 7)
    assert claims.holder == seed("phone")


@pytest.mark.parametrize(
    ("operation", "life_s"), [(Operation.OPEN_ALL, 60), (Operation.OPEN, 7 * 86_400 + 1)]
)
def test_token_beyond_the_rights_of_the_key_is_not_made(
    issuer: Issuer, now: int, operation: Operation, life_s: int
) -> None:
    with pytest.raises(ValueError, match="rights"):
        signing.make_token(issuer, LID, terms(now, exp=now + life_s, operation=operation))


def test_key_set_holds_issuers_within_bounds_and_the_sealing_key(
    keyring: DerivedKeyring, now: int
) -> None:
    keys = published(keyring, now)
    entry = keys.entries[0]
    assert entry.actions == 1 + 2 + 4 + 16
    assert entry.max_ttl == 7 * 86_400
    assert entry.exp - entry.nbf <= timedelta(days=45).total_seconds()
    sealing = keys.find_sealing_key()
    assert sealing is not None
    assert sealing.public == keyring.list_keys(Purpose.SEAL)[0].public


def test_key_that_no_root_signed_is_not_used(keyring: DerivedKeyring, now: int) -> None:
    before = published(keyring, now)
    old = keyring.list_keys(Purpose.ISSUER)[0]
    new = keyring.rotate(Purpose.ISSUER)
    keys = keyring.list_keys(Purpose.ISSUER)
    found = signing.find_issuer(keys, before, now=now)
    assert found is not None
    assert found.kid == old.kid
    found = signing.find_issuer(keys, published(keyring, now, 2), now=now)
    assert found is not None
    assert found.kid == new.kid


def test_rotated_key_set_holds_old_and_new(keyring: DerivedKeyring, now: int) -> None:
    old, new = keyring.list_keys(Purpose.ISSUER)[0], keyring.rotate(Purpose.ISSUER)
    keys = published(keyring, now)
    assert keys.find_signer(old.kid)
    assert keys.find_signer(new.kid)


def test_key_of_the_same_id_but_other_bytes_is_not_used(keyring: DerivedKeyring, now: int) -> None:
    trusted = published(keyring, now)
    entry = trusted.entries[0]
    forged = KeySet((type(entry)(entry.kid, bytes(32), 23, 60, entry.nbf, entry.exp),))
    assert signing.find_issuer(keyring.list_keys(Purpose.ISSUER), forged, now=now) is None


def test_without_a_key_set_there_is_no_issuer(keyring: DerivedKeyring, now: int) -> None:
    assert signing.find_issuer(keyring.list_keys(Purpose.ISSUER), KeySet(), now=now) is None


def test_key_at_the_end_of_its_life_is_not_used(
    keyring: DerivedKeyring, clock: MovableClock, now: int
) -> None:
    trusted = published(keyring, now)
    keys = keyring.list_keys(Purpose.ISSUER)
    over = now + int(LIVES[Purpose.ISSUER].total_seconds()) + 1
    assert signing.find_issuer(keys, trusted, now=over) is None


def test_key_set_is_known_by_its_root(keyring: DerivedKeyring, now: int) -> None:
    draft = signing.draft_key_set(
        LID,
        seq=3,
        now=now,
        issuers=keyring.list_keys(Purpose.ISSUER),
        seal=keyring.list_keys(Purpose.SEAL)[0],
    )
    for name, is_right in (("root", True), ("other", False)):
        signed = signing.sign_key_set(draft, kid=ROOT_KID, seed=seed(name))
        statement = parse_statement(StatementType.KEY_SET, signed)
        assert signing.is_by_root(statement, ROOTS) is is_right


def test_bytes_that_are_no_key_set_are_not_signed() -> None:
    with pytest.raises(Malformed):
        signing.sign_key_set(b"\x80", kid=ROOT_KID, seed=seed("root"))


def test_list_of_revocations_says_what_was_listed(issuer: Issuer, now: int) -> None:
    listed = RevocationList(now - 5, ((b"token-01", now + 9),))
    raw = signing.make_revocations(issuer, LID, seq=4, now=now, listed=listed)
    statement = parse_statement(StatementType.REVOCATIONS, raw)
    assert statement.is_signed_by(issuer.rights.public)
    assert statement.body == Revocations(LID, 4, now, now - 5, ((b"token-01", now + 9),))


def test_configuration_that_no_locker_takes_is_not_made(issuer: Issuer, now: int) -> None:
    with pytest.raises(Malformed):
        signing.make_configuration(issuer, LID, seq=1, now=now, values={2: 5})


def test_root_key_of_34_bytes_is_an_id_and_a_key() -> None:
    assert signing.split_root_key(b"\xf0\x01" + bytes(32)) == (b"\xf0\x01", bytes(32))
