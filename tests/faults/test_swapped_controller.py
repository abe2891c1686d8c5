"""A broken board is taken out of a locker that holds parcels, and another one goes on."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from sqlmodel import col, select

from ble_agent.__main__ import main
from ble_agent.uplink import Reach, take_load
from schema.codes import ProblemCode
from schema.journal import Kind
from schema.tokens import parse_token
from server.access.service.evidence import Evidence, find_evidence
from server.app import make_app
from server.kit.errors import Refusal
from server.lockers.rules import LockerState
from server.lockers.service.enrolment import activate_locker
from server.lockers.service.replacement import IssuedEnrolment, create_replacement
from server.lockers.tables import Locker
from server.parcels.states import ParcelState
from server.parcels.tables import Parcel
from server.uplink.deliver import deliver_envelope
from tests.ble_agent.standing import Standing
from tests.fakes.serving import serving
from tests.fakes.sources import SeededRandomness
from tests.fakes.town import COMPARTMENTS, ROOT_KEY
from tests.faults.countryside import Countryside, open_countryside
from tests.makers import make_house

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from server.kit.guard import GuardedSchema
    from tests.fakes.stores import SqliteTemplate


@pytest.fixture
async def land(sqlite_template: SqliteTemplate) -> AsyncIterator[Countryside]:
    """A locker with one parcel in it, of which the server knows."""
    async with open_countryside(sqlite_template, seed=3) as land:
        land.is_kind = True
        await land.bring_parcel()
        for phone in land.phones:
            await land.reach_network(phone)
        yield land


async def draw_code(land: Countryside) -> str:
    """The operator asks for a one-time code."""
    async with land.database.write() as session:
        issued = await create_replacement(
            session,
            land.town.operator,
            locker_id=land.town.locker_id,
            randomness=land.randomness,
            ids=land.ids,
            now=land.clock.now(),
        )
    assert isinstance(issued, IssuedEnrolment), issued
    return issued.code


async def run(*words: str) -> int:
    """`./restante locker WORDS`, as a technician types it."""
    return await asyncio.to_thread(main, ["locker", *words])


async def swap(land: Countryside, schema: GuardedSchema, folder: Path) -> Standing:
    """The technician puts a new board in; returns the old one, which still runs somewhere."""
    house = make_house(
        land.database,
        clock=land.clock,
        ids=land.ids,
        randomness=SeededRandomness("house"),
        keyring=land.keyring,
    )
    state, code = str(folder), await draw_code(land)
    words = ("--compartments", str(COMPARTMENTS), "--root", ROOT_KEY.hex())
    assert await run("init", "--state", state, *words) == 0
    async with serving(make_app(house, schema)) as url:
        enrol = ("enrol", "--state", state, "--code", code, "--url", url)
        assert await run(*enrol) == 1  # it would forget what lies inside
        for _ in range(2):
            assert await run(*enrol, "--replace") == 0
    former, inside = land.locker, land.locker.stays_in_now()
    land.locker = await Standing(folder, compartments=COMPARTMENTS, occupied=inside).start()
    land.written.clear()
    async with land.database.write() as session:
        row = await get_new(land)
        land.town.locker_id = row.id
        await activate_locker(
            session,
            land.town.operator,
            locker_id=row.id,
            tested=range(1, COMPARTMENTS + 1),
            is_clock_synced=True,
        )
    return former


async def get_new(land: Countryside) -> Locker:
    """The row of the locker that is at work now."""
    async with land.database.read() as session:
        rows = await session.exec(select(Locker).where(Locker.state != LockerState.RETIRED))
        return rows.one()


def envelope_of(board: Standing, land: Countryside) -> bytes:
    """The board's newest lines as it would send them."""
    seal_to = board.locker.statements.trust().keys.find_sealing_key()
    load = take_load(board.locker.outgoing, seal_to, after=Reach(0), max_bytes=48 * 1024)
    assert load.envelope is not None
    return load.envelope


async def test_recipient_fetches_from_the_new_board_what_the_old_one_took_in(
    land: Countryside, schema: GuardedSchema, tmp_path: Path
) -> None:
    old_lid = land.locker.lid
    [inside] = land.locker.stays_in_now()
    former = await swap(land, schema, tmp_path / "board")
    assert land.locker.lid != old_lid
    assert land.locker.stay(inside) == former.stay(inside) is not None
    assert await land.fetch_parcel()
    assert land.locker.stay(inside) is None
    for phone in land.phones:
        await land.reach_network(phone)
    parcel = await only_parcel(land)
    assert parcel.state is ParcelState.COLLECTED
    assert await land.incidents() == set()
    assert await land.stored() == [raw for _, raw in sorted(land.written.items())]
    await former.stop()


async def test_proof_of_the_parcel_holds_the_words_of_both_boards(
    land: Countryside, schema: GuardedSchema, tmp_path: Path
) -> None:
    former = await swap(land, schema, tmp_path / "board")
    await land.fetch_parcel()
    for phone in land.phones:
        await land.reach_network(phone)
    parcel = await only_parcel(land)
    owner = next(one.actor for one in land.phones if one.actor.person_id == parcel.recipient_id)
    async with land.database.read() as session:
        proof = await find_evidence(session, owner, parcel_id=parcel.id)
    assert isinstance(proof, Evidence)
    told = {Kind(row.kind): row.lid for row in proof.entries}
    assert told[Kind.DEPOSITED] == former.lid
    assert told[Kind.COLLECTED] == land.locker.lid
    assert [one.sign_public for one in proof.former] == [former.locker.identity.signing.public]
    await former.stop()


async def test_nothing_more_is_taken_from_the_old_board(
    land: Countryside, schema: GuardedSchema, tmp_path: Path
) -> None:
    await land.bring_parcel()
    before = await land.stored()
    former = await swap(land, schema, tmp_path / "board")
    taken = await deliver_envelope(
        land.database,
        envelope_of(former, land),
        keyring=land.keyring,
        ids=land.ids,
        now=land.clock.now(),
    )
    assert isinstance(taken, Refusal)
    assert taken.code is ProblemCode.ENVELOPE_INVALID
    land.locker, new = former, land.locker
    assert await land.stored() == before
    land.locker = new
    await former.stop()


async def test_token_for_the_old_board_is_not_given_again(
    land: Countryside, schema: GuardedSchema, tmp_path: Path
) -> None:
    parcel = await only_parcel(land)
    phone = next(one for one in land.phones if one.actor.person_id == parcel.recipient_id)
    first = await land.ask_unlock(phone, parcel)
    former = await swap(land, schema, tmp_path / "board")
    second = await land.ask_unlock(phone, parcel)
    audiences = [parse_token(one.token.raw).claims.aud for one in (first, second)]
    assert audiences[0] != audiences[1]
    assert second.grant.id == first.grant.id
    assert second.place.locker.lid == land.locker.lid
    await former.stop()


async def test_only_operators_replace_and_only_what_is_at_work(
    land: Countryside, schema: GuardedSchema, tmp_path: Path
) -> None:
    first = land.town.locker_id
    former = await swap(land, schema, tmp_path / "board")
    async with land.database.write() as session:
        refused = await create_replacement(
            session,
            land.town.operator,
            locker_id=first,
            randomness=land.randomness,
            ids=land.ids,
            now=land.clock.now(),
        )
        assert isinstance(refused, Refusal)
        hidden = await create_replacement(
            session,
            land.town.courier,
            locker_id=land.town.locker_id,
            randomness=land.randomness,
            ids=land.ids,
            now=land.clock.now(),
        )
        assert isinstance(hidden, Refusal)
        assert hidden.code is ProblemCode.NOT_FOUND
    await former.stop()


async def only_parcel(land: Countryside) -> Parcel:
    """The parcel that was there first."""
    async with land.database.read() as session:
        rows = await session.exec(select(Parcel).order_by(col(Parcel.code)).limit(1))
        return rows.one()
