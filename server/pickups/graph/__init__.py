"""The GraphQL of pickup windows. Decides nothing; translates."""

from __future__ import annotations

from server.pickups.graph.reading import Query
from server.pickups.graph.writing import Mutation

__all__ = ["Mutation", "Query"]
