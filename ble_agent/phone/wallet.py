"""What a phone keeps: its device key, bundles for doors, envelopes to carry home, receipts.

A folder private to its owner; each file is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ble_agent.errors import AgentError
from schema.cose import SEED_SIZE, SigningKey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MAX_ENVELOPES: Final = 1000
"""Envelopes carried for others; beyond that no more are taken from a locker."""

_NAME_SIZE: Final = 20


class WalletBroken(AgentError):
    """A file of the wallet cannot be read: remove it, or sign in with a new wallet."""


class BundleMissing(AgentError):
    """The wallet holds nothing for this parcel: fetch it while online."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A locker's word on one line of its journal, kept by whoever was at the door."""

    lid: str
    seq: int
    head: str
    signature: str
    sign_public: str
    code: int
    comp: int | None
    at: int


class Wallet:
    """One phone's folder. Two processes may read it at once; one at a time should write."""

    def __init__(self, folder: Path) -> None:
        """Open the wallet, making folder and device key where there are none."""
        self._folder = folder
        for part in ("bundles", "envelopes", "proofs"):
            (folder / part).mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self.key = self._load_key()

    def put_bundle(self, parcel: str, bundle: dict[str, Any]) -> None:
        """Keep a bundle under its parcel's id, in place of a former one."""
        self._write(self._bundle_path(parcel), {"parcel": parcel, **bundle})

    def get_shown(self) -> list[str]:
        """Ids of the notices that this phone has shown, the oldest first."""
        path = self._folder / "shown.json"
        return [str(one) for one in self._read(path)["notices"]] if path.exists() else []

    def put_shown(self, notices: Sequence[str]) -> None:
        """Remember these in place of the former ones."""
        self._write(self._folder / "shown.json", {"notices": list(notices)})

    def get_bundle(self, parcel: str) -> dict[str, Any]:
        """The bundle for a parcel; BundleMissing."""
        path = self._bundle_path(parcel)
        if not path.exists():
            raise BundleMissing(f"nothing is cached for parcel {parcel}: fetch it while online")
        return self._read(path)

    def has_own(self, parcel: str) -> bool:
        """Whether there is a bundle for the parcel that nobody else shared."""
        path = self._bundle_path(parcel)
        return path.exists() and not self._read(path).get("delegations")

    def list_bundles(self) -> list[dict[str, Any]]:
        """All bundles, by file name."""
        return [self._read(path) for path in sorted((self._folder / "bundles").glob("*.json"))]

    def put_envelope(self, envelope: bytes) -> bool:
        """Keep an envelope to carry home; False when the wallet carries enough already."""
        folder = self._folder / "envelopes"
        if sum(1 for _ in folder.iterdir()) >= MAX_ENVELOPES:
            return False
        name = hashlib.sha256(envelope).hexdigest()[:_NAME_SIZE]
        _write_whole(folder / name, envelope)
        return True

    def list_envelopes(self) -> list[bytes]:
        """The envelopes not yet delivered, in no order that matters."""
        return [path.read_bytes() for path in sorted((self._folder / "envelopes").iterdir())]

    def drop_envelope(self, envelope: bytes) -> None:
        """Forget an envelope that the server has."""
        name = hashlib.sha256(envelope).hexdigest()[:_NAME_SIZE]
        (self._folder / "envelopes" / name).unlink(missing_ok=True)

    def put_receipt(self, receipt: Receipt) -> None:
        """Keep a receipt for good."""
        kept = self._read_receipts()
        self._write_receipts([*kept["receipts"], _as_row(receipt)], told=kept["told"])

    def list_receipts(self) -> list[Receipt]:
        """All receipts, oldest first."""
        return [Receipt(**row) for row in self._read_receipts()["receipts"]]

    def list_untold(self, limit: int) -> list[Receipt]:
        """Up to `limit` receipts of which the server was not told yet, oldest first."""
        kept = self._read_receipts()
        return [Receipt(**row) for row in kept["receipts"][kept["told"] :][:limit]]

    def mark_told(self, count: int) -> None:
        """The server was told of the next `count` receipts."""
        kept = self._read_receipts()
        self._write_receipts(kept["receipts"], told=kept["told"] + count)

    def put_proof(self, parcel: str, receipt: bytes) -> Path:
        """Keep a receipt of the public log for good; where it lies."""
        name = hashlib.sha256(parcel.encode()).hexdigest()[:_NAME_SIZE]
        path = self._folder / "proofs" / f"{name}.receipt"
        _write_whole(path, receipt)
        return path

    def _read_receipts(self) -> dict[str, Any]:
        path = self._folder / "receipts.json"
        return {"receipts": [], "told": 0, **(self._read(path) if path.exists() else {})}

    def _write_receipts(self, rows: list[dict[str, Any]], *, told: int) -> None:
        self._write(self._folder / "receipts.json", {"receipts": rows, "told": told})

    def _bundle_path(self, parcel: str) -> Path:
        name = hashlib.sha256(parcel.encode()).hexdigest()[:_NAME_SIZE]
        return self._folder / "bundles" / f"{name}.json"

    def _load_key(self) -> SigningKey:
        path = self._folder / "device.key"
        if not path.exists():
            _write_whole(path, secrets.token_bytes(SEED_SIZE))
        try:
            return SigningKey(path.read_bytes())
        except ValueError as error:
            raise WalletBroken(f"{path} is no device key") from error

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        _write_whole(path, json.dumps(content, indent=1).encode())

    def _read(self, path: Path) -> dict[str, Any]:
        try:
            found = json.loads(path.read_bytes())
        except ValueError as error:
            raise WalletBroken(f"{path} cannot be read") from error
        if not isinstance(found, dict):
            raise WalletBroken(f"{path} cannot be read")
        return found


def _as_row(receipt: Receipt) -> dict[str, Any]:
    return {name: getattr(receipt, name) for name in Receipt.__slots__}


def _write_whole(path: Path, content: bytes) -> None:
    """Replace the file at once; readable by the owner alone from its first byte on."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
