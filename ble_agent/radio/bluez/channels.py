"""Over how many channels of ATT bluetoothd serves one phone: its own file says so.

Read, never written: the file belongs to whoever runs the machine.
"""

from __future__ import annotations

import logging
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Final

CONFIG: Final = Path("/etc/bluetooth/main.conf")
"""Where Debian, and all who build BlueZ with its defaults, have the file."""

log = logging.getLogger(__name__)


def has_one_channel(config: Path) -> bool:
    """Whether bluetoothd is told to answer a phone over one channel only.

    Also no if the file cannot be read or says nothing: BlueZ 5.66 and those before it then open
    three to a phone that has them as well, and the notifications overtake each other.
    """
    parser = ConfigParser(strict=False, interpolation=None)
    try:
        parser.read_string(config.read_text())
        return parser.getint("GATT", "Channels") == 1
    except (OSError, ValueError, Error):
        return False


def warn_of_several(config: Path) -> None:
    """Say in the log what to change, unless there is one channel."""
    if not has_one_channel(config):
        log.warning(
            "long answers may reach phones in pieces out of order: "
            "set Channels = 1 under [GATT] in %s and restart bluetooth",
            config,
        )
