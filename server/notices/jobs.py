"""What notices do when something has happened: handlers of outbox events.

Each decides whether the event is still news, for whom and of which kind; `telling` does the rest.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING

from server.access.service.links import is_living_series
from server.kit.gather import Gather
from server.kit.outbox import Again, Dead, Done
from server.kit.portions import do_portions
from server.lockers.service import doors
from server.notices.cadence import is_outdated, may_break_quiet
from server.notices.delivery import Accepted, Gone, Later, Refused
from server.notices.queries import Topic, list_unplanned
from server.notices.rules import NoticeKind, Over
from server.notices.service import choosing, erasing, evidence, reminding
from server.notices.service.security import find_news
from server.notices.service.telling import CHANNEL_OF, Errand, Teller
from server.notices.wording import write_code_letter
from server.parcels import queries as parcels
from server.parcels.service import waiting
from server.parcels.service.erasing import SWEEP, look_again
from server.parcels.service.timing import Change
from server.parcels.states import ParcelState
from server.parcels.tables import HoldEnded, PauseCause
from server.people import queries as people
from server.people.service.codes import find_code_letter
from server.people.service.preferences import get_preferences
from server.pickups.service.windows import find_open_window

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from server.kit.clock import Clock
    from server.kit.db import Database, Session
    from server.kit.ids import Ids
    from server.kit.keyring import Keyring
    from server.kit.outbox import Lease, Outcome
    from server.notices.cadence import Waiting
    from server.parcels.tables import Parcel

    Choice = Callable[[Session, Parcel, int], Awaitable[tuple[NoticeKind, bool]]]

_WAITING = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.AT_HUB})


class NoticeJobs:
    """Handlers for the worker; each may be called again with the same event."""

    def __init__(
        self, database: Database, teller: Teller, *, keyring: Keyring, ids: Ids, clock: Clock
    ) -> None:
        self._database = database
        self._teller = teller
        self._keyring = keyring
        self._ids = ids
        self._clock = clock
        self._find_parcel = Gather(self._read_parcels)
        self._find_wait = Gather(self._read_waits)
        self._plan_reminders = Gather(self._plan_all)

    async def on_grant_ready(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel is ready, which starts the time to collect (P12).

        Nothing happens for a parcel that was withdrawn, collected or told about meanwhile.
        """
        parcel = await self._get_parcel(held)
        # What was dropped off where it is collected is ready at once, and untold (P6b); so is what
        # was held before anybody could be told.
        is_ready = parcel.state is ParcelState.READY_FOR_PICKUP
        is_untold = is_ready and parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED
        is_news = parcel.state is ParcelState.DEPOSITED or is_untold
        outcome = await self._tell(held, parcel, NoticeKind.READY, is_news=is_news)
        if isinstance(outcome, Over):
            await self._settle_ready(parcel.id, reached=outcome.reached)
        return _settled(outcome)

    async def on_morning(self, held: Lease) -> Outcome:
        """Tells once more, with a sound, of what came while it was quiet; unless it is over."""
        parcel = await self._get_parcel(held)
        is_news = parcel.state in _WAITING
        return _settled(await self._tell(held, parcel, NoticeKind.READY_AGAIN, is_news=is_news))

    async def on_wait_changed(self, held: Lease) -> Outcome:
        """Plans reminders of a parcel whose time to collect has begun, or has changed."""
        await self._plan_reminders(held.subject)
        return Done()

    async def on_preferences_changed(self, held: Lease) -> Outcome:
        """Plans reminders of all that waits for a person whose hours or zone have changed, and has
        what is kept of their past looked at again.
        """
        after: uuid.UUID | None = None

        async def plan_some() -> int:
            nonlocal after
            async with self._database.write() as session:
                found = await parcels.list_ids_for(
                    session, held.subject, states=_WAITING, after=after, limit=reminding.SWEEP
                )
                await reminding.plan_next(session, found, now=self._clock.now())
            after = found[-1] if found else after
            return len(found)

        await do_portions(plan_some, size=reminding.SWEEP)
        async with self._database.write() as session:
            await look_again(session, held.subject, now=self._clock.now())
        return Done()

    async def on_deadline_changed(self, held: Lease) -> Outcome:
        """Tells the recipient until when the parcel waits now; only of the newest change."""
        parcel, version = await self._get_parcel(held), int(held.facts["version"] or 0)
        is_closed = held.facts["change"] == Change.CLOSED
        kind = NoticeKind.HUB_CLOSED if is_closed else NoticeKind.EXTENDED
        is_news = parcel.state in _WAITING and parcel.deadline_version == version
        return _settled(await self._tell(held, parcel, kind, is_news=is_news, version=version))

    async def on_reminder_due(self, held: Lease) -> Outcome:
        """Reminds the recipient; not once the parcel waits no more, or until another day, and not
        when the next reminder is near.

        Once they were reached the last one need not be heard at night: it is planned anew.
        """
        kind, version = NoticeKind(str(held.facts["kind"])), int(held.facts["version"] or 0)
        topic, now = Topic(held.subject, kind, version), self._clock.now()
        parcel, wait = await self._find_wait(held.subject)
        if wait is None or parcel.recipient_id is None or parcel.deadline_version != version:
            return await self._teller.suppress(topic)
        if is_outdated(wait, told_at=held.created_at, now=now):
            return await self._teller.suppress(topic)
        errand = Errand(
            topic=topic,
            person_id=parcel.recipient_id,
            parcel_id=parcel.id,
            breaks_quiet=may_break_quiet(kind, wait, now),
        )
        outcome = await self._teller.tell(held, errand)
        if isinstance(outcome, Over) and outcome.reached and not wait.has_reached:
            await self.on_wait_changed(held)
        return _settled(outcome)

    async def forget_past(self) -> None:
        """Forgets for whom old parcels were, and what was told of disputes that were decided long
        ago, in portions; may run at any time, also twice.
        """

        async def forget_some() -> int:
            async with self._database.write() as session:
                return await erasing.forget_past(session, now=self._clock.now())

        await do_portions(forget_some, size=SWEEP)

        async def forget_evidence() -> int:
            async with self._database.write() as session:
                return await evidence.forget_evidence(session, now=self._clock.now())

        await do_portions(forget_evidence, size=evidence.FORGOTTEN_AT_ONCE)

    async def seal_evidence(self) -> None:
        """Completes files of disputes whose entries the log holds by now; may run twice."""
        after: uuid.UUID | None = None
        while True:
            async with self._database.write() as session:
                after = await evidence.seal_evidence(session, after=after, now=self._clock.now())
            if after is None:
                return

    async def finish_erasures(self) -> None:
        """Erases the rest of people whose last parcel is settled meanwhile; may run twice."""
        after: uuid.UUID | None = None
        while True:
            async with self._database.write() as session:
                after = await erasing.finish_erasures(session, after=after, now=self._clock.now())
            if after is None:
                return

    async def remind(self) -> int:
        """Hands out reminders that are due, the longest waiting first; how many were looked at.

        May run at any time, also twice. What is more than one look can do waits for the next.
        """

        async def remind_some() -> int:
            async with self._database.write() as session:
                return await reminding.hand_out(session, now=self._clock.now())

        return await do_portions(remind_some, size=reminding.SWEEP)

    async def plan_missing(self) -> int:
        """Plans reminders of what waits without one, whatever took it away: a clock that was ahead
        of its time, an event that was given up. How many parcels were looked at; may run twice.
        """
        after = (self._clock.now(), uuid.UUID(int=0))

        async def plan_some() -> int:
            nonlocal after
            async with self._database.read() as session:
                found = await list_unplanned(session, after=after, limit=reminding.SWEEP)
            async with self._database.write() as session:
                parcel_ids = [parcel_id for _, parcel_id in found]
                await reminding.plan_next(session, parcel_ids, now=self._clock.now())
            after = found[-1] if found else after
            return len(found)

        return await do_portions(plan_some, size=reminding.SWEEP)

    async def on_parcel_redirected(self, held: Lease) -> Outcome:
        """Tells every phone of the recipient where the parcel goes now; only of the last choice."""
        parcel, version = await self._get_parcel(held), int(held.facts["version"] or 0)
        outcome = await self._tell(
            held,
            parcel,
            NoticeKind.REDIRECTED,
            is_news=parcel.version == version,
            version=version,
        )
        return _settled(outcome)

    async def on_parcel_moved(self, held: Lease) -> Outcome:
        """Tells the recipient that what was ready is not there any more (P13, P14, P24)."""
        parcel, version = await self._get_parcel(held), int(held.facts["version"] or 0)
        async with self._database.read() as session:
            is_news = await choosing.has_moved(session, parcel, version)
        outcome = await self._tell(held, parcel, NoticeKind.MOVED, is_news=is_news, version=version)
        return _settled(outcome)

    async def on_excursion_began(self, held: Lease) -> Outcome:
        """Tells the recipient of cooled goods that their place does not keep its temperature; not
        once it does again, or the parcel is not there any more.
        """
        parcel, version = await self._get_parcel(held), int(held.facts["version"] or 0)
        async with self._database.read() as session:
            is_news = await choosing.is_outside(session, parcel)
        outcome = await self._tell(
            held, parcel, NoticeKind.EXCURSION, is_news=is_news, version=version
        )
        return _settled(outcome)

    async def on_parcel_held(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel is held (5.2), that it may not be eaten, or that
        their objection arrived.
        """
        return await self._tell_chosen(held, choosing.find_hold_notice)

    async def on_parcel_disputed(self, held: Lease) -> Outcome:
        """Tells the recipient that a dispute was opened (P29); not once it was decided."""
        return await self._tell_chosen(held, choosing.find_dispute_notice)

    async def on_dispute_resolved(self, held: Lease) -> Outcome:
        """Tells the recipient that it was decided (P30), and reminds them of what waits again; not
        once it is disputed anew.
        """
        await self._plan_reminders(held.subject)
        parcel, version = await self._get_parcel(held), int(held.facts["version"] or 0)
        is_news = parcel.state is not ParcelState.DISPUTED
        outcome = await self._tell(
            held, parcel, NoticeKind.DISPUTE_RESOLVED, is_news=is_news, version=version
        )
        return _settled(outcome)

    async def on_parcel_at_hub(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel is at the counter (P11); not once it has left it."""
        parcel = await self._get_parcel(held)
        is_news = parcel.state is ParcelState.AT_HUB
        return _settled(await self._tell(held, parcel, NoticeKind.AT_COUNTER, is_news=is_news))

    async def on_window_open(self, held: Lease) -> Outcome:
        """Tells that the chosen time has begun; not once it is over, or another was chosen, or the
        parcel is elsewhere.
        """
        parcel = await self._get_parcel(held)
        async with self._database.read() as session:
            window = await find_open_window(session, parcel, held.id, now=self._clock.now())
        if window is not None:
            # The choice was made long before: what we wait for began with the window.
            held = replace(held, created_at=window.starts_at)
        outcome = await self._tell(
            held,
            parcel,
            NoticeKind.WINDOW_OPEN,
            is_news=window is not None,
            version=int(held.facts["version"] or 0),
        )
        return _settled(outcome)

    async def on_parcel_collected(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel was collected, and whether somebody did it for them;
        not what was decided about it afterwards.
        """
        return await self._tell_chosen(held, choosing.find_collection_notice)

    async def on_parcel_expired(self, held: Lease) -> Outcome:
        """Tells the recipient that the time is over; not if they have refused the parcel."""
        parcel, version = await self._get_parcel(held), int(held.facts["version"] or 0)
        is_own = parcel.hold_ended is HoldEnded.REFUSED
        is_news = parcel.state is ParcelState.EXPIRED and not is_own
        outcome = await self._tell(
            held, parcel, NoticeKind.EXPIRED, is_news=is_news, version=version
        )
        return _settled(outcome)

    async def on_parcel_returned(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel is back with its sender."""
        parcel = await self._get_parcel(held)
        is_news = parcel.state is ParcelState.RETURNED
        outcome = await self._tell(held, parcel, NoticeKind.RETURNED, is_news=is_news)
        return _settled(outcome)

    async def on_door_left_open(self, held: Lease) -> Outcome:
        """Asks whoever opened a door to shut it; nothing happens once it is shut."""
        person, fact = held.facts["person"], doors.door_of(held)
        async with self._database.write() as session:
            is_open = await doors.find_left_open(session, fact) is not None
        topic = Topic(held.subject, NoticeKind.DOOR_LEFT_OPEN, fact.seq)
        if person is None or not is_open:
            return await self._teller.suppress(topic)
        errand = Errand(topic=topic, person_id=uuid.UUID(str(person)))
        return _settled(await self._teller.tell(held, errand))

    async def on_security_event(self, held: Lease) -> Outcome:
        """Tells every older phone and every address of an account what was done to it (5.5)."""
        async with self._database.read() as session:
            news = await find_news(session, held)
        if news is None:
            return Dead("there is no such device")
        errand = Errand(topic=news.topic, person_id=news.person_id, older_than=news.older_than)
        return _settled(await self._teller.tell(held, errand))

    async def on_link_renewed(self, held: Lease) -> Outcome:
        """Writes the recipient a letter with a new link; not once a newer one was asked for."""
        series = int(held.facts["series"] or 0)
        parcel = await self._get_parcel(held)
        async with self._database.read() as session:
            is_newest = await is_living_series(session, parcel.id, series)
        outcome = await self._tell(
            held, parcel, NoticeKind.GUEST_LINK, is_news=is_newest, version=series
        )
        return _settled(outcome)

    async def on_code_requested(self, held: Lease) -> Outcome:
        """Writes the letter with a one-time code, which is made now and kept nowhere.

        Nothing happens for a code that was used, or is too old to be.
        """
        now = self._clock.now()
        async with self._database.read() as session:
            letter = await find_code_letter(
                session, self._keyring, request_id=held.subject, now=now
            )
            known = letter and await people.find_contact(session, letter.contact)
            preferences = await get_preferences(session, known.person_id if known else None)
        if letter is None:
            return Done()
        channel = CHANNEL_OF[letter.contact.kind]
        wording = write_code_letter(letter.code, letter.expires_at, preferences.language)
        delivery = await self._teller.post(held.id, channel, letter.contact.address, wording)
        match delivery:
            case Accepted():
                return Done()
            case Later(reason, after_s):
                return Again(reason, after_s)
            case Refused(reason):
                return Dead(reason)
            case Gone():
                return Dead("the address is gone")

    async def _get_parcel(self, held: Lease) -> Parcel:
        return await self._find_parcel(held.subject)

    async def _plan_all(self, parcel_ids: Sequence[uuid.UUID]) -> Sequence[None]:
        async with self._database.write() as session:
            await reminding.plan_next(session, set(parcel_ids), now=self._clock.now())
        return [None] * len(parcel_ids)

    async def _read_waits(
        self, parcel_ids: Sequence[uuid.UUID]
    ) -> Sequence[tuple[Parcel, Waiting | None]]:
        async with self._database.read() as session:
            return await reminding.find_waits(session, parcel_ids)

    async def _read_parcels(self, parcel_ids: Sequence[uuid.UUID]) -> Sequence[Parcel]:
        async with self._database.read() as session:
            found = await parcels.list_parcels_by_ids(session, parcel_ids)
        return [found[parcel_id] for parcel_id in parcel_ids]

    async def _tell_chosen(self, held: Lease, choose: Choice) -> Outcome:
        """What the line of the parcel's history that the event names is worth."""
        parcel, version = await self._get_parcel(held), int(held.facts["version"] or 0)
        async with self._database.read() as session:
            kind, is_news = await choose(session, parcel, version)
        return _settled(await self._tell(held, parcel, kind, is_news=is_news, version=version))

    async def _tell(
        self,
        held: Lease,
        parcel: Parcel,
        kind: NoticeKind,
        *,
        is_news: bool,
        version: int | None = None,
    ) -> Outcome | Over:
        """Tells the parcel's recipient, or gives up what was still to be told of it."""
        topic = Topic(parcel.id, kind, parcel.deadline_version if version is None else version)
        if not is_news or parcel.recipient_id is None:
            return await self._teller.suppress(topic)
        errand = Errand(topic=topic, person_id=parcel.recipient_id, parcel_id=parcel.id)
        return await self._teller.tell(held, errand)

    async def _settle_ready(self, parcel_id: uuid.UUID, *, reached: bool) -> None:
        """The parcel waits from now on, paused if its recipient was not reached."""
        settle = waiting.on_ready_accepted if reached else waiting.on_ready_undeliverable
        now = self._clock.now()
        async with self._database.write() as session:
            await settle(session, parcel_id=parcel_id, at=now, ids=self._ids, now=now)
            # A time that begins anew is no move, so nobody else tells of it.
            await reminding.plan_next(session, [parcel_id], now=now)


def _settled(outcome: Outcome | Over) -> Outcome:
    """Told, or given up: either way there is nothing more to do about the event."""
    return Done() if isinstance(outcome, Over) else outcome
