"""The port to what carries letters, and its implementations: a mail server, a folder.

Owns how a letter becomes a mail and how answers of the mail server become values. Keeps no letter.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import TYPE_CHECKING, Protocol, Self
from urllib.parse import unquote, urlsplit

import aiosmtplib

from server.notices.delivery import Accepted, Delivery, Later, Refused

if TYPE_CHECKING:
    import uuid
    from collections.abc import Mapping
    from datetime import datetime
    from pathlib import Path

    from server.people.preferences import Channel

ANSWER_S = 10.0
"""How long the mail server may take for one step."""

PERMANENT = 500
"""SMTP answers from here on will not change by trying again (RFC 5321, s. 4.2.1)."""

OPEN_PORT, TLS_PORT, SUBMISSION_PORT = 25, 465, 587
"""The usual ports of plain SMTP, of SMTP inside TLS, and of submission with STARTTLS."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A text for one address. It may hold a one-time code: never logged, never stored by us."""

    id: uuid.UUID
    channel: Channel
    address: str
    subject: str
    body: str = field(repr=False)
    written_at: datetime


class Letters(Protocol):
    """A way to send letters."""

    async def send(self, letter: Letter) -> Delivery:
        """Send one letter, at least once: after a lost answer it may arrive twice."""


class PostRoom:
    """Hands each letter to the carrier of its channel."""

    def __init__(self, carriers: Mapping[Channel, Letters]) -> None:
        self._carriers = carriers

    async def send(self, letter: Letter) -> Delivery:
        """As the carrier answers; without one it is refused."""
        carrier = self._carriers.get(letter.channel)
        if carrier is None:
            return Refused(f"nobody carries {letter.channel}")
        return await carrier.send(letter)


@dataclass(frozen=True, slots=True)
class SmtpLetters:
    """Mails through one mail server; each letter has a connection of its own."""

    host: str
    port: int
    sender: str
    use_tls: bool = False
    start_tls: bool = False
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def from_url(cls, url: str, *, sender: str) -> Self:
        """From `smtp://`, `smtps://` or `smtp+starttls://`, with `USER:PASSWORD@` if needed.

        `smtp+starttls` refuses a server that offers no TLS.
        """
        parts = urlsplit(url)
        ports = {"smtps": TLS_PORT, "smtp+starttls": SUBMISSION_PORT}
        return cls(
            host=parts.hostname or "localhost",
            port=parts.port or ports.get(parts.scheme, OPEN_PORT),
            sender=sender,
            use_tls=parts.scheme == "smtps",
            start_tls=parts.scheme == "smtp+starttls",
            username=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )

    async def send(self, letter: Letter) -> Delivery:
        """Send the letter as a plain mail; its Message-ID is the letter's, so copies are known."""
        try:
            _, answer = await aiosmtplib.send(
                self._as_mail(letter),
                sender=self.sender,
                recipients=[letter.address],
                local_hostname=self._domain,
                hostname=self.host,
                port=self.port,
                use_tls=self.use_tls,
                start_tls=self.start_tls,
                username=self.username,
                password=self.password,
                timeout=ANSWER_S,
            )
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _as_delivery(max(one.code for one in error.recipients), "recipient refused")
        except aiosmtplib.SMTPAuthenticationError:
            return Later("the mail server refuses our account")
        except aiosmtplib.SMTPResponseException as error:
            return _as_delivery(error.code, type(error).__name__)
        except (aiosmtplib.SMTPException, OSError) as error:
            return Later(type(error).__name__)
        return Accepted(answer)

    @property
    def _domain(self) -> str:
        return self.sender.rpartition("@")[2]

    def _as_mail(self, letter: Letter) -> EmailMessage:
        mail = EmailMessage()
        mail["From"] = self.sender
        mail["To"] = letter.address
        mail["Subject"] = letter.subject
        mail["Date"] = format_datetime(letter.written_at)
        mail["Message-ID"] = f"<{letter.id}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(letter.body)
        return mail


@dataclass(frozen=True, slots=True)
class FolderLetters:
    """Lays letters into a folder that only its owner may read, where nothing else carries them."""

    folder: Path

    async def send(self, letter: Letter) -> Delivery:
        """Write the letter to a file named by its id; a repeat writes the same file again."""
        return await asyncio.to_thread(self._write, letter)

    def _write(self, letter: Letter) -> Delivery:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = self.folder / f"{letter.id}.txt"
        text = f"To: {letter.address}\nSubject: {letter.subject}\n\n{letter.body}\n"
        file.touch(mode=0o600)
        file.write_text(text)
        return Accepted(file.name)


def _as_delivery(code: int, reason: str) -> Delivery:
    return Refused(f"{reason} ({code})") if code >= PERMANENT else Later(f"{reason} ({code})")
