"""What time does to signed heads: witnesses are asked, all at once, and heads are published."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from schema.checkpoint.notes import parse_note
from schema.checkpoint.submissions import write_submission
from server.ledger.log.cosigning import service
from server.ledger.log.cosigning.answers import Behind, Cosigned, Refused, Silent
from server.ledger.log.queries import find_newest_checkpoint
from server.ledger.log.service import prove_consistency

if TYPE_CHECKING:
    from server.kit.clock import Clock
    from server.kit.db import Database
    from server.ledger.log.cosigning.answers import Answer
    from server.ledger.log.cosigning.policy import Seer, Witnessing
    from server.ledger.log.tables import LogCheckpoint

logger = logging.getLogger(__name__)

MOST_TRIES = 3
"""Times that one witness is asked about one head in a row: it may tell us a size, and then another
one that a worker beside us has brought it to.
"""


async def cosign_log(database: Database, witnessing: Witnessing, *, clock: Clock) -> None:
    """Shows the newest signed head to whoever has not cosigned it, and publishes it when enough
    have.

    May run at any time and several times at once. Each witness's word is kept as it comes, so a
    slow one delays no other. If we crash anywhere, the next run asks again: a witness cosigns the
    same head as often as it is asked, and what is kept is not asked for.
    """
    async with database.read() as session:
        head = await find_newest_checkpoint(session)
        missing = [] if head is None else await service.list_missing(session, head, witnessing)
    if head is None:
        return
    if head.published is None:
        await _publish(database, head, witnessing)
    async with asyncio.TaskGroup() as group:
        for seer in missing:
            group.create_task(_Asking(database, witnessing, clock, head, seer).finish())


async def _publish(database: Database, head: LogCheckpoint, witnessing: Witnessing) -> None:
    async with database.write() as session:
        await service.publish(session, head.size, witnessing)


class _Asking:
    """One head before one witness."""

    def __init__(
        self,
        database: Database,
        witnessing: Witnessing,
        clock: Clock,
        head: LogCheckpoint,
        seer: Seer,
    ) -> None:
        self._database = database
        self._witnessing = witnessing
        self._clock = clock
        self._head = head
        self._seer = seer

    async def finish(self) -> None:
        """Asks until there is an answer to keep."""
        async with self._database.read() as session:
            old = min(await service.find_last_size(session, self._seer), self._head.size)
        for _ in range(MOST_TRIES):
            answer = await self._ask(old)
            if not isinstance(answer, Behind):
                await self._keep(answer)
                return
            if answer.size == old:
                # It holds what we said it holds, and yet refuses: another root.
                await self._refused(f"another root over {old} leaves", is_split=True)
                return
            async with self._database.read() as session:
                if not await service.is_explained(session, answer.size, head=self._head):
                    reason = f"a head of {answer.size} leaves, more than were ever signed here"
                    await self._refused(reason, is_split=True)
                    return
            if answer.size > self._head.size:
                return  # A worker beside us has shown it a newer one.
            old = answer.size

    async def _ask(self, old: int) -> Answer:
        async with self._database.read() as session:
            proof = await prove_consistency(session, old=old, new=self._head.size)
        note = parse_note(self._head.note.encode())
        return await self._seer.witness.cosign(write_submission(note, old=old, proof=proof))

    async def _keep(self, answer: Cosigned | Refused | Silent) -> None:
        match answer:
            case Silent(reason):
                self._say(reason)
            case Refused(reason, is_unproven):
                await self._refused(reason, is_split=is_unproven)
            case Cosigned():
                await self._publish_with(answer)

    async def _publish_with(self, answer: Cosigned) -> None:
        now = self._clock.now()
        async with self._database.write() as session:
            reason = await service.keep_cosignature(
                session, self._head, answer, seer=self._seer, now=now
            )
        if reason:
            self._say(reason)
            return
        # If we crash here, the next run finds the head unpublished and its cosignatures kept.
        await _publish(self._database, self._head, self._witnessing)

    async def _refused(self, reason: str, *, is_split: bool) -> None:
        async with self._database.write() as session:
            await service.note_trouble(
                session,
                self._head,
                seer=self._seer,
                reason=reason,
                is_split=is_split,
                now=self._clock.now(),
            )

    def _say(self, reason: str) -> None:
        logger.info(
            "a witness gave no cosignature", extra={"witness": self._seer.name, "reason": reason}
        )
