"""A town, its real handlers and a provider that remembers: what each event had sent."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

from schema.compartments import ClimateZone
from schema.journal import ExcursionPhase, Kind
from schema.tokens import parse_token
from server.climate.jobs import hold_spoiled
from server.kit import outbox
from server.lockers.rules import ClimateState
from server.lockers.tables import Compartment
from server.notices.rules import NoticeKind
from server.notices.service.reminding import hand_out
from server.notices.wording import NOTICES
from server.parcels.jobs import expire_parcels
from server.parcels.rules import Situation
from server.parcels.service.moving import Occurrence, move, situation_of
from server.parcels.tables import Parcel
from server.people.rules import PushKind
from server.people.tables import Device
from server.worker import Shop, make_handlers
from tests.fakes.providers import ListedLetters, ListedPush
from tests.fakes.town import key_of, phone_key
from tests.server.uplink.conftest import Story

if TYPE_CHECKING:
    from server.kit.outbox import Lease
    from server.parcels.states import ParcelState, Party, Trigger

DOOR = 3


class Stage(Story):
    """What people, lockers and time do, and what is sent because of it."""

    def open(self) -> None:
        """The worker begins; nothing was sent."""
        self.push, self.letters = ListedPush(), ListedLetters()
        self.sent: dict[str, list[NoticeKind]] = defaultdict(list)
        self.handlers = make_handlers(
            Shop(
                database=self.database,
                clock=self.clock,
                ids=self.ids,
                randomness=self.randomness,
                keyring=self.keyring,
                push=self.push,
                letters=self.letters,
                public_url="https://hubs.example.org",
            )
        )

    async def add_push(self, name: str = "recipient") -> None:
        async with self.database.write() as session:
            device = await session.get_one(Device, key_of(f"{name} phone"))
            device.push_kind, device.push_target = PushKind.FCM_TOKEN, f"fcm {name}"

    async def work(self) -> None:
        """The worker handles what is due, and what that leads to, until nothing is."""
        while held := await self.lease():
            await self.handle(held)

    async def lease(self) -> Lease | None:
        """The event that is due for longest."""
        now = self.clock.now()
        async with self.database.write() as session:
            due = await outbox.list_due(session, kinds=self.handlers, now=now, limit=1)
            return await outbox.lease(session, due[0], now=now, for_s=30) if due else None

    async def handle(self, held: Lease) -> None:
        """One event by its real handler; what that has sent is kept under the event's kind."""
        told = len(self.push.sent)
        letters = len(self.letters.sent)
        outcome = await self.handlers[held.kind](held)
        async with self.database.write() as session:
            await outbox.settle(session, held, outcome, now=self.clock.now())
        self.sent[held.kind] += [NoticeKind(one.data["kind"]) for one in self.push.sent[told:]]
        self.sent[f"{held.kind} by letter"] += self._kinds_of(letters)

    def _kinds_of(self, letters: int) -> list[NoticeKind]:
        titles = {wording.title: kind for kind, wording in NOTICES.items()}
        return [titles[one.subject] for one in self.letters.sent[letters:] if one.subject in titles]

    def pass_time(self, **span: float) -> None:
        self.clock.move(**span)
        self.machine.now = int(self.clock.now().timestamp())

    async def change(self, **values: Any) -> None:
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            for name, value in values.items():
                setattr(parcel, name, value)

    async def put_in(self) -> None:
        """A parcel lies behind its door, and nobody was told yet."""
        await self.deposit(DOOR)
        await self.bring_all()

    async def be_ready(self) -> None:
        """A parcel waits, and its recipient was told."""
        await self.put_in()
        await self.work()

    async def be_ready_cooled(self) -> None:
        """The same for chilled goods in a compartment that is cold."""
        async with self.database.write() as session:
            door = await session.get_one(Compartment, key_of(f"door {DOOR}"))
            door.climate_zone, door.climate = ClimateZone.CHILLED, ClimateState.READY
        await self.deposit(DOOR)
        await self.change(climate_zone=ClimateZone.CHILLED)
        await self.bring_all()
        await self.work()

    def say_climate(self, phase: ExcursionPhase, decidegrees: int) -> None:
        self.machine.write(Kind.EXCURSION, DOOR, int(phase), decidegrees)

    async def unlock(self) -> bytes:
        """The recipient is let at the door; the token."""
        token = (await self.unlock_bundle()).token.raw
        self.machine.admit(token, DOOR, phone_key("recipient"))
        return token

    async def collect(self) -> None:
        """The recipient takes the parcel out, and somebody brings the journal."""
        token = await self.unlock()
        self.machine.move_door(DOOR, before=True, after=False)
        self.machine.write(Kind.COLLECTED, DOOR, parse_token(token).claims.stay, 1)
        await self.bring_all()

    async def remind(self) -> None:
        """The worker's look at reminders that are due."""
        async with self.database.write() as session:
            await hand_out(session, now=self.clock.now())

    async def sweep(self) -> None:
        """The worker's look at what time alone does to parcels."""
        now = self.clock.now()
        await hold_spoiled(self.database, ids=self.ids, now=now)
        await expire_parcels(self.database, ids=self.ids, now=now)

    async def step(
        self,
        trigger: Trigger,
        party: Party,
        *,
        wanted: ParcelState | None = None,
        actor: str | None = None,
    ) -> bool:
        """Something else happens to the parcel, if the table takes it in its state."""
        now = self.clock.now()
        happened = Occurrence(
            trigger=trigger,
            party=party,
            at=now,
            actor_id=None if actor is None else key_of(actor),
            reason="by a test",
        )
        vouched = Situation(
            has_reason=True, has_second_person=True, is_identity_checked=True, wanted=wanted
        )
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            situation = situation_of(parcel, now, vouched)
            moved = await move(session, parcel, happened, situation, ids=self.ids, now=now)
        return moved is not None
