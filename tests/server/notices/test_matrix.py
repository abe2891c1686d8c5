"""The matrix of DOMAIN 5.2: each kind of notice has an event that sends it, and sends only that."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from schema.journal import ExcursionPhase, Kind
from schema.keys import Operation
from schema.tokens import delegate
from server.access.jobs import GRANT_READY
from server.access.service.adoptions import PARCEL_ADOPTED, adopt_parcel
from server.access.service.delegations import DELEGATION_REGISTERED, register_delegation
from server.access.service.guests import GUEST_PASS_ISSUED
from server.access.service.links import LINK_RENEWED, renew_link
from server.access.service.passes import PASS_ISSUED, issue_pass
from server.climate.service import EXCURSION_BEGAN
from server.hubs.drafts import Hours
from server.hubs.rules import Closure
from server.hubs.service import update_hub_hours
from server.hubs.tables import Hub
from server.kit.errors import Refusal
from server.kit.proofs import DeviceProof, key_thumbprint
from server.lockers.service.doors import DOOR_LEFT_OPEN
from server.notices.rules import NoticeKind
from server.notices.service.reminding import REMINDER_DUE
from server.notices.service.telling import NOTICE_MORNING
from server.parcels.disputes import DisputeOutcome, DisputeReason
from server.parcels.service import disputing
from server.parcels.service.extending import Wish, extend
from server.parcels.service.moving import DISPUTE_RESOLVED, EVENTS, MOVED
from server.parcels.service.redirecting import REDIRECTED, redirect
from server.parcels.service.timing import DEADLINE_CHANGED
from server.parcels.service.waiting import Objection, object_to_collection
from server.parcels.states import ParcelState, Party, Trigger
from server.people.rules import Contact, ContactKind
from server.people.service import devices
from server.people.service.devices import (
    DEVICE_ADDED,
    DEVICE_CONFIRMED,
    DEVICE_REMOVED,
    REMOVED_KEY_TRIED,
)
from server.people.tables import ContactAddress
from server.pickups.service.windows import WINDOW_OPEN, choose_window
from tests.fakes.town import build_town, key_of, phone_key, publish_key_set
from tests.server.access.service.guests import ask_pass, name_in_letter, welcome
from tests.server.access.service.test_passes import enrol_secret
from tests.server.notices.stage import DOOR, Stage

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from server.kit.db import Database
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock, SeededRandomness

S, K = ParcelState, NoticeKind
PARCEL = key_of("parcel")


@pytest.fixture
async def stage(
    database: Database,
    keyring: DerivedKeyring,
    ids: CountedIds,
    randomness: SeededRandomness,
    clock: MovableClock,
) -> Stage:
    async with database.write() as session:
        town = await build_town(session)
        await town.add_staff(session, "manager", "sender")
        await publish_key_set(session, keyring=keyring, ids=ids, now=clock.now())
    made = Stage(database, town, keyring, ids, randomness, clock)
    made.open()
    await made.add_push()
    return made


async def come_at_night(stage: Stage) -> None:
    stage.pass_time(hours=13)
    await stage.be_ready()
    stage.pass_time(hours=12)


def after(hours: float, *, is_cooled: bool = False) -> Callable[[Stage], Awaitable[None]]:
    """A parcel that has waited for so long, and the worker looked each hour meanwhile."""

    async def wait(stage: Stage) -> None:
        await (stage.be_ready_cooled() if is_cooled else stage.be_ready())
        whole = int(hours)
        for step in (*[1.0] * whole, hours - whole):
            if step:
                stage.sent.clear()
                stage.pass_time(hours=step)
                await stage.remind()
                await stage.work()

    return wait


async def be_collected(stage: Stage) -> None:
    await stage.be_ready()
    await stage.collect()


async def be_collected_by_other(stage: Stage) -> None:
    await stage.be_ready()
    token = (await stage.unlock_bundle()).token.raw
    shared = share(stage, token)
    stage.machine.admit(token, DOOR, phone_key("neighbour"), shared)
    stage.machine.move_door(DOOR, before=True, after=False)
    stay = (await stage.unlock_bundle()).grant.stay
    stage.machine.write(Kind.COLLECTED, DOOR, stay, 1)
    await stage.bring_all()


def share(stage: Stage, token: bytes) -> bytes:
    return delegate(
        phone_key("recipient"),
        token,
        exp=int((stage.clock.now() + timedelta(hours=6)).timestamp()),
        holder=phone_key("neighbour").public,
        actions=int(Operation.OPEN),
    )


async def be_redirected(stage: Stage) -> None:
    async with stage.database.write() as session:
        await stage.town.add_parcel(session, state=S.IN_TRANSIT)
        hub = await session.get_one(Hub, stage.town.hub_id)
        session.add(Hub(**{**hub.model_dump(), "id": key_of("mill"), "name": "Old Mill"}))
    async with stage.database.write() as session:
        moved = await redirect(
            session,
            stage.town.recipient,
            parcel_id=PARCEL,
            hub_id=key_of("mill"),
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(moved, Refusal), moved


async def be_extended(stage: Stage) -> None:
    await stage.be_ready()
    version = (await stage.parcel()).deadline_version
    async with stage.database.write() as session:
        longer = await extend(
            session,
            stage.town.recipient,
            parcel_id=PARCEL,
            wish=Wish(version, 48),
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(longer, Refusal), longer


async def close_hub(stage: Stage) -> None:
    await stage.be_ready()
    day = stage.clock.now().date() + timedelta(days=1)
    async with stage.database.write() as session:
        hub = await update_hub_hours(
            session,
            stage.town.manager,
            hub_id=stage.town.hub_id,
            hours=Hours((), (Closure(day, day, "water", is_planned=False),)),
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(hub, Refusal), hub


async def expire(stage: Stage) -> None:
    await stage.be_ready()
    stage.pass_time(hours=75)
    await stage.sweep()


async def go_back(stage: Stage) -> None:
    async with stage.database.write() as session:
        await stage.town.add_parcel(session, state=S.RETURNING)
    assert await stage.step(Trigger.SCAN_RETURN, Party.CAR)


async def choose(stage: Stage) -> None:
    await stage.be_ready()
    start = stage.clock.now() + timedelta(hours=1)
    async with stage.database.write() as session:
        window = await choose_window(
            session,
            stage.town.recipient,
            PARCEL,
            span=(start, start + timedelta(hours=2)),
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(window, Refusal), window
    stage.pass_time(hours=1)


async def be_at_the_counter(stage: Stage) -> None:
    async with stage.database.write() as session:
        await stage.town.add_parcel(session)
    assert await stage.step(Trigger.HAND_TO_HUB, Party.STA)


async def add_phone(stage: Stage) -> None:
    await add_mail(stage)
    stage.pass_time(minutes=1)
    contact = Contact(ContactKind.EMAIL, "recipient@example.org")
    proof = DeviceProof(phone_key("recipient new").public, "thumb", b"jti", stage.clock.now())
    async with stage.database.write() as session:
        device = await devices.sign_in(
            session, contact=contact, proof=proof, ids=stage.ids, now=stage.clock.now()
        )
    assert not isinstance(device, Refusal), device


async def add_mail(stage: Stage) -> None:
    async with stage.database.write() as session:
        session.add(
            ContactAddress(
                id=stage.ids.new(),
                created_at=stage.clock.now(),
                person_id=key_of("recipient"),
                kind=ContactKind.EMAIL,
                address="recipient@example.org",
            )
        )


async def add_waiting_phone(stage: Stage) -> None:
    stage.pass_time(minutes=1)
    async with stage.database.write() as session:
        await stage.town.add_phone(
            session, "recipient new", at=stage.clock.now(), is_confirmed=False
        )


async def confirm_phone(stage: Stage) -> None:
    await add_waiting_phone(stage)
    async with stage.database.write() as session:
        device = await devices.confirm_device(
            session,
            stage.town.recipient,
            device_id=key_of("recipient new phone"),
            hub_id=None,
            now=stage.clock.now(),
        )
    assert not isinstance(device, Refusal), device


async def remove_phone(stage: Stage) -> None:
    await add_waiting_phone(stage)
    async with stage.database.write() as session:
        device = await devices.revoke_device(
            session,
            stage.town.recipient,
            device_id=key_of("recipient new phone"),
            now=stage.clock.now(),
        )
    assert not isinstance(device, Refusal), device


async def try_removed_key(stage: Stage) -> None:
    await add_mail(stage)
    await remove_phone(stage)
    await stage.work()
    stage.sent.clear()
    public = phone_key("recipient new").public
    proof = DeviceProof(public, key_thumbprint(public), b"jti", stage.clock.now())
    contact = Contact(ContactKind.EMAIL, "recipient@example.org")
    async with stage.database.write() as session:
        spent = await devices.sign_in(
            session, contact=contact, proof=proof, ids=stage.ids, now=stage.clock.now()
        )
    assert isinstance(spent, Refusal)


async def ask_for_digits(stage: Stage) -> None:
    await enrol_secret(stage.database, stage.town, stage.keyring)
    await stage.be_ready()
    async with stage.database.write() as session:
        given = await issue_pass(session, stage.town.recipient, parcel_id=PARCEL, tools=stage.tools)
    assert not isinstance(given, Refusal), given


async def share_parcel(stage: Stage) -> None:
    await stage.be_ready()
    token = (await stage.unlock_bundle()).token.raw
    async with stage.database.write() as session:
        known = await register_delegation(
            session,
            stage.town.recipient,
            parts=(token, share(stage, token)),
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(known, Refusal), known


async def ask_by_link(stage: Stage) -> None:
    await welcome(stage.database, stage.town, stage.keyring, S.READY_FOR_PICKUP)
    name = await name_in_letter(stage.database, stage.tools)
    given = await ask_pass(stage.database, name, stage.tools)
    assert not isinstance(given, Refusal), given


async def adopt(stage: Stage) -> None:
    await welcome(stage.database, stage.town, stage.keyring, S.READY_FOR_PICKUP)
    name = await name_in_letter(stage.database, stage.tools)
    async with stage.database.write() as session:
        adopted = await adopt_parcel(session, stage.town.stranger, name=name, tools=stage.tools)
    assert not isinstance(adopted, Refusal), adopted


async def renew(stage: Stage) -> None:
    await welcome(stage.database, stage.town, stage.keyring, S.READY_FOR_PICKUP)
    async with stage.database.write() as session:
        link = await renew_link(
            session,
            stage.town.operator,
            parcel_id=PARCEL,
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(link, Refusal), link


async def leave_door_open(stage: Stage) -> None:
    await stage.be_ready()
    await stage.unlock()
    stage.machine.write(Kind.DOOR_OPENED, DOOR, True)
    stage.pass_time(minutes=3)
    stage.machine.write(Kind.CLOSE_OVERDUE, DOOR)
    await stage.bring_all()


async def take_back(stage: Stage) -> None:
    await stage.be_ready()
    stay = (await stage.unlock_bundle()).grant.stay
    stage.machine.write(Kind.WITHDRAWN, DOOR, stay)
    await stage.bring_all()


async def warm_up(stage: Stage) -> None:
    await stage.be_ready_cooled()
    stage.say_climate(ExcursionPhase.LEFT, 90)
    await stage.bring_all()


async def fail_cooling(stage: Stage) -> None:
    await warm_up(stage)
    await stage.work()
    stage.say_climate(ExcursionPhase.FAULT, 90)
    await stage.bring_all()


async def burst_open(stage: Stage) -> None:
    await stage.be_ready()
    stage.machine.write(Kind.UNEXPECTED_OPEN, DOOR)
    await stage.bring_all()


async def object_at_the_door(stage: Stage) -> None:
    await stage.be_ready()
    await stage.unlock()
    await stage.bring_all()
    async with stage.database.write() as session:
        held = await object_to_collection(
            session,
            stage.town.recipient,
            parcel_id=PARCEL,
            objection=Objection.EMPTY,
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(held, Refusal), held


def disputed_by(name: str) -> Callable[[Stage], Awaitable[None]]:
    async def dispute(stage: Stage) -> None:
        await be_collected(stage)
        await stage.work()
        await stage.change(sender_id=key_of("sender"))
        async with stage.database.write() as session:
            disputed = await disputing.dispute_collection(
                session,
                stage.town.actor(name),
                parcel_id=PARCEL,
                reason=DisputeReason.NOT_ME,
                ids=stage.ids,
                now=stage.clock.now(),
            )
        assert not isinstance(disputed, Refusal), disputed

    return dispute


async def decide(stage: Stage) -> None:
    await disputed_by("recipient")(stage)
    await stage.work()
    async with stage.database.write() as session:
        decided = await disputing.resolve_dispute(
            session,
            stage.town.operator,
            parcel_id=PARCEL,
            outcome=DisputeOutcome.LOST,
            reason="Looked",
            ids=stage.ids,
            now=stage.clock.now(),
        )
    assert not isinstance(decided, Refusal), decided


LETTER = " by letter"
HELD = EVENTS[S.ON_HOLD]

PRODUCERS = {
    K.READY: (GRANT_READY, Stage.put_in),
    K.READY_AGAIN: (NOTICE_MORNING, come_at_night),
    K.REMIND_1: (REMINDER_DUE, after(24)),
    K.REMIND_2: (REMINDER_DUE, after(57.3)),
    K.REMIND_3: (REMINDER_DUE, after(69)),
    K.COOL_1: (REMINDER_DUE, after(2, is_cooled=True)),
    K.COOL_2: (REMINDER_DUE, after(8, is_cooled=True)),
    K.COOL_3: (REMINDER_DUE, after(20, is_cooled=True)),
    K.COLLECTED: (EVENTS[S.COLLECTED], be_collected),
    K.DELEGATE_USED: (EVENTS[S.COLLECTED], be_collected_by_other),
    K.REDIRECTED: (REDIRECTED, be_redirected),
    K.EXTENDED: (DEADLINE_CHANGED, be_extended),
    K.HUB_CLOSED: (DEADLINE_CHANGED, close_hub),
    K.EXPIRED: (EVENTS[S.EXPIRED], expire),
    K.RETURNED: (EVENTS[S.RETURNED], go_back),
    K.WINDOW_OPEN: (WINDOW_OPEN, choose),
    K.AT_COUNTER: (EVENTS[S.AT_HUB], be_at_the_counter),
    K.DOOR_LEFT_OPEN: (DOOR_LEFT_OPEN, leave_door_open),
    K.MOVED: (MOVED, take_back),
    K.EXCURSION: (EXCURSION_BEGAN, warm_up),
    K.CLIMATE_HOLD: (HELD, fail_cooling),
    K.INCIDENT: (HELD, burst_open),
    K.DISPUTED: (EVENTS[S.DISPUTED], disputed_by("recipient")),
    K.DISPUTED_BY_OTHER: (EVENTS[S.DISPUTED], disputed_by("sender")),
    K.DISPUTE_RESOLVED: (DISPUTE_RESOLVED, decide),
    K.NEW_DEVICE: (DEVICE_ADDED, add_phone),
    K.DEVICE_CONFIRMED: (DEVICE_CONFIRMED, confirm_phone),
    K.DEVICE_REMOVED: (DEVICE_REMOVED, remove_phone),
    K.REMOVED_KEY_TRIED: (REMOVED_KEY_TRIED + LETTER, try_removed_key),
    K.PIN_ISSUED: (PASS_ISSUED + LETTER, ask_for_digits),
    K.PARCEL_SHARED: (DELEGATION_REGISTERED + LETTER, share_parcel),
    K.GUEST_LINK: (LINK_RENEWED + LETTER, renew),
    K.GUEST_PASS: (GUEST_PASS_ISSUED + LETTER, ask_by_link),
    K.PARCEL_ADOPTED: (PARCEL_ADOPTED + LETTER, adopt),
}
"""The event by which each kind is sent, and what really happens that writes it."""


def test_no_kind_is_without_a_producer() -> None:
    assert set(PRODUCERS) == set(NoticeKind)


@pytest.mark.parametrize("kind", PRODUCERS)
async def test_what_happens_sends_this_kind_once_and_no_other(
    stage: Stage, kind: NoticeKind
) -> None:
    event, scene = PRODUCERS[kind]
    if event.endswith(LETTER) and kind in {K.PIN_ISSUED, K.PARCEL_SHARED}:
        await add_mail(stage)
    await scene(stage)
    await stage.work()
    told = stage.sent[event]
    assert told, f"{event} has sent nothing"
    assert set(told) == {kind}
    count = sum(map(len, stage.sent.values()))
    await stage.work()
    assert sum(map(len, stage.sent.values())) == count


async def test_an_objection_at_the_door_is_told_as_the_dispute_that_it_is(stage: Stage) -> None:
    await object_at_the_door(stage)
    await stage.work()
    assert set(stage.sent[HELD]) == {K.DISPUTED}
