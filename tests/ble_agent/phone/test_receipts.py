"""The code of a receipt as a drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ble_agent.errors import AgentError
from ble_agent.phone.receipts import draw_code
from schema.receipts import MOST_SHOWN

if TYPE_CHECKING:
    from pathlib import Path


def test_the_longest_code_is_drawn_as_lines(tmp_path: Path) -> None:
    file = tmp_path / "code.svg"
    draw_code("SLK1-RECEIPT:".ljust(MOST_SHOWN, "A"), file)
    assert file.read_bytes().startswith(b"<?xml")
    assert b"<svg" in file.read_bytes()


def test_a_drawing_that_has_no_place_says_so(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="No such file"):
        draw_code("SLK1-RECEIPT:A", tmp_path / "nowhere" / "code.svg")
