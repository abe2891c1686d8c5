"""Reads the Markdown documents: their tables, and the commands they tell a stranger to type."""

import re
import shlex
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

from schema.codes import Code, DoorEvent, ProblemCode

HEADINGS: dict[type[Enum], str] = {
    Code: "## Codes",
    DoorEvent: "## Door events",
    ProblemCode: "## Problem codes",
}
"""Where `schema/README.md` lists each kind of code."""

FENCE = re.compile(r"^```(?:sh|bash|console)\n(.*?)^```", re.M | re.S)


def table_under(path: Path, heading: str) -> list[list[str]]:
    """The cells of the first table below `heading`, its head left out and backticks taken off."""
    _, found, rest = path.read_text().partition(f"\n{heading}\n")
    if not found:
        return []
    lines = rest.split("\n#", 1)[0].splitlines()
    rows = [line.strip().strip("|") for line in lines if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", row)] for row in rows[2:]]


def commands(path: Path) -> Iterator[list[str]]:
    """The words of every `./restante ...` in a fenced block; a trailing backslash joins lines."""
    for block in FENCE.findall(path.read_text()):
        for line in block.replace("\\\n", " ").splitlines():
            _, found, command = line.partition("./restante")
            if found:
                yield shlex.split(command, comments=True)
