"""Sign-in by one-time code: asked for, derived when it is sent, and good once.

The code is never stored: whoever holds the server's key derives it from the id of its request.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from schema.codes import ProblemCode
from server.kit import outbox
from server.kit.errors import BrokenPromise, Refusal
from server.kit.keyring import Keyring, PrivateKey, Purpose, current_key, derive
from server.people import queries
from server.people.rules import (
    CODE_LIFE,
    CODE_TRIES,
    Contact,
    code_from,
    read_code,
    read_contact,
)
from server.people.tables import SignInRequest

if TYPE_CHECKING:
    import uuid
    from datetime import datetime

    from server.kit.db import Session
    from server.kit.ids import Ids

CODE_REQUESTED = "people.code_requested"
"""Outbox event: a code is to be sent; its subject is the id of the request."""


FORGOTTEN_AT_ONCE = 20
"""Old requests deleted by each new one: the worker deletes the rest."""


@dataclass(frozen=True, slots=True)
class CodeLetter:
    """What must be written to whom; made when the letter is sent and never stored."""

    contact: Contact
    code: str = field(repr=False)
    expires_at: datetime


class OneTimeCodes:
    """The port `SignIn` by one-time code."""

    def __init__(self, keyring: Keyring, ids: Ids) -> None:
        self._keyring = keyring
        self._ids = ids

    async def start(self, session: Session, *, address: str, now: datetime) -> uuid.UUID:
        """Notes that a code is to be sent; alike for known and unknown addresses.

        The address must be one that `rules.read_contact` reads.
        """
        contact = read_contact(address)
        if contact is None:
            raise BrokenPromise("a code was asked for an address that is none")
        await forget_requests(session, now=now, limit=FORGOTTEN_AT_ONCE)
        request = SignInRequest(
            id=self._ids.new(),
            created_at=now,
            kind=contact.kind,
            address=contact.address,
            expires_at=now + CODE_LIFE,
            tries_left=CODE_TRIES,
        )
        session.add(request)
        await outbox.append(
            session,
            id=self._ids.new(),
            kind=CODE_REQUESTED,
            subject=request.id,
            facts={},
            at=now,
        )
        return request.id

    async def finish(
        self, session: Session, *, request_id: uuid.UUID, answer: str, now: datetime
    ) -> str | Refusal:
        """The address that the code was sent to, once; CODE_WRONG uses up one of five tries.

        CODE_EXPIRED for a request that is unknown, old, answered already or tried too often.
        """
        request = await queries.find_sign_in_request(session, request_id, for_update=True)
        if request is None or not _is_open(request, now):
            return Refusal(ProblemCode.CODE_EXPIRED)
        request.tries_left -= 1
        session.add(request)
        # A key that was replaced a moment ago may have made the code that is on its way.
        codes = [_code(key, request_id) for key in self._keyring.list_keys(Purpose.CODES)]
        typed = read_code(answer).encode(errors="replace")
        if not any(hmac.compare_digest(code.encode(), typed) for code in codes):
            return _wrong(request.tries_left)
        request.used_at = now
        return request.address


async def forget_requests(session: Session, *, now: datetime, limit: int) -> int:
    """Deletes at most `limit` requests that have been over for a while; how many."""
    return await queries.prune_sign_in_requests(session, before=now - CODE_LIFE, limit=limit)


async def find_code_letter(
    session: Session, keyring: Keyring, *, request_id: uuid.UUID, now: datetime
) -> CodeLetter | None:
    """The letter for a request whose code is still of use, or None. Repeats give one code."""
    request = await queries.find_sign_in_request(session, request_id)
    if request is None or not _is_open(request, now):
        return None
    code = _code(current_key(keyring, Purpose.CODES), request_id)
    return CodeLetter(Contact(request.kind, request.address), code, request.expires_at)


def _is_open(request: SignInRequest, now: datetime) -> bool:
    return request.used_at is None and request.tries_left > 0 and now < request.expires_at


def _code(key: PrivateKey, request_id: uuid.UUID) -> str:
    return code_from(derive(key, b"sign-in", request_id.bytes))


def _wrong(tries_left: int) -> Refusal:
    tries = "1 try" if tries_left == 1 else f"{tries_left} tries"
    return Refusal(ProblemCode.CODE_WRONG, f"That code is not right; {tries} left.", field="code")
