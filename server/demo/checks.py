"""What the steps of the story hold their answers against. A refusal counts by its exact code."""

from __future__ import annotations

import errno
import json
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from schema.codes import Code, DoorEvent
from schema.journal import Kind
from server.demo.asking import check, get_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from server.demo.evidence import Line
    from server.demo.phones import Phone

    Json = dict[str, Any]

OPENED_AND_TAKEN = (DoorEvent.DOOR_OPENED.name, DoorEvent.CLOSED_EMPTY.name)
OPENED_AND_FILLED = (DoorEvent.DOOR_OPENED.name, DoorEvent.CLOSED_OCCUPIED.name)


def count_delivered(answer: Json) -> str:
    """What a phone says after handing over its envelopes; all must have been taken."""
    count, problems = answer["delivered"], answer["problems"]
    check(count > 0 and not problems, f"{count} envelopes were taken, problems: {problems}")
    return f"sealed envelopes taken: {count}, with no account behind them"


def check_opened(visit: Json, door: int, events: Sequence[str]) -> None:
    """Raises `Unverified` unless this door was opened and then did what it should."""
    check(visit["code"] == Code.OK, f"the locker answered {visit['code']} {visit['name']}")
    check(visit["compartment"] == door, f"door {visit['compartment']} opened, not {door}")
    check(visit["events"] == [*events], f"the door told {visit['events']}, not {events}")


def check_refused(visit: Json, code: Code) -> None:
    """Raises `Unverified` unless exactly this code was the answer, and no door moved."""
    check(visit["code"] == code, f"the locker answered {visit['code']}, not {code}")
    check(visit["events"] == [], f"a door told {visit['events']}")


def counters(visit: Json) -> list[int]:
    """The number of the newest entry before a refused request, and after it."""
    return [visit["seqBefore"], visit["seq"]]


def check_same_journal(numbers: Sequence[int]) -> None:
    """Raises `Unverified` if the journal grew: whatever moves a bolt is written first."""
    check(len(set(numbers)) == 1, f"the locker's journal grew meanwhile: {numbers}")


def check_bolts(lines: Sequence[Line]) -> None:
    """Raises `Unverified` unless two were let in, and two pulses went out to the bolts."""
    counts = Counter(line.entry.kind for line in lines)
    for kind in (Kind.ACCEPTED, Kind.PULSED, Kind.DOOR_OPENED):
        check(counts[kind] == 2, f"the journal has {counts[kind]} lines {kind.name}, not 2")


def check_unreachable(url: str) -> None:
    """Raises `Unverified` unless this address refuses connections."""
    where = urlsplit(url)
    with socket.socket() as probe:
        error = probe.connect_ex((str(where.hostname), int(where.port or 0)))
    check(error == errno.ECONNREFUSED, "the server still accepts connections")


def check_discreet(message: Json, secrets: Iterable[str]) -> None:
    """Raises `Unverified` if a message tells any of these, or which door the parcel lies behind."""
    check(set(message["data"]) == {"kind", "subject", "notice"}, f"data: {[*message['data']]}")
    shown = json.dumps(message).lower()
    for secret in ("compartment", *secrets):
        check(secret.lower() not in shown, f"the push message tells {secret}")


def find_push(pushes: str, token: str) -> Json | None:
    """The READY message for the phone of this FCM token, if the push endpoint has it."""
    messages = get_json(f"{pushes}/messages?address={token}")["messages"]
    ready = [message for message in messages if message["data"].get("kind") == "READY"]
    check(len(ready) <= 1, f"{len(ready)} messages came instead of one")
    return ready[0] if ready else None


def find_ready(phone: Phone, parcel: str) -> Json | None:
    """The parcel among the phone owner's, once it is ready."""
    rows: list[Json] = phone.act_online("parcels")["parcels"]
    ready = (row for row in rows if row["state"] == "READY_FOR_PICKUP")
    return next((row for row in ready if row["id"] == parcel), None)
