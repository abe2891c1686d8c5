"""Display of a compartment, changes of allocation, states of a locker."""

from __future__ import annotations

from itertools import product

import pytest

from schema.compartments import DoorState
from schema.ids import LockerId
from schema.keys import enrolment_message
from server.lockers.rules import (
    Allocation,
    Change,
    ClimateState,
    DisplayStatus,
    LockerChange,
    LockerSituation,
    LockerState,
    ServiceState,
    display_status,
    find_allocation,
    find_locker_state,
    is_taking_deposits,
)

EVERYTHING = list(product(Allocation, DoorState, ServiceState, ClimateState))
FINE = (Allocation.FREE, DoorState.CLOSED, ServiceState.IN_SERVICE, ClimateState.NA)


def test_every_combination_has_a_status() -> None:
    assert {display_status(*fields) for fields in EVERYTHING} == set(DisplayStatus)


def test_available_means_free_closed_in_service_and_at_temperature() -> None:
    available = [
        fields for fields in EVERYTHING if display_status(*fields) is DisplayStatus.AVAILABLE
    ]
    assert available == [FINE, (*FINE[:3], ClimateState.READY)]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (
            (
                Allocation.OCCUPIED,
                DoorState.OPEN,
                ServiceState.OUT_OF_SERVICE,
                ClimateState.FAULT,
            ),
            DisplayStatus.OUT_OF_SERVICE,
        ),
        (
            (Allocation.OCCUPIED, DoorState.OPEN, ServiceState.QUARANTINED, ClimateState.NA),
            DisplayStatus.QUARANTINED,
        ),
        (
            (Allocation.UNKNOWN, DoorState.OPEN, ServiceState.SANITISING, ClimateState.NA),
            DisplayStatus.DOOR_OPEN,
        ),
        (
            (Allocation.FREE, DoorState.UNKNOWN, ServiceState.SANITISING, ClimateState.NA),
            DisplayStatus.UNKNOWN,
        ),
        (
            (
                Allocation.OCCUPIED,
                DoorState.CLOSED,
                ServiceState.SANITISING,
                ClimateState.EXCURSION,
            ),
            DisplayStatus.SANITISING,
        ),
        (
            (
                Allocation.OCCUPIED,
                DoorState.CLOSED,
                ServiceState.IN_SERVICE,
                ClimateState.EXCURSION,
            ),
            DisplayStatus.CLIMATE_FAULT,
        ),
        (
            (
                Allocation.RESERVED,
                DoorState.CLOSED,
                ServiceState.CLEANING_DUE,
                ClimateState.PREPARING,
            ),
            DisplayStatus.RESERVED,
        ),
        (
            (
                Allocation.FREE,
                DoorState.CLOSED,
                ServiceState.CLEANING_DUE,
                ClimateState.PREPARING,
            ),
            DisplayStatus.CLEANING_DUE,
        ),
    ],
)
def test_the_first_status_of_the_list_wins(
    fields: tuple[Allocation, DoorState, ServiceState, ClimateState], status: DisplayStatus
) -> None:
    assert display_status(*fields) is status


def test_allocation_changes_only_along_the_table() -> None:
    allowed = {
        (source, change): find_allocation(source, change)
        for source, change in product(Allocation, Change)
        if find_allocation(source, change) is not None
    }
    doubts = {(source, Change.DOUBT): Allocation.UNKNOWN for source in Allocation}
    assert allowed == doubts | {
        (Allocation.FREE, Change.RESERVE): Allocation.RESERVED,
        (Allocation.RESERVED, Change.RELEASE): Allocation.FREE,
        (Allocation.RESERVED, Change.STORE): Allocation.OCCUPIED,
        (Allocation.FREE, Change.STORE): Allocation.OCCUPIED,
        (Allocation.OCCUPIED, Change.STORE): Allocation.OCCUPIED,
        (Allocation.OCCUPIED, Change.EMPTY): Allocation.FREE,
        (Allocation.UNKNOWN, Change.INSPECT_EMPTY): Allocation.FREE,
        (Allocation.UNKNOWN, Change.INSPECT_OCCUPIED): Allocation.OCCUPIED,
    }


def test_locker_goes_to_work_only_with_proven_doors_and_a_set_clock() -> None:
    def activate(*, doors: bool, clock: bool) -> LockerState | None:
        situation = LockerSituation(are_doors_proven=doors, is_clock_synced=clock)
        return find_locker_state(LockerState.PROVISIONING, LockerChange.ACTIVATE, situation)

    assert activate(doors=True, clock=True) is LockerState.ONLINE
    assert activate(doors=False, clock=True) is None
    assert activate(doors=True, clock=False) is None


def test_silence_and_facts_move_a_locker_and_nothing_else_does() -> None:
    def after(state: LockerState, change: LockerChange) -> LockerState | None:
        return find_locker_state(state, change, LockerSituation())

    assert after(LockerState.ONLINE, LockerChange.MISS) is LockerState.OFFLINE_OK
    assert after(LockerState.ONLINE, LockerChange.LOSE_TOUCH) is None
    assert after(LockerState.OFFLINE_OK, LockerChange.LOSE_TOUCH) is LockerState.STALE
    assert after(LockerState.STALE, LockerChange.HEAR) is LockerState.ONLINE
    assert after(LockerState.DEGRADED, LockerChange.HEAR) is None
    assert after(LockerState.RETIRED, LockerChange.HEAR) is None
    assert after(LockerState.DEGRADED, LockerChange.RECOVER) is LockerState.ONLINE
    assert find_locker_state(None, LockerChange.ENROL, LockerSituation()) is (
        LockerState.PROVISIONING
    )


def test_lock_down_needs_two_and_leads_back_to_where_it_came_from() -> None:
    both = LockerSituation(has_second_person=True, previous=LockerState.STALE)
    down = find_locker_state(LockerState.STALE, LockerChange.LOCK_DOWN, both)
    assert down is LockerState.LOCKED_DOWN
    assert find_locker_state(down, LockerChange.RELEASE, both) is LockerState.STALE
    alone = LockerSituation(previous=LockerState.STALE)
    assert find_locker_state(LockerState.STALE, LockerChange.LOCK_DOWN, alone) is None
    assert find_locker_state(LockerState.ONLINE, LockerChange.RELEASE, both) is None


def test_locker_retires_only_empty_and_never_before_it_worked() -> None:
    empty = LockerSituation(is_empty=True)
    assert find_locker_state(LockerState.STALE, LockerChange.RETIRE, empty) is LockerState.RETIRED
    assert find_locker_state(LockerState.STALE, LockerChange.RETIRE, LockerSituation()) is None
    assert find_locker_state(LockerState.PROVISIONING, LockerChange.RETIRE, empty) is None


def test_stale_and_stopped_lockers_take_no_deposits() -> None:
    taking = {state for state in LockerState if is_taking_deposits(state)}
    assert taking == {LockerState.ONLINE, LockerState.OFFLINE_OK, LockerState.DEGRADED}


def test_enrolment_message_binds_code_id_and_both_keys() -> None:
    message = enrolment_message("CODE", LockerId(b"l" * 8), b"n" * 32, b"s" * 32)
    assert len(message) == 10 + 8 + 32 + 32 + 32
    assert message.startswith(b"SLK1-enrolllllllll")
    assert message.endswith(b"n" * 32 + b"s" * 32)
    assert message != enrolment_message("CODF", LockerId(b"l" * 8), b"n" * 32, b"s" * 32)
