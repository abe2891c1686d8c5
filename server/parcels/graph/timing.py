"""The time to collect: what stopped it, what more was given, and asking for more."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import strawberry

from server.parcels.tables import PauseCause

if TYPE_CHECKING:
    from server.parcels import tables


@strawberry.type(description="A span in which the time to collect a parcel does not run.")
class Pause:
    """Closures of the hub and outages of the service count as well, and are not listed here."""

    cause: PauseCause = strawberry.field(description="Why.")
    started_at: datetime = strawberry.field(description="The earliest evidence of it.")
    ended_at: datetime | None = strawberry.field(description="Null while it goes on.")


@strawberry.type(description="More time to collect a parcel.")
class Extension:
    """Who gave it is not told; whether its recipient asked is."""

    at: datetime = strawberry.field(description="When it was given.")
    hours: int = strawberry.field(description="How much.")
    is_by_recipient: bool = strawberry.field(description="Whether its recipient asked for it.")
    through_before: datetime = strawberry.field(description="Until when it waited before.")
    through_after: datetime = strawberry.field(description="Until when it waited then.")


def as_pause(row: tables.ParcelPause) -> Pause:
    """The row as GraphQL tells it."""
    return Pause(cause=row.cause, started_at=row.started_at, ended_at=row.ended_at)


def as_extension(row: tables.ParcelExtension) -> Extension:
    """The row as GraphQL tells it."""
    return Extension(
        at=row.at,
        hours=row.hours,
        is_by_recipient=row.is_by_recipient,
        through_before=row.through_before,
        through_after=row.through_after,
    )
