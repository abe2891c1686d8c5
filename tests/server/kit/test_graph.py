"""Global ids, pages and problems: the words all verticals share."""

from __future__ import annotations

import base64
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schema.codes import ProblemCode
from server.kit.errors import Refusal
from server.kit.graph import (
    DEFAULT_PAGE,
    MAX_PAGE,
    Page,
    RequestRefused,
    as_problem,
    connect,
    get_page,
    global_id,
    read_id,
    split_id,
)
from server.kit.sentences import SENTENCES
from tests.fakes.probe_api import probe_schema

KEY = uuid.UUID(int=0xABCDEF)


@given(st.sampled_from(["Parcel", "Device"]), st.uuids())
def test_a_global_id_is_read_back(kind: str, key: uuid.UUID) -> None:
    assert split_id(global_id(kind, key)) == (kind, key)
    assert read_id(kind, global_id(kind, key)) == key
    assert read_id("Locker", global_id(kind, key)) is None


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()))
def test_what_is_no_global_id_is_none(text: str) -> None:
    assert split_id(text) is None


@pytest.mark.parametrize(
    "raw", [f"Parcel:{str(KEY).upper()}", f"Parcel:{KEY.hex}", f"Parcel:{{{KEY}}}", str(KEY)]
)
def test_an_id_has_one_spelling(raw: str) -> None:
    assert split_id(base64.b64encode(raw.encode()).decode()) is None


@pytest.mark.parametrize("first", [-1, MAX_PAGE + 1, 10**9])
def test_a_page_out_of_range_is_refused(first: int) -> None:
    with pytest.raises(RequestRefused) as refused:
        get_page(first, None)
    assert refused.value.extensions == {"code": "TOO_COSTLY"}


@pytest.mark.parametrize("after", ["", "x", global_id("Parcel", KEY)])
def test_what_is_no_cursor_is_refused(after: str) -> None:
    with pytest.raises(RequestRefused) as refused:
        get_page(1, after)
    assert refused.value.extensions == {"code": "INPUT_INVALID"}


def test_a_page_may_be_left_to_us() -> None:
    assert get_page(None, None) == Page(DEFAULT_PAGE)
    assert get_page(0, None).limit == 1


def test_a_page_tells_whether_more_follows() -> None:
    rows = [uuid.UUID(int=n) for n in range(3)]
    page = connect(Page(2), rows, key=lambda row: row, node=str)
    assert [edge.node for edge in page.edges] == [str(row) for row in rows[:2]]
    assert page.page_info.has_next_page
    assert not page.page_info.has_previous_page
    rest = connect(get_page(2, page.page_info.end_cursor), rows[2:], key=lambda r: r, node=str)
    assert not rest.page_info.has_next_page
    assert rest.page_info.has_previous_page


def test_an_empty_page_has_no_cursors() -> None:
    page: Any = connect(Page(2), [], key=lambda row: row, node=str)
    assert (page.page_info.start_cursor, page.page_info.end_cursor) == (None, None)


async def test_a_list_is_walked_to_its_end_page_by_page() -> None:
    schema, after, more = probe_schema(), None, True
    seen: list[str] = []
    query = """query ($after: String) { things(first: 4, after: $after) {
      edges { node { id } } pageInfo { hasNextPage endCursor } } }"""
    while more:
        result = await schema.execute(query, variable_values={"after": after})
        assert result.data is not None
        things = result.data["things"]
        seen += [edge["node"]["id"] for edge in things["edges"]]
        after, more = things["pageInfo"]["endCursor"], things["pageInfo"]["hasNextPage"]
    assert len(set(seen)) == len(seen) == 10


@pytest.mark.parametrize("code", ProblemCode)
def test_every_code_has_a_sentence(code: ProblemCode) -> None:
    assert as_problem(Refusal(code)).message == SENTENCES[code]
    assert SENTENCES[code].endswith(".")


def test_a_refusals_own_words_come_first() -> None:
    refusal = Refusal(ProblemCode.SLOW_DOWN, "Wait.", field="code", retry_after_s=3, next="Tea.")
    problem = as_problem(refusal)
    told = (problem.message, problem.field, problem.retry_after_s, problem.next)
    assert told == ("Wait.", "code", 3, "Tea.")
