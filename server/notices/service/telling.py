"""Telling one person one thing: which way, in which words, with or without a sound, and what for.

Nothing is sent while a transaction is open: take note, send, take note. Each step may be the last
before a crash; whoever calls again with the same topic goes on where the notices' rows say.
"""

from __future__ import annotations

import asyncio
import itertools
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from schema.compartments import ClimateZone
from server.access.links import link_address
from server.access.service.guests import is_reached_by_letter_alone
from server.access.service.links import ensure_link
from server.hubs.service import list_hubs_by_ids
from server.kit import outbox
from server.kit.gather import Gather
from server.kit.outbox import Again, Done
from server.notices import queries
from server.notices.delivery import Accepted, Delivery, Gone, Later, Refused
from server.notices.letters import Letter
from server.notices.push import PushAddress, PushMessage
from server.notices.queries import Beginning, Ending
from server.notices.rules import (
    GENTLE,
    TO_EVERY_ADDRESS,
    Case,
    NoticeKind,
    NoticeState,
    Over,
    Rest,
    Send,
    Wait,
    combine,
    decide,
    find_quiet_end,
    find_waited,
    pause_s,
)
from server.notices.tables import RECEIPT_CHARACTERS
from server.notices.wording import Facts, Wording, add_link, hide_hub, write_notice
from server.parcels import queries as parcels
from server.people import queries as people
from server.people.preferences import Channel
from server.people.rules import ContactKind
from server.people.service.devices import forget_push_target
from server.people.service.preferences import list_preferences

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from zoneinfo import ZoneInfo

    from server.hubs.tables import Hub
    from server.kit.clock import Clock
    from server.kit.db import Database, Session
    from server.kit.ids import Ids
    from server.kit.keyring import Keyring
    from server.kit.outbox import Lease, Outcome
    from server.notices.letters import Letters
    from server.notices.push import Push
    from server.notices.queries import Topic, Try
    from server.notices.tables import Notice
    from server.parcels.tables import Parcel
    from server.people.preferences import DailySpan, Preferences
    from server.people.tables import ContactAddress, Device

NOTICE_MORNING = "notice.morning"
"""Outbox event, due when the quiet is over in which a notice came without a sound."""

WITH_LINK = frozenset(
    {
        NoticeKind.READY,
        NoticeKind.READY_AGAIN,
        NoticeKind.REMIND_1,
        NoticeKind.REMIND_2,
        NoticeKind.REMIND_3,
        NoticeKind.COOL_1,
        NoticeKind.COOL_2,
        NoticeKind.COOL_3,
        NoticeKind.EXTENDED,
        NoticeKind.HUB_CLOSED,
        NoticeKind.MOVED,
        NoticeKind.EXCURSION,
        NoticeKind.CLIMATE_HOLD,
        NoticeKind.INCIDENT,
        NoticeKind.AT_COUNTER,
        NoticeKind.GUEST_LINK,
    }
)
"""Kinds whose letters bear a link to the parcel, for recipients without the app: there is something
to look up or to fetch.
"""

FOR_COOLED = frozenset({NoticeKind.READY, NoticeKind.COOL_1, NoticeKind.COOL_2, NoticeKind.COOL_3})
"""Kinds for which the owner of cooled goods may have allowed us to break the quiet."""

CHANNEL_OF = {ContactKind.EMAIL: Channel.EMAIL, ContactKind.PHONE: Channel.SMS}

NOWHERE = "UTC"
"""The zone of a person who has named none, for what is about no hub."""


PUSHES_AT_ONCE = 3
"""Calls of the push provider at the same time: a slow one holds only its own messages back."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Every address of a person, by channel."""

    push: tuple[PushAddress, ...]
    letters: dict[Channel, tuple[str, ...]]

    @property
    def channels(self) -> frozenset[Channel]:
        """The ways that lead to the person."""
        return frozenset(self.letters) | ({Channel.PUSH} if self.push else frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A person to be told about a topic; of their phones only those older than `older_than`.

    `parcel_id` names the parcel that it is about, if it is; `breaks_quiet` is for what cannot wait
    although others of its kind can.
    """

    topic: Topic
    person_id: uuid.UUID
    parcel_id: uuid.UUID | None = None
    older_than: datetime | None = None
    breaks_quiet: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """The person and the place, as they are at this moment."""

    preferences: Preferences
    reach: Reach
    parcel: Parcel | None
    facts: Facts
    zone: ZoneInfo
    quiet: DailySpan | None
    """The quiet hours that this must keep; None if it may break them."""
    quiet_end: datetime | None
    """When they are over; None while it is not quiet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One attempt on one channel, noted before it begins."""

    step: Send
    attempt: Try
    reach: Reach
    wording: Wording
    quiet_end: datetime | None


class Teller:
    """Tells people; one for each worker."""

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
        self._sendings: set[asyncio.Task[Delivery]] = set()

        self._find_scenes = Gather(self._read_scenes)
        self._begin = Gather(self._begin_tries)
        self._push_all = Gather(self._send_messages, at_once=PUSHES_AT_ONCE)
        self._note = Gather(self._end_tries)

    async def tell(self, held: Lease, errand: Errand) -> Outcome | Over:
        """One attempt after the other until the rules say that it is over or must wait."""
        tried: dict[Channel, Delivery] = {}
        while True:
            plan = await self._plan(held, errand, tried)
            if not isinstance(plan, Plan):
                return plan
            delivery = await self._carry_out(errand, plan)
            tried[plan.step.channel] = delivery
            if isinstance(delivery, Accepted) and errand.topic.kind not in TO_EVERY_ADDRESS:
                return Over(reached=True)

    async def _carry_out(self, errand: Errand, plan: Plan) -> Delivery:
        """Sends and takes note, both to the end even if the time of our caller is over meanwhile:
        what a provider has taken and nobody wrote down would be sent again.
        """

        async def send_and_note() -> Delivery:
            delivery = await self._send(errand, plan)
            await self._note((errand, plan, delivery))
            return delivery

        sending = asyncio.create_task(send_and_note())
        self._sendings.add(sending)
        sending.add_done_callback(self._sendings.discard)
        return await asyncio.shield(sending)

    async def suppress(self, topic: Topic) -> Done:
        """What waits to be told of this is no longer so: it is never sent."""
        async with self._database.write() as session:
            await queries.suppress(session, topic, now=self._clock.now())
        return Done()

    async def post(
        self, letter_id: uuid.UUID, channel: Channel, address: str, wording: Wording
    ) -> Delivery:
        """One letter to one address; under the same id it is the same letter."""
        now = self._clock.now()
        letter = Letter(letter_id, channel, address, wording.title, wording.body, now)
        return await self._letters.send(letter)

    async def _plan(
        self, held: Lease, errand: Errand, tried: Mapping[Channel, Delivery]
    ) -> Plan | Outcome | Over:
        topic, now = errand.topic, self._clock.now()
        scene, past = await self._find_scenes(errand)
        case = Case(
            past={notice.channel: notice.state for notice in past},
            reach=scene.reach.channels,
            tried=tried.keys(),
            order=scene.preferences.channels,
            waited=find_waited(scene.quiet, since=held.since, now=now, zone=scene.zone),
            is_quiet=scene.quiet_end is not None,
        )
        match decide(topic.kind, case):
            case Over() as over:
                return over
            case Wait():
                return wait_for(topic.kind, tried.values())
            case Rest():
                until = scene.quiet_end or now
                return Again("quiet hours", max(1, int((until - now).total_seconds())))
            case Send() as step:
                is_fallback = _is_fallback(topic.kind, step.channel, past)
                attempt = await self._begin(
                    Beginning(topic, step.channel, errand.person_id, is_fallback)
                )
                wording = await self._write(errand, step, scene)
                return Plan(step, attempt, scene.reach, wording, scene.quiet_end)

    async def _begin_tries(self, beginnings: Sequence[Beginning]) -> Sequence[Try]:
        async with self._database.write() as session:
            return await queries.begin_tries(
                session, beginnings, ids=self._ids, now=self._clock.now()
            )

    async def _read_scenes(
        self, errands: Sequence[Errand]
    ) -> Sequence[tuple[Scene, Sequence[Notice]]]:
        people_ids = {errand.person_id for errand in errands}
        parcel_ids = {errand.parcel_id for errand in errands if errand.parcel_id}
        topics = {errand.topic for errand in errands}
        async with self._database.read() as session:
            past = await queries.list_notices(session, topics)
            preferences = await list_preferences(session, people_ids)
            found = await parcels.list_parcels_by_ids(session, parcel_ids)
            hubs = await list_hubs_by_ids(session, {one.hub_id for one in found.values()})
            devices = await people.list_devices_of(session, people_ids)
            contacts = await people.list_contacts_of(session, people_ids)
        scenes = []
        for errand in errands:
            parcel = found[errand.parcel_id] if errand.parcel_id else None
            scene = self._set_scene(
                errand,
                preferences[errand.person_id],
                _reach_of(errand, devices, contacts),
                parcel,
                hubs[parcel.hub_id] if parcel else None,
            )
            scenes.append((scene, past.get(errand.topic, ())))
        return scenes

    def _set_scene(
        self,
        errand: Errand,
        preferences: Preferences,
        reach: Reach,
        parcel: Parcel | None,
        hub: Hub | None,
    ) -> Scene:
        zone = preferences.zone(NOWHERE if hub is None else hub.time_zone)
        until = None if parcel is None else _until(errand.topic.kind, parcel)
        facts = Facts(hub.name if hub else "", until.astimezone(zone) if until else None)
        is_loud = errand.breaks_quiet or _may_break(errand.topic.kind, parcel, preferences)
        quiet = None if is_loud else preferences.quiet
        quiet_end = find_quiet_end(quiet, self._clock.now(), zone)
        return Scene(preferences, reach, parcel, facts, zone, quiet, quiet_end)

    async def _write(self, errand: Errand, step: Send, scene: Scene) -> Wording:
        """The words; a letter to a recipient whom nothing else reaches bears a link."""
        topic, language = errand.topic, scene.preferences.language
        wording = write_notice(topic.kind, language, scene.facts)
        if step.channel is Channel.PUSH and not scene.preferences.names_hub_on_screen:
            return hide_hub(wording, topic.kind, language)
        if step.channel is Channel.PUSH or topic.kind not in WITH_LINK or scene.parcel is None:
            return wording
        async with self._database.write() as session:
            is_guest = await is_reached_by_letter_alone(session, scene.parcel)
            if not is_guest and topic.kind is not NoticeKind.GUEST_LINK:
                return wording
            link = await ensure_link(
                session, scene.parcel.id, keyring=self._keyring, now=self._clock.now()
            )
        if link is None:
            return wording
        return add_link(wording, link_address(self._public_url, link), language)

    async def _send(self, errand: Errand, plan: Plan) -> Delivery:
        kind, channel = errand.topic.kind, plan.step.channel
        if channel is Channel.PUSH:
            deliveries = await self._send_push(errand, plan)
        else:
            addresses = plan.reach.letters[channel]
            if kind not in TO_EVERY_ADDRESS:
                addresses = addresses[:1]
            deliveries = [
                await self.post(uuid.uuid5(plan.attempt.notice_id, one), channel, one, plan.wording)
                for one in addresses
            ]
        return combine(kind, deliveries)

    async def _send_push(self, errand: Errand, plan: Plan) -> list[Delivery]:
        topic, notice_id = errand.topic, plan.attempt.notice_id
        data = {"kind": topic.kind.value, "subject": str(topic.subject)}
        messages = [
            PushMessage(
                id=notice_id,
                address=address,
                title=plan.wording.title,
                body=plan.wording.body,
                data=data,
                collapse=(errand.parcel_id or notice_id).hex,
                is_silent=plan.step.is_silent,
            )
            for address in plan.reach.push
        ]
        deliveries = await self._push_all(messages)
        gone = [
            message.address.value
            for message, delivery in zip(messages, deliveries, strict=True)
            if isinstance(delivery, Gone)
        ]
        if gone:
            async with self._database.write() as session:
                for target in gone:
                    await forget_push_target(session, target)
        return deliveries

    async def _send_messages(
        self, portions: Sequence[Sequence[PushMessage]]
    ) -> Sequence[list[Delivery]]:
        """The messages of several notices in one call of the provider."""
        answers = iter(await self._push.send([one for portion in portions for one in portion]))
        return [list(itertools.islice(answers, len(portion))) for portion in portions]

    async def _end_tries(self, sent: Sequence[tuple[Errand, Plan, Delivery]]) -> Sequence[None]:
        """Writes down what the provider said."""
        now = self._clock.now()
        async with self._database.write() as session:
            for errand, plan, delivery in sent:
                if isinstance(delivery, Accepted):
                    await self._tell_again(session, errand, plan, now)
            endings = [_ending(errand, plan, delivery) for errand, plan, delivery in sent]
            await queries.end_tries(session, endings, now=now)
        return [None] * len(sent)

    async def _tell_again(
        self, session: Session, errand: Errand, plan: Plan, now: datetime
    ) -> None:
        """What came without a sound because it was quiet is told once more when it is not."""
        if errand.topic.kind not in GENTLE or plan.quiet_end is None:
            return
        await outbox.append(
            session,
            id=uuid.uuid5(plan.attempt.notice_id, NOTICE_MORNING),
            kind=NOTICE_MORNING,
            subject=errand.topic.subject,
            facts={"version": errand.topic.version},
            at=now,
            not_before=plan.quiet_end,
        )


def wait_for(kind: NoticeKind, tried: Iterable[Delivery]) -> Again:
    """The pause that the most patient of the silent providers asks for."""
    silent = [one for one in tried if isinstance(one, Later)]
    pauses = [pause_s(kind, one) or 0 for one in silent]
    return Again(silent[-1].reason, max(pauses) or None)


def _is_fallback(kind: NoticeKind, channel: Channel, past: Iterable[Notice]) -> bool:
    """Whether another channel should have done, and this one follows because it did not."""
    return kind not in TO_EVERY_ADDRESS and any(one.channel is not channel for one in past)


def _until(kind: NoticeKind, parcel: Parcel) -> datetime | None:
    """The last moment to come; of what is over only the right to collect."""
    return parcel.available_through if kind is NoticeKind.EXPIRED else parcel.collect_by


def _may_break(kind: NoticeKind, parcel: Parcel | None, preferences: Preferences) -> bool:
    """Whether the owner of cooled goods has allowed this to be heard at night."""
    is_cooled = parcel is not None and parcel.climate_zone is not ClimateZone.AMBIENT
    return is_cooled and kind in FOR_COOLED and preferences.may_cooled_break_quiet


def _ending(errand: Errand, plan: Plan, delivery: Delivery) -> Ending:
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
    return Ending(plan.attempt, errand.person_id, state, receipt, reason)


def _reach_of(
    errand: Errand, devices: Iterable[Device], contacts: Iterable[ContactAddress]
) -> Reach:
    push = tuple(
        PushAddress(device.push_kind, device.push_target)
        for device in devices
        if device.person_id == errand.person_id and device.push_kind and device.push_target
        if errand.older_than is None or device.registered_at < errand.older_than
        if errand.topic.kind is not NoticeKind.GUEST_LINK  # which only a letter can bear
    )
    letters: dict[Channel, tuple[str, ...]] = {}
    for contact in contacts:
        if contact.person_id == errand.person_id:
            channel = CHANNEL_OF[contact.kind]
            letters[channel] = (*letters.get(channel, ()), contact.address)
    return Reach(push, letters)
