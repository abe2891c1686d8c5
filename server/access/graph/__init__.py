"""The GraphQL of rights: bundles, grants, statements, receipts. Decides nothing; translates."""

from __future__ import annotations

import strawberry

from server.access.graph.bundles import BundleMutation
from server.access.graph.evidence import EvidenceQuery
from server.access.graph.keys import KeyMutation, KeyQuery
from server.access.graph.statements import StatementMutation
from server.access.graph.types import NODE_TYPES, NODES


@strawberry.type
class Query(EvidenceQuery, KeyQuery):
    """Joined into the root query."""


@strawberry.type
class Mutation(BundleMutation, StatementMutation, KeyMutation):
    """Joined into the root mutation."""


__all__ = ["NODES", "NODE_TYPES", "Mutation", "Query"]
