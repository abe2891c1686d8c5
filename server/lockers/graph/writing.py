"""Mutations on lockers: enrolment by operators, going to work, key sets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.scalars import Base64
from strawberry.types import Info

from schema.codes import ProblemCode
from schema.compartments import ClimateZone, Side, SizeMm
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.lockers.graph.types import Locker, as_locker
from server.lockers.layout import Door, EnrolmentDraft
from server.lockers.service import enrolment, keysets, replacement

if TYPE_CHECKING:
    from collections.abc import Sequence


@strawberry.input(description="One compartment as built; its number is its place in the list.")
class CompartmentInput:
    """All lengths are of the room behind the door."""

    label: str = strawberry.field(description="What is printed on the door, up to 8 characters.")
    side: Side = strawberry.field(description="Part of the locker.")
    row: int = strawberry.field(description="Row, from 1 at the top.")
    column: int = strawberry.field(description="Column, from 1 at the left.")
    width_mm: int = strawberry.field(description="Width, 1 to 5000.")
    height_mm: int = strawberry.field(description="Height, 1 to 5000.")
    depth_mm: int = strawberry.field(description="Depth, 1 to 5000.")
    sill_height_mm: int = strawberry.field(description="Height of the sill above the floor.")
    climate_zone: ClimateZone = strawberry.field(
        description="The temperature it holds.", default=ClimateZone.AMBIENT
    )


@strawberry.type(description="A code with which one locker can join the hub.")
class CreateEnrolmentPayload:
    """The code is shown this once."""

    enrolment_code: str = strawberry.field(description="For `./restante locker enrol`; good once.")
    expires_at: datetime = strawberry.field(description="Until when.")


@strawberry.type(description="The locker as it is now.")
class LockerPayload:
    """What every mutation on a locker answers."""

    locker: Locker = strawberry.field(description="The locker.")


@strawberry.type(description="The key set is kept and goes to lockers with the next phone.")
class AddKeySetPayload:
    """Whether it was handed in now or before."""

    seq: str = strawberry.field(description="Its number.")


CreateEnrolmentResult = Annotated[
    CreateEnrolmentPayload | Problem,
    strawberry.union("CreateEnrolmentResult", description="Outcome of `createEnrolment`."),
]
ActivateLockerResult = Annotated[
    LockerPayload | Problem,
    strawberry.union("ActivateLockerResult", description="Outcome of `activateLocker`."),
]
AddKeySetResult = Annotated[
    AddKeySetPayload | Problem,
    strawberry.union("AddKeySetResult", description="Outcome of `addKeySet`."),
]


@strawberry.type
class Mutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="A one-time code for a locker that is to join a hub, for operators. Good for a "
        "day; repeating it gives another."
    )
    async def create_enrolment(
        self,
        info: Info[Context, None],
        hub: Annotated[strawberry.ID, strawberry.argument(description="Global id of the hub.")],
        serial: Annotated[str, strawberry.argument(description="Serial number on the machine.")],
        compartments: Annotated[
            list[CompartmentInput], strawberry.argument(description="1 to 255, in their order.")
        ],
        has_keypad: Annotated[
            bool, strawberry.argument(description="Whether it opens by what is typed at it, too.")
        ] = False,
    ) -> CreateEnrolmentResult:
        """The locker brings its own keys later."""
        context = context_of(info)
        hub_id = read_id("Hub", hub)
        if hub_id is None:
            return as_problem(not_found(context.actor, "hub"))
        doors = _doors(compartments)
        if isinstance(doors, Refusal):
            return as_problem(doors)
        async with context.database.write() as session:
            outcome = await enrolment.create_enrolment(
                session,
                context.actor,
                draft=EnrolmentDraft(hub_id, serial, doors, has_keypad),
                randomness=context.randomness,
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CreateEnrolmentPayload(
            enrolment_code=outcome.code, expires_at=outcome.enrolment.expires_at
        )

    @strawberry.mutation(
        description="A one-time code with which a new controller takes over a locker that stands "
        "and holds parcels, for operators: `./restante locker enrol --replace`. Once it is used "
        "nothing more is taken from the old controller; have its journal fetched before."
    )
    async def replace_controller(
        self,
        info: Info[Context, None],
        locker: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
    ) -> CreateEnrolmentResult:
        """The new controller brings its own keys."""
        context = context_of(info)
        locker_id = read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await replacement.create_replacement(
                session,
                context.actor,
                locker_id=locker_id,
                randomness=context.randomness,
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return CreateEnrolmentPayload(
            enrolment_code=outcome.code, expires_at=outcome.enrolment.expires_at
        )

    @strawberry.mutation(
        description="Puts an enrolled locker to work, for operators, once every door was tested "
        "and its clock is set. Repeating changes nothing."
    )
    async def activate_locker(
        self,
        info: Info[Context, None],
        locker: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the locker.")
        ],
        tested_compartments: Annotated[
            list[int], strawberry.argument(description="Numbers of all that opened and closed.")
        ],
        clock_is_set: Annotated[
            bool, strawberry.argument(description="Whether the locker says that its time is set.")
        ],
    ) -> ActivateLockerResult:
        """On the word of whoever stands before it."""
        context = context_of(info)
        locker_id = read_id("Locker", locker)
        if locker_id is None:
            return as_problem(not_found(context.actor, "locker"))
        async with context.database.write() as session:
            outcome = await enrolment.activate_locker(
                session,
                context.actor,
                locker_id=locker_id,
                tested=tested_compartments,
                is_clock_synced=clock_is_set,
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return LockerPayload(locker=as_locker(outcome))

    @strawberry.mutation(
        description="Hands in a key set that a root has signed, for operators. Idempotent."
    )
    async def add_key_set(
        self,
        info: Info[Context, None],
        statement: Annotated[
            Base64, strawberry.argument(description="The signed statement, as the root made it.")
        ],
    ) -> AddKeySetResult:
        """The signature decides, whoever brings it."""
        context = context_of(info)
        async with context.database.write() as session:
            outcome = await keysets.hand_in_key_set(
                session,
                context.actor,
                statement,
                roots=keysets.roots_of(context.settings.root_keys),
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return AddKeySetPayload(seq=str(outcome.seq))


def _doors(compartments: Sequence[CompartmentInput]) -> list[Door] | Refusal:
    try:
        return [
            Door(
                label=one.label,
                side=one.side,
                row=one.row,
                column=one.column,
                inner=SizeMm(one.width_mm, one.height_mm, one.depth_mm),
                sill_height_mm=one.sill_height_mm,
                climate_zone=one.climate_zone,
            )
            for one in compartments
        ]
    except ValueError as error:
        return Refusal(ProblemCode.INPUT_INVALID, f"compartments: {error}.", "compartments")
