"""Documents that are known: they cost nothing twice, and nothing is let in by being known."""

from __future__ import annotations

import pytest
from graphql import parse

from server.kit.graph import MAX_PAGE
from server.kit.known import KnownDocuments
from tests.fakes.probe_api import probe_schema

PAGES = """
query ($first: Int) { things(first: $first) { edges { node {
  things(first: $first) { edges { node { things(first: $first) { edges { node { name } } } } } }
} } } }"""


async def test_a_known_document_is_neither_parsed_nor_validated() -> None:
    schema = probe_schema()
    schema.known.keep("no document at all", parse("{ hello unknown }"))
    result = await schema.execute("no document at all")
    assert (result.data, result.errors) == ({"hello": "world"}, None)


async def test_a_valid_document_becomes_known() -> None:
    schema = probe_schema()
    assert (await schema.execute("{ hello }")).errors is None
    known = schema.known.find("{ hello }")
    assert known is not None
    assert (await schema.execute("{ hello }")).data == {"hello": "world"}
    assert schema.known.find("{ hello }") is known


@pytest.mark.parametrize(
    "query", ["{ nothing }", "{ hello", "{ hello } fragment f on Thing { id }"]
)
async def test_what_is_no_valid_document_is_refused_each_time(query: str) -> None:
    schema = probe_schema()
    answers = [(await schema.execute(query)).errors for _ in range(2)]
    assert answers[0]
    assert [str(one) for one in answers[0] or ()] == [str(one) for one in answers[1] or ()]
    assert len(schema.known) == 0


async def test_variables_of_a_known_document_are_measured_each_time() -> None:
    schema = probe_schema()
    small = await schema.execute(PAGES, variable_values={"first": 1})
    assert small.errors is None
    large = await schema.execute(PAGES, variable_values={"first": MAX_PAGE})
    assert [error.extensions for error in large.errors or ()] == [{"code": "TOO_COSTLY"}]


async def test_operations_of_one_document_are_told_apart() -> None:
    schema = probe_schema()
    query = "query a { hello } query b { again: hello }"
    for name, field in (("a", "hello"), ("b", "again"), ("a", "hello")):
        result = await schema.execute(query, operation_name=name)
        assert result.data == {field: "world"}


async def test_a_document_whose_resolver_failed_is_known_and_fails_again() -> None:
    schema = probe_schema()
    for _ in range(2):
        result = await schema.execute("{ boom }")
        assert [error.path for error in result.errors or ()] == [["boom"]]
    assert len(schema.known) == 1


def test_the_longest_unused_makes_room() -> None:
    known = KnownDocuments(max_characters=20)
    texts = ["{ aaaa }", "{ bbbb }", "{ cccc }"]
    for text in texts[:2]:
        known.keep(text, parse(text))
    assert known.find(texts[0]) is not None
    known.keep(texts[2], parse(texts[2]))
    assert [known.find(text) is not None for text in texts] == [True, False, True]


def test_keeping_a_document_twice_takes_no_room() -> None:
    known = KnownDocuments(max_characters=20)
    for _ in range(5):
        known.keep("{ aaaa }", parse("{ aaaa }"))
    known.keep("{ bbbb }", parse("{ bbbb }"))
    assert len(known) == 2


def test_a_text_longer_than_all_room_is_not_kept() -> None:
    known = KnownDocuments(max_characters=5)
    known.keep("{ aaaa }", parse("{ aaaa }"))
    assert len(known) == 0
