"""The vectors and hostile bytes in a real browser: the same files that Node runs."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from server.kit.web_build import OLDEST_NODE, build_web, find_node

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
PATIENCE_S = 90
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update",
)  # fmt: skip


class Tree(SimpleHTTPRequestHandler):
    """The project's files, and a place where a page tells its outcome."""

    protocol_version = "HTTP/1.1"

    def __init__(self, outcomes: queue.Queue[Any], *args: Any) -> None:
        self._outcomes = outcomes
        super().__init__(*args, directory=str(ROOT))

    def do_POST(self) -> None:
        self._outcomes.put(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.send_response(204)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def outcomes() -> Iterator[tuple[str, queue.Queue[Any]]]:
    told: queue.Queue[Any] = queue.Queue()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Tree, told)) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()
        serving.join()


def test_browser_speaks_slk1_as_node_does(
    outcomes: tuple[str, queue.Queue[Any]], tmp_path: Path
) -> None:
    browser = shutil.which("chromium")
    if browser is None:
        pytest.skip("no browser: apt-get install chromium")
    if find_node() is None:
        pytest.skip(f"no Node {OLDEST_NODE} or newer: apt-get install nodejs npm")
    build_web()
    address, told = outcomes
    page = f"{address}/tests/web/browser/index.html"
    shown = subprocess.Popen(
        [browser, *QUIET, f"--user-data-dir={tmp_path}", page],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        outcome = told.get(timeout=PATIENCE_S)
    finally:
        shown.terminate()
        shown.wait(timeout=PATIENCE_S)
    assert outcome["failed"] == []
    assert outcome["passed"] > 30
