"""Why a window is offered, in one sentence and in the person's language.

Here and not among the notices, which come later in the house and know no windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server.hubs.dayslots import DaySlot
from server.people.preferences import Language
from server.pickups.rules import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from server.pickups.rules import Window


class _Words(NamedTuple):
    """The sentences of one language, and its parts of the day in the order of the slots."""

    learned: str
    default: str
    chosen: str
    parts: tuple[str, ...]


_WORDS: Mapping[Language, _Words] = {
    Language.EN: _Words(
        "You fetched {times} of your last {of} {part}.",
        "From when parcels are fetched at this hub.",
        "You chose this time.",
        (
            "before 8 in the morning",
            "early in the morning",
            "in the late morning",
            "around noon",
            "in the afternoon",
            "in the evening",
            "late in the evening",
        ),
    ),
    Language.DE: _Words(
        "Von Ihren letzten {of} Paketen haben Sie {times} {part} geholt.",
        "Danach, wann hier Pakete geholt werden.",
        "Sie haben diese Zeit gewählt.",
        (
            "vor 8 Uhr",
            "früh am Morgen",
            "am Vormittag",
            "um die Mittagszeit",
            "am Nachmittag",
            "am Abend",
            "spät am Abend",
        ),
    ),
    Language.FR: _Words(
        "Sur vos {of} derniers colis, vous en avez retiré {times} {part}.",
        "D'après les heures de retrait dans ce point.",
        "Vous avez choisi cette heure.",
        (
            "avant 8 heures",
            "tôt le matin",
            "en fin de matinée",
            "vers midi",
            "l'après-midi",
            "le soir",
            "tard le soir",
        ),
    ),
    Language.ES: _Words(
        "De sus últimos {of} paquetes recogió {times} {part}.",
        "Según las horas en que se recoge en este punto.",
        "Usted eligió esta hora.",
        (
            "antes de las 8",
            "a primera hora de la mañana",
            "al final de la mañana",
            "hacia el mediodía",
            "por la tarde",
            "al anochecer",
            "por la noche",
        ),
    ),
}


def explain(window: Window, language: Language) -> str:
    """The sentence for a window. It counts collections, and says nothing of any one of them."""
    words = _WORDS[language]
    if window.origin is Origin.CHOSEN:
        return words.chosen
    if window.reason is None:
        return words.default
    reason = window.reason
    part = words.parts[DaySlot(reason.slot)]
    return words.learned.format(times=reason.times, of=reason.of, part=part)
