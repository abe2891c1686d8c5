"""What is mutated and which tests judge it. Knows folders and files, and nothing of the tool."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

POLICY = ("tests/ble_agent/policy", "tests/ble_agent/test_cases.py")

JUDGES: dict[str, tuple[str, ...]] = {
    "schema": ("tests/schema", *POLICY),
    "ble_agent/policy": POLICY,
    "ble_agent/codes.py": ("tests/ble_agent/test_codes.py", *POLICY),
    "ble_agent/clock.py": ("tests/ble_agent/test_clock.py",),
    "ble_agent/statements.py": ("tests/ble_agent/test_statements.py", *POLICY),
    "ble_agent/session/presence.py": ("tests/ble_agent/session/test_presence.py",),
}
"""The whole scope: the contracts of `schema`, and what decides at a locker's door. Beside each part
stand the tests that may kill its mutants: those that mirror it, and whoever judges requests whole.
"""


@dataclass(frozen=True, slots=True)
class Scope:
    """Some files of the whole scope, as paths from the root, and the tests that judge them."""

    files: tuple[str, ...]
    tests: tuple[str, ...]
    is_whole: bool


def find_scope(root: Path, asked: Sequence[str]) -> Scope:
    """The files below the paths asked for, or all; ValueError for a path outside the scope."""
    whole = [file for part in JUDGES for file in _python_files(root, part)]
    files = [file for file in whole if not asked or any(_is_within(file, path) for path in asked)]
    for path in asked:
        if not any(_is_within(file, path) for file in files):
            raise ValueError(f"{path} is no part of {', '.join(JUDGES)}")
    parts = [part for part in JUDGES if any(_is_within(file, part) for file in files)]
    tests = dict.fromkeys(test for part in parts for test in JUDGES[part])
    return Scope(tuple(files), tuple(tests), is_whole=len(files) == len(whole))


def _python_files(root: Path, part: str) -> Iterable[str]:
    path = root / part
    found = [path] if path.suffix == ".py" else sorted(path.rglob("*.py"))
    return [file.relative_to(root).as_posix() for file in found]


def _is_within(file: str, path: str) -> bool:
    """Whether the file is that path, lies below it or is the module of that name."""
    asked = PurePosixPath(path)
    return PurePosixPath(file).is_relative_to(asked) or file == f"{asked}.py"
