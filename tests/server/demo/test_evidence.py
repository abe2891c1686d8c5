"""The demo's verifier: it believes signatures and hashes, and what does not add up is refused."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from schema.cose import SigningKey
from schema.journal import Kind, parse_entry
from schema.keys import Operation
from server.demo.asking import Unverified
from server.demo.evidence import (
    LockerFacts,
    find_collection,
    is_key_of,
    is_opening,
    is_proved_by,
    is_receipt_for,
    read_entries,
    read_extract,
    read_journal,
)
from tests.fakes.journals import JournalingLocker, seed, stay_of

if TYPE_CHECKING:
    from server.demo.evidence import Line

HOLDER = SigningKey(seed("recipient phone"))
STRANGER = SigningKey(seed("stranger phone"))
STAY = stay_of(1)
CTI = bytes(8)


@pytest.fixture
def machine() -> JournalingLocker:
    """A locker in which a parcel was deposited and collected by its holder."""
    machine = JournalingLocker()
    machine.boot()
    machine.deposit(2, STAY, CTI)
    collect(machine)
    return machine


def collect(machine: JournalingLocker, *, by: SigningKey = HOLDER, comp: int = 2) -> None:
    machine.accept(Operation.OPEN, comp, CTI, holder=by)
    machine.move_door(comp, before=True, after=False)
    machine.write(Kind.COLLECTED, 2, STAY, 1)


def facts_of(machine: JournalingLocker) -> LockerFacts:
    return LockerFacts(machine.lid, machine.key.public)


def lines_of(machine: JournalingLocker) -> list[Line]:
    return read_journal(machine.entries, facts_of(machine))


def receipt_of(machine: JournalingLocker, line: Line) -> dict[str, Any]:
    seq = line.entry.seq
    return {"head": machine.head_at(seq).hex(), "signature": machine.receipt(seq).hex()}


def test_collection_by_its_holder_is_found(machine: JournalingLocker) -> None:
    lines = lines_of(machine)
    opened, taken = find_collection(lines, stay=STAY, holder=HOLDER.public)
    assert is_opening(opened)
    assert opened.entry.kind == Kind.ACCEPTED
    assert taken.entry.kind == Kind.COLLECTED
    assert opened.entry.seq < taken.entry.seq


def test_collection_that_another_key_proved_is_refused(machine: JournalingLocker) -> None:
    with pytest.raises(Unverified, match="the holder's key did not sign"):
        find_collection(lines_of(machine), stay=STAY, holder=STRANGER.public)


def test_collection_of_another_stay_is_refused(machine: JournalingLocker) -> None:
    with pytest.raises(Unverified, match="another stay"):
        find_collection(lines_of(machine), stay=stay_of(2), holder=HOLDER.public)


def test_two_collections_or_none_are_refused(machine: JournalingLocker) -> None:
    with pytest.raises(Unverified, match="0 collections"):
        find_collection(lines_of(machine)[:3], stay=STAY, holder=HOLDER.public)
    collect(machine)
    with pytest.raises(Unverified, match="2 collections"):
        find_collection(lines_of(machine), stay=STAY, holder=HOLDER.public)


def test_collection_without_its_acceptance_is_refused(machine: JournalingLocker) -> None:
    with pytest.raises(Unverified, match="lacks the acceptance"):
        find_collection(lines_of(machine)[-1:], stay=STAY, holder=HOLDER.public)


def test_acceptance_for_another_door_is_refused() -> None:
    machine = JournalingLocker()
    collect(machine, comp=3)
    with pytest.raises(Unverified, match="another compartment"):
        find_collection(lines_of(machine), stay=STAY, holder=HOLDER.public)


def test_acceptance_of_a_pin_proves_nobody() -> None:
    machine = JournalingLocker()
    machine.accept(Operation.OPEN, 1, None)
    assert not is_proved_by(HOLDER.public, lines_of(machine)[0])


def test_journal_with_a_hole_or_of_another_locker_is_refused(machine: JournalingLocker) -> None:
    for raws in (machine.entries[1:], machine.entries[:2] + machine.entries[3:]):
        with pytest.raises(Unverified, match="the journal does not hold"):
            read_journal(raws, facts_of(machine))
    with pytest.raises(Unverified, match="the journal does not hold"):
        read_journal(machine.entries, facts_of(JournalingLocker("another")))


def test_extract_must_stand_in_the_journal_byte_for_byte(machine: JournalingLocker) -> None:
    lines = lines_of(machine)
    assert read_extract(machine.entries[2:4], lines) == lines[2:4]
    forged = replace(parse_entry(machine.entries[2]), t=0).encode()
    with pytest.raises(Unverified, match="1 entries of the proof"):
        read_extract([machine.entries[1], forged], lines)


def test_receipt_is_the_lockers_word_on_one_line(machine: JournalingLocker) -> None:
    first, second = lines_of(machine)[:2]
    receipt = receipt_of(machine, first)
    assert is_receipt_for(first, receipt, facts_of(machine))
    assert not is_receipt_for(second, receipt, facts_of(machine))
    assert not is_receipt_for(first, receipt, facts_of(JournalingLocker("another")))
    forged = {**receipt, "signature": bytes(64).hex()}
    assert not is_receipt_for(first, forged, facts_of(machine))


def test_proof_must_name_the_commissioned_key(machine: JournalingLocker) -> None:
    proof = {"signPublic": base64.b64encode(machine.key.public).decode()}
    assert is_key_of(proof, facts_of(machine))
    assert not is_key_of(proof, facts_of(JournalingLocker("another")))


def test_entries_of_the_api_are_base64(machine: JournalingLocker) -> None:
    raw = machine.entries[0]
    assert read_entries([{"bytes": base64.b64encode(raw).decode()}]) == [raw]
