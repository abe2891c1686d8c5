"""What can go wrong on the server, told apart by who can help.

    ServerError
    |-- SettingsError      whoever started the process: correct the environment and start again
    |-- KeyringError       whoever runs the machine: restore or repair the key files
    |-- DatabaseError      whoever runs the machine: migrate, or look at the database
    |-- ChainError         whoever runs the machine: look at the chain's node and the account
    |-- WebBuildError      whoever runs the machine: install node and npm, or look at the network
    |-- TransportRefused   the client: its HTTP request is refused before any GraphQL runs
    `-- BrokenPromise      a programmer: stored data contradicts what the code promises

A refusal that a person may meet in everyday use is no exception but a value, `Refusal`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schema.codes import ProblemCode


class ServerError(Exception):
    """A broken expectation. The message says what was expected and met, and holds no secret."""


class SettingsError(ServerError):
    """A setting is unknown, missing or impossible; the message names it."""


class KeyringError(ServerError):
    """A key file is damaged or readable by others, or a key is used for what it is not made for."""


class DatabaseError(ServerError):
    """The database is not in the state that this version of the code needs."""


class ChainError(ServerError):
    """A blockchain's node is silent, refuses, or stands on another chain than the settings say."""


class WebBuildError(ServerError):
    """What the pages take from npm cannot be fetched or bundled; the message says what helps."""


class BrokenPromise(ServerError):
    """Data that only our own code writes says something our own code never writes."""


class TransportRefused(ServerError):
    """An HTTP request that is answered with `status` and a sentence, and no GraphQL is run.

    `code` and `headers` go into the answer if given.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: ProblemCode | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.headers = headers or {}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An expected "no": a stable code, and where it helps a sentence, the input field, a waiting
    time, a next step.

    An empty `message` stands for the code's own sentence (`kit.graph`). Nothing in it is secret.
    """

    code: ProblemCode
    message: str = ""
    field: str | None = None
    retry_after_s: int | None = None
    next: str | None = None
