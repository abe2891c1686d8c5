"""Every given case of a request, from its bytes to the code it is answered with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ble_agent.clock import ClockState, Quality
from ble_agent.hardware.simulated import Faults, Sensing, SimulatedHardware
from ble_agent.session.locker import Surroundings, open_store, start_locker
from schema.codec import Malformed
from schema.codes import Code
from schema.cose import SigningKey
from schema.gatt import MAX_MESSAGE, AttError
from schema.handshake import LockerVisit, parse_hello, parse_request
from schema.ids import KeyId, LockerId, StayId
from schema.statements import (
    Configuration,
    Revocations,
    StatementType,
    parse_statement,
    sign_statement,
    time_nonce,
)
from tests.fakes.scheduler import ManualScheduler

if TYPE_CHECKING:
    from ble_agent.session.locker import Locker

VECTORS = json.loads((Path(__file__).parents[2] / "schema/vectors/slk1.json").read_text())
KEYS = {name: bytes.fromhex(value) for name, value in VECTORS["keys"].items()}
KIDS = {name: KeyId(bytes.fromhex(value)) for name, value in VECTORS["kids"].items()}
LID = LockerId(KEYS["lid"])


class Drawn:
    """Randomness that yields the given ephemeral key, and the given presence code."""

    def __init__(self, code: int) -> None:
        self._code = code

    def take(self, size: int) -> bytes:
        """What the case asks for, by the size that tells what it is for."""
        return {1: bytes([self._code]), 32: KEYS["locker_ephemeral"]}.get(size, bytes(size))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=lambda case: case["name"])
async def test_request_is_answered_with_the_given_code(
    case: dict[str, Any], tmp_path: Path
) -> None:
    locker = make_locker(case, tmp_path)
    hello = bytes.fromhex(case["hello"])
    visit = LockerVisit(
        parse_hello(hello[32:]),
        static=KEYS["locker_x25519_private"],
        ephemeral=KEYS["locker_ephemeral"],
    )
    assert visit.hello == hello
    message, expected = bytes.fromhex(case["message"]), case["expect"]
    assert (len(message) > MAX_MESSAGE) == (expected.get("att") == AttError.TOO_LARGE)
    if "att" in expected:
        with pytest.raises(Malformed):
            visit.open_request(message)
        return
    assert answer(locker, visit, message) == (expected["code"], expected.get("comp"))
    await locker.doors.stop()


def answer(locker: Locker, visit: LockerVisit, message: bytes) -> tuple[int, int | None]:
    """What the locker decides on a message, without moving a bolt."""
    try:
        request = parse_request(visit.open_request(message))
    except Malformed:
        return Code.BAD_FORMAT, None
    decision = locker.decide(request, visit.handshake_hash, time_nonce(visit.hello))
    return decision.code, decision.comp


def make_locker(case: dict[str, Any], folder: Path) -> Locker:
    """The state that the vectors describe, made by the ways through which it really comes."""
    store = open_store(folder / "state")
    identity = {
        "lid": LID,
        "noise": KEYS["locker_x25519_private"],
        "signing": KEYS["locker_ed25519_seed"],
        "pin": bytes(32),
        "root0": KIDS["root1"] + KEYS["root1_public"],
        "root1": KIDS["root2"] + KEYS["root2_public"],
    }
    with store.transaction("given") as connection:
        connection.executemany("INSERT INTO identity VALUES (?, ?)", identity.items())
        connection.executemany(
            "INSERT INTO compartments (number) VALUES (?)", [(n,) for n in (1, 2, 3, 4)]
        )
    scheduler = ManualScheduler()
    hardware = SimulatedHardware(4, scheduler=scheduler, occupied={3})
    hardware.set_faults(4, Faults(occupancy_sensor=Sensing.SILENT))
    locker = start_locker(
        store,
        Surroundings(
            hardware=hardware,
            scheduler=scheduler,
            take_random=Drawn(case["presence_code"] or 0).take,
            machine_start="given",
            measure_uptime_s=scheduler.time,
            show_presence=lambda code: None,
            on_failure=lambda error: None,
            show_prompt=lambda comp, prompt: None,
        ),
    )
    apply_state(locker, presence=case["presence_code"] is not None)
    quality = Quality(case["clockq"])
    locker.journal.clock.adopt(ClockState(floor=0, at=case["now"], since_s=0.0, quality=quality))
    return locker


def apply_state(locker: Locker, *, presence: bool) -> None:
    """Key set, revocations, configuration and stays of `state`."""
    state, issuer = VECTORS["state"], SigningKey(KEYS["issuer_seed"])
    revoked = tuple((bytes.fromhex(each), 1_760_003_600) for each in state["revoked"])
    rev = Revocations(LID, state["rev"], state["min_iat"], state["min_iat"], revoked)
    signed = [
        (StatementType.KEY_SET, bytes.fromhex(state["key_set_statement"])),
        (StatementType.REVOCATIONS, sign_statement(issuer, KIDS["iss"], rev)),
    ]
    if presence:
        cfg = Configuration(LID, 1, state["min_iat"], {1: True})
        signed.append((StatementType.CONFIGURATION, sign_statement(issuer, KIDS["iss"], cfg)))
    statements = tuple(parse_statement(kind, raw) for kind, raw in signed)
    assert locker.statements.apply(statements, nonce=None) is None
    with locker.journal.record("given") as record:
        locker.redemptions.end_stay(
            record, 2, StayId(bytes.fromhex(state["compartments"]["2"]["last_collected"]))
        )
        locker.redemptions.store_stay(
            record, 3, StayId(bytes.fromhex(state["compartments"]["3"]["stay"]))
        )
