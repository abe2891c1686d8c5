"""Keypad and scanner on a whole locker: what is durable, what is told, what is written."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ble_agent.codes import Codes
from ble_agent.hardware.simulated import Faults
from ble_agent.policy.lockout import FIRST_S, TRIES
from ble_agent.policy.world import MAX_PULSES
from schema.codes import Code, DoorEvent
from schema.ids import StayId
from schema.journal import Kind, parse_accepted
from schema.keys import Operation
from schema.tokens import parse_token
from schema.tokens.passes import PIN_WINDOW_S, pin, show_token
from tests.ble_agent.standing import NOW, Standing, key_of

if TYPE_CHECKING:
    from ble_agent.journal import Line
    from ble_agent.session.locker import Decision

STAY, OTHER = StayId(b"stay0001"), StayId(b"stay0002")


@dataclass
class Panel:
    """Somebody at the keypad or before the scanner, and what they are told of doors."""

    standing: Standing
    heard: list[tuple[DoorEvent, int]] = field(default_factory=list)

    def tell(self, event: DoorEvent, comp: int, line: Line) -> None:
        """Hear what became of a door."""
        assert line == self.standing.locker.journal.tail()
        self.heard.append((event, comp))

    @property
    def codes(self) -> Codes:
        """The ways in of the locker as it runs now."""
        return Codes(self.standing.locker, self.tell)

    def pin(self, stay: StayId = STAY) -> str:
        """What the server would print for this stay today."""
        locker = self.standing.locker
        return pin(locker.identity.pin_secret, stay, locker.journal.clock.now() // PIN_WINDOW_S)

    def type_in(self, comp: int, digits: str | None = None) -> Decision:
        """Enter digits, by default the right ones for `STAY`."""
        return self.codes.enter_pin(comp, self.pin() if digits is None else digits)

    def be_wrong(self, comp: int, times: int = 1) -> list[int]:
        """The answers to wrong digits."""
        wrong = f"{(int(self.pin()) + 1) % 10**8:08d}"
        return [self.type_in(comp, wrong).code for _ in range(times)]

    def show(self, raw: bytes, at: int | None = None) -> Decision:
        """Hold a token before the scanner."""
        now = self.standing.locker.journal.clock.now() if at is None else at
        return self.codes.show_qr(show_token(raw, key_of("phone"), now))


@pytest.fixture
async def panel(by_hand: Standing) -> Panel:
    """A keypad and a scanner; a parcel lies in compartment 1."""
    await by_hand.deposit_by_hand(STAY, 1)
    return Panel(by_hand)


async def test_a_pin_opens_and_collects(panel: Panel) -> None:
    before = len(panel.standing.journal())
    decision = panel.type_in(1)
    assert (decision.code, decision.comp, decision.line.seq) == (Code.OK, 1, before + 1)
    assert panel.heard == []  # the bolt moves after the answer
    await panel.standing.pass_time()
    await panel.standing.shut(1, occupied=False)
    assert panel.heard == [(DoorEvent.DOOR_OPENED, 1), (DoorEvent.CLOSED_EMPTY, 1)]
    lines = panel.standing.journal()[before:]
    assert lines[0] == (Kind.ACCEPTED, [[1, 1, None], 1, None, None, None, None, []])
    assert lines[-1] == (Kind.COLLECTED, [1, STAY, 1])
    assert panel.type_in(1).code == Code.HOLDER_PROOF_FAILED


async def test_a_code_opens_and_leaves_the_tokens_name(panel: Panel) -> None:
    raw = panel.standing.token(Operation.OPEN, stay=STAY)
    before = len(panel.standing.journal())
    assert panel.show(raw).comp == 1
    await panel.standing.shut(1, occupied=False)
    (_, body), *_ = panel.standing.journal()[before:]
    accepted = parse_accepted(body)
    assert (accepted.op, accepted.asked_comp, accepted.comp) == (1, None, 1)
    assert accepted.cti == parse_token(raw).claims.cti
    assert accepted.chain_hash == hashlib.sha256(raw).digest()
    assert (accepted.h, accepted.pop, accepted.code, accepted.rest) == (None, None, None, ())
    assert panel.standing.journal()[-1] == (Kind.COLLECTED, [1, STAY, 1])
    assert panel.show(raw, NOW + 60).code == Code.USED  # the stay has ended


async def test_yesterdays_pin_opens_and_the_day_befores_does_not(panel: Panel) -> None:
    old = panel.pin()
    await panel.standing.set_time(NOW + 2 * PIN_WINDOW_S)
    assert panel.type_in(1, old).code == Code.HOLDER_PROOF_FAILED
    await panel.standing.set_time(NOW + PIN_WINDOW_S)
    assert panel.type_in(1, old).code == Code.OK


async def test_five_wrong_tries_lock_this_compartment_and_nothing_else(panel: Panel) -> None:
    await panel.standing.deposit_by_hand(OTHER, 2)
    assert panel.be_wrong(1, TRIES + 1) == [Code.HOLDER_PROOF_FAILED] * TRIES + [Code.RATE_LIMITED]
    assert panel.type_in(1).code == Code.RATE_LIMITED
    assert (panel.codes.wait_s(1), panel.codes.wait_s(2)) == (FIRST_S, 0)
    assert panel.type_in(2, panel.pin(OTHER)).code == Code.OK
    await panel.standing.shut(2)
    raw = panel.standing.token(Operation.OPEN, stay=STAY)
    assert panel.show(raw).code == Code.OK  # no token is touched
    await panel.standing.shut(1)
    assert (await panel.standing.ask(Operation.OPEN, token=raw)).code == Code.OK
    await panel.standing.shut(1)
    assert panel.type_in(1).code == Code.RATE_LIMITED
    await panel.standing.pass_time(FIRST_S)
    assert panel.type_in(1).code == Code.OK


async def test_the_next_lock_is_twice_as_long_and_a_success_ends_the_series(panel: Panel) -> None:
    for wait_s in (FIRST_S, 2 * FIRST_S, 4 * FIRST_S):
        assert panel.be_wrong(1, TRIES) == [Code.HOLDER_PROOF_FAILED] * TRIES
        assert panel.codes.wait_s(1) == wait_s
        await panel.standing.pass_time(wait_s - 1)
        assert panel.type_in(1).code == Code.RATE_LIMITED
        await panel.standing.pass_time(1)
    assert panel.type_in(1).code == Code.OK
    await panel.standing.shut(1)
    panel.be_wrong(1, TRIES)
    assert panel.codes.wait_s(1) == FIRST_S


async def test_a_new_stay_has_all_its_tries(panel: Panel) -> None:
    standing = panel.standing
    panel.be_wrong(2, TRIES)  # nothing lies there, and that cannot be told from the answers
    assert panel.be_wrong(2) == [Code.RATE_LIMITED]
    await standing.deposit_by_hand(OTHER, 2)
    assert panel.type_in(2, panel.pin(OTHER)).code == Code.OK
    await standing.shut(2)


async def test_a_right_pin_that_finds_the_door_busy_is_no_wrong_try(panel: Panel) -> None:
    await panel.standing.ask(Operation.OPEN, stay=STAY)
    await panel.standing.pass_time()
    assert {panel.type_in(1).code for _ in range(2 * TRIES)} == {Code.COMPARTMENT_BUSY}
    await panel.standing.shut(1)
    assert panel.type_in(1).code == Code.OK
    await panel.standing.shut(1)


@pytest.mark.parametrize("comp", [-1, 0, 99, 1 << 70])
async def test_a_number_that_no_door_bears_leaves_no_trace(panel: Panel, comp: int) -> None:
    answers = {panel.type_in(comp).code for _ in range(2 * TRIES)}
    assert answers == {Code.HOLDER_PROOF_FAILED}
    assert panel.codes.wait_s(comp) == 0


async def test_a_lock_outlives_a_power_cut_and_runs_by_trusted_time_only(panel: Panel) -> None:
    standing = panel.standing
    panel.be_wrong(1, TRIES)
    for _ in range(3):
        await standing.restart()
        assert panel.type_in(1).code == Code.CLOCK_UNTRUSTED
        await standing.set_time(NOW + FIRST_S - 10)
        assert panel.type_in(1).code == Code.RATE_LIMITED
    await standing.set_time(NOW + FIRST_S + 10)
    assert panel.type_in(1).code == Code.OK


async def test_a_clock_set_back_makes_a_lock_no_longer(panel: Panel) -> None:
    panel.be_wrong(1, TRIES)
    await panel.standing.set_time(NOW - 20 * 3600)
    assert panel.type_in(1).code == Code.RATE_LIMITED
    await panel.standing.pass_time(FIRST_S)
    assert panel.type_in(1).code == Code.OK


async def test_each_code_opens_once_whatever_happens_in_between(panel: Panel) -> None:
    standing = panel.standing
    raw = standing.token(Operation.OPEN, stay=STAY)
    assert panel.show(raw, NOW).code == Code.OK
    await standing.shut(1)
    assert panel.show(raw, NOW).code == Code.USED
    await standing.restart(occupied={1})
    await standing.set_time(NOW)
    assert panel.show(raw, NOW).code == Code.USED
    for neighbour in (NOW - 60, NOW + 60):
        assert panel.show(raw, neighbour).code == Code.OK
        await standing.shut(1)
        assert panel.show(raw, neighbour).code == Code.USED
    assert panel.show(raw, NOW + 120).code == Code.HOLDER_PROOF_FAILED


async def test_used_minutes_are_forgotten_once_no_clock_can_take_them_again(panel: Panel) -> None:
    raw = panel.standing.token(Operation.OPEN, stay=STAY)
    cti = parse_token(raw).claims.cti
    panel.show(raw)
    await panel.standing.shut(1)
    used = panel.standing.locker.redemptions.used_steps
    await panel.standing.set_time(NOW + 180)
    assert used(cti) == {NOW // 60}
    await panel.standing.set_time(NOW + 360)
    assert used(cti) == frozenset()


async def test_a_refused_code_can_be_shown_again(panel: Panel) -> None:
    raw = panel.standing.token(Operation.OPEN, stay=STAY)
    await panel.standing.ask(Operation.OPEN, stay=STAY)
    await panel.standing.pass_time()
    assert panel.show(raw).code == Code.COMPARTMENT_BUSY
    await panel.standing.shut(1)
    assert panel.show(raw).code == Code.OK
    await panel.standing.shut(1)


async def test_a_pin_and_a_token_are_two_bearers(panel: Panel) -> None:
    raw = panel.standing.token(Operation.OPEN, stay=STAY)
    panel.standing.hardware.set_faults(1, Faults(stuck_pulses=100))
    assert panel.type_in(1).code == Code.OK
    assert panel.show(raw).code == Code.COMPARTMENT_BUSY
    assert panel.type_in(1).code == Code.OK  # the same PIN tries again


async def test_wrong_tries_leave_one_line_and_not_the_digits(panel: Panel) -> None:
    before = len(panel.standing.journal())
    panel.be_wrong(1, 40)
    panel.codes.show_qr("SLK1:nothing")
    await panel.standing.pass_time(60)
    (kind, body), *more = panel.standing.journal()[before:]
    assert kind is Kind.DENIED
    assert body[1] == {Code.BAD_FORMAT: 1, Code.HOLDER_PROOF_FAILED: 5, Code.RATE_LIMITED: 35}
    assert more == []


async def test_whatever_is_scanned_is_answered_and_changes_nothing(panel: Panel) -> None:
    rng = random.Random(45)
    good = show_token(panel.standing.token(Operation.OPEN, stay=STAY), key_of("phone"), NOW)
    before = panel.standing.journal()
    for _ in range(500):
        text = list(good[: rng.randrange(len(good))] if rng.random() < 0.3 else good)
        for _ in range(rng.randrange(1, 4)):
            text[rng.randrange(len(text) or 1) : rng.randrange(len(text) + 1)] = rng.choice(
                ["", "A", ":", "\x00", "é", "%%%", "SLK1:", good[:300]]
            )
        bent = "".join(text)
        assert bent == good or panel.codes.show_qr(bent).code in {
            Code.BAD_FORMAT,
            Code.BAD_SIGNATURE,
            Code.HOLDER_PROOF_FAILED,
        }
    assert panel.standing.journal() == before
    assert panel.codes.show_qr(good).code == Code.OK


async def test_a_door_that_never_opens_for_a_pin_is_given_up(panel: Panel) -> None:
    panel.standing.hardware.set_faults(1, Faults(stuck_pulses=100))
    answers = []
    for _ in range(MAX_PULSES):
        answers.append(panel.type_in(1).code)
        await panel.standing.pass_time(60)
    assert answers[0] == Code.OK
    assert answers[-1] == Code.COMPARTMENT_FAULT
    raw = panel.standing.token(Operation.OPEN, stay=STAY)
    assert panel.show(raw).code == Code.COMPARTMENT_FAULT
