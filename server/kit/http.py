"""HTTP for the API, as far as it knows no GraphQL: strict JSON, negotiation, bounded bodies.

Follows the GraphQL-over-HTTP draft; the refusals go beyond it where a stranger could make the
server work for nothing.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from server.kit.errors import TransportRefused
from server.kit.sentences import INTERNAL, OUR_FAULT

JSON = "application/json"
GRAPHQL_JSON = "application/graphql-response+json"

MAX_BODY_BYTES = 256 * 1024
"""Room for two envelopes of the largest size (PROTOCOL 8: 64 KiB) in base64, or 16 of a phone's.

A thousand connections (`listener`) that send so much at once hold a quarter of a gigabyte.
"""

BODY_SECONDS = 10
MAX_JSON_DEPTH = 32

SAFE_HEADERS = {
    "vary": "Accept, Origin",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

_JSON_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


def strict_loads(data: str | bytes) -> object:
    """JSON in UTF-8 without NaN, lone surrogates or deep nesting; else ValueError."""
    text = data if isinstance(data, str) else data.decode("utf-8-sig")
    if _depth_of(text) > MAX_JSON_DEPTH:
        raise ValueError(f"nested more than {MAX_JSON_DEPTH} deep")
    value = json.loads(text, parse_constant=_refuse_constant)
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate cannot be encoded
    return value


def _depth_of(text: str) -> int:
    depth = deepest = 0
    for token in _JSON_BRACKETS.findall(text):
        if token in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif token in "]}":
            depth -= 1
    return deepest


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def negotiate(accept: str | None) -> str | None:
    """The media type to answer with (RFC 9110 s. 12.5.1), or None if none is acceptable."""
    if not accept or not accept.strip():
        return JSON
    ranges = [_read_range(part) for part in accept.split(",")]
    plain, graphql = _quality(JSON, ranges), _quality(GRAPHQL_JSON, ranges)
    if max(plain, graphql) <= 0:
        return None
    named = any(kind == GRAPHQL_JSON for kind, _ in ranges)
    return GRAPHQL_JSON if graphql > plain or (named and graphql == plain) else JSON


def _read_range(part: str) -> tuple[str, float]:
    kind, *parameters = (word.strip().lower() for word in part.split(";"))
    quality = 1.0
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                quality = float(parameter[2:])
            except ValueError:
                quality = 0.0
    return kind, quality if math.isfinite(quality) else 0.0


def _quality(offer: str, ranges: list[tuple[str, float]]) -> float:
    """The quality that the most specific matching range gives to the offer."""
    ranks = {offer: 2, "application/*": 1, "*/*": 0}
    return max(
        ((ranks[kind], quality) for kind, quality in ranges if kind in ranks), default=(0, 0.0)
    )[1]


def is_short(length: str) -> bool:
    """Whether a Content-Length announces a body that we read; False for what is no length."""
    return (
        length.isdecimal()
        and len(length) <= len(str(MAX_BODY_BYTES))
        and int(length) <= MAX_BODY_BYTES
    )


def media_type(header: str | None) -> str:
    """A Content-Type without its parameters, in lower case."""
    return (header or "").partition(";")[0].strip().lower()


def refusal_response(refused: TransportRefused, kind: str = JSON) -> Response:
    """The refusal as a GraphQL request error."""
    error: dict[str, object] = {"message": refused.message}
    if refused.code:
        error["extensions"] = {"code": refused.code.value}
    body = json.dumps({"errors": [error]}, separators=(",", ":"))
    headers = {"content-type": f"{kind}; charset=utf-8", **refused.headers}
    return Response(body, refused.status, headers=headers)


def fault_response(error_id: str) -> Response:
    """An exception as a GraphQL request error: the id leads to it in the log, no more is told."""
    error = {"message": OUR_FAULT, "extensions": {"code": INTERNAL, "id": error_id}}
    body = json.dumps({"errors": [error]}, separators=(",", ":"))
    return Response(body, 500, headers={"content-type": f"{JSON}; charset=utf-8", **SAFE_HEADERS})


@dataclass(slots=True)
class BodyLimit:
    """Stands before an ASGI `receive`: a body has a size and a deadline (408, 413)."""

    receive: Receive
    deadline_s: float
    seen_bytes: int = 0
    is_whole: bool = False

    @property
    def is_broken(self) -> bool:
        """Whether some of the body was not read, so that the connection is of no further use."""
        return not self.is_whole

    async def __call__(self) -> Message:
        """The next message; TransportRefused once the body is too large or too slow."""
        try:
            # Once the body is whole the only thing to wait for is that the client leaves.
            async with asyncio.timeout_at(None if self.is_whole else self.deadline_s):
                message = await self.receive()
        except TimeoutError:
            raise TransportRefused(408, f"The body took more than {BODY_SECONDS} s.") from None
        self.seen_bytes += len(message.get("body", b""))
        self.is_whole = self.is_whole or not message.get("more_body", False)
        if self.seen_bytes > MAX_BODY_BYTES:
            raise TransportRefused(413, f"The body has more than {MAX_BODY_BYTES} bytes.")
        return message
