"""The public log over HTTP: anybody fetches it as files and checks it with nothing but `schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schema.checkpoint.notes import KeyKind, NoteKey, parse_checkpoint, parse_note
from schema.checkpoint.spans import Span
from schema.checkpoint.tiles import TileId, read_bundle, span_hash, tiles_between
from schema.merkle import leaf_hash
from server.kit.keyring import Purpose, current_key
from server.ledger import service as ledger
from server.ledger.log import jobs
from server.ledger.log.rules import LONGEST_WAIT, origin_of
from tests.fakes.journals import JournalingLocker, stay_of

if TYPE_CHECKING:
    import httpx

    from server.app import House
    from tests.fakes.sources import MovableClock


async def fill(house: House, clock: MovableClock) -> JournalingLocker:
    """A locker's journal has come home, and the log has taken it in."""
    locker = JournalingLocker()
    locker.boot()
    locker.deposit(3, stay_of(1), b"cti-0001")
    async with house.database.write() as session:
        await ledger.append(session, locker.contents(), now=clock.now())
    clock.move(seconds=LONGEST_WAIT.total_seconds())
    origin = origin_of(house.settings.public_url)
    await jobs.seal_log(house.database, origin=origin, keyring=house.keyring, clock=clock)
    return locker


async def test_a_stranger_verifies_the_whole_log_from_its_files(
    house: House, api: httpx.AsyncClient, clock: MovableClock
) -> None:
    locker = await fill(house, clock)
    answer = await api.get("/log/checkpoint")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert "max-age=2" in answer.headers["cache-control"]
    note = parse_note(answer.content)
    head = parse_checkpoint(note)
    key = NoteKey(head.origin, KeyKind.LOG, current_key(house.keyring, Purpose.LOG).public)
    assert note.is_signed_by(key)
    tiles = {}
    for tile in tiles_between(0, head.size):
        answer = await api.get(f"/log/tile/{tile.path}")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert "immutable" in answer.headers["cache-control"]
        tiles[tile.id] = answer.content
    assert span_hash(Span(0, head.size), tiles) == head.root
    bundle = (await api.get(f"/log/tile/entries/000.p/{head.size}")).content
    entries = read_bundle(bundle)
    assert b"".join(map(leaf_hash, entries)) == tiles[TileId(0, 0)]
    assert len(entries) == locker.contents().first + len(locker.contents().entries) - 1


async def test_an_empty_log_has_no_head(api: httpx.AsyncClient) -> None:
    answer = await api.get("/log/checkpoint")
    assert answer.status_code == 404


async def test_files_that_the_log_does_not_have_are_not_found(
    house: House, api: httpx.AsyncClient, clock: MovableClock
) -> None:
    await fill(house, clock)
    for path in ("0/001", "0/000", "0/000.p/255", "entries/000", "9/000", "0/000.p/0", "x", ""):
        answer = await api.get(f"/log/tile/{path}")
        assert answer.status_code == 404, path
        assert "immutable" not in answer.headers.get("cache-control", "")


async def test_the_log_says_how_far_it_is(
    house: House, api: httpx.AsyncClient, clock: MovableClock
) -> None:
    locker = await fill(house, clock)
    size = len(locker.contents().entries)
    told = (await api.get("/log/status")).json()
    assert told == {"published": size, "signed": size, "waiting": 0, "oldest_at": None}
    locker.boot()
    async with house.database.write() as session:
        await ledger.append(session, locker.contents(), now=clock.now())
    told = (await api.get("/log/status")).json()
    assert (told["waiting"], told["oldest_at"]) == (1, int(clock.now().timestamp()))
