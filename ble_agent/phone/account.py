"""A phone's account at the server: sign-in by code, requests bound to the device key (RFC 9449).

The access token lives for ten minutes; a new one is fetched by the same key when it is needed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from ble_agent.backends.carrier import PATH, ask, pick

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from schema.cose import SigningKey

_REQUEST_CODE = """
mutation($address: String!) { requestSignInCode(address: $address) { __typename
  ... on RequestSignInCodePayload { requestId expiresAt }
  ... on Problem { code message } } }"""

_SIGN_IN = """
mutation($requestId: ID!, $code: String!) { signIn(requestId: $requestId, code: $code) {
  __typename ... on SignInPayload { accessToken expiresAt }
  ... on Problem { code message } } }"""

_REGISTER = """
mutation($name: String!, $push: PushTargetInput) {
  registerDevice(name: $name, push: $push) { __typename ... on DevicePayload { device { id } }
    ... on Problem { code message } } }"""

_REFRESH = """
mutation { refreshAccess { __typename ... on SignInPayload { accessToken expiresAt }
  ... on Problem { code message } } }"""


class Account:
    """One device key at one server. Keeps the access token in memory, and nothing else."""

    def __init__(self, url: str, key: SigningKey, *, now: Callable[[], float] = time.time) -> None:
        self._url = url
        self._key = key
        self._now = now
        self._token: str | None = None

    async def request_code(self, address: str) -> str:
        """Have a one-time code sent to `address`; returns the id to sign in with."""
        data = await ask(self._url, _REQUEST_CODE, {"address": address})
        payload = pick(data, "requestSignInCode", "RequestSignInCodePayload")
        return str(payload["requestId"])

    async def sign_in(self, request_id: str, code: str) -> None:
        """Sign this device key in; Declined for a wrong or late code."""
        variables = {"requestId": request_id, "code": code}
        data = await ask(self._url, _SIGN_IN, variables, headers={"DPoP": self._proof(None)})
        self._token = str(pick(data, "signIn", "SignInPayload")["accessToken"])

    async def register(self, name: str, push_token: str | None) -> None:
        """Name this device, and tell where its push messages go (an FCM token, or nowhere)."""
        push = None if push_token is None else {"kind": "FCM_TOKEN", "target": push_token}
        data = await self.ask(_REGISTER, {"name": name, "push": push})
        pick(data, "registerDevice", "DevicePayload")

    async def refresh(self) -> None:
        """Fetch an access token by the device key; Declined when the device is signed out."""
        data = await ask(self._url, _REFRESH, {}, headers={"DPoP": self._proof(None)})
        self._token = str(pick(data, "refreshAccess", "SignInPayload")["accessToken"])

    async def ask(self, document: str, variables: Mapping[str, object]) -> dict[str, Any]:
        """The data of an operation in this account's name."""
        if self._token is None:
            await self.refresh()
        token = str(self._token)
        headers = {"Authorization": f"DPoP {token}", "DPoP": self._proof(token)}
        return await ask(self._url, document, variables, headers=headers)

    def _proof(self, token: str | None) -> str:
        """A DPoP proof (RFC 9449 s. 4.2) for one POST to the server."""
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": _base64(self._key.public)}
        header = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk}
        claims: dict[str, object] = {
            "jti": secrets.token_urlsafe(16),
            "htm": "POST",
            "htu": self._url + PATH,
            "iat": int(self._now()),
        }
        if token is not None:
            claims["ath"] = _base64(hashlib.sha256(token.encode()).digest())
        signed = ".".join(_base64(json.dumps(part).encode()) for part in (header, claims))
        return f"{signed}.{_base64(self._key.sign(signed.encode()))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
