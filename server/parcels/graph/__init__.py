"""The GraphQL of parcels. Decides nothing; translates."""

from __future__ import annotations

from server.parcels.graph.reading import Me, Query
from server.parcels.graph.types import NODE_TYPES, NODES
from server.parcels.graph.writing import Mutation

__all__ = ["NODES", "NODE_TYPES", "Me", "Mutation", "Query"]
