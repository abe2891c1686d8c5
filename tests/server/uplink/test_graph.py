"""Envelopes through the API, by callers without an account."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from schema.envelopes import MAX_ENVELOPE_SIZE
from schema.handshake import MAX_ENVELOPE
from schema.ids import locker_text
from server.uplink.graph import DELIVERIES, ENVELOPES_AT_ONCE, HEADS_AT_ONCE
from tests.fakes.journals import JournalingLocker

if TYPE_CHECKING:
    import httpx

    from tests.server.uplink.conftest import Story

DELIVER = """
mutation ($envelopes: [Base64!]!) { outcome: deliverEnvelopes(envelopes: $envelopes) {
  ... on DeliverEnvelopesPayload { outcomes {
    ... on EnvelopeTaken { lockerId accepted known uptoSeq statements { type bytes } }
    ... on Problem { code message }
  } }
  ... on Problem { code message field retryAfterS }
} }"""


TELL = """
mutation ($heads: [SignedHeadInput!]!) { outcome: deliverSignedHeads(heads: $heads) {
  ... on DeliverSignedHeadsPayload { outcomes {
    ... on SignedHeadTaken { isNew } ... on Problem { code }
  } }
  ... on Problem { code field retryAfterS }
} }"""


async def tell(api: httpx.AsyncClient, *heads: dict[str, Any]) -> dict[str, Any]:
    """What somebody without an account is answered who brings what lockers signed."""
    body = {"query": TELL, "variables": {"heads": heads}}
    answer = (await api.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    outcome: dict[str, Any] = answer["data"]["outcome"]
    return outcome


def signed_head(machine: JournalingLocker, seq: int, **other: Any) -> dict[str, Any]:
    """What a phone got at the door, but for what is told otherwise."""
    return {
        "lockerId": locker_text(machine.lid),
        "seq": seq,
        "head": base64.b64encode(machine.head_at(seq)).decode(),
        "signature": base64.b64encode(machine.receipt(seq)).decode(),
        **other,
    }


async def test_anybody_brings_what_a_locker_signed_and_a_bad_one_spoils_nothing(
    story: Story, api: httpx.AsyncClient
) -> None:
    story.machine.boot()
    good = signed_head(story.machine, 1)
    told = await tell(
        api, signed_head(story.machine, 1, lockerId="?"), {**good, "seq": 0}, good, good
    )
    assert told["outcomes"] == [
        {"code": "ENVELOPE_INVALID"},
        {"code": "ENVELOPE_INVALID"},
        {"isNew": True},
        {"isNew": False},
    ]


async def test_number_of_signed_heads_is_bounded(story: Story, api: httpx.AsyncClient) -> None:
    story.machine.boot()
    good = signed_head(story.machine, 1)
    told = await tell(api, *([good] * (HEADS_AT_ONCE + 1)))
    assert (told["code"], told["field"]) == ("TOO_COSTLY", "heads")
    for _ in range(DELIVERIES.count):
        await tell(api)
    refused = await tell(api, good)
    assert refused["code"] == "SLOW_DOWN"
    assert refused["retryAfterS"] > 0


async def deliver(api: httpx.AsyncClient, *envelopes: bytes) -> dict[str, Any]:
    """What a caller without any credentials is answered."""
    texts = [base64.b64encode(envelope).decode() for envelope in envelopes]
    body = {"query": DELIVER, "variables": {"envelopes": texts}}
    answer = (await api.post("/graphql", json=body)).json()
    assert "errors" not in answer, answer
    outcome: dict[str, Any] = answer["data"]["outcome"]
    return outcome


async def test_anybody_brings_envelopes_and_carries_statements_back(
    story: Story, api: httpx.AsyncClient
) -> None:
    story.machine.boot()
    (taken,) = (await deliver(api, story.seal()))["outcomes"]
    assert taken["lockerId"] == locker_text(story.machine.lid)
    assert (taken["accepted"], taken["known"], taken["uptoSeq"]) == (1, 0, 1)
    assert [one["type"] for one in taken["statements"]] == [
        "KEY_SET",
        "CONFIGURATION",
        "ACKNOWLEDGEMENT",
    ]


async def test_bad_envelope_does_not_spoil_the_others(story: Story, api: httpx.AsyncClient) -> None:
    story.machine.boot()
    stranger = JournalingLocker("stranger")
    stranger.boot()
    outcomes = (await deliver(api, b"torn", story.seal(machine=stranger), story.seal()))["outcomes"]
    assert [one.get("code") for one in outcomes] == ["ENVELOPE_INVALID", "ENVELOPE_INVALID", None]
    assert outcomes[2]["uptoSeq"] == 1


async def test_two_envelopes_of_the_largest_size_fit_one_request(
    story: Story, api: httpx.AsyncClient
) -> None:
    largest = bytes(MAX_ENVELOPE_SIZE)
    assert len((await deliver(api, largest, largest))["outcomes"]) == 2
    carried = [bytes(MAX_ENVELOPE)] * ENVELOPES_AT_ONCE
    assert len((await deliver(api, *carried))["outcomes"]) == ENVELOPES_AT_ONCE
    texts = [base64.b64encode(largest).decode()] * 3
    body = {"query": DELIVER, "variables": {"envelopes": texts}}
    assert (await api.post("/graphql", json=body)).status_code == 413
    assert story.machine.entries == []


async def test_no_envelopes_are_no_trouble(story: Story, api: httpx.AsyncClient) -> None:
    assert await deliver(api) == {"outcomes": []}
    assert story.machine.entries == []


async def test_number_of_envelopes_is_bounded(story: Story, api: httpx.AsyncClient) -> None:
    answer = await deliver(api, *[b"x"] * (ENVELOPES_AT_ONCE + 1))
    assert (answer["code"], answer["field"]) == ("TOO_COSTLY", "envelopes")
    assert story.machine.entries == []


async def test_source_that_never_stops_is_slowed_down(story: Story, api: httpx.AsyncClient) -> None:
    for _ in range(DELIVERIES.count):
        await deliver(api)
    answer = await deliver(api)
    assert answer["code"] == "SLOW_DOWN"
    assert answer["retryAfterS"] > 0
    assert story.machine.entries == []


async def test_text_that_is_not_base64_is_no_crash(story: Story, api: httpx.AsyncClient) -> None:
    body = {"query": DELIVER, "variables": {"envelopes": ["A"]}}
    answer = (await api.post("/graphql", json=body)).json()
    assert answer["errors"][0]["extensions"]["code"] == "INPUT_INVALID"
    assert story.machine.entries == []
