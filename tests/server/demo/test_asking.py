"""How the demo asks: an answer of another kind than expected ends the step, with its code."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from server.demo.asking import CarrierSystem, Unverified, check, get_json, pick, wait_for
from tests.fakes.serving import serving

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response


async def answer_query(request: Request) -> Response:
    """Says back what came; the document `fail` has errors."""
    body = await request.json()
    if body["query"] == "fail":
        return JSONResponse({"errors": [{"message": "no"}], "data": None})
    data = {"key": request.headers["authorization"], "variables": body["variables"]}
    return JSONResponse({"data": data})


async def answer_page(request: Request) -> Response:
    """Says the query of the address back."""
    return JSONResponse(dict(request.query_params))


async def answer_nothing(_request: Request) -> Response:
    """Is out of order."""
    return PlainTextResponse("out of order", 503)


APP = Starlette(
    routes=[
        Route("/graphql", answer_query, methods=["POST"]),
        Route("/page", answer_page),
        Route("/broken", answer_nothing),
    ]
)


def test_check_says_its_sentence_only_when_it_does_not_hold() -> None:
    check(True, "fine")
    with pytest.raises(Unverified, match="the door is open"):
        check(False, "the door is open")


def test_wanted_payload_is_picked_out_of_a_union() -> None:
    payload = {"__typename": "HubPayload", "hub": {"id": "1"}}
    assert pick({"createHub": payload}, "createHub", "HubPayload") is payload


def test_problem_in_place_of_a_payload_is_told_by_its_code() -> None:
    problem = {"__typename": "Problem", "code": "NOT_PERMITTED", "message": "You may not."}
    with pytest.raises(Unverified, match=r"createHub answered NOT_PERMITTED: You may not\."):
        pick({"createHub": problem}, "createHub", "HubPayload")


def test_waiting_ends_with_what_was_found_or_with_the_time() -> None:
    found = iter([None, "mail"])
    assert wait_for(lambda: next(found), "a mail", within_s=60) == "mail"
    with pytest.raises(Unverified, match="a mail did not come"):
        wait_for(lambda: None, "a mail", within_s=0)


async def test_carrier_asks_with_its_key_and_looks_at_errors() -> None:
    async with serving(APP) as url:
        carrier = CarrierSystem(url, "secret")
        data = await asyncio.to_thread(carrier.ask, "query", parcel="1")
        assert data == {"key": "Bearer secret", "variables": {"parcel": "1"}}
        with pytest.raises(Unverified, match="no"):
            await asyncio.to_thread(carrier.ask, "fail")


async def test_only_a_good_answer_is_read() -> None:
    async with serving(APP) as url:
        assert await asyncio.to_thread(get_json, f"{url}/page?to=me") == {"to": "me"}
        with pytest.raises(Unverified, match="answered 503"):
            await asyncio.to_thread(get_json, f"{url}/broken")
    with pytest.raises(Unverified, match="no answer from"):
        await asyncio.to_thread(get_json, f"{url}/page")
