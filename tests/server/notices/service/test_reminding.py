"""Reminders of waiting parcels: handed out once, when due, and not once they are overtaken."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import select

from schema.compartments import ClimateZone
from server.kit.outbox import Again, Done, Lease, Outbox
from server.notices.delivery import Later
from server.notices.service.reminding import hand_out, plan_next
from server.parcels.states import ParcelState
from server.parcels.tables import PauseCause
from server.people.preferences import DailySpan
from server.people.service.preferences import PREFERENCES_CHANGED
from tests.fakes.town import key_of
from tests.server.notices.service.conftest import HOUR

if TYPE_CHECKING:
    from tests.server.notices.service.conftest import Ward


async def test_a_wait_of_three_days_is_told_of_three_times(ward: Ward) -> None:
    await ward.wait()
    assert await ward.live_through(72) == ["REMIND_1", "REMIND_2", "REMIND_3"]
    assert await ward.next_at() is None


async def test_a_look_that_is_repeated_hands_nothing_out_twice(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=24)
    assert await ward.look() == 1
    assert await ward.look() == 0
    assert await ward.handed_out() == ["REMIND_1"]


async def test_two_looks_at_once_hand_each_out_once(ward: Ward) -> None:
    for number in range(5):
        await ward.wait(f"parcel {number}")
    ward.clock.move(hours=24)
    await asyncio.gather(ward.look(), ward.look())
    await ward.look()
    assert await ward.handed_out() == ["REMIND_1"] * 5


@pytest.mark.parametrize(
    "overtaken",
    [
        {"state": ParcelState.COLLECTING},
        {"state": ParcelState.EXPIRED},
        {"pause_cause": PauseCause.LOCKER_FAULT},
        {"deadline_version": 2},
    ],
    ids=lambda it: next(iter(it)),
)
async def test_nobody_is_reminded_of_what_waits_no_more(
    ward: Ward, overtaken: dict[str, Any]
) -> None:
    await ward.wait()
    ward.clock.move(hours=24)
    await ward.look()
    await ward.change(**overtaken)
    assert await ward.tell_all() == [Done()]
    assert ward.push.sent == []


async def test_what_is_no_longer_waiting_leaves_no_row(ward: Ward) -> None:
    await ward.wait()
    await ward.change(state=ParcelState.COLLECTING)
    ward.clock.move(hours=24)
    assert await ward.look() == 1
    assert await ward.handed_out() == []
    assert await ward.next_at() is None


async def test_a_new_deadline_is_planned_anew(ward: Ward) -> None:
    await ward.wait()
    first = await ward.next_at()
    await ward.change(available_through=ward.clock.now() + 120 * HOUR, deadline_version=2)
    async with ward.database.write() as session:
        await plan_next(session, [key_of("parcel")], now=ward.clock.now())
    assert await ward.next_at() == first
    assert await ward.live_through(120) == ["REMIND_1", "REMIND_2", "REMIND_3"]


async def test_after_an_outage_only_the_newest_of_what_was_due_is_told(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=70)
    await ward.look()
    assert await ward.handed_out() == ["REMIND_3"]
    await ward.look()
    assert await ward.handed_out() == ["REMIND_3"]


async def test_an_outage_beyond_the_end_tells_nothing(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=73)
    await ward.look()
    assert await ward.handed_out() == []
    assert await ward.next_at() is None


async def test_a_clock_that_is_set_back_tells_nothing_twice(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=25)
    await ward.look()
    ward.clock.move(hours=-20)
    assert await ward.live_through(92) == ["REMIND_1", "REMIND_2", "REMIND_3"]


async def test_many_are_handed_out_in_portions(ward: Ward) -> None:
    for number in range(7):
        await ward.wait(f"parcel {number}")
    ward.clock.move(hours=24)
    seen = []
    for _ in range(4):
        async with ward.database.write() as session:
            seen.append(await hand_out(session, now=ward.clock.now(), limit=3))
    assert seen == [3, 3, 1, 0]
    assert len(await ward.handed_out()) == 7


async def test_cooled_goods_are_told_of_sooner(ward: Ward) -> None:
    await ward.wait(hours=24, climate_zone=ClimateZone.CHILLED)
    assert await ward.live_through(24) == ["COOL_1", "COOL_2", "COOL_3"]


async def test_the_last_reminder_of_cooled_goods_counts_from_the_earlier_of_two_clocks(
    ward: Ward,
) -> None:
    begun = ward.clock.now()
    await ward.wait(hours=24, climate_zone=ClimateZone.CHILLED)
    await ward.change(safe_until=begun + 16 * HOUR)
    assert await ward.live_through(24) == ["COOL_1", "COOL_2", "COOL_3"]
    assert ward.heard[-1] == begun + 12 * HOUR


async def test_goods_that_are_good_no_longer_are_not_told_of(ward: Ward) -> None:
    await ward.wait(hours=24, climate_zone=ClimateZone.CHILLED)
    await ward.change(safe_until=ward.clock.now() + HOUR)
    assert await ward.live_through(24) == []


async def test_a_provider_that_is_silent_is_asked_again(ward: Ward) -> None:
    await ward.wait()
    ward.push.answers["fcm"] = Later("quota", 17)
    ward.clock.move(hours=24)
    await ward.look()
    assert await ward.tell_all() == [Again("quota", 17)]


async def test_quiet_hours_that_change_move_what_is_planned(ward: Ward) -> None:
    await ward.wait()
    _, before = await ward.next_at() or pytest.fail("nothing is planned")
    local = before.astimezone(ZoneInfo("Europe/Tallinn"))
    hour = local.hour * 60
    await ward.prefer(quiet=DailySpan(hour - 60, hour + 120))
    _, after = await ward.next_at() or pytest.fail("nothing is planned")
    assert after == local.replace(minute=0) - HOUR - timedelta(minutes=15)


async def test_preferences_of_others_move_nothing(ward: Ward) -> None:
    await ward.wait()
    before = await ward.next_at()
    now = ward.clock.now()
    event = Lease(key_of("event"), PREFERENCES_CHANGED, key_of("stranger"), {}, 1, now, now)
    assert await ward.jobs.on_preferences_changed(event) == Done()
    assert await ward.next_at() == before


async def test_changed_preferences_are_an_event(ward: Ward) -> None:
    await ward.prefer(quiet=None)
    async with ward.database.read() as session:
        [row] = await session.exec(select(Outbox).where(Outbox.kind == PREFERENCES_CHANGED))
    assert (row.subject, row.facts) == (key_of("recipient"), {"version": 1})


async def test_last_reminder_leaves_the_night_once_an_earlier_one_has_arrived(ward: Ward) -> None:
    await ward.prefer(quiet=DailySpan(0, 8 * 60))
    ward.clock.move(hours=18)
    await ward.wait(hours=24)
    assert await ward.live_through(24, step_minutes=15) == ["REMIND_2", "REMIND_3"]
    last = ward.heard[-1].astimezone(ZoneInfo("Europe/Tallinn"))
    assert f"{last:%H:%M}" == "23:45"  # and not at half past three


async def test_last_reminder_is_heard_at_night_by_who_heard_nothing_before(ward: Ward) -> None:
    await ward.prefer(quiet=DailySpan(0, 8 * 60))
    ward.clock.move(hours=18)
    await ward.wait(hours=24)
    ward.push.answers["fcm"] = Later("quota", 60)
    await ward.live_through(20)
    ward.push.answers.clear()
    ward.push.sent.clear()
    ward.heard.clear()
    assert await ward.live_through(4) == ["REMIND_3"]
    assert ward.heard[0].astimezone(ZoneInfo("Europe/Tallinn")).hour == 3


async def test_deadline_that_changed_unseen_loses_no_reminder(ward: Ward) -> None:
    await ward.wait()
    await ward.change(available_through=ward.clock.now() + 120 * HOUR, deadline_version=2)
    assert await ward.live_through(120) == ["REMIND_1", "REMIND_2", "REMIND_3"]


async def test_reminder_that_could_not_be_sent_gives_way_to_the_next(ward: Ward) -> None:
    await ward.wait()
    ward.push.answers["fcm"] = Later("quota", 60)
    ward.clock.move(hours=24)
    await ward.look()
    assert await ward.tell_all() == [Again("quota", 60)]
    ward.push.answers.clear()
    ward.push.sent.clear()
    ward.clock.move(hours=47)
    await ward.look()
    await ward.tell_all()
    assert [one.data["kind"] for one in ward.push.sent] == ["REMIND_3"]


async def test_time_that_begins_with_a_late_notice_brings_reminders(ward: Ward) -> None:
    await ward.wait(pause_cause=PauseCause.NOTICE_UNDELIVERED)
    assert await ward.next_at() is None
    await ward.change(state=ParcelState.READY_FOR_PICKUP, is_pass_through=True)
    now = ward.clock.now()
    event = Lease(key_of("event"), "grant.ready", key_of("parcel"), {}, 1, now, now)
    assert await ward.jobs.on_grant_ready(event) == Done()
    assert await ward.next_at() is not None


async def test_what_a_clock_that_was_ahead_took_away_is_planned_again(ward: Ward) -> None:
    for number in range(3):
        await ward.wait(f"parcel {number}")
    ward.clock.move(days=30)
    await ward.look()
    ward.clock.move(days=-30)
    assert await ward.next_at("parcel 1") is None
    assert await ward.jobs.plan_missing() == 3
    planned = [await ward.next_at(f"parcel {number}") for number in range(3)]
    assert planned == [("REMIND_1", ward.clock.now() + 24 * HOUR)] * 3
    assert await ward.jobs.plan_missing() == 0


async def test_what_has_had_its_last_reminder_stays_without(ward: Ward) -> None:
    await ward.wait()
    ward.clock.move(hours=71)
    await ward.look()
    assert await ward.jobs.plan_missing() == 1
    assert await ward.next_at() is None
    ward.clock.move(hours=2)
    assert await ward.jobs.plan_missing() == 0
