"""The mutation that gives people their posts at hubs and in carriers."""

from __future__ import annotations

from typing import Annotated

import strawberry
from strawberry.types import Info

import server.people.graph.types  # noqa: F401 - gives the members of Role their descriptions
from schema.codes import ProblemCode
from server.hubs import service
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.people.roles import CARRIER_ROLES, Role
from server.people.rules import read_contact
from server.people.service.accounts import Post


@strawberry.type(description="The owner of the address holds the role.")
class InviteMemberPayload:
    """They sign in with that address like everybody."""

    role: Role = strawberry.field(description="The role held.")
    place: strawberry.ID = strawberry.field(description="Global id of the hub or carrier.")


InviteMemberResult = Annotated[
    InviteMemberPayload | Problem,
    strawberry.union("InviteMemberResult", description="Outcome of `inviteMember`."),
]


@strawberry.type
class StaffMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Gives the owner of an address a role at a hub or in a carrier. They need no "
        "account yet. Technicians get theirs from operators, hub by hub. Repeating changes nothing."
    )
    async def invite_member(
        self,
        info: Info[Context, None],
        address: Annotated[
            str, strawberry.argument(description="E-mail address, or phone number with `+`.")
        ],
        role: Annotated[
            Role,
            strawberry.argument(
                description="A role of hubs or `TECHNICIAN` at a hub, of carriers in one."
            ),
        ],
        place: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the hub or carrier.")
        ],
    ) -> InviteMemberResult:
        """For whoever staffs that hub or carrier; an owner is made by owners and operators."""
        context = context_of(info)
        contact = read_contact(address)
        if contact is None:
            reason = "This is no e-mail address, and no phone number that begins with +."
            return as_problem(Refusal(ProblemCode.INPUT_INVALID, reason, field="address"))
        subject = read_id("Carrier" if role in CARRIER_ROLES else "Hub", place)
        if subject is None:
            return as_problem(not_found(context.actor))
        async with context.database.write() as session:
            outcome = await service.invite_member(
                session,
                context.actor,
                contact=contact,
                post=Post(role, subject),
                ids=context.ids,
                now=context.clock.now(),
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return InviteMemberPayload(role=role, place=place)
