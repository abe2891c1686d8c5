"""The phones of the demo: each act of one is a process of its own, as a technician would type it.

A phone knows the server only in the acts that say so; at the door it has its radio and its wallet.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from server.demo.asking import check, get_json, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from server.demo.supervisor import Supervisor

    Json = dict[str, Any]

MAIL_S = 20.0
REFUSED = 2
"""Exit status of a phone that was refused; the code is in what it prints."""

_CODE = re.compile(r"The code is (\d+)\.")


class Phone:
    """One person's phone: a wallet on disk and a Bluetooth controller."""

    def __init__(self, supervisor: Supervisor, address: str, controller: int) -> None:
        self.address = address
        self.radio = f"bumble:tcp-client:127.0.0.1:{controller}"
        self.wallet: Path = supervisor.folder / address.partition("@")[0]
        self.public_key = ""
        """Its device key in hex, known once it has signed in."""
        self._supervisor = supervisor

    def act_online(self, verb: str, *words: str) -> Json:
        """What the phone answers to one verb, with the server in reach."""
        return self._act(("--server", self._supervisor.endpoints.api), verb, *words)

    def act_offline(self, verb: str, *words: str) -> Json:
        """What the phone answers to one verb, with no server named and so none to ask."""
        return self._act((), verb, *words)

    def ask(self, document: str, **variables: object) -> Json:
        """The `data` of a GraphQL operation in this person's name."""
        words = (document, "--variables", json.dumps(variables))
        data: Json = self.act_online("ask", *words)["data"]
        return data

    def sign_in(self, *, push: str | None = None) -> None:
        """Sign in by the code that comes by mail; push messages go to the FCM token `push`."""
        request = self.act_online("request-code", self.address)["requestId"]
        code = wait_for(self._find_code, f"the mail to {self.address}", within_s=MAIL_S)
        words = ("--name", f"phone of {self.address}", *(("--push", push) if push else ()))
        self.public_key = self.act_online("sign-in", request, code, *words)["device"]

    def _find_code(self) -> str | None:
        """The code in the newest mail to this person."""
        mails = get_json(f"{self._supervisor.endpoints.mails}/mails?to={self.address}")["mails"]
        found = _CODE.search(mails[-1]["text"]) if mails else None
        return found.group(1) if found else None

    def _act(self, options: tuple[str, ...], verb: str, *words: str) -> Json:
        own = ("--wallet", str(self.wallet), "--radio", self.radio, "--json", *options)
        printed = self._supervisor.run(
            "-m", "ble_agent.phone", *own, verb, *words, statuses={0, REFUSED}
        )
        answer = json.loads(printed)
        check(isinstance(answer, dict), f"the phone printed {printed[:200]!r}")
        found: Json = answer
        return found
