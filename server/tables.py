"""Every table of the house in one place, so that `kit.db.metadata` is whole once this is
imported.
"""

from __future__ import annotations

from server.kit.outbox import Outbox
from server.kit.proofs import UsedProof

TABLES = (UsedProof, Outbox)
"""All tables, lowest part of the house first."""
