"""A local mail server that keeps every mail and shows it over HTTP, so that codes can be read.

Owns the mails, in memory and bounded. Takes mail for everybody and forwards nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import email
import email.policy
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import uvicorn
from aiosmtpd.smtp import SMTP
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

if TYPE_CHECKING:
    from aiosmtpd.smtp import Envelope, Session
    from starlette.requests import Request
    from starlette.responses import Response

MOST_KEPT = 1_000
MAIL_BYTES = 65_536

REFUSED_WORDS = {"nobody": "550 5.1.1 no such person", "busy": "450 4.2.1 try again later"}
"""Local parts of addresses that are refused for ever, or for now."""


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail as a person reads it."""

    to: str
    sender: str
    subject: str
    text: str


class Mailbox:
    """All mails, the newest last; `handle_...` are the hooks of aiosmtpd."""

    def __init__(self) -> None:
        self.mails: deque[Mail] = deque(maxlen=MOST_KEPT)

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: Any
    ) -> str:
        """Take every recipient but those who play a fault."""
        refusal = REFUSED_WORDS.get(address.partition("@")[0])
        if refusal is None:
            envelope.rcpt_tos.append(address)
        return refusal or "250 OK"

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        """Keep the mail once for each recipient."""
        content = envelope.original_content or b""
        parsed = email.message_from_bytes(content, policy=email.policy.default)
        body = parsed.get_body(("plain",))
        text = "" if body is None else str(body.get_content()).replace("\r\n", "\n")
        for recipient in envelope.rcpt_tos:
            mail = Mail(recipient, envelope.mail_from or "", str(parsed["Subject"] or ""), text)
            self.mails.append(mail)
        return "250 kept"

    async def list_mails(self, request: Request) -> Response:
        """All mails, the oldest first; `?to=` keeps those to one address."""
        wanted = request.query_params.get("to")
        kept = [asdict(mail) for mail in self.mails if wanted in (None, mail.to)]
        return JSONResponse({"mails": kept})


async def start_smtp(mailbox: Mailbox, *, port: int) -> asyncio.Server:
    """Take mail at 127.0.0.1 until the server is closed; port 0 takes a free one."""

    def make_session() -> SMTP:
        return SMTP(mailbox, data_size_limit=MAIL_BYTES, hostname="localhost", ident="Mailbox")

    return await asyncio.get_running_loop().create_server(make_session, "127.0.0.1", port)


def make_app(mailbox: Mailbox) -> Starlette:
    """The view of the mailbox as an ASGI application."""
    return Starlette(routes=[Route("/mails", mailbox.list_mails)])


async def serve(*, smtp_port: int, http_port: int) -> None:
    """Take and show mails until the process is asked to end."""
    mailbox = Mailbox()
    app = make_app(mailbox)
    async with await start_smtp(mailbox, port=smtp_port):
        config = uvicorn.Config(app, host="127.0.0.1", port=http_port, log_level="warning")
        await uvicorn.Server(config).serve()


def main() -> None:
    """The process: `python -m server.demo.mailbox SMTP_PORT HTTP_PORT`."""
    parser = argparse.ArgumentParser(description="A local mail server with a window")
    parser.add_argument("smtp_port", type=int)
    parser.add_argument("http_port", type=int)
    wanted = parser.parse_args()
    asyncio.run(serve(smtp_port=wanted.smtp_port, http_port=wanted.http_port))


if __name__ == "__main__":
    main()
