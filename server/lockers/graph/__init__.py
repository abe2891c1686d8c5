"""The GraphQL of lockers, their enrolment and their incidents. Decides nothing; translates."""

from __future__ import annotations

from server.lockers.graph.reading import Query
from server.lockers.graph.types import NODE_TYPES, NODES
from server.lockers.graph.writing import Mutation

__all__ = ["NODES", "NODE_TYPES", "Mutation", "Query"]
