"""The GraphQL of partners, hubs, their hours and staff, and of preferences, which name hubs.

Decides nothing; translates.
"""

from __future__ import annotations

import strawberry

from server.hubs.graph.preferences import PreferenceMutation
from server.hubs.graph.reading import Query
from server.hubs.graph.staff import StaffMutation
from server.hubs.graph.types import NODE_TYPES, NODES
from server.hubs.graph.writing import HubMutation


@strawberry.type
class Mutation(HubMutation, StaffMutation, PreferenceMutation):
    """Joined into the root mutation."""


__all__ = ["NODES", "NODE_TYPES", "Mutation", "Query"]
