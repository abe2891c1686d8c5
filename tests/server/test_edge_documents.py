"""Documents that ask for too much: each is refused before it is validated, whatever its shape."""

from __future__ import annotations

from typing import Any

import pytest
from graphql import get_introspection_query, parse

from server.kit.limits import (
    MAX_CHARACTERS,
    MAX_DEPTH,
    MAX_FIELDS,
    MAX_MUTATIONS,
    MAX_OPERATIONS,
    MAX_VALUES,
    MAX_VARIABLES,
    nesting_of,
    refuse_document,
    refuse_text,
    refuse_variables,
)
from tests.fakes.probe_api import probe_schema

SCHEMA = probe_schema()


def bomb(count: int) -> str:
    """Each fragment spreads the next twice: walked along the spreads it doubles with each."""
    parts = ["{ thing { ...f0 } }"]
    parts += [f"fragment f{n} on Thing {{ ...f{n + 1} ...f{n + 1} }}" for n in range(count)]
    return " ".join([*parts, f"fragment f{count} on Thing {{ name }}"])


def nested(depth: int) -> str:
    return "{ thing " + "{ itself " * depth + "{ name }" + " }" * depth + " }"


HOSTILE = {
    "fragments that double": bomb(60),
    "fields by fragments": "{ thing { ...a ...a ...a } } fragment a on Thing { "
    + " ".join(f"n{n}: name" for n in range(101))
    + " }",
    "many aliases": "{ " + " ".join(f"a{n}: hello" for n in range(MAX_FIELDS + 1)) + " }",
    "one field many times": "{ " + "hello " * (MAX_FIELDS + 1) + "}",
    "too deep": nested(MAX_DEPTH + 1),
    "deep through fragments": "{ thing { ...f0 } } "
    + " ".join(
        f"fragment f{n} on Thing {{ itself {{ ...f{n + 1} }} }}" for n in range(MAX_DEPTH + 1)
    )
    + f" fragment f{MAX_DEPTH + 1} on Thing {{ name }}",
    "operations": " ".join(f"query q{n} {{ hello }}" for n in range(MAX_OPERATIONS + 1)),
    "variables": "query (" + " ".join(f"$v{n}: Int" for n in range(51)) + ") { hello }",
    "mutations": "mutation { " + " ".join(f"m{n}: poke" for n in range(11)) + " }",
    "unused fragment": "{ hello } fragment u on Thing { " + "name " * (MAX_FIELDS + 1) + "}",
    "pages in pages": "{ things(first: 100) { edges { node { things(first: 100) { edges { node "
    "{ things(first: 100) { edges { node { name } } } } } } } } } }",
    "pages without first": "{ things { edges { node { things { edges { node { things { edges "
    "{ node { name } } } } } } } } } }",
    "pages behind fragments": "{ things { ...c } } fragment c on ThingConnection { edges { node "
    "{ things { ...d } } } } fragment d on ThingConnection { edges { node { things { ...e } } } } "
    "fragment e on ThingConnection { edges { node { id name itself { name id } } } }",
    "a page of a million": "{ things(first: 1000000) { edges { node { things(first: 1000000) "
    "{ edges { node { things { edges { node { name } } } } } } } } } }",
    "introspection in circles": "{ __schema { types { fields { type { fields { type { fields "
    "{ type { fields { name } } } } } } } } } }",
    "introspection many times": "{ __schema { types { fields { type { fields { "
    + " ".join(f"a{n}: name" for n in range(200))
    + " } } } } } }",
}


@pytest.mark.parametrize("query", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_document_that_asks_for_too_much_is_refused(query: str) -> None:
    result = await SCHEMA.execute(query)
    assert result.data is None
    assert result.errors is not None
    assert [error.extensions for error in result.errors] == [{"code": "TOO_COSTLY"}]


@pytest.mark.parametrize(
    "query",
    [
        "{ " + "a " * 2_000 + "}",
        "{ hello @skip(if: false) " + "@skip(if: false) " * 400 + "}",
        "{ add(numbers: [" + "1," * 2_000 + "]) }",
    ],
    ids=["fields", "directives", "values"],
)
async def test_a_document_of_too_many_tokens_is_not_parsed_to_its_end(query: str) -> None:
    result = await SCHEMA.execute(query)
    assert result.errors is not None
    assert "tokens" in result.errors[0].message


@pytest.mark.parametrize(
    "query",
    [
        "{" * 100,
        "{ add(numbers: " + "[" * 100 + "]" * 100 + ") }",
        "query ($v: " + "[" * 100 + "Int" + "]" * 100 + ") { hello }",
        "x" * (MAX_CHARACTERS + 1),
    ],
)
def test_a_text_too_long_or_too_nested_is_not_parsed(query: str) -> None:
    assert refuse_text(query)


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("{ a }", 1),
        ("{ a(b: [{c: 1}]) }", 4),
        ('{ a(b: "[[[[") }', 2),
        ('{ a(b: """[[ " [[ \\""" [[""") }', 2),
        ("# [[[[\n{ a }", 1),
        ('{ a(b: "\\"[[") }', 2),
        ("}}}}{", 1),
        ('{ a(b: "torn', 2),
    ],
)
def test_nesting_counts_brackets_outside_of_texts_and_comments(text: str, depth: int) -> None:
    assert nesting_of(text) == depth


@pytest.mark.parametrize(
    "variables",
    [
        {"a": [0] * MAX_VALUES},
        {str(n): n for n in range(MAX_VALUES)},
        {"a": [[[0] * 1_400] * 3]},
    ],
)
def test_variables_of_too_many_values_are_refused(variables: dict[str, Any]) -> None:
    assert refuse_variables(variables)


def test_a_page_size_may_come_by_a_variable() -> None:
    query = (
        "query ($n: Int) { things(first: $n) { edges { node { things(first: $n) "
        "{ edges { node { itself { name id } } } } } } } }"
    )
    document = parse(query)
    assert refuse_document(document, {"n": 100})
    assert refuse_document(document, {"n": "a hundred"})
    assert refuse_document(document, {"n": 3}) is None
    assert refuse_document(document, {}) is None
    assert refuse_document(document, {"n": None}) is None


@pytest.mark.parametrize("default", ["100", "9" * 30])
def test_a_page_size_may_hide_in_the_default_of_a_variable(default: str) -> None:
    query = (
        f"query ($n: Int = {default}) {{ things(first: $n) {{ edges {{ node {{ things(first: $n) "
        "{ edges { node { itself { name id } } } } } } } }"
    )
    document = parse(query)
    assert refuse_document(document, {})
    assert refuse_document(document, {"n": 3}) is None


@pytest.mark.parametrize(
    "query",
    [
        get_introspection_query(),
        get_introspection_query(
            descriptions=True, input_value_deprecation=True, schema_description=True
        ),
        nested(MAX_DEPTH - 2),
        bomb(6),
        "{ things(first: 100) { edges { cursor node { id name things(first: 10) "
        "{ edges { node { id name } } } } } pageInfo { hasNextPage endCursor } } }",
        "query (" + " ".join(f"$v{n}: Int" for n in range(MAX_VARIABLES)) + ") { hello }",
        "mutation { " + " ".join(f"m{n}: poke" for n in range(MAX_MUTATIONS)) + " }",
        "{ ...missing }",
        "{ thing { ...a } } fragment a on Thing { ...b } fragment b on Thing { ...a name }",
    ],
    ids=lambda query: query[:30],
)
def test_what_clients_ask_for_is_not_too_much(query: str) -> None:
    assert refuse_text(query) is None
    assert refuse_document(parse(query), {}) is None


async def test_lists_without_pages_count_too() -> None:
    heavy = "{ things(first: 100) { edges { node { parts { parts { name id } } } } } }"
    result = await SCHEMA.execute(heavy)
    assert [error.extensions for error in result.errors or ()] == [{"code": "TOO_COSTLY"}]
    usual = "{ things(first: 100) { edges { node { parts { name id } } } } }"
    assert (await SCHEMA.execute(usual)).errors is None


async def test_the_usual_introspection_is_answered() -> None:
    result = await SCHEMA.execute(get_introspection_query())
    assert result.errors is None


async def test_many_mistakes_are_told_by_a_few() -> None:
    result = await SCHEMA.execute("{ " + " ".join(f"u{n}" for n in range(200)) + " }")
    assert result.errors is not None
    assert len(result.errors) == 5
