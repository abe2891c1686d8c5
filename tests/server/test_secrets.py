"""What opens something is neither logged, nor kept in the outbox, nor shown by an object."""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING

import pytest
from sqlmodel import select

from server.kit.identify import Credentials
from server.kit.log import JsonLines
from server.kit.outbox import Outbox
from server.kit.proofs import AccessToken
from server.kit.settings import Settings
from server.notices.letters import Letter, SmtpLetters
from server.notices.push import PushAddress
from server.people.preferences import Channel
from server.people.rules import Contact, ContactKind, PushKind
from server.people.service.codes import CodeLetter
from server.people.service.devices import PushTarget
from tests.fakes.phone import REQUEST_CODE, SIGN_IN, Phone
from tests.fakes.shops import HandWorker
from tests.fakes.sources import START

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
