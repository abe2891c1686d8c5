"""The witness over HTTP: every status of tlog-witness, and what people are told."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from schema.checkpoint.notes import Note, parse_signatures
from schema.checkpoint.submissions import SUBMISSION_BYTES, write_submission
from server.ledger.witness.door import Witness, make_door
from server.ledger.witness.seal import Seal
from server.ledger.witness.store import Heads
from tests.fakes.trees import LID, Tree, entries_of
from tests.schema.makers import signing_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from tests.fakes.sources import MovableClock

TREE = Tree(entries_of(LID, 1, 9))
FORK = Tree(entries_of(LID, 1, 9, "other"))
SEAL = Seal("w1.example.org", signing_key("w1"))


@pytest.fixture
def witness(tmp_path: Path, clock: MovableClock) -> Iterator[Witness]:
    heads = Heads(tmp_path / "witness.db")
    yield Witness(SEAL, (TREE.public,), heads, clock)
    heads.close()


@pytest.fixture
async def client(witness: Witness) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_door(witness))
    async with httpx.AsyncClient(transport=transport, base_url="http://w1") as client:
        yield client


async def ask(client: httpx.AsyncClient, body: bytes) -> httpx.Response:
    return await client.post("/add-checkpoint", content=body)


async def test_a_head_that_continues_the_last_is_cosigned(
    client: httpx.AsyncClient, clock: MovableClock
) -> None:
    for old, new in ((0, 5), (5, 9), (9, 9)):
        clock.move(seconds=7)
        answer = await ask(client, TREE.show(old, new))
        assert answer.status_code == 200
        cosigned = Note(TREE.note(new).text, parse_signatures(answer.text))
        assert cosigned.find_time(SEAL.public) == int(clock.now().timestamp())


async def test_an_old_size_that_is_not_held_is_told_the_one_that_is(
    client: httpx.AsyncClient,
) -> None:
    await ask(client, TREE.show(0, 5))
    answer = await ask(client, TREE.show(3, 9))
    assert (answer.status_code, answer.text) == (409, "5\n")
    assert answer.headers["content-type"].partition(";")[0] == "text/x.tlog.size"


async def test_another_root_of_the_same_size_is_refused_for_good_and_told_loudly(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(client, TREE.show(0, 9))
    for old in (9, 0):
        answer = await ask(client, FORK.show(old, 9))
        assert (answer.status_code, answer.text) == (409, "9\n")
    assert [record.levelname for record in caplog.records] == ["ERROR"] * 2
    assert "SPLIT VIEW" in caplog.text
    assert "split views: 1" in (await client.get("/")).text
    evidence = (await client.get("/split-views")).text
    assert str(TREE.note(9)) in evidence
    assert str(FORK.note(9)) in evidence


async def test_what_does_not_continue_the_last_head_is_not_cosigned(
    client: httpx.AsyncClient,
) -> None:
    await ask(client, TREE.show(0, 5))
    for tree, proof in ((FORK, FORK.proof(5, 9)), (TREE, ()), (TREE, FORK.proof(5, 9))):
        body = write_submission(tree.note(9), old=5, proof=proof)
        assert (await ask(client, body)).status_code == 422
    assert (await ask(client, TREE.show(5, 9))).status_code == 200


async def test_whoever_is_not_watched_is_not_cosigned(client: httpx.AsyncClient) -> None:
    stranger = Tree(TREE.leaves, origin="elsewhere.example.org/log")
    assert (await ask(client, stranger.show(0, 9))).status_code == 404
    impostor = Tree(TREE.leaves, key=signing_key("another"))
    assert (await ask(client, impostor.show(0, 9))).status_code == 403


async def test_nonsense_is_refused(client: httpx.AsyncClient) -> None:
    small = write_submission(TREE.note(4), old=5, proof=())
    extended = replace(TREE.note(4), text=TREE.note(4).text + "more\n")
    for body in (b"", b"old 1", small, write_submission(extended, old=0, proof=())):
        answer = await ask(client, body)
        assert answer.status_code == 400, body
    assert (await ask(client, b"x" * (SUBMISSION_BYTES + 1))).status_code == 413
    assert (await client.get("/add-checkpoint")).status_code == 405


async def test_a_disk_that_takes_nothing_cosigns_nothing(
    client: httpx.AsyncClient, witness: Witness
) -> None:
    with witness.heads._transaction() as connection:
        connection.execute("DROP TABLE heads")
    answer = await ask(client, TREE.show(0, 9))
    assert answer.status_code == 503
    assert "—" not in answer.text


async def test_a_page_tells_who_it_is_and_what_it_holds(client: httpx.AsyncClient) -> None:
    told = (await client.get("/")).text.splitlines()
    assert told == [
        f"witness {SEAL.public}",
        f"log {TREE.origin}: nothing yet",
        "split views: 0",
    ]
    await ask(client, TREE.show(0, 5))
    assert f"5 leaves, root {TREE.head(5).root.hex()}" in (await client.get("/")).text
