"""How long names stay with what is over."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.parcels.deadlines import DISPUTE_WINDOW
from server.parcels.retention import KEPT, names_until
from tests.fakes.sources import START


@pytest.mark.parametrize(
    ("has_account", "keeps_past", "kept"),
    [
        (False, True, timedelta(days=30)),
        (False, False, timedelta(days=30)),
        (True, True, None),
        (True, False, timedelta(days=14)),
    ],
)
def test_names_stay_as_long_as_they_are_needed_or_wanted(
    *, has_account: bool, keeps_past: bool, kept: timedelta | None
) -> None:
    until = names_until(START, has_account=has_account, keeps_past=keeps_past)
    assert until == (None if kept is None else START + kept)


def test_nothing_is_forgotten_while_it_may_be_disputed() -> None:
    assert KEPT >= DISPUTE_WINDOW
