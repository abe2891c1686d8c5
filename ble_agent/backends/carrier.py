"""The network's way to the server: GraphQL over HTTP, with the standard library.

Knows one operation by itself, the delivery of envelopes, which needs no account; for all others
callers bring documents and read the data.
"""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ble_agent.errors import AgentError
from schema.statements import SignedStatement, StatementType, parse_statement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

TIMEOUT_S: Final = 20.0
MAX_ANSWER: Final = 1024 * 1024
"""Bytes of an answer that are read; what is longer is no answer of our server."""

PATH: Final = "/graphql"

_AT_ONCE: Final = 16
"""Envelopes of one call, which is what the server takes."""

_DELIVER: Final = """
mutation($envelopes: [Base64!]!) { deliverEnvelopes(envelopes: $envelopes) { __typename
  ... on DeliverEnvelopesPayload { outcomes { __typename
    ... on EnvelopeTaken { uptoSeq statements { type bytes } }
    ... on Problem { code message } } }
  ... on Problem { code message } } }"""


class ServiceError(AgentError):
    """Root of what may go wrong between this machine and the server."""


class Unreachable(ServiceError):
    """No answer came, or none that can be read: try again later."""


class Declined(ServiceError):
    """The server understood and said no; `code` is one of its problem codes or an HTTP status."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{message} ({code})")
        self.code = code


async def ask(
    url: str,
    document: str,
    variables: Mapping[str, object],
    *,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The `data` of one operation sent to the server at `url`; Unreachable, Declined.

    Runs in a thread of its own, so that the event loop goes on.
    """
    body = json.dumps({"query": document, "variables": dict(variables)}).encode()
    sent = {
        "content-type": "application/json",
        "accept": "application/graphql-response+json",
        **(headers or {}),
    }
    return await asyncio.to_thread(_post, url + PATH, body, sent)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one envelope: taken, with statements to bring back, or not (a code)."""

    problem: str | None
    upto_seq: int
    statements: tuple[SignedStatement, ...]


async def deliver(url: str, envelopes: Sequence[bytes]) -> list[Delivered]:
    """Hand envelopes to the server, in any number; one answer for each. Unreachable, Declined.

    Whatever was taken before a failure was taken: delivering again changes nothing.
    """
    delivered: list[Delivered] = []
    for at in range(0, len(envelopes), _AT_ONCE):
        texts = [base64.b64encode(each).decode() for each in envelopes[at : at + _AT_ONCE]]
        data = await ask(url, _DELIVER, {"envelopes": texts})
        payload = pick(data, "deliverEnvelopes", "DeliverEnvelopesPayload")
        delivered += [_read_outcome(outcome) for outcome in payload["outcomes"]]
    return delivered


def read_statements(rows: Iterable[Mapping[str, str]]) -> tuple[SignedStatement, ...]:
    """Statements out of `{type, bytes}` rows; Unreachable for what no server of ours says."""
    try:
        return tuple(
            parse_statement(StatementType[row["type"]], base64.b64decode(row["bytes"]))
            for row in rows
        )
    except (KeyError, ValueError) as error:
        raise Unreachable("the answer holds a statement that cannot be read") from error


def _read_outcome(outcome: Mapping[str, Any]) -> Delivered:
    if outcome.get("__typename") != "EnvelopeTaken":
        return Delivered(str(outcome.get("code")), 0, ())
    return Delivered(None, int(outcome["uptoSeq"]), read_statements(outcome["statements"]))


def _post(url: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    # Imported here because it takes 3 MB of the small board's memory, which most lockers never use.
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    request = Request(url, body, headers, method="POST")  # noqa: S310 - settings admit http only
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - see above
            raw = answer.read(MAX_ANSWER + 1)
    except HTTPError as error:
        with error:
            raise Declined(str(error.code), _first_message(error.read(MAX_ANSWER))) from error
    except (OSError, ValueError) as error:
        raise Unreachable(f"no answer from {url}: {error}") from error
    found = _decode(raw)
    if found.get("errors") or not isinstance(found.get("data"), dict):
        raise Declined("ERROR", _first_message(raw))
    data: dict[str, Any] = found["data"]
    return data


def pick(data: Mapping[str, Any], field: str, wanted: str) -> dict[str, Any]:
    """The payload `wanted` out of the result union in `field`; Declined when it is a problem."""
    result = data.get(field)
    if not isinstance(result, dict):
        raise Unreachable(f"the answer has no {field}")
    if result.get("__typename") != wanted:
        raise Declined(str(result.get("code")), str(result.get("message")))
    return result


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw) if len(raw) <= MAX_ANSWER else None
    except ValueError as error:
        raise Unreachable("the answer is no JSON") from error
    if not isinstance(found, dict):
        raise Unreachable("the answer is no JSON object")
    return found


def _first_message(raw: bytes) -> str:
    try:
        return str(_decode(raw)["errors"][0]["message"])
    except (Unreachable, KeyError, IndexError, TypeError):
        return "the server gave no reason"
