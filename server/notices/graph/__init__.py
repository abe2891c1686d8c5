"""The GraphQL of notices, of disputes and of what a person takes along. Only translates."""

from __future__ import annotations

import strawberry

from server.notices.graph import telling
from server.notices.graph.evidence import DisputeMutation, EvidenceQuery
from server.notices.graph.takeout import ExportQuery
from server.notices.graph.telling import Me, Subscription


@strawberry.type
class Query(telling.Query, EvidenceQuery, ExportQuery):
    """Joined into the root query."""


@strawberry.type
class Mutation(telling.Mutation, DisputeMutation):
    """Joined into the root mutation."""


__all__ = ["Me", "Mutation", "Query", "Subscription"]
