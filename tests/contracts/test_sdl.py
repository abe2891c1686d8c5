"""The committed SDL is what the code says, and nothing in it goes without a description."""

from collections.abc import Iterator

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    build_schema,
)

from server.graph import api_schema
from tests.contracts.tree import ROOT

PROMISED = {
    "requestSignInCode", "signIn", "registerDevice", "me", "parcel", "announceParcel",
    "reserveCompartment", "courierBundle", "unlockBundle", "revokeGrant", "deliverEnvelopes",
    "signTime", "enrolLocker", "node",
}  # fmt: skip
"""Operations that outside tools call by name."""


@pytest.fixture(scope="module")
def sdl() -> str:
    return api_schema().as_str() + "\n"


def test_committed_sdl_is_what_the_code_says(sdl: str) -> None:
    assert (ROOT / "schema" / "api.graphql").read_text() == sdl, "run ./restante sdl"


def test_every_promised_operation_is_there(sdl: str) -> None:
    schema = build_schema(sdl)
    roots = [root.fields for root in (schema.query_type, schema.mutation_type) if root]
    assert PROMISED - {name for fields in roots for name in fields} == set()
    assert "parcels" in schema.get_type("Me").fields  # type: ignore[union-attr]  # seen just above


def undescribed(kind: GraphQLNamedType) -> Iterator[str]:
    """Names of a type, its fields, arguments and members that say nothing about themselves."""
    if not kind.description:
        yield kind.name
    if isinstance(kind, GraphQLEnumType):
        yield from (f"{kind.name}.{name}" for name, it in kind.values.items() if not it.description)
    if isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        for name, field in kind.fields.items():
            if not field.description:
                yield f"{kind.name}.{name}"
            for argument, it in getattr(field, "args", {}).items():
                if not it.description:
                    yield f"{kind.name}.{name}({argument})"


def test_everything_in_the_sdl_is_described(sdl: str) -> None:
    kinds = [kind for name, kind in build_schema(sdl).type_map.items() if name[:2] != "__"]
    builtin = {"Boolean", "Float", "ID", "Int", "String"}
    assert [it for kind in kinds if kind.name not in builtin for it in undescribed(kind)] == []
