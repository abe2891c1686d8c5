"""Which statements a locker has applied, beside the newest that we signed for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.ids import LockerId
from schema.statements import StatementType
from server.access import queries
from server.kit.auth import Actor, Permission
from server.lockers.service import keysets
from server.lockers.service.reading import find_locker

if TYPE_CHECKING:
    import uuid

    from server.kit.db import Session


@dataclass(frozen=True, slots=True)
class Progress:
    """Two numbers of one kind of statement; 0 is none."""

    kind: StatementType
    applied: int
    newest: int

    @property
    def is_behind(self) -> bool:
        """Whether somebody should bring the locker the newest one."""
        return self.applied < self.newest


async def find_progress(
    session: Session, actor: Actor, locker_id: uuid.UUID
) -> list[Progress] | None:
    """Key set, revocations and configuration, by what the locker's journal has told.

    For the staff of its hub and the network's people; to others there is no such locker: None.
    """
    locker = await find_locker(session, locker_id)
    if locker is None or not actor.can(Permission.TELEMETRY_READ, hub=locker.hub_id):
        return None
    lid = LockerId(locker.lid)
    key_set = await keysets.find_key_set(session, lid)
    signed = {
        kind: await queries.find_statement(session, kind, lid)
        for kind in (StatementType.REVOCATIONS, StatementType.CONFIGURATION)
    }
    newest = {kind: 0 if row is None else row.seq for kind, row in signed.items()}
    return [
        Progress(StatementType.KEY_SET, locker.key_set_seq, 0 if key_set is None else key_set.seq),
        Progress(
            StatementType.REVOCATIONS, locker.revocation_seq, newest[StatementType.REVOCATIONS]
        ),
        Progress(
            StatementType.CONFIGURATION,
            locker.configuration_seq,
            newest[StatementType.CONFIGURATION],
        ),
    ]
