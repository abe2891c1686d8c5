"""Phones, staff, hands at doors and power cuts in any order, against a model on one page."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from ble_agent.codes import Codes
from ble_agent.policy.world import MAX_PULSES, TAKE_BACK_S
from schema.codes import Code
from schema.ids import StayId
from schema.journal import FIRST_PREV_HEAD, check_chain
from schema.keys import Operation, Role
from schema.tokens.passes import PIN_WINDOW_S, pin
from tests.ble_agent.standing import DAY, NOW, Standing, quick_folder

if TYPE_CHECKING:
    from collections.abc import Coroutine

COMPS = (1, 2, 3)
STAYS = tuple(StayId(b"stay%04d" % n) for n in range(5))
OVERDUE_S = 120


@dataclass
class Visit:
    """The last visit to a compartment, as somebody who watches would tell it."""

    op: Operation
    stay: StayId | None
    is_open: bool = True
    overdue_at: float = 0.0
    first_closed: float | None = None
    was_full: bool = False


class Model:
    """Three doors, what lies behind them, and for whom."""

    def __init__(self) -> None:
        self.now = 0.0
        self.stored: dict[int, StayId | None] = dict.fromkeys(COMPS)
        self.ended: dict[int, StayId | None] = dict.fromkeys(COMPS)
        self.full: dict[int, bool] = dict.fromkeys(COMPS, False)
        self.visits: dict[int, Visit] = {}
        self.brought: set[StayId] = set()
        self.pulses: dict[StayId, int] = {}
        self.wrong = dict.fromkeys(COMPS, 0)
        self.locked_until = dict.fromkeys(COMPS, 0.0)

    def is_open(self, comp: int) -> bool:
        """Whether somebody stands at this open door."""
        return comp in self.visits and self.visits[comp].is_open

    def find(self, stay: StayId) -> int | None:
        """Where a stay is stored."""
        return next((comp for comp, known in self.stored.items() if known == stay), None)

    def open(self, stay: StayId) -> Code:
        """What the recipient's token is answered with."""
        comp = self.find(stay)
        if comp is None:
            return Code.USED if stay in self.ended.values() else Code.OUT_OF_SCOPE
        return self._let_in(Operation.OPEN, comp, stay)

    def inspect(self, comp: int) -> Code:
        """What a token for this compartment alone is answered with."""
        if self.stored[comp] is not None:
            return Code.OUT_OF_SCOPE
        return self._let_in(Operation.INSPECT, comp, None)

    def type_in(self, comp: int, *, is_right: bool) -> Code:
        """What digits typed for this compartment are answered with."""
        if self.now < self.locked_until[comp]:
            return Code.RATE_LIMITED
        stay = self.stored[comp]
        if stay is not None and is_right:
            code = self._let_in(Operation.OPEN, comp, stay)
            if code is Code.OK:
                self.wrong[comp] = 0
            return code
        self.wrong[comp] += 1
        rows, over = divmod(self.wrong[comp], 5)
        if not over:
            self.locked_until[comp] = self.now + min(900 * 2 ** (rows - 1), DAY)
        return Code.HOLDER_PROOF_FAILED

    def deposit(self, stay: StayId, wanted: int | None) -> tuple[Code, int | None]:
        """What the stay's one deposit token is answered with."""
        comp = self.find(stay)
        if stay in self.brought:
            visit = self.visits.get(comp or 0)
            if comp is None or visit is None or not self._is_fresh(visit, stay):
                return Code.USED, None
            if wanted not in {None, comp}:
                return Code.OUT_OF_SCOPE, None
            return self._let_in(Operation.DEPOSIT, comp, stay), comp
        if any(self.is_open(c) and self._is_deposit(c, stay) for c in COMPS):
            return Code.COMPARTMENT_BUSY, None
        free = [c for c in COMPS if self._is_free(c, stay) and wanted in {None, c}]
        if not free:
            return Code.COMPARTMENT_BUSY, None
        return self._let_in(Operation.DEPOSIT, free[0], stay), free[0]

    def shut(self, comp: int, *, full: bool) -> None:
        """Somebody shuts the door; the sensor sees what is behind it."""
        visit = self.visits[comp]
        visit.is_open, self.full[comp] = False, full
        if visit.op is Operation.OPEN and self.stored[comp] == visit.stay and not full:
            self._end(comp)
        if visit.op is not Operation.DEPOSIT or visit.stay is None:
            return
        if self.stored[comp] == visit.stay:
            visit.first_closed = self.now if visit.first_closed is None else visit.first_closed
            if not full:
                self._end(comp)
        elif full:
            self.stored[comp] = visit.stay
            self.brought.add(visit.stay)
            self.pulses[visit.stay] = 0
            self.wrong[comp], self.locked_until[comp] = 0, 0.0
            visit.first_closed = self.now

    def wait(self, seconds: float) -> None:
        """Time passes; collections that stand open too long are over."""
        self.now += seconds
        for comp, visit in self.visits.items():
            is_overdue = visit.is_open and visit.overdue_at <= self.now
            collects = visit.op is Operation.OPEN and self.stored[comp] == visit.stay
            if is_overdue and collects:
                self._end(comp)

    def lose_power(self) -> None:
        """Doors that stand open have all their time again."""
        for visit in self.visits.values():
            visit.overdue_at = self.now + OVERDUE_S

    def _is_fresh(self, visit: Visit, stay: StayId) -> bool:
        return (
            visit.op is Operation.DEPOSIT
            and visit.stay == stay
            and visit.first_closed is not None
            and self.now - visit.first_closed <= TAKE_BACK_S
        )

    def _is_free(self, comp: int, stay: StayId) -> bool:
        if self.stored[comp] is not None or self.is_open(comp):
            return False
        return self._is_deposit(comp, stay) or not self.full[comp]

    def _is_deposit(self, comp: int, stay: StayId) -> bool:
        visit = self.visits.get(comp)
        return visit is not None and visit.op is Operation.DEPOSIT and visit.stay == stay

    def _let_in(self, op: Operation, comp: int, stay: StayId | None) -> Code:
        if self.is_open(comp):
            return Code.COMPARTMENT_BUSY
        if stay is not None:
            if self.pulses.get(stay, 0) >= MAX_PULSES:
                return Code.COMPARTMENT_FAULT
            self.pulses[stay] = self.pulses.get(stay, 0) + 1
        former = self.visits.get(comp)
        is_again = op is Operation.DEPOSIT and former is not None and former.stay == stay
        self.visits[comp] = Visit(
            op,
            stay,
            overdue_at=self.now + OVERDUE_S,
            first_closed=former.first_closed if is_again and former is not None else None,
        )
        return Code.OK

    def _end(self, comp: int) -> None:
        self.ended[comp], self.stored[comp] = self.stored[comp], None


class Visits(RuleBasedStateMachine):
    """One locker, its model, and everything that people do."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = contextlib.ExitStack()
        folder = self.closing.enter_context(quick_folder())
        self.runner = self.closing.enter_context(asyncio.Runner())
        self.model = Model()
        self.standing = Standing(folder / "state", compartments=len(COMPS), door_seconds=None)
        self.run(self.standing.start())
        self.run(self.standing.set_up())
        self.life: dict[str, Any] = {"exp": NOW + 6 * DAY}
        self.couriers = {
            stay: self.standing.token(Operation.DEPOSIT, stay=stay, **self.life) for stay in STAYS
        }

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of some work on the locker's loop."""
        return self.runner.run(work)

    def ask(self, op: Operation, comp: int | None = None, **how: Any) -> tuple[int, int | None]:
        """Code and compartment of a result, once the bolt has moved."""
        report = self.run(self.standing.ask(op, comp, **how))
        self.run(self.standing.pass_time())
        return report.code, report.comp

    @rule(stay=st.sampled_from(STAYS), wanted=st.sampled_from((None, *COMPS)))
    def bring(self, stay: StayId, wanted: int | None) -> None:
        code, comp = self.ask(Operation.DEPOSIT, wanted, token=self.couriers[stay])
        expected = self.model.deposit(stay, wanted)
        assert (code, comp) == (expected[0], expected[1] if code == Code.OK else None)

    @rule(stay=st.sampled_from(STAYS))
    def collect(self, stay: StayId) -> None:
        code, comp = self.ask(Operation.OPEN, stay=stay, **self.life)
        where = self.model.find(stay)
        assert code == self.model.open(stay)
        assert comp == (where if code == Code.OK else None)

    @rule(comp=st.sampled_from(COMPS))
    def look(self, comp: int) -> None:
        how = {"comps": (comp,), "role": Role.HUB, **self.life}
        assert self.ask(Operation.INSPECT, comp, **how)[0] == self.model.inspect(comp)

    @rule(comp=st.sampled_from(COMPS), is_right=st.booleans(), times=st.sampled_from([1, 5]))
    def type_in(self, comp: int, is_right: bool, times: int) -> None:
        for _ in range(times):
            locker = self.standing.locker
            day = locker.journal.clock.now() // PIN_WINDOW_S
            right = pin(locker.identity.pin_secret, self.standing.stay(comp) or STAYS[0], day)
            digits = right if is_right else f"{(int(right) + 1) % 10**8:08d}"
            expected = self.model.type_in(comp, is_right=is_right)
            assert self.run(self.enter(comp, digits)) == expected

    async def enter(self, comp: int, digits: str) -> Code:
        """What the keypad answers, once the bolt has moved."""
        codes = Codes(self.standing.locker, lambda event, comp, line: None)
        decision = codes.enter_pin(comp, digits)
        await self.standing.pass_time()
        return decision.code

    @rule(comp=st.sampled_from(COMPS), full=st.booleans())
    def shut(self, comp: int, full: bool) -> None:
        if self.model.is_open(comp):
            self.run(self.standing.shut(comp, occupied=full))
            self.model.shut(comp, full=full)

    @rule(seconds=st.sampled_from([1, 9, 30, 61, 121, 900]))
    def wait(self, seconds: int) -> None:
        self.run(self.standing.pass_time(seconds))
        self.model.wait(seconds)

    @rule()
    def lose_power(self) -> None:
        self.run(self.standing.lose_power())
        self.model.lose_power()
        self.run(self.standing.set_time(NOW + int(self.model.now)))

    @invariant()
    def agrees(self) -> None:
        assert self.standing.failures == []
        stored = {comp: self.standing.stay(comp) for comp in COMPS}
        assert stored == self.model.stored

    def teardown(self) -> None:
        lines = [raw for _, raw in self.standing.locker.journal.list_after(0, limit=100_000)]
        check_chain(lines, lid=self.standing.lid, first=1, prev_head=FIRST_PREV_HEAD)
        self.run(self.standing.stop())
        self.closing.close()


Visits.TestCase.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestRandomVisits = Visits.TestCase
