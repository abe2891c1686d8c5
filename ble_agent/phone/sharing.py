"""Passing a parcel on from phone to phone, with no server between: invitation, delegation, taking.

The neighbour's phone shows its key; the holder's phone signs for that key, and for no other.
"""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Any, Final

from ble_agent.backends.carrier import pick
from ble_agent.errors import AgentError
from ble_agent.phone.bundles import read_pass
from schema.codec import Malformed
from schema.cose import PUBLIC_KEY_SIZE
from schema.keys import Operation
from schema.tokens import delegate
from schema.tokens.chains import Chain, find_fault, parse_chain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ble_agent.phone.account import Account
    from schema.cose import SigningKey

INVITE_PREFIX: Final = "SLK1-KEY:"
CHECK_SIZE: Final = 4
"""Bytes of a checksum: a slip of the pen in a key would share with nobody."""

_REGISTER = """
mutation($chain: [Base64!]!) { registerDelegation(chain: $chain) { __typename
  ... on RegisterDelegationPayload { delegation { id } }
  ... on Problem { code message } } }"""


class NotShared(AgentError):
    """What was asked would share nothing, or more than this phone holds; the sentence says why."""


def write_invite(public: bytes) -> str:
    """The text, or content of a QR code, by which a phone asks to be shared with."""
    return INVITE_PREFIX + _text(public + _check(public))


def read_invite(text: str) -> bytes:
    """The device key in an invitation; NotShared for anything else."""
    try:
        raw = base64.b64decode(
            text.strip().removeprefix(INVITE_PREFIX), altchars=b"-_", validate=True
        )
    except ValueError as error:
        raise NotShared("this is no invitation of a phone") from error
    public, check = raw[:PUBLIC_KEY_SIZE], raw[PUBLIC_KEY_SIZE:]
    if len(public) != PUBLIC_KEY_SIZE or check != _check(public):
        raise NotShared("this is no invitation of a phone")
    return public


def read_until(text: str, *, now: datetime) -> int:
    """The Unix second that a person means by `18:00`, or by a date and time (ISO 8601).

    Without a zone it is that of `now`; a time alone is the next such one. NotShared.
    """
    try:
        if "-" in text:
            at = datetime.fromisoformat(text)
        else:
            at = datetime.combine(now.date(), time.fromisoformat(text))
            at += timedelta(days=at.time() <= now.time())
    except ValueError as error:
        raise NotShared(f"{text} is no time: write 18:00 or 2030-01-31T18:00") from error
    return int((at if at.tzinfo else at.replace(tzinfo=now.tzinfo)).timestamp())


def share(
    bundle: Mapping[str, Any], key: SigningKey, *, holder: bytes, until_s: int, now_s: int
) -> dict[str, Any]:
    """The bundle as the phone of `holder` may use it until then, signed by this phone's key.

    NotShared for a bundle that this phone may not pass on, or for longer than it holds it itself.
    """
    chain = _chain_of(bundle)
    if bundle["operation"] != Operation.OPEN.name or not chain.is_extendable:
        raise NotShared("this cannot be passed on any further")
    if chain.holder != key.public:
        raise NotShared("another phone holds this: share from that one")
    if until_s > chain.exp:
        ends_at = datetime.fromtimestamp(chain.exp, UTC)
        raise NotShared(f"you can share only what you hold, for no longer than {ends_at:%F %R} UTC")
    if until_s <= now_s:
        raise NotShared("that time is over")
    shared = delegate(key, chain.raw[-1], exp=until_s, holder=holder, actions=int(Operation.OPEN))
    delegations = [*bundle.get("delegations", ()), base64.b64encode(shared).decode()]
    return {**bundle, "delegations": delegations}


def write_share(bundle: Mapping[str, Any]) -> str:
    """The text that goes to the other phone; to others it is of no use."""
    return json.dumps(bundle, separators=(",", ":"))


def take(bundle: Mapping[str, Any], key: SigningKey) -> str:
    """The parcel of a bundle that was shared with this phone; NotShared for any other."""
    chain = _chain_of(bundle)
    if not chain.delegations or chain.holder != key.public:
        raise NotShared("this was not shared with this phone")
    fault = find_fault(chain)
    if fault is not None:
        raise NotShared(f"this opens nothing: {fault}")
    return str(bundle.get("parcel"))


async def register(account: Account, bundle: Mapping[str, Any]) -> str:
    """Tell the server of what was shared; its global id there. Declined, Unreachable."""
    parts = [base64.b64encode(part).decode() for part in _chain_of(bundle).raw]
    data = await account.ask(_REGISTER, {"chain": parts})
    payload = pick(data, "registerDelegation", "RegisterDelegationPayload")
    return str(payload["delegation"]["id"])


def _chain_of(bundle: Mapping[str, Any]) -> Chain:
    found = read_pass(bundle)
    try:
        return parse_chain((found.token, *found.more))
    except Malformed as error:
        raise NotShared("the token of this bundle cannot be read") from error


def _check(public: bytes) -> bytes:
    return hashlib.sha256(INVITE_PREFIX.encode() + public).digest()[:CHECK_SIZE]


def _text(raw: bytes) -> str:
    """Base64url; 36 bytes need no padding."""
    return base64.urlsafe_b64encode(raw).decode()
