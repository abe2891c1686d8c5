"""The receipt of the public log, as the recipient fetches it and a stranger's machine checks it.

The checker is a process of its own that is given two files and no network.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from schema.checkpoint.notes import NoteKey
from schema.checkpoint.trust import write_trust
from schema.journal import Kind
from server.demo.asking import check, wait_for
from server.demo.setting import PROBLEM
from server.verify import CANNOT_TELL, HOLDS, REFUSED

if TYPE_CHECKING:
    from pathlib import Path

    from server.demo.phones import Phone
    from server.demo.setting import Network
    from server.demo.supervisor import Supervisor

    Json = dict[str, Any]

LOG_S = 20.0
"""How long the demo waits for the log: its own time, and a slow machine's."""

FETCHABLE = f"query($parcel: ID!) {{ receipt(parcelId: $parcel) {{ __typename {PROBLEM} }} }}"
LOG_KEYS = "{ publicLog { keys } }"


def receipt_file(supervisor: Supervisor) -> Path:
    """Where the receipt lies; the keys to trust lie beside it."""
    return supervisor.folder / "parcel.receipt"


def trust_file(receipt: Path) -> Path:
    """Where the keys lie that a receipt is checked with."""
    return receipt.with_name(f"{receipt.name}.trust")


def fetch_receipt(supervisor: Supervisor, phone: Phone, network: Network, parcel: str) -> Path:
    """The phone keeps the parcel's receipt once the log holds it; a copy with keys to trust.

    The locker's key is from its commissioning.
    """

    def look() -> Json | None:
        outcome: Json = phone.ask(FETCHABLE, parcel=parcel)["receipt"]
        return outcome if outcome["__typename"] == "Receipt" else None

    wait_for(look, "the receipt", within_s=LOG_S)
    file = receipt_file(supervisor)
    shutil.copy(phone.act_online("receipt", parcel)["file"], file)
    vkeys = network.carrier.ask(LOG_KEYS)["publicLog"]["keys"]
    keys = [NoteKey.parse(vkey) for vkey in vkeys]
    lockers = {network.facts.lid: network.facts.sign_public}
    trust_file(file).write_text(write_trust(keys, lockers=lockers))
    return file


def check_receipt(supervisor: Supervisor, file: Path) -> str:
    """What the checker says of the receipt; `Unverified` unless both deposit and collection hold.

    It must refuse the same file with one bit changed, and say nothing without keys to trust.
    """
    verdict = json.loads(_verify(supervisor, file, "--json", expected=HOLDS))
    told = {entry["kind"]: entry for entry in verdict["entries"]}
    check({Kind.DEPOSITED.name, Kind.COLLECTED.name} <= told.keys(), f"it tells of {[*told]} only")
    check(
        told[Kind.COLLECTED.name]["signed"], "the locker's signature on the collection is missing"
    )
    bent = file.with_name("bent.receipt")
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    bent.write_bytes(raw)
    shutil.copy(trust_file(file), trust_file(bent))
    _verify(supervisor, bent, expected=REFUSED)
    trust_file(bent).write_bytes(b"")
    _verify(supervisor, bent, expected=CANNOT_TELL)
    return (
        f"{len(raw)} bytes prove {len(verdict['entries'])} entries in a log of {verdict['size']}; "
        "with one bit changed they are refused"
    )


def hand_out(supervisor: Supervisor, target: Path) -> None:
    """Copies receipt and keys to where somebody wants them, for after the demo."""
    file = receipt_file(supervisor)
    shutil.copy(file, target)
    shutil.copy(trust_file(file), trust_file(target))


def _verify(supervisor: Supervisor, file: Path, *words: str, expected: int) -> str:
    options = ("-m", "server.verify", str(file), "--trust", str(trust_file(file)), *words)
    return supervisor.run(*options, statuses={expected})
