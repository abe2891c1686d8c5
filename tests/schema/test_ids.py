"""Locker ids and their one text form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.ids import LockerId, locker_text, parse_locker_text
from tests.schema.makers import LID


@given(st.binary(min_size=8, max_size=8).map(LockerId))
def test_locker_id_survives_its_text_of_eleven_letters(lid: LockerId) -> None:
    assert len(locker_text(lid)) == 11
    assert parse_locker_text(locker_text(lid)) == lid


@given(st.text(max_size=14))
def test_any_text_is_refused_or_is_the_text_of_what_it_names(text: str) -> None:
    try:
        lid = parse_locker_text(text)
    except ValueError as error:
        assert "base64url" in str(error)  # noqa: PT017
        return
    assert locker_text(lid) == text


GOOD = locker_text(LID)


@pytest.mark.parametrize(
    "text",
    [
        "",
        GOOD[:-1],
        GOOD + "A",
        GOOD + "=",
        " " + GOOD,
        GOOD[:-1] + "é",
        "+" + GOOD[1:],
        "AAAAAAAAAAB",
    ],
)
def test_other_text_names_no_locker(text: str) -> None:
    with pytest.raises(ValueError, match="11 characters"):
        parse_locker_text(text)
