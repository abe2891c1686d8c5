"""Witnesses over HTTP, and who they are by the policy file of this log."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from schema.checkpoint.trust import TRUST_BYTES, parse_trust
from schema.codec import Malformed
from server.kit.errors import SettingsError
from server.ledger.log.cosigning.answers import ANSWER_BYTES, Answer, Silent, read_answer
from server.ledger.log.cosigning.policy import MOST_WITNESSES, Seer, Witnessing

if TYPE_CHECKING:
    from pathlib import Path

    from schema.checkpoint.trust import Trust

ANSWER_S = 5.0
"""How long a witness is waited for, from the connection to the last byte."""


@dataclass(frozen=True, slots=True)
class HttpWitness:
    """A witness at an address (its "submission prefix"); the client is shared by all."""

    client: httpx.AsyncClient
    url: str
    answer_s: float = ANSWER_S

    async def cosign(self, submission: bytes) -> Answer:
        """As the port promises; redirects are not followed."""
        try:
            async with asyncio.timeout(self.answer_s):
                return await self._ask(submission)
        except (httpx.HTTPError, TimeoutError) as error:
            return Silent(f"{type(error).__name__} {error}".strip())

    async def _ask(self, submission: bytes) -> Answer:
        url = f"{self.url.rstrip('/')}/add-checkpoint"
        async with self.client.stream("POST", url, content=submission) as response:
            body = b""
            async for part in response.aiter_raw():
                body += part
                if len(body) > ANSWER_BYTES:
                    return Silent(f"more than {ANSWER_BYTES} bytes")
        return read_answer(response.status_code, response.headers.get("content-type", ""), body)


def make_client() -> httpx.AsyncClient:
    """Connections to all witnesses of a process; to be entered in its event loop."""
    return httpx.AsyncClient(timeout=ANSWER_S)


def read_witnessing(file: Path, client: httpx.AsyncClient) -> Witnessing:
    """The witnesses of a policy file (c2sp.org/tlog-policy), each with its address.

    SettingsError names what is wrong with it.
    """
    try:
        with file.open("rb") as opened:
            policy = parse_trust(opened.read(TRUST_BYTES + 1))
        return _as_witnessing(policy, client)
    except OSError as error:
        raise SettingsError(f"RESTANTE_LOG_POLICY: {file}: {error.strerror}") from error
    except Malformed as error:
        raise SettingsError(f"RESTANTE_LOG_POLICY: {file}: {error}") from error


def _as_witnessing(policy: Trust, client: httpx.AsyncClient) -> Witnessing:
    if len(policy.witnesses) > MOST_WITNESSES:
        raise Malformed(f"more than {MOST_WITNESSES} witnesses")
    seers = []
    for name, key in policy.witnesses.items():
        url = policy.urls.get(key, "")
        if not _is_address(url):
            raise Malformed(f"witness {name} has no address (https://HOST/...)")
        seers.append(Seer(name, key, HttpWitness(client, url)))
    return Witnessing(policy, tuple(seers))


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        httpx.URL(url)
    except (ValueError, httpx.InvalidURL):
        return False
    return parts.scheme in {"https", "http"} and bool(parts.hostname)
