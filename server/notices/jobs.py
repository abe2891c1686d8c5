"""What notices do when something has happened: handlers of outbox events.

Nothing is sent while a transaction is open: take note, send, take note. Each step may be the last
before a crash; the event then comes again and goes on where the notices' rows say.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from server.access.links import link_address
from server.access.service.guests import is_reached_by_letter_alone
from server.access.service.links import ensure_link, is_living_series
from server.kit.outbox import Again, Dead, Done
from server.lockers.service import doors
from server.notices import queries
from server.notices.delivery import Accepted, Delivery, Gone, Later, Refused
from server.notices.letters import Letter
from server.notices.push import PushAddress, PushMessage
from server.notices.queries import Topic
from server.notices.rules import (
    TO_EVERY_ADDRESS,
    NoticeKind,
    NoticeState,
    Over,
    Send,
    Wait,
    combine,
    decide,
    pause_s,
)
from server.notices.service.security import find_news
from server.notices.tables import RECEIPT_CHARACTERS
from server.notices.wording import NOTICES, Wording, add_link, write_code_letter
from server.parcels import queries as parcels
from server.parcels.service import waiting
from server.parcels.states import ParcelState, Trigger
from server.parcels.tables import PauseCause
from server.people import queries as people
from server.people.preferences import Channel
from server.people.rules import ContactKind
from server.people.service.codes import find_code_letter
from server.people.service.devices import forget_push_target

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from server.kit.clock import Clock
    from server.kit.db import Database, Session
    from server.kit.ids import Ids
    from server.kit.keyring import Keyring
    from server.kit.outbox import Lease, Outcome
    from server.notices.letters import Letters
    from server.notices.push import Push
    from server.notices.queries import Try

_TOLD = frozenset({ParcelState.READY_FOR_PICKUP, ParcelState.EXPIRED})
_ELSEWHERE = frozenset({ParcelState.OUT_FOR_DELIVERY, ParcelState.IN_TRANSIT, ParcelState.AT_HUB})
"""Before and after a move that contradicts what the recipient was told."""

WITH_LINK = frozenset({NoticeKind.READY, NoticeKind.AT_COUNTER, NoticeKind.GUEST_LINK})
"""Kinds whose letters bear a link to the parcel, for recipients without the app."""

CHANNEL_OF = {ContactKind.EMAIL: Channel.EMAIL, ContactKind.PHONE: Channel.SMS}


@dataclass(frozen=True, slots=True)
class Reach:
    """Every address of a person, by channel."""

    push: tuple[PushAddress, ...]
    letters: dict[Channel, tuple[str, ...]]

    @property
    def channels(self) -> frozenset[Channel]:
        """The ways that lead to the person."""
        return frozenset(self.letters) | ({Channel.PUSH} if self.push else frozenset())


@dataclass(frozen=True, slots=True)
class Errand:
    """A person to be told about a topic; of their phones only those older than `older_than`."""

    topic: Topic
    person_id: uuid.UUID
    older_than: datetime | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """One attempt on one channel, noted before it begins."""

    channel: Channel
    attempt: Try
    reach: Reach
    link: str | None = field(default=None, repr=False)
    """For a letter to somebody without the app; made for this attempt and kept nowhere."""


class NoticeJobs:
    """Handlers for the worker; each may be called again with the same event."""

    def __init__(
        self,
        database: Database,
        *,
        push: Push,
        letters: Letters,
        keyring: Keyring,
        ids: Ids,
        clock: Clock,
        public_url: str,
    ) -> None:
        self._database = database
        self._push = push
        self._letters = letters
        self._keyring = keyring
        self._ids = ids
        self._clock = clock
        self._public_url = public_url

    async def on_grant_ready(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel is ready, which starts the time to collect (P12).

        Nothing happens for a parcel that was withdrawn, collected or told about meanwhile.
        """
        async with self._database.read() as session:
            parcel = await parcels.get_parcel(session, held.subject)
        # What was dropped off where it is collected is ready at once, and untold (P6b).
        is_passed = parcel.is_pass_through and parcel.state is ParcelState.READY_FOR_PICKUP
        is_untold = is_passed and parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED
        is_news = parcel.state is ParcelState.DEPOSITED or is_untold
        if not is_news or parcel.recipient_id is None:
            return Done()
        topic = Topic(parcel.id, NoticeKind.READY, parcel.deadline_version)
        return await self._tell(held, Errand(topic, parcel.recipient_id))

    async def on_parcel_moved(self, held: Lease) -> Outcome:
        """Tells the recipient that what was ready is not there any more (P13, P14, P24)."""
        async with self._database.read() as session:
            parcel = await parcels.get_parcel(session, held.subject)
            version = int(held.facts["version"] or 0)
            line = await parcels.find_event(session, parcel.id, number=version)
        is_news = line is not None and line.source in _TOLD and line.target in _ELSEWHERE
        if not is_news or parcel.version != version or parcel.recipient_id is None:
            return Done()
        topic = Topic(parcel.id, NoticeKind.MOVED, version)
        return await self._tell(held, Errand(topic, parcel.recipient_id))

    async def on_parcel_held(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel is held (5.2); not what they have said themselves."""
        async with self._database.read() as session:
            parcel = await parcels.get_parcel(session, held.subject)
            version = int(held.facts["version"] or 0)
            line = await parcels.find_event(session, parcel.id, number=version)
        is_known = line is None or line.trigger is Trigger.OBJECT
        if is_known or parcel.state is not ParcelState.ON_HOLD or parcel.recipient_id is None:
            return Done()
        topic = Topic(parcel.id, NoticeKind.INCIDENT, version)
        return await self._tell(held, Errand(topic, parcel.recipient_id))

    async def on_parcel_at_hub(self, held: Lease) -> Outcome:
        """Tells the recipient that the parcel is at the counter (P11); not once it has left it."""
        async with self._database.read() as session:
            parcel = await parcels.get_parcel(session, held.subject)
        if parcel.state is not ParcelState.AT_HUB or parcel.recipient_id is None:
            return Done()
        topic = Topic(parcel.id, NoticeKind.AT_COUNTER, parcel.deadline_version)
        return await self._tell(held, Errand(topic, parcel.recipient_id))

    async def on_door_left_open(self, held: Lease) -> Outcome:
        """Asks whoever opened a door to shut it; nothing happens once it is shut."""
        person, fact = held.facts["person"], doors.door_of(held)
        async with self._database.write() as session:
            is_open = await doors.find_left_open(session, fact) is not None
        if person is None or not is_open:
            return Done()
        topic = Topic(held.subject, NoticeKind.DOOR_LEFT_OPEN, fact.seq)
        return await self._tell(held, Errand(topic, uuid.UUID(str(person))))

    async def on_security_event(self, held: Lease) -> Outcome:
        """Tells every older phone and every address of an account what was done to it (5.5)."""
        async with self._database.read() as session:
            news = await find_news(session, held)
        if news is None:
            return Dead("there is no such device")
        return await self._tell(held, Errand(news.topic, news.person_id, news.older_than))

    async def on_link_renewed(self, held: Lease) -> Outcome:
        """Writes the recipient a letter with a new link; not once a newer one was asked for."""
        series = int(held.facts["series"] or 0)
        async with self._database.read() as session:
            parcel = await parcels.get_parcel(session, held.subject)
            is_newest = await is_living_series(session, parcel.id, series)
        if not is_newest or parcel.recipient_id is None:
            return Done()
        topic = Topic(parcel.id, NoticeKind.GUEST_LINK, series)
        return await self._tell(held, Errand(topic, parcel.recipient_id))

    async def on_code_requested(self, held: Lease) -> Outcome:
        """Writes the letter with a one-time code, which is made now and kept nowhere.

        Nothing happens for a code that was used, or is too old to be.
        """
        now = self._clock.now()
        async with self._database.read() as session:
            letter = await find_code_letter(
                session, self._keyring, request_id=held.subject, now=now
            )
        if letter is None:
            return Done()
        channel = CHANNEL_OF[letter.contact.kind]
        wording = write_code_letter(letter.code, letter.expires_at)
        delivery = await self._post(held.id, channel, letter.contact.address, wording)
        match delivery:
            case Accepted():
                return Done()
            case Later(reason, after_s):
                return Again(reason, after_s)
            case Refused(reason):
                return Dead(reason)
            case Gone():
                return Dead("the address is gone")

    async def _tell(self, held: Lease, errand: Errand) -> Outcome:
        """One attempt after the other until the rules say that it is over or must wait."""
        tried: dict[Channel, Delivery] = {}
        while True:
            plan = await self._plan(held, errand, tried)
            if not isinstance(plan, Plan):
                return plan
            delivery = await self._send(errand.topic, plan)
            async with self._database.write() as session:
                await self._note(session, plan.attempt, delivery)
            tried[plan.channel] = delivery

    async def _plan(
        self, held: Lease, errand: Errand, tried: Mapping[Channel, Delivery]
    ) -> Plan | Outcome:
        topic, now = errand.topic, self._clock.now()
        async with self._database.write() as session:
            reach = await _find_reach(session, errand)
            past = await queries.list_notices(session, topic)
            step = decide(
                topic.kind,
                {notice.channel: notice.state for notice in past},
                reach=reach.channels,
                tried=tried.keys(),
                waited=now - held.created_at,
            )
            match step:
                case Over(reached):
                    await self._conclude(session, topic, reached=reached)
                    return Done()
                case Wait():
                    return wait_for(topic.kind, tried.values())
                case Send(channel):
                    attempt = await queries.begin_try(
                        session,
                        topic,
                        channel,
                        person_id=errand.person_id,
                        ids=self._ids,
                        now=now,
                    )
                    link = await self._find_link(session, errand, channel)
                    return Plan(channel, attempt, reach, link)

    async def _find_link(self, session: Session, errand: Errand, channel: Channel) -> str | None:
        """The address of the parcel for a recipient whom nothing but letters reaches."""
        topic = errand.topic
        if channel is Channel.PUSH or topic.kind not in WITH_LINK:
            return None
        parcel = await parcels.get_parcel(session, topic.subject)
        is_guest = await is_reached_by_letter_alone(session, parcel)
        if not is_guest and topic.kind is not NoticeKind.GUEST_LINK:
            return None
        now = self._clock.now()
        link = await ensure_link(session, parcel.id, keyring=self._keyring, now=now)
        return None if link is None else link_address(self._public_url, link)

    async def _send(self, topic: Topic, plan: Plan) -> Delivery:
        if plan.channel is Channel.PUSH:
            deliveries = await self._send_push(topic, plan.reach.push, plan.attempt)
        else:
            addresses = plan.reach.letters[plan.channel]
            if topic.kind not in TO_EVERY_ADDRESS:
                addresses = addresses[:1]
            wording = NOTICES[topic.kind]
            if plan.link is not None:
                wording = add_link(wording, plan.link)
            deliveries = [
                await self._post(
                    uuid.uuid5(plan.attempt.notice_id, one), plan.channel, one, wording
                )
                for one in addresses
            ]
        return combine(topic.kind, deliveries)

    async def _send_push(
        self, topic: Topic, addresses: tuple[PushAddress, ...], attempt: Try
    ) -> list[Delivery]:
        wording = NOTICES[topic.kind]
        data = {"kind": topic.kind.value, "subject": str(topic.subject)}
        deliveries = await self._push.send(
            [
                PushMessage(attempt.notice_id, address, wording.title, wording.body, data)
                for address in addresses
            ]
        )
        gone = [
            address.value
            for address, delivery in zip(addresses, deliveries, strict=True)
            if isinstance(delivery, Gone)
        ]
        if gone:
            async with self._database.write() as session:
                for target in gone:
                    await forget_push_target(session, target)
        return deliveries

    async def _post(
        self, letter_id: uuid.UUID, channel: Channel, address: str, wording: Wording
    ) -> Delivery:
        now = self._clock.now()
        letter = Letter(letter_id, channel, address, wording.title, wording.body, now)
        return await self._letters.send(letter)

    async def _note(self, session: Session, attempt: Try, delivery: Delivery) -> None:
        """Writes down what the provider said."""
        state, receipt, reason = NoticeState.FAILED, None, None
        match delivery:
            case Accepted(name):
                state, receipt = NoticeState.ACCEPTED, name[:RECEIPT_CHARACTERS]
            case Later(why, _):
                state, reason = NoticeState.QUEUED, why[:RECEIPT_CHARACTERS]
            case Refused(why):
                reason = why[:RECEIPT_CHARACTERS]
            case Gone():
                reason = "the address is gone"
        await queries.end_try(
            session, attempt, state, receipt=receipt, reason=reason, now=self._clock.now()
        )

    async def _conclude(self, session: Session, topic: Topic, *, reached: bool) -> None:
        """For READY: the parcel waits from now on, paused if its recipient was not reached."""
        if topic.kind is NoticeKind.READY:
            settle = waiting.on_ready_accepted if reached else waiting.on_ready_undeliverable
            now = self._clock.now()
            await settle(session, parcel_id=topic.subject, at=now, ids=self._ids, now=now)


def wait_for(kind: NoticeKind, tried: Iterable[Delivery]) -> Again:
    """The pause that the most patient of the silent providers asks for."""
    silent = [one for one in tried if isinstance(one, Later)]
    pauses = [pause_s(kind, one) or 0 for one in silent]
    return Again(silent[-1].reason, max(pauses) or None)


async def _find_reach(session: Session, errand: Errand) -> Reach:
    devices = await people.list_devices(session, errand.person_id)
    contacts = await people.list_contacts(session, errand.person_id)
    push = tuple(
        PushAddress(device.push_kind, device.push_target)
        for device in devices
        if device.push_kind and device.push_target
        if errand.older_than is None or device.registered_at < errand.older_than
        if errand.topic.kind is not NoticeKind.GUEST_LINK  # which only a letter can bear
    )
    letters: dict[Channel, tuple[str, ...]] = {}
    for contact in contacts:
        channel = CHANNEL_OF[contact.kind]
        letters[channel] = (*letters.get(channel, ()), contact.address)
    return Reach(push, letters)
