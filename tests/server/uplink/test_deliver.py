"""Envelopes as strangers bring them: whole, twice, torn, foreign, too large, of a fork."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import pytest
from nacl import bindings
from sqlmodel import select

from schema.codec import encode
from schema.codes import ProblemCode
from schema.envelopes import seal_envelope
from schema.ids import KeyId
from schema.readings import Reading
from schema.statements import Acknowledgement, StatementType, parse_statement
from server.access.service.bundles import make_unlock_bundle
from server.kit.errors import Refusal
from server.kit.keyring import Purpose
from server.ledger import service as ledger
from server.ledger.tables import LockerReading
from server.lockers.incidents import IncidentKind
from server.lockers.service.trust import restore_trust
from server.lockers.tables import Incident, Locker
from server.parcels.states import ParcelState
from server.uplink.deliver import Taken
from tests.fakes.journals import JournalingLocker
from tests.fakes.town import key_of

if TYPE_CHECKING:
    from tests.server.uplink.conftest import Story


async def refused(story: Story, envelope: bytes) -> Refusal:
    outcome = await story.bring(envelope)
    assert isinstance(outcome, Refusal)
    assert outcome.code is ProblemCode.ENVELOPE_INVALID
    return outcome


async def is_untouched(story: Story) -> bool:
    async with story.database.read() as session:
        return await ledger.find_tip(session, story.machine.lid) is None


async def test_envelope_is_answered_by_an_acknowledgement(story: Story) -> None:
    story.machine.boot()
    taken = await story.bring_all()
    assert (taken.stored, taken.known, taken.upto_seq) == (1, 0, 1)
    acknowledgement = next(
        one for one in taken.statements if one.kind is StatementType.ACKNOWLEDGEMENT
    )
    body = parse_statement(StatementType.ACKNOWLEDGEMENT, acknowledgement.raw).body
    assert isinstance(body, Acknowledgement)
    assert (body.upto_seq, body.head) == (1, story.machine.head)


async def test_answer_brings_the_newest_statements_along(story: Story) -> None:
    story.machine.boot()
    kinds = [one.kind for one in (await story.bring_all()).statements]
    assert kinds == [
        StatementType.KEY_SET,
        StatementType.CONFIGURATION,
        StatementType.ACKNOWLEDGEMENT,
    ]


async def test_second_carrier_changes_nothing_and_is_answered_alike(story: Story) -> None:
    await story.deposit()
    first = await story.bring_all()
    before = await story.parcel()
    second = await story.bring_all()
    assert (second.stored, second.known) == (0, first.stored)
    assert second.statements == first.statements
    assert await story.parcel() == before


async def test_pieces_in_the_wrong_order_have_their_effect_once_the_gap_closes(
    story: Story,
) -> None:
    await story.deposit()
    late = await story.bring(story.seal(3))
    assert isinstance(late, Taken)
    assert late.upto_seq == 0
    assert await story.state() == "OUT_FOR_DELIVERY"
    await story.bring(story.seal(1, 2))
    assert await story.state() == "DEPOSITED"


async def test_locker_is_heard_of(story: Story) -> None:
    story.machine.boot()
    story.clock.move(hours=1)
    await story.bring_all()
    async with story.database.read() as session:
        locker = await session.get(Locker, story.town.locker_id)
    assert locker is not None
    assert locker.last_fact_at is not None
    assert int(locker.last_fact_at.timestamp()) == story.machine.now
    assert locker.clock_quality == 2


@pytest.mark.parametrize("t", [2**53 - 1, 2**40])
async def test_clock_gone_wild_is_never_ahead_of_the_servers(story: Story, t: int) -> None:
    story.machine.now = t
    await story.deposit()
    await story.bring_all()
    async with story.database.read() as session:
        locker = await session.get(Locker, story.town.locker_id)
    assert locker is not None
    assert locker.last_fact_at == story.clock.now()
    assert await story.state() == "DEPOSITED"


async def test_readings_may_travel_alone(story: Story) -> None:
    readings = (Reading(1, 0, 1, -185), Reading(2, 0, 1, -184))
    for _ in range(2):
        taken = await story.bring(story.seal(readings=readings))
        assert isinstance(taken, Taken)
    async with story.database.read() as session:
        values = sorted(await session.exec(select(LockerReading.value)))
    assert values == [-185, -184]


async def test_readings_alone_are_a_sign_of_life(story: Story) -> None:
    story.clock.move(hours=1)
    now = int(story.clock.now().timestamp())
    await story.bring(story.seal(readings=(Reading(now - 60, 0, 2, 990), Reading(now, 1, 1, 40))))
    async with story.database.read() as session:
        locker = await session.get_one(Locker, story.town.locker_id)
    assert locker.last_fact_at == story.clock.now()
    assert locker.clock_quality is None


@pytest.mark.parametrize("size", [0, 1, 10, -1, -40])
async def test_torn_envelope_is_refused(story: Story, size: int) -> None:
    story.machine.boot()
    await refused(story, story.seal()[:size])
    assert await is_untouched(story)


async def test_every_flipped_byte_is_refused(story: Story) -> None:
    story.machine.boot()
    whole = story.seal()
    for at in range(0, len(whole), 7):
        bent = bytearray(whole)
        bent[at] ^= 0x40
        await refused(story, bytes(bent))
    assert await is_untouched(story)


async def test_oversized_envelope_is_refused_unread(story: Story) -> None:
    await refused(story, bytes(64 * 1024 + 1))


async def test_envelope_to_another_server_is_refused(story: Story) -> None:
    story.machine.boot()
    _, private = bindings.crypto_box_keypair()
    other = bindings.crypto_scalarmult_base(private)
    kid = story.keyring.list_keys(Purpose.SEAL)[0].kid
    await refused(story, story.machine.envelope(kid=kid, to=other))
    ours = story.keyring.list_keys(Purpose.SEAL)[0].public
    await refused(story, story.machine.envelope(kid=KeyId(b"\xff\xff"), to=ours))


async def test_envelope_to_a_key_that_was_replaced_is_still_opened(story: Story) -> None:
    story.machine.boot()
    envelope = story.seal()
    story.keyring.rotate(Purpose.SEAL)
    assert isinstance(await story.bring(envelope), Taken)


async def test_unknown_locker_is_refused(story: Story) -> None:
    stranger = JournalingLocker("stranger")
    stranger.boot()
    await refused(story, story.seal(machine=stranger))


async def test_locker_speaks_for_itself_alone(story: Story) -> None:
    thief = JournalingLocker("thief")
    thief.lid = story.machine.lid
    thief.boot()
    await refused(story, story.seal(machine=thief))


async def test_signed_stream_that_inflates_without_end_is_refused(story: Story) -> None:
    key = story.keyring.list_keys(Purpose.SEAL)[0]
    bomb = seal_envelope(
        zlib.compress(bytes(1 << 20)),
        lid=story.machine.lid,
        first=1,
        count=1,
        key=story.machine.key,
        kid=key.kid,
        to=key.public,
    )
    await refused(story, bomb)


async def test_signed_entries_that_are_no_chain_are_refused(story: Story) -> None:
    story.machine.boot()
    story.machine.write(16, 1)
    story.machine.entries.reverse()
    await refused(story, story.seal())
    assert await is_untouched(story)


async def test_signed_nonsense_is_refused(story: Story) -> None:
    key = story.keyring.list_keys(Purpose.SEAL)[0]
    nonsense = seal_envelope(
        zlib.compress(encode([1, [b"no entry"], bytes(32), []])),
        lid=story.machine.lid,
        first=1,
        count=1,
        key=story.machine.key,
        kid=key.kid,
        to=key.public,
    )
    await refused(story, nonsense)


async def test_fork_opens_one_critical_incident_and_ends_all_taking(story: Story) -> None:
    twin = story.machine.copy()
    story.machine.boot()
    twin.write(16, 1)
    await story.bring_all()
    for _ in range(2):
        refusal = await refused(story, story.seal(machine=twin))
        assert "contradicted" in refusal.message
    story.machine.write(16, 1)
    await refused(story, story.seal())
    assert await story.incidents() == ["JOURNAL_FORK"]


async def restore(story: Story) -> None:
    async with story.database.write() as session:
        outcome = await restore_trust(
            session,
            story.town.operator,
            locker_id=story.town.locker_id,
            reason="Seals whole, board ours.",
            now=story.clock.now(),
        )
    assert isinstance(outcome, Locker)


async def test_inspected_locker_is_taken_and_acknowledged_again(story: Story) -> None:
    twin = story.machine.copy()
    await story.deposit()
    twin.write(16, 1)
    await story.bring_all()
    foreign = story.seal(machine=twin)
    await refused(story, foreign)
    story.machine.write(16, 2)
    await refused(story, story.seal())
    await restore(story)
    taken = await story.bring_all()
    assert taken.upto_seq == len(story.machine.entries)
    assert StatementType.ACKNOWLEDGEMENT in {one.kind for one in taken.statements}
    assert await story.state() is ParcelState.DEPOSITED
    # Whoever still carries what was judged stops nothing by it.
    refusal = await refused(story, foreign)
    assert "contradicted" not in refusal.message
    story.machine.write(16, 3)
    await story.bring_all()
    async with story.database.read() as session:
        incidents = (await session.exec(select(Incident))).all()
    assert [(one.kind, one.resolution) for one in incidents] == [
        (IncidentKind.JOURNAL_FORK, "Seals whole, board ours.")
    ]


async def test_locker_that_contradicts_itself_anew_is_another_incident(story: Story) -> None:
    """Its memory has the other branch: only a new controller helps."""
    twin = story.machine.copy()
    story.machine.boot()
    await story.bring_all()
    for mode in (1, 2):
        twin.write(16, mode)
        await refused(story, story.seal(machine=twin))
        await restore(story)
        twin.entries.pop()
    async with story.database.read() as session:
        incidents = (await session.exec(select(Incident))).all()
    assert len(incidents) == 2
    assert all(one.resolved_at for one in incidents)


async def test_without_a_key_set_the_journal_is_taken_but_not_acknowledged(story: Story) -> None:
    story.machine.boot()
    story.clock.move(days=60)  # every key of the published set has died
    taken = await story.bring_all()
    assert taken.upto_seq == 1
    assert taken.statements == []


async def test_two_carriers_at_once_move_the_parcel_once(story: Story) -> None:
    await story.deposit()
    envelope = story.seal()
    outcomes = await asyncio.gather(*(story.bring(envelope) for _ in range(4)))
    stored = [outcome.stored for outcome in outcomes if isinstance(outcome, Taken)]
    assert sorted(stored) == [0, 0, 0, len(story.machine.entries)]
    assert await story.state() == "DEPOSITED"
    assert await story.incidents() == []


async def test_envelopes_and_bundles_at_once_do_not_stand_in_each_others_way(
    story: Story,
) -> None:
    stay = await story.deposit()
    await story.bring_all()
    story.machine.collect(3, stay, None)
    envelope = story.seal()

    async def ask() -> object:
        async with story.database.write() as session:
            return await make_unlock_bundle(
                session, story.town.recipient, parcel_id=key_of("parcel"), tools=story.tools
            )

    await asyncio.gather(ask(), story.bring(envelope), ask(), story.bring(envelope), ask())
    assert await story.state() == "COLLECTED"
