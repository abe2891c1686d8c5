"""Measures what the project promises and prints it as a table, or as JSON: `./restante bench`."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.report import as_table, holds

if TYPE_CHECKING:
    from tests.bench.report import Row

SECTIONS = {
    "decision": "decision",
    "door": "door",
    "flood": "flood",
    "journal": "long_journal",
    "carriers": "carriers",
    "live": "live",
    "reminders": "reminders",
    "push": "push",
    "log": "public_log",
    "demo": "story",
}
"""Each in a module of this folder, loaded in its turn: a server in memory would slow a locker."""


def main(argv: list[str]) -> int:
    """Run the sections asked for; 1 when a limit is not kept."""
    if argv[:1] == ["windows"]:
        windows = importlib.import_module("tests.bench.windows")
        return int(windows.main(argv[1:]))
    parser = argparse.ArgumentParser(prog="./restante bench", description=__doc__)
    parser.add_argument(
        "section",
        nargs="*",
        help=f"{', '.join(SECTIONS)} (default: all); windows --data FILE",
        metavar="SECTION",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as well")
    options = parser.parse_args(argv)
    if unknown := set(options.section) - SECTIONS.keys():
        parser.error(f"no section {', '.join(sorted(unknown))}")
    rows: list[Row] = []
    for name in options.section or SECTIONS:
        print(f"measuring: {name}", flush=True)
        section = importlib.import_module(f"tests.bench.{SECTIONS[name]}")
        rows += asyncio.run(section.measure())
    print(as_table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps({"rows": rows}, indent=1))
    return 0 if all(holds(row) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
