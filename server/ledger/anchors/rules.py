"""When a head is anchored, sent again, or paid for better. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from server.ledger.anchors.port import Fee

if TYPE_CHECKING:
    from server.ledger.anchors.port import Reading

STUCK_AFTER = timedelta(minutes=10)
"""A transaction that no block has taken for so long offers more."""

LONGEST_PAUSE = timedelta(hours=6)

_FIRST_PAUSE = timedelta(minutes=1)
_MOST_DOUBLINGS = 10


class Offer(NamedTuple):
    """A head that the chain is to take, and the transaction last made for it, if there was one.

    `sent_at` is when its fee was first offered.
    """

    size: int
    root: bytes
    attempts: int
    not_before: datetime
    nonce: int | None
    fee: Fee | None
    sent_at: datetime | None


class Send(NamedTuple):
    """A transaction that is to go out now; `attempts` tells whether somebody else was faster."""

    size: int
    root: bytes
    nonce: int
    fee: Fee
    attempts: int


def is_anchor_due(last_at: datetime | None, *, every: timedelta, now: datetime) -> bool:
    """Whether it is time for another head. A clock that was set back holds nothing up."""
    return last_at is None or not timedelta(0) <= now - last_at < every


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many failures in a row: twice as long each time, to a limit."""
    return min(_FIRST_PAUSE * (1 << min(attempts, _MOST_DOUBLINGS)), LONGEST_PAUSE)


def find_send(offer: Offer, reading: Reading, *, cap_wei: int, now: datetime) -> Send | None:
    """The transaction that brings this head, which the chain does not have, further; or None yet.

    As long as its nonce is free the very same one is sent again: the first may have been lost, and
    of several with one nonce the chain takes one.
    """
    if now < offer.not_before:
        return None
    fee = _capped(reading.fee, cap_wei)
    if offer.nonce == reading.nonce and offer.fee is not None:
        is_stuck = offer.sent_at is not None and now - offer.sent_at >= STUCK_AFTER
        fee = _raised(offer.fee, fee, cap_wei) if is_stuck else offer.fee
    return Send(offer.size, offer.root, reading.nonce, fee, offer.attempts)


def is_spent(offer: Offer, reading: Reading) -> bool:
    """Whether a block took a transaction with the nonce of this one."""
    return offer.nonce is not None and offer.nonce < reading.nonce


def _capped(fee: Fee, cap_wei: int) -> Fee:
    most = min(fee.most_wei, cap_wei)
    return Fee(most, min(fee.tip_wei, most))


def _raised(offered: Fee, usual: Fee, cap_wei: int) -> Fee:
    """A quarter more in both parts: nodes refuse to replace a transaction for less than a tenth."""
    most = max(offered.most_wei + -(-offered.most_wei // 4), usual.most_wei)
    tip = max(offered.tip_wei + -(-offered.tip_wei // 4), usual.tip_wei)
    return offered if most > cap_wei else Fee(most, min(tip, most))
