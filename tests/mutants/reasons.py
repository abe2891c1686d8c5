"""The file of survivors: why each mutant that no test kills may live. Knows no tool.

It holds exactly the survivors: one without a reason and a reason without its survivor are both
faults, and so is a reason whose line is gone from the source.
"""

from __future__ import annotations

import ast
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.mutants.verdicts import MutantId, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from tests.mutants.verdicts import Mutant

LIVING = {Verdict.SURVIVED, Verdict.UNTESTED}


@dataclass(frozen=True, slots=True)
class Fault:
    """What the file and the run do not agree on."""

    what: str
    of: MutantId

    def __str__(self) -> str:
        return f"{self.what}: {self.of.file} {self.of.function}\n    {self.of.change}"


def read_reasons(file: Path) -> dict[MutantId, str]:
    """Each survivor with its reason; ValueError for an entry without one of its parts."""
    reasons: dict[MutantId, str] = {}
    for entry in tomllib.loads(file.read_text()).get("survivors", []):
        missing = {"file", "function", "changes", "reason"} - entry.keys()
        if missing or not entry["reason"].strip():
            raise ValueError(f"{file.name}: {entry} lacks {', '.join(missing) or 'its reason'}")
        for change in entry["changes"]:
            reasons[MutantId(entry["file"], entry["function"], change)] = entry["reason"]
    return reasons


def find_faults(reasons: Mapping[MutantId, str], mutants: Iterable[Mutant]) -> list[Fault]:
    """Where file and run differ; `reasons` are those of the files that were run."""
    verdicts = {mutant.id: mutant.verdict for mutant in mutants}
    survivors = {of for of, verdict in verdicts.items() if verdict in LIVING}
    faults = [Fault("survives without a reason", of) for of in sorted(survivors - reasons.keys())]
    for of in sorted(reasons.keys() - survivors):
        known = verdicts.get(of)
        if known is not Verdict.UNKNOWN:
            faults.append(Fault(f"has a reason and is {known or 'no mutant any more'}", of))
    return faults


def find_stale(reasons: Iterable[MutantId], root: Path) -> list[Fault]:
    """Reasons whose function or line is gone from the source; needs no run."""
    texts: dict[str, dict[str, str]] = {}
    faults = []
    for of in reasons:
        if of.file not in texts:
            texts[of.file] = _functions_of(root / of.file)
        old = of.change.partition(" => ")[0]
        if old not in texts[of.file].get(of.function, ""):
            faults.append(Fault("has a reason and its line is gone", of))
    return faults


def _functions_of(file: Path) -> dict[str, str]:
    """Each function and method by name: its lines without indentation, one after the other."""
    source = file.read_text() if file.exists() else ""
    lines = [line.strip() for line in source.splitlines()]
    return {
        name: " ".join(lines[node.lineno - 1 : node.end_lineno])
        for name, node in _named_functions(ast.parse(source))
    }


def _named_functions(
    tree: ast.Module,
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, node
        elif isinstance(node, ast.ClassDef):
            for inner in node.body:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"{node.name}.{inner.name}", inner
