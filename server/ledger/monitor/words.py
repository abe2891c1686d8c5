"""The words of `./restante monitor`: told by its help before anything is installed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

EVERY_S = 60

MAXIMUM_MERGE_DELAY_S = 600
"""Seconds within which a log of ours promises to publish, under a head that its witnesses have
seen, what has come to it: a minute until it signs, the rest for witnesses that are out for a while.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options after `monitor`."""
    parser.add_argument(
        "--trust",
        type=Path,
        required=True,
        metavar="FILE",
        help="keys of the log and its witnesses, and the quorum (c2sp.org/tlog-policy)",
    )
    parser.add_argument(
        "--log",
        metavar="URL|DIR",
        help="where the log is, such as https://lockers.example.org/log, or a folder of its files; "
        "without it the address beside the log in the trust file",
    )
    parser.add_argument(
        "--state",
        type=Path,
        required=True,
        metavar="FILE",
        help="what is known of the log so far; made at the first look. Keep it: without it nobody "
        "notices what was changed since",
    )
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument(
        "--every", type=int, default=EVERY_S, metavar="S", help=f"seconds between looks ({EVERY_S})"
    )
    parser.add_argument(
        "--max-merge-delay",
        type=int,
        default=MAXIMUM_MERGE_DELAY_S,
        metavar="S",
        help="seconds within which everything must be under a published head "
        f"({MAXIMUM_MERGE_DELAY_S})",
    )
    parser.add_argument(
        "--forget", action="store_true", help="first forget the findings that were told so far"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object for each look")
