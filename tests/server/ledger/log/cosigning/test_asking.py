"""One witness over HTTP: what its answers mean, and that none of them can hold us up or fill us."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from schema.checkpoint.notes import Note, NoteKey, cosign
from schema.codec import Malformed
from server.kit.errors import SettingsError
from server.ledger.log.cosigning.answers import (
    ANSWER_BYTES,
    FASTEST_CLOCK,
    Answer,
    Behind,
    Cosigned,
    Refused,
    Silent,
    find_cosignature,
    read_answer,
)
from server.ledger.log.cosigning.asking import HttpWitness, make_client, read_witnessing
from tests.fakes.serving import serving
from tests.fakes.sources import START
from tests.fakes.trees import LID, Tree, entries_of
from tests.schema.makers import signing_key
from tests.schema.test_receipts import SEERS

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.types import Receive, Scope, Send

SIZE = "text/x.tlog.size"
NOTE = Tree(entries_of(LID, 1, 3)).note(3)
NOW = int(START.timestamp())


@pytest.mark.parametrize(
    ("status", "kind", "body", "answer"),
    [
        (200, "text/plain", "— w x\n", Cosigned("— w x\n")),
        (409, SIZE, "5\n", Behind(5)),
        (409, f"{SIZE}; charset=utf-8", "5", Behind(5)),
        (409, SIZE, "05\n", Silent("a conflict without a size: a size has one way to be written")),
        (409, "text/plain", "5\n", Refused("status 409: 5")),
        (422, "text/plain", "no\n", Refused("status 422: no", is_unproven=True)),
        (404, "", "who?", Refused("status 404: who?")),
        (302, "", "", Refused("status 302: ")),
        (429, "", "", Silent("status 429: ")),
        (503, "", "\xff later", Silent("status 503: \xff later")),
    ],
)
def test_answers_have_meanings(status: int, kind: str, body: str, answer: Answer) -> None:
    assert read_answer(status, kind, body.encode()) == answer


def lines_of(*names: str, at: int = NOW, note: Note = NOTE) -> str:
    return "".join(
        str(cosign(note, signing_key(name), name=f"{name}.example.org", at=at)) for name in names
    )


def test_its_own_word_is_found_among_others() -> None:
    found = find_cosignature(NOTE, lines_of("w1", "w0"), key=SEERS[0], now=START)
    assert found is not None
    assert (str(found[0]), found[1]) == (lines_of("w0"), NOW)
    assert find_cosignature(NOTE, lines_of("w1"), key=SEERS[0], now=START) is None


def test_a_word_for_another_head_or_time_is_none() -> None:
    other = Tree(entries_of(LID, 1, 2)).note(2)
    ahead = NOW + int(FASTEST_CLOCK.total_seconds())
    assert find_cosignature(NOTE, lines_of("w0", at=ahead), key=SEERS[0], now=START)
    for lines in (lines_of("w0", note=other), lines_of("w0", at=ahead + 1), "nonsense\n", ""):
        with pytest.raises(Malformed):
            find_cosignature(NOTE, lines, key=SEERS[0], now=START)


async def ask(handler: object, *, answer_s: float = 30.0) -> Answer:
    async with serving(handler) as url, make_client() as client:  # type: ignore[arg-type]
        return await HttpWitness(client, url, answer_s).cosign(b"old 0\n\n")


async def test_a_witness_that_says_too_much_is_not_heard_out() -> None:
    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(4):
            part = b"x" * (ANSWER_BYTES // 3)
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    assert await ask(talk) == Silent(f"more than {ANSWER_BYTES} bytes")


async def test_a_witness_that_never_answers_is_left() -> None:
    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    assert isinstance(await ask(wait, answer_s=0.2), Silent)


async def test_nobody_there_is_silence() -> None:
    async with httpx.AsyncClient() as client:
        answer = await HttpWitness(client, "http://127.0.0.1:1").cosign(b"")
    assert isinstance(answer, Silent)
    assert "ConnectError" in answer.reason


KEY = SEERS[0]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "quorum"),
        (f"witness w {KEY}\nquorum w\n", "witness w has no address"),
        (f"witness w {KEY} ftp://w.example.org\nquorum w\n", "witness w has no address"),
        (f"witness w {KEY} http://[\nquorum w\n", "witness w has no address"),
        ("quorum w\n", "nobody is named w"),
    ],
)
async def test_a_policy_that_cannot_be_kept_is_refused(
    tmp_path: Path, text: str, reason: str
) -> None:
    (tmp_path / "policy").write_text(text)
    async with make_client() as client:
        with pytest.raises(SettingsError, match=reason):
            read_witnessing(tmp_path / "policy", client)
        with pytest.raises(SettingsError, match="RESTANTE_LOG_POLICY"):
            read_witnessing(tmp_path / "none", client)


async def test_a_policy_names_witnesses_as_it_likes(tmp_path: Path) -> None:
    text = f"witness north {KEY} https://w.example.org/here\nquorum north\n"
    (tmp_path / "policy").write_text(text)
    async with make_client() as client:
        witnessing = read_witnessing(tmp_path / "policy", client)
    (seer,) = witnessing.seers
    assert (seer.name, NoteKey.parse(seer.id)) == ("north", KEY)
    assert witnessing.is_asked_for
    assert witnessing.compose("note", {}) is None
    assert witnessing.compose("note", {seer.id: "line", "another": "x"}) == "noteline"
