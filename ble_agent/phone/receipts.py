"""What lockers vouched for, told to the server, and receipts fetched from it as files."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

from ble_agent.backends.carrier import Unreachable, ask, pick
from ble_agent.errors import AgentError

if TYPE_CHECKING:
    from pathlib import Path

    from ble_agent.phone.account import Account
    from ble_agent.phone.wallet import Wallet

AT_ONCE: Final = 64
"""Signed heads of one call, which is what the server takes."""

_TELL: Final = """
mutation($heads: [SignedHeadInput!]!) { deliverSignedHeads(heads: $heads) { __typename
  ... on DeliverSignedHeadsPayload { outcomes { __typename ... on Problem { code } } }
  ... on Problem { code message } } }"""

_RECEIPT: Final = """
query($parcel: ID!) { receipt(parcelId: $parcel) { __typename
  ... on Receipt { receipt } ... on Problem { code message } } }"""


async def tell_heads(url: str, wallet: Wallet) -> int:
    """Bring the server what lockers signed and nobody has told it of yet; how many it took.

    Needs no account. What the server will never take is not told again either.
    """
    taken = 0
    while waiting := wallet.list_untold(AT_ONCE):
        heads = [
            {
                "lockerId": one.lid,
                "seq": one.seq,
                "head": base64.b64encode(bytes.fromhex(one.head)).decode(),
                "signature": base64.b64encode(bytes.fromhex(one.signature)).decode(),
            }
            for one in waiting
        ]
        data = await ask(url, _TELL, {"heads": heads})
        outcomes = pick(data, "deliverSignedHeads", "DeliverSignedHeadsPayload")["outcomes"]
        taken += sum(outcome["__typename"] == "SignedHeadTaken" for outcome in outcomes)
        # If we crash here they are told again, which changes nothing.
        wallet.mark_told(len(waiting))
    return taken


async def fetch_receipt(account: Account, parcel: str) -> bytes:
    """The receipt of a parcel as the server has it; Unreachable, Declined."""
    data = await account.ask(_RECEIPT, {"parcel": parcel})
    try:
        return base64.b64decode(pick(data, "receipt", "Receipt")["receipt"], validate=True)
    except (binascii.Error, KeyError, TypeError) as error:
        raise Unreachable("the answer holds no receipt") from error


def draw_code(code: str, file: Path) -> None:
    """The text as a QR code, a drawing of lines (SVG); AgentError without segno or a place for it.

    Version 40 has 177 squares a side: it wants paper or a large screen.
    """
    try:
        import segno
    except ImportError as error:
        raise AgentError("drawing a code needs segno: ./restante phone receipt") from error
    try:
        segno.make(code, error="l", micro=False, boost_error=False).save(
            str(file), kind="svg", scale=2
        )
    except OSError as error:
        raise AgentError(f"{file}: {error.strerror}") from error
