"""How much more time a hub gives to who asks for it again (DOMAIN 5.1). Knows no parcel."""

from __future__ import annotations

from dataclasses import dataclass

from schema.codes import ProblemCode
from server.kit.errors import Refusal

FIRST_BELOW_PERCENT = 80
"""The first extension is given while less than this is expected to be in use (DOMAIN 5.1)."""

MOST_FURTHER = 6
"""With the first they can be seven, of a day each: no more than a week is given in all."""


@dataclass(frozen=True, slots=True)
class ExtensionRule:
    """A hub's rule for extensions after the first; `version` 0 is the network's: none."""

    version: int = 0
    further: int = 0
    further_below_percent: int = FIRST_BELOW_PERCENT

    def limit_percent(self, given: int) -> int | None:
        """Expected occupancy from which on the next extension is refused; None: there is none."""
        if given == 0:
            return FIRST_BELOW_PERCENT
        return self.further_below_percent if given <= self.further else None


def check_rule(wanted: ExtensionRule) -> Refusal | None:
    """POLICY_INVALID, with the field and its rule, unless a hub may have it.

    Nobody may be easier about further extensions than the network is about the first.
    """
    if not 0 <= wanted.further <= MOST_FURTHER:
        return _invalid("furtherExtensions", f"must be 0 to {MOST_FURTHER}")
    if not 0 <= wanted.further_below_percent <= FIRST_BELOW_PERCENT:
        return _invalid("furtherBelowPercent", f"must be 0 to {FIRST_BELOW_PERCENT}")
    return None


def _invalid(field: str, rule: str) -> Refusal:
    return Refusal(ProblemCode.POLICY_INVALID, f"{field}: {rule}.", field)
