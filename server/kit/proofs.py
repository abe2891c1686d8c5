"""Access tokens bound to a device key, and the proofs of that key (RFC 9449, DPoP).

Knows no account: a token names a person and a device, and somebody else looks them up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from sqlmodel import Field, SQLModel, col, delete, select

from schema.codes import ProblemCode
from schema.cose import PUBLIC_KEY_SIZE, verify
from server.kit.db import insert_new
from server.kit.errors import Refusal
from server.kit.http import strict_loads
from server.kit.keyring import Keyring, PrivateKey, Purpose, current_key

if TYPE_CHECKING:
    from sqlmodel.ext.asyncio.session import AsyncSession

ACCESS_LIFE = timedelta(minutes=10)

PROOF_TOLERANCE = timedelta(seconds=120)
"""How far a proof's `iat` may be from our clock; lockers tolerate the same (PROTOCOL 4)."""

ALGORITHM = "Ed25519"
"""The fully specified name of RFC 9864, in tokens of our own."""

PROOF_ALGORITHMS = (ALGORITHM, "EdDSA")
"""In proofs also the older name (RFC 8037), which most clients still write."""

MAX_PROOF_CHARACTERS = 2_048
MAX_JTI_CHARACTERS = 128
ISSUER = "restante"
PRUNE_AT_ONCE = 20


class UsedProof(SQLModel, table=True):
    """A proof that was used, kept until it would be too old anyway: each is good once."""

    __tablename__ = "used_proofs"

    digest: bytes = Field(primary_key=True)
    expires_at: datetime = Field(index=True)


@dataclass(frozen=True, slots=True)
class DeviceProof:
    """Whoever sent a request holds the private half of `public_key`. Good once (`use_proof`)."""

    public_key: bytes
    thumbprint: str
    digest: bytes
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token as the client gets it."""

    text: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a genuine, living token says."""

    person_id: uuid.UUID
    device_id: uuid.UUID
    thumbprint: str
    expires_at: datetime


def key_thumbprint(public_key: bytes) -> str:
    """The JWK thumbprint (RFC 7638) of an Ed25519 public key, under which a device is known."""
    return OKPKey.import_key(_jwk(public_key)).thumbprint()


def issue_access_token(
    keyring: Keyring, *, person_id: uuid.UUID, device_id: uuid.UUID, thumbprint: str, now: datetime
) -> AccessToken:
    """A token of ten minutes, good only beside proofs by the device key of this thumbprint."""
    key = current_key(keyring, Purpose.ACCESS)
    issued_s = int(now.timestamp())
    expires_s = issued_s + int(ACCESS_LIFE.total_seconds())
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "sub": str(person_id),
        "device": str(device_id),
        "cnf": {"jkt": thumbprint},
        "iat": issued_s,
        "exp": expires_s,
    }
    header = {"typ": "at+jwt", "alg": ALGORITHM, "kid": key.kid.hex()}
    text = jwt.encode(header, claims, _signing_key(key), algorithms=[ALGORITHM])
    return AccessToken(text, datetime.fromtimestamp(expires_s, UTC))


def read_access_token(keyring: Keyring, text: str, *, now: datetime) -> AccessClaims | Refusal:
    """What the token says, or SIGNED_OUT when it is not ours, damaged or over."""
    try:
        header, _, _ = _split_jwt(text)
        key = next(
            key for key in keyring.list_keys(Purpose.ACCESS) if key.kid.hex() == header["kid"]
        )
        claims = jwt.decode(text, _signing_key(key), algorithms=[ALGORITHM]).claims
        found = AccessClaims(
            person_id=uuid.UUID(claims["sub"]),
            device_id=uuid.UUID(claims["device"]),
            thumbprint=str(claims["cnf"]["jkt"]),
            expires_at=datetime.fromtimestamp(int(claims["exp"]), UTC),
        )
    except (JoseError, ValueError, KeyError, TypeError, StopIteration):
        return Refusal(ProblemCode.SIGNED_OUT)
    if header.get("typ") != "at+jwt" or claims.get("iss") != ISSUER or found.expires_at <= now:
        return Refusal(ProblemCode.SIGNED_OUT)
    return found


def read_proof(
    text: str, *, method: str, address: str, now: datetime, access_token: str | None = None
) -> DeviceProof | Refusal:
    """The proof in a `DPoP` header for a request with this method to this address (RFC 9449, s.
    4.3).

    With an access token the proof must name its hash; binding to the token's key is the caller's
    comparison. Refused as DEVICE_PROOF_INVALID with the reason. Whether the proof was used before
    is asked by `use_proof`.
    """
    try:
        public_key, claims = _open_proof(text)
        jti, issued_s, expected = claims["jti"], claims["iat"], claims["htm"]
        problem = (
            _problem_of_time(issued_s, now)
            or _problem_of_address(claims["htu"], address)
            or _problem_of_id(jti)
            or ("it is for another method" if expected != method else None)
            or _problem_of_token(claims.get("ath"), access_token)
        )
    except _BadProof as error:
        return _refused(str(error))
    except KeyError as error:
        return _refused(f"it lacks {error}")
    if problem:
        return _refused(problem)
    thumbprint = key_thumbprint(public_key)
    return DeviceProof(
        public_key=public_key,
        thumbprint=thumbprint,
        digest=hashlib.sha256(f"{thumbprint}.{jti}".encode()).digest(),
        expires_at=datetime.fromtimestamp(issued_s, UTC) + PROOF_TOLERANCE,
    )


async def use_proof(session: AsyncSession, proof: DeviceProof, *, now: datetime) -> bool:
    """Whether the proof is used for the first time; the commit uses it up.

    Forgets a few proofs that are too old to be accepted anyway, so the table stays as small as
    the last minutes.
    """
    await forget_used_proofs(session, now=now, limit=PRUNE_AT_ONCE)
    return await insert_new(session, UsedProof, digest=proof.digest, expires_at=proof.expires_at)


async def forget_used_proofs(session: AsyncSession, *, now: datetime, limit: int) -> int:
    """Deletes at most `limit` proofs that are too old to be accepted anyway; how many."""
    old = select(UsedProof.digest).where(UsedProof.expires_at < now - PROOF_TOLERANCE).limit(limit)
    gone = await session.exec(delete(UsedProof).where(col(UsedProof.digest).in_(old)))
    return gone.rowcount


class _BadProof(ValueError):
    """The text is no proof at all."""


def _refused(reason: str) -> Refusal:
    return Refusal(ProblemCode.DEVICE_PROOF_INVALID, f"The device proof was refused: {reason}.")


def _open_proof(text: str) -> tuple[bytes, dict[str, Any]]:
    """Key and claims of a proof whose form and signature hold.

    The signature is checked by libsodium alone: it refuses malleable ones that others accept.
    """
    if len(text) > MAX_PROOF_CHARACTERS:
        raise _BadProof("it is too long")
    header, claims, signature = _split_jwt(text)
    public_key = _public_key_of(header)
    signed = text.rpartition(".")[0].encode("ascii")
    if not verify(public_key, signed, signature):
        raise _BadProof("the signature does not hold")
    return public_key, claims


def _split_jwt(text: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Header, claims and signature of a compact JWT; nothing is verified yet."""
    try:
        header, claims, signature = (_unbase64(part) for part in text.split("."))
        parsed = strict_loads(header), strict_loads(claims)
    except (ValueError, RecursionError) as error:
        raise _BadProof("it is no signed JWT") from error
    if not isinstance(parsed[0], dict) or not isinstance(parsed[1], dict):
        raise _BadProof("it is no signed JWT")
    return parsed[0], parsed[1], signature


def _public_key_of(header: dict[str, Any]) -> bytes:
    if header.get("typ") != "dpop+jwt":
        raise _BadProof("its typ is not dpop+jwt")
    if header.get("alg") not in PROOF_ALGORITHMS:
        raise _BadProof("its alg is not EdDSA")
    jwk = header.get("jwk")
    if not isinstance(jwk, dict) or jwk.get("kty") != "OKP" or jwk.get("crv") != "Ed25519":
        raise _BadProof("its jwk is no Ed25519 key")
    if "crit" in header:
        raise _BadProof("its header has critical members")
    if "d" in jwk:
        raise _BadProof("its jwk holds a private key")
    public_key = _unbase64(jwk.get("x"))
    if len(public_key) != PUBLIC_KEY_SIZE:
        raise _BadProof("its jwk is no Ed25519 key")
    return public_key


def _problem_of_time(issued_s: object, now: datetime) -> str | None:
    if not isinstance(issued_s, int) or isinstance(issued_s, bool):
        return "its iat is no whole number"
    # Whole numbers alone: one of a thousand digits does not fit a float.
    if abs(int(now.timestamp()) - issued_s) > int(PROOF_TOLERANCE.total_seconds()):
        return "its iat is too far from our clock"
    return None


def _problem_of_id(jti: object) -> str | None:
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI_CHARACTERS:
        return "its jti is no short text"
    return None


def _problem_of_address(htu: object, address: str) -> str | None:
    if not isinstance(htu, str) or normal_address(htu) != normal_address(address):
        return "it is for another address"
    return None


def _problem_of_token(ath: object, access_token: str | None) -> str | None:
    if access_token is None:
        return None
    expected = (
        base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest())
        .rstrip(b"=")
        .decode()
    )
    if not isinstance(ath, str) or not hmac.compare_digest(ath.encode(), expected.encode()):
        return "it is for another access token"
    return None


def normal_address(address: str) -> tuple[str, str, int | None, str] | None:
    """Scheme, host, port and path, compared as RFC 3986 does; query and fragment do not count.
    None if it is none.
    """
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.hostname is None:
        return None
    default = {"http": 80, "https": 443}.get(parts.scheme)
    return parts.scheme, parts.hostname, port or default, parts.path.rstrip("/")


def _unbase64(text: object) -> bytes:
    """The bytes of base64url without padding; _BadProof for anything else."""
    if not isinstance(text, str) or not text.isascii() or "=" in text:
        raise _BadProof("it is no base64url")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise _BadProof("it is no base64url") from error


def _jwk(public_key: bytes) -> dict[str, str | list[str]]:
    x = base64.urlsafe_b64encode(public_key).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x}


def _signing_key(key: PrivateKey) -> OKPKey:
    d = base64.urlsafe_b64encode(key.seed).rstrip(b"=").decode()
    return OKPKey.import_key({**_jwk(key.public), "d": d})
