"""The parts of a day cover it without gap or overlap, also where a clock is set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from server.hubs.dayslots import DaySlot, slot_after, slot_of

ZONES = [ZoneInfo(name) for name in ("Europe/Tallinn", "America/New_York", "Asia/Kolkata")]
minutes = st.integers(0, 366 * 24 * 60).map(
    lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)
)


@given(at=minutes, zone=st.sampled_from(ZONES))
def test_an_instant_lies_within_its_slot(at: datetime, zone: ZoneInfo) -> None:
    day, slot = slot_of(at, zone)
    assert slot_after((day, slot), 0, zone)[:2] == (day, slot)
    start, end = slot_after((day, slot), 0, zone)[2]
    assert start <= at < end


@given(at=minutes, zone=st.sampled_from(ZONES), steps=st.integers(0, 30))
def test_slots_follow_each_other(at: datetime, zone: ZoneInfo, steps: int) -> None:
    start = slot_of(at, zone)
    _, _, former = slot_after(start, steps, zone)
    _, slot, latter = slot_after(start, steps + 1, zone)
    assert former[1] == latter[0]
    assert slot is DaySlot((start[1] + steps + 1) % len(DaySlot))
