"""Wiring of the worker process: settings in, events handled and timers run until it is told to end.

Nothing else stands here: what an event means is the business of its vertical.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from server.access.jobs import GRANT_READY, AccessJobs
from server.access.service.delegations import GRANT_DELEGATED
from server.access.service.links import LINK_RENEWED
from server.climate import jobs as climate
from server.climate.service import EXCURSION_BEGAN, SAFETY_CHANGED
from server.hubs.service import HOURS_CHANGED
from server.kit.clock import Clock, SystemClock
from server.kit.db import Database
from server.kit.errors import DatabaseError, SettingsError
from server.kit.ids import Ids, Randomness, SystemRandomness, TimedIds
from server.kit.keyring import FileKeyring, Keyring
from server.kit.live import Live
from server.kit.log import start_logging
from server.kit.metrics import Metrics, read_outbox, read_stores
from server.kit.metrics_door import telling_metrics
from server.kit.outbox import Done, Lease, Outcome
from server.kit.queue import NUDGE, Pace, Queue, Timer
from server.kit.relay import DELIVER, Relay
from server.kit.settings import Settings
from server.ledger.anchors.jobs.looking import anchor_log, read_anchors
from server.ledger.anchors.setting import make_anchor, make_plan
from server.ledger.log import jobs as tlog
from server.ledger.log.cosigning import jobs as cosigning
from server.ledger.log.cosigning.asking import make_client, read_witnessing
from server.ledger.log.cosigning.policy import NO_WITNESSES, Witnessing
from server.ledger.log.cosigning.service import read_log
from server.ledger.log.rules import LONGEST_WAIT, origin_of
from server.ledger.shelf.folder import FolderShelf
from server.ledger.shelf.jobs import fill_shelf
from server.lockers import jobs as lockers
from server.lockers.service.doors import DOOR_LEFT_OPEN, DOOR_STILL_OPEN
from server.lockers.service.occupancy import LOOK_S as OCCUPANCY_S
from server.notices.jobs import NoticeJobs
from server.notices.letters import FolderLetters, Letters, PostRoom, SmtpLetters
from server.notices.measured import MeasuredLetters, MeasuredPush
from server.notices.push import FirebasePush, NoPush, Push
from server.notices.service.counting import read_notices
from server.notices.service.reminding import REMINDER_DUE
from server.notices.service.security import SECURITY_EVENTS
from server.notices.service.telling import NOTICE_MORNING, Teller
from server.parcels import jobs as parcels
from server.parcels.service.moving import DISPUTE_RESOLVED, EVENTS, MOVED, SETTLING
from server.parcels.service.redirecting import REDIRECTED
from server.parcels.service.timing import DEADLINE_CHANGED
from server.parcels.states import ParcelState
from server.people import jobs as people
from server.people.preferences import Channel
from server.people.service.codes import CODE_REQUESTED
from server.people.service.devices import DEVICE_REMOVED
from server.people.service.preferences import PREFERENCES_CHANGED
from server.pickups import jobs as pickups
from server.pickups.service.folding import read_windows
from server.pickups.service.windows import WINDOW_OPEN
from server.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from server.kit.relay import Handler

LOOK_S = 1
"""How long an event waits at most for the relay when the nudge after its commit is lost."""

SWEEP_S = 60
"""How often what time does is done: reservations and parcels run out, lockers fall silent, what
sign-ins left behind is forgotten.
"""

ANCHOR_S = 60
"""How often the chain is looked at, if there is one."""

SEAL_S = 10
"""How often at least it is asked whether the public log is to grow."""

WATCH_S = 3_600
"""How often keys are looked at: the log warns of those that end soon, which somebody has two weeks
to hear, and what is sealed to an old one is sealed to the new one.
"""

LETTERS_FOLDER = "letters"
"""Where letters lie, in the state folder, that no provider carries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """Everything that handlers share. A test puts in its own clock, keys and providers."""

    database: Database
    clock: Clock
    ids: Ids
    randomness: Randomness
    keyring: Keyring
    push: Push
    letters: Letters
    public_url: str
    log_wait: timedelta = LONGEST_WAIT
    witnessing: Witnessing = NO_WITNESSES


def work(environ: Mapping[str, str]) -> None:
    """Runs the worker by the settings in `environ` until it is told to end."""
    settings = Settings.from_environ(environ)
    start_logging()
    # arq tells of every job, and there is one each second at least.
    logging.getLogger("arq").setLevel(logging.WARNING)
    asyncio.run(run(settings))


async def run(settings: Settings, *, pace: Pace | None = None, handler_s: float = 15.0) -> None:
    """Handles events until SIGTERM or SIGINT, then ends what has begun.

    Refuses a database without our tables. Without Valkey it waits for it.
    """
    if settings.valkey_url is None:
        raise SettingsError("the worker needs RESTANTE_VALKEY_URL")
    metrics = Metrics()
    async with (
        open_shop(settings, metrics) as shop,
        telling_metrics(metrics, settings.metrics_port),
    ):
        missing = await shop.database.missing_tables(TABLES)
        if missing:
            raise DatabaseError(f"the database lacks {missing[0]}: ./restante serve --migrate")
        queue = Queue(settings.valkey_url, patient=True)
        read_stores(metrics, shop.database, queue)
        read_outbox(metrics, shop.database, shop.clock)
        read_notices(metrics, shop.database)
        read_windows(metrics, shop.database)
        read_anchors(metrics, shop.database)
        read_log(metrics, shop.database, shop.clock)
        handlers = {
            kind: metrics.watch_handler(kind, handler)
            for kind, handler in make_handlers(shop).items()
        }
        relay = Relay(shop.database, queue, handlers, clock=shop.clock, handler_s=handler_s)
        timers = [
            Timer("look", relay.look, LOOK_S),
            Timer("tidy", relay.tidy, SWEEP_S),
            *make_timers(shop),
            *make_outward_timers(settings, shop),
        ]
        # What was loaded stays to the end: the collector need not walk through it again and again.
        gc.collect()
        gc.freeze()
        await queue.work(
            {NUDGE: relay.look, DELIVER: relay.deliver},
            timers=[
                Timer(one.name, metrics.watch_job(one.name, one.job), one.every_s) for one in timers
            ],
            pace=pace,
        )


@contextlib.asynccontextmanager
async def open_shop(settings: Settings, metrics: Metrics) -> AsyncIterator[Shop]:
    """The real thing, by the settings; its connections are closed at the end."""
    clock, randomness = SystemClock(), SystemRandomness()
    async with contextlib.AsyncExitStack() as open_things:
        nudges = None if settings.valkey_url is None else Queue(settings.valkey_url)
        if nudges is not None:
            open_things.push_async_callback(nudges.close)
        live = Live(settings.valkey_url)
        open_things.push_async_callback(live.close)
        database = Database(
            settings.database_url,
            statement_cache=not settings.database_pooler,
            on_news=None if nudges is None else nudges.nudge,
            on_change=live.nudge,
        )
        open_things.push_async_callback(database.close)
        witnessing = NO_WITNESSES
        if settings.log_policy is not None:
            client = await open_things.enter_async_context(make_client())
            witnessing = read_witnessing(settings.log_policy, client)
        push: Push = NoPush()
        if settings.fcm_project is not None:
            firebase = FirebasePush(
                settings.fcm_project,
                account=settings.fcm_credentials,
                base_url=settings.fcm_base_url,
            )
            open_things.push_async_callback(firebase.close)
            push = firebase
        yield Shop(
            database=database,
            clock=clock,
            ids=TimedIds(clock, randomness),
            randomness=randomness,
            keyring=FileKeyring(settings.state_dir / "keys", clock=clock, randomness=randomness),
            push=MeasuredPush(push, metrics),
            letters=MeasuredLetters(make_letters(settings), metrics),
            public_url=settings.public_url,
            log_wait=timedelta(seconds=settings.log_wait_s),
            witnessing=witnessing,
        )


def make_letters(settings: Settings) -> Letters:
    """Mail by the mail server if there is one; all else is laid into a folder of the owner."""
    folder = FolderLetters(settings.state_dir / LETTERS_FOLDER)
    carriers: dict[Channel, Letters] = {Channel.EMAIL: folder, Channel.SMS: folder}
    if settings.smtp_url is not None:
        carriers[Channel.EMAIL] = SmtpLetters.from_url(settings.smtp_url, sender=settings.mail_from)
    return PostRoom(carriers)


def make_handlers(shop: Shop) -> dict[str, Handler]:
    """Who handles which kind of event."""
    access = _access_jobs(shop)
    notices = _notice_jobs(shop)

    async def settle_collection(held: Lease) -> Outcome:
        now = shop.clock.now()
        await parcels.settle_collection(shop.database, held, ids=shop.ids, now=now)
        return Done()

    async def move_deadlines(held: Lease) -> Outcome:
        await parcels.on_hours_changed(shop.database, held, ids=shop.ids, now=shop.clock.now())
        return Done()

    async def escalate_open_door(held: Lease) -> Outcome:
        now = shop.clock.now()
        await lockers.escalate_open_door(shop.database, held, ids=shop.ids, now=now)
        return Done()

    async def learn_collection(held: Lease) -> Outcome:
        now = shop.clock.now()
        await pickups.on_parcel_collected(shop.database, held, ids=shop.ids, now=now)
        return Done()

    async def note_forecast(held: Lease) -> Outcome:
        await pickups.on_parcel_ready(shop.database, held, now=shop.clock.now())
        return Done()

    async def forget_habits(held: Lease) -> Outcome:
        await pickups.on_preferences_changed(shop.database, held)
        return Done()

    return {
        **dict.fromkeys([*EVENTS.values(), GRANT_DELEGATED], _let_pass),
        **_telling(notices),
        EVENTS[ParcelState.DEPOSITED]: access.on_parcel_deposited,
        EVENTS[ParcelState.EXPIRED]: _one_after(
            access.on_parcel_expired, notices.on_parcel_expired
        ),
        EVENTS[ParcelState.CANCELLED]: access.on_parcel_cancelled,
        EVENTS[ParcelState.COLLECTED]: _one_after(learn_collection, notices.on_parcel_collected),
        EVENTS[ParcelState.AT_HUB]: _one_after(notices.on_wait_changed, notices.on_parcel_at_hub),
        SETTLING: settle_collection,
        HOURS_CHANGED: move_deadlines,
        DEADLINE_CHANGED: _one_after(notices.on_wait_changed, notices.on_deadline_changed),
        DOOR_STILL_OPEN: escalate_open_door,
        EVENTS[ParcelState.READY_FOR_PICKUP]: _one_after(note_forecast, notices.on_wait_changed),
        PREFERENCES_CHANGED: _one_after(forget_habits, notices.on_preferences_changed),
        DEVICE_REMOVED: _one_after(access.on_device_removed, notices.on_security_event),
    }


def _telling(notices: NoticeJobs) -> dict[str, Handler]:
    """Events that are there to be told, and for nothing else."""
    return {
        **dict.fromkeys(SECURITY_EVENTS, notices.on_security_event),
        EVENTS[ParcelState.RETURNED]: notices.on_parcel_returned,
        EVENTS[ParcelState.ON_HOLD]: notices.on_parcel_held,
        EVENTS[ParcelState.DISPUTED]: notices.on_parcel_disputed,
        DISPUTE_RESOLVED: notices.on_dispute_resolved,
        MOVED: notices.on_parcel_moved,
        REDIRECTED: notices.on_parcel_redirected,
        WINDOW_OPEN: notices.on_window_open,
        DOOR_LEFT_OPEN: notices.on_door_left_open,
        EXCURSION_BEGAN: notices.on_excursion_began,
        SAFETY_CHANGED: notices.on_wait_changed,
        GRANT_READY: notices.on_grant_ready,
        NOTICE_MORNING: notices.on_morning,
        REMINDER_DUE: notices.on_reminder_due,
        CODE_REQUESTED: notices.on_code_requested,
        LINK_RENEWED: notices.on_link_renewed,
    }


def make_timers(shop: Shop) -> list[Timer]:
    """What time alone does, in portions, by one worker at a time."""

    async def end_reservations() -> None:
        await lockers.expire_reservations(shop.database, now=shop.clock.now())

    async def note_silence() -> None:
        await lockers.note_silence(shop.database, now=shop.clock.now())

    async def forget_sign_ins() -> None:
        await people.forget_sign_ins(shop.database, now=shop.clock.now())

    async def remind() -> None:
        await notices.remind()

    async def forget_past() -> None:
        await notices.forget_past()

    async def finish_erasures() -> None:
        await notices.finish_erasures()

    async def plan_missing() -> None:
        await notices.plan_missing()

    async def watch_keys() -> None:
        await access.watch_keys()

    async def reseal_pin_secrets() -> None:
        await lockers.reseal_pin_secrets(shop.database, shop.keyring)

    access, notices = _access_jobs(shop), _notice_jobs(shop)
    jobs = (
        end_reservations,
        note_silence,
        access.expire_grants,
        forget_sign_ins,
        remind,
    )
    return [
        *_parcel_timers(shop),
        *_log_timers(shop),
        Timer("seal_evidence", notices.seal_evidence, SEAL_S),
        *(Timer(job.__name__, job, SWEEP_S) for job in jobs),
        *(
            Timer(job.__name__, job, WATCH_S)
            for job in (watch_keys, reseal_pin_secrets, plan_missing, forget_past, finish_erasures)
        ),
        *_planning_timers(shop),
    ]


def _log_timers(shop: Shop) -> list[Timer]:
    """The public log, which nobody else lets grow, and whoever has to see its heads."""

    async def seal_log() -> None:
        await tlog.seal_log(
            shop.database,
            origin=origin_of(shop.public_url),
            keyring=shop.keyring,
            clock=shop.clock,
            longest_wait=shop.log_wait,
            is_witnessed=shop.witnessing.is_asked_for,
        )

    async def cosign_log() -> None:
        await cosigning.cosign_log(shop.database, shop.witnessing, clock=shop.clock)

    pace_s = _seal_pace(shop.log_wait)
    return [Timer("seal_log", seal_log, pace_s), Timer("cosign_log", cosign_log, min(5, pace_s))]


def _seal_pace(longest_wait: timedelta) -> int:
    """The seconds between two looks at a log that keeps this wait: a divisor of a minute."""
    return max(pace for pace in (1, 2, 5, SEAL_S) if pace <= longest_wait.total_seconds())


def make_outward_timers(settings: Settings, shop: Shop) -> list[Timer]:
    """The log on a chain and as files, if the settings ask for it; SettingsError unless they do so
    completely.
    """
    timers = []
    if settings.chain_url is not None:
        anchor, plan = make_anchor(settings), make_plan(settings)

        async def look_at_chain() -> None:
            await anchor_log(shop.database, anchor, plan, clock=shop.clock)

        timers.append(Timer("anchor_log", look_at_chain, ANCHOR_S))
    if settings.log_folder is not None:
        shelf = FolderShelf(settings.log_folder)

        async def fill_log_folder() -> None:
            await fill_shelf(shop.database, shelf)

        timers.append(Timer("fill_log_folder", fill_log_folder, SWEEP_S))
    return timers


def _planning_timers(shop: Shop) -> list[Timer]:
    """What is written down, and forgotten, for looking ahead."""

    async def note_occupancy() -> None:
        await lockers.note_occupancy(shop.database, now=shop.clock.now())

    async def fold_lessons() -> None:
        await pickups.fold_lessons(shop.database)

    async def tidy_pickups() -> None:
        await pickups.tidy_pickups(shop.database, now=shop.clock.now())

    return [
        Timer("note_occupancy", note_occupancy, OCCUPANCY_S),
        Timer("fold_lessons", fold_lessons, SWEEP_S),
        Timer("tidy_pickups", tidy_pickups, WATCH_S),
    ]


def _parcel_timers(shop: Shop) -> list[Timer]:
    """What each minute does to parcels; an outage is noted before anything expires for it."""

    async def watch_service() -> None:
        await parcels.watch_service(shop.database, ids=shop.ids, now=shop.clock.now())

    async def expire_parcels() -> None:
        await parcels.expire_parcels(shop.database, ids=shop.ids, now=shop.clock.now())

    async def hold_spoiled() -> None:
        await climate.hold_spoiled(shop.database, ids=shop.ids, now=shop.clock.now())

    async def lapse_dropoffs() -> None:
        await parcels.lapse_dropoffs(shop.database, ids=shop.ids, now=shop.clock.now())

    jobs = (watch_service, hold_spoiled, expire_parcels, lapse_dropoffs)
    return [Timer(job.__name__, job, SWEEP_S) for job in jobs]


def _notice_jobs(shop: Shop) -> NoticeJobs:
    teller = Teller(
        shop.database,
        push=shop.push,
        letters=shop.letters,
        keyring=shop.keyring,
        ids=shop.ids,
        clock=shop.clock,
        public_url=shop.public_url,
    )
    return NoticeJobs(shop.database, teller, keyring=shop.keyring, ids=shop.ids, clock=shop.clock)


def _access_jobs(shop: Shop) -> AccessJobs:
    return AccessJobs(
        shop.database,
        keyring=shop.keyring,
        ids=shop.ids,
        randomness=shop.randomness,
        clock=shop.clock,
    )


def _one_after(first: Handler, then: Handler) -> Handler:
    """Both, the second once the first is done: doors first, for telling may take many attempts."""

    async def handle(held: Lease) -> Outcome:
        outcome = await first(held)
        return await then(held) if isinstance(outcome, Done) else outcome

    return handle


async def _let_pass(held: Lease) -> Outcome:
    """The news of parcels that nobody in this house acts upon."""
    del held
    return Done()
