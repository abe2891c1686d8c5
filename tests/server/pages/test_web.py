"""Pages as files: their headers let nothing else in, and the service worker keeps them."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette

from server.kit.web_build import WEB, digest_of
from server.pages.web import web_routes, write_worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """The pages as they are shipped, with nothing built yet."""
    left_out = shutil.ignore_patterns("node_modules", "vendor")
    web: Path = shutil.copytree(WEB, tmp_path / "web", ignore=left_out)
    (web / "node_modules" / "left").mkdir(parents=True)
    (web / "node_modules" / "left" / "over.js").write_text("")
    return web


@pytest.fixture
async def client(web: Path) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(Starlette(routes=web_routes(web)))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as made:
        yield made


@pytest.mark.parametrize("path", ["/web/app/app.js", "/web/kit/base.css", "/web/app/icon.svg"])
async def test_what_a_page_loads_is_for_our_own_pages_and_is_what_it_says(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_page_and_worker_let_nothing_else_in(client: httpx.AsyncClient, web: Path) -> None:
    (web / "vendor").mkdir()
    (web / "vendor" / "stamp").write_text(digest_of(web))
    for path in ("/app/", "/sw.js"):
        check_policy(await client.get(path))


def check_policy(answer: httpx.Response) -> None:
    assert answer.status_code == 200
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    "path",
    [
        "/web/package.json",
        "/web/build.mjs",
        "/web/app/",
        "/web/app/index.html",
        "/web/node_modules/left/over.js",
        "/web/sw.js",
        "/web/app/nothing.js",
        "/web/../app.py",
        "/web/%2e%2e/app.py",
        "/web/app/..%2f..%2f..%2fapp.js",
    ],
)
async def test_nothing_else_of_the_folder_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_pages_that_are_not_built_say_so(client: httpx.AsyncClient) -> None:
    answer = await client.get("/app/")
    assert answer.status_code == 503
    assert "not built" in answer.text
    assert (await client.get("/app")).headers["location"] == "/app/"


async def test_console_needs_nothing_that_is_built(client: httpx.AsyncClient) -> None:
    answer = await client.get("/console/")
    assert answer.status_code == 200
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    for path in re.findall(r'(?:href|src)="(/web/[^"]+)"', answer.text):
        assert (await client.get(path)).status_code == 200, path
    assert (await client.get("/console")).headers["location"] == "/console/"


def kept(code: str) -> tuple[str, list[str]]:
    version = re.match(r'const VERSION = "([0-9a-f]+)";', code)
    files = re.search(r"const FILES = (\[.*?\]);", code)
    assert version is not None
    assert files is not None
    return version[1], json.loads(files[1])


async def test_worker_keeps_every_file_of_the_app(client: httpx.AsyncClient, web: Path) -> None:
    _, files = kept(write_worker(web))
    assert {"/app/", "/web/app/app.js", "/web/kit/slk1/session.js"} <= {*files}
    for path in files[1:]:
        assert (await client.get(path)).status_code == 200, path


def test_version_changes_with_any_file(web: Path) -> None:
    before = kept(write_worker(web))[0]
    assert kept(write_worker(web))[0] == before
    (web / "app" / "app.css").write_text("")
    assert kept(write_worker(web))[0] != before
