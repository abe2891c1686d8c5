"""The worker as a real process: no event is lost, whenever it dies."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from sqlmodel import select

from schema.checkpoint.notes import KeyKind, NoteKey
from server.access.jobs import GRANT_READY
from server.demo.processes import Child, Command
from server.demo.push_endpoint import PushEndpoint, make_app
from server.demo.stores import Valkey, get_valkey
from server.kit import outbox
from server.kit.clock import SystemClock
from server.kit.errors import DatabaseError, SettingsError
from server.kit.metrics import Metrics
from server.kit.outbox import OutboxState
from server.kit.queue import Queue
from server.kit.settings import Settings
from server.notices.delivery import Accepted
from server.notices.letters import Letter
from server.notices.rules import NoticeState
from server.notices.tables import Notice
from server.parcels.states import ParcelState
from server.people.preferences import Channel
from server.people.rules import PushKind
from server.people.tables import Device
from server.worker import make_letters, make_outward_timers, open_shop, run
from tests.fakes.serving import serving
from tests.fakes.town import build_town, key_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds
    from tests.fakes.stores import SqliteTemplate

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90
PARCELS = 8

HASTY_WORKER = """
import asyncio, os
from server.kit.settings import Settings
from server.worker import run
asyncio.run(run(Settings.from_environ(os.environ), handler_s=1.5))
"""
"""The worker with a short lease, so that what a killed one held is soon free again."""


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with Valkey(get_valkey()) as store:
        yield store


def make_worker(folder: Path, database_url: str, valkey: Valkey, push_url: str) -> Child:
    environ = {
        "PATH": os.environ["PATH"],
        "RESTANTE_DATABASE_URL": database_url,
        "RESTANTE_VALKEY_URL": valkey.url,
        "RESTANTE_STATE_DIR": str(folder / "state"),
        "RESTANTE_FCM_PROJECT": "demo",
        "RESTANTE_FCM_BASE_URL": push_url,
    }
    words = [sys.executable, "-c", HASTY_WORKER]
    return Child("worker", Command(words, environ, folder=ROOT), log=folder / "worker.log")


async def deposit_parcels(database: Database, ids: CountedIds) -> None:
    """Parcels that wait for their recipient to be told, each with its event in the outbox."""
    now = SystemClock().now()
    async with database.write() as session:
        town = await build_town(session)
        phone = await session.get(Device, key_of("recipient phone"))
        assert phone is not None
        phone.push_kind, phone.push_target = PushKind.FCM_TOKEN, "phone-1"
        for number in range(PARCELS):
            parcel = await town.add_parcel(session, f"parcel-{number}", state=ParcelState.DEPOSITED)
            await outbox.append(
                session, id=ids.new(), kind=GRANT_READY, subject=parcel.id, facts={}, at=now
            )


async def wait_until(worker: Child, check: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that the worker does; its death is reported at once."""
    loop = asyncio.get_running_loop()

    def probe() -> bool:
        return asyncio.run_coroutine_threadsafe(_await(check()), loop).result(PATIENCE_S)

    await asyncio.to_thread(worker.wait_ready, probe, within_s=PATIENCE_S)


async def _await(answer: Awaitable[bool]) -> bool:
    return await answer


async def is_all_done(database: Database) -> bool:
    async with database.read() as session:
        states = (await session.exec(select(outbox.Outbox.state))).all()
    return all(state is OutboxState.DONE for state in states)


@pytest.mark.both_databases_in_ci
async def test_worker_killed_while_it_sends_loses_no_notice(
    database: Database, database_url: str, valkey: Valkey, tmp_path: Path, ids: CountedIds
) -> None:
    await deposit_parcels(database, ids)
    endpoint = PushEndpoint()

    async def has_message() -> bool:
        return bool(endpoint.messages)

    async with (
        serving(make_app(endpoint)) as push_url,
        httpx.AsyncClient(base_url=push_url) as client,
    ):
        await client.post("/hold")
        worker = make_worker(tmp_path, database_url, valkey, push_url)
        try:
            worker.start()
            await wait_until(worker, has_message)
            # It has sent and has no answer: a kill now is the worst moment.
            worker.kill()
            await client.post("/release")
            worker.start()
            await wait_until(worker, lambda: is_all_done(database))
        finally:
            worker.kill()
    async with database.read() as session:
        notices = (await session.exec(select(Notice))).all()
    told = {message["data"]["subject"] for message in endpoint.messages}
    assert told == {str(key_of(f"parcel-{number}")) for number in range(PARCELS)}
    assert [notice.state for notice in notices] == [NoticeState.ACCEPTED] * PARCELS
    assert len(endpoint.messages) > PARCELS, "what was in the air was sent again"
    # The repeats bear the id of what they repeat, so that the phone shows them once.
    assert len({message["data"]["notice"] for message in endpoint.messages}) == PARCELS


async def test_worker_told_to_end_ends_well(
    sqlite_template: SqliteTemplate, valkey: Valkey, tmp_path: Path
) -> None:
    worker = make_worker(tmp_path, sqlite_template.copy(tmp_path), valkey, "http://127.0.0.1:9")
    queue = Queue(valkey.url)
    try:
        worker.start()
        await wait_until(worker, queue.has_worker)
        await asyncio.to_thread(worker.stop, within_s=PATIENCE_S)
    finally:
        worker.kill()
        await queue.close()
    assert worker.exit_status == 0
    assert "Traceback" not in worker.read_log()


async def test_worker_without_valkey_in_its_settings_says_so() -> None:
    with pytest.raises(SettingsError, match="RESTANTE_VALKEY_URL"):
        await run(Settings())


async def test_worker_refuses_a_database_without_tables(tmp_path: Path) -> None:
    settings = Settings(
        database_url=f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}",
        valkey_url="redis://127.0.0.1:9/0",
        state_dir=tmp_path,
    )
    with pytest.raises(DatabaseError, match="migrate"):
        await run(settings)


@pytest.mark.parametrize("channel", [Channel.EMAIL, Channel.SMS])
async def test_letters_without_a_provider_lie_in_the_state_folder(
    tmp_path: Path, channel: Channel
) -> None:
    letters = make_letters(Settings(state_dir=tmp_path))
    now = SystemClock().now()
    letter = Letter(key_of("letter"), channel, "recipient@example.org", "Title", "Text", now)
    assert isinstance(await letters.send(letter), Accepted)
    assert (tmp_path / "letters" / f"{letter.id}.txt").read_text().endswith("Text\n")


async def test_worker_shows_heads_to_the_witnesses_of_its_policy(tmp_path: Path) -> None:
    key = NoteKey("w1.example.org", KeyKind.WITNESS, bytes(32))
    policy = tmp_path / "policy"
    policy.write_text(f"witness w1 {key} https://w1.example.org\nquorum w1\n")
    settings = Settings(state_dir=tmp_path / "state", log_policy=policy)
    async with open_shop(settings, Metrics()) as shop:
        assert [seer.key for seer in shop.witnessing.seers] == [key]
        assert shop.witnessing.is_asked_for
    policy.write_text("quorum w2\n")
    with pytest.raises(SettingsError, match="nobody is named w2"):
        async with open_shop(settings, Metrics()):
            pass


async def test_worker_anchors_the_log_and_writes_its_files_when_it_is_told_to(
    tmp_path: Path,
) -> None:
    settings = Settings(state_dir=tmp_path / "state")
    chained = replace(settings, chain_url="http://127.0.0.1:1", log_folder=tmp_path / "log")
    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text("07" * 32)
    whole = replace(chained, chain_id=1, chain_contract=f"0x{'ab' * 20}", chain_key=key)
    async with open_shop(settings, Metrics()) as shop:
        assert make_outward_timers(settings, shop) == []
        with pytest.raises(SettingsError, match="RESTANTE_CHAIN_ID"):
            make_outward_timers(chained, shop)
        names = [timer.name for timer in make_outward_timers(whole, shop)]
    assert names == ["anchor_log", "fill_log_folder"]
