"""The best fit among a locker's compartments."""

from __future__ import annotations

import uuid
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from schema.codes import ProblemCode
from schema.compartments import ACCESSIBLE_REACH, ClimateZone, SizeMm
from server.kit.errors import Refusal
from server.lockers.choice import Candidate, Need, ReservationPurpose, choose
from server.lockers.rules import DisplayStatus

STOP, LOADED = ReservationPurpose.STOP, ReservationPurpose.LOADED
SMALL, LARGE = SizeMm(380, 80, 640), SizeMm(380, 410, 640)


def door(number: int, inner: SizeMm = SMALL, **changes: object) -> Candidate:
    plain = Candidate(
        id=uuid.UUID(int=number),
        number=number,
        inner=inner,
        sill_height_mm=900,
        zone=ClimateZone.AMBIENT,
        status=DisplayStatus.AVAILABLE,
    )
    return replace(plain, **changes)  # type: ignore[arg-type] # fields of Candidate


def chosen(doors: list[Candidate], need: Need, purpose: ReservationPurpose = STOP) -> object:
    choice = choose(doors, need, purpose)
    return choice.code if isinstance(choice, Refusal) else choice.number


def test_smallest_that_fits_is_taken_and_among_equals_the_lowest_number() -> None:
    doors = [door(1, LARGE), door(3), door(2)]
    assert chosen(doors, Need(size=SizeMm(300, 70, 600))) == 2
    assert chosen(doors, Need(size=SizeMm(300, 100, 600))) == 1


def test_a_box_is_turned_unless_it_must_stand() -> None:
    bottle = SizeMm(80, 380, 80)
    assert chosen([door(1)], Need(size=bottle)) == 1
    assert chosen([door(1)], Need(size=bottle, is_upright=True)) is ProblemCode.NO_COMPARTMENT
    assert chosen([door(1), door(2, LARGE)], Need(size=bottle, is_upright=True)) == 2


def test_only_available_compartments_count() -> None:
    doors = [door(1, status=DisplayStatus.RESERVED), door(2, status=DisplayStatus.DOOR_OPEN)]
    assert chosen(doors, Need(size=SMALL)) is ProblemCode.NO_COMPARTMENT


def test_reach_is_a_hard_limit() -> None:
    need = Need(size=SMALL, reach=ACCESSIBLE_REACH)
    assert chosen([door(1, sill_height_mm=1500)], need) is ProblemCode.NO_COMPARTMENT
    assert chosen([door(1, sill_height_mm=1500), door(2, LARGE)], need) == 2


def test_cooled_goods_never_go_into_an_ambient_compartment() -> None:
    need = Need(size=SMALL, zone=ClimateZone.CHILLED)
    chilled = door(2, zone=ClimateZone.CHILLED)
    assert chosen([door(1)], need) is ProblemCode.NO_CLIMATE
    assert chosen([door(1), chilled], need) == 2
    preparing = replace(chilled, status=DisplayStatus.PREPARING)
    assert chosen([door(1), preparing], need) is ProblemCode.NO_CLIMATE
    assert chosen([chilled], Need(size=SMALL)) is ProblemCode.NO_CLIMATE


def test_early_holds_leave_a_share_of_each_size_for_others() -> None:
    need = Need(size=SMALL)
    taken = [door(number, status=DisplayStatus.OCCUPIED) for number in range(3, 9)]
    assert chosen([door(1), door(2), *taken], need, LOADED) == 1
    assert chosen([door(1), *taken], need, LOADED) is ProblemCode.NO_COMPARTMENT
    assert chosen([door(1), *taken], need, STOP) == 1


def test_a_hub_that_stays_calm_leaves_one_of_each_size_and_no_share() -> None:
    taken = [door(number, status=DisplayStatus.OCCUPIED) for number in range(3, 20)]
    few, need = [door(1), door(2), *taken], Need(size=SMALL)
    assert isinstance(choose(few, need, LOADED), Refusal)
    calm = choose(few, need, LOADED, is_calm=True)
    assert not isinstance(calm, Refusal)
    assert calm.number == 1
    assert isinstance(choose(few[1:], need, LOADED, is_calm=True), Refusal)


sizes = st.builds(SizeMm, *[st.integers(50, 900)] * 3)


@given(inners=st.lists(sizes, max_size=8), size=sizes)
def test_no_smaller_compartment_would_have_fitted(inners: list[SizeMm], size: SizeMm) -> None:
    doors = [door(number, inner) for number, inner in enumerate(inners, 1)]
    choice = choose(doors, Need(size=size), STOP)
    fitting = [one.inner.volume for one in doors if size.fits(one.inner)]
    if isinstance(choice, Refusal):
        assert not fitting
    else:
        assert choice.inner.volume == min(fitting)
