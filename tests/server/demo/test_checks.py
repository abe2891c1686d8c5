"""The demo's checks: each lets the good case pass and ends the story for any other."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from schema.codes import Code
from schema.keys import Operation
from server.demo.asking import Unverified
from server.demo.checks import (
    OPENED_AND_TAKEN,
    check_bolts,
    check_discreet,
    check_opened,
    check_refused,
    check_same_journal,
    check_unreachable,
    count_delivered,
    counters,
)
from server.demo.evidence import LockerFacts, read_journal
from tests.fakes.journals import JournalingLocker, stay_of

if TYPE_CHECKING:
    from server.demo.evidence import Line

OPENED: dict[str, Any] = {
    "code": 0,
    "name": "OK",
    "compartment": 2,
    "events": ["DOOR_OPENED", "CLOSED_EMPTY"],
    "seqBefore": 9,
    "seq": 10,
}
REFUSED: dict[str, Any] = {**OPENED, "code": 9, "compartment": None, "events": [], "seq": 9}
MESSAGE: dict[str, Any] = {
    "notification": {"title": "A parcel is ready"},
    "data": {"kind": "READY", "subject": "1", "notice": "2"},
}


def test_right_door_that_opens_and_closes_passes() -> None:
    check_opened(OPENED, 2, OPENED_AND_TAKEN)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"code": 7}, "the locker answered 7"),
        ({"compartment": 3}, "door 3 opened, not 2"),
        ({"events": ["DOOR_OPENED"]}, "the door told"),
    ],
)
def test_anything_else_at_the_door_does_not(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Unverified, match=sentence):
        check_opened({**OPENED, **change}, 2, OPENED_AND_TAKEN)


def test_refusal_counts_by_its_exact_code() -> None:
    check_refused(REFUSED, Code.HOLDER_PROOF_FAILED)
    with pytest.raises(Unverified, match="answered 9, not 7"):
        check_refused(REFUSED, Code.USED)
    with pytest.raises(Unverified, match="a door told"):
        check_refused({**REFUSED, "events": ["DOOR_OPENED"]}, Code.HOLDER_PROOF_FAILED)


def test_journal_that_grew_is_noticed() -> None:
    check_same_journal(counters(REFUSED))
    with pytest.raises(Unverified, match="grew"):
        check_same_journal(counters(OPENED))


def journal(*, collections: int) -> list[Line]:
    machine = JournalingLocker()
    machine.deposit(1, stay_of(1), bytes(8))
    for _ in range(collections):
        machine.collect(1, stay_of(1), bytes(8))
    return read_journal(machine.entries, LockerFacts(machine.lid, machine.key.public))


def test_each_pulse_of_a_bolt_is_counted() -> None:
    check_bolts(journal(collections=1))
    for wrong in (0, 2):
        with pytest.raises(Unverified, match="lines ACCEPTED, not 2"):
            check_bolts(journal(collections=wrong))


def test_pulse_without_an_acceptance_is_counted_too() -> None:
    machine = JournalingLocker()
    machine.deposit(1, stay_of(1), bytes(8))
    machine.accept(Operation.OPEN, 1, bytes(8))
    for _ in range(2):
        machine.move_door(1, before=True, after=True)
    lines = read_journal(machine.entries, LockerFacts(machine.lid, machine.key.public))
    with pytest.raises(Unverified, match="3 lines PULSED"):
        check_bolts(lines)


def test_address_that_accepts_connections_is_reachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(Unverified, match="still accepts"):
            check_unreachable(url)
    check_unreachable(url)


def test_push_message_must_not_say_from_whom_what_or_behind_which_door() -> None:
    check_discreet(MESSAGE, ["Demo Parcels"])
    chatty = {**MESSAGE, "notification": {"title": "From demo parcels"}}
    with pytest.raises(Unverified, match="tells Demo Parcels"):
        check_discreet(chatty, ["Demo Parcels"])
    with pytest.raises(Unverified, match="data"):
        check_discreet({**MESSAGE, "data": {"compartment": "2"}}, [])


def test_all_envelopes_must_have_been_taken() -> None:
    assert "2" in count_delivered({"delivered": 2, "problems": []})
    for answer in (
        {"delivered": 0, "problems": []},
        {"delivered": 1, "problems": ["ENVELOPE_INVALID"]},
    ):
        with pytest.raises(Unverified, match="envelopes were taken"):
            count_delivered(answer)
