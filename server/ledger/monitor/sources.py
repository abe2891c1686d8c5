"""Where a log is read: over HTTP, or from a folder of its files. Reads so much and so long.

Knows names of files and no meaning of them.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Any, Protocol
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPRedirectHandler,
    HTTPSHandler,
    OpenerDirector,
    Request,
    build_opener,
)

from server.ledger.monitor.findings import CannotTell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STEP_S = 10.0
"""How long a connection may be silent."""

WHOLE_S = 30.0
"""How long a file may take; whoever sends a byte now and then is left."""

MOST_TRIES = 3
"""A first look at a large log fetches thousands of files, of which none may be missing."""

_ABSENT = frozenset({404, 410})


class Source(Protocol):
    """The files of a log, by their paths below its address."""

    def read(self, path: str, *, most: int) -> bytes | None:
        """The file; None if there is none. CannotTell if it is out of reach or too large."""


class FolderSource:
    """Files in a folder, as they are published for any web server to serve."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str, *, most: int) -> bytes | None:
        """As the port promises."""
        try:
            with (self._folder / path).open("rb") as file:
                return _bounded(file.read(most + 1), path, most)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise CannotTell(f"{path}: {error.strerror}") from error


class HttpSource:
    """A log below an address. Redirects are not followed: a log has one address."""

    def __init__(self, url: str, *, whole_s: float = WHOLE_S) -> None:
        """CannotTell unless it is an address."""
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise CannotTell(f"{url} is no address: {error}") from error
        if parts.scheme not in {"https", "http"} or not parts.hostname:
            raise CannotTell(f"{url} is no address like https://HOST/log")
        self._url = url.rstrip("/")
        self._whole_s = whole_s

    def read(self, path: str, *, most: int) -> bytes | None:
        """As the port promises. A connection that breaks is tried again."""
        broken: list[ConnectionError] = []
        while len(broken) < MOST_TRIES:
            try:
                return self._read(path, most)
            except ConnectionError as error:
                broken.append(error)
        raise CannotTell(f"{path}: {broken[-1]}") from broken[-1]

    def _read(self, path: str, most: int) -> bytes | None:
        request = Request(f"{self._url}/{path}", headers={"user-agent": "restante-monitor"})  # noqa: S310 - the scheme was looked at
        try:
            with (
                _time_limit(self._whole_s) as opened,
                _make_opener(opened).open(request, timeout=STEP_S) as response,
            ):
                return _bounded(response.read(most + 1), path, most)
        except HTTPError as error:
            error.close()
            if error.code in _ABSENT:
                return None
            raise CannotTell(f"{path}: status {error.code}") from error
        except ConnectionError:
            raise
        except (OSError, HTTPException, ValueError) as error:
            raise CannotTell(f"{path}: {error}") from error


def _bounded(read: bytes, path: str, most: int) -> bytes:
    if len(read) > most:
        raise CannotTell(f"{path}: more than {most} bytes")
    return read


@contextmanager
def _time_limit(whole_s: float) -> Iterator[list[socket.socket]]:
    """Cuts the connections that are in the list once the time is over."""
    opened: list[socket.socket] = []

    def cut() -> None:
        for one in opened:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(whole_s, cut)
    timer.daemon = True
    timer.start()
    try:
        yield opened
    finally:
        timer.cancel()
        for one in opened:
            one.close()


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_words: Any) -> None:
        return None


def _make_opener(opened: list[socket.socket]) -> OpenerDirector:
    """urllib with its proxies, whose connections come into the list as they are made."""

    class Watched(HTTPConnection):
        def connect(self) -> None:
            super().connect()
            # A copy of its own: a connection that becomes TLS gives its socket away.
            opened.append(self.sock.dup())

    class WatchedTls(HTTPSConnection, Watched):
        """TLS is spoken once `Watched` has connected."""

    class Plain(HTTPHandler):
        def http_open(self, request: Request) -> Any:
            return self.do_open(Watched, request)

    class Tls(HTTPSHandler):
        def https_open(self, request: Request) -> Any:
            return self.do_open(WatchedTls, request)

    return build_opener(Plain, Tls, _NoRedirects)
