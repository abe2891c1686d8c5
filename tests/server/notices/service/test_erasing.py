"""Erasing a person: not a byte of them is left, and what is not settled waits with its names."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlmodel import col, select

from schema.codes import ProblemCode
from schema.keys import Operation
from server.access.rules import Action, GrantState
from server.access.service import links
from server.access.tables import Grant, GuestLink, IssuedToken, PassedOn
from server.kit import outbox
from server.kit.auth import ANONYMOUS
from server.kit.errors import Refusal
from server.kit.outbox import Outbox
from server.ledger import service as ledger
from server.ledger.own.rules import device_added
from server.ledger.own.service import note
from server.notices.jobs import NoticeJobs
from server.notices.rules import NoticeKind, NoticeState
from server.notices.service.erasing import SWEEP, erase_account, finish_erasures, forget_past
from server.notices.service.telling import Teller
from server.notices.tables import Notice
from server.parcels.retention import KEPT_AT_LEAST
from server.parcels.service.erasing import look_again
from server.parcels.states import TERMINAL, Authority, ParcelState, Party, Trigger
from server.parcels.tables import Parcel, ParcelEvent
from server.people.preferences import Channel, Preferences
from server.people.roles import Role
from server.people.rules import Contact, ContactKind, PushKind
from server.people.service.accounts import ensure_person, find_person
from server.people.service.devices import DEVICE_REMOVED
from server.people.service.preferences import change_preferences, get_preferences
from server.people.tables import ContactAddress, Device, Membership, Person, SignInRequest
from server.pickups.service.learning import learn_collection
from server.pickups.tables import HabitCounts, HabitPast, PickupWindow
from server.tables import TABLES
from tests.fakes.providers import ListedLetters, ListedPush
from tests.fakes.town import Town, build_town, key_of

if TYPE_CHECKING:
    import uuid

    from server.kit.auth import Actor
    from server.kit.db import Database, Session
    from tests.fakes.sources import CountedIds, DerivedKeyring, MovableClock

S = ParcelState
MARK = "quetzalcoatlus"
"""Stands in everything that the person ever gave; in nothing else."""

OTHER_MARK = "archaeopteryx"


class Life:
    """Somebody who used all there is, and what is found of them in the whole database."""

    def __init__(
        self,
        database: Database,
        town: Town,
        *,
        ids: CountedIds,
        clock: MovableClock,
        keyring: DerivedKeyring,
    ) -> None:
        self.database, self.town, self.ids, self.clock = database, town, ids, clock
        self.keyring = keyring
        self.person = key_of("recipient")

    async def live(self) -> None:
        """Addresses, codes, a phone, wishes, a role, a habit, notices; of all there is a row."""
        now = self.clock.now()
        async with self.database.write() as session:
            for kind, address in (
                (ContactKind.EMAIL, f"{MARK}@example.org"),
                (ContactKind.PHONE, f"+372{MARK}"),
            ):
                session.add(
                    ContactAddress(
                        id=self.ids.new(),
                        created_at=now,
                        person_id=self.person,
                        kind=kind,
                        address=address,
                    )
                )
                session.add(
                    SignInRequest(
                        id=self.ids.new(),
                        created_at=now,
                        kind=kind,
                        address=address,
                        expires_at=now + timedelta(minutes=5),
                        tries_left=5,
                    )
                )
            phone = await session.get_one(Device, key_of("recipient phone"))
            phone.name, phone.push_target = f"phone of {MARK}", f"fcm-{MARK}"
            phone.push_kind, phone.public_key = PushKind.FCM_TOKEN, MARK.encode()
            session.add(
                Membership(
                    id=self.ids.new(),
                    created_at=now,
                    person_id=self.person,
                    role=Role.HUB_CLERK,
                    subject=self.town.hub_id,
                )
            )
            self._tell(session, self.person, f"550 no mailbox {MARK}")
            await outbox.append(
                session, id=key_of("event"), kind="x", subject=self.person, facts={}, at=now
            )
            (await session.get_one(Outbox, key_of("event"))).reason = f"550 {MARK}"
        async with self.database.write() as session:
            wanted = Preferences(favourite_hubs=(self.town.hub_id,))
            kept = await change_preferences(session, self.town.recipient, wanted=wanted, now=now)
            assert isinstance(kept, Preferences)

    async def open_doors(self) -> None:
        """A token of theirs, one passed on to their phone, and what a locker wrote of both."""
        async with self.database.write() as session:
            await self._open_doors(session)

    async def _open_doors(self, session: Session) -> None:
        grant = Grant(
            id=key_of("grant"),
            created_at=self.clock.now(),
            action=Action.INSPECT,
            state=GrantState.USED,
            locker_id=self.town.locker_id,
            stay=bytes(8),
            holder_id=self.person,
            not_before=self.clock.now(),
        )
        session.add(grant)
        await session.flush()
        token = IssuedToken(
            cti=b"token-01",
            grant_id=grant.id,
            device_id=key_of("recipient phone"),
            lid=self.town.machine.lid,
            kid=b"k1",
            iat=0,
            exp=1,
            comps=[],
            raw=MARK.encode(),
        )
        session.add(token)
        await session.flush()
        session.add(
            PassedOn(
                id=self.ids.new(),
                name=b"passed-1",
                created_at=self.clock.now(),
                grant_id=grant.id,
                cti=token.cti,
                holder=MARK.encode(),
                exp=1,
            )
        )
        self.town.machine.accept(Operation.OPEN, 3, token.cti, chain=(b"", MARK.encode()))
        contents = self.town.machine.contents()
        await ledger.append(session, contents, now=self.clock.now())
        note(session, device_added(MARK, self.person), now=self.clock.now())

    def _tell(self, session: object, subject: uuid.UUID, reason: str) -> None:
        notice = Notice(
            id=self.ids.new(),
            person_id=self.person,
            subject=subject,
            kind=NoticeKind.READY,
            version=1,
            channel=Channel.EMAIL,
            state=NoticeState.FAILED,
            created_at=self.clock.now(),
            receipt=f"<1@{MARK}>",
            reason=reason,
        )
        session.add(notice)  # type: ignore[attr-defined] # a session of either kind

    async def add_parcel(self, name: str, state: ParcelState) -> None:
        """A parcel for the person, with words of its carrier, a link, a window and a lesson."""
        now = self.clock.now()
        async with self.database.write() as session:
            parcel = await self.town.add_parcel(session, name, state=S.READY_FOR_PICKUP)
            parcel.recipient_name = f"Ada {MARK}"
            parcel.recipient_contact = f"{MARK}@example.org"
            parcel.content_hash = MARK.encode()
            parcel.available_from = now - timedelta(hours=3)
            parcel.available_through = now + timedelta(days=2)
            session.add(
                PickupWindow(
                    parcel_id=parcel.id,
                    choice=self.ids.new(),
                    hub_id=self.town.hub_id,
                    chosen_at=now,
                    starts_at=now,
                    ends_at=now + timedelta(hours=1),
                )
            )
            session.add(
                ParcelEvent(
                    id=self.ids.new(),
                    parcel_id=parcel.id,
                    number=1,
                    at=now,
                    recorded_at=now,
                    row="P33",
                    trigger=Trigger.REPORT_STATUS,
                    target=state,
                    authority=Authority.FACT,
                    party=Party.AGT,
                    actor_id=self.person,
                    source_text=f"left with {MARK}",
                )
            )
            parcel.state, parcel.version = state, 1
            if state is S.COLLECTED:
                parcel.collected_at = now
            if state in TERMINAL:
                parcel.over_at, parcel.forget_at = now, now + KEPT_AT_LEAST
            await session.flush()
            await links.ensure_link(session, parcel.id, keyring=self.keyring, now=now)
            await learn_collection(session, parcel.id, version=1, ids=self.ids, now=now)
            await outbox.append(
                session, id=key_of(f"{name} x"), kind="x", subject=parcel.id, facts={}, at=now
            )
            (await session.get_one(Outbox, key_of(f"{name} x"))).reason = f"550 {MARK}"

    async def erase(
        self, actor: Actor | None = None, person_id: uuid.UUID | None = None
    ) -> uuid.UUID | Refusal:
        async with self.database.write() as session:
            return await erase_account(
                session,
                actor or self.town.recipient,
                person_id=person_id,
                now=self.clock.now(),
            )

    async def forget(self, *, days: float) -> int:
        """What the worker does so many days after now."""
        async with self.database.write() as session:
            return await forget_past(session, now=self.clock.now() + timedelta(days=days))

    async def become_guest(self) -> None:
        """They never had a phone or a role; only letters reach them."""
        async with self.database.write() as session:
            phones = select(Device).where(Device.person_id == self.person)
            roles = select(Membership).where(Membership.person_id == self.person)
            for phone in (await session.exec(phones)).all():
                await session.delete(phone)
            for role in (await session.exec(roles)).all():
                await session.delete(role)

    async def prefer(self, **wishes: Any) -> None:
        """They choose anew, and the worker hears of it."""
        async with self.database.write() as session:
            old = await get_preferences(session, self.person)
            changed = await change_preferences(
                session,
                self.town.recipient,
                wanted=replace(old, **wishes),
                now=self.clock.now(),
            )
            assert isinstance(changed, Preferences)
            await look_again(session, self.person, now=self.clock.now())

    async def names(self, name: str = "parcel") -> tuple[str | None, str | None]:
        async with self.database.read() as session:
            parcel = await session.get_one(Parcel, key_of(name))
        return parcel.recipient_name, parcel.recipient_contact

    async def found(self, mark: str = MARK) -> list[str]:
        """Table and column of every value in which the mark stands, as text or as bytes."""
        places = []
        async with self.database.read() as session:
            for table in TABLES:
                for row in (await session.exec(select(table))).all():
                    places += [
                        f"{table.__tablename__}.{name}"
                        for name, value in row.model_dump().items()
                        if mark in (value.decode("latin-1") if type(value) is bytes else str(value))
                    ]
        return sorted(set(places))

    async def set_state(self, name: str, state: ParcelState) -> None:
        async with self.database.write() as session:
            parcel = await session.get_one(Parcel, key_of(name))
            parcel.state = state
            parcel.collected_at = self.clock.now()


@pytest.fixture
async def life(
    database: Database, ids: CountedIds, clock: MovableClock, keyring: DerivedKeyring
) -> Life:
    async with database.write() as session:
        town = await build_town(session)
    grown = Life(database, town, ids=ids, clock=clock, keyring=keyring)
    await grown.live()
    return grown


async def test_not_a_byte_of_the_person_is_left_in_any_table(life: Life) -> None:
    await life.add_parcel("parcel", S.COLLECTED)
    await life.add_parcel("former", S.RETURNED)
    await life.open_doors()
    expected = {
        "contact_addresses.address",
        "devices.name",
        "devices.public_key",
        "devices.push_target",
        "issued_tokens.raw",
        "journal_entries.raw",
        "delegations.holder",
        "notices.reason",
        "notices.receipt",
        "outbox.reason",
        "parcel_events.source_text",
        "parcels.content_hash",
        "parcels.recipient_contact",
        "parcels.recipient_name",
        "sign_in_requests.address",
    }
    assert expected <= set(await life.found())
    assert await life.erase() == life.person
    assert await life.found() == []


async def test_habits_wishes_windows_roles_and_links_go_and_what_happened_stays(
    life: Life,
) -> None:
    await life.add_parcel("parcel", S.COLLECTED)
    async with life.database.read() as session:
        assert await session.get(HabitPast, life.person) is not None
    await life.erase()
    async with life.database.read() as session:
        assert await session.get(HabitPast, life.person) is None
        counts = (await session.exec(select(HabitCounts.subject_id))).all()
        assert life.person not in counts
        for table in (PickupWindow, Membership, Notice):
            assert (await session.exec(select(table))).all() == []
        link = (await session.exec(select(GuestLink))).one()
        assert link.revoked_at is not None
        parcel = await session.get_one(Parcel, key_of("parcel"))
        assert (parcel.state, parcel.recipient_id) == (S.COLLECTED, life.person)
        assert (await session.get_one(Person, life.person)).erased_at is not None


async def test_phones_are_removed_and_their_tokens_are_told_of(life: Life) -> None:
    await life.erase()
    async with life.database.read() as session:
        phone = await session.get_one(Device, key_of("recipient phone"))
        query = select(Outbox.subject).where(Outbox.kind == DEVICE_REMOVED)
        assert (await session.exec(query)).all() == [phone.id]
        assert phone.revoked_at is not None
        signed_in = await find_person(
            session,
            person_id=life.person,
            device_id=phone.id,
            thumbprint=phone.thumbprint,
            now=life.clock.now(),
        )
        assert signed_in is None


@pytest.mark.parametrize(
    "state",
    [S.ANNOUNCED, S.READY_FOR_PICKUP, S.AT_HUB, S.EXPIRED, S.ON_HOLD, S.DISPUTED],
)
async def test_what_is_not_settled_is_named_and_keeps_the_account(
    life: Life, state: ParcelState
) -> None:
    await life.add_parcel("parcel", state)
    await life.add_parcel("former", S.COLLECTED)
    for _ in range(2):
        refused = await life.erase()
        assert isinstance(refused, Refusal)
        assert refused.code is ProblemCode.ERASURE_PARTIAL
        async with life.database.read() as session:
            parcel = await session.get_one(Parcel, key_of("parcel"))
            former = await session.get_one(Parcel, key_of("former"))
        assert parcel.code in refused.message
        assert former.code not in refused.message
        assert parcel.recipient_contact == f"{MARK}@example.org"
        assert (former.recipient_name, former.recipient_contact) == (None, None)
    assert "contact_addresses.address" in await life.found()


async def test_the_rest_follows_by_itself_when_it_is_settled(life: Life) -> None:
    await life.add_parcel("parcel", S.READY_FOR_PICKUP)
    await life.erase()
    jobs = NoticeJobs(
        life.database,
        Teller(
            life.database,
            push=ListedPush(),
            letters=ListedLetters(),
            keyring=life.keyring,
            ids=life.ids,
            clock=life.clock,
            public_url="https://hubs.example.org",
        ),
        keyring=life.keyring,
        ids=life.ids,
        clock=life.clock,
    )
    await jobs.finish_erasures()
    assert await life.found() != []
    await life.set_state("parcel", S.COLLECTED)
    for _ in range(2):
        await jobs.finish_erasures()
    assert await life.found() == []


async def test_others_keep_what_is_theirs(life: Life) -> None:
    await life.add_parcel("parcel", S.COLLECTED)
    async with life.database.write() as session:
        session.add(Person(id=key_of("other"), created_at=life.clock.now()))
        await session.flush()
        other = await life.town.add_parcel(session, "other parcel", state=S.RETURNED)
        other.recipient_id, other.recipient_name = key_of("other"), OTHER_MARK
        other.sender_id = life.person
    await life.erase()
    assert await life.found(OTHER_MARK) == ["parcels.recipient_name"]


async def test_an_erased_address_is_somebody_new(life: Life, ids: CountedIds) -> None:
    async with life.database.read() as session:
        query = select(ContactAddress).where(col(ContactAddress.kind) == ContactKind.EMAIL)
        row = (await session.exec(query.where(ContactAddress.person_id == life.person))).one()
    await life.erase()
    async with life.database.write() as session:
        contact = Contact(row.kind, row.address)
        again = await ensure_person(session, contact, ids=ids, now=life.clock.now())
    assert again != life.person


async def test_a_phone_that_still_waits_ends_no_account(life: Life) -> None:
    async with life.database.write() as session:
        phone = await session.get_one(Device, key_of("recipient phone"))
        phone.registered_at, phone.confirmed_at = life.clock.now(), None
    refused = await life.erase()
    assert isinstance(refused, Refusal)
    assert refused.code is ProblemCode.DEVICE_TOO_NEW
    assert await life.found() != []


async def test_only_operators_erase_somebody_who_asked_them(life: Life) -> None:
    for actor, code in (
        (life.town.stranger, ProblemCode.NOT_FOUND),
        (life.town.manager, ProblemCode.NOT_FOUND),
        (ANONYMOUS, ProblemCode.SIGNED_OUT),
    ):
        refused = await life.erase(actor, life.person)
        assert isinstance(refused, Refusal)
        assert refused.code is code
    unknown = await life.erase(life.town.operator, key_of("nobody"))
    assert isinstance(unknown, Refusal)
    assert unknown.code is ProblemCode.NOT_FOUND
    assert await life.erase(life.town.operator, life.person) == life.person
    assert await life.found() == []


async def test_erasures_are_finished_in_portions(life: Life) -> None:
    now = life.clock.now()
    async with life.database.write() as session:
        for number in range(SWEEP + 1):
            person = Person(id=key_of(f"p{number}"), created_at=now, erasure_asked_at=now)
            session.add(person)
    async with life.database.write() as session:
        after = await finish_erasures(session, after=None, now=now)
        assert after is not None
        assert await finish_erasures(session, after=after, now=now) is None
    async with life.database.read() as session:
        query = select(Person.id).where(col(Person.erased_at).is_not(None))
        assert len((await session.exec(query)).all()) == SWEEP + 1


async def test_an_account_keeps_the_names_of_its_past_unless_it_wants_fewer_kept(
    life: Life,
) -> None:
    await life.add_parcel("parcel", S.COLLECTED)
    assert [await life.forget(days=days) for days in (13, 15, 31)] == [0, 1, 0]
    assert (await life.names())[1] == f"{MARK}@example.org"
    await life.prefer(keeps_past=False)
    assert await life.forget(days=13) == 1
    assert (await life.names())[1] == f"{MARK}@example.org"
    assert await life.forget(days=14) == 1
    assert await life.names() == (None, None)
    assert await life.forget(days=400) == 0
    assert "contact_addresses.address" in await life.found()


async def test_who_has_no_account_is_forgotten_thirty_days_after_their_last_parcel(
    life: Life,
) -> None:
    await life.become_guest()
    await life.add_parcel("parcel", S.COLLECTED)
    await life.add_parcel("waiting", S.READY_FOR_PICKUP)
    await life.forget(days=14)
    assert (await life.names())[1] == f"{MARK}@example.org"
    await life.forget(days=30)
    assert await life.names() == (None, None)
    assert await life.names("waiting") == (f"Ada {MARK}", f"{MARK}@example.org")
    assert "contact_addresses.address" in await life.found()
    async with life.database.write() as session:
        last = await session.get_one(Parcel, key_of("waiting"))
        last.state, last.over_at = S.RETURNED, life.clock.now() + timedelta(days=5)
        last.forget_at = last.over_at + KEPT_AT_LEAST
    for days in (19.0, 34.0):
        await life.forget(days=days)
        assert await life.found() != []
    await life.forget(days=35)
    assert await life.found() == []


async def test_a_staff_member_who_was_never_here_is_no_guest(life: Life) -> None:
    await life.become_guest()
    async with life.database.write() as session:
        session.add(
            Membership(
                id=life.ids.new(),
                created_at=life.clock.now(),
                person_id=life.person,
                role=Role.HUB_CLERK,
                subject=life.town.hub_id,
            )
        )
    await life.add_parcel("parcel", S.COLLECTED)
    for days in (15, 31):
        await life.forget(days=days)
    assert (await life.names())[1] == f"{MARK}@example.org"
