"""Scope, stay, uses and compartment: every operation against every state of a compartment."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ble_agent.policy.admission import is_within
from ble_agent.policy.verdicts import Permit, Refusal
from ble_agent.policy.world import MAX_PULSES, TAKE_BACK_S, Compartment, Phase, World
from schema.codes import Code
from schema.ids import StayId
from schema.keys import Operation, Role
from tests.ble_agent.asking import (
    CLAIMS,
    STAY,
    Asking,
    bearer,
    code_of,
    make_compartments,
    make_opening,
    make_world,
    token,
)
from tests.ble_agent.standing import NOW, OPERATOR, SERVICE

NEW = StayId(b"stay0009")
DEPOSIT = token(role=Role.COURIER, actions=2, stay=NEW)
FRESH = token(role=Role.COURIER, actions=2)


def answer(raw: bytes, op: Operation, comp: int | None = None, **world: Any) -> object:
    """The compartment that opens, or the code of the refusal."""
    verdict = Asking((raw,), op=op, comp=comp, world=make_world(**world)).judge()
    return verdict.comp if isinstance(verdict, Permit) else code_of(verdict)


def with_opening(raw: bytes, comp: int, op: Operation, **opening: Any) -> dict[int, Compartment]:
    compartments = make_compartments()
    made = make_opening(raw, comp, op, **opening)
    return compartments | {comp: replace(compartments[comp], opening=made)}


class TestOpen:
    """OPEN with a stay: that stay's compartment."""

    @pytest.mark.parametrize(
        ("comps", "comp", "expected"),
        [
            ((), None, 3),
            ((), 3, 3),
            ((1, 3), None, 3),
            ((3,), 3, 3),
            ((), 2, Code.OUT_OF_SCOPE),
            ((1, 2), None, Code.OUT_OF_SCOPE),
            ((1, 2), 3, Code.OUT_OF_SCOPE),
        ],
    )
    def test_compartment_agrees_with_token_and_request_where_they_name_one(
        self, comps: tuple[int, ...], comp: int | None, expected: object
    ) -> None:
        assert answer(token(comps=comps), Operation.OPEN, comp) == expected

    def test_an_unknown_stay_and_an_ended_one_differ(self) -> None:
        raw = token(stay=NEW)
        assert answer(raw, Operation.OPEN) == Code.OUT_OF_SCOPE
        ended = make_compartments(c2=Compartment(2, last_ended=NEW))
        assert answer(raw, Operation.OPEN, compartments=ended) == Code.USED


class TestWithoutStay:
    """OPEN without a stay, INSPECT and SERVICE: a compartment that token and request name."""

    @pytest.mark.parametrize("op", [Operation.OPEN, Operation.INSPECT, Operation.SERVICE])
    @pytest.mark.parametrize(
        ("comps", "comp", "expected"),
        [
            ((1, 2), 2, 2),
            ((1, 2), None, Code.OUT_OF_SCOPE),
            ((1, 2), 4, Code.OUT_OF_SCOPE),
            ((), 2, Code.OUT_OF_SCOPE),
            ((9,), 9, Code.OUT_OF_SCOPE),
        ],
    )
    def test_both_name_it(
        self, op: Operation, comps: tuple[int, ...], comp: int | None, expected: object
    ) -> None:
        assert answer(self.raw(op, comps=comps), op, comp) == expected

    @pytest.mark.parametrize("op", [Operation.OPEN, Operation.INSPECT, Operation.SERVICE])
    def test_only_service_reaches_a_stored_stay(self, op: Operation) -> None:
        expected = 3 if op is Operation.SERVICE else Code.OUT_OF_SCOPE
        assert answer(self.raw(op, comps=(3,)), op, 3) == expected

    def test_each_compartment_opens_once(self) -> None:
        raw = self.raw(Operation.INSPECT, comps=(1, 2))
        used = frozenset({(bytes(CLAIMS.cti), 1)})
        assert answer(raw, Operation.INSPECT, 1, used=used) == Code.USED
        assert answer(raw, Operation.INSPECT, 2, used=used) == 2

    def test_pulses_are_counted_by_token_and_compartment(self) -> None:
        raw = self.raw(Operation.INSPECT, comps=(1, 2))
        pulses: dict[bytes | tuple[bytes, int], int] = {(CLAIMS.cti, 1): MAX_PULSES}
        assert answer(raw, Operation.INSPECT, 1, pulses=pulses) == Code.COMPARTMENT_FAULT
        assert answer(raw, Operation.INSPECT, 2, pulses=pulses) == 2

    @staticmethod
    def raw(op: Operation, **claims: Any) -> bytes:
        if op is Operation.SERVICE:
            return token("service", SERVICE, actions=8, stay=b"", role=Role.TECHNICIAN, **claims)
        return token(actions=int(op), stay=b"", role=Role.HUB, **claims)


class TestDeposit:
    """DEPOSIT of a new stay, of one that is here, of one that was."""

    def test_the_locker_picks_the_first_that_is_free(self) -> None:
        assert answer(DEPOSIT, Operation.DEPOSIT) == 1
        assert answer(DEPOSIT, Operation.DEPOSIT, occupied={1: True, 2: False}) == 2
        assert answer(DEPOSIT, Operation.DEPOSIT, open_doors=frozenset({1, 2})) == 4
        reach = token(actions=2, role=Role.COURIER, stay=NEW, comps=(3, 4))
        assert answer(reach, Operation.DEPOSIT) == 4

    @pytest.mark.parametrize(
        ("comp", "expected"),
        [(2, 2), (3, Code.COMPARTMENT_BUSY), (4, 4), (9, Code.COMPARTMENT_BUSY)],
    )
    def test_the_courier_picks(self, comp: int, expected: object) -> None:
        assert answer(DEPOSIT, Operation.DEPOSIT, comp) == expected

    def test_a_silent_sensor_hides_no_free_compartment(self) -> None:
        assert answer(DEPOSIT, Operation.DEPOSIT, 4, occupied={}) == 4

    def test_the_choice_stays_within_the_token(self) -> None:
        reach = token(actions=2, role=Role.COURIER, stay=NEW, comps=(1,))
        assert answer(reach, Operation.DEPOSIT, 1) == 1
        assert answer(reach, Operation.DEPOSIT, 2) == Code.OUT_OF_SCOPE
        assert answer(reach, Operation.DEPOSIT, occupied={1: True}) == Code.COMPARTMENT_BUSY

    def test_a_deposit_needs_a_stay_that_has_not_ended(self) -> None:
        raw = token(actions=2, role=Role.COURIER, stay=b"")
        assert answer(raw, Operation.DEPOSIT) == Code.OUT_OF_SCOPE
        ended = make_compartments(c1=Compartment(1, last_ended=NEW))
        assert answer(DEPOSIT, Operation.DEPOSIT, compartments=ended) == Code.USED

    def test_a_used_token_is_used(self) -> None:
        used = frozenset({(bytes(CLAIMS.cti), None)})
        assert answer(DEPOSIT, Operation.DEPOSIT, used=used) == Code.USED

    @pytest.mark.parametrize("phase", [Phase.ACCEPTED, Phase.OPENED])
    @pytest.mark.parametrize(
        "other",
        [
            token(actions=2, role=Role.COURIER, stay=NEW, cti=b"cti00002"),
            token(actions=2, role=Role.COURIER, stay=StayId(b"stay0008")),
        ],
        ids=["the same stay", "the same cti"],
    )
    def test_another_compartment_is_busy_while_one_is_pending(
        self, phase: Phase, other: bytes
    ) -> None:
        pending = with_opening(DEPOSIT, 2, Operation.DEPOSIT, phase=phase)
        for raw in (DEPOSIT, other):
            found = answer(raw, Operation.DEPOSIT, 4, compartments=pending)
            assert found == Code.COMPARTMENT_BUSY
        assert answer(other, Operation.DEPOSIT, compartments=pending) == Code.COMPARTMENT_BUSY
        assert answer(DEPOSIT, Operation.DEPOSIT, compartments=pending) == 2

    def test_a_retry_goes_to_the_same_compartment_unless_another_is_named(self) -> None:
        stuck = with_opening(DEPOSIT, 2, Operation.DEPOSIT, phase=Phase.NOT_DETECTED)
        assert answer(DEPOSIT, Operation.DEPOSIT, compartments=stuck) == 2
        assert answer(DEPOSIT, Operation.DEPOSIT, 4, compartments=stuck) == 4

    def test_where_another_ones_door_never_opened_is_no_place_to_go_back_to(self) -> None:
        other = token(actions=2, role=Role.COURIER, stay=StayId(b"stay0008"), cti=b"cti00002")
        stuck = with_opening(other, 4, Operation.DEPOSIT, phase=Phase.NOT_DETECTED)
        assert answer(DEPOSIT, Operation.DEPOSIT, compartments=stuck) == 1
        assert answer(other, Operation.DEPOSIT, compartments=stuck) == 4
        held = with_opening(DEPOSIT, 4, Operation.DEPOSIT, phase=Phase.NOT_DETECTED)
        full = {1: False, 4: True}
        assert answer(DEPOSIT, Operation.DEPOSIT, compartments=held, occupied=full) == 4
        shut = frozenset({4})
        assert answer(DEPOSIT, Operation.DEPOSIT, compartments=held, open_doors=shut) == 1

    def test_a_deposit_ends_at_a_door_that_never_opens(self) -> None:
        pulses: dict[bytes | tuple[bytes, int], int] = {NEW: MAX_PULSES - 1}
        assert answer(DEPOSIT, Operation.DEPOSIT, pulses=pulses) == 1
        pulses[NEW] = MAX_PULSES
        assert answer(DEPOSIT, Operation.DEPOSIT, pulses=pulses) == Code.COMPARTMENT_FAULT

    @pytest.mark.parametrize("phase", [Phase.ACCEPTED, Phase.NOT_DETECTED])
    def test_a_parcel_shut_in_while_the_power_was_off_is_reached_again(self, phase: Phase) -> None:
        stuck = with_opening(DEPOSIT, 2, Operation.DEPOSIT, phase=phase)
        occupied = {1: False, 2: True}
        for comp in (None, 2):
            found = answer(DEPOSIT, Operation.DEPOSIT, comp, compartments=stuck, occupied=occupied)
            assert found == 2
        other = token(actions=2, role=Role.COURIER, stay=StayId(b"stay0008"), cti=b"cti00002")
        found = answer(other, Operation.DEPOSIT, 2, compartments=stuck, occupied=occupied)
        assert found == Code.COMPARTMENT_BUSY

    @pytest.mark.parametrize(
        ("ago_s", "expected"), [(TAKE_BACK_S, 3), (TAKE_BACK_S + 0.1, Code.USED)]
    )
    def test_its_own_token_takes_back_for_two_minutes(self, ago_s: float, expected: object) -> None:
        closed = with_opening(
            FRESH,
            3,
            Operation.DEPOSIT,
            phase=Phase.CLOSED,
            first_opened_s=0.0,
            first_closed_s=1000.0 - ago_s,
        )
        used = frozenset({(bytes(CLAIMS.cti), None)})
        found = answer(FRESH, Operation.DEPOSIT, compartments=closed, used=used)
        assert found == expected

    def test_without_a_sensor_a_stored_stay_takes_nothing_more(self) -> None:
        found = answer(FRESH, Operation.DEPOSIT, occupied={})
        assert found == Code.COMPARTMENT_BUSY

    @pytest.mark.parametrize(("comp", "expected"), [(None, 3), (3, 3), (1, Code.OUT_OF_SCOPE)])
    def test_a_fresh_token_adds_to_the_stored_stay(
        self, comp: int | None, expected: object
    ) -> None:
        assert answer(FRESH, Operation.DEPOSIT, comp) == expected

    def test_adding_waits_for_others_and_for_a_door_that_opens(self) -> None:
        other = token(role=Role.COURIER, actions=2, cti=b"cti00002")
        held = with_opening(other, 3, Operation.DEPOSIT)
        assert answer(FRESH, Operation.DEPOSIT, compartments=held) == Code.COMPARTMENT_BUSY
        own = with_opening(FRESH, 3, Operation.DEPOSIT)
        assert answer(FRESH, Operation.DEPOSIT, compartments=own) == 3
        pulses: dict[bytes | tuple[bytes, int], int] = {STAY: MAX_PULSES - 1}
        assert answer(FRESH, Operation.DEPOSIT, pulses=pulses) == 3
        pulses[STAY] = MAX_PULSES
        assert answer(FRESH, Operation.DEPOSIT, pulses=pulses) == Code.COMPARTMENT_FAULT


class TestBusy:
    """Who waits for whom."""

    @pytest.mark.parametrize("phase", Phase)
    def test_a_pending_opening_keeps_everybody_else_out(self, phase: Phase) -> None:
        held = with_opening(token(), 3, Operation.OPEN, phase=phase)
        is_free = phase in {Phase.CLOSED, Phase.NOT_DETECTED}
        expected = 3 if is_free else Code.COMPARTMENT_BUSY
        assert answer(token(), Operation.OPEN, compartments=held) == 3
        second = token(cti=b"cti00002")
        assert answer(second, Operation.OPEN, compartments=held) == expected
        friend = bearer(token(), holder="friend")
        held = with_opening(token(), 3, Operation.OPEN, phase=phase, bearer=friend)
        assert answer(token(), Operation.OPEN, compartments=held) == expected

    @pytest.mark.parametrize("op", [Operation.OPEN, Operation.DEPOSIT])
    def test_an_open_door_keeps_even_its_opener_out(self, op: Operation) -> None:
        raw = token() if op is Operation.OPEN else FRESH
        held = with_opening(raw, 3, op, phase=Phase.OPENED)
        found = answer(raw, op, compartments=held, open_doors=frozenset({3}))
        assert found == Code.COMPARTMENT_BUSY

    def test_staff_waits_too(self) -> None:
        held = with_opening(token(), 3, Operation.OPEN)
        service = TestWithoutStay.raw(Operation.SERVICE, comps=(3,))
        assert answer(service, Operation.SERVICE, 3, compartments=held) == Code.COMPARTMENT_BUSY


class TestSync:
    """A sync opens nothing."""

    def test_it_names_no_compartment(self) -> None:
        raw = token(actions=16)
        assert answer(raw, Operation.SYNC) is None
        assert answer(raw, Operation.SYNC, 3) == Code.OUT_OF_SCOPE

    def test_it_asks_for_no_presence(self) -> None:
        assert answer(token(actions=16), Operation.SYNC, presence_code=5, room=0.0) is None


class TestStorageAndPresence:
    """What is asked last of all."""

    @pytest.mark.parametrize("room", [0.0, 0.0099, 0.01, 0.0999, 0.1])
    def test_room_is_kept_for_opening_and_the_last_of_it_for_sync(self, room: float) -> None:
        deposit = answer(DEPOSIT, Operation.DEPOSIT, room=room)
        inspect = answer(
            TestWithoutStay.raw(Operation.INSPECT, comps=(1,)), Operation.INSPECT, 1, room=room
        )
        opened = answer(token(), Operation.OPEN, room=room)
        assert deposit == inspect == (1 if room >= 0.1 else Code.STORAGE_FULL)
        assert opened == (3 if room >= 0.01 else Code.STORAGE_FULL)

    @pytest.mark.parametrize("code", [None, 0, 41, 42])
    def test_the_digits_on_show_are_asked_for(self, code: int | None) -> None:
        verdict = Asking(code=code, world=make_world(presence_code=42)).judge()
        assert code_of(verdict) == (Code.OK if code == 42 else Code.PRESENCE_CODE_WRONG)


class TestOpenAll:
    """Every door that these two tokens have not opened yet, whoever stands before it."""

    def ask(self, world: World, comp: int | None = None) -> Permit | Refusal:
        life: dict[str, Any] = {"actions": 64, "stay": b"", "exp": NOW + 600}
        pair = (
            token("service", SERVICE, **life),
            token("operator", OPERATOR, cti=b"cti00002", **life),
        )
        return Asking(pair, op=Operation.OPEN_ALL, comp=comp, world=world).judge()

    def test_it_takes_over_what_is_busy(self) -> None:
        held = with_opening(token(), 3, Operation.OPEN, phase=Phase.OPENED)
        verdict = self.ask(make_world(compartments=held, open_doors=frozenset({3})))
        assert isinstance(verdict, Permit)
        assert verdict.comps == (1, 2, 3, 4)

    @pytest.mark.parametrize("cti", [b"cti00001", b"cti00002"])
    def test_what_was_opened_is_left_out(self, cti: bytes) -> None:
        verdict = self.ask(make_world(used=frozenset({(cti, 1), (cti, 3)})))
        assert isinstance(verdict, Permit)
        assert verdict.comps == (2, 4)

    def test_when_all_were_opened_it_is_used(self) -> None:
        verdict = self.ask(make_world(used=frozenset((b"cti00001", n) for n in (1, 2, 3, 4))))
        assert code_of(verdict) == Code.USED

    def test_doors_that_never_open_are_left_out(self) -> None:
        spent: dict[bytes | tuple[bytes, int], int] = {
            (b"cti00001", n): MAX_PULSES for n in (1, 2, 3)
        }
        verdict = self.ask(make_world(pulses=spent))
        assert isinstance(verdict, Permit)
        assert verdict.comps == (4,)
        spent[b"cti00001", 4] = MAX_PULSES
        verdict = self.ask(make_world(pulses=spent))
        assert code_of(verdict) == Code.COMPARTMENT_FAULT

    def test_it_names_no_compartment(self) -> None:
        verdict = self.ask(make_world(), comp=1)
        assert code_of(verdict) == Code.OUT_OF_SCOPE


def test_an_instant_of_another_start_is_never_within() -> None:
    assert not is_within(None, 10, 5)
    assert is_within(0.0, 10, 10)
    assert not is_within(0.0, 10, 10.1)


def test_an_operation_that_the_token_leaves_out_is_out_of_scope() -> None:
    verdict = Asking((token(actions=4),)).judge()
    assert isinstance(verdict, Refusal)
    assert verdict.code == Code.OUT_OF_SCOPE
    assert verdict.is_proved
