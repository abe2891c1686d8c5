"""The local mailbox: what is mailed can be read, whoever it is for."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import aiosmtplib
import httpx
import pytest

from server.demo.mailbox import MAIL_BYTES, Mail, Mailbox, make_app, start_smtp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CODE_MAIL = """\
From: restante@example.org
To: recipient@example.org
Subject: =?utf-8?q?Votre_num=C3=A9ro?=
Content-Type: text/plain; charset="utf-8"
Content-Transfer-Encoding: 8bit

Your number is 12345678.
"""


@asynccontextmanager
async def taking_mail(mailbox: Mailbox) -> AsyncIterator[int]:
    """The port at which the mailbox takes mail."""
    async with await start_smtp(mailbox, port=0) as server:
        yield server.sockets[0].getsockname()[1]


async def send(port: int, mail: str, *recipients: str) -> None:
    await aiosmtplib.send(
        mail.encode(),
        sender="restante@example.org",
        recipients=recipients or ["recipient@example.org"],
        hostname="127.0.0.1",
        port=port,
        local_hostname="localhost",
        start_tls=False,
    )


async def read(mailbox: Mailbox, query: str = "") -> list[dict[str, str]]:
    transport = httpx.ASGITransport(make_app(mailbox))
    async with httpx.AsyncClient(transport=transport, base_url="http://mail") as client:
        mails: list[dict[str, str]] = (await client.get(f"/mails{query}")).json()["mails"]
        return mails


async def test_mail_can_be_read_as_its_recipient_reads_it() -> None:
    mailbox = Mailbox()
    async with taking_mail(mailbox) as port:
        await send(port, CODE_MAIL)
    assert list(mailbox.mails) == [
        Mail(
            to="recipient@example.org",
            sender="restante@example.org",
            subject="Votre numéro",
            text="Your number is 12345678.\n",
        )
    ]


async def test_mails_are_listed_for_all_or_for_one() -> None:
    mailbox = Mailbox()
    async with taking_mail(mailbox) as port:
        await send(port, CODE_MAIL, "recipient@example.org", "courier@example.org")
    assert [mail["to"] for mail in await read(mailbox)] == [
        "recipient@example.org",
        "courier@example.org",
    ]
    [only] = await read(mailbox, "?to=courier@example.org")
    assert only["text"] == "Your number is 12345678.\n"


@pytest.mark.parametrize(("word", "code"), [("nobody", 550), ("busy", 450)])
async def test_address_of_a_fault_is_refused(word: str, code: int) -> None:
    mailbox = Mailbox()
    async with taking_mail(mailbox) as port:
        with pytest.raises(aiosmtplib.SMTPRecipientsRefused) as refusal:
            await send(port, CODE_MAIL, f"{word}@example.org")
    assert [one.code for one in refusal.value.recipients] == [code]
    assert not mailbox.mails


async def test_mail_that_is_too_large_is_refused() -> None:
    mailbox = Mailbox()
    async with taking_mail(mailbox) as port:
        with pytest.raises(aiosmtplib.SMTPResponseException, match="552"):
            await send(port, CODE_MAIL + "x" * MAIL_BYTES)
    assert not mailbox.mails


async def test_mail_without_a_text_is_kept_empty() -> None:
    mailbox = Mailbox()
    async with taking_mail(mailbox) as port:
        await send(port, "Content-Type: application/octet-stream\n\nAAAA\n")
    assert [mail.text for mail in mailbox.mails] == [""]
