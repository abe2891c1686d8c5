"""The GraphQL of partners, hubs and their hours. Decides nothing; translates."""

from __future__ import annotations

from server.hubs.graph.reading import Query
from server.hubs.graph.types import NODE_TYPES, NODES
from server.hubs.graph.writing import Mutation

__all__ = ["NODES", "NODE_TYPES", "Mutation", "Query"]
