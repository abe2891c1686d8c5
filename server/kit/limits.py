"""How large a GraphQL document may be, decided in linear time before it is validated.

Fragments are measured once each, however often and however deep they are spread: the known
attacks double the work with every fragment, so a limiter that walks along the spreads is itself a
way in.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    get_nullable_type,
    is_composite_type,
    is_list_type,
)
from strawberry.extensions import SchemaExtension

from schema.codes import ProblemCode
from server.kit.graph import DEFAULT_PAGE, MAX_PAGE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MAX_CHARACTERS = 16 * 1024
"""Our own clients stay under 4 KiB; the usual introspection query has 2 KiB."""

MAX_NESTING = 64
"""Brackets inside one another; the parser recurses once for each."""

MAX_TOKENS = 1_000
MAX_OPERATIONS = 5
MAX_VARIABLES = 50
MAX_VALUES = 4_000
"""Values of all kinds in the variables together; a locker of 255 doors is described in 2,600."""

MAX_DEPTH = 12
MAX_FIELDS = 300
"""Fields once every fragment is spread."""

MAX_COST = 20_000
"""Fields that the answer may hold: a field counts as often as the pages around it have entries."""

MAX_MUTATIONS = 10
"""Fields at the root of a mutation, so that one request cannot stand for hundreds of tries."""

INTROSPECTION_ENTRIES = {
    "types": 60,
    "fields": 4,
    "inputFields": 3,
    "enumValues": 3,
    "possibleTypes": 4,
    "args": 2,
    "directives": 8,
}
"""Rough lengths of lists in introspection: the usual query passes, a walk in circles does not."""

LIST_ENTRIES = 10
"""What a list without pages counts as: few are longer, and each says in its description how long
it can be.
"""

WRAPPING = "ofType"
"""Unwraps a type in introspection: no depth of its own, and half of them lead nowhere."""

MAX_PAGE_DIGITS = 6

_BRACKETS = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"""|"(?:[^"\\\n]|\\.)*"|#[^\n\r]*|[\[\](){}]', re.DOTALL
)


def nesting_of(text: str) -> int:
    """The deepest nesting of brackets outside strings and comments: a scan that cannot recurse."""
    depth = deepest = 0
    for token in _BRACKETS.findall(text):
        if token in "[({":
            depth += 1
            deepest = max(deepest, depth)
        elif token in "])}":
            depth = max(0, depth - 1)
    return deepest


def refuse_text(query: str) -> str | None:
    """Why the text of a document must not even be parsed, or None."""
    if len(query) > MAX_CHARACTERS:
        return f"The document has more than {MAX_CHARACTERS} characters."
    if nesting_of(query) > MAX_NESTING:
        return f"The document is nested more than {MAX_NESTING} deep."
    return None


def refuse_variables(variables: Mapping[str, Any] | None) -> str | None:
    """Why the variables are too many to be looked at, or None."""
    waiting: list[Any] = [variables or {}]
    count = 0
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        count += 1
        if count + len(waiting) > MAX_VALUES:
            return f"The variables hold more than {MAX_VALUES} values."
    return None


class DocumentLimits(SchemaExtension):
    """Bounds the parser by tokens, then refuses a parsed document that asks for too much."""

    def on_operation(self) -> Iterator[None]:
        """Tells the parser when to stop."""
        self.execution_context.parse_options["max_tokens"] = MAX_TOKENS
        yield

    def on_parse(self) -> Iterator[None]:
        """Measures what the parser made; a refusal takes the place of validation."""
        yield
        document = self.execution_context.graphql_document
        if document is not None and self.execution_context.pre_execution_errors is None:
            lists = list_fields(self.execution_context.schema._schema)
            reason = refuse_document(document, self.execution_context.variables or {}, lists=lists)
            if reason:
                error = GraphQLError(reason, extensions={"code": ProblemCode.TOO_COSTLY.value})
                self.execution_context.pre_execution_errors = [error]


@lru_cache(maxsize=4)
def list_fields(schema: GraphQLSchema) -> frozenset[str]:
    """Names of fields that give lists of objects without pages."""
    return frozenset(
        name
        for kind in schema.type_map.values()
        if isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__")
        for name, field in kind.fields.items()
        if name != "edges" and is_list_type(get_nullable_type(field.type))
        if is_composite_type(get_named_type(field.type))
    )


def refuse_document(
    document: DocumentNode, variables: Mapping[str, Any], *, lists: frozenset[str] = frozenset()
) -> str | None:
    """Why the document asks for too much, or None; `lists` are names of fields without pages."""
    operations = [
        node for node in document.definitions if isinstance(node, OperationDefinitionNode)
    ]
    if len(operations) > MAX_OPERATIONS:
        return f"The document has more than {MAX_OPERATIONS} operations."
    if any(len(operation.variable_definitions or ()) > MAX_VARIABLES for operation in operations):
        return f"An operation has more than {MAX_VARIABLES} variables."
    for operation in operations:
        if (
            operation.operation is OperationType.MUTATION
            and len(operation.selection_set.selections) > MAX_MUTATIONS
        ):
            return f"A mutation has more than {MAX_MUTATIONS} fields."
    return _Measure(document, variables, lists).refuse(operations)


@dataclass(frozen=True, slots=True)
class _Size:
    depth: int = 0
    fields: int = 0
    cost: int = 0
    has_edges: bool = False

    def beside(self, other: _Size) -> _Size:
        return _Size(
            max(self.depth, other.depth),
            # Past the limits exact numbers do not matter, and uncapped they would grow without
            # bound.
            min(self.fields + other.fields, MAX_FIELDS + 1),
            min(self.cost + other.cost, MAX_COST + 1),
            self.has_edges or other.has_edges,
        )


class _Measure:
    """Sizes of one document's selections."""

    def __init__(
        self, document: DocumentNode, variables: Mapping[str, Any], lists: frozenset[str]
    ) -> None:
        self._lists = lists
        self._variables = {**_widest_defaults(document), **variables}
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._known: dict[str, _Size] = {}

    def refuse(self, operations: list[OperationDefinitionNode]) -> str | None:
        """Why an operation, or a fragment whether used or not, is too large."""
        sizes = [self._of_fragment(name) for name in self._fragments]
        sizes += [self._of(operation.selection_set) for operation in operations]
        for size in sizes:
            if size.depth > MAX_DEPTH:
                return f"The document asks for more than {MAX_DEPTH} levels."
            if size.fields > MAX_FIELDS:
                return f"The document asks for more than {MAX_FIELDS} fields."
            if size.cost > MAX_COST:
                return f"The answer may hold more than {MAX_COST} values; ask for smaller pages."
        return None

    def _of(self, selections: SelectionSetNode | None) -> _Size:
        size = _Size()
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                size = size.beside(self._of_field(node))
            elif isinstance(node, InlineFragmentNode):
                size = size.beside(self._of(node.selection_set))
            elif isinstance(node, FragmentSpreadNode):
                size = size.beside(self._of_fragment(node.name.value))
        return size

    def _of_field(self, node: FieldNode) -> _Size:
        inner = self._of(node.selection_set)
        name = node.name.value
        usual = INTROSPECTION_ENTRIES.get(name, LIST_ENTRIES if name in self._lists else 1)
        entries = DEFAULT_PAGE if inner.has_edges else usual
        for argument in node.arguments or ():
            if argument.name.value == "first":
                entries = self._first(argument.value)
        is_wrapping = name == WRAPPING
        return _Size(
            depth=inner.depth + (not is_wrapping),
            fields=inner.fields + 1,
            cost=1 + (inner.cost // 2 if is_wrapping else entries * inner.cost),
            has_edges=name == "edges",
        )

    def _of_fragment(self, name: str) -> _Size:
        """Measured once. Unknown names and cycles count as nothing: validation refuses them."""
        if name not in self._fragments:
            return _Size()
        if name not in self._known:
            self._known[name] = _Size()
            self._known[name] = self._of(self._fragments[name].selection_set)
        return self._known[name]

    def _first(self, value: object) -> int:
        given: object = None
        if isinstance(value, IntValueNode):
            # More digits than any page has, and int() of a very long text is slow.
            given = int(value.value) if len(value.value) <= MAX_PAGE_DIGITS else MAX_PAGE
        elif isinstance(value, VariableNode):
            given = self._variables.get(value.name.value)
            given = DEFAULT_PAGE if given is None else given
        elif isinstance(value, NullValueNode):
            given = DEFAULT_PAGE
        return max(0, min(given, MAX_PAGE)) if isinstance(given, int) else MAX_PAGE


def _widest_defaults(document: DocumentNode) -> dict[str, int]:
    """Whole numbers that stand in for variables left out; of several operations the largest."""
    defaults: dict[str, int] = {}
    for node in document.definitions:
        for one in getattr(node, "variable_definitions", None) or ():
            if isinstance(one.default_value, IntValueNode):
                digits = one.default_value.value
                number = int(digits) if len(digits) <= MAX_PAGE_DIGITS else MAX_PAGE
                name = one.variable.name.value
                defaults[name] = max(number, defaults.get(name, 0))
    return defaults
