"""Whether everybody can use a page: axe-core with WCAG 2.2 A and AA and its best practice.

Each screen that is looked at is also put into the album, where one is wanted: `./restante shots`.
"""

from __future__ import annotations

import itertools
import os
import re
from typing import TYPE_CHECKING

from server.kit.web_build import WEB

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Page

SOURCE = WEB / "node_modules" / "axe-core" / "axe.min.js"

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


album: list[Path] = []
"""The folder for pictures; none unless they are asked for."""

_numbers = itertools.count(1)


async def find_barriers(page: Page) -> list[str]:
    """What keeps somebody out of the page as it is now: a rule and the elements that break it."""
    for folder in album:
        await page.screenshot(path=folder / _name_of_picture(), full_page=True)
    # Evaluated by the browser's debugger, which no policy of the page binds.
    await page.evaluate(f"{SOURCE.read_text()};0")
    found = await page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]


def _name_of_picture() -> str:
    """Face, a number that grows from screen to screen, theme: `app-003-dark.png`."""
    file, _, story = os.environ["PYTEST_CURRENT_TEST"].partition("::")
    face = re.sub(r"^.*/test_|(_everybody)?\.py$", "", file)
    theme = re.sub(r"^.*\[|\].*$", "", story)
    return f"{face}-{next(_numbers):03}-{theme}.png"
