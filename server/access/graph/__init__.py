"""The GraphQL of rights: bundles, grants, statements, receipts. Decides nothing; translates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import strawberry

from server.access.graph import emergencies, sharing, types
from server.access.graph.bundles import BundleMutation
from server.access.graph.emergencies import EmergencyMutation, EmergencyQuery
from server.access.graph.evidence import EvidenceQuery
from server.access.graph.guests import GuestMutation, GuestQuery
from server.access.graph.inspections import InspectionMutation
from server.access.graph.key_history import Me, ServerJournalQuery
from server.access.graph.keys import KeyMutation, KeyQuery
from server.access.graph.passes import PassMutation
from server.access.graph.rounds import RoundMutation
from server.access.graph.sharing import SharingMutation, SharingQuery
from server.access.graph.statements import StatementMutation, StatementQuery

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.kit.graph import NodeLoader


@strawberry.type
class Query(
    EvidenceQuery,
    ServerJournalQuery,
    KeyQuery,
    SharingQuery,
    StatementQuery,
    EmergencyQuery,
    GuestQuery,
):
    """Joined into the root query."""


@strawberry.type
class Mutation(
    BundleMutation,
    RoundMutation,
    StatementMutation,
    KeyMutation,
    SharingMutation,
    PassMutation,
    GuestMutation,
    InspectionMutation,
    EmergencyMutation,
):
    """Joined into the root mutation."""


NODE_TYPES: tuple[type, ...] = (
    *types.NODE_TYPES,
    *sharing.NODE_TYPES,
    *emergencies.NODE_TYPES,
)
NODES: Mapping[str, NodeLoader] = {**types.NODES, **sharing.NODES, **emergencies.NODES}

__all__ = ["NODES", "NODE_TYPES", "Me", "Mutation", "Query"]
