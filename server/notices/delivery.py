"""What a provider says about one message: shared by every port."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Accepted:
    """The provider took it; `receipt` is its own name for it."""

    receipt: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The address reaches nobody any more: forget it."""


@dataclass(frozen=True, slots=True)
class Later:
    """Not now, or nobody knows: send again, after `after_s` if the provider said so."""

    reason: str
    after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """This one will never be taken; another to the same address may be."""

    reason: str


Delivery = Accepted | Gone | Later | Refused
"""What became of one message."""
