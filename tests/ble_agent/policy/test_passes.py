"""PINs and shown codes against bare worlds: which code, in which order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ble_agent.policy.lockout import TRIES, Lockout
from ble_agent.policy.passes import TypedPin, judge_pin, judge_shown
from ble_agent.policy.verdicts import Permit, Refusal
from ble_agent.policy.world import MAX_PULSES, Bearer, Compartment, Phase, Revoked, World
from schema.codes import Code
from schema.ids import LockerId, StayId
from schema.keys import Operation, Role
from schema.tokens.passes import PIN_WINDOW_S, parse_shown_token, pin, show_token
from tests.ble_agent.asking import (
    STAY,
    bearer,
    code_of,
    make_compartments,
    make_opening,
    make_world,
    token,
)
from tests.ble_agent.standing import DAY, NOW, key_of

SECRET = bytes(range(32))
RIGHT = pin(SECRET, STAY, NOW // PIN_WINDOW_S)
OTHER = StayId(b"stay0002")
PAST = {"exp": NOW - 121, "nbf": NOW - 600, "iat": NOW - 600}
LOCKED = Lockout(TRIES, NOW)


def type_in(
    digits: str = RIGHT, comp: int = 3, lockout: Lockout | None = None, **world: Any
) -> Permit | Refusal:
    """The verdict on these digits, by default the PIN of the parcel in compartment 3."""
    return judge_pin(TypedPin(comp, digits), SECRET, lockout or Lockout(), make_world(**world))


def show(
    raw: bytes | None = None,
    *,
    holder: str = "phone",
    shown_at: int = NOW,
    used: frozenset[int] = frozenset(),
    **world: Any,
) -> Permit | Refusal:
    """The verdict on a token shown as a code, by default the recipient's of `STAY`."""
    text = show_token(raw or token(), key_of(holder), shown_at)
    return judge_shown(parse_shown_token(text), used, make_world(**world))


class TestPin:
    """Eight digits and the number of a compartment."""

    def test_it_is_admitted_to_its_stay_without_a_token(self) -> None:
        verdict = type_in()
        assert isinstance(verdict, Permit)
        assert (verdict.op, verdict.comp, verdict.comps) == (Operation.OPEN, 3, (3,))
        assert (verdict.cti, verdict.stay, verdict.floor_iat) == (None, STAY, None)
        assert verdict.bearer == Bearer(b"", STAY)
        assert NOW + DAY < verdict.exp <= NOW + 2 * DAY

    @given(st.text(alphabet="0123456789", min_size=8, max_size=8).filter(lambda d: d != RIGHT))
    def test_any_other_digits_are_wrong(self, digits: str) -> None:
        yesterday = pin(SECRET, STAY, NOW // PIN_WINDOW_S - 1)
        expected = Code.OK if digits == yesterday else Code.HOLDER_PROOF_FAILED
        assert code_of(type_in(digits)) == expected

    @pytest.mark.parametrize(
        "digits", ["", "1234567", "123456789", "1234567a", "١٢٣٤٥٦٧٨", "²" * 8]
    )
    def test_what_is_not_eight_digits_is_no_pin(self, digits: str) -> None:
        assert code_of(type_in(digits)) == Code.BAD_FORMAT

    @pytest.mark.parametrize("comp", [1, 9, 256, -1])
    def test_an_empty_or_unknown_compartment_answers_as_for_wrong_digits(self, comp: int) -> None:
        nothing = pin(SECRET, StayId(bytes(8)), NOW // PIN_WINDOW_S)
        assert code_of(type_in(comp=comp)) == Code.HOLDER_PROOF_FAILED
        assert code_of(type_in(nothing, comp=comp)) == Code.HOLDER_PROOF_FAILED

    def test_the_pin_of_a_stay_that_ended_is_wrong(self) -> None:
        world = make_compartments(c3=Compartment(3, last_ended=STAY))
        assert code_of(type_in(compartments=world)) == Code.HOLDER_PROOF_FAILED

    @pytest.mark.parametrize(("clockq", "code"), [(0, 10), (1, 0), (2, 0)])
    def test_it_needs_a_clock(self, clockq: int, code: int) -> None:
        assert code_of(type_in(clockq=clockq)) == code

    def test_a_locked_compartment_does_not_look_at_the_digits(self) -> None:
        assert code_of(type_in(lockout=LOCKED)) == Code.RATE_LIMITED
        assert code_of(type_in("00000000", lockout=LOCKED)) == Code.RATE_LIMITED
        assert code_of(type_in(lockout=LOCKED, now=NOW + 900)) == Code.OK
        assert code_of(type_in(lockout=LOCKED, clockq=0)) == Code.CLOCK_UNTRUSTED

    def test_it_dies_with_its_stay(self) -> None:
        revoked = Revoked(seq=1, ids=frozenset({STAY}))
        assert code_of(type_in(revoked=revoked)) == Code.REVOKED
        assert code_of(type_in("00000000", revoked=revoked)) == Code.HOLDER_PROOF_FAILED

    def test_no_presence_code_is_asked(self) -> None:
        assert code_of(type_in(presence_code=7)) == Code.OK

    def test_the_compartment_must_be_free_for_it(self) -> None:
        theirs = make_opening(token(), 3)
        own = replace(theirs, bearer=Bearer(b"", STAY))
        busy = make_compartments(c3=Compartment(3, stay=STAY, opening=theirs))
        pending = make_compartments(c3=Compartment(3, stay=STAY, opening=own))
        assert code_of(type_in(compartments=busy)) == Code.COMPARTMENT_BUSY
        assert code_of(type_in(compartments=pending)) == Code.OK
        assert code_of(type_in(open_doors=frozenset({3}))) == Code.COMPARTMENT_BUSY
        assert code_of(type_in(pulses={STAY: MAX_PULSES})) == Code.COMPARTMENT_FAULT

    def test_with_no_room_nothing_tells_right_from_wrong(self) -> None:
        for digits in (RIGHT, "00000000"):
            assert code_of(type_in(digits, room=0.009)) == Code.STORAGE_FULL
            assert code_of(type_in(digits, room=0.009, clockq=0)) == Code.STORAGE_FULL
        assert code_of(type_in(room=0.01)) == Code.OK


class TestShownToken:
    """A token on a screen, with its holder's signature over the minute."""

    def test_it_is_admitted_as_the_token_would_be(self) -> None:
        raw = token()
        verdict = show(raw)
        assert isinstance(verdict, Permit)
        assert (verdict.op, verdict.comp, verdict.stay) == (Operation.OPEN, 3, STAY)
        assert verdict.bearer == bearer(raw)  # the same holder with the same token, by radio or not
        assert verdict.floor_iat is not None

    @pytest.mark.parametrize(("minutes", "code"), [(-2, 9), (-1, 0), (0, 0), (1, 0), (2, 9)])
    def test_its_minute_and_both_neighbours_count(self, minutes: int, code: int) -> None:
        assert code_of(show(now=NOW + 60 * minutes)) == code

    @pytest.mark.parametrize(
        ("claims", "how", "world", "code"),
        [
            ({}, {"holder": "thief"}, {}, 9),
            ({"signer": "stranger"}, {}, {}, 2),
            ({"lid": LockerId(bytes(8))}, {}, {}, 3),
            ({"actions": 1 | 8}, {}, {}, 8),
            ({"minrev": 1}, {}, {}, 11),
            ({}, {}, {"revoked": Revoked(ids=frozenset({STAY}))}, 6),
            ({}, {}, {"revoked": Revoked(min_iat=NOW)}, 6),
            (PAST, {}, {}, 4),
            ({"nbf": NOW + 121, "iat": NOW}, {}, {}, 5),
            ({}, {}, {"clockq": 0}, 10),
            (PAST, {}, {"clockq": 0}, 4),
            ({"role": Role.COURIER}, {}, {"clockq": 1}, 0),
            ({"actions": 2}, {}, {}, 8),
            ({"stay": OTHER}, {}, {}, 8),
            ({"stay": StayId(b""), "comps": (1,)}, {}, {}, 8),
            ({"comps": (1,)}, {}, {}, 8),
            ({}, {}, {"presence_code": 7}, 0),
            ({}, {}, {"room": 0.009}, 21),
            ({}, {}, {"open_doors": frozenset({3})}, 13),
        ],
    )
    def test_it_passes_the_checks_of_a_request(
        self, claims: dict[str, Any], how: dict[str, Any], world: dict[str, Any], code: int
    ) -> None:
        assert code_of(show(token(**claims), **how, **world)) == code

    def test_without_a_clock_the_holder_must_have_signed_all_the_same(self) -> None:
        assert code_of(show(holder="thief", clockq=0)) == Code.HOLDER_PROOF_FAILED
        assert code_of(show(shown_at=NOW - DAY, clockq=0)) == Code.CLOCK_UNTRUSTED

    def test_a_minute_that_let_somebody_in_is_used(self) -> None:
        assert code_of(show(used=frozenset({NOW // 60}))) == Code.USED
        assert code_of(show(used=frozenset({NOW // 60 - 1}))) == Code.OK

    def test_its_pending_opening_is_not_busy_for_it(self) -> None:
        raw = token()
        opening = make_opening(raw, 3, phase=Phase.ACCEPTED)
        compartments = make_compartments(c3=Compartment(3, stay=STAY, opening=opening))
        assert code_of(show(raw, compartments=compartments)) == Code.OK
        assert code_of(show(compartments=compartments, raw=token(depth=1))) == 13


def test_worlds_are_left_as_they_are() -> None:
    world: World = make_world(presence_code=7)
    judge_pin(TypedPin(3, RIGHT), SECRET, Lockout(), world)
    assert world.presence_code == 7
