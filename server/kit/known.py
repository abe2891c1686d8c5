"""Documents that were parsed and validated before: clients send the same few texts all day.

Keeps what follows from the text alone. How much an operation may ask for depends on its variables
as well and is measured each time, elsewhere.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from strawberry.extensions import SchemaExtension

if TYPE_CHECKING:
    from collections.abc import Iterator

    from graphql import DocumentNode

MAX_KEPT_CHARACTERS = 256 * 1024
"""Of all kept texts together: some hundred usual documents, whose trees take 100 times the room."""


class KnownDocuments:
    """Valid documents of one schema by their text; the longest unused make room for new ones."""

    def __init__(self, max_characters: int = MAX_KEPT_CHARACTERS) -> None:
        self._max_characters = max_characters
        self._characters = 0
        self._documents: OrderedDict[str, DocumentNode] = OrderedDict()

    def __len__(self) -> int:
        """How many are kept."""
        return len(self._documents)

    def find(self, text: str) -> DocumentNode | None:
        """The document of exactly this text, if it is kept; it then counts as used just now."""
        document = self._documents.get(text)
        if document is not None:
            self._documents.move_to_end(text)
        return document

    def keep(self, text: str, document: DocumentNode) -> None:
        """Keep a document that was found valid; one that is kept already stays as it is."""
        if text in self._documents:
            return
        self._documents[text] = document
        self._characters += len(text)
        while self._characters > self._max_characters:
            dropped, _ = self._documents.popitem(last=False)
            self._characters -= len(dropped)


class KnownDocument(SchemaExtension):
    """Takes the place of parsing and validation for a document that is known, and learns others."""

    def __init__(self, known: KnownDocuments) -> None:
        self._known = known
        self._found: DocumentNode | None = None

    def on_parse(self) -> Iterator[None]:
        """Hands the document over; the library parses only what is not there."""
        self._found = self._known.find(self.execution_context.query or "")
        if self._found is not None:
            self.execution_context.graphql_document = self._found
        yield

    def on_validate(self) -> Iterator[None]:
        """An empty list of errors says that validation was done; a refusal before it stands."""
        context = self.execution_context
        if self._found is not None and context.pre_execution_errors is None:
            context.pre_execution_errors = []
        yield
        document = context.graphql_document
        if context.query and document is not None and context.pre_execution_errors == []:
            self._known.keep(context.query, document)
