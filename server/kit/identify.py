"""From the credentials of a request to its actor: device-bound access tokens, carriers' API keys.

Knows no account; it asks the port `Accounts`. Nobody is anonymous by mistake: credentials that do
not hold are refused with 401.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit.auth import ANONYMOUS, Accounts, Actor
from server.kit.errors import Refusal, TransportRefused
from server.kit.proofs import AccessClaims, DeviceProof, read_access_token, read_proof, use_proof
from server.kit.sentences import SENTENCES

if TYPE_CHECKING:
    from datetime import datetime

    from sqlmodel.ext.asyncio.session import AsyncSession

    from server.kit.clock import Clock
    from server.kit.db import Database
    from server.kit.keyring import Keyring

GRAPHQL_PATH = "/graphql"
"""Path of the API; device proofs name it, with or without a slash at its end."""

MAX_CREDENTIAL_CHARACTERS = 4_096


@dataclass(frozen=True, slots=True)
class Credentials:
    """What vouches for a request: its headers, or the same in a socket's `connection_init`."""

    method: str
    authorization: str | None = field(default=None, repr=False)
    proofs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Identity:
    """The actor, what vouched for it, and a proof that came without a token (to sign in)."""

    actor: Actor = ANONYMOUS
    proof: DeviceProof | Refusal | None = None
    claims: AccessClaims | None = None
    api_key: str | None = field(default=None, repr=False)

    @property
    def expires_at(self) -> datetime | None:
        """When the access token ends, if there is one."""
        return self.claims.expires_at if self.claims else None


class Identifier:
    """Tells who makes a request."""

    def __init__(
        self,
        *,
        database: Database,
        keyring: Keyring,
        clock: Clock,
        accounts: Accounts,
        public_url: str,
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._clock = clock
        self._accounts = accounts
        self._address = public_url + GRAPHQL_PATH

    async def identify(self, credentials: Credentials) -> Identity:
        """Who the credentials vouch for: nobody if there are none.

        Uses up the proof that comes with an access token. Raises TransportRefused (401) for a
        token, proof or API key that does not hold, and says by RFC 9449 s. 7.1 which it was.
        """
        if credentials.authorization is None:
            return Identity(proof=self._read_proof(credentials, access_token=None))
        if len(credentials.authorization) > MAX_CREDENTIAL_CHARACTERS:
            raise _refused("invalid_token", Refusal(ProblemCode.SIGNED_OUT))
        scheme, _, secret = credentials.authorization.partition(" ")
        if scheme.lower() == "bearer":
            return await self._identify_carrier(secret.strip())
        if scheme.lower() == "dpop":
            return await self._identify_person(secret.strip(), credentials)
        raise _refused("invalid_request", Refusal(ProblemCode.SIGNED_OUT))

    async def renew(self, identity: Identity) -> Actor | None:
        """The actor with the rights of this moment, or None if nothing vouches for it any more.

        For connections that outlive a request: a device removed meanwhile is out.
        """
        if identity.claims is not None:
            async with self._database.write() as session:
                return await self._find_person(session, identity.claims)
        if identity.api_key is not None:
            return await self._find_carrier(identity.api_key)
        return ANONYMOUS

    def _read_proof(
        self, credentials: Credentials, *, access_token: str | None
    ) -> DeviceProof | Refusal | None:
        if not credentials.proofs:
            return None
        if len(credentials.proofs) > 1:
            return Refusal(ProblemCode.DEVICE_PROOF_INVALID, "Send exactly one device proof.")
        return read_proof(
            credentials.proofs[0],
            method=credentials.method,
            address=self._address,
            now=self._clock.now(),
            access_token=access_token,
        )

    async def _identify_person(self, token: str, credentials: Credentials) -> Identity:
        now = self._clock.now()
        claims = read_access_token(self._keyring, token, now=now)
        if isinstance(claims, Refusal):
            raise _refused("invalid_token", claims)
        proof = self._read_proof(credentials, access_token=token)
        if not isinstance(proof, DeviceProof):
            missing = Refusal(ProblemCode.DEVICE_PROOF_INVALID, "The device proof is missing.")
            raise _refused("invalid_dpop_proof", proof or missing)
        if proof.thumbprint != claims.thumbprint:
            raise _refused("invalid_token", Refusal(ProblemCode.DEVICE_PROOF_INVALID))
        async with self._database.write() as session:
            is_first = await use_proof(session, proof, now=now)
            actor = await self._find_person(session, claims)
        if not is_first:
            used = Refusal(ProblemCode.DEVICE_PROOF_INVALID, "This device proof was used before.")
            raise _refused("invalid_dpop_proof", used)
        if actor is None:
            raise _refused("invalid_token", Refusal(ProblemCode.SIGNED_OUT))
        return Identity(actor, claims=claims)

    async def _find_person(self, session: AsyncSession, claims: AccessClaims) -> Actor | None:
        return await self._accounts.find_person(
            session,
            person_id=claims.person_id,
            device_id=claims.device_id,
            thumbprint=claims.thumbprint,
            now=self._clock.now(),
        )

    async def _identify_carrier(self, api_key: str) -> Identity:
        actor = await self._find_carrier(api_key)
        if actor is None:
            unknown = Refusal(ProblemCode.SIGNED_OUT, "This API key is not valid.")
            raise _refused("invalid_token", unknown, scheme="Bearer")
        return Identity(actor, api_key=api_key)

    async def _find_carrier(self, api_key: str) -> Actor | None:
        async with self._database.read() as session:
            now = self._clock.now()
            return await self._accounts.find_carrier(session, api_key=api_key, now=now)


def _refused(error: str, refusal: Refusal, *, scheme: str = "DPoP") -> TransportRefused:
    algorithms = ', algs="EdDSA"' if scheme == "DPoP" else ""
    return TransportRefused(
        401,
        refusal.message or SENTENCES[refusal.code],
        code=refusal.code,
        headers={"www-authenticate": f'{scheme} error="{error}"{algorithms}'},
    )
