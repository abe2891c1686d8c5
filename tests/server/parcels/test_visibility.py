"""Who sees which parcel, and how much of its recipient."""

from __future__ import annotations

import uuid

import pytest

from server.kit.auth import ANONYMOUS, Actor, Granted, Permission, Scope
from server.parcels.visibility import Visibility, reaches, short_name, visibility_of
from server.people.roles import Role
from tests.makers import make_actor, make_carrier_actor

ME, CARRIER, HUB, PARCEL, SENDER = (uuid.UUID(int=number) for number in range(1, 6))
DELEGATE = Actor(
    person_id=uuid.UUID(int=9),
    grants=frozenset({Granted(Permission.PARCEL_TRACK, Scope.DELEGATED, PARCEL)}),
)


@pytest.mark.parametrize(
    ("actor", "expected"),
    [
        (ANONYMOUS, Visibility()),
        (make_actor(person_id=ME), Visibility(recipient=ME, sender=ME)),
        (
            make_actor(Role.COURIER, person_id=ME, subject=CARRIER),
            Visibility(recipient=ME, sender=ME, carriers=frozenset({CARRIER})),
        ),
        (make_carrier_actor(CARRIER), Visibility(carriers=frozenset({CARRIER}))),
        (
            make_actor(Role.HUB_CLERK, person_id=ME, subject=HUB),
            Visibility(recipient=ME, sender=ME, hubs=frozenset({HUB})),
        ),
        (
            make_actor(Role.SUPPORT, person_id=ME),
            Visibility(everything=True, recipient=ME, sender=ME),
        ),
        (make_actor(Role.TECHNICIAN, person_id=ME), Visibility(recipient=ME, sender=ME)),
        (DELEGATE, Visibility(parcels=frozenset({PARCEL}))),
    ],
)
def test_permission_and_scope_become_a_row_filter(actor: Actor, expected: Visibility) -> None:
    assert visibility_of(actor) == expected
    assert expected.is_empty == (actor is ANONYMOUS)


@pytest.mark.parametrize(
    ("visibility", "reached"),
    [
        (Visibility(), False),
        (Visibility(everything=True), True),
        (Visibility(recipient=ME), True),
        (Visibility(recipient=HUB), False),
        (Visibility(sender=SENDER), True),
        (Visibility(sender=ME), False),
        (Visibility(carriers=frozenset({CARRIER})), True),
        (Visibility(hubs=frozenset({HUB})), True),
        (Visibility(hubs=frozenset({CARRIER})), False),
        (Visibility(parcels=frozenset({PARCEL})), True),
    ],
)
def test_rule_answers_as_the_filter_does(visibility: Visibility, reached: bool) -> None:
    assert reached == reaches(
        visibility,
        parcel_id=PARCEL,
        recipient_id=ME,
        sender_id=SENDER,
        carrier_id=CARRIER,
        hub_id=HUB,
    )


def test_erased_recipient_is_nobodys_own() -> None:
    assert not reaches(
        Visibility(),
        parcel_id=PARCEL,
        recipient_id=None,
        sender_id=None,
        carrier_id=CARRIER,
        hub_id=HUB,
    )


@pytest.mark.parametrize(
    ("full", "short"),
    [
        ("Anna Kowalska", "Anna K."),
        ("Anna Maria  Kowalska-Nowak", "Anna K."),
        (" Anna ", "Anna"),
        ("", ""),
    ],
)
def test_staff_see_first_name_and_initial(full: str, short: str) -> None:
    assert short_name(full) == short
