"""What the server signs for lockers, and with which of its keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from schema.codec import Malformed
from schema.cose import Aad
from schema.ids import LockerId, StayId, TokenId
from schema.keys import KeySet, Operation, Role
from schema.statements import (
    Revocations,
    StatementType,
    parse_statement,
)
from schema.tokens import parse_token
from server.access import signing
from server.access.rules import RevocationList, Span
from server.access.signing import Issuer, TokenTerms
from server.kit.keyring import LIVES, Purpose
from server.lockers.service.keysets import compose_key_set
from tests.fakes.journals import seed

if TYPE_CHECKING:
    from tests.fakes.sources import DerivedKeyring, MovableClock

LID = LockerId(b"locker-1")


def published(keyring: DerivedKeyring, clock: MovableClock, seq: int = 1) -> KeySet:
    return KeySet(compose_key_set(keyring, seq=seq, now=clock.now()).keys)


@pytest.fixture
def now(clock: MovableClock) -> int:
    return signing.unix_s(clock.now())


@pytest.fixture
def issuer(keyring: DerivedKeyring, clock: MovableClock, now: int) -> Issuer:
    found = signing.find_issuer(
        keyring.list_keys(Purpose.ISSUER), published(keyring, clock), now=now
    )
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


def test_key_that_no_root_signed_is_not_used(
    keyring: DerivedKeyring, clock: MovableClock, now: int
) -> None:
    before = published(keyring, clock)
    old = keyring.list_keys(Purpose.ISSUER)[0]
    new = keyring.rotate(Purpose.ISSUER)
    keys = keyring.list_keys(Purpose.ISSUER)
    found = signing.find_issuer(keys, before, now=now)
    assert found is not None
    assert found.kid == old.kid
    found = signing.find_issuer(keys, published(keyring, clock, 2), now=now)
    assert found is not None
    assert found.kid == new.kid


def test_key_of_the_same_id_but_other_bytes_is_not_used(
    keyring: DerivedKeyring, clock: MovableClock, now: int
) -> None:
    trusted = published(keyring, clock)
    entry = trusted.entries[0]
    forged = KeySet((type(entry)(entry.kid, bytes(32), 23, 60, entry.nbf, entry.exp),))
    assert signing.find_issuer(keyring.list_keys(Purpose.ISSUER), forged, now=now) is None


def test_without_a_key_set_there_is_no_issuer(
    keyring: DerivedKeyring, clock: MovableClock, now: int
) -> None:
    assert signing.find_issuer(keyring.list_keys(Purpose.ISSUER), KeySet(), now=now) is None


def test_key_at_the_end_of_its_life_is_not_used(
    keyring: DerivedKeyring, clock: MovableClock, now: int
) -> None:
    trusted = published(keyring, clock)
    keys = keyring.list_keys(Purpose.ISSUER)
    over = now + int(LIVES[Purpose.ISSUER].total_seconds()) + 1
    assert signing.find_issuer(keys, trusted, now=over) is None


def test_list_of_revocations_says_what_was_listed(issuer: Issuer, now: int) -> None:
    listed = RevocationList(now - 5, ((b"token-01", now + 9),))
    raw = signing.make_revocations(issuer, LID, seq=4, now=now, listed=listed)
    statement = parse_statement(StatementType.REVOCATIONS, raw)
    assert statement.is_signed_by(issuer.rights.public)
    assert statement.body == Revocations(LID, 4, now, now - 5, ((b"token-01", now + 9),))


def test_configuration_that_no_locker_takes_is_not_made(issuer: Issuer, now: int) -> None:
    with pytest.raises(Malformed):
        signing.make_configuration(issuer, LID, seq=1, now=now, values={2: 5})
