"""The words of `./restante anchor`: told by its help before anything is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `anchor`."""
    words = parser.add_subparsers(dest="word", required=True, metavar="WORD")
    words.add_parser("key", help="make the account's key unless there is one; tell its address")
    words.add_parser("deploy", help="put the contract on the chain unless the settings name one")
    words.add_parser("status", help="tell what is on its way, what is anchored, and alarms")
    words.add_parser("now", help="look at the chain and anchor the newest head at once")
