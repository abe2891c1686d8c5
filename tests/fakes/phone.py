"""A client of the API as a phone is one: a device key, a proof for every request, a token."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import TYPE_CHECKING, Any

from schema.cose import SigningKey
from server.kit.proofs import key_thumbprint
from server.people.service.codes import find_code_letter

if TYPE_CHECKING:
    import httpx

    from server.app import House

ADDRESS = "http://testserver/graphql"

REQUEST_CODE = """
mutation ($address: String!) {
  requestSignInCode(address: $address) {
    ... on RequestSignInCodePayload { requestId expiresAt }
    ... on Problem { code message field retryAfterS }
  }
}"""
SIGN_IN = """
mutation ($requestId: ID!, $code: String!) {
  signIn(requestId: $requestId, code: $code) {
    ... on SignInPayload { accessToken expiresAt device { id waitsUntil confirmation } }
    ... on Problem { code message field next }
  }
}"""
REFRESH = """
mutation { refreshAccess {
  ... on SignInPayload { accessToken expiresAt device { id } }
  ... on Problem { code message }
} }"""


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Phone:
    """One phone. Its proofs are right unless a test changes a claim or a header member."""

    def __init__(self, house: House, client: httpx.AsyncClient, name: str = "phone") -> None:
        self.house = house
        self.client = client
        self.key = SigningKey(hashlib.sha256(name.encode()).digest())
        self.access_token: str | None = None
        self.device_id = ""
        self._name = name
        self._proofs = 0

    @property
    def thumbprint(self) -> str:
        return key_thumbprint(self.key.public)

    def proof(
        self,
        *,
        token: str | None = None,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A fresh proof for a POST; `header` and `claims` replace members, None leaves them out."""
        self._proofs += 1
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(self.key.public)}
        body: dict[str, Any] = {
            "jti": f"{self._name}-{self._proofs}",
            "htm": "POST",
            "htu": ADDRESS,
            "iat": int(self.house.clock.now().timestamp()),
        }
        if token:
            body["ath"] = b64(hashlib.sha256(token.encode()).digest())
        head = {"typ": "dpop+jwt", "alg": "EdDSA", "jwk": jwk, **(header or {})}
        parts = [
            b64(json.dumps({k: v for k, v in part.items() if v is not None}).encode())
            for part in (head, {**body, **claims})
        ]
        signed = ".".join(parts)
        return f"{signed}.{b64(self.key.sign(signed.encode()))}"

    def headers(self, **changes: Any) -> dict[str, str]:
        """The credentials of a request, with a fresh proof; `changes` go into the proof."""
        headers = {"dpop": self.proof(token=self.access_token, **changes)}
        if self.access_token:
            headers["authorization"] = f"DPoP {self.access_token}"
        return headers

    async def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an operation that must not end in an error."""
        response = await self.client.post(
            "/graphql", json={"query": query, "variables": variables}, headers=self.headers()
        )
        answer: dict[str, Any] = response.json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    async def sign_in(self, address: str = "recipient@example.org") -> dict[str, Any]:
        """Signs in by a code, which is taken from where the letter would be written."""
        self.access_token = None
        asked = (await self.ask(REQUEST_CODE, address=address))["requestSignInCode"]
        answer = await self.ask(
            SIGN_IN, requestId=asked["requestId"], code=await self.read_code(asked["requestId"])
        )
        outcome: dict[str, Any] = answer["signIn"]
        if "accessToken" in outcome:
            self.access_token = outcome["accessToken"]
            self.device_id = outcome["device"]["id"]
        return outcome

    async def refresh(self) -> dict[str, Any]:
        """A new access token by a proof alone, or the problem."""
        self.access_token = None
        outcome: dict[str, Any] = (await self.ask(REFRESH))["refreshAccess"]
        self.access_token = outcome.get("accessToken")
        return outcome

    async def read_code(self, request_id: str) -> str:
        """The code that the letter for this request holds."""
        key = base64.b64decode(request_id).decode().partition(":")[2]
        async with self.house.database.read() as session:
            letter = await find_code_letter(
                session,
                self.house.keyring,
                request_id=uuid.UUID(key),
                now=self.house.clock.now(),
            )
        assert letter is not None
        return letter.code
