"""The GraphQL of lockers, their enrolment and their incidents. Decides nothing; translates."""

from __future__ import annotations

import strawberry

from server.lockers.graph import reading, writing
from server.lockers.graph.closing import ClosingMutation, ClosingQuery
from server.lockers.graph.live import Subscription
from server.lockers.graph.occupancy import OccupancyQuery
from server.lockers.graph.trust import TrustMutation
from server.lockers.graph.types import NODE_TYPES, NODES


@strawberry.type
class Query(reading.Query, ClosingQuery, OccupancyQuery):
    """Joined into the root query."""


@strawberry.type
class Mutation(writing.Mutation, ClosingMutation, TrustMutation):
    """Joined into the root mutation."""


__all__ = ["NODES", "NODE_TYPES", "Mutation", "Query", "Subscription"]
