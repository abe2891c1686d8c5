"""What is told of a dispute, as the same JSON for whoever reads it: no name, no address. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.access.rules import Action

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence
    from datetime import datetime

    from schema.readings import Reading
    from server.access.tables import Grant, PassedOn
    from server.ledger.tables import JournalEntry
    from server.notices.tables import Notice
    from server.parcels.tables import Dispute, Parcel, Stay

MOST_ENTRIES = 100
MOST_ENTRY_BYTES = 150_000
"""Together within what a receipt may hold; a stay of everyday use has about a dozen."""

MOST_ROWS = 200
"""Readings, grants, delegations and notices of each kind; the newest, where there are more."""

_BRINGING = frozenset({Action.DEPOSIT, Action.REMOVE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Everything known of the stay from which a parcel was collected, as it is at the dispute."""

    dispute: Dispute
    parcel: Parcel
    stay: Stay | None
    entries: Sequence[JournalEntry]
    readings: Sequence[Reading]
    grants: Sequence[Grant]
    delegations: Sequence[PassedOn]
    notices: Sequence[Notice]


def choose_entries(entries: Sequence[JournalEntry]) -> list[JournalEntry]:
    """The newest entries that a receipt has room for, in order."""
    chosen: list[JournalEntry] = []
    size = 0
    for entry in reversed(entries[-MOST_ENTRIES:]):
        size += len(entry.raw or entry.head)
        if size > MOST_ENTRY_BYTES:
            break
        chosen.insert(0, entry)
    return chosen


def tell(findings: Findings) -> str:
    """The findings as JSON of one form: keys in order, no spaces."""
    dispute, parcel, stay = findings.dispute, findings.parcel, findings.stay
    chosen = choose_entries(findings.entries)
    told: dict[str, Any] = {
        "version": 1,
        "dispute": {
            "id": f"{dispute.id}",
            "openedAt": _instant(dispute.opened_at),
            "party": dispute.party,
            "reason": dispute.reason,
        },
        "parcel": {
            "id": f"{parcel.id}",
            "collectedAt": _instant(parcel.collected_at),
            "assurance": parcel.assurance,
        },
        "stay": None if stay is None else _stay(stay),
        "entries": [[entry.lid.hex(), entry.seq, entry.head.hex()] for entry in chosen],
        "entriesLeftOut": len(findings.entries) - len(chosen),
        "readings": [[one.t, one.channel, one.kind, one.value] for one in findings.readings],
        "grants": [_grant(one, parcel) for one in findings.grants],
        "delegations": [_delegation(one) for one in findings.delegations],
        "notices": [_notice(one) for one in findings.notices],
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def _stay(stay: Stay) -> dict[str, Any]:
    return {
        "id": stay.name.hex(),
        "begunAt": _instant(stay.begun_at),
        "endedAt": _instant(stay.ended_at),
    }


def _grant(grant: Grant, parcel: Parcel) -> dict[str, Any]:
    return {
        "id": f"{grant.id}",
        "action": grant.action,
        "state": grant.state,
        "holder": _role(grant.holder_id, grant.action, parcel),
        "createdAt": _instant(grant.created_at),
        "notBefore": _instant(grant.not_before),
        "notAfter": _instant(grant.not_after),
        "endedAt": _instant(grant.ended_at),
    }


def _delegation(passed: PassedOn) -> dict[str, Any]:
    return {
        "grant": f"{passed.grant_id}",
        "expires": passed.exp,
        "registeredAt": _instant(passed.registered_at),
        "firstUsedAt": _instant(passed.first_used_at),
        "revokedAt": _instant(passed.revoked_at),
    }


def _notice(notice: Notice) -> dict[str, Any]:
    return {
        "kind": notice.kind,
        "channel": notice.channel,
        "state": notice.state,
        "isFallback": notice.is_fallback,
        "createdAt": _instant(notice.created_at),
        "settledAt": _instant(notice.settled_at),
    }


def _role(person_id: uuid.UUID | None, action: Action, parcel: Parcel) -> str | None:
    """Who somebody is to the parcel, instead of who they are."""
    if person_id is None:
        return None
    if person_id == parcel.recipient_id:
        return "recipient"
    if person_id == parcel.sender_id:
        return "sender"
    return "courier" if action in _BRINGING else "other"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
