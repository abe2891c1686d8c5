"""Mutations on one's own devices, and a clerk's confirmation of another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import Context, Problem, as_problem, context_of, read_id
from server.people.graph.types import Device, as_device
from server.people.rules import (
    MAX_NAME_CHARACTERS,
    MAX_PUSH_CHARACTERS,
    PushKind,
    is_push_target,
    read_name,
)
from server.people.service import devices

if TYPE_CHECKING:
    from server.people import tables


@strawberry.input(description="Where push messages for a device go.")
class PushTargetInput:
    """Both parts together, since one alone says nothing."""

    kind: PushKind = strawberry.field(description="What kind of address it is.")
    target: str = strawberry.field(description="The address, as the push service gave it.")


@strawberry.type(description="The device as it is now.")
class DevicePayload:
    """What every mutation on a device answers."""

    device: Device = strawberry.field(description="The device.")


RegisterDeviceResult = Annotated[
    DevicePayload | Problem,
    strawberry.union("RegisterDeviceResult", description="Outcome of `registerDevice`."),
]
RevokeDeviceResult = Annotated[
    DevicePayload | Problem,
    strawberry.union("RevokeDeviceResult", description="Outcome of `revokeDevice`."),
]
ConfirmDeviceResult = Annotated[
    DevicePayload | Problem,
    strawberry.union("ConfirmDeviceResult", description="Outcome of `confirmDevice`."),
]


@strawberry.type
class DeviceMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="Names the device that asks and tells where its push messages go. Its key was "
        "registered when it signed in. Repeating replaces both."
    )
    async def register_device(
        self,
        info: Info[Context, None],
        name: Annotated[str, strawberry.argument(description="Up to 80 characters, one line.")],
        push: Annotated[
            PushTargetInput | None, strawberry.argument(description="Null ends push messages.")
        ] = None,
    ) -> RegisterDeviceResult:
        """For signed-in devices."""
        context = context_of(info)
        proper = read_name(name)
        if proper is None:
            reason = f"A name has 1 to {MAX_NAME_CHARACTERS} characters on one line."
            return as_problem(Refusal(ProblemCode.INPUT_INVALID, reason, field="name"))
        if push and not is_push_target(push.target):
            reason = f"A push target has 1 to {MAX_PUSH_CHARACTERS} visible ASCII characters."
            return as_problem(Refusal(ProblemCode.INPUT_INVALID, reason, field="push"))
        target = devices.PushTarget(push.kind, push.target) if push else None
        async with context.database.write() as session:
            outcome = await devices.register_device(
                session, context.actor, name=proper, push=target
            )
        return _answer(outcome, context)

    @strawberry.mutation(
        description="Removes a device of one's own for good: it gets nothing any more, and its key "
        "cannot sign in again. A device that still waits cannot remove older ones."
    )
    async def revoke_device(
        self,
        info: Info[Context, None],
        device_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the device.")
        ],
    ) -> RevokeDeviceResult:
        """Repeating changes nothing."""
        context = context_of(info)
        key = read_id("Device", device_id)
        if key is None:
            return as_problem(not_found(context.actor))
        async with context.database.write() as session:
            outcome = await devices.revoke_device(
                session, context.actor, device_id=key, now=context.clock.now()
            )
        return _answer(outcome, context)

    @strawberry.mutation(
        description="Ends a new device's waiting: called on an older device of the account, or by "
        "a clerk of the named hub who has checked the person's identity."
    )
    async def confirm_device(
        self,
        info: Info[Context, None],
        device_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the device that waits.")
        ],
        hub_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(description="Global id of the clerk's hub; null on own devices."),
        ] = None,
    ) -> ConfirmDeviceResult:
        """Repeating changes nothing."""
        context = context_of(info)
        key = read_id("Device", device_id)
        hub = read_id("Hub", hub_id) if hub_id is not None else None
        if key is None or (hub_id is not None and hub is None):
            return as_problem(not_found(context.actor))
        async with context.database.write() as session:
            outcome = await devices.confirm_device(
                session, context.actor, device_id=key, hub_id=hub, now=context.clock.now()
            )
        return _answer(outcome, context)


def _answer(outcome: tables.Device | Refusal, context: Context) -> DevicePayload | Problem:
    if isinstance(outcome, Refusal):
        return as_problem(outcome)
    return DevicePayload(device=as_device(outcome, context))
