"""The network's way to the server: one GraphQL request over HTTP, with the standard library.

Knows no operation; callers bring documents and read the data.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ble_agent.errors import AgentError

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S: Final = 20.0
MAX_ANSWER: Final = 1024 * 1024
"""Bytes of an answer that are read; what is longer is no answer of our server."""

PATH: Final = "/graphql"


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
    request = Request(url + PATH, body, sent, method="POST")  # noqa: S310 - settings admit http only
    return await asyncio.to_thread(_ask, request)


def _ask(request: Request) -> dict[str, Any]:
    try:
        with urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - see `ask`
            raw = answer.read(MAX_ANSWER + 1)
    except HTTPError as error:
        with error:
            raise Declined(str(error.code), _first_message(error.read(MAX_ANSWER))) from error
    except (OSError, ValueError) as error:
        raise Unreachable(f"no answer from {request.full_url}: {error}") from error
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
