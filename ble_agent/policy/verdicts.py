"""The two answers of a decision: a permit to make durable, or a refusal with its code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ble_agent.policy.world import Bearer
    from schema.codes import Code
    from schema.ids import StayId
    from schema.keys import Operation


@dataclass(frozen=True, slots=True)
class Refusal:
    """No, with the code that travels and a detail for our own log only.

    `is_proved` tells whether the holder's proof had held before something else failed.
    """

    code: Code
    detail: str
    is_proved: bool = False

    def proved(self) -> Refusal:
        """The same refusal, of somebody who has proved to hold the token."""
        return replace(self, is_proved=True)


@dataclass(frozen=True, slots=True)
class Permit:
    """Yes: these compartments, in this order, for this bearer; nothing is consumed yet.

    `comp` is the one that the result names (None for SYNC and OPEN_ALL). Until `exp` what is used
    up must be remembered. `floor_iat` is set where the issuer's key may raise the clock's floor.
    """

    op: Operation
    bearer: Bearer
    comp: int | None
    comps: tuple[int, ...]
    cti: bytes | None
    second_cti: bytes | None
    stay: StayId
    exp: int
    floor_iat: int | None = None
