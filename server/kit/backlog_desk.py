"""The desk at which a person looks at the outbox and has dead events tried again:
`./restante outbox`. Shows ids, kinds, times and reasons; never an address of a person.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.kit import backlog
from server.kit.backlog_words import MOST_LISTED
from server.kit.errors import DatabaseError, SettingsError
from server.kit.outbox import Outbox, OutboxState

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from server.kit.clock import Clock
    from server.kit.db import Database

_ADDRESS = re.compile(r"\S*@\S*|\+[0-9][0-9 ()/-]{5,}")
"""What an e-mail address or a telephone number looks like in what a provider said."""

_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
"""What a fact may look like to be shown: an id, a number, a word."""


@dataclass(frozen=True, slots=True)
class BacklogDesk:
    """The desk, and whoever hears what is told there."""

    database: Database
    clock: Clock
    tell: Callable[[str], None]

    async def run(self, options: argparse.Namespace) -> None:
        """Does what the words ask for; SettingsError or DatabaseError says why not."""
        match options.word:
            case "list":
                await self._list(options)
            case "show":
                await self._show(options)
            case _ if options.all is (options.id is not None):
                raise SettingsError("retry wants the ID of an event, or --all")
            case _ if options.all:
                await self._retry_all()
            case _:
                await self._retry(options.id)

    async def _list(self, options: argparse.Namespace) -> None:
        if not 1 <= options.limit <= MOST_LISTED:
            raise SettingsError(f"--limit must be from 1 to {MOST_LISTED}")
        state = OutboxState.PENDING if options.waiting else OutboxState.DEAD
        async with self.database.read() as session:
            after = None if options.after is None else await self._get(options.after)
            rows = await backlog.list_events(session, state, after=after, limit=options.limit)
        write = _as_json if options.json else _as_line
        for row in rows:
            self.tell(write(row))
        if not options.json:
            self.tell(_ending(rows, state, options.limit))

    async def _show(self, options: argparse.Namespace) -> None:
        row = await self._get(options.id)
        if options.json:
            self.tell(_as_json(row))
            return
        for name, value in _members(row).items():
            self.tell(f"{name}: {json.dumps(value) if isinstance(value, dict) else value}")

    async def _retry(self, text: str) -> None:
        row = await self._get(text)
        async with self.database.write() as session:
            is_revived = await backlog.revive(session, row.id, now=self.clock.now())
        if not is_revived:
            state = "is done" if row.state is OutboxState.DONE else "waits already"
            raise DatabaseError(f"event {row.id} {state}: only what is dead can be tried again")
        self.tell(f"event {row.id} is tried again")

    async def _retry_all(self) -> None:
        """In portions, so that the worker is not kept waiting by one long transaction."""
        total = 0
        while True:
            async with self.database.write() as session:
                revived = await backlog.revive_all(session, now=self.clock.now())
            total += revived
            if revived < backlog.MOST_REVIVED:
                break
        self.tell(f"{total} events are tried again" if total else "no event is dead")

    async def _get(self, text: str) -> Outbox:
        try:
            event = uuid.UUID(text)
        except ValueError as error:
            raise SettingsError(f"{text!r} is no id of an event") from error
        async with self.database.read() as session:
            row = await backlog.find_event(session, event)
        if row is None:
            raise DatabaseError(f"there is no event {event}; what is done is kept for a week")
        return row


def _members(row: Outbox) -> dict[str, Any]:
    return {
        "id": str(row.id),
        "kind": row.kind,
        "state": row.state.value,
        "subject": str(row.subject),
        "facts": {name: _shown(value) for name, value in row.facts.items()},
        "attempts": row.attempts,
        "created_at": row.created_at.isoformat(),
        "not_before": row.not_before.isoformat(),
        "leased_until": _text(row.leased_until),
        "settled_at": _text(row.settled_at),
        "revived_at": _text(row.revived_at),
        "reason": None if row.reason is None else _ADDRESS.sub("[address]", row.reason),
    }


def _shown(fact: Any) -> Any:
    is_plain = not isinstance(fact, str) or _WORD.fullmatch(fact)
    return fact if is_plain else "[hidden]"


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _as_json(row: Outbox) -> str:
    return json.dumps(_members(row))


def _as_line(row: Outbox) -> str:
    told = _members(row)
    reason = f"  {told['reason']}" if told["reason"] else ""
    return f"{row.id}  {row.created_at:%Y-%m-%d %H:%M}  {row.kind}  tried {row.attempts}x{reason}"


def _ending(rows: Sequence[Outbox], state: OutboxState, limit: int) -> str:
    word = "dead" if state is OutboxState.DEAD else "waiting"
    if len(rows) < limit:
        return f"{len(rows)} {word}" if rows else f"none is {word}"
    return f"{len(rows)} {word}; there may be more: --after {rows[-1].id}"
