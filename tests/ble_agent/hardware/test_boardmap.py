"""The wiring file of boards on a line: what it says, and what it is refused for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.errors import SettingsRefused
from ble_agent.hardware.boardmap import Places, parse_board_map, read_board_map

if TYPE_CHECKING:
    from pathlib import Path

PORT = 'port = "/dev/ttyUSB0"\n'
ROW = "[[compartment]]\nnumber = 1\nbolt = 0\ndoor = 4\n"


def test_defaults_are_those_of_the_standard_and_of_the_page() -> None:
    board_map = parse_board_map(PORT + ROW)
    assert (board_map.baud, board_map.parity, board_map.stop_bits) == (19200, "even", 1)
    assert (board_map.poll_ms, board_map.timeout_ms, board_map.pulse_ms) == (100, 100, 500)
    assert (board_map.door_closed, board_map.parcel_present) == (True, True)
    assert board_map.pulse_register is None
    assert board_map.compartments == (Places(1, 1, 0, 4, None),)


def test_everything_can_be_said() -> None:
    text = PORT + (
        'baud = 9600\nparity = "none"\nstop_bits = 2\npoll_ms = 50\ntimeout_ms = 40\n'
        'pulse_ms = 300\npulse_register = 0\ndoor_closed = "off"\nparcel_present = "off"\n'
        "[[compartment]]\nnumber = 9\nunit = 247\nbolt = 65535\ndoor = 0\noccupied = 1\n"
        "[[compartment]]\nnumber = 2\nbolt = 1\ndoor = 0\noccupied = 1\n"
    )
    board_map = parse_board_map(text)
    assert (board_map.baud, board_map.parity, board_map.stop_bits) == (9600, "none", 2)
    assert (board_map.poll_ms, board_map.timeout_ms, board_map.pulse_ms) == (50, 40, 300)
    assert board_map.pulse_register == 0
    assert (board_map.door_closed, board_map.parcel_present) == (False, False)
    assert board_map.compartments == (Places(2, 1, 1, 0, 1), Places(9, 247, 65535, 0, 1))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (ROW, "port must name a serial device, got None"),
        (f'port = ""\n{ROW}', "port must name a serial device"),
        (PORT, "expected at least one"),
        (f"{PORT}baud = 9601\n{ROW}", "baud must be one of 1200, .*, got 9601"),
        (f"{PORT}baud = 300\n{ROW}", "from 1200 to 115200"),
        (f'{PORT}parity = "mark"\n{ROW}', "parity must be .*, got 'mark'"),
        (f"{PORT}stop_bits = 3\n{ROW}", "stop_bits must be a whole number from 1 to 2"),
        (f"{PORT}poll_ms = 9\n{ROW}", "poll_ms must be a whole number from 10 to 1000"),
        (f"{PORT}poll_ms = 1001\n{ROW}", "poll_ms must be"),
        (f"{PORT}timeout_ms = 9\n{ROW}", "timeout_ms must be a whole number from 10 to 400"),
        (f"{PORT}timeout_ms = 201\n{ROW}", "may be 900 together, got 500 and 201"),
        (f"{PORT}timeout_ms = 401\n{ROW}", "timeout_ms must be"),
        (f"{PORT}pulse_ms = 901\n{ROW}", "pulse_ms must be a whole number from 20 to 900"),
        (f"{PORT}pulse_register = 65536\n{ROW}", "pulse_register must be"),
        (f'{PORT}door_closed = "low"\n{ROW}', "door_closed must be"),
        (f'{PORT}parcel_present = "high"\n{ROW}', "parcel_present must be"),
        (f"{PORT}{ROW}unit = 0\n", "compartment 1: unit must be a whole number from 1 to 247"),
        (f"{PORT}{ROW}unit = 248\n", "compartment 1: unit must be"),
        (f"{PORT}{ROW}occupied = 4\n", "input 4 of board 1 is wanted by door .* by occupied"),
        (PORT + ROW + ROW.replace("= 1", "= 2"), "coil 0 of board 1 is wanted by bolt .* 1 and"),
        (PORT + ROW + ROW, "compartment 1 stands there twice"),
        (f"{PORT}{ROW}pin = 3\n", "a compartment has no 'pin'"),
        (f"{PORT}speed = 3\n{ROW}", "the file has no 'speed'"),
    ],
)
def test_wiring_that_cannot_be_is_refused_with_a_sentence(text: str, complaint: str) -> None:
    with pytest.raises(SettingsRefused, match=complaint):
        parse_board_map(text)


def test_same_numbers_on_two_boards_and_on_coil_and_input_are_no_conflict() -> None:
    second = "[[compartment]]\nnumber = 2\nunit = 2\nbolt = 0\ndoor = 4\noccupied = 0\n"
    assert len(parse_board_map(PORT + ROW + second).compartments) == 2


def test_refusal_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "boards.toml"
    path.write_text(PORT)
    with pytest.raises(SettingsRefused, match=r"boards\.toml: expected at least one"):
        read_board_map(path)
