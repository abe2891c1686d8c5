"""The words of `./restante outbox`: told by its help before anything is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

MOST_LISTED = 200
"""Events of one page."""

USUALLY_LISTED = 50


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `outbox`."""
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    listing = words.add_parser("list", help="list events, the oldest first")
    which = listing.add_mutually_exclusive_group()
    which.add_argument(
        "--dead", action="store_true", help="those that were given up (this is the default)"
    )
    which.add_argument("--waiting", action="store_true", help="those that are still to be handled")
    listing.add_argument(
        "--limit",
        type=int,
        default=USUALLY_LISTED,
        metavar="N",
        help=f"how many at most, up to {MOST_LISTED} (default: {USUALLY_LISTED})",
    )
    listing.add_argument("--after", metavar="ID", help="go on after this event")
    listing.add_argument("--json", action="store_true", help="one JSON object for each event")
    show = words.add_parser("show", help="show one event with its facts")
    show.add_argument("id", metavar="ID")
    show.add_argument("--json", action="store_true", help="as a JSON object")
    retry = words.add_parser("retry", help="have dead events tried again, from now on")
    retry.add_argument("id", nargs="?", metavar="ID")
    retry.add_argument("--all", action="store_true", help="every dead event")
