"""What the page is given to show: never a digit of a PIN, nothing of others. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ble_agent.doors.prompts import Prompt
from ble_agent.panel.intents import Ease
from ble_agent.panel.screens import Screen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ble_agent.panel.screens import State

    View = dict[str, str | int | bool | list[int] | None]


@dataclass(frozen=True, slots=True)
class Scene:
    """What is true for everybody before the locker: its code, its open doors, its clock."""

    presence: int | None
    prompts: Mapping[int, Prompt]
    knows_time: bool


def as_view(state: State, scene: Scene, now_s: float) -> View:
    """The values of one picture; whoever draws it needs nothing else but words."""
    left_s = None if state.free_at_s is None else max(0, math.ceil(state.free_at_s - now_s))
    return {
        "screen": state.screen,
        "say": state.say,
        "comp": state.comp,
        "typed": len(state.digits),
        "isCode": state.is_code,
        "isEnd": state.is_end,
        "canAgain": state.can_again,
        "leftS": left_s,
        "language": state.language,
        "contrast": Ease.CONTRAST in state.eases,
        "large": Ease.LARGE in state.eases,
        "slow": Ease.SLOW in state.eases,
        "presence": None if scene.presence is None else f"{scene.presence:02d}",
        "ajar": _ajar(state, scene),
        "knowsTime": scene.knows_time,
    }


def _ajar(state: State, scene: Scene) -> list[int]:
    """Doors that stand open too long, but for the one that the screen speaks of anyway."""
    own = state.comp if state.screen is Screen.DOOR else ""
    asked = (comp for comp, prompt in scene.prompts.items() if prompt is Prompt.SHUT)
    return sorted(comp for comp in asked if f"{comp}" != own)
