"""Base45 by the examples of its specification, and that each text has one meaning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from schema.codec import Malformed
from schema.codec.base45 import as_base45, parse_base45


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
    ],
)
def test_examples_of_the_specification(data: bytes, text: str) -> None:
    """RFC 9285, s. 4.3 and 4.4."""
    assert as_base45(data) == text
    assert parse_base45(text) == data


@examples(max_examples=50)
@given(st.binary(max_size=40))
def test_bytes_come_back(data: bytes) -> None:
    assert parse_base45(as_base45(data)) == data


@pytest.mark.parametrize("text", ["A", "GGW", ":::", "ab", "BB8A", "::", "B\u00e98"])
def test_what_is_no_text_of_bytes_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        parse_base45(text)
