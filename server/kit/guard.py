"""The schema as strangers meet it: operations have a deadline, errors give nothing away."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from typing import TYPE_CHECKING

import strawberry
from graphql import GraphQLError
from strawberry.extensions import SchemaExtension
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from schema.codes import ProblemCode
from server.kit.graph import Context
from server.kit.known import KnownDocument, KnownDocuments
from server.kit.limits import DocumentLimits
from server.kit.sentences import INTERNAL, OUR_FAULT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from strawberry.types import ExecutionContext

OPERATION_SECONDS = 10
"""How long an operation may run; our own take milliseconds."""

MAX_ERRORS = 5
MAX_MESSAGE_CHARACTERS = 300

logger = logging.getLogger(__name__)

_HINT = re.compile(r" Did you mean .*\?$", re.DOTALL)
_INNER = re.compile(r" but encountered error .*$", re.DOTALL)
_REPRESENTED = re.compile(r"(cannot represent a \w+: ).*$", re.DOTALL)
_EXPECTED = (GraphQLError, CannotGetOperationTypeError, InvalidOperationTypeError)


class Deadline(SchemaExtension):
    """Ends an operation that takes too long; its transactions are rolled back."""

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s

    async def on_execute(self) -> AsyncIterator[None]:
        """Runs around the execution."""
        try:
            async with asyncio.timeout(self._within_s):
                yield
        except TimeoutError:
            code = {"code": ProblemCode.TOO_COSTLY.value}
            raise GraphQLError("This took too long and was ended.", extensions=code) from None


class GuardedSchema(strawberry.Schema):
    """A schema whose errors are tidied in one place, whatever transport they leave by.

    An unexpected exception is logged once under a new id, and only the id goes out. Messages of
    the library lose their suggestions and the texts of inner exceptions.
    """

    known: KnownDocuments
    """What need not be validated again: all that it remembers from one operation to the next."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Replaces what is in the list: every transport is handed this very list afterwards."""
        context = execution_context.context if execution_context else None
        errors[:] = [_tidy(error, context) for error in errors[:MAX_ERRORS]]


def make_schema(
    query: type,
    mutation: type,
    subscription: type | None = None,
    *,
    types: tuple[type, ...] = (),
    within_s: float = OPERATION_SECONDS,
) -> GuardedSchema:
    """The schema of these root types, limits in place; `types` are reached by interfaces alone.

    A document that was valid once is not validated again while it is remembered.
    """
    known = KnownDocuments()
    schema = GuardedSchema(
        query,
        mutation,
        subscription,
        types=types,
        config=StrawberryConfig(disable_field_suggestions=True, batching_config=None),
        extensions=[
            DocumentLimits,
            lambda: KnownDocument(known),
            lambda: Deadline(within_s),
        ],
    )
    schema.known = known
    return schema


def _tidy(error: GraphQLError, context: object) -> GraphQLError:
    cause: BaseException | None = error.original_error
    while isinstance(cause, GraphQLError) and cause.original_error is not None:
        cause = cause.original_error
    message = _INNER.sub(" got another.", _HINT.sub("", error.message))
    message = _REPRESENTED.sub(r"\1it has another form.", message)[:MAX_MESSAGE_CHARACTERS]
    if cause is None or isinstance(cause, _EXPECTED):
        return _replaced(error, message, error.extensions)
    if error.path is None and error.nodes:
        # A scalar refused a variable by an exception of its own: the client's mistake, not ours.
        return _replaced(error, message, {"code": ProblemCode.INPUT_INVALID.value})
    error_id = str(context.ids.new() if isinstance(context, Context) else uuid.uuid4())
    logger.error("unexpected error in an operation", exc_info=cause, extra={"error_id": error_id})
    return _replaced(error, OUR_FAULT, {"code": INTERNAL, "id": error_id})


def _replaced(
    error: GraphQLError, message: str, extensions: Mapping[str, object] | None
) -> GraphQLError:
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        extensions=dict(extensions or {}),
    )
