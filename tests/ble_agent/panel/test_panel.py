"""The panel on a whole locker: from a touch, or a scan, to the door and back to the start."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ble_agent.hardware.port import Door
from ble_agent.hardware.simulated import Faults
from ble_agent.panel import MOST_WATCHERS
from ble_agent.panel.intents import Adjust, Choice, Choose, Ease, Language, Speak
from ble_agent.panel.screens import END_S, IDLE_S, Screen
from ble_agent.policy.lockout import FIRST_S, TRIES
from schema.keys import Operation, Role
from tests.ble_agent.panel.kiosk import STAY

if TYPE_CHECKING:
    from tests.ble_agent.panel.kiosk import Kiosk

ASKS_PRESENCE = 1


async def test_number_and_pin_by_touch_open_the_right_door_and_lead_home(kiosk: Kiosk) -> None:
    standing = kiosk.standing
    kiosk.touch_in(1, kiosk.pin())
    assert kiosk.say == "opening"
    await standing.pass_time()
    assert standing.hardware.door(1) is Door.OPEN
    assert kiosk.say == "open"
    await standing.shut(1, occupied=False)
    assert kiosk.say == "empty"
    await standing.pass_time(END_S)
    assert (kiosk.view["screen"], kiosk.view["comp"]) == ("home", "")
    assert standing.stay(1) is None


async def test_scanned_code_opens_from_any_screen(kiosk: Kiosk) -> None:
    raw = kiosk.standing.token(Operation.OPEN, stay=STAY)
    kiosk.panel.act(Choose(Choice.HELP))
    kiosk.scan(kiosk.code(raw))
    assert (kiosk.say, kiosk.view["comp"]) == ("opening", "1")
    await kiosk.standing.pass_time()
    assert kiosk.standing.hardware.door(1) is Door.OPEN
    await kiosk.standing.shut(1, occupied=True)
    assert (kiosk.say, kiosk.view["canAgain"]) == ("left", True)


async def test_codes_that_are_none_or_old_say_so(kiosk: Kiosk) -> None:
    raw = kiosk.standing.token(Operation.OPEN, stay=STAY)
    kiosk.scan("https://example.org/0123456789")
    assert kiosk.say == "strange"
    kiosk.scan(kiosk.code(raw, at=0))
    assert kiosk.say == "old"
    kiosk.scan("SLK1:\ud800" * 9)
    assert kiosk.say == "strange"
    assert kiosk.standing.hardware.door(1) is Door.CLOSED


async def test_wrong_pins_lead_to_the_lock_and_tell_how_long_it_lasts(kiosk: Kiosk) -> None:
    wrong = f"{(int(kiosk.pin()) + 1) % 10**8:08d}"
    said = []
    for _ in range(TRIES):
        kiosk.touch_in(1, wrong)
        said.append(kiosk.say)
    assert said == ["wrong"] * (TRIES - 1) + ["locked"]
    assert kiosk.view["leftS"] == FIRST_S
    kiosk.touch_in(1, kiosk.pin())
    assert kiosk.say == "locked"
    # What lies in no compartment is answered alike.
    for comp in (2, 99):
        kiosk.touch_in(comp, wrong)
        assert kiosk.say == "wrong"


async def test_keypad_alone_is_enough(kiosk: Kiosk) -> None:
    keys = ["1", "Enter", *kiosk.pin(), "Enter"]
    kiosk.panel.press([(key, at * 200.0) for at, key in enumerate(keys)])
    assert kiosk.say == "opening"


async def test_last_key_of_a_hand_counts_without_another(kiosk: Kiosk) -> None:
    kiosk.panel.press([("7", 1000.0)])
    assert kiosk.view["screen"] == "home"
    await kiosk.standing.pass_time(1)
    assert (kiosk.view["screen"], kiosk.view["comp"]) == ("compartment", "7")


async def test_view_never_holds_a_digit_of_the_pin(kiosk: Kiosk) -> None:
    kiosk.panel.act(Choose(Choice.PIN))
    kiosk.touch("1")
    for digit in "98765432":
        kiosk.panel.press([(digit, 0.0)])
        await kiosk.standing.pass_time(1)
        assert "9" not in json.dumps(kiosk.view)
    assert kiosk.view["typed"] == 8


async def test_door_that_stays_shut_asks_to_be_pushed_and_is_given_up(kiosk: Kiosk) -> None:
    standing = kiosk.standing
    standing.hardware.set_temperature(-6.0)
    standing.hardware.set_faults(1, Faults(stuck_pulses=100))
    kiosk.touch_in(1, kiosk.pin())
    said = {kiosk.say}
    while "stuck" not in said:
        await standing.pass_time(1)
        said.add(kiosk.say)
    assert said == {"opening", "press", "stuck"}
    kiosk.panel.act(Choose(Choice.AGAIN))
    standing.hardware.set_faults(1, Faults())
    kiosk.touch(kiosk.pin())
    await standing.pass_time()
    assert kiosk.say == "open"


async def test_door_left_open_is_asked_for_and_then_told_to_everybody(kiosk: Kiosk) -> None:
    kiosk.touch_in(1, kiosk.pin())
    await kiosk.standing.pass_time(31)
    assert (kiosk.say, kiosk.view["ajar"]) == ("shut", [])
    kiosk.panel.act(Choose(Choice.HOME))
    assert (kiosk.say, kiosk.view["ajar"]) == ("welcome", [1])
    await kiosk.standing.shut(1)
    assert kiosk.view["ajar"] == []


async def test_locker_without_the_time_says_so(kiosk: Kiosk) -> None:
    pin = kiosk.pin()
    await kiosk.standing.restart()
    kiosk = type(kiosk)(kiosk.standing)
    assert kiosk.view["knowsTime"] is False
    kiosk.touch_in(1, pin)
    assert kiosk.say == "clock"


async def test_presence_code_is_on_show_while_one_is_asked_for(kiosk: Kiosk) -> None:
    standing = kiosk.standing
    assert kiosk.view["presence"] is None
    asking = standing.configuration({ASKS_PRESENCE: True})
    await standing.ask(Operation.SYNC, None, asking, role=Role.COURIER)
    assert kiosk.view["presence"] == f"{standing.shown[-1]:02d}"


async def test_what_one_visitor_has_changed_is_gone_for_the_next(kiosk: Kiosk) -> None:
    kiosk.panel.act(Speak(Language.DE))
    kiosk.panel.act(Adjust(Ease.CONTRAST))
    assert (kiosk.view["language"], kiosk.view["contrast"]) == ("de", True)
    await kiosk.standing.pass_time(IDLE_S[Screen.HOME])
    assert (kiosk.view["language"], kiosk.view["contrast"]) == ("en", False)


async def test_broken_store_ends_the_agent_and_opens_nothing(kiosk: Kiosk) -> None:
    pin = kiosk.pin()
    kiosk.standing.locker.store.close()
    kiosk.touch_in(1, pin)
    assert kiosk.view["screen"] == "refused"
    assert kiosk.standing.failures
    assert kiosk.standing.hardware.door(1) is Door.CLOSED
    await kiosk.standing.kill()


@pytest.mark.parametrize("more", [0, 3])
async def test_oldest_of_too_many_pages_is_let_go(kiosk: Kiosk, more: int) -> None:
    with kiosk.panel.watching() as first:
        nested = [kiosk.panel.watching() for _ in range(MOST_WATCHERS - 1 + more)]
        events = [watching.__enter__() for watching in nested]
        assert kiosk.panel.is_watched(first) is (more == 0)
        kiosk.panel.act(Choose(Choice.HELP))
        assert all(event.is_set() for event in events[-1:])
        for watching in nested:
            watching.__exit__(None, None, None)
    kiosk.panel.stop()
