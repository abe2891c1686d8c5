"""The GraphQL of parcels. Decides nothing; translates."""

from __future__ import annotations

import strawberry

from server.parcels.graph.compartments import CompartmentMutation
from server.parcels.graph.counter import CounterMutation
from server.parcels.graph.disputing import DisputeMutation
from server.parcels.graph.live import Subscription
from server.parcels.graph.reading import Me, ParcelQuery
from server.parcels.graph.redirecting import RedirectMutation, RedirectQuery
from server.parcels.graph.sending import SendingMutation
from server.parcels.graph.types import NODE_TYPES, NODES
from server.parcels.graph.writing import ParcelMutation


@strawberry.type
class Query(ParcelQuery, RedirectQuery):
    """Joined into the root query."""


@strawberry.type
class Mutation(
    ParcelMutation,
    SendingMutation,
    RedirectMutation,
    CounterMutation,
    CompartmentMutation,
    DisputeMutation,
):
    """Joined into the root mutation."""


__all__ = ["NODES", "NODE_TYPES", "Me", "Mutation", "Query", "Subscription"]
