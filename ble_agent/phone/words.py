"""The words of the phone's command line: its verbs, and what each wants to be told."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def make_parser(summary: str | None, verbs: Mapping[str, str]) -> argparse.ArgumentParser:
    """The parser of a phone that knows these verbs, each with what it does in a few words."""
    parser = argparse.ArgumentParser(prog="./restante phone", description=summary)
    parser.add_argument("--wallet", type=Path, required=True, help="folder of this phone's keys")
    parser.add_argument("--server", metavar="URL", help="the server, while there is a network")
    parser.add_argument(
        "--radio", default="bluez", help="bluez, bluez:hci1 or bumble:TRANSPORT (default: bluez)"
    )
    parser.add_argument("--json", action="store_true", help="print the answer as one JSON object")
    words = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    parts = {name: words.add_parser(name, help=text) for name, text in verbs.items()}
    _add_words(parts)
    return parser


def _add_words(parts: Mapping[str, argparse.ArgumentParser]) -> None:
    """What each verb wants to be told; a table, in the order of the verbs."""
    parts["request-code"].add_argument("address", help="e-mail address or phone number")
    parts["sign-in"].add_argument("request_id", help="what request-code answered")
    parts["sign-in"].add_argument("code", help="the code as it was received")
    parts["sign-in"].add_argument("--name", default="reference phone", help="name of the device")
    parts["sign-in"].add_argument("--push", metavar="TOKEN", help="FCM token for push messages")
    parts["ask"].add_argument("document", help="the operation, in one argument")
    parts["ask"].add_argument("--variables", default="{}", metavar="JSON", help="its variables")
    for name in ("fetch-route", "fetch-removals"):
        parts[name].add_argument("parcel", nargs="+", help="ids of the parcels")
        parts[name].add_argument("--route", action="store_true", help="for a whole tour")
    parts["fetch-removals"].add_argument("--purpose", help="ONWARD, RETURN or TO_COUNTER")
    for name in ("fetch", "fetch-dropoff", "doors", "deposit", "undo", "remove"):
        parts[name].add_argument("parcel", help="id of the parcel")
    parts["fetch-dropoff"].add_argument("locker", help="id of the locker")
    parts["deposit"].add_argument("--compartment", type=int, help="another one than was kept")
    parts["deposit"].add_argument("--beside", metavar="PARCEL", help="to this one of its recipient")
    for name in ("open", "delegate", "replay", "export", "receipt"):
        parts[name].add_argument("parcel", help="id of the parcel")
    parts["receipt"].add_argument(
        "--svg", type=Path, metavar="FILE", help="draw its QR code, which the checker reads too"
    )
    parts["open"].add_argument("--compartment", type=int, help="another one than was kept")
    parts["open"].add_argument("--record", type=Path, metavar="FILE", help="keep the request sent")
    for name in ("service", "open-all"):
        parts[name].add_argument("file", type=Path, help="what ./restante keys issue wrote")
        parts[name].add_argument("--key-set", type=Path, help="signed key set to bring along")
    parts["service"].add_argument("--compartment", type=int, help="which door of those allowed")
    parts["open-all"].add_argument("second", type=Path, help="the same by another key")
    parts["fetch-inspection"].add_argument("locker", help="id of the locker")
    parts["fetch-inspection"].add_argument("number", type=int, help="number of the compartment")
    parts["fetch-inspection"].add_argument("reason", help="why; it is kept")
    parts["register-token"].add_argument("file", type=Path, nargs="+", help="as for service")
    parts["delegate"].add_argument("invite", help="what the other phone's invite printed")
    parts["delegate"].add_argument(
        "--until", required=True, metavar="TIME", help="18:00, or a date"
    )
    parts["delegate"].add_argument(
        "--file", type=Path, help="where to write it; else it is printed"
    )
    parts["keys"].add_argument(
        "--trust", metavar="FILE", help="keys of the log, from somebody you trust"
    )
    parts["keys"].add_argument(
        "--mine", action="append", default=[], metavar="THUMBPRINT", help="another phone of yours"
    )
    parts["takeout"].add_argument("file", type=Path, help="where to write it, as JSON")
    for name in ("accept", "replay", "import"):
        parts[name].add_argument("file", help="file written before")
