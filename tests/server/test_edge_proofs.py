"""Credentials at the door: access tokens, device proofs and API keys that do not hold."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from schema.codes import ProblemCode
from schema.cose import SigningKey
from server.kit.keyring import Purpose
from server.kit.proofs import ACCESS_LIFE, PROOF_TOLERANCE, UsedProof
from tests.fakes.phone import ADDRESS, Phone, b64

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from tests.fakes.sources import MovableClock

on_one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what no database has a say in."""

OTHER = SigningKey(bytes(32))
ME = {"query": "{ me { id } }"}


async def call(phone: Phone, headers: dict[str, str]) -> httpx.Response:
    return await phone.client.post("/graphql", json=ME, headers=headers)


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["extensions"]["code"]


async def test_a_token_with_its_proof_tells_who_asks(phone: Phone) -> None:
    await phone.sign_in()
    assert (await call(phone, phone.headers())).json()["data"]["me"]


async def test_nobody_is_nobody(phone: Phone) -> None:
    assert (await call(phone, {})).json() == {"data": {"me": None}}


WRONG_PROOFS: dict[str, dict[str, Any]] = {
    "another method": {"htm": "GET"},
    "another address": {"htu": "http://testserver/other"},
    "another host": {"htu": "http://evil.example/graphql"},
    "another scheme": {"htu": "https://testserver/graphql"},
    "no address": {"htu": "http://[half"},
    "another token": {"ath": b64(bytes(32))},
    "no token": {"ath": None},
    "token no text": {"ath": 7},
    "no time": {"iat": None},
    "time as text": {"iat": "now"},
    "time a fraction": {"iat": 1.5},
    "time true": {"iat": True},
    "time huge": {"iat": 10**30},
    "time beyond any float": {"iat": 10**400},
    "no id": {"jti": None},
    "id a number": {"jti": 7},
    "id empty": {"jti": ""},
    "id long": {"jti": "x" * 129},
    "no method": {"htm": None},
    "type": {"header": {"typ": "jwt"}},
    "no algorithm": {"header": {"alg": "none"}},
    "shared secret": {"header": {"alg": "HS256"}},
    "another curve": {"header": {"alg": "ES256"}},
    "private key": {
        "header": {
            "jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER.public), "d": b64(bytes(32))}
        }
    },
    "another key": {"header": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(OTHER.public)}}},
    "key of X25519": {"header": {"jwk": {"kty": "OKP", "crv": "X25519", "x": b64(bytes(32))}}},
    "key too short": {"header": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}}},
    "key of small order": {
        "header": {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": b64(b"\1" + bytes(31))}}
    },
    "key no object": {"header": {"jwk": "x"}},
    "no key": {"header": {"jwk": None}},
    "critical member": {"header": {"crit": ["b64"], "b64": False}},
}


@on_one_database
@pytest.mark.parametrize("change", WRONG_PROOFS.values(), ids=WRONG_PROOFS.keys())
async def test_a_wrong_proof_is_refused(phone: Phone, change: dict[str, Any]) -> None:
    await phone.sign_in()
    answer = await call(phone, phone.headers(**change))
    assert told(answer) == (401, ProblemCode.DEVICE_PROOF_INVALID)
    assert answer.headers["www-authenticate"] == 'DPoP error="invalid_dpop_proof", algs="EdDSA"'


def jwt_of(header: bytes, claims: bytes) -> str:
    return f"{b64(header)}.{b64(claims)}.AA"


GARBAGE = {
    "empty": "",
    "no JWT": "proof",
    "two parts": "e30.e30",
    "four parts": "e30.e30.e30.e30",
    "not base64": "e30.!!!.AA",
    "not ASCII": "é.e30.AA",
    "lists": jwt_of(b"[]", b"[]"),
    "texts": jwt_of(b'"alg"', b'"x"'),
    "deep": jwt_of(b"[" * 900, b"{}"),
    "surrogate": jwt_of(b'{"typ": "\\ud800"}', b"{}"),
    "too long": "x" * 3_000,
}


@on_one_database
@pytest.mark.parametrize("proof", GARBAGE.values(), ids=GARBAGE.keys())
async def test_garbage_in_place_of_a_proof_is_refused(phone: Phone, proof: str) -> None:
    await phone.sign_in()
    headers = {"authorization": f"DPoP {phone.access_token}", "dpop": proof}
    answer = await phone.client.post(
        "/graphql", json=ME, headers=[(k.encode(), v.encode()) for k, v in headers.items()]
    )
    assert told(answer) == (401, ProblemCode.DEVICE_PROOF_INVALID)


async def test_a_proof_is_good_once(phone: Phone) -> None:
    await phone.sign_in()
    headers = phone.headers()
    assert (await call(phone, headers)).status_code == 200
    assert told(await call(phone, headers)) == (401, ProblemCode.DEVICE_PROOF_INVALID)


@on_one_database
@pytest.mark.parametrize("shift", [-1, 1])
async def test_a_proof_may_be_off_by_two_minutes_and_no_more(phone: Phone, shift: int) -> None:
    await phone.sign_in()
    now_s = int(phone.house.clock.now().timestamp())
    edge_s = now_s + shift * int(PROOF_TOLERANCE.total_seconds())
    assert (await call(phone, phone.headers(iat=edge_s))).status_code == 200
    assert (await call(phone, phone.headers(iat=edge_s + shift))).status_code == 401


@on_one_database
@pytest.mark.parametrize(
    "address", [f"{ADDRESS}/", f"{ADDRESS}?a=b#c", "HTTP://TESTSERVER:80/graphql"]
)
async def test_one_address_may_be_spelled_in_several_ways(phone: Phone, address: str) -> None:
    await phone.sign_in()
    assert (await call(phone, phone.headers(htu=address))).status_code == 200


async def test_both_names_of_the_algorithm_are_known(phone: Phone) -> None:
    await phone.sign_in()
    assert (await call(phone, phone.headers(header={"alg": "Ed25519"}))).status_code == 200


async def test_two_proofs_are_one_too_many(phone: Phone) -> None:
    await phone.sign_in()
    headers = [*phone.headers().items(), ("dpop", phone.proof(token=phone.access_token))]
    answer = await phone.client.post("/graphql", json=ME, headers=headers)
    assert told(answer) == (401, ProblemCode.DEVICE_PROOF_INVALID)


async def test_a_missing_proof_is_refused(phone: Phone) -> None:
    await phone.sign_in()
    answer = await call(phone, {"authorization": f"DPoP {phone.access_token}"})
    assert told(answer) == (401, ProblemCode.DEVICE_PROOF_INVALID)


async def test_a_stolen_token_is_of_no_use_with_another_key(phone: Phone, house: House) -> None:
    await phone.sign_in()
    thief = Phone(house, phone.client, "thief")
    thief.access_token = phone.access_token
    answer = await call(thief, thief.headers())
    assert told(answer) == (401, ProblemCode.DEVICE_PROOF_INVALID)


async def test_a_token_ends_after_ten_minutes(phone: Phone, clock: MovableClock) -> None:
    await phone.sign_in()
    clock.move(seconds=ACCESS_LIFE.total_seconds() - 1)
    assert (await call(phone, phone.headers())).status_code == 200
    clock.move(seconds=1)
    answer = await call(phone, phone.headers())
    assert told(answer) == (401, "SIGNED_OUT")
    assert answer.headers["www-authenticate"] == 'DPoP error="invalid_token", algs="EdDSA"'


async def test_a_token_outlives_the_rotation_of_its_key(phone: Phone, house: House) -> None:
    await phone.sign_in()
    house.keyring.rotate(Purpose.ACCESS)
    assert (await call(phone, phone.headers())).status_code == 200


def forged(token: str, **changes: Any) -> str:
    """The token with other claims or header members, signed by a key of the forger's."""
    header, claims, _ = token.split(".")
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (header, claims)]
    parts[0].update(changes.pop("header", {}))
    parts[1].update(changes)
    signed = ".".join(b64(json.dumps(part).encode()) for part in parts)
    return f"{signed}.{b64(OTHER.sign(signed.encode()))}"


@on_one_database
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"exp": 2**40},
        {"header": {"alg": "none"}},
        {"header": {"alg": "HS256"}},
        {"header": {"kid": "0000"}},
        {"header": {"kid": None}},
        {"sub": "nobody"},
        {"cnf": 7},
    ],
    ids=str,
)
async def test_a_forged_token_is_refused(phone: Phone, change: dict[str, Any]) -> None:
    await phone.sign_in()
    assert phone.access_token is not None
    phone.access_token = forged(phone.access_token, **change)
    assert told(await call(phone, phone.headers())) == (401, "SIGNED_OUT")


@on_one_database
@pytest.mark.parametrize(
    "authorization",
    ["", "DPoP", "DPoP x", "Basic dXNlcjpwYXNz", "Bearer", "Bearer x", "DPoP " + "x" * 5_000],
    ids=lambda text: text[:12] or "empty",
)
async def test_credentials_of_another_kind_are_refused_not_ignored(
    phone: Phone, authorization: str
) -> None:
    answer = await call(phone, {"authorization": authorization, "dpop": phone.proof()})
    assert told(answer) == (401, "SIGNED_OUT")


async def test_used_proofs_are_forgotten_once_they_are_too_old(
    phone: Phone, house: House, clock: MovableClock
) -> None:
    await phone.sign_in()
    for _ in range(5):
        await phone.ask("{ me { id } }")
    clock.move(seconds=(2 * PROOF_TOLERANCE + timedelta(seconds=1)).total_seconds())
    await phone.ask("{ me { id } }")
    async with house.database.read() as session:
        assert len((await session.exec(select(UsedProof))).all()) == 1
