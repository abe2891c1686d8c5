"""Signing in and out through the API."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import select

from server.kit.keyring import Purpose
from server.kit.outbox import Outbox
from server.kit.proofs import UsedProof
from server.people.rules import (
    CODE_LIFE,
    CODE_TRIES,
    CODES_PER_ADDRESS,
    CODES_PER_SOURCE,
    CODES_TO_ADDRESS,
    IDLE_LIFE,
    TRIES_PER_SOURCE,
)
from server.people.tables import Person, SignInRequest
from tests.fakes.phone import REFRESH, REQUEST_CODE, SIGN_IN, Phone

if TYPE_CHECKING:
    from server.app import House
    from tests.fakes.sources import MovableClock

ME = "{ me { id addresses devices { id isThis waitsUntil } roles { role place } } }"
SIGN_OUT = """
mutation { signOut { ... on SignOutPayload { device { isSignedIn } } ... on Problem { code } } }
"""


async def request_code(phone: Phone, address: str = "recipient@example.org") -> str:
    answer = await phone.ask(REQUEST_CODE, address=address)
    request_id: str = answer["requestSignInCode"]["requestId"]
    return request_id


async def try_code(phone: Phone, request_id: str, code: str) -> dict[str, Any]:
    outcome: dict[str, Any] = (await phone.ask(SIGN_IN, requestId=request_id, code=code))["signIn"]
    return outcome


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10**8:08}"


async def test_a_code_signs_in_and_the_account_is_there(phone: Phone) -> None:
    outcome = await phone.sign_in("Recipient@Example.org")
    assert outcome["device"]["confirmation"] == "FIRST"
    me = (await phone.ask(ME))["me"]
    assert me["addresses"] == ["recipient@example.org"]
    assert me["devices"] == [{"id": phone.device_id, "isThis": True, "waitsUntil": None}]
    assert me["roles"] == []


async def test_signing_in_again_finds_the_same_account_and_device(phone: Phone) -> None:
    first = await phone.sign_in()
    second = await phone.sign_in()
    assert first["device"] == second["device"]
    assert len((await phone.ask(ME))["me"]["devices"]) == 1


async def test_the_event_names_the_request_and_holds_no_code(phone: Phone, house: House) -> None:
    request_id = await request_code(phone)
    code = await phone.read_code(request_id)
    async with house.database.read() as session:
        event = (await session.exec(select(Outbox))).one()
        stored = (await session.exec(select(SignInRequest))).one()
    assert (event.kind, event.subject, event.facts) == ("people.code_requested", stored.id, {})
    assert code not in f"{event.model_dump()}{stored.model_dump()}"


async def test_a_code_is_good_once(phone: Phone) -> None:
    request_id = await request_code(phone)
    code = await phone.read_code(request_id)
    assert "accessToken" in await try_code(phone, request_id, code)
    assert (await try_code(phone, request_id, code))["code"] == "CODE_EXPIRED"


async def test_a_code_that_two_try_at_once_lets_one_in(phone: Phone, house: House) -> None:
    request_id = await request_code(phone)
    code = await phone.read_code(request_id)
    phones = [Phone(house, phone.client, f"phone {n}") for n in range(4)]
    outcomes = await asyncio.gather(*(try_code(each, request_id, code) for each in phones))
    assert sorted("accessToken" in outcome for outcome in outcomes) == [False] * 3 + [True]


async def test_wrong_tries_are_counted_and_then_the_right_code_is_of_no_use(phone: Phone) -> None:
    request_id = await request_code(phone)
    code = await phone.read_code(request_id)
    for left in reversed(range(CODE_TRIES)):
        outcome = await try_code(phone, request_id, wrong(code))
        assert outcome["code"] == "CODE_WRONG"
        assert str(left) in outcome["message"]
    assert (await try_code(phone, request_id, code))["code"] == "CODE_EXPIRED"


@pytest.mark.parametrize("code", ["", "٠١٢٣٤٥٦٧", "😀", "1" * 5_000])
async def test_a_code_of_any_shape_is_just_wrong(phone: Phone, code: str) -> None:
    request_id = await request_code(phone)
    assert (await try_code(phone, request_id, code))["code"] == "CODE_WRONG"


async def test_a_code_ends_after_ten_minutes(phone: Phone, clock: MovableClock) -> None:
    request_id = await request_code(phone)
    code = await phone.read_code(request_id)
    clock.move(seconds=CODE_LIFE.total_seconds())
    assert (await try_code(phone, request_id, code))["code"] == "CODE_EXPIRED"


async def test_a_code_outlives_the_rotation_of_its_key(phone: Phone, house: House) -> None:
    request_id = await request_code(phone)
    code = await phone.read_code(request_id)
    house.keyring.rotate(Purpose.CODES)
    assert "accessToken" in await try_code(phone, request_id, code)


@pytest.mark.parametrize("request_id", ["", "x", "UGVyc29uOjE=", "U2lnbkluUmVxdWVzdDp4"])
async def test_an_unknown_request_looks_like_an_old_one(phone: Phone, request_id: str) -> None:
    assert (await try_code(phone, request_id, "12345678"))["code"] == "CODE_EXPIRED"


async def test_signing_in_without_a_proof_is_refused(phone: Phone) -> None:
    request_id = await request_code(phone)
    variables = {"requestId": request_id, "code": await phone.read_code(request_id)}
    answer = await phone.client.post("/graphql", json={"query": SIGN_IN, "variables": variables})
    assert answer.json()["data"]["signIn"]["code"] == "DEVICE_PROOF_INVALID"


async def test_signing_in_with_a_proof_seen_before_is_refused_and_costs_no_try(
    phone: Phone,
) -> None:
    request_id = await request_code(phone)
    code = await phone.read_code(request_id)
    headers = phone.headers()
    body = {"query": SIGN_IN, "variables": {"requestId": request_id, "code": wrong(code)}}
    first = await phone.client.post("/graphql", json=body, headers=headers)
    assert first.json()["data"]["signIn"]["code"] == "CODE_WRONG"
    second = await phone.client.post("/graphql", json=body, headers=headers)
    assert second.json()["data"]["signIn"]["code"] == "DEVICE_PROOF_INVALID"
    assert "3 tries" in (await try_code(phone, request_id, wrong(code)))["message"]


async def test_what_is_no_address_is_refused(phone: Phone) -> None:
    problem = (await phone.ask(REQUEST_CODE, address="nobody"))["requestSignInCode"]
    assert (problem["code"], problem["field"]) == ("INPUT_INVALID", "address")


async def test_asking_for_a_code_creates_no_account(phone: Phone, house: House) -> None:
    await request_code(phone, "stranger@example.org")
    async with house.database.read() as session:
        assert (await session.exec(select(Person))).all() == []


async def test_an_address_is_written_to_so_often_and_the_answer_stays_the_same(
    phone: Phone, house: House
) -> None:
    for _ in range(CODES_PER_ADDRESS.count + 2):
        assert await request_code(phone)
    async with house.database.read() as session:
        events = (await session.exec(select(Outbox))).all()
    assert len(events) == CODES_PER_ADDRESS.count


async def test_a_stranger_who_asks_too_often_does_not_lock_the_owner_out(
    phone: Phone, house: House
) -> None:
    address = "recipient@example.org"
    for _ in range(CODES_PER_ADDRESS.count):
        await house.rates.hit(CODES_PER_ADDRESS, f"{address} 10.0.0.1")
        await house.rates.hit(CODES_TO_ADDRESS, address)
    assert "accessToken" in await phone.sign_in(address)


async def test_all_sources_together_do_not_flood_an_address(phone: Phone, house: House) -> None:
    for _ in range(CODES_TO_ADDRESS.count):
        await house.rates.hit(CODES_TO_ADDRESS, "recipient@example.org")
    assert await request_code(phone)
    async with house.database.read() as session:
        assert (await session.exec(select(Outbox))).all() == []


async def test_one_source_asks_for_so_many_codes(phone: Phone) -> None:
    for n in range(CODES_PER_SOURCE.count):
        await request_code(phone, f"recipient{n}@example.org")
    problem = (await phone.ask(REQUEST_CODE, address="late@example.org"))["requestSignInCode"]
    assert problem["code"] == "SLOW_DOWN"
    assert 0 < problem["retryAfterS"] <= CODES_PER_SOURCE.window_s


async def test_one_source_tries_so_many_codes(phone: Phone, house: House) -> None:
    request_id = await request_code(phone)
    for _ in range(TRIES_PER_SOURCE.count):
        await house.rates.hit(TRIES_PER_SOURCE, "127.0.0.1")
    code = await phone.read_code(request_id)
    assert (await try_code(phone, request_id, code))["code"] == "SLOW_DOWN"


async def test_the_same_key_gets_a_new_token_long_after_the_old_one_ended(
    phone: Phone, clock: MovableClock
) -> None:
    await phone.sign_in()
    clock.move(days=IDLE_LIFE.days)
    outcome = await phone.refresh()
    assert outcome["device"]["id"] == phone.device_id
    assert (await phone.ask(ME))["me"]


async def test_a_device_unused_for_too_long_must_sign_in_again(
    phone: Phone, clock: MovableClock
) -> None:
    await phone.sign_in()
    clock.move(days=IDLE_LIFE.days, seconds=1)
    assert (await phone.refresh())["code"] == "SIGNED_OUT"


async def test_an_unknown_key_gets_no_token_and_leaves_nothing_behind(
    phone: Phone, house: House
) -> None:
    assert (await phone.refresh())["code"] == "SIGNED_OUT"
    async with house.database.read() as session:
        assert (await session.exec(select(UsedProof))).all() == []


async def test_refreshing_without_or_with_a_used_proof_is_refused(phone: Phone) -> None:
    await phone.sign_in()
    phone.access_token = None
    body = {"query": REFRESH}
    bare = await phone.client.post("/graphql", json=body)
    assert bare.json()["data"]["refreshAccess"]["code"] == "DEVICE_PROOF_INVALID"
    headers = phone.headers()
    await phone.client.post("/graphql", json=body, headers=headers)
    again = await phone.client.post("/graphql", json=body, headers=headers)
    assert again.json()["data"]["refreshAccess"]["code"] == "DEVICE_PROOF_INVALID"


async def test_signing_out_ends_the_token_that_is_out(phone: Phone) -> None:
    await phone.sign_in()
    token = phone.access_token
    assert await phone.ask(SIGN_OUT) == {"signOut": {"device": {"isSignedIn": False}}}
    answer = await phone.client.post("/graphql", json={"query": ME}, headers=phone.headers())
    assert answer.status_code == 401
    assert (await phone.refresh())["code"] == "SIGNED_OUT"
    assert token


async def test_a_signed_out_key_comes_back_as_the_device_it_was(phone: Phone) -> None:
    first = await phone.sign_in()
    await phone.ask(SIGN_OUT)
    second = await phone.sign_in()
    assert second["device"] == first["device"]


async def test_nobody_can_sign_out_nobody(phone: Phone) -> None:
    answer = await phone.client.post("/graphql", json={"query": SIGN_OUT})
    assert answer.json()["data"] == {"signOut": {"code": "SIGNED_OUT"}}
