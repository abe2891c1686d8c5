"""The wiring file: what it means, and a sentence for every way to get it wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ble_agent.errors import SettingsRefused
from ble_agent.hardware import pinmap
from ble_agent.hardware.pinmap import PinMap, Pins, parse_pin_map, read_pin_map

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = """
pulse_ms = 300
debounce_ms = 20
bolt_on = "low"
door_closed = "high"
parcel_present = "high"

[[compartment]]
number = 2
bolt = 5
door = 6

[[compartment]]
number = 1
bolt = 17
door = 27
occupied = 22
"""

ONE = "[[compartment]]\nnumber = 1\nbolt = 17\ndoor = 27\n"


def test_whole_file_is_read_and_sorted() -> None:
    assert parse_pin_map(WHOLE) == PinMap(
        compartments=(Pins(1, 17, 27, 22), Pins(2, 5, 6, None)),
        pulse_ms=300,
        debounce_ms=20,
        bolt_on="low",
        door_closed="high",
        parcel_present="high",
    )


def test_file_of_one_compartment_gets_the_documented_defaults() -> None:
    pin_map = parse_pin_map(ONE)
    assert (pin_map.pulse_ms, pin_map.debounce_ms) == (500, 50)
    assert (pin_map.bolt_on, pin_map.door_closed, pin_map.parcel_present) == ("high", "low", "low")


def test_example_in_the_documentation_is_valid_and_shows_the_defaults() -> None:
    assert pinmap.__doc__ is not None
    lines = [line[4:] for line in pinmap.__doc__.splitlines() if line.startswith("    ")]
    assert parse_pin_map("\n".join(lines)) == parse_pin_map(ONE + "occupied = 22\n")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("pulse_ms = ", "not TOML"),
        ("", "at least one"),
        ("compartment = []", "at least one"),
        ("compartment = 5", "at least one"),
        ("compartment = [5]", "names and numbers"),
        ("pulse = 5\n" + ONE, "the file has no 'pulse'; known are bolt_on,"),
        (ONE + "lamp = 4", "a compartment has no 'lamp'"),
        ("pulse_ms = 901\n" + ONE, "pulse_ms must be a whole number from 20 to 900, got 901"),
        ("pulse_ms = 0.5\n" + ONE, "pulse_ms must be a whole number from 20 to 900, got 0.5"),
        ("debounce_ms = true\n" + ONE, "debounce_ms must be a whole number .* got True"),
        ('bolt_on = "up"\n' + ONE, 'bolt_on must be "high" or "low", got \'up\''),
        ("door_closed = 0\n" + ONE, 'door_closed must be "high" or "low", got 0'),
        ("[[compartment]]\nbolt = 17\ndoor = 27", "number is missing"),
        ("[[compartment]]\nnumber = 256\nbolt = 17\ndoor = 27", "number must be .* got 256"),
        ("[[compartment]]\nnumber = 3\nbolt = 17", "compartment 3: door is missing"),
        ("[[compartment]]\nnumber = 3\nbolt = 28\ndoor = 4", "compartment 3: bolt must be .* 28"),
        (ONE + ONE, "compartment 1 stands there twice"),
        (ONE + "occupied = 27", "pin 27 is wanted by door of compartment 1 and by occupied of"),
        (ONE + "[[compartment]]\nnumber = 2\nbolt = 4\ndoor = 17", "pin 17 is wanted by bolt of"),
    ],
)
def test_wrong_wiring_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SettingsRefused, match=sentence):
        parse_pin_map(text)


def test_refusal_of_a_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "pins.toml"
    with pytest.raises(SettingsRefused, match=r"pins\.toml cannot be read"):
        read_pin_map(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsRefused, match=r"pins\.toml cannot be read"):
        read_pin_map(path)
    path.write_text("colour = 3")
    with pytest.raises(SettingsRefused, match=r"pins\.toml: the file has no 'colour'"):
        read_pin_map(path)
    path.write_text(ONE)
    assert read_pin_map(path) == parse_pin_map(ONE)


values = st.one_of(
    st.integers(-1, 300),
    st.booleans(),
    st.sampled_from(['"high"', '"low"', '""', "1.5", "[]", "{}"]),
)
names = st.sampled_from(
    ["pulse_ms", "debounce_ms", "bolt_on", "number", "bolt", "door", "occupied", "compartment", "x"]
)


@given(st.lists(st.one_of(st.just("[[compartment]]"), st.tuples(names, values))))
def test_any_text_gives_a_map_or_our_refusal(parts: list[str | tuple[str, object]]) -> None:
    lines = [part if isinstance(part, str) else f"{part[0]} = {part[1]}" for part in parts]
    text = "\n".join(lines).replace("True", "true").replace("False", "false")
    try:
        pin_map = parse_pin_map(text)
    except SettingsRefused:
        return
    pins = [pin for row in pin_map.compartments for pin in (row.bolt, row.door, row.occupied)]
    wanted = [pin for pin in pins if pin is not None]
    assert len(wanted) == len(set(wanted))
