"""Whether everybody can use a page: axe-core with WCAG 2.2 A and AA and its best practice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.kit.web_build import WEB

if TYPE_CHECKING:
    from playwright.async_api import Page

SOURCE = WEB / "node_modules" / "axe-core" / "axe.min.js"

RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


async def find_barriers(page: Page) -> list[str]:
    """What keeps somebody out of the page as it is now: a rule and the elements that break it."""
    # Evaluated by the browser's debugger, which no policy of the page binds.
    await page.evaluate(f"{SOURCE.read_text()};0")
    found = await page.evaluate("rules => axe.run(document, { runOnly: rules })", RULES)
    return [
        f"{one['id']}: {node['target']} {node['failureSummary']}"
        for one in found["violations"]
        for node in one["nodes"]
    ]
