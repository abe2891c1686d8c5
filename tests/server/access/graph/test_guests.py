"""Links of guests at the edge: callers without an account, and what they never learn."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from schema.tokens.passes import is_pin_right
from server.access.graph.guests import (
    ADOPTIONS,
    GUEST_PASSES_PER_LINK,
    GUEST_PASSES_PER_SOURCE,
    GUESTS_PER_SOURCE,
    RENEWALS,
)
from server.access.service.links import ensure_link
from server.kit.limits import MAX_MUTATIONS
from server.kit.log import JsonLines
from server.parcels.states import ParcelState
from server.people.roles import Role
from tests.fakes.journals import stay_of
from tests.fakes.shops import HandWorker
from tests.fakes.sources import START
from tests.fakes.town import key_of
from tests.server.access.graph.conftest import PARCEL
from tests.server.access.service.guests import welcome
from tests.server.access.service.test_passes import SECRET

if TYPE_CHECKING:
    from tests.server.access.graph.conftest import Square

LOOK = """
query ($link: String!) { found: guestParcel(link: $link) {
  code state hub { name isOpen } locationKind availableFrom availableThrough safeUntil pauseCause
  collectedAt   mayRequestPass linkExpiresAt history { at state }
} }"""
ASK = """
mutation ($link: String!) { outcome: requestGuestPass(link: $link) {
  ... on Pass { parcelId pin compartment { number label } words expiresAt }
  ... on Problem { code message field retryAfterS next }
} }"""
ADOPT = """
mutation ($link: String!) { outcome: adoptParcel(link: $link) {
  ... on AdoptParcelPayload { parcel { id state location { words } } pinUntil }
  ... on Problem { code message field retryAfterS next }
} }"""
REVOKE = """
mutation ($id: ID!) { outcome: revokeGuestLink(parcelId: $id) {
  ... on RevokeGuestLinkPayload { parcelId pinUntil }
  ... on Problem { code message field retryAfterS next }
} }"""
RENEW = """
mutation ($id: ID!) { outcome: renewGuestLink(parcelId: $id) {
  ... on RenewGuestLinkPayload { parcelId expiresAt }
  ... on Problem { code message field retryAfterS next }
} }"""


@pytest.fixture
async def link(square: Square) -> str:
    """The link in the letter about a parcel that waits for somebody without a phone."""
    house = square.house
    await welcome(house.database, square.town, house.keyring, ParcelState.READY_FOR_PICKUP)
    async with house.database.write() as session:
        written = await ensure_link(
            session, key_of("parcel"), keyring=house.keyring, now=house.clock.now()
        )
    assert written is not None
    return written


async def test_stranger_with_the_link_follows_the_parcel(square: Square, link: str) -> None:
    found = (await square.ask_as_nobody(LOOK, link=link))["found"]
    assert found == {
        "code": "parcel",
        "state": "READY_FOR_PICKUP",
        "hub": {"name": "Corner Shop", "isOpen": True},
        "locationKind": "PLANNED",
        "availableFrom": None,
        "availableThrough": None,
        "safeUntil": None,
        "pauseCause": None,
        "collectedAt": None,
        "mayRequestPass": True,
        "linkExpiresAt": "2026-06-03T09:30:00+00:00",
        "history": [],
    }


async def test_stranger_with_the_link_is_given_digits_on_request(square: Square, link: str) -> None:
    got = (await square.ask_as_nobody(ASK, link=link))["outcome"]
    assert is_pin_right(SECRET, stay_of(1), got["pin"], int(START.timestamp()))
    assert (got["parcelId"], got["compartment"]) == (PARCEL, {"number": 3, "label": "A3"})
    assert "Corner Shop" in got["words"]


async def test_link_opens_nothing_else_of_the_api(square: Square, link: str) -> None:
    await square.ask_as_nobody(ASK, link=link)
    asked = "query ($id: ID!) { parcel(id: $id) { code } node(id: $id) { id } me { id } }"
    assert await square.ask_as_nobody(asked, id=PARCEL) == {
        "parcel": None,
        "node": None,
        "me": None,
    }


async def dead_links(square: Square, link: str) -> list[str]:
    flipped = link[:-1] + ("A" if link[-1] != "A" else "B")
    return ["", "nonsense", link[:-1], f"{link}A", flipped, link.upper(), PARCEL, "\x00" * 48]


async def test_every_dead_link_gets_one_answer(square: Square, link: str) -> None:
    phone = await square.phone("other")
    answers: list[Any] = []
    for dead in await dead_links(square, link):
        assert (await square.ask_as_nobody(LOOK, link=dead))["found"] is None
        answers.append((await square.ask_as_nobody(ASK, link=dead))["outcome"])
        answers.append((await phone.ask(ADOPT, link=dead))["outcome"])
    support = await square.phone("operator", Role.OPERATOR)
    assert "parcelId" in (await support.ask(REVOKE, id=PARCEL))["outcome"]
    assert (await square.ask_as_nobody(LOOK, link=link))["found"] is None
    answers.append((await phone.ask(ADOPT, link=link))["outcome"])
    square.house.clock.move(hours=2)  # type: ignore[attr-defined]  # the clock of the tests
    answers.append((await square.ask_as_nobody(ASK, link=link))["outcome"])
    assert [one for one in answers if one != answers[0]] == []
    assert (answers[0]["code"], answers[0]["field"]) == ("NOT_FOUND", "link")


async def test_strangers_are_slowed_down(square: Square, link: str) -> None:
    for _ in range(GUEST_PASSES_PER_LINK.count):
        assert "pin" in (await square.ask_as_nobody(ASK, link=link))["outcome"]
    slowed = (await square.ask_as_nobody(ASK, link=link))["outcome"]
    assert slowed["code"] == "SLOW_DOWN"
    assert slowed["retryAfterS"] > 0
    for _ in range(GUESTS_PER_SOURCE.count - GUEST_PASSES_PER_LINK.count - 1):
        assert (await square.ask_as_nobody(LOOK, link=link))["found"] is not None
    asked = {"query": LOOK, "variables": {"link": link}}
    answer = (await square.client.post("/graphql", json=asked)).json()
    assert answer["errors"][0]["extensions"] == {"code": "SLOW_DOWN"}
    slowed = (await square.ask_as_nobody(ASK, link="nonsense"))["outcome"]
    assert slowed["code"] == "SLOW_DOWN"


async def test_one_document_does_not_stand_for_many(square: Square, link: str) -> None:
    half = GUESTS_PER_SOURCE.count // 2
    looks = " ".join(f"a{n}: guestParcel(link: $link) {{ state }}" for n in range(half))
    asked = {"query": f"query ($link: String!) {{ {looks} }}", "variables": {"link": link}}
    for _ in range(2):
        answer = (await square.client.post("/graphql", json=asked)).json()
        assert len(answer["data"]) == half
    answer = (await square.client.post("/graphql", json=asked)).json()
    assert {one["extensions"]["code"] for one in answer["errors"]} == {"SLOW_DOWN"}
    one = "requestGuestPass(link: $link) { __typename }"
    tries = " ".join(f"a{n}: {one}" for n in range(MAX_MUTATIONS + 1))
    asked = {"query": f"mutation ($link: String!) {{ {tries} }}", "variables": {"link": link}}
    answer = (await square.client.post("/graphql", json=asked)).json()
    assert answer["errors"][0]["extensions"]["code"] == "TOO_COSTLY"


async def test_link_is_no_credential(square: Square, link: str) -> None:
    headers = {"authorization": f"Bearer {link}"}
    answer = await square.client.post("/graphql", json={"query": "{ me { id } }"}, headers=headers)
    assert answer.status_code == 401
    assert link not in answer.text


async def test_one_source_does_not_collect_the_digits_of_many(square: Square, link: str) -> None:
    """By whatever links it has: letters that were read, not one that is looked at often."""
    house = square.house
    support = await square.phone("operator", Role.OPERATOR)
    codes: list[str | None] = []
    for _ in range(GUEST_PASSES_PER_SOURCE.count // GUEST_PASSES_PER_LINK.count + 1):
        asked = [
            (await square.ask_as_nobody(ASK, link=link))["outcome"]
            for _ in range(GUEST_PASSES_PER_LINK.count)
        ]
        codes += [one.get("code") for one in asked]
        assert "expiresAt" in (await support.ask(RENEW, id=PARCEL))["outcome"]
        async with house.database.write() as session:
            renewed = await ensure_link(
                session, key_of("parcel"), keyring=house.keyring, now=house.clock.now()
            )
        assert renewed is not None
        link = renewed
    allowed = GUEST_PASSES_PER_SOURCE.count
    assert codes == [None] * allowed + ["SLOW_DOWN"] * (len(codes) - allowed)


async def test_account_adopts_the_parcel_and_then_opens_it(square: Square, link: str) -> None:
    nobody = (await square.ask_as_nobody(ADOPT, link=link))["outcome"]
    assert nobody["code"] == "SIGNED_OUT"
    phone = await square.phone("other")
    got = (await phone.ask(ADOPT, link=link))["outcome"]
    assert (got["parcel"]["id"], got["pinUntil"]) == (PARCEL, None)
    assert "Corner Shop" in got["parcel"]["location"]["words"]
    own = await phone.ask("{ me { parcels { edges { node { id } } } } }")
    assert [edge["node"]["id"] for edge in own["me"]["parcels"]["edges"]] == [PARCEL]
    refused = (await square.ask_as_nobody(ASK, link=link))["outcome"]
    assert refused["code"] == "NOT_PERMITTED"
    assert (await square.ask_as_nobody(LOOK, link=link))["found"]["mayRequestPass"] is False
    third = await square.phone("third")
    assert (await third.ask(ADOPT, link=link))["outcome"]["code"] == "NOT_PERMITTED"


async def test_new_owner_ends_the_link_and_only_support_renews_it(
    square: Square, link: str
) -> None:
    phone = await square.phone("other")
    assert (await phone.ask(REVOKE, id=PARCEL))["outcome"]["code"] == "NOT_FOUND"
    await phone.ask(ADOPT, link=link)
    assert (await phone.ask(REVOKE, id=PARCEL))["outcome"] == {
        "parcelId": PARCEL,
        "pinUntil": None,
    }
    assert (await square.ask_as_nobody(LOOK, link=link))["found"] is None
    assert (await phone.ask(RENEW, id=PARCEL))["outcome"]["code"] == "NOT_FOUND"
    for mutation in (REVOKE, RENEW):
        nobody = (await square.ask_as_nobody(mutation, id=PARCEL))["outcome"]
        assert nobody["code"] == "SIGNED_OUT"
        assert (await phone.ask(mutation, id="nonsense"))["outcome"]["code"] == "NOT_FOUND"
    support = await square.phone("operator", Role.OPERATOR)
    renewed = (await support.ask(RENEW, id=PARCEL))["outcome"]
    assert renewed == {"parcelId": PARCEL, "expiresAt": "2026-06-03T09:30:00+00:00"}


@pytest.mark.parametrize(("mutation", "rate"), [(ADOPT, ADOPTIONS), (RENEW, RENEWALS)])
async def test_those_with_an_account_are_slowed_down_as_well(
    square: Square, link: str, mutation: str, rate: Any
) -> None:
    phone = await square.phone("operator", Role.OPERATOR)
    for _ in range(rate.count):
        await phone.ask(mutation, link=link, id=PARCEL)
    refused = (await phone.ask(mutation, link=link, id=PARCEL))["outcome"]
    assert refused["code"] == "SLOW_DOWN"


async def test_link_and_digits_are_in_no_log(
    square: Square, link: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await square.ask_as_nobody(LOOK, link=link)
    got = (await square.ask_as_nobody(ASK, link=link))["outcome"]
    await HandWorker(square.house).handle_all()
    written = "\n".join(JsonLines().format(record) for record in caplog.records)
    assert written
    for secret in (link, got["pin"]):
        assert secret not in written
