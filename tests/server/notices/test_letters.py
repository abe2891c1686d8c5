"""Letters by a real SMTP exchange and by folder: every answer becomes a value."""

from __future__ import annotations

import socket
import stat
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from server.demo.mailbox import Mailbox, start_smtp
from server.notices.delivery import Accepted, Delivery, Later, Refused
from server.notices.letters import FolderLetters, Letter, PostRoom, SmtpLetters
from server.people.preferences import Channel

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SENDER = "restante@example.org"


def make_letter(address: str = "recipient@example.org", channel: Channel = Channel.EMAIL) -> Letter:
    return Letter(
        id=uuid.UUID(int=7),
        channel=channel,
        address=address,
        subject="Your code",
        body="12345678 is your code.",
        written_at=datetime(2026, 3, 2, 12, tzinfo=UTC),
    )


def list_names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@asynccontextmanager
async def mail_server(mailbox: Mailbox) -> AsyncIterator[SmtpLetters]:
    async with await start_smtp(mailbox, port=0) as server:
        port = server.sockets[0].getsockname()[1]
        yield SmtpLetters.from_url(f"smtp://127.0.0.1:{port}", sender=SENDER)


async def test_letter_arrives_as_a_mail() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as letters:
        assert isinstance(await letters.send(make_letter()), Accepted)
    [mail] = mailbox.mails
    assert (mail.to, mail.sender) == ("recipient@example.org", SENDER)
    assert (mail.subject, mail.text.strip()) == ("Your code", "12345678 is your code.")


@pytest.mark.parametrize(
    ("address", "delivery"),
    [
        ("nobody@example.org", Refused("recipient refused (550)")),
        ("busy@example.org", Later("recipient refused (450)")),
    ],
)
async def test_refused_recipient_is_a_value(address: str, delivery: Delivery) -> None:
    async with mail_server(Mailbox()) as letters:
        assert await letters.send(make_letter(address)) == delivery


async def test_address_that_looks_like_two_reaches_no_second_person() -> None:
    mailbox = Mailbox()
    async with mail_server(mailbox) as letters:
        await letters.send(make_letter("recipient@example.org,other@example.org"))
    assert all(mail.to != "other@example.org" for mail in mailbox.mails)


async def test_server_without_tls_gets_no_letter_when_tls_was_asked_for() -> None:
    mailbox = Mailbox()
    async with await start_smtp(mailbox, port=0) as server:
        port = server.sockets[0].getsockname()[1]
        letters = SmtpLetters.from_url(f"smtp+starttls://127.0.0.1:{port}", sender=SENDER)
        assert isinstance(await letters.send(make_letter()), Later)
    assert not mailbox.mails


async def test_absent_mail_server_is_tried_again() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        letters = SmtpLetters.from_url(f"smtp://127.0.0.1:{port}", sender=SENDER)
        assert isinstance(await letters.send(make_letter()), Later)


async def test_refused_account_is_tried_again_because_somebody_will_mend_it() -> None:
    mailbox = Mailbox()
    async with await start_smtp(mailbox, port=0) as server:
        port = server.sockets[0].getsockname()[1]
        letters = SmtpLetters.from_url(f"smtp://user:wrong@127.0.0.1:{port}", sender=SENDER)
        assert isinstance(await letters.send(make_letter()), Later)


@pytest.mark.parametrize(
    ("url", "port", "use_tls", "start_tls"),
    [
        ("smtp://mail.example.org", 25, False, False),
        ("smtps://mail.example.org", 465, True, False),
        ("smtp+starttls://mail.example.org", 587, False, True),
        ("smtp+starttls://mail.example.org:2525", 2525, False, True),
    ],
)
def test_address_of_the_mail_server_says_how_it_is_protected(
    url: str, port: int, use_tls: bool, start_tls: bool
) -> None:
    letters = SmtpLetters.from_url(url, sender=SENDER)
    assert (letters.port, letters.use_tls, letters.start_tls) == (port, use_tls, start_tls)


def test_account_of_the_mail_server_is_decoded_and_not_shown() -> None:
    letters = SmtpLetters.from_url("smtps://user%40x:p%3Aw@mail.example.org", sender=SENDER)
    assert (letters.username, letters.password) == ("user@x", "p:w")
    assert "p:w" not in repr(letters)


async def test_letter_in_a_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    letters = FolderLetters(tmp_path / "letters")
    answer = await letters.send(make_letter("+4915112345678", Channel.SMS))
    assert isinstance(answer, Accepted)
    file = tmp_path / "letters" / answer.receipt
    assert file.read_text() == "To: +4915112345678\nSubject: Your code\n\n12345678 is your code.\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


async def test_repeated_letter_is_one_file(tmp_path: Path) -> None:
    letters = FolderLetters(tmp_path)
    assert await letters.send(make_letter()) == await letters.send(make_letter())
    assert list_names(tmp_path) == [f"{make_letter().id}.txt"]


async def test_letter_goes_to_the_carrier_of_its_channel(tmp_path: Path) -> None:
    room = PostRoom({Channel.SMS: FolderLetters(tmp_path)})
    assert isinstance(await room.send(make_letter("+49", Channel.SMS)), Accepted)
    assert await room.send(make_letter()) == Refused("nobody carries EMAIL")
