"""The API as a whole keeps the habits that clients rely on."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from graphql import GraphQLObjectType, GraphQLUnionType, get_named_type

from server.graph import NODES
from server.kit.graph import global_id

if TYPE_CHECKING:
    from server.kit.guard import GuardedSchema
    from tests.fakes.phone import Phone

NODE = "query ($id: ID!) { node(id: $id) { __typename id } }"


def test_every_mutation_may_answer_with_a_problem(schema: GuardedSchema) -> None:
    mutations = schema._schema.mutation_type
    assert mutations is not None
    for name, field in mutations.fields.items():
        outcome = get_named_type(field.type)
        assert isinstance(outcome, GraphQLUnionType), name
        assert "Problem" in {kind.name for kind in outcome.types}, name


def test_whatever_has_a_global_id_is_found_by_it(schema: GuardedSchema) -> None:
    node = schema._schema.type_map["Node"]
    kinds = {
        name: kind
        for name, kind in schema._schema.type_map.items()
        if isinstance(kind, GraphQLObjectType) and "id" in kind.fields
    }
    assert {name for name, kind in kinds.items() if node not in kind.interfaces} == set()
    assert {"Person" if name == "Me" else name for name in kinds} == set(NODES)


async def test_the_signed_in_person_is_found_and_nobody_else(phone: Phone) -> None:
    await phone.sign_in()
    own = (await phone.ask("{ me { id } }"))["me"]["id"]
    assert (await phone.ask(NODE, id=own))["node"] == {"__typename": "Me", "id": own}
    other = global_id("Person", uuid.UUID(int=1))
    assert (await phone.ask(NODE, id=other))["node"] is None
