"""People, phones, a locker and a server in any order, against a book that one person could keep.

Messages are lost, doubled, late and mixed; clocks jump; power and processes end. What a run did is
printed by hypothesis step by step; `--histories=N` tries N of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ble_agent.policy.credentials import TOLERANCE_S
from ble_agent.policy.world import MAX_PULSES
from schema.codes import Code
from schema.ids import EVERY_LOCKER, locker_text
from schema.journal import FIRST_PREV_HEAD, Kind, check_chain, parse_entry
from schema.keys import Operation
from schema.statements import Revocations, Time, parse_statement
from schema.tokens import delegation_id, parse_delegation, parse_token
from server.parcels.states import ParcelState
from tests.ble_agent.standing import quick_folder
from tests.fakes.town import COMPARTMENTS
from tests.faults.neighbourhood import Neighbourhood, Ticket

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from ble_agent.phone.luggage import Carried
    from schema.handshake import Hello
    from server.kit.guard import GuardedSchema
    from tests.fakes.stores import SqliteTemplate
    from tests.faults.neighbourhood import Hand

MOST_PARCELS = 5
STEPS = 50
LONGEST_JUMP_S = 3600

Ways = tuple[bool, bool, int]
"""How a phone comes: with a network, bringing in order what is lacking, taking so much along."""

MOSTLY = st.sampled_from([True, True, True, False])
WAYS: st.SearchStrategy[Ways] = st.tuples(MOSTLY, MOSTLY, st.sampled_from([0, 1, 3]))
PICK = st.integers(0, 99)

STILL_THERE = {ParcelState.DEPOSITED, ParcelState.READY_FOR_PICKUP, ParcelState.EXPIRED}
NEVER_CAME = {ParcelState.IN_TRANSIT, ParcelState.OUT_FOR_DELIVERY}

FORBIDDEN = {"UNKNOWN_TOKEN", "JOURNAL_FORK"}
"""Incidents that honest machines never open, whatever happens to them."""


@dataclass
class Parcel:
    """Where a parcel is, as somebody who watches the door would tell it."""

    owner: Hand
    stay: bytes = b""
    where: int | None = None
    is_gone: bool = False
    pulses: int = 0
    is_doubtful: bool = False
    """Opened under a right that the server had taken back, of which the locker knew nothing."""


@dataclass
class Book:
    """What the locker has been told, what lies in it, and who may open what by that."""

    parcels: dict[str, Parcel] = field(default_factory=dict)
    open_doors: dict[int, Ticket] = field(default_factory=dict)
    revoked: frozenset[bytes] = frozenset()
    rev_seq: int = 0
    min_iat: int = 0

    def hear(self, hello: Hello, statements: Sequence[Carried]) -> tuple[int, int]:
        """Take in what a phone has brought; the locker's time and its quality afterwards."""
        now, quality = hello.now, hello.clockq
        for kind, raw in statements:
            body = parse_statement(kind, raw).body
            if body.lid not in {hello.lid, EVERY_LOCKER}:
                continue
            if isinstance(body, Time):
                now, quality = body.t, 2
            is_ahead = quality > 0 and body.iat > now + TOLERANCE_S
            if isinstance(body, Revocations) and body.seq > self.rev_seq and not is_ahead:
                self.rev_seq, self.min_iat = body.seq, max(self.min_iat, body.min_iat)
                self.revoked = frozenset(name for name, _ in body.entries)
        return now, quality

    def may(self, ticket: Ticket, lid: str, now: int, quality: int) -> bool:
        """Whether the door opens for it."""
        claims = parse_token(ticket.chain[0]).claims
        parts = [parse_delegation(part) for part in ticket.chain[1:]]
        names = {claims.cti, claims.stay, *(delegation_id(part) for part in ticket.chain[1:])}
        ends = [claims.exp, *(part.exp for part in parts)]
        return (
            claims.aud == lid
            and not names & self.revoked
            and claims.iat >= self.min_iat
            and claims.minrev <= self.rev_seq
            and ends == sorted(ends, reverse=True)
            and now <= min(ends) + TOLERANCE_S
            and (not quality or now >= claims.nbf - TOLERANCE_S)
            and self._has_door(ticket, quality)
        )

    def _has_door(self, ticket: Ticket, quality: int) -> bool:
        parcel = self.parcels[ticket.name]
        if ticket.op is Operation.OPEN:
            where = parcel.where
            return where is not None and where not in self.open_doors and parcel.pulses < MAX_PULSES
        is_taken = any(one.where == ticket.comp for one in self.parcels.values())
        return (
            quality > 0
            and parcel.where is None
            and not parcel.is_gone
            and not is_taken
            and ticket.comp not in self.open_doors
            and parcel.pulses < MAX_PULSES
        )

    def let_in(self, ticket: Ticket) -> int:
        """The door that has opened."""
        parcel = self.parcels[ticket.name]
        parcel.pulses += 1
        comp = parcel.where if ticket.op is Operation.OPEN else ticket.comp
        assert comp is not None
        self.open_doors[comp] = ticket
        return comp

    def shut(self, comp: int, *, full: bool) -> None:
        """Somebody shuts the door, having put the parcel in, taken it, or neither."""
        ticket = self.open_doors.pop(comp)
        parcel = self.parcels[ticket.name]
        if ticket.op is Operation.DEPOSIT and full:
            parcel.where, parcel.pulses = comp, 0
        elif ticket.op is Operation.OPEN and not full:
            parcel.where, parcel.is_gone = None, True

    def inside(self) -> dict[int, bytes]:
        """The stays by compartment."""
        there = {one.where: one.stay for one in self.parcels.values()}
        return {comp: stay for comp, stay in there.items() if comp is not None}


class Histories(RuleBasedStateMachine):
    """The neighbourhood, its book, and everything that may happen."""

    surroundings: tuple[GuardedSchema, SqliteTemplate]

    def __init__(self) -> None:
        super().__init__()
        schema, template = self.surroundings
        self.closing = contextlib.ExitStack()
        folder = self.closing.enter_context(quick_folder())
        self.runner = self.closing.enter_context(asyncio.Runner())
        self.book = Book()
        self.tickets: list[Ticket] = []
        self.jumped_s = 0.0
        self.is_sound = True
        self.head = FIRST_PREV_HEAD
        self.all = Neighbourhood(folder, template.copy(folder), schema)
        self.run(self.all.settle())
        self.run(self.all.wait(2 * LONGEST_JUMP_S))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of some work on the one loop."""
        return self.runner.run(work)

    @precondition(lambda self: len(self.book.parcels) < MOST_PARCELS)
    @rule(who=st.sampled_from([0, 1]), ways=WAYS, is_put_in=MOSTLY, is_told=MOSTLY)
    def bring(self, who: int, ways: Ways, is_put_in: bool, is_told: bool) -> None:
        """A courier comes with a parcel, and puts it in or leaves the door open.

        Unless the locker has a network for once, the server hears of it from others, if at all.
        """
        name, owner = f"parcel-{len(self.book.parcels)}", self.all.people[who]
        ticket = self.run(self.all.order(name, owner))
        stay = parse_token(ticket.chain[0]).claims.stay if ticket else b""
        self.book.parcels[name] = Parcel(owner, stay)
        if ticket:
            self.tickets.append(ticket)
            if self.knock(ticket, ways) and is_put_in:
                self.shut_door(self.doors_of(ticket)[0], full=True)
        if is_told:
            self.run(self.all.deliver_all())
            self.run(self.all.life.handle_events())

    @precondition(lambda self: self.book.parcels)
    @rule(n=PICK, ways=WAYS, is_going=MOSTLY, is_taken=MOSTLY)
    def fetch(self, n: int, ways: Ways, is_going: bool, is_taken: bool) -> None:
        """A recipient asks for a token, and may go to the door with it at once."""
        name = list(self.book.parcels)[n % len(self.book.parcels)]
        parcel = self.book.parcels[name]
        ticket = self.run(self.all.fetch(name, parcel.owner))
        if ticket is None:
            return
        self.tickets.append(ticket)
        if is_going and self.knock(ticket, ways) and parcel.where is not None:
            self.shut_door(parcel.where, full=not is_taken)

    @precondition(lambda self: self.tickets)
    @rule(n=PICK, ways=WAYS)
    def come_again(self, n: int, ways: Ways) -> None:
        """Somebody tries a token that they have had for a while, or have used."""
        ticket = self.tickets[n % len(self.tickets)]
        # Taking back and adding are told elsewhere.
        if ticket.op is Operation.OPEN or self.book.parcels[ticket.name].where is None:
            self.knock(ticket, ways)

    def knock(self, ticket: Ticket, ways: Ways) -> bool:
        """Whether the door has opened, which must be what the book says."""
        hello = self.all.hello()
        is_online, is_orderly, syncs = ways
        knocked = self.all.knock(ticket, is_online=is_online, is_orderly=is_orderly, syncs=syncs)
        code, brought = self.run(knocked)
        now, quality = self.book.hear(hello, brought)
        is_right: bool = self.book.may(ticket, locker_text(hello.lid), now, quality)
        self.is_sound = (code == Code.OK) is is_right
        assert self.is_sound, f"{Code(code).name}, but the book says {is_right}"
        if is_right:
            self.book.let_in(ticket)
        return bool(is_right)

    def doors_of(self, ticket: Ticket) -> list[int]:
        """The doors that stand open under it."""
        return [comp for comp, known in self.book.open_doors.items() if known is ticket]

    def shut_door(self, comp: int, *, full: bool) -> None:
        self.run(self.all.locker.shut(comp, occupied=full))
        self.book.shut(comp, full=full)

    @precondition(lambda self: any(one.op is Operation.OPEN for one in self.tickets))
    @rule(n=PICK, hours=st.sampled_from([-1, 1, 12, 100]), ways=WAYS, is_going=MOSTLY)
    def share(self, n: int, hours: int, ways: Ways, is_going: bool) -> None:
        """A phone passes a token on, and its new holder may go to the door at once."""
        held = [one for one in self.tickets if one.op is Operation.OPEN and len(one.chain) < 3]
        if held:
            ticket = held[n % len(held)]
            other = self.all.people[ticket.hand is self.all.people[0]]
            exp = int(self.all.server_s()) + hours * 3600
            self.tickets.append(self.all.share(ticket, other, exp))
            if is_going:
                self.knock(self.tickets[-1], ways)

    @precondition(lambda self: any(one.grant for one in self.tickets))
    @rule(n=PICK, ways=WAYS, is_told=MOSTLY, is_going=MOSTLY)
    def withdraw(self, n: int, ways: Ways, is_told: bool, is_going: bool) -> None:
        """A right is taken back, and whoever had it may try all the same."""
        granted = [one for one in self.tickets if one.grant]
        ticket = granted[n % len(granted)]
        if self.run(self.all.withdraw(ticket, is_told=is_told)):
            self.book.parcels[ticket.name].is_doubtful = True
        if is_going:
            for one in self.tickets:
                if one.name == ticket.name and one.op is Operation.OPEN:
                    self.knock(one, ways)

    @precondition(lambda self: self.book.open_doors)
    @rule(n=PICK, full=st.booleans())
    def shut(self, n: int, full: bool) -> None:
        self.shut_door(sorted(self.book.open_doors)[n % len(self.book.open_doors)], full=full)

    @precondition(lambda self: any(hand.up for hand in self.all.hands))
    @rule(seed=st.integers(0, 2**16))
    def find_network(self, seed: int) -> None:
        """Envelopes reach the server late, mixed, doubled, or not at all; the worker works."""
        chance = random.Random(seed)
        for hand in self.all.hands:
            chance.shuffle(hand.up)
            sent = [one for one in hand.up for _ in range(chance.choice([0, 1, 1, 1, 2]))]
            hand.up = [one for one in hand.up if chance.random() < 0.3]
            self.run(self.all.bring(hand, sent))
        self.check_server()
        self.run(self.all.life.handle_events())

    @precondition(lambda self: not self.book.open_doors)
    @rule(seconds=st.sampled_from([5, 61, 400, 3600, 6 * 3600]))
    def wait(self, seconds: int) -> None:
        self.run(self.all.wait(seconds))

    @rule(minutes=st.sampled_from([0, -30, -5, 5, 30]))
    def end_process(self, minutes: int) -> None:
        """Another process of the server takes over, with a clock that is set, rightly or not."""
        if abs(self.jumped_s + minutes * 60) <= LONGEST_JUMP_S:
            self.jumped_s += minutes * 60
            self.all.life.world.clock.move(minutes=minutes)
        self.run(self.all.restart_server())

    @rule()
    def lose_power(self) -> None:
        self.run(self.all.locker.lose_power())

    @precondition(lambda self: not self.book.open_doors and self.all.boards < 2)
    @rule()
    def swap(self) -> None:
        """A new board, once the server knows what lies inside; the old one's keys are dead."""
        self.run(self.all.deliver_all())
        self.agrees()
        self.check_server()
        self.run(self.all.swap())
        self.head = FIRST_PREV_HEAD
        self.book.revoked, self.book.rev_seq, self.book.min_iat = frozenset(), 0, 0

    @invariant()
    def agrees(self) -> None:
        assert self.all.locker.failures == []
        stored = {comp: self.all.locker.stay(comp) for comp in range(1, COMPARTMENTS + 1)}
        assert {comp: stay for comp, stay in stored.items() if stay} == self.book.inside()
        first = max(self.all.written, default=0) + 1
        new = self.all.note_lines()
        self.head = check_chain(new, lid=self.all.lid, first=first, prev_head=self.head)

    def check_server(self) -> None:
        """What the server has is what the locker has written so far, or its beginning."""
        stored = self.run(self.all.stored())
        assert stored == [raw for _, raw in sorted(self.all.written.items())][: len(stored)]

    def teardown(self) -> None:
        try:
            if self.is_sound and self.all.locker.is_up:
                self.come_to_an_end()
        finally:
            self.run(self.all.end())
            self.closing.close()

    def come_to_an_end(self) -> None:
        """Doors are shut, everything is delivered: server, locker and book are of one mind."""
        for comp in list(self.book.open_doors):
            self.shut_door(comp, full=False)
        self.all.life.world.clock.move(seconds=-self.jumped_s)
        for _ in range(2):
            self.run(self.all.wait(120))
            self.run(self.all.deliver_all())
            self.run(self.all.life.handle_events())
        self.agrees()
        assert self.run(self.all.stored()) == [raw for _, raw in sorted(self.all.written.items())]
        entries = [parse_entry(raw) for raw in self.all.written.values()]
        ended = [entry.body[1] for entry in entries if entry.kind == Kind.COLLECTED]
        assert len(ended) == len(set(ended))
        assert not self.run(self.all.incidents()) & FORBIDDEN
        for name, parcel in self.book.parcels.items():
            self.check_parcel(name, parcel)

    def check_parcel(self, name: str, parcel: Parcel) -> None:
        """The server's word on one parcel."""
        state = self.run(self.all.parcel(name)).state
        if parcel.is_gone:
            assert state is ParcelState.COLLECTED or parcel.is_doubtful, (name, state)
        elif parcel.where is not None:
            assert state in STILL_THERE, (name, state)
        else:
            assert state in NEVER_CAME, (name, state)


@pytest.mark.timeout(600)
def test_whatever_happens_nobody_is_let_in_wrongly_and_nothing_is_lost(
    schema: GuardedSchema, sqlite_template: SqliteTemplate, request: pytest.FixtureRequest
) -> None:
    Histories.surroundings = (schema, sqlite_template)
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=request.config.getoption("--histories"),
            stateful_step_count=STEPS,
            deadline=None,
            print_blob=True,
            phases=[Phase.generate],
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
        ),
    )
