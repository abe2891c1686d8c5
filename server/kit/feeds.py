"""Subscriptions that many share: one execution and one encoding for all who see the same.

A feed belongs to one operation (document, variables, name) and to what its readers may see. Each
of its frames tells the whole state that was selected, so whoever is slow gets the newest frame
instead of a queue, and whoever joins late gets the last one at once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from graphql import FieldNode, GraphQLError, OperationDefinitionNode, OperationType, parse
from strawberry.types.execution import PreExecutionError

from server.kit.limits import MAX_TOKENS

if TYPE_CHECKING:
    from collections.abc import Callable

    from strawberry import Schema
    from strawberry.types import ExecutionResult

    from server.kit.graph import Context

logger = logging.getLogger(__name__)

IMPERSONAL = MappingProxyType({"impersonal": True})
"""Metadata of a subscription whose answer depends on its reader's rights alone."""

KNOWN_DOCUMENTS = 512
"""Documents of which the kind is remembered."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One subscription as its client wrote it."""

    query: str
    variables: dict[str, Any]
    name: str | None
    field: str
    """The root field that the document selects; a subscription has exactly one."""

    @property
    def key(self) -> tuple[str, str, str | None]:
        """Equal for operations that select the same."""
        return self.query, json.dumps(self.variables, sort_keys=True), self.name


class Reader(Protocol):
    """Who gets the frames of a feed. None of its methods waits."""

    def take(self, payload: str) -> None:
        """The newest state, as the JSON of an execution result."""

    def refuse(self, errors: str) -> None:
        """There is no feed: the JSON of the list of errors. Nothing follows."""

    def end(self) -> None:
        """Nothing follows."""


def read_subscription(
    query: str, variables: dict[str, Any] | None, name: str | None
) -> Operation | None:
    """The subscription that a request asks for; None for a query, a mutation or what is neither."""
    field = _root_of_subscription(query, name)
    return None if field is None else Operation(query, variables or {}, name, field)


@lru_cache(maxsize=KNOWN_DOCUMENTS)
def _root_of_subscription(query: str, name: str | None) -> str | None:
    try:
        document = parse(query, max_tokens=MAX_TOKENS, no_location=True)
    except GraphQLError:
        return None
    operations = [
        node
        for node in document.definitions
        if isinstance(node, OperationDefinitionNode)
        and (name is None or (node.name is not None and node.name.value == name))
    ]
    if len(operations) != 1 or operations[0].operation is not OperationType.SUBSCRIPTION:
        return None
    first = operations[0].selection_set.selections[0]
    return first.name.value if isinstance(first, FieldNode) else ""


def _impersonal_fields(schema: Schema) -> frozenset[str]:
    if schema.subscription is None:
        return frozenset()
    names = schema.config.name_converter
    fields = schema.subscription.__strawberry_definition__.fields  # type: ignore[attr-defined]  # a Strawberry type
    return frozenset(
        names.from_field(field) for field in fields if IMPERSONAL.items() <= field.metadata.items()
    )


class Feeds:
    """The feeds of one process.

    Root fields marked `IMPERSONAL` are run for nobody in particular, with just the reader's rights,
    and shared by all who have the same.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._impersonal = _impersonal_fields(schema)
        self._feeds: dict[object, Feed] = {}

    def __len__(self) -> int:
        """How many feeds run."""
        return len(self._feeds)

    def join(self, operation: Operation, context: Context, reader: Reader) -> Feed:
        """Let the reader take part in the feed of its operation, which starts with the first."""
        actor = context.actor
        if operation.field in self._impersonal:
            actor = replace(actor, person_id=None, device_id=None)
        key = (operation.key, actor)
        feed = self._feeds.get(key)
        if feed is None:
            context = replace(context, actor=actor, loaders={})
            feed = Feed(self._schema, operation, context, on_end=lambda one: self._forget(key, one))
            self._feeds[key] = feed
        feed.join(reader)
        return feed

    def _forget(self, key: object, feed: Feed) -> None:
        if self._feeds.get(key) is feed:
            del self._feeds[key]


class Feed:
    """One running subscription and its readers. It stops when the last reader leaves."""

    def __init__(
        self,
        schema: Schema,
        operation: Operation,
        context: Context,
        *,
        on_end: Callable[[Feed], None],
    ) -> None:
        self._schema = schema
        self._operation = operation
        self._context = context
        self._on_end = on_end
        self._readers: dict[Reader, None] = {}
        self._last: str | None = None
        self._task = asyncio.create_task(self._run())

    def join(self, reader: Reader) -> None:
        """Frames go to the reader from now on; the last one at once, if there was one."""
        self._readers[reader] = None
        if self._last is not None:
            reader.take(self._last)

    def leave(self, reader: Reader) -> None:
        """No more frames for this reader."""
        self._readers.pop(reader, None)
        if not self._readers:
            self._on_end(self)
            self._task.cancel()

    async def _run(self) -> None:
        try:
            results = await self._schema.subscribe(
                self._operation.query,
                variable_values=self._operation.variables,
                context_value=self._context,
                operation_name=self._operation.name,
            )
            async with aclosing(results) as stream:
                async for result in stream:
                    self._tell(result)
        finally:
            self._on_end(self)
            for reader in tuple(self._readers):
                reader.end()
            self._readers.clear()

    def _tell(self, result: ExecutionResult | PreExecutionError) -> None:
        errors = [error.formatted for error in result.errors or ()]
        if isinstance(result, PreExecutionError):
            refusal = json.dumps(errors, separators=(",", ":"))
            for reader in tuple(self._readers):
                reader.refuse(refusal)
            self._readers.clear()
            return
        payload: dict[str, Any] = {"data": result.data}
        if errors:
            payload["errors"] = errors
        text = json.dumps(payload, separators=(",", ":"))
        if text == self._last:
            return
        self._last = text
        for reader in tuple(self._readers):
            reader.take(self._last)
