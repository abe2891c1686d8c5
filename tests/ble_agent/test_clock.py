"""Trusted time: only signed things move it, and it never claims to be later than they allow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from ble_agent.clock import ClockState, Quality, Scheduler, TrustedClock, measure_uptime_s
from tests.fakes.scheduler import ManualScheduler

T = 1_800_000_000

times = st.integers(0, 2**40)
spans = st.floats(0, 10_000_000, allow_nan=False)


@dataclass
class Uptime:
    """A machine whose running time the test moves."""

    seconds: float = 500.0

    def __call__(self) -> float:
        return self.seconds


def make_clock(floor: int = T, battery_at: int | None = None) -> tuple[TrustedClock, Uptime]:
    uptime = Uptime()
    return TrustedClock(floor, uptime=uptime, battery_at=battery_at), uptime


def raise_to(clock: TrustedClock, iat: int) -> None:
    clock.adopt(clock.state.raised(iat, uptime_s=clock.uptime_s()))


def set_to(clock: TrustedClock, at: int) -> None:
    clock.adopt(clock.state.set_to(at, uptime_s=clock.uptime_s()))


def test_process_starts_at_its_floor_with_quality_0() -> None:
    clock, _uptime = make_clock()
    assert (clock.now(), clock.floor, clock.quality) == (T, T, Quality.FLOOR_ONLY)


def test_time_passes_but_the_floor_stays() -> None:
    clock, uptime = make_clock()
    uptime.seconds += 60.75
    assert (clock.now(), clock.floor, clock.elapsed_ms()) == (T + 60, T, 60_750)


def test_at_quality_0_a_later_issue_time_carries_the_clock_along() -> None:
    clock, uptime = make_clock()
    uptime.seconds += 60
    raise_to(clock, T + 1000)
    assert (clock.now(), clock.floor, clock.quality) == (T + 1000, T + 1000, Quality.FLOOR_ONLY)
    uptime.seconds += 5
    assert clock.now() == T + 1005


def test_at_quality_0_an_issue_time_behind_the_clock_raises_only_the_floor() -> None:
    clock, uptime = make_clock()
    uptime.seconds += 60
    raise_to(clock, T + 40)
    assert (clock.now(), clock.floor) == (T + 60, T + 40)
    raise_to(clock, T - 40)
    assert (clock.now(), clock.floor) == (T + 60, T + 40)


def test_bound_time_statement_sets_clock_and_floor_forwards() -> None:
    clock, uptime = make_clock()
    set_to(clock, T + 5000)
    uptime.seconds += 10
    assert (clock.now(), clock.floor, clock.quality) == (T + 5010, T + 5000, Quality.SYNCED)


def test_bound_time_statement_sets_clock_and_floor_backwards() -> None:
    clock, _uptime = make_clock(floor=2**40)
    set_to(clock, T)
    assert (clock.now(), clock.floor) == (T, T)


def test_at_quality_2_a_future_issue_time_raises_the_floor_to_now_at_most() -> None:
    clock, uptime = make_clock()
    set_to(clock, T)
    uptime.seconds += 30
    raise_to(clock, T + 100)
    assert (clock.now(), clock.floor) == (T + 30, T + 30)


def test_battery_backed_clock_gives_quality_1_and_keeps_the_floor() -> None:
    clock, uptime = make_clock(battery_at=T + 900)
    assert (clock.now(), clock.floor, clock.quality) == (T + 900, T, Quality.BATTERY)
    uptime.seconds += 1
    raise_to(clock, T + 99_999)
    assert (clock.now(), clock.floor) == (T + 901, T + 901)


def test_battery_backed_clock_at_the_floor_is_believed() -> None:
    clock, _uptime = make_clock(battery_at=T)
    assert (clock.now(), clock.quality) == (T, Quality.BATTERY)


def test_an_issue_time_of_this_second_loses_no_part_of_it() -> None:
    clock, uptime = make_clock()
    uptime.seconds += 0.75
    raise_to(clock, T)
    uptime.seconds += 0.25
    assert clock.now() == T + 1


def test_battery_backed_clock_behind_the_floor_is_not_believed() -> None:
    clock, _uptime = make_clock(battery_at=T - 1)
    assert (clock.now(), clock.quality) == (T, Quality.FLOOR_ONLY)


def test_state_that_was_not_adopted_changes_nothing() -> None:
    clock, _uptime = make_clock()
    before = clock.state
    derived = before.set_to(T + 7, uptime_s=clock.uptime_s()).raised(T + 9, uptime_s=700)
    assert derived.now(700) == T + 207
    assert (clock.state, clock.now()) == (before, T)


def test_restart_with_the_durable_floor_never_goes_below_it() -> None:
    clock, uptime = make_clock()
    uptime.seconds += 3600
    raise_to(clock, T + 1800)
    restarted = TrustedClock(clock.floor, uptime=Uptime(3.0))
    assert (restarted.now(), restarted.quality) == (T + 1800, Quality.FLOOR_ONLY)


@given(st.integers(0, T), st.lists(st.tuples(spans, st.floats(0, 1))), spans)
def test_honest_issue_times_never_carry_a_clock_of_quality_0_past_the_truth(
    floor: int, issues: list[tuple[float, float]], rest_s: float
) -> None:
    """Whoever signs writes a time that has been; `now` must then stay a lower bound."""
    clock, uptime = make_clock(floor=floor)
    started_s = uptime.seconds
    for passed_s, age in issues:
        uptime.seconds += passed_s
        truth = T + int(uptime.seconds - started_s)
        raise_to(clock, int(truth * age))
    uptime.seconds += rest_s
    assert clock.floor <= clock.now() <= T + uptime.seconds - started_s


@given(times, st.lists(st.tuples(times, spans)), st.booleans())
def test_raising_never_turns_clock_or_floor_back(
    floor: int, steps: list[tuple[int, float]], synced: bool
) -> None:
    state = ClockState(floor=floor, at=floor, since_s=0.0, quality=Quality.FLOOR_ONLY)
    if synced:
        state = state.set_to(floor, uptime_s=0.0)
    uptime_s = 0.0
    for iat, passed_s in steps:
        uptime_s += passed_s
        raised = state.raised(iat, uptime_s=uptime_s)
        assert raised.floor >= state.floor
        assert raised.now(uptime_s) >= state.now(uptime_s)
        assert raised.floor <= raised.now(uptime_s)
        assert raised.quality is state.quality
        if synced:
            assert raised.now(uptime_s) == state.now(uptime_s)
        state = raised


@given(times, times, spans)
def test_time_statement_wins_over_everything_before(floor: int, at: int, uptime_s: float) -> None:
    state = ClockState(floor=floor, at=floor, since_s=0.0, quality=Quality.FLOOR_ONLY)
    after = state.set_to(at, uptime_s=uptime_s)
    assert (after.now(uptime_s), after.floor, after.quality) == (at, at, Quality.SYNCED)


def test_uptime_of_the_machine_never_runs_backwards() -> None:
    readings = [measure_uptime_s() for _ in range(100)]
    assert readings == sorted(readings)
    assert readings[0] > 0


def test_manual_scheduler_runs_due_callbacks_in_order_and_once() -> None:
    scheduler = ManualScheduler()
    ran: list[str] = []
    scheduler.call_later(2, lambda: ran.append("two"))
    scheduler.call_later(1, lambda: scheduler.call_later(0.5, lambda: ran.append("one and a half")))
    scheduler.call_soon(lambda: ran.append("soon"))
    scheduler.call_later(1, lambda: ran.append("never")).cancel()
    assert ran == []
    scheduler.advance(2)
    scheduler.advance(2)
    assert ran == ["soon", "one and a half", "two"]
    assert (scheduler.time(), scheduler.pending()) == (4, 0)


async def test_event_loop_is_a_scheduler() -> None:
    loop: Scheduler = asyncio.get_running_loop()
    done = asyncio.Event()
    loop.call_later(0, done.set)
    loop.call_soon_threadsafe(loop.call_soon(lambda: None).cancel)
    await asyncio.wait_for(done.wait(), timeout=5)
