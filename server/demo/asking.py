"""How the demo asks its services over HTTP and looks at the answers. Takes no proxy on the way."""

from __future__ import annotations

import http.client
import json
import time
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from server.kit.errors import ServerError
from server.kit.identify import GRAPHQL_PATH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Json = dict[str, Any]

ANSWER_S = 20.0
LOOK_PAUSE_S = 0.05
"""Pause between two looks for something that takes about as long as a person needs to blink."""

T = TypeVar("T")


class Unverified(ServerError):
    """Something in the demo did not come out as it must; the message says what."""


def check(holds: bool, sentence: str) -> None:
    """Raises `Unverified` with the sentence unless it holds."""
    if not holds:
        raise Unverified(sentence)


def wait_for(look: Callable[[], T | None], what: str, *, within_s: float) -> T:
    """What `look` finds at last; `Unverified` when it finds nothing in time."""
    deadline = time.monotonic() + within_s
    while True:
        found = look()
        if found is not None:
            return found
        check(time.monotonic() < deadline, f"{what} did not come within {within_s:g} s")
        time.sleep(LOOK_PAUSE_S)


def get_json(url: str) -> Json:
    """The JSON object at an address; `Unverified` for anything but status 200."""
    return _exchange("GET", url, None, {})


def pick(data: Mapping[str, Any], field: str, kind: str) -> Json:
    """The payload `kind` of a result union; `Unverified` with the problem when it is one."""
    payload: Json = data[field]
    found, code = payload["__typename"], payload.get("code")
    check(found == kind, f"{field} answered {code or found}: {payload.get('message', '')}")
    return payload


class CarrierSystem:
    """A carrier's own computer: it has an API key and no device."""

    def __init__(self, api: str, api_key: str) -> None:
        self._url = api + GRAPHQL_PATH
        self._headers = {
            "Authorization": f"Bearer {api_key}",
            "Content-Type": "application/json",
            "Accept": "application/graphql-response+json",
        }

    def ask(self, document: str, **variables: object) -> Json:
        """The `data` of one operation; `Unverified` when the answer has errors."""
        body = json.dumps({"query": document, "variables": variables})
        answer = _exchange("POST", self._url, body, self._headers)
        check(not answer.get("errors"), f"the server answered {answer.get('errors')}")
        data: Json = answer["data"]
        return data


def _exchange(method: str, url: str, body: str | None, headers: Mapping[str, str]) -> Json:
    parts = urlsplit(url)
    link = http.client.HTTPConnection(parts.netloc, timeout=ANSWER_S)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    try:
        link.request(method, path, body, dict(headers))
        answer = link.getresponse()
        status, raw = answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise Unverified(f"no answer from {url}: {error}") from error
    finally:
        link.close()
    check(status == http.HTTPStatus.OK, f"{url} answered {status}: {raw[:200]!r}")
    found: Json = json.loads(raw)
    return found
