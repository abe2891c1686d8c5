"""The types that bundles and statements have in common."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import strawberry
from strawberry.scalars import Base64

from schema.statements import StatementType
from server.access.rules import Action, GrantState
from server.access.service.revocations import find_grant
from server.kit.clock import instant_of
from server.kit.graph import Context, Node, NodeLoader, described, global_id
from server.parcels.place import DoorPlace, place_in_words

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping

    from server.access import tables
    from server.access.service.bundles import Place
    from server.access.service.grants import Issued
    from server.access.service.statements import Carried

described(
    StatementType,
    description="What a statement for a locker is about (SLK1, section 2).",
    members={
        StatementType.REVOCATIONS: "Tokens that are dead.",
        StatementType.TIME: "The time, for one hello.",
        StatementType.KEY_SET: "The keys that the locker trusts, signed by a root.",
        StatementType.CONFIGURATION: "How the locker behaves.",
        StatementType.ACKNOWLEDGEMENT: "How far its journal is stored.",
    },
)
described(
    Action,
    name="GrantAction",
    description="What a grant allows.",
    members={
        Action.DEPOSIT: "To put a parcel in.",
        Action.OPEN: "To take out what a stay holds.",
        Action.DROPOFF: "To put in what one sends.",
        Action.REMOVE: "To take out, for its carrier or hub, what was not collected.",
        Action.INSPECT: "To look into an empty compartment.",
        Action.SERVICE: "To open a compartment for repair.",
    },
)
described(
    GrantState,
    description="How a grant stands; all but the first two are final.",
    members={
        GrantState.ISSUED: "Its time has not begun.",
        GrantState.ACTIVE: "Tokens for it open doors.",
        GrantState.USED: "Its uses are spent, or its stay has ended.",
        GrantState.EXPIRED: "Its time is over.",
        GrantState.REVOKED: "Withdrawn.",
        GrantState.SUPERSEDED: "Another grant took its place.",
    },
)


@strawberry.type(description="A statement that any phone may carry to its locker.")
class SignedStatement:
    """Only the bytes matter to the locker."""

    type: StatementType = strawberry.field(description="What it is about.")
    bytes: Base64 = strawberry.field(description="COSE_Sign1, to be handed on as it is.")


@strawberry.type(description="A right to do one thing with one stay.")
class Grant(Node):
    """What tokens are issued for; seen by whoever may withdraw it."""

    action: Action = strawberry.field(description="What it allows.")
    state: GrantState = strawberry.field(description="How it stands.")
    parcel_id: strawberry.ID | None = strawberry.field(
        description="Global id of the parcel; null for a right to inspect."
    )
    reason: str | None = strawberry.field(description="Why it was asked for, to inspect.")


@strawberry.type(description="An unlock token, good only beside proofs by the device that asked.")
class UnlockToken:
    """Of no use to anybody else."""

    bytes: Base64 = strawberry.field(description="COSE_Sign1, to be shown to the locker.")
    expires_at: datetime = strawberry.field(description="When it ends; ask again before.")


def as_statement(carried: Carried) -> SignedStatement:
    """The statement as GraphQL tells it."""
    return SignedStatement(type=carried.kind, bytes=Base64(carried.raw))


def as_grant(row: tables.Grant) -> Grant:
    """The grant as GraphQL tells it."""
    return Grant(
        id=global_id("Grant", row.id),
        action=row.action,
        state=row.state,
        parcel_id=None if row.parcel_id is None else global_id("Parcel", row.parcel_id),
        reason=row.reason,
    )


def as_token(issued: Issued) -> UnlockToken:
    """The token as GraphQL tells it."""
    return UnlockToken(bytes=Base64(issued.raw), expires_at=instant_of(issued.exp))


def words_for(place: Place) -> str:
    """Hub, address and door, to read or to hear."""
    hub, door = place.hub, place.compartment
    where = DoorPlace(door.label, door.side, door.row, door.column)
    return place_in_words(hub.name, hub.street, hub.city, where)


async def _load_grant(context: Context, key: uuid.UUID) -> Any:
    async with context.database.read() as session:
        row = await find_grant(session, context.actor, key)
    return None if row is None else as_grant(row)


NODE_TYPES: tuple[type, ...] = (Grant,)
NODES: Mapping[str, NodeLoader] = {"Grant": _load_grant}
