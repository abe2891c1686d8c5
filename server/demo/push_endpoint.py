"""A local stand-in for FCM's HTTP v1 API: same paths, same JSON, same vocabulary of errors.

Owns the messages it was given, in memory and bounded. Anybody on this machine may look at them: it
is a mirror for people and tests, never a service for a network.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

MOST_KEPT = 10_000
"""Messages that are remembered; older ones fall out."""

BODY_BYTES = 16_384
"""FCM's payload limit is 4,096 bytes; ours leaves room for the envelope."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How FCM says no: HTTP status, canonical code, its own code, and how long to wait."""

    status: int
    canonical: str
    code: str
    retry_after_s: int | None = None


FAULTS = {
    "gone": Fault(404, "NOT_FOUND", "UNREGISTERED"),
    "quota": Fault(429, "RESOURCE_EXHAUSTED", "QUOTA_EXCEEDED", 17),
    "sender": Fault(403, "PERMISSION_DENIED", "SENDER_ID_MISMATCH"),
    "invalid": Fault(400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
    "unavailable": Fault(503, "UNAVAILABLE", "UNAVAILABLE"),
}
"""An address that begins with one of these words and a dash meets that fault, every time."""


class PushEndpoint:
    """What the endpoint was given, and whether it answers at the moment."""

    def __init__(self) -> None:
        self.messages: deque[dict[str, Any]] = deque(maxlen=MOST_KEPT)
        self._taken = 0
        self._arrivals = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._answers = asyncio.Event()
        self._answers.set()

    async def send(self, request: Request) -> Response:
        """`messages:send` of FCM."""
        message = await read_message(request)
        if message is None:
            return refuse(FAULTS["invalid"])
        address = str(message.get("token") or message.get("fid"))
        fault = FAULTS.get(address.partition("-")[0])
        if fault is not None:
            return refuse(fault)
        self.messages.append(message)
        async with self._arrivals:
            self._taken += 1
            self._arrivals.notify_all()
        await self._answers.wait()
        project = request.path_params["project"]
        return JSONResponse({"name": f"projects/{project}/messages/{next(self._numbers)}"})

    async def list_messages(self, request: Request) -> Response:
        """All remembered messages, the oldest first; `?address=` keeps those of one address."""
        wanted = request.query_params.get("address")
        kept = [m for m in self.messages if wanted in (None, m.get("token"), m.get("fid"))]
        return JSONResponse({"messages": kept})

    async def count_messages(self, request: Request) -> Response:
        """How many messages were taken since the start, forgotten ones included.

        With `?from=N` the answer comes once they are N.
        """
        least = int(request.query_params.get("from", 0))
        async with self._arrivals:
            await self._arrivals.wait_for(lambda: self._taken >= least)
        return JSONResponse({"taken": self._taken})

    async def hold(self, _request: Request) -> Response:
        """Take messages from now on, but keep the answers back: the sender cannot know."""
        self._answers.clear()
        return JSONResponse({})

    async def release(self, _request: Request) -> Response:
        """Give the answers that were kept back, and answer at once again."""
        self._answers.set()
        return JSONResponse({})


def make_app(endpoint: PushEndpoint) -> Starlette:
    """The endpoint as an ASGI application."""
    return Starlette(
        routes=[
            Route("/v1/projects/{project}/messages:send", endpoint.send, methods=["POST"]),
            Route("/messages", endpoint.list_messages),
            Route("/count", endpoint.count_messages),
            Route("/hold", endpoint.hold, methods=["POST"]),
            Route("/release", endpoint.release, methods=["POST"]),
        ]
    )


async def read_message(request: Request) -> dict[str, Any] | None:
    """The message of a request, or None if it is none that FCM would take."""
    try:
        body = await request.json() if len(await request.body()) <= BODY_BYTES else None
    except ValueError:
        return None
    message = body.get("message") if isinstance(body, dict) else None
    if not isinstance(message, dict):
        return None
    addresses = [message.get("token"), message.get("fid")]
    return message if sum(isinstance(one, str) for one in addresses) == 1 else None


def refuse(fault: Fault) -> Response:
    """The answer by which FCM tells this fault."""
    detail = {
        "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError",
        "errorCode": fault.code,
    }
    error = {"code": fault.status, "message": fault.canonical, "status": fault.canonical}
    wait = {} if fault.retry_after_s is None else {"Retry-After": str(fault.retry_after_s)}
    return JSONResponse({"error": {**error, "details": [detail]}}, fault.status, headers=wait)


def main() -> None:
    """Serve at 127.0.0.1 until the process is ended: `python -m server.demo.push_endpoint PORT`."""
    parser = argparse.ArgumentParser(description="A local stand-in for FCM")
    parser.add_argument("port", type=int)
    app = make_app(PushEndpoint())
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port, log_level="warning")


if __name__ == "__main__":
    main()
