"""Tokens of service and hub keys: who may vouch for them, and for which."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from schema.codes import ProblemCode
from schema.cose import SigningKey
from schema.ids import EVERY_LOCKER, LockerId
from schema.keys import Operation
from schema.statements import sign_statement
from server.access.service import staff
from server.access.tables import RegisteredToken
from server.kit.ceremony.keyfiles import KeyKind, OfflineKey, make_key
from server.kit.ceremony.signing import StaffTerms, amend, issue_staff_token
from server.kit.errors import Refusal
from server.kit.keyring import Purpose
from server.lockers.service import keysets
from tests.fakes.sources import START, SeededRandomness
from tests.fakes.town import ROOT_KID, ROOT_SEED, ROOTS, phone_key

if TYPE_CHECKING:
    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring
    from tests.fakes.town import Town

NOW = int(START.timestamp())


def a_key(kind: KeyKind, name: str = "one") -> OfflineKey:
    return make_key(kind, SeededRandomness(f"{kind} {name}"), nbf=NOW, exp=NOW + 365 * 86_400)


ONE, TWO = a_key(KeyKind.SERVICE), a_key(KeyKind.SERVICE, "two")


def token_of(key: OfflineKey, lid: LockerId, name: str = "token") -> bytes:
    terms = StaffTerms(
        lid=lid,
        operation=Operation.SERVICE,
        holder=phone_key("operator").public,
        start=NOW,
        life_s=3600,
        comps=(2,),
    )
    return issue_staff_token(key, terms, SeededRandomness(f"{name} {key.kid.hex()}"))


@pytest.fixture(autouse=True)
async def published(
    database: Database, town: Town, keyring: DerivedKeyring, ids: CountedIds
) -> None:
    """The newest key set holds one service key beside ours."""
    async with database.write() as session:
        draft = await keysets.draft_key_set(session, keyring=keyring, now=START)
        body = amend(draft, include=[ONE.half.as_entry()], without=[])
        assert body.lid == EVERY_LOCKER
        raw = sign_statement(SigningKey(ROOT_SEED), ROOT_KID, body)
        await keysets.add_key_set(session, raw, roots=ROOTS, ids=ids, now=START)


async def register(database: Database, town: Town, raw: bytes) -> RegisteredToken | Refusal:
    async with database.write() as session:
        return await staff.register_token(session, town.operator, raw, now=START)


async def test_token_of_a_published_service_key_is_registered_once(
    database: Database, town: Town
) -> None:
    raw = token_of(ONE, town.machine.lid)
    for _ in range(2):
        row = await register(database, town, raw)
        assert isinstance(row, RegisteredToken)
        assert (row.raw, row.exp) == (raw, NOW + 3600)


async def test_only_operators_vouch_for_tokens(database: Database, town: Town) -> None:
    raw = token_of(ONE, town.machine.lid)
    for actor in (town.courier, town.recipient):
        async with database.write() as session:
            refused = await staff.register_token(session, actor, raw, now=START)
        assert isinstance(refused, Refusal)
        assert refused.code is ProblemCode.NOT_PERMITTED


async def test_token_that_no_published_service_key_signed_is_refused(
    database: Database, town: Town, keyring: DerivedKeyring
) -> None:
    lid = town.machine.lid
    ours = keyring.list_keys(Purpose.ISSUER)[0]
    impostor = replace(TWO, kid=ONE.kid)
    as_issuer = replace(ONE, kid=ours.kid, seed=ours.seed)
    raws = [b"", token_of(TWO, lid), token_of(impostor, lid), token_of(as_issuer, lid)]
    for raw in raws:
        refused = await register(database, town, raw)
        assert isinstance(refused, Refusal)
        assert refused.code is ProblemCode.INPUT_INVALID


async def test_token_for_a_locker_of_others_is_not_found(database: Database, town: Town) -> None:
    refused = await register(database, town, token_of(ONE, LockerId(b"elsewher")))
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.NOT_FOUND


async def test_second_token_of_one_name_is_refused(database: Database, town: Town) -> None:
    terms = StaffTerms(
        lid=town.machine.lid,
        operation=Operation.SERVICE,
        holder=phone_key("operator").public,
        start=NOW,
        life_s=3600,
        comps=(2,),
    )
    raws = [
        issue_staff_token(ONE, replace(terms, life_s=life_s), SeededRandomness("same"))
        for life_s in (3600, 1800)
    ]
    assert isinstance(await register(database, town, raws[0]), RegisteredToken)
    assert isinstance(await register(database, town, raws[1]), Refusal)
