"""What opens something is neither logged, nor kept in the outbox, nor shown by an object."""

from __future__ import annotations

import json
import logging
import re
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from server.access.jobs import GRANT_READY
from server.kit import outbox
from server.kit.identify import Credentials
from server.kit.log import JsonLines
from server.kit.outbox import Outbox
from server.kit.proofs import AccessToken
from server.kit.settings import Settings
from server.notices.letters import Letter, SmtpLetters
from server.notices.push import PushAddress
from server.parcels.states import ParcelState
from server.people.preferences import Channel
from server.people.rules import Contact, ContactKind, PushKind
from server.people.service.codes import CodeLetter
from server.people.service.devices import PushTarget
from server.tables import TABLES
from tests.fakes.phone import REQUEST_CODE, SIGN_IN, Phone
from tests.fakes.shops import HandWorker
from tests.fakes.sources import START
from tests.fakes.town import build_town, key_of
from tests.server.access.service.guests import welcome

if TYPE_CHECKING:
    from server.app import House

SECRET = "swordfish"
KEY = uuid.UUID(int=1)


@pytest.mark.parametrize(
    "value",
    [
        AccessToken(SECRET, START),
        Credentials("POST", SECRET),
        Letter(KEY, Channel.EMAIL, "somebody@example.org", "Title", SECRET, START),
        PushAddress(PushKind.FCM_TOKEN, SECRET),
        PushTarget(PushKind.FCM_TOKEN, SECRET),
        CodeLetter(Contact(ContactKind.EMAIL, "somebody@example.org"), SECRET, START),
        SmtpLetters.from_url(f"smtp://user:{SECRET}@localhost:25", sender="a@example.org"),
        Settings(
            smtp_url=f"smtp://user:{SECRET}@localhost:25",
            database_url=f"postgresql+asyncpg://user:{SECRET}@localhost/x",
            valkey_url=f"redis://user:{SECRET}@localhost:6379/0",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_object_does_not_show_its_secret(value: object) -> None:
    assert SECRET not in repr(value)


async def test_signing_in_leaves_no_secret_in_log_or_outbox(
    house: House, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    worker = HandWorker(house)
    address = "recipient@example.org"
    asked = (await phone.ask(REQUEST_CODE, address=address))["requestSignInCode"]
    await worker.handle_all()
    code = await phone.read_code(asked["requestId"])
    assert code in worker.letters.sent[0].body
    wrong = await phone.ask(SIGN_IN, requestId=asked["requestId"], code="12345678")
    assert wrong["signIn"]["code"] == "CODE_WRONG"
    signed_in = await phone.ask(SIGN_IN, requestId=asked["requestId"], code=code)
    phone.access_token = signed_in["signIn"]["accessToken"]
    await phone.ask("{ me { id } }")
    headers = phone.headers()
    await phone.client.post("/graphql", json={"query": "{ me { id } }"}, headers=headers)
    replayed = await phone.client.post("/graphql", json={"query": "{ me }"}, headers=headers)
    assert replayed.status_code == 401
    written = "\n".join(JsonLines().format(record) for record in caplog.records)
    async with house.database.read() as session:
        rows = (await session.exec(select(Outbox))).all()
    written += json.dumps([row.model_dump(mode="json") for row in rows])
    for secret in (code, phone.access_token, headers["dpop"]):
        assert secret not in written
        assert secret not in replayed.text


async def test_guests_link_and_digits_are_in_no_row_log_or_later_letter(
    house: House, phone: Phone, caplog: pytest.LogCaptureFixture
) -> None:
    """From the letter with the link to the digits that somebody asks for by it."""
    caplog.set_level(logging.DEBUG)
    worker = HandWorker(house)
    async with house.database.write() as session:
        town = await build_town(session)
    await welcome(house.database, town, house.keyring, ParcelState.DEPOSITED)
    async with house.database.write() as session:
        await outbox.append(
            session, id=KEY, kind=GRANT_READY, subject=key_of("parcel"), facts={}, at=START
        )
    await worker.handle_all()
    [letter] = worker.letters.sent
    found = re.search(r"/g/#(\S+)", letter.body)
    assert found is not None
    link = found[1]
    ask = "mutation ($link: String!) { requestGuestPass(link: $link) { ... on Pass { pin } } }"
    asked = {"query": ask, "variables": {"link": link}}
    answer = (await phone.client.post("/graphql", json=asked)).json()
    digits = answer["data"]["requestGuestPass"]["pin"]
    assert "access.guest_pass_issued" in await worker.handle_all()
    written = "\n".join(JsonLines().format(record) for record in caplog.records)
    async with house.database.read() as session:
        for table in TABLES:
            rows = (await session.exec(select(table))).all()
            written += "".join(repr(row.model_dump()) for row in rows)
    written += worker.letters.sent[1].subject + worker.letters.sent[1].body
    for secret in (link, digits):
        assert secret not in written
    assert link not in letter.subject
