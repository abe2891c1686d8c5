"""A whole visit with a kept bundle: prove, follow the door, keep the receipt, take envelopes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ble_agent.phone.errand import Errand
from ble_agent.phone.link import LinkError, Refused, Silent
from ble_agent.phone.wallet import Receipt
from schema.codes import Code, DoorEvent
from schema.handshake import OpenRequest, parse_hello
from schema.ids import locker_text
from schema.keys import Operation
from schema.noise import KEY_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable

    from ble_agent.phone.bundles import Pass
    from ble_agent.phone.errand import Outcome, TimeSource
    from ble_agent.phone.link import PhoneLink
    from ble_agent.phone.wallet import Wallet
    from schema.handshake import Report


async def visit_door(
    link: PhoneLink,
    found: Pass,
    wallet: Wallet,
    *,
    comp: int | None,
    find_time: TimeSource | None,
    follow_s: float,
    record: Callable[[bytes], object] | None = None,
) -> dict[str, Any]:
    """Ask for what the pass allows and see it through; returns what happened, code first.

    A receipt is kept for the result and each door event, whatever becomes of the link later.
    """
    errand = Errand(link, found.keys, wallet.key)
    asked = comp if found.operation is Operation.OPEN else comp or found.comp
    request = OpenRequest(found.operation, asked)
    outcome = await errand.request(
        (found.token, *found.more), request, found.statements, find_time=find_time, record=record
    )
    _keep(wallet, found, outcome.result)
    if outcome.result.code == Code.OK:
        await _follow(errand, outcome, found, wallet, follow_s)
    return _describe(outcome)


async def replay(link: PhoneLink, recorded: bytes) -> dict[str, Any]:
    """Read a new hello and send a recorded request for it: `att` is the error it is met with."""
    hello = parse_hello((await link.read_hello())[KEY_SIZE:])
    try:
        await link.send(recorded)
    except Refused as refused:
        return {"att": refused.code, "seq": hello.seq}
    return {"att": None, "seq": hello.seq}


async def _follow(
    errand: Errand, outcome: Outcome, found: Pass, wallet: Wallet, follow_s: float
) -> None:
    """Door events, then the journal's envelopes. A lost link costs these, not the door."""
    try:
        await errand.watch(outcome, timeout_s=follow_s)
        await errand.sync(outcome)
    except (LinkError, Silent, TimeoutError):
        pass
    for event in outcome.events:
        _keep(wallet, found, event)
    for envelope in outcome.envelopes:
        wallet.put_envelope(envelope)


def _keep(wallet: Wallet, found: Pass, report: Report) -> None:
    wallet.put_receipt(
        Receipt(
            lid=locker_text(found.keys.lid),
            seq=report.seq,
            head=report.head.hex(),
            signature=report.signature.hex(),
            sign_public=found.keys.sign_public.hex(),
            code=report.code,
            comp=report.comp,
            at=int(time.time()),
        )
    )


def _describe(outcome: Outcome) -> dict[str, Any]:
    result = outcome.result
    return {
        "code": result.code,
        "name": Code(result.code).name,
        "compartment": result.comp,
        "events": [DoorEvent(event.code).name for event in outcome.events],
        "seqBefore": outcome.hello.seq,
        "seq": result.seq,
        "clock": result.clockq,
        "envelopes": len(outcome.envelopes),
        "pending": outcome.pending,
    }
