"""Events become notices: told once, by the way that works, and the parcel knows."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import col, select

from schema.compartments import ClimateZone, DoorState
from server.climate.rules import Spoiling
from server.climate.service import EXCURSION_BEGAN
from server.hubs.tables import Hub
from server.kit import outbox
from server.kit.errors import Refusal
from server.kit.outbox import Again, Dead, Done, Facts, Lease, Outbox
from server.lockers.rules import ClimateState
from server.lockers.service.doors import DOOR_LEFT_OPEN
from server.lockers.tables import Compartment
from server.notices.delivery import Accepted, Gone, Later, Refused
from server.notices.jobs import NoticeJobs
from server.notices.queries import Beginning, Topic, begin_tries
from server.notices.rules import GIVE_UP_AFTER, LETTERS_AFTER, NoticeKind, NoticeState
from server.notices.service.telling import NOTICE_MORNING, Teller
from server.notices.tables import Notice, Reminder
from server.parcels.states import Authority, ParcelState, Party, Trigger
from server.parcels.tables import Assurance, HoldEnded, Parcel, ParcelEvent, PauseCause, Stay
from server.people.preferences import Channel, Language, Preferences
from server.people.rules import ContactKind, PushKind
from server.people.service.codes import CODE_REQUESTED, OneTimeCodes
from server.people.service.preferences import change_preferences, get_preferences
from server.people.tables import ContactAddress, Device
from server.pickups.service import windows
from server.pickups.tables import PickupWindow
from tests.fakes.providers import ListedLetters, ListedPush
from tests.fakes.town import Town, build_town, key_of

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

PHONE = "fcm-of-the-phone"


class Office:
    """The notices' handlers over one database, with a recipient whose parcel was deposited."""

    def __init__(
        self,
        database: Database,
        town: Town,
        *,
        keyring: DerivedKeyring,
        ids: CountedIds,
        clock: MovableClock,
    ) -> None:
        self.database = database
        self.town = town
        self.ids = ids
        self.clock = clock
        self.keyring = keyring
        self.push = ListedPush()
        self.letters = ListedLetters()
        self.teller = Teller(
            database,
            push=self.push,
            letters=self.letters,
            keyring=keyring,
            ids=ids,
            clock=clock,
            public_url="https://hubs.example.org",
        )
        self.jobs = NoticeJobs(database, self.teller, keyring=keyring, ids=ids, clock=clock)

    def lease(self, kind: str, subject: uuid.UUID) -> Lease:
        now = self.clock.now()
        return Lease(self.ids.new(), kind, subject, {}, 1, now, now + timedelta(seconds=30))

    async def add_push(self, name: str, target: str) -> None:
        async with self.database.write() as session:
            device = await session.get(Device, key_of(f"{name} phone"))
            assert device is not None
            device.push_kind, device.push_target = PushKind.FCM_TOKEN, target
            session.add(device)

    async def add_contact(
        self, address: str, kind: ContactKind = ContactKind.EMAIL, name: str = "recipient"
    ) -> None:
        async with self.database.write() as session:
            session.add(
                ContactAddress(
                    id=self.ids.new(),
                    created_at=self.clock.now(),
                    person_id=key_of(name),
                    kind=kind,
                    address=address,
                )
            )

    async def add_parcel(self, state: ParcelState = ParcelState.DEPOSITED) -> Lease:
        """A parcel for the recipient and the event that its grant is ready."""
        async with self.database.write() as session:
            parcel = await self.town.add_parcel(session, state=state)
        return self.lease("grant.ready", parcel.id)

    async def read_parcel(self) -> Parcel:
        async with self.database.read() as session:
            parcel = await session.get(Parcel, key_of("parcel"))
        assert parcel is not None
        return parcel

    async def read_notices(self) -> dict[Channel, Notice]:
        async with self.database.read() as session:
            notices = (await session.exec(select(Notice))).all()
        return {notice.channel: notice for notice in notices}


@pytest.fixture
async def office(
    database: Database, keyring: DerivedKeyring, ids: CountedIds, clock: MovableClock
) -> Office:
    async with database.write() as session:
        town = await build_town(session)
    return Office(database, town, keyring=keyring, ids=ids, clock=clock)


async def test_accepted_push_makes_the_parcel_ready(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    assert await office.jobs.on_grant_ready(await office.add_parcel()) == Done()
    parcel = await office.read_parcel()
    assert parcel.state is ParcelState.READY_FOR_PICKUP
    assert parcel.pause_cause is None
    [message] = office.push.sent
    assert message.address.value == PHONE
    assert message.data == {"kind": "READY", "subject": str(parcel.id)}
    notice = (await office.read_notices())[Channel.PUSH]
    assert (notice.id, notice.state, notice.receipt) == (
        message.id,
        NoticeState.ACCEPTED,
        "push-receipt",
    )
    assert not office.letters.sent


async def test_what_was_taken_after_the_time_of_a_job_is_noted_all_the_same(
    office: Office,
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel()
    office.push.may_answer.clear()
    telling = asyncio.create_task(office.jobs.on_grant_ready(held))
    await office.push.was_asked.wait()
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
    office.push.may_answer.set()
    while (await office.read_notices())[Channel.PUSH].state is NoticeState.QUEUED:
        pass
    assert await office.jobs.on_grant_ready(held) == Done()
    assert len(office.push.sent) == 1
    assert (await office.read_parcel()).state is ParcelState.READY_FOR_PICKUP


async def test_every_phone_of_the_recipient_is_told(office: Office) -> None:
    async with office.database.write() as session:
        await office.town.add_phone(session, "recipient second")
    await office.add_push("recipient", PHONE)
    await office.add_push("recipient second", "fcm-2")
    await office.add_push("stranger", "fcm-of-a-stranger")
    await office.jobs.on_grant_ready(await office.add_parcel())
    assert {message.address.value for message in office.push.sent} == {PHONE, "fcm-2"}


async def test_recipient_without_push_gets_one_mail(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    await office.add_contact("other@example.org")
    assert await office.jobs.on_grant_ready(await office.add_parcel()) == Done()
    assert [letter.address for letter in office.letters.sent] == ["recipient@example.org"]
    assert (await office.read_parcel()).state is ParcelState.READY_FOR_PICKUP


async def test_phone_number_is_written_to_when_there_is_nothing_else(office: Office) -> None:
    await office.add_contact("+37251234567", ContactKind.PHONE)
    await office.jobs.on_grant_ready(await office.add_parcel())
    [letter] = office.letters.sent
    assert (letter.channel, letter.address) == (Channel.SMS, "+37251234567")


async def test_dead_push_target_is_forgotten_and_a_mail_goes_out(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    office.push.answers[PHONE] = Gone()
    assert await office.jobs.on_grant_ready(await office.add_parcel()) == Done()
    async with office.database.read() as session:
        device = await session.get(Device, key_of("recipient phone"))
    assert device is not None
    assert device.push_target is None
    notices = await office.read_notices()
    assert notices[Channel.PUSH].state is NoticeState.FAILED
    assert notices[Channel.EMAIL].state is NoticeState.ACCEPTED
    assert (await office.read_parcel()).pause_cause is None


async def test_unknown_outcome_is_tried_again_and_told_under_the_same_id(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    office.push.answers[PHONE] = Later("quota", 17)
    held = await office.add_parcel()
    assert await office.jobs.on_grant_ready(held) == Again("quota", 17)
    assert (await office.read_parcel()).state is ParcelState.DEPOSITED
    office.push.answers.clear()
    assert await office.jobs.on_grant_ready(held) == Done()
    first, second = office.push.sent
    assert first.id == second.id
    assert (await office.read_notices())[Channel.PUSH].attempts == 2


async def test_push_that_stays_unanswered_is_followed_by_a_mail(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    office.push.answers[PHONE] = Later("silence")
    held = await office.add_parcel()
    await office.jobs.on_grant_ready(held)
    office.clock.move(seconds=LETTERS_AFTER.total_seconds())
    assert await office.jobs.on_grant_ready(held) == Done()
    assert len(office.letters.sent) == 1


async def test_parcel_of_an_unreachable_recipient_is_ready_but_its_time_stands(
    office: Office,
) -> None:
    assert await office.jobs.on_grant_ready(await office.add_parcel()) == Done()
    parcel = await office.read_parcel()
    assert parcel.state is ParcelState.READY_FOR_PICKUP
    assert parcel.pause_cause is PauseCause.NOTICE_UNDELIVERED


async def test_providers_silent_for_half_a_day_count_as_unreachable(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    office.push.answers[PHONE] = Later("silence")
    held = await office.add_parcel()
    await office.jobs.on_grant_ready(held)
    night_s = 10 * 3600
    office.clock.move(seconds=GIVE_UP_AFTER.total_seconds() + night_s)
    assert await office.jobs.on_grant_ready(held) == Done()
    assert (await office.read_parcel()).pause_cause is PauseCause.NOTICE_UNDELIVERED


async def test_event_that_comes_twice_tells_once(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel()
    await office.jobs.on_grant_ready(held)
    assert await office.jobs.on_grant_ready(held) == Done()
    assert len(office.push.sent) == 1


async def test_crash_after_the_acceptance_sends_nothing_more_and_moves_the_parcel(
    office: Office,
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel()
    async with office.database.write() as session:
        parcel = await office.read_parcel()
        session.add(
            Notice(
                id=office.ids.new(),
                person_id=key_of("recipient"),
                subject=parcel.id,
                kind=NoticeKind.READY,
                version=parcel.deadline_version,
                channel=Channel.PUSH,
                state=NoticeState.ACCEPTED,
                created_at=office.clock.now(),
                attempts=1,
            )
        )
    assert await office.jobs.on_grant_ready(held) == Done()
    assert not office.push.sent
    assert (await office.read_parcel()).state is ParcelState.READY_FOR_PICKUP


@pytest.mark.parametrize(
    "state", [ParcelState.COLLECTING, ParcelState.COLLECTED, ParcelState.OUT_FOR_DELIVERY]
)
async def test_nobody_is_told_about_a_parcel_that_no_longer_waits(
    office: Office, state: ParcelState
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel(ParcelState.DEPOSITED)
    async with office.database.write() as session:
        parcel = await session.get(Parcel, key_of("parcel"))
        assert parcel is not None
        parcel.state, parcel.collected_at = state, office.clock.now()
        session.add(parcel)
    assert await office.jobs.on_grant_ready(held) == Done()
    assert not office.push.sent


@pytest.mark.parametrize("has_begun", [False, True])
async def test_whatever_was_still_to_be_told_of_a_collected_parcel_is_never_sent(
    office: Office, *, has_begun: bool
) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    held = await office.add_parcel(ParcelState.READY_FOR_PICKUP)
    facts: Facts = {"version": 1, "change": "OUTAGE", "kind": "REMIND_1"}
    held = replace(held, facts=facts)
    jobs = office.jobs
    late = {
        NoticeKind.READY: jobs.on_grant_ready,
        NoticeKind.READY_AGAIN: jobs.on_morning,
        NoticeKind.EXTENDED: jobs.on_deadline_changed,
        NoticeKind.REMIND_1: jobs.on_reminder_due,
        NoticeKind.REDIRECTED: jobs.on_parcel_redirected,
        NoticeKind.MOVED: jobs.on_parcel_moved,
        NoticeKind.INCIDENT: jobs.on_parcel_held,
        NoticeKind.EXCURSION: jobs.on_excursion_began,
        NoticeKind.DISPUTED_BY_OTHER: jobs.on_parcel_disputed,
        NoticeKind.AT_COUNTER: jobs.on_parcel_at_hub,
        NoticeKind.WINDOW_OPEN: jobs.on_window_open,
        NoticeKind.EXPIRED: jobs.on_parcel_expired,
        NoticeKind.RETURNED: jobs.on_parcel_returned,
    }
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, held.subject)
        parcel.state, parcel.collected_at = ParcelState.COLLECTED, office.clock.now()
        parcel.version, parcel.deadline_version = 9, 1
        for kind in late if has_begun else ():
            topic = Topic(parcel.id, kind, 1)
            beginning = Beginning(topic, Channel.PUSH, key_of("recipient"), is_fallback=False)
            await begin_tries(session, [beginning], ids=office.ids, now=office.clock.now())
    for on_event in late.values():
        assert await on_event(held) == Done()
    assert office.push.sent == []
    assert office.letters.sent == []
    async with office.database.read() as session:
        states = [one.state for one in (await session.exec(select(Notice))).all()]
    assert states == [NoticeState.SUPPRESSED] * (len(late) if has_begun else 0)


async def test_recipient_hears_once_that_a_parcel_waits_at_the_counter(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    arrived = replace(await office.add_parcel(ParcelState.AT_HUB), kind="parcel.at_hub")
    for _ in range(2):
        assert await office.jobs.on_parcel_at_hub(arrived) == Done()
    [letter] = office.letters.sent
    assert letter.subject == "A parcel waits for you at a counter"


async def test_a_parcel_that_left_the_counter_again_is_no_news(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    left = await office.add_parcel(ParcelState.RETURNING)
    assert await office.jobs.on_parcel_at_hub(left) == Done()
    assert office.letters.sent == []


async def hold_parcel(office: Office, trigger: Trigger, reason: str | None = None) -> Lease:
    """A parcel that is held, and the event that says so."""
    async with office.database.write() as session:
        parcel = await office.town.add_parcel(session, state=ParcelState.ON_HOLD)
        parcel.version = 4
        session.add(
            ParcelEvent(
                id=office.ids.new(),
                parcel_id=parcel.id,
                number=4,
                at=office.clock.now(),
                recorded_at=office.clock.now(),
                row="P18",
                trigger=trigger,
                source=ParcelState.COLLECTING,
                target=ParcelState.ON_HOLD,
                authority=Authority.FACT,
                party=Party.AGT,
                reason=reason,
            )
        )
    return replace(office.lease("parcel.held", parcel.id), facts={"row": "P18", "version": 4})


async def test_recipient_hears_once_that_a_parcel_is_held(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    held = await hold_parcel(office, Trigger.CLOSE_OVERDUE)
    for _ in range(2):
        assert await office.jobs.on_parcel_held(held) == Done()
    [letter] = office.letters.sent
    assert letter.subject == "Something is wrong with your parcel"
    notices = await office.read_notices()
    assert [(one.kind, one.version) for one in notices.values()] == [(NoticeKind.INCIDENT, 4)]


async def test_who_objected_hears_once_and_without_a_sound_that_it_arrived(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    held = await hold_parcel(office, Trigger.OBJECT)
    for _ in range(2):
        assert await office.jobs.on_parcel_held(held) == Done()
    [message] = office.push.sent
    assert (message.title, message.is_silent) == ("Your objection has arrived", True)
    notices = await office.read_notices()
    assert [(one.kind, one.version) for one in notices.values()] == [(NoticeKind.DISPUTED, 4)]


@pytest.mark.parametrize("why", Spoiling)
async def test_who_must_not_eat_it_is_told_so_at_night_too(office: Office, why: Spoiling) -> None:
    await office.add_push("recipient", PHONE)
    office.clock.move(hours=NIGHT_HOURS)
    held = await hold_parcel(office, Trigger.HOLD, reason=why)
    for _ in range(2):
        assert await office.jobs.on_parcel_held(held) == Done()
    [message] = office.push.sent
    assert message.title == "Your cooled parcel may not be safe any more"
    assert "Do not eat" in message.body
    assert not message.is_silent


async def warm_up(office: Office, *, climate: ClimateState, state: ParcelState) -> Lease:
    """A parcel behind a door that is not as cold as it should be, and the event that says so."""
    async with office.database.write() as session:
        parcel = await office.town.add_parcel(session, state=state)
        stay = Stay(
            id=key_of("stay"),
            name=bytes(8),
            created_at=office.clock.now(),
            locker_id=office.town.locker_id,
            compartment_id=key_of("door 1"),
        )
        session.add(stay)
        await session.flush()
        parcel.stay_id, parcel.climate_zone = stay.id, ClimateZone.CHILLED
        parcel.available_through = office.clock.now() + timedelta(hours=24)
        door = await session.get_one(Compartment, key_of("door 1"))
        door.climate = climate
    return replace(office.lease(EXCURSION_BEGAN, parcel.id), facts={"version": 17})


async def test_an_excursion_is_told_at_night_too_and_once(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    office.clock.move(hours=NIGHT_HOURS)
    held = await warm_up(office, climate=ClimateState.EXCURSION, state=ParcelState.READY_FOR_PICKUP)
    for _ in range(2):
        assert await office.jobs.on_excursion_began(held) == Done()
    [message] = office.push.sent
    assert (message.title, message.is_silent) == ("Please fetch your cooled parcel soon", False)
    notice = (await office.read_notices())[Channel.PUSH]
    assert (notice.kind, notice.version) == (NoticeKind.EXCURSION, 17)


@pytest.mark.parametrize(
    ("climate", "state"),
    [
        (ClimateState.READY, ParcelState.READY_FOR_PICKUP),
        (ClimateState.EXCURSION, ParcelState.COLLECTED),
        (ClimateState.EXCURSION, ParcelState.COLLECTING),
        (ClimateState.FAULT, ParcelState.ON_HOLD),
    ],
)
async def test_an_excursion_that_is_over_or_of_no_matter_is_no_news(
    office: Office, climate: ClimateState, state: ParcelState
) -> None:
    await office.add_push("recipient", PHONE)
    held = await warm_up(office, climate=climate, state=ParcelState.READY_FOR_PICKUP)
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, held.subject)
        parcel.state, parcel.collected_at = state, office.clock.now()
    assert await office.jobs.on_excursion_began(held) == Done()
    assert office.push.sent == []


async def dispute_parcel(
    office: Office, party: Party, *, state: ParcelState = ParcelState.DISPUTED
) -> Lease:
    """A parcel whose collection somebody disputes, and the event that says so."""
    async with office.database.write() as session:
        parcel = await office.town.add_parcel(session)
        parcel.state, parcel.collected_at, parcel.version = state, office.clock.now(), 4
        session.add(
            ParcelEvent(
                id=office.ids.new(),
                parcel_id=parcel.id,
                number=4,
                at=office.clock.now(),
                recorded_at=office.clock.now(),
                row="P29",
                trigger=Trigger.DISPUTE,
                source=ParcelState.COLLECTED,
                target=ParcelState.DISPUTED,
                authority=Authority.INTENT,
                party=party,
            )
        )
    return replace(office.lease("parcel.disputed", parcel.id), facts={"row": "P29", "version": 4})


@pytest.mark.parametrize(
    ("party", "title"),
    [
        (Party.REC, "Your objection has arrived"),
        (Party.SND, "Somebody doubts that you have your parcel"),
        (Party.COU, "Somebody doubts that you have your parcel"),
    ],
)
async def test_every_phone_of_the_recipient_hears_of_a_dispute_without_a_sound(
    office: Office, party: Party, title: str
) -> None:
    await office.add_push("recipient", PHONE)
    async with office.database.write() as session:
        await office.town.add_phone(session, "recipient other")
    await office.add_push("recipient other", "fcm-of-the-other")
    held = await dispute_parcel(office, party)
    for _ in range(2):
        assert await office.jobs.on_parcel_disputed(held) == Done()
    assert [(one.title, one.is_silent) for one in office.push.sent] == [(title, True)] * 2
    assert {one.address.value for one in office.push.sent} == {PHONE, "fcm-of-the-other"}


async def test_a_dispute_that_was_decided_is_told_as_decided_alone(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    held = await dispute_parcel(office, Party.REC, state=ParcelState.COLLECTED)
    assert await office.jobs.on_parcel_disputed(held) == Done()
    for _ in range(2):
        assert await office.jobs.on_dispute_resolved(held) == Done()
    [message] = office.push.sent
    assert message.title == "It was decided about your parcel"


async def test_a_decision_is_no_news_once_it_is_disputed_anew(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    held = await dispute_parcel(office, Party.SND)
    assert await office.jobs.on_dispute_resolved(held) == Done()
    assert office.push.sent == []


async def test_what_waits_again_after_a_dispute_is_reminded_of(office: Office) -> None:
    held = await dispute_parcel(office, Party.REC, state=ParcelState.READY_FOR_PICKUP)
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, held.subject)
        parcel.available_from = office.clock.now()
        parcel.available_through = office.clock.now() + timedelta(hours=72)
    await office.jobs.on_dispute_resolved(held)
    async with office.database.read() as session:
        assert await session.get(Reminder, held.subject) is not None


async def test_objection_that_was_decided_meanwhile_is_no_news(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    held = await hold_parcel(office, Trigger.OBJECT)
    async with office.database.write() as session:
        (await session.get_one(Parcel, held.subject)).state = ParcelState.READY_FOR_PICKUP
    assert await office.jobs.on_parcel_held(held) == Done()
    assert office.push.sent == []


async def test_hold_that_is_over_is_no_news(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    held = await hold_parcel(office, Trigger.CLOSE_OVERDUE)
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, held.subject)
        parcel.state = ParcelState.READY_FOR_PICKUP
    assert await office.jobs.on_parcel_held(held) == Done()
    assert office.letters.sent == []


async def move_parcel(
    office: Office, source: ParcelState, target: ParcelState, *, version: int = 4
) -> Lease:
    """A parcel that was taken out of its locker, and the event that says so."""
    async with office.database.write() as session:
        parcel = await office.town.add_parcel(session, state=target)
        parcel.version = version
        session.add(
            ParcelEvent(
                id=office.ids.new(),
                parcel_id=parcel.id,
                number=4,
                at=office.clock.now(),
                recorded_at=office.clock.now(),
                row="P13",
                trigger=Trigger.WITHDRAWN,
                source=source,
                target=target,
                authority=Authority.FACT,
                party=Party.AGT,
            )
        )
    return replace(office.lease("parcel.moved", parcel.id), facts={"row": "P13", "version": 4})


async def test_recipient_hears_that_what_was_ready_is_gone_again(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    held = await move_parcel(office, ParcelState.READY_FOR_PICKUP, ParcelState.OUT_FOR_DELIVERY)
    for _ in range(2):
        assert await office.jobs.on_parcel_moved(held) == Done()
    [letter] = office.letters.sent
    assert letter.subject == "Your parcel is not where it was"


@pytest.mark.parametrize(
    ("source", "target", "version"),
    [
        (ParcelState.DEPOSITED, ParcelState.OUT_FOR_DELIVERY, 4),
        (ParcelState.DROPPED_OFF, ParcelState.IN_TRANSIT, 4),
        (ParcelState.EXPIRED, ParcelState.RETURNING, 4),
        (ParcelState.READY_FOR_PICKUP, ParcelState.OUT_FOR_DELIVERY, 5),
    ],
)
async def test_move_that_the_recipient_never_heard_the_contrary_of_is_no_news(
    office: Office, source: ParcelState, target: ParcelState, version: int
) -> None:
    await office.add_contact("recipient@example.org")
    held = await move_parcel(office, source, target, version=version)
    assert await office.jobs.on_parcel_moved(held) == Done()
    assert office.letters.sent == []


async def leave_door_open(office: Office, person: str | None) -> Lease:
    """A door was found open for too long."""
    async with office.database.write() as session:
        door = await session.get_one(Compartment, key_of("door 2"))
        door.door = DoorState.OPEN
    facts: Facts = {
        "locker": str(office.town.locker_id),
        "compartment": 2,
        "seq": 9,
        "person": None if person is None else str(key_of(person)),
    }
    return replace(office.lease(DOOR_LEFT_OPEN, door.id), facts=facts)


async def test_whoever_left_a_door_open_is_asked_to_shut_it(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    held = await leave_door_open(office, "recipient")
    for _ in range(2):
        assert await office.jobs.on_door_left_open(held) == Done()
    [message] = office.push.sent
    assert message.title == "A locker door stands open"
    assert message.data == {"kind": "DOOR_LEFT_OPEN", "subject": str(key_of("door 2"))}
    assert office.letters.sent == []


async def test_nobody_is_asked_to_shut_a_door_that_is_shut(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    held = await leave_door_open(office, "recipient")
    async with office.database.write() as session:
        (await session.get_one(Compartment, key_of("door 2"))).door = DoorState.CLOSED
    assert await office.jobs.on_door_left_open(held) == Done()
    assert await office.jobs.on_door_left_open(await leave_door_open(office, None)) == Done()
    assert office.push.sent == []


async def test_new_phone_is_told_to_older_phones_and_every_address(office: Office) -> None:
    office.clock.move(minutes=1)
    async with office.database.write() as session:
        new = await office.town.add_phone(
            session, "recipient new", at=office.clock.now(), is_confirmed=False
        )
    await office.add_push("recipient", PHONE)
    await office.add_push("recipient new", "fcm-of-the-new-phone")
    await office.add_contact("recipient@example.org")
    await office.add_contact("other@example.org")
    held = office.lease("people.device_added", new.id)
    assert await office.jobs.on_security_event(held) == Done()
    assert [message.address.value for message in office.push.sent] == [PHONE]
    assert {letter.address for letter in office.letters.sent} == {
        "recipient@example.org",
        "other@example.org",
    }


async def test_silent_push_does_not_hold_up_the_mail_about_a_new_phone(office: Office) -> None:
    office.clock.move(minutes=1)
    async with office.database.write() as session:
        new = await office.town.add_phone(session, "recipient new", at=office.clock.now())
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    office.push.answers[PHONE] = Later("silence")
    held = office.lease("people.device_added", new.id)
    assert await office.jobs.on_security_event(held) == Again("silence")
    assert len(office.letters.sent) == 1
    office.push.answers.clear()
    assert await office.jobs.on_security_event(held) == Done()
    assert len(office.letters.sent) == 1


async def test_event_about_no_device_is_dead(office: Office) -> None:
    held = office.lease("people.device_added", office.ids.new())
    assert isinstance(await office.jobs.on_security_event(held), Dead)


async def request_code(office: Office, address: str = "recipient@example.org") -> Lease:
    """Ask for a code and take the event that this leaves."""
    codes = OneTimeCodes(office.keyring, office.ids)
    now = office.clock.now()
    async with office.database.write() as session:
        await codes.start(session, address=address, now=now)
    async with office.database.read() as session:
        [event] = await outbox.list_due(session, kinds=[CODE_REQUESTED], now=now, limit=9)
    async with office.database.write() as session:
        held = await outbox.lease(session, event, now=now, for_s=30)
    assert held is not None
    return held


async def test_code_is_written_to_whoever_asked_and_opens_their_account(office: Office) -> None:
    held = await request_code(office)
    assert await office.jobs.on_code_requested(held) == Done()
    [letter] = office.letters.sent
    assert (letter.channel, letter.address) == (Channel.EMAIL, "recipient@example.org")
    [code] = [word.strip(".") for word in letter.body.split() if word.strip(".").isdecimal()]
    async with office.database.write() as session:
        address = await OneTimeCodes(office.keyring, office.ids).finish(
            session, request_id=held.subject, answer=code, now=office.clock.now()
        )
    assert address == "recipient@example.org"
    assert code not in letter.subject


async def test_repeated_code_letter_holds_the_same_code(office: Office) -> None:
    held = await request_code(office)
    await office.jobs.on_code_requested(held)
    await office.jobs.on_code_requested(held)
    first, second = office.letters.sent
    assert (first.id, first.body) == (second.id, second.body)


async def test_code_stands_in_no_row(office: Office) -> None:
    held = await request_code(office)
    await office.jobs.on_code_requested(held)
    async with office.database.read() as session:
        statement = select(outbox.Outbox).where(col(outbox.Outbox.id) == held.id)
        row = (await session.exec(statement)).one()
    assert row.facts == {}


async def test_code_that_is_too_old_is_not_sent(office: Office) -> None:
    held = await request_code(office)
    office.clock.move(minutes=10)
    assert await office.jobs.on_code_requested(held) == Done()
    assert not office.letters.sent


@pytest.mark.parametrize(
    ("delivery", "outcome"),
    [
        (Accepted("ok"), Done()),
        (Later("busy", 30), Again("busy", 30)),
        (Refused("no such address"), Dead("no such address")),
        (Gone(), Dead("the address is gone")),
    ],
)
async def test_answer_of_the_mail_server_decides_about_the_code_letter(
    office: Office, delivery: Accepted | Later | Refused | Gone, outcome: outbox.Outcome
) -> None:
    held = await request_code(office)
    office.letters.answers["recipient@example.org"] = delivery
    assert await office.jobs.on_code_requested(held) == outcome


NIGHT_HOURS = 13
"""From the town's morning (12:30 in Tallinn) to half past one at night there."""


async def prefer(office: Office, **wanted: Any) -> None:
    async with office.database.write() as session:
        known = await get_preferences(session, key_of("recipient"))
        changed = await change_preferences(
            session,
            office.town.recipient,
            wanted=Preferences(version=known.version, **wanted),
            now=office.clock.now(),
        )
    assert isinstance(changed, Preferences)


async def mornings(office: Office) -> list[datetime]:
    """When something is to be told once more."""
    query = select(outbox.Outbox.not_before).where(outbox.Outbox.kind == NOTICE_MORNING)
    async with office.database.read() as session:
        return list(await session.exec(query))


async def test_at_night_a_push_comes_without_a_sound_and_again_in_the_morning(
    office: Office,
) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    office.clock.move(hours=NIGHT_HOURS)
    held = await office.add_parcel()
    assert await office.jobs.on_grant_ready(held) == Done()
    [message] = office.push.sent
    assert message.is_silent
    assert (await office.read_parcel()).state is ParcelState.READY_FOR_PICKUP
    [morning] = await mornings(office)
    assert morning.astimezone(ZoneInfo("Europe/Tallinn")).hour == 8
    office.clock.move(seconds=(morning - office.clock.now()).total_seconds())
    again = office.lease(NOTICE_MORNING, held.subject)
    for _ in range(2):
        assert await office.jobs.on_morning(again) == Done()
    assert [one.is_silent for one in office.push.sent] == [True, False]
    assert office.push.sent[1].collapse == message.collapse
    assert office.letters.sent == []


async def test_at_night_letters_wait_for_the_morning(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    office.clock.move(hours=NIGHT_HOURS)
    held = await office.add_parcel()
    outcome = await office.jobs.on_grant_ready(held)
    assert isinstance(outcome, Again)
    assert outcome.after_s == 6.5 * 3600
    assert office.letters.sent == []
    office.clock.move(seconds=outcome.after_s)
    assert await office.jobs.on_grant_ready(held) == Done()
    assert len(office.letters.sent) == 1
    assert await mornings(office) == []


async def test_what_was_collected_in_the_night_is_not_told_again_in_the_morning(
    office: Office,
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel(ParcelState.COLLECTING)
    assert await office.jobs.on_morning(office.lease(NOTICE_MORNING, held.subject)) == Done()
    assert office.push.sent == []


async def test_owner_of_cooled_goods_may_want_to_be_woken(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await prefer(office, may_cooled_break_quiet=True)
    office.clock.move(hours=NIGHT_HOURS)
    held = await office.add_parcel()
    async with office.database.write() as session:
        (await session.get_one(Parcel, held.subject)).climate_zone = ClimateZone.CHILLED
    await office.jobs.on_grant_ready(held)
    assert [one.is_silent for one in office.push.sent] == [False]


async def test_an_open_door_is_told_of_at_night_too(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    office.clock.move(hours=NIGHT_HOURS)
    held = await leave_door_open(office, "recipient")
    assert await office.jobs.on_door_left_open(held) == Done()
    assert len(office.letters.sent) == 1


async def test_channels_are_used_in_the_order_that_the_person_wants(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await office.add_contact("recipient@example.org")
    await office.add_contact("+37251234567", ContactKind.PHONE)
    await prefer(office, channels=(Channel.SMS, Channel.EMAIL))
    office.letters.answers["+37251234567"] = Refused("no such number")
    assert await office.jobs.on_grant_ready(await office.add_parcel()) == Done()
    assert [one.channel for one in office.letters.sent] == [Channel.SMS, Channel.EMAIL]
    assert office.push.sent == []


async def test_notices_are_written_in_the_language_of_the_person(office: Office) -> None:
    await office.add_push("recipient", PHONE)
    await prefer(office, language=Language.DE)
    await office.jobs.on_grant_ready(await office.add_parcel())
    [message] = office.push.sent
    assert message.title == "Ein Paket liegt für Sie bereit"
    assert "Corner Shop" in message.body


async def test_what_was_overtaken_while_a_provider_was_silent_is_never_sent(
    office: Office,
) -> None:
    await office.add_push("recipient", PHONE)
    office.push.answers[PHONE] = Later("silence")
    held = await office.add_parcel()
    await office.jobs.on_grant_ready(held)
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, held.subject)
        parcel.state, parcel.collected_at = ParcelState.COLLECTED, office.clock.now()
    office.push.answers.clear()
    assert await office.jobs.on_grant_ready(held) == Done()
    assert len(office.push.sent) == 1
    assert (await office.read_notices())[Channel.PUSH].state is NoticeState.SUPPRESSED


async def collect(
    office: Office, actor: str | None, *, assurance: Assurance = Assurance.A
) -> Lease:
    """A parcel that was collected, and the event that says so."""
    async with office.database.write() as session:
        parcel = await office.town.add_parcel(session)
        parcel.state, parcel.collected_at = ParcelState.COLLECTED, office.clock.now()
        parcel.version, parcel.assurance = 5, assurance
        session.add(
            ParcelEvent(
                id=office.ids.new(),
                parcel_id=parcel.id,
                number=5,
                at=office.clock.now(),
                recorded_at=office.clock.now(),
                row="P16",
                trigger=Trigger.COLLECTED,
                source=ParcelState.COLLECTING,
                target=ParcelState.COLLECTED,
                authority=Authority.FACT,
                party=Party.AGT,
                actor_id=None if actor is None else key_of(actor),
            )
        )
    return replace(office.lease("parcel.collected", parcel.id), facts={"version": 5})


@pytest.mark.parametrize(
    ("actor", "assurance", "kind"),
    [
        ("recipient", Assurance.A, "COLLECTED"),
        ("stranger", Assurance.B, "DELEGATE_USED"),
        (None, Assurance.A, "DELEGATE_USED"),
        (None, Assurance.C, "COLLECTED"),
    ],
)
async def test_owner_hears_without_a_sound_who_collected(
    office: Office, actor: str | None, assurance: Assurance, kind: str
) -> None:
    await office.add_push("recipient", PHONE)
    held = await collect(office, actor, assurance=assurance)
    for _ in range(2):
        assert await office.jobs.on_parcel_collected(held) == Done()
    [message] = office.push.sent
    assert (message.data["kind"], message.is_silent) == (kind, True)


async def test_nobody_gets_a_text_message_about_what_they_have_just_collected(
    office: Office,
) -> None:
    await office.add_contact("+37251234567", ContactKind.PHONE)
    assert await office.jobs.on_parcel_collected(await collect(office, "recipient")) == Done()
    assert office.letters.sent == []


@pytest.mark.parametrize(("hold_ended", "told"), [(HoldEnded.DEADLINE, 1), (HoldEnded.REFUSED, 0)])
async def test_recipient_hears_that_the_time_is_over_unless_they_ended_it(
    office: Office, hold_ended: HoldEnded, told: int
) -> None:
    await office.add_contact("recipient@example.org")
    held = await office.add_parcel(ParcelState.EXPIRED)
    async with office.database.write() as session:
        (await session.get_one(Parcel, held.subject)).hold_ended = hold_ended
    expired = replace(held, kind="parcel.expired", facts={"version": 3})
    assert await office.jobs.on_parcel_expired(expired) == Done()
    assert len(office.letters.sent) == told


async def test_recipient_hears_that_the_parcel_went_back(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    held = await office.add_parcel(ParcelState.RETURNED)
    assert await office.jobs.on_parcel_returned(held) == Done()
    [letter] = office.letters.sent
    assert letter.subject == "Your parcel went back"


@pytest.mark.parametrize(("version", "told"), [(3, 1), (2, 0)])
async def test_recipient_hears_where_the_parcel_goes_by_the_last_choice(
    office: Office, version: int, told: int
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel(ParcelState.IN_TRANSIT)
    async with office.database.write() as session:
        (await session.get_one(Parcel, held.subject)).version = 3
    redirected = replace(held, kind="parcel.redirected", facts={"version": version})
    assert await office.jobs.on_parcel_redirected(redirected) == Done()
    assert [one.data["kind"] for one in office.push.sent] == ["REDIRECTED"] * told


@pytest.mark.parametrize(
    ("change", "version", "kinds"),
    [("OUTAGE", 2, ["EXTENDED"]), ("CLOSED", 2, ["HUB_CLOSED"]), ("CLOSED", 1, [])],
)
async def test_recipient_hears_until_when_the_parcel_waits_now(
    office: Office, change: str, version: int, kinds: list[str]
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel(ParcelState.READY_FOR_PICKUP)
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, held.subject)
        parcel.deadline_version = 2
        parcel.available_through = office.clock.now() + timedelta(hours=90)
    facts: Facts = {"change": change, "version": version}
    changed = replace(held, kind="parcel.deadline_changed", facts=facts)
    assert await office.jobs.on_deadline_changed(changed) == Done()
    assert [one.data["kind"] for one in office.push.sent] == kinds


async def choose_window(office: Office, *, in_hours: int) -> Lease:
    """The event of the start of a window that the recipient has chosen for the parcel."""
    now = office.clock.now()
    start = now + timedelta(hours=in_hours)
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.available_from, parcel.available_through = now, now + timedelta(days=5)
    async with office.database.write() as session:
        chosen = await windows.choose_window(
            session,
            office.town.recipient,
            key_of("parcel"),
            span=(start, start + timedelta(hours=2)),
            ids=office.ids,
            now=now,
        )
        assert not isinstance(chosen, Refusal)
        row = await session.get_one(PickupWindow, key_of("parcel"))
        event = await session.get_one(Outbox, row.choice)
    assert event.not_before == start
    until = start + timedelta(minutes=1)
    return Lease(event.id, event.kind, event.subject, event.facts, 1, event.created_at, until)


async def test_a_chosen_window_is_told_of_once_at_its_start(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    await office.add_parcel(ParcelState.READY_FOR_PICKUP)
    held = await choose_window(office, in_hours=48)
    office.clock.move(hours=48)
    for _ in range(2):
        assert await office.jobs.on_window_open(held) == Done()
    [letter] = office.letters.sent
    assert letter.subject == "The time you chose for your parcel has begun"


async def test_a_window_that_was_changed_or_came_too_late_is_not_told_of(office: Office) -> None:
    await office.add_contact("recipient@example.org")
    await office.add_parcel(ParcelState.READY_FOR_PICKUP)
    first = await choose_window(office, in_hours=24)
    second = await choose_window(office, in_hours=48)
    office.clock.move(hours=24)
    assert await office.jobs.on_window_open(first) == Done()
    office.clock.move(hours=24)
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, key_of("parcel"))
        parcel.state, parcel.collected_at = ParcelState.COLLECTED, office.clock.now()
    assert await office.jobs.on_window_open(second) == Done()
    assert office.letters.sent == []


async def test_what_was_held_before_it_could_be_told_of_is_told_of_afterwards(
    office: Office,
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel(ParcelState.READY_FOR_PICKUP)
    assert await office.jobs.on_grant_ready(held) == Done()
    assert office.push.sent == []
    async with office.database.write() as session:
        parcel = await session.get_one(Parcel, held.subject)
        parcel.pause_cause = PauseCause.NOTICE_UNDELIVERED
    assert await office.jobs.on_grant_ready(held) == Done()
    assert [one.data["kind"] for one in office.push.sent] == ["READY"]
    assert (await office.read_parcel()).pause_cause is None


@pytest.mark.parametrize("is_named", [True, False])
async def test_who_wants_no_hub_on_a_locked_screen_reads_of_none_there(
    office: Office, *, is_named: bool
) -> None:
    await office.add_push("recipient", PHONE)
    held = await office.add_parcel(ParcelState.READY_FOR_PICKUP)
    wanted = Preferences(names_hub_on_screen=is_named)
    async with office.database.write() as session:
        hub = await session.get_one(Hub, office.town.hub_id)
        changed = await change_preferences(
            session, office.town.recipient, wanted=wanted, now=office.clock.now()
        )
        assert isinstance(changed, Preferences)
        parcel = await session.get_one(Parcel, held.subject)
        parcel.available_through = office.clock.now() + timedelta(hours=90)
    facts: Facts = {"change": "OUTAGE", "version": parcel.deadline_version}
    changed_end = replace(held, kind="parcel.deadline_changed", facts=facts)
    assert await office.jobs.on_deadline_changed(changed_end) == Done()
    (sent,) = office.push.sent
    assert (hub.name in sent.body) is is_named
