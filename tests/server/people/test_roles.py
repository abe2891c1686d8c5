"""The bundles of permissions, and how far a permission reaches."""

from __future__ import annotations

import uuid

import pytest

from server.kit.auth import ANONYMOUS, Actor, Permission, Scope, deny
from server.people.roles import BUNDLES, CarrierRight, Role, grants_of
from tests.makers import make_actor

HUB, OTHER = uuid.UUID(int=7), uuid.UUID(int=8)


def test_every_permission_of_the_domain_is_in_the_table_once() -> None:
    named = [permission for permissions, _ in BUNDLES for permission in permissions]
    public = {Permission.HUB_READ_PUBLIC}
    assert len(named) == len(set(named))
    assert set(named) | public == set(Permission)


@pytest.mark.parametrize("role", Role)
def test_every_role_permits_something(role: Role) -> None:
    assert list(grants_of(role, HUB))


def test_a_clerk_acts_at_the_own_hub_only() -> None:
    clerk = make_actor(Role.HUB_CLERK, subject=HUB)
    assert clerk.can(Permission.DEVICE_CONFIRM, hub=HUB)
    assert not clerk.can(Permission.DEVICE_CONFIRM, hub=OTHER)
    assert not clerk.can(Permission.HUB_STAFF_WRITE, hub=HUB)
    assert clerk.subjects(Permission.PARCEL_TRACK, Scope.HUB) == {HUB}


def test_a_courier_acts_for_the_own_carrier_only() -> None:
    courier = make_actor(Role.COURIER, subject=HUB)
    assert courier.can(Permission.PARCEL_DEPOSIT, carrier=HUB)
    assert not courier.can(Permission.PARCEL_DEPOSIT, carrier=OTHER)
    assert not courier.can(Permission.PARCEL_ANNOUNCE, carrier=HUB)


def test_a_technician_acts_at_the_hubs_of_the_jobs_only() -> None:
    technician = make_actor(Role.TECHNICIAN, subject=HUB)
    assert technician.can(Permission.COMPARTMENT_SERVICE_OPEN, hub=HUB)
    assert not technician.can(Permission.COMPARTMENT_SERVICE_OPEN, hub=OTHER)
    assert technician.can(Permission.COMPARTMENT_RETURN_REPAIRED, hub=HUB)
    assert not technician.can(Permission.COMPARTMENT_RETURN_TO_SERVICE, hub=HUB)
    assert not technician.can(Permission.PARCEL_TRACK, hub=HUB)


def test_what_is_ones_own_is_asked_without_a_place() -> None:
    person = make_actor()
    assert person.can(Permission.PARCEL_OPEN)
    assert not person.can(Permission.PARCEL_OPEN, hub=HUB)
    assert not person.can(Permission.HUB_STAFF_WRITE)


def test_an_operator_reaches_everywhere_but_opens_nothing() -> None:
    operator = make_actor(Role.OPERATOR)
    assert operator.can(Permission.PARCEL_TRACK, carrier=OTHER)
    assert operator.can(Permission.HUB_STAFF_WRITE, hub=OTHER)
    assert not operator.can(Permission.PARCEL_OPEN, hub=OTHER)


@pytest.mark.parametrize(
    "permission",
    [Permission.LOCKER_OPEN_ALL, Permission.PARCEL_MARK_LOST, Permission.PARCEL_DISPOSE],
)
def test_what_needs_two_persons_is_not_done_by_one(permission: Permission) -> None:
    operator = make_actor(Role.OPERATOR)
    assert any(granted == permission for granted, _, _ in operator.grants)
    assert not operator.can(permission)
    assert not operator.can(permission, hub=HUB)


def test_a_key_can_hold_just_what_an_administrator_may_do() -> None:
    held = {granted.permission for granted in grants_of(Role.CARRIER_ADMIN, HUB)}
    assert {Permission(right) for right in CarrierRight} == held


def test_nobody_may_do_anything_and_is_told_to_sign_in() -> None:
    assert not any(ANONYMOUS.can(permission) for permission in Permission)
    assert ANONYMOUS.is_anonymous
    assert deny(ANONYMOUS).code == "SIGNED_OUT"
    assert deny(Actor(person_id=HUB)).code == "NOT_PERMITTED"
