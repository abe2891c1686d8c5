"""What a hundred thousand lines cost: the next append, and the next start."""

from __future__ import annotations

import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from ble_agent.clock import TrustedClock
from ble_agent.journal import KEEP_S, Journal
from ble_agent.session.locker import open_store
from ble_agent.store.identity import get_identity
from schema.journal import Accepted, Kind
from schema.keys import Operation
from tests.bench.stage import READY_LIMIT_S, agent_at_work
from tests.ble_agent.standing import quick_folder
from tests.fakes.agents import commission_locker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ble_agent.store import Store
    from schema.codec import Value
    from tests.bench.report import Row

LINES = 100_000
TIMED = 1000
FLAT_LIMIT = 1.3

COMPARTMENTS = 20
VISITS_AT_ONCE = 20
"""Visits in one transaction, where nothing is timed; each has five lines."""

STARTS = 3


@dataclass(slots=True)
class Chain:
    """A locker's journal, written by its own code, with time moved by hand."""

    store: Store
    uptime_s: float = 0.0
    journal: Journal = field(init=False)

    def __post_init__(self) -> None:
        """Go on where the store's journal ends."""
        self.journal = Journal(
            self.store,
            get_identity(self.store).lid,
            clock=TrustedClock(0, uptime=lambda: self.uptime_s),
            boot=1,
            take_random=secrets.token_bytes,
        )

    def append(self) -> float:
        """One durable line; the seconds that it took."""
        began = time.perf_counter()
        with self.journal.record("line") as record:
            record.append(Kind.PULSED, [1, 1])
        return time.perf_counter() - began

    def set_time(self, at: int) -> None:
        """A phone brings the time: what is written from now on has a date."""
        with self.journal.record("time") as record:
            record.set_time(at)

    def fill(self, lines: int, *, span_s: int) -> None:
        """Go on with collections until there are so many lines, spread evenly over this time."""
        step_s = span_s / lines
        while (missing := lines - self.journal.tail().seq) > 0:
            with self.journal.record("visits") as record:
                for kind, body in _collections(VISITS_AT_ONCE)[:missing]:
                    self.uptime_s += step_s
                    record.append(kind, body)

    def acknowledge(self) -> None:
        """The server has every line."""
        tail = self.journal.tail()
        with self.journal.record("acknowledged") as record:
            assert self.journal.acknowledge(record, tail.seq, tail.head)


async def measure() -> list[Row]:
    """Two rows: appends at both ends of a journal, and the start of the agent over one."""
    with quick_folder() as quick, tempfile.TemporaryDirectory(dir=".") as disk:
        states = quick / "fresh", quick / "long"
        for state in states:
            commission_locker(state, compartments=COMPARTMENTS)
        flat = _measure_appends(*states)
        ready_s = await _measure_starts(states[1], Path(disk) / "news")
        with _open_chain(states[1]) as long:
            long.set_time(int(time.time()))
            long.acknowledge()
        ready_over_old_s = await _measure_starts(states[1], Path(disk) / "old")
    return [
        flat,
        {
            "name": f"{LINES} journal entries: seconds until ready to serve",
            "value": round(max(ready_s, ready_over_old_s), 2),
            "limit": READY_LIMIT_S,
            "detail": f"{ready_s:.2f} with all of them unsent, {ready_over_old_s:.2f} when all may"
            " go",
        },
    ]


def _measure_appends(fresh_state: Path, long_state: Path) -> Row:
    """The first thousand of one journal by turns with the last thousand of another.

    By turns, so that both meet the same neighbours; in memory, where nothing hides behind a sync.
    """
    first, last = [], []
    with _open_chain(fresh_state) as fresh, _open_chain(long_state) as long:
        long.set_time(int(time.time()) - 2 * KEEP_S)
        long.fill(LINES - TIMED, span_s=KEEP_S)
        for _ in range(TIMED):
            first.append(fresh.append())
            last.append(long.append())
        assert (fresh.journal.tail().seq, long.journal.tail().seq) == (TIMED, LINES)
        room = long.store.room()
    return {
        "name": f"{LINES} journal entries: last {TIMED} appends / first {TIMED}",
        "value": round(median(last) / median(first), 2),
        "limit": FLAT_LIMIT,
        "detail": f"{median(last) * 1e6:.0f} us / {median(first) * 1e6:.0f} us,"
        f" together {sum(last) * 1e3:.0f} ms / {sum(first) * 1e3:.0f} ms;"
        f" {100 * (1 - room):.0f} % of the store is filled",
    }


async def _measure_starts(state: Path, place: Path) -> float:
    """Median seconds until ready, each time over another copy on the disk."""
    taken = []
    for number in range(STARTS):
        copy = shutil.copytree(state, place.with_suffix(f".{number}"))
        async with agent_at_work(copy) as stage:
            taken.append(stage.ready_s)
    return median(taken)


@contextmanager
def _open_chain(state: Path) -> Iterator[Chain]:
    """The journal of a commissioned folder."""
    store = open_store(state)
    yield Chain(store)
    store.close()


def _collections(visits: int) -> list[tuple[Kind, list[Value]]]:
    """The lines of so many parcels that are fetched."""
    found: list[tuple[Kind, list[Value]]] = []
    for number in range(visits):
        comp = 1 + number % COMPARTMENTS
        accepted = Accepted(
            op=int(Operation.OPEN),
            asked_comp=None,
            code=None,
            comp=comp,
            cti=secrets.token_bytes(8),
            h=secrets.token_bytes(32),
            pop=secrets.token_bytes(64),
            chain_hash=secrets.token_bytes(32),
            rest=(),
        )
        found += [
            (Kind.ACCEPTED, accepted.as_body()),
            (Kind.PULSED, [comp, 1]),
            (Kind.DOOR_OPENED, [comp, True]),
            (Kind.DOOR_CLOSED, [comp, False]),
            (Kind.COLLECTED, [comp, secrets.token_bytes(8), 1]),
        ]
    return found
