"""Every table of the house in one place, so that `kit.db.metadata` is whole once this is
imported.
"""

from __future__ import annotations

from server.kit.outbox import Outbox
from server.kit.proofs import UsedProof
from server.ledger.tables import ChainHead, JournalEntry, LockerReading

TABLES = (UsedProof, Outbox, JournalEntry, ChainHead, LockerReading)
"""All tables, lowest part of the house first."""
