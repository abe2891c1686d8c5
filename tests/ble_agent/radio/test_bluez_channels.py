"""What a locker's BlueZ is told about channels of ATT, and that the log says what is missing."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from ble_agent.radio.bluez.channels import has_one_channel, warn_of_several

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "main.conf"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("[GATT]\nChannels = 1\n", True),
        ("[General]\nName = %h\n\n[GATT]\n#Channels = 3\nCache = always\nChannels=1\n", True),
        ("[GATT]\nChannels = 3\n", False),
        ("[GATT]\n#Channels = 1\n", False),
        ("[General]\nChannels = 1\n", False),
        ("[GATT]\nChannels = one\n", False),
        ("Channels = 1\n", False),
        ("", False),
    ],
)
def test_one_channel_counts_only_where_bluetoothd_is_told(
    config: Path, text: str, is_one: bool
) -> None:
    config.write_text(text)
    assert has_one_channel(config) is is_one


@pytest.mark.parametrize("content", [None, b"[GATT]\nChannels = 1 \xff\n"])
def test_file_that_cannot_be_read_says_nothing(config: Path, content: bytes | None) -> None:
    if content is not None:
        config.write_bytes(content)
    assert not has_one_channel(config)


def test_log_says_what_to_change_and_where(config: Path, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_several(config)
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert "Channels = 1 under [GATT]" in record.getMessage()
    assert str(config) in record.getMessage()


def test_log_is_silent_where_nothing_is_to_change(
    config: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config.write_text("[GATT]\nChannels = 1\n")
    warn_of_several(config)
    assert caplog.records == []
