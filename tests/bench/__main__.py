"""Measures what the project promises and prints it as a table, or as JSON: `./restante bench`."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench import carriers, decision, door, flood, long_journal, story
from tests.bench.report import as_table, holds

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.bench.report import Row

SECTIONS: dict[str, Callable[[], Coroutine[None, None, list[Row]]]] = {
    "decision": decision.measure,
    "door": door.measure,
    "flood": flood.measure,
    "journal": long_journal.measure,
    "carriers": carriers.measure,
    "demo": story.measure,
}


def main(argv: list[str]) -> int:
    """Run the sections asked for; 1 when a limit is not kept."""
    parser = argparse.ArgumentParser(prog="./restante bench", description=__doc__)
    parser.add_argument(
        "section", nargs="*", choices=[[], *SECTIONS], help="what to measure (default: all)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the rows to FILE as well")
    options = parser.parse_args(argv)
    rows: list[Row] = []
    for name in options.section or SECTIONS:
        print(f"measuring: {name}", flush=True)
        rows += asyncio.run(SECTIONS[name]())
    print(as_table(rows))
    if options.json is not None:
        options.json.write_text(json.dumps({"rows": rows}, indent=1))
    return 0 if all(holds(row) for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
