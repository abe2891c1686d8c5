"""What became of each mutant, read from mutmut's files, and its name that outlives a new line.

The files are those of the pinned release: verdicts in `.meta`, where each mutated function stands
in `.spans`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MUTANT = re.compile(r"(?P<name>x(?:_|ǁ(?P<of>.+)ǁ)(?P<function>.+))__mutmut_(?P<number>\d+)$")


class Verdict(StrEnum):
    """What the tests said to a mutant."""

    KILLED = "killed"
    """A test failed."""
    TIMEOUT = "timeout"
    """The tests did not come to an end, so whoever runs them notices."""
    SURVIVED = "survived"
    """Every test passed."""
    UNTESTED = "untested"
    """No test calls the function."""
    UNKNOWN = "unknown"
    """Not tried yet, or interrupted."""


SIGXCPU = 24
CODES = {
    0: Verdict.SURVIVED,
    1: Verdict.KILLED,
    2: Verdict.UNKNOWN,
    3: Verdict.KILLED,
    5: Verdict.UNTESTED,
    33: Verdict.UNTESTED,
    -SIGXCPU: Verdict.TIMEOUT,
    -9: Verdict.TIMEOUT,
    -11: Verdict.KILLED,
}


class Unreadable(Exception):
    """A verdict that this project does not know; nothing may be concluded from the run."""


@dataclass(frozen=True, slots=True, order=True)
class MutantId:
    """One change of one function, in words; a number tells equal changes of equal lines apart."""

    file: str
    function: str
    change: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A mutant and its verdict; `name` is mutmut's own and changes with every edit."""

    id: MutantId
    name: str
    verdict: Verdict


def read_mutants(mutants: Path, files: tuple[str, ...]) -> list[Mutant]:
    """All mutants of these files in the order of their functions; Unreadable for strange ones."""
    return [mutant for file in files for mutant in _mutants_of(mutants / file, file)]


def _mutants_of(path: Path, file: str) -> Iterator[Mutant]:
    meta = path.with_name(path.name + ".meta")
    if not meta.exists():
        return
    codes: dict[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
    if not codes:
        return
    spans = json.loads(path.with_name(path.name + ".spans").read_text())["spans"]
    lines = path.read_text().splitlines()
    met: Counter[tuple[str, str]] = Counter()
    for name, code in codes.items():
        found = MUTANT.search(name)
        if found is None:
            raise Unreadable(f"{name} is no mutant's name")
        before, after = (
            _lines_of(lines, spans, f"{found['name']}__mutmut_{which}")
            for which in ("orig", found["number"])
        )
        function = ".".join(filter(None, (found["of"], found["function"])))
        change = as_change(before, after)
        met[function, change] += 1
        if met[function, change] > 1:
            change = f"{change} (#{met[function, change]})"
        yield Mutant(MutantId(file, function, change), name, _verdict_of(name, code))


def _lines_of(lines: list[str], spans: dict[str, list[int]], name: str) -> list[str]:
    """A function without its indentation, and without the name that tells it from the others."""
    start, end = spans[name]
    return [line.strip().replace(name, "") for line in lines[start - 1 : end]]


def as_change(before: list[str], after: list[str]) -> str:
    """The lines that differ, as `old => new`."""
    differing = list(difflib.unified_diff(before, after, n=0, lineterm=""))[3:]
    old, new = (
        " ".join(line[1:] for line in differing if line.startswith(sign)) for sign in ("-", "+")
    )
    return f"{old} => {new}"


def _verdict_of(name: str, code: int | None) -> Verdict:
    if code is None:
        return Verdict.UNKNOWN
    try:
        return CODES[code]
    except KeyError:
        raise Unreadable(f"the tests of {name} ended with {code}") from None
