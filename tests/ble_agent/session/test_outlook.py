"""Doors and sensors are asked when a decision depends on them, and not before."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ble_agent.hardware.port import Door
from ble_agent.hardware.simulated import Sensing, SimulatedHardware
from ble_agent.session import Session
from ble_agent.session.outlook import OpenDoors, Sensed
from schema.codes import Code
from schema.handshake import OpenRequest, PhoneVisit
from schema.ids import StayId
from schema.keys import Operation
from tests.ble_agent.standing import Standing, bytes_of, key_of

if TYPE_CHECKING:
    from pathlib import Path

STAY = StayId(b"stay0001")


def outlook(standing: Standing) -> tuple[OpenDoors, Sensed]:
    compartments = standing.locker.redemptions.stored()
    owes = standing.locker.doors.owes_opening
    return OpenDoors(standing.hardware, compartments, owes), Sensed(standing.hardware, compartments)


async def test_a_silent_sensor_is_left_out_and_a_strange_number_too(standing: Standing) -> None:
    await standing.deposit(STAY, 1)
    standing.sense(Sensing.SILENT, 2)
    doors, sensed = outlook(standing)
    assert dict(sensed) == {1: True, 3: False, 4: False}
    assert (len(sensed), 2 in sensed, 9 in sensed) == (3, False, False)
    assert 9 not in doors


async def test_a_door_counts_as_open_until_its_close_was_told(folder: Path) -> None:
    standing = await Standing(folder / "state", door_seconds=None).start()
    await standing.set_up()
    await standing.ask(Operation.DEPOSIT, 1, stay=STAY)
    await standing.pass_time()
    doors, _ = outlook(standing)
    assert 1 in doors
    standing.hardware.swing_shut(1, occupied=True)
    assert standing.hardware.door(1) is Door.CLOSED
    assert 1 in doors
    await standing.pass_time()
    doors, _ = outlook(standing)
    assert 1 not in doors
    await standing.stop()


class Untouched(SimulatedHardware):
    """A locker whose sensors nobody may ask."""

    def door(self, comp: int) -> Door:
        """Must not be called."""
        raise AssertionError(f"door {comp} was looked at")

    def occupied(self, comp: int) -> bool | None:
        """Must not be called."""
        raise AssertionError(f"compartment {comp} was looked into")


async def test_a_stranger_makes_the_locker_ask_no_sensor_and_sign_nothing_new(
    standing: Standing,
) -> None:
    untouched = Untouched(standing.compartments, scheduler=standing.scheduler)
    locker, identity = replace(standing.locker, hardware=untouched), standing.locker.identity
    token = standing.token(Operation.OPEN, stay=STAY)
    reports = []
    for ephemeral in (bytes_of("one", 32), bytes_of("two", 32)):
        sent: list[bytes] = []
        session = Session(locker, take_random=standing.randomness.take, send=sent.append)
        visit = PhoneVisit(
            session.read_hello(0),
            lid=identity.lid,
            locker_static=identity.noise_public,
            ephemeral=ephemeral,
        )
        request = OpenRequest(Operation.OPEN)
        session.take(visit.write_request((token,), request, key_of("thief")))
        reports.append(visit.read_result(sent[0]))
    assert {report.code for report in reports} == {Code.HOLDER_PROOF_FAILED}
    assert len({report.signature for report in reports}) == 1
    assert all(report.is_vouched_by(identity.signing.public, identity.lid) for report in reports)


async def test_each_line_has_a_signature_of_its_own(standing: Standing) -> None:
    reports = []
    for comp in (1, 2):
        await standing.deposit(STAY if comp == 1 else StayId(b"stay0002"), comp)
        reports.append(await standing.ask(Operation.OPEN, stay=StayId(b"nowhere.")))
    public = standing.locker.identity.signing.public
    assert reports[0].seq < reports[1].seq
    assert all(report.is_vouched_by(public, standing.lid) for report in reports)
