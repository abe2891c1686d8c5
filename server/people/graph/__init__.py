"""The GraphQL of signing in, of devices and of carriers' keys. Decides nothing; translates."""

from __future__ import annotations

import strawberry

from server.people.graph.carriers import CarrierMutation
from server.people.graph.devices import DeviceMutation
from server.people.graph.sessions import SessionMutation
from server.people.graph.types import NODE_TYPES, NODES, Me


@strawberry.type
class Mutation(SessionMutation, DeviceMutation, CarrierMutation):
    """Joined into the root mutation."""


__all__ = ["NODES", "NODE_TYPES", "Me", "Mutation"]
