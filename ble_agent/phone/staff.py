"""What staff bring to a locker: tokens that a service or hub key signed offline, as files, and
what the server gives those who look into an empty compartment.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from ble_agent.backends.carrier import pick
from ble_agent.errors import AgentError
from ble_agent.phone.bundles import DOOR, STOP, Pass
from ble_agent.phone.errand import LockerKeys
from schema.codec import Malformed
from schema.ids import parse_locker_text
from schema.keys import Operation
from schema.statements import StatementType
from schema.tokens import parse_token

if TYPE_CHECKING:
    from pathlib import Path

    from ble_agent.phone.account import Account
    from ble_agent.phone.luggage import Carried

_REGISTER = """
mutation($token: Base64!) { registerToken(token: $token) { __typename
  ... on RegisterTokenPayload { expiresAt }
  ... on Problem { code message } } }"""

_INSPECTION = f"""
mutation($locker: ID!, $number: Int!, $reason: String!) {{
  inspectionBundle(locker: $locker, number: $number, reason: $reason) {{ __typename
    ... on InspectionBundle {{ {STOP} {DOOR} }}
    ... on Problem {{ code message }} }} }}"""


class StaffFileBroken(AgentError):
    """A file is not what `./restante keys` writes, or two do not belong together."""


def read_staff_pass(file: Path, *, key_set: Path | None = None) -> Pass:
    """The pass in a file of `keys issue`, with a key set to bring if one is named.

    StaffFileBroken.
    """
    try:
        words: dict[str, Any] = json.loads(file.read_bytes())
        token = base64.b64decode(words["token"], validate=True)
        parse_token(token)
        return Pass(
            operation=Operation[words["operation"]],
            keys=LockerKeys(
                parse_locker_text(words["lockerId"]),
                bytes.fromhex(words["noisePublic"]),
                bytes.fromhex(words["signPublic"]),
            ),
            token=token,
            comp=None,
            words="",
            statements=() if key_set is None else (_read_key_set(key_set),),
        )
    except (OSError, KeyError, TypeError, ValueError, Malformed) as error:
        raise StaffFileBroken(f"{file} is no file of ./restante keys issue") from error


def join(first: Pass, second: Pass) -> Pass:
    """One pass out of two for OPEN_ALL; StaffFileBroken where they do not belong together."""
    both = (first, second)
    if any(one.operation is not Operation.OPEN_ALL for one in both) or first.keys != second.keys:
        raise StaffFileBroken("both files must be for OPEN_ALL at the same locker")
    return Pass(
        operation=first.operation,
        keys=first.keys,
        token=first.token,
        comp=None,
        words="",
        statements=first.statements,
        more=(second.token,),
    )


async def fetch_inspection(
    account: Account, locker: str, number: int, *, reason: str
) -> dict[str, Any]:
    """What opens a compartment without a parcel, to be kept in the wallet. Declined, Unreachable.

    Where a stay was left behind, its token opens that stay instead.
    """
    variables = {"locker": locker, "number": number, "reason": reason}
    data = await account.ask(_INSPECTION, variables)
    bundle = pick(data, "inspectionBundle", "InspectionBundle")
    claims = parse_token(base64.b64decode(bundle["token"]["bytes"])).claims
    return {"operation": Operation(claims.actions).name, **bundle}


async def register(account: Account, found: Pass) -> str:
    """Vouch for the token at the server; returns when it ends. Declined, Unreachable."""
    token = base64.b64encode(found.token).decode()
    data = await account.ask(_REGISTER, {"token": token})
    return str(pick(data, "registerToken", "RegisterTokenPayload")["expiresAt"])


def _read_key_set(file: Path) -> Carried:
    return StatementType.KEY_SET, base64.b64decode(file.read_bytes(), validate=False)
