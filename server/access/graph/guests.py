"""What a link in a letter leads to: tracking and a PIN for its bearer, who need not sign in.

The link is an argument and no credential: it opens nothing of the API but what stands here.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import strawberry
from strawberry.types import Info

from schema.codes import ProblemCode
from server.access.graph.bundles import check_rate, tools_of
from server.access.graph.passes import RequestPassResult, as_pass
from server.access.service import adoptions, guests, links
from server.hubs.graph.types import Hub, as_hub
from server.kit.auth import not_found
from server.kit.errors import Refusal
from server.kit.graph import (
    Context,
    Problem,
    RequestRefused,
    as_problem,
    context_of,
    global_id,
    read_id,
)
from server.kit.rates import Rate
from server.parcels.graph.types import Parcel, as_parcel
from server.parcels.service.reading import with_place
from server.parcels.states import ParcelState
from server.parcels.tables import LocationKind, PauseCause

if TYPE_CHECKING:
    from server.access.links import LinkName

GUESTS_PER_SOURCE = Rate("guests' links per source", 120, 3_600)
"""A page that somebody keeps open asks now and then; links cannot be guessed at any rate."""

GUEST_PASSES_PER_SOURCE = Rate("guests' passes per source", 12, 3_600)
GUEST_PASSES_PER_LINK = Rate("guests' passes per link", 4, 3_600)
"""So a link in many hands cannot use up at once what it may give."""

ADOPTIONS = Rate("adoptions", 20, 3_600)
RENEWALS = Rate("guests' links renewed", 30, 3_600)
"""Each is a letter."""

LinkArgument = Annotated[
    str, strawberry.argument(description="What follows the `#` in the address of the letter.")
]


@strawberry.type(description="A change of a parcel's state, as a guest sees it.")
class GuestParcelEvent:
    """Without who caused it, why, and whose words reported it."""

    at: datetime = strawberry.field(description="When it happened: the locker's time for a fact.")
    state: ParcelState = strawberry.field(description="The state after it.")


@strawberry.type(
    description="A parcel as the bearer of its link sees it: no name, no address, no sender, no "
    "contents, no door."
)
class GuestParcel:
    """Enough to go there in time."""

    code: str = strawberry.field(description="What people read to each other at the hub.")
    state: ParcelState = strawberry.field(description="Where it stands.")
    hub: Hub = strawberry.field(description="Where it is, or is to be collected; with its hours.")
    location_kind: LocationKind = strawberry.field(description="What kind of place it is at.")
    available_from: datetime | None = strawberry.field(description="From when to collect it.")
    available_through: datetime | None = strawberry.field(description="Until when.")
    safe_until: datetime | None = strawberry.field(
        description="Until when what is cooled is good; null while nothing speaks against it."
    )
    pause_cause: PauseCause | None = strawberry.field(
        description="Why the time to collect does not run; null while it does."
    )
    collected_at: datetime | None = strawberry.field(description="When it was collected.")
    may_request_pass: bool = strawberry.field(
        description="Whether `requestGuestPass` gives a PIN now. Not for a recipient who ever had "
        "an account with a phone: that account opens it."
    )
    link_expires_at: datetime = strawberry.field(description="When the link stops being good.")
    history: list[GuestParcelEvent] = strawberry.field(
        description="Its last changes of state, oldest first, at most 50."
    )


@strawberry.type(description="The parcel belongs to the account that asked.")
class AdoptParcelPayload:
    """Whether it was made so now or before."""

    parcel: Parcel = strawberry.field(description="The parcel.")
    pin_until: datetime | None = strawberry.field(
        description="Until when a PIN that was given out for it before may open; null if none was."
    )


@strawberry.type(description="No link to the parcel is good any more.")
class RevokeGuestLinkPayload:
    """Whether they were ended now or before."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    pin_until: datetime | None = strawberry.field(
        description="Until when a PIN that was given out for it may open; null if none was. "
        "`revokeGrant` ends the right behind it."
    )


@strawberry.type(description="A letter with a new link is on its way to the recipient.")
class RenewGuestLinkPayload:
    """All former links are dead; the new one is shown to nobody else."""

    parcel_id: strawberry.ID = strawberry.field(description="Global id of the parcel.")
    expires_at: datetime = strawberry.field(description="When the new link stops being good.")


AdoptParcelResult = Annotated[
    AdoptParcelPayload | Problem,
    strawberry.union("AdoptParcelResult", description="Outcome of `adoptParcel`."),
]
RevokeGuestLinkResult = Annotated[
    RevokeGuestLinkPayload | Problem,
    strawberry.union("RevokeGuestLinkResult", description="Outcome of `revokeGuestLink`."),
]
RenewGuestLinkResult = Annotated[
    RenewGuestLinkPayload | Problem,
    strawberry.union("RenewGuestLinkResult", description="Outcome of `renewGuestLink`."),
]


@strawberry.type
class GuestQuery:
    """Joined into the root query."""

    @strawberry.field(
        description="The parcel that a link in a letter is to; null for one that is wrong, "
        "withdrawn, replaced or over. Needs no account."
    )
    async def guest_parcel(
        self, info: Info[Context, None], link: LinkArgument
    ) -> GuestParcel | None:
        """All dead links look alike."""
        context = context_of(info)
        name = await _read(context, link)
        if isinstance(name, Refusal):
            if name is guests.DEAD_LINK:
                return None
            raise RequestRefused(name)
        async with context.database.read() as session:
            tracked = await guests.track(session, name, now=context.clock.now())
        return None if tracked is None else _as_guest_parcel(tracked)


@strawberry.type
class GuestMutation:
    """Joined into the root mutation."""

    @strawberry.mutation(
        description="A PIN for the parcel that a link in a letter is to, for a recipient who never "
        "had an account with a phone. It opens the compartment today and tomorrow; each time "
        "every address of the recipient is told. Needs no account."
    )
    async def request_guest_pass(
        self, info: Info[Context, None], link: LinkArgument
    ) -> RequestPassResult:
        """All dead links look alike."""
        context = context_of(info)
        name = await _read(context, link)
        if isinstance(name, Refusal):
            return as_problem(name)
        refusal = await _slow_down(context, name)
        if refusal is not None:
            return as_problem(refusal)
        async with context.database.write() as session:
            outcome = await guests.issue_guest_pass(session, name, tools=tools_of(context))
        return as_problem(outcome) if isinstance(outcome, Refusal) else as_pass(outcome)

    @strawberry.mutation(
        description="Makes the parcel that a link is to one's own, while its recipient never had "
        "an account with a phone. The link gives no PIN from then on, and the address that the "
        "parcel was announced to is told. Repeating changes nothing."
    )
    async def adopt_parcel(
        self, info: Info[Context, None], link: LinkArgument
    ) -> AdoptParcelResult:
        """For signed-in devices; whoever signs in with the announced address has it anyhow."""
        context = context_of(info)
        refusal = await check_rate(context, ADOPTIONS)
        name = refusal or await _read(context, link)
        if isinstance(name, Refusal):
            return as_problem(name)
        async with context.database.write() as session:
            outcome = await adoptions.adopt_parcel(
                session, context.actor, name=name, tools=tools_of(context)
            )
            if isinstance(outcome, Refusal):
                return as_problem(outcome)
            placed = await with_place(session, outcome.parcel)
        return AdoptParcelPayload(parcel=as_parcel(context, placed), pin_until=outcome.pin_until)

    @strawberry.mutation(
        description="Ends every link to a parcel, for its recipient and for support. Repeating "
        "changes nothing; later letters about the parcel bear no link."
    )
    async def revoke_guest_link(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> RevokeGuestLinkResult:
        """Somebody else's parcel looks like none."""
        context = context_of(info)
        key = read_id("Parcel", parcel_id)
        if key is None:
            return as_problem(not_found(context.actor, "parcelId"))
        async with context.database.write() as session:
            outcome = await links.revoke_link(
                session, context.actor, parcel_id=key, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return RevokeGuestLinkPayload(
            parcel_id=global_id("Parcel", outcome.parcel_id), pin_until=outcome.pin_until
        )

    @strawberry.mutation(
        description="Ends every link to a parcel and writes its recipient a letter with a new one; "
        "for operators and support, who never see it."
    )
    async def renew_guest_link(
        self,
        info: Info[Context, None],
        parcel_id: Annotated[
            strawberry.ID, strawberry.argument(description="Global id of the parcel.")
        ],
    ) -> RenewGuestLinkResult:
        """Each call is another letter."""
        context = context_of(info)
        key = read_id("Parcel", parcel_id)
        refusal = await check_rate(context, RENEWALS)
        if refusal is not None or key is None:
            return as_problem(refusal or not_found(context.actor, "parcelId"))
        async with context.database.write() as session:
            outcome = await links.renew_link(
                session, context.actor, parcel_id=key, ids=context.ids, now=context.clock.now()
            )
        if isinstance(outcome, Refusal):
            return as_problem(outcome)
        return RenewGuestLinkPayload(
            parcel_id=global_id("Parcel", outcome.parcel_id), expires_at=outcome.expires_at
        )


async def _read(context: Context, link: str) -> LinkName | Refusal:
    """What the link is to, before anything is asked of the database; strangers pay in advance."""
    wait_s = await context.rates.hit(GUESTS_PER_SOURCE, context.source)
    if wait_s is not None:
        return Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s)
    return guests.read_name(link, context.keyring) or guests.DEAD_LINK


async def _slow_down(context: Context, name: LinkName) -> Refusal | None:
    wait_s = await context.rates.hit(GUEST_PASSES_PER_SOURCE, context.source)
    if wait_s is None:
        wait_s = await context.rates.hit(GUEST_PASSES_PER_LINK, f"{name.parcel_id} {name.series}")
    return None if wait_s is None else Refusal(ProblemCode.SLOW_DOWN, retry_after_s=wait_s)


def _as_guest_parcel(tracked: guests.Tracked) -> GuestParcel:
    parcel = tracked.guest.parcel
    return GuestParcel(
        code=parcel.code,
        state=parcel.state,
        hub=as_hub(tracked.hub),
        location_kind=parcel.location_kind,
        available_from=parcel.available_from,
        available_through=parcel.available_through,
        safe_until=parcel.safe_until,
        pause_cause=parcel.pause_cause,
        collected_at=parcel.collected_at,
        may_request_pass=tracked.may_request_pass,
        link_expires_at=tracked.guest.link.expires_at,
        history=[GuestParcelEvent(at=one.at, state=one.target) for one in tracked.history],
    )
