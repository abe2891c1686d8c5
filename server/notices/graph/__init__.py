"""The GraphQL of notices, and of what is told of disputes. Decides nothing; translates."""

from __future__ import annotations

import strawberry

from server.notices.graph import telling
from server.notices.graph.evidence import DisputeMutation, EvidenceQuery
from server.notices.graph.telling import Me, Subscription


@strawberry.type
class Query(telling.Query, EvidenceQuery):
    """Joined into the root query."""


@strawberry.type
class Mutation(telling.Mutation, DisputeMutation):
    """Joined into the root mutation."""


__all__ = ["Me", "Mutation", "Query", "Subscription"]
