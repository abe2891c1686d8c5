"""The words of `./restante witness`: told by its help before anything is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

PORT = 8_700


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options after `witness`."""
    parser.add_argument(
        "--state",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of its key and of the heads it has cosigned; made at the first start. "
        "Never go back to an older copy of it: the witness would cosign what it must refuse",
    )
    parser.add_argument(
        "--log",
        action="append",
        required=True,
        metavar="VKEY",
        help="public key of a log to watch (C2SP vkey); repeat it for each, and for a new key",
    )
    parser.add_argument(
        "--name", metavar="NAME", help="its name for good, such as w1.example.org; at first needed"
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"port to listen at ({PORT}); 0 takes a free one"
    )
