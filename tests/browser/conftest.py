"""Debian's Chromium before the real server and real lockers, with nothing of the internet."""

from __future__ import annotations

import shutil
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import async_playwright, expect

from server.kit.web_build import OLDEST_NODE, build_web, find_node
from tests.browser.air import LONG_POLL, WITH_BLUETOOTH
from tests.browser.axe import album
from tests.fakes.district import District, open_district

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, BrowserContext, Page, ViewportSize

    from server.app import House
    from server.kit.guard import GuardedSchema
    from tests.fakes.stores import SqliteTemplate

FOLDER = Path(__file__).parent

CHROMIUM = shutil.which("chromium")

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""What Chromium would otherwise ask the internet for."""

PATIENCE_MS = 30_000
"""A page that does what it should is never waited for as long as that, on whatever machine."""

PHONE: ViewportSize = {"width": 390, "height": 780}


@pytest.fixture
def database_url(sqlite_template: SqliteTemplate) -> str:
    """Pages see no database: one kind is enough here."""
    return sqlite_template.renew()


@pytest.fixture
async def district(house: House, schema: GuardedSchema, tmp_path: Path) -> AsyncIterator[District]:
    folder = tmp_path / "district"
    folder.mkdir()
    async with open_district(house, schema, folder) as made:
        yield made


@dataclass
class Chromium:
    """One person's browser, with a profile that outlives its process."""

    profile: Path
    district: District
    origins: set[str] = field(default_factory=set)
    complaints: list[str] = field(default_factory=list)
    """What pages complained about, and whatever they asked others than our server for."""

    @asynccontextmanager
    async def open(self, *, scheme: str = "light") -> AsyncIterator[tuple[Browser, Page]]:
        """The browser's process, from its start to its end, with one page."""
        async with async_playwright() as play:
            context = await play.chromium.launch_persistent_context(
                self.profile,
                executable_path=CHROMIUM,
                headless=True,
                args=[*QUIET, WITH_BLUETOOTH],
                viewport=PHONE,
                color_scheme=scheme,  # type: ignore[arg-type]  # one of its two words
                reduced_motion="reduce",
                locale="en-GB",
                timezone_id="Europe/Tallinn",
            )
            await self._prepare(context)
            page = context.pages[0]
            page.on("pageerror", lambda error: self.complaints.append(f"{error}"))
            page.on("console", self._note)
            page.on("request", self._watch)
            assert context.browser is not None
            yield context.browser, page
            await context.close()

    async def _prepare(self, context: BrowserContext) -> None:
        await context.add_init_script(LONG_POLL)
        # Pages live in the town's time; hours there pass when a test says so.
        await context.clock.install(time=self.district.house.clock.now())

    def _note(self, message: object) -> None:
        if message.type in {"error", "warning"}:  # type: ignore[attr-defined]
            self.complaints.append(message.text)  # type: ignore[attr-defined]

    def _watch(self, request: object) -> None:
        url = request.url  # type: ignore[attr-defined]
        if self.district.url is not None:
            self.origins.add(self.district.url)
        if not url.startswith((*self.origins, "data:", "blob:")):
            self.complaints.append(f"a request left for {url}")


@pytest.fixture
def chromium(district: District, tmp_path: Path) -> Chromium:
    """The recipient's browser; skipped where there is none, or no Node: CI installs both."""
    if CHROMIUM is None:
        pytest.skip("no chromium: apt-get install chromium")
    if find_node() is None:
        pytest.skip(f"no Node {OLDEST_NODE} or newer: apt-get install nodejs npm")
    build_web()
    return Chromium(tmp_path / "profile", district)


ON_EACH_COMMIT = "test_app.py"
"""The way to an open door. A browser takes seconds for each story: the others are CI's."""


def pytest_configure(config: pytest.Config) -> None:
    """How long a page is waited for, and where pictures go, if they are wanted."""
    expect.set_options(timeout=PATIENCE_MS)
    folder: Path | None = config.getoption("--shots")
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        album.append(folder)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves the other stories out, unless every screen is asked for."""
    is_story = collection_path.parent == FOLDER and collection_path.name.startswith("test_")
    if is_story and collection_path.name != ON_EACH_COMMIT:
        return None if config.getoption("--every-screen") else True
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each theme of every screen is looked at."""
    if "scheme" in metafunc.fixturenames:
        metafunc.parametrize("scheme", ["light", "dark"])
