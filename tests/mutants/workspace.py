"""A copy of the project in which mutants live, so that nobody's edits disturb a run.

Owns when a verdict is still worth something: while no file of the copy has changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mutants.scope import Scope

COPIED = (
    "ble_agent",
    "pyproject.toml",
    "schema",
    "tests/ble_agent",
    "tests/contracts",
    "tests/fakes",
    "tests/mutants/plugin.py",
    "tests/schema",
)
"""Nothing of the server, which has no say here; so its tests' fixtures stay away as well."""

LEFT_OUT = {"__pycache__", "node_modules"}

SETTINGS = """
[tool.mutmut]
source_paths = ["schema", "ble_agent"]
only_mutate = {files}
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = {options}
do_not_mutate_patterns = ['^\\s*raise ']
process_isolation = "forkserver"
timeout_constant = 10.0
timeout_multiplier = 8.0
track_dependencies = false
use_git_change_detection = false
"""
"""How mutmut works here. A raised exception's sentence is for people, so its words are not mutated.
Each mutant runs in a fork of a process that has collected the tests and run none of them.
"""

WITHOUT = ("cacheprovider", "randomly", "xdist")
OPTIONS = [
    "--ignore=tests/schema/test_threats.py",  # reads the names of all tests there are
    "-p",
    "tests.mutants.plugin",
    *(word for name in WITHOUT for word in ("-p", f"no:{name}")),
]


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of one scope's copy; `mutants/` in it is mutmut's own, verdicts and all."""

    folder: Path

    @property
    def mutants(self) -> Path:
        """Where mutmut keeps mutated files, and beside each what became of its mutants."""
        return self.folder / "mutants"

    @property
    def _stamp(self) -> Path:
        return self.folder / "stamp"

    def renew(self, root: Path, scope: Scope, *, keep_killed: bool) -> None:
        """Bring the copy up to `root`. Verdicts stay if nothing has changed; of those of other
        files only the killed ones, if they are to be kept.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        digest = self._bring_up(root, scope)
        self._drop_torn()
        if self._stamp.exists() and self._stamp.read_text() == digest:
            return
        if keep_killed:
            self._forget_all_but_killed()
        else:
            shutil.rmtree(self.mutants, ignore_errors=True)
        # If we stop before this, the next run does the same once more.
        self._stamp.write_text(digest)

    def _bring_up(self, root: Path, scope: Scope) -> str:
        """Copy what differs, remove what is gone; a digest over all of it."""
        wanted = {file.relative_to(root).as_posix(): file for file in _files_of(root)}
        digest = hashlib.sha256()
        for name, file in sorted(wanted.items()):
            data = file.read_bytes()
            if name == "pyproject.toml":
                data += _settings(scope).encode()
            digest.update(f"{name} {len(data)}\n".encode() + data)
            target = self.folder / name
            if not target.exists() or target.read_bytes() != data:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(data)
        for file in list(_files_of(self.folder)):
            if file.relative_to(self.folder).as_posix() not in wanted:
                file.unlink()
        return digest.hexdigest()

    def _drop_torn(self) -> None:
        """Begin anew with a file whose verdicts were half written when the run was killed."""
        for meta in self.mutants.rglob("*.meta"):
            try:
                json.loads(meta.read_text())
            except ValueError:
                meta.unlink()
                meta.with_suffix("").unlink(missing_ok=True)

    def _forget_all_but_killed(self) -> None:
        """Leave the killed ones to mutmut, which tries them again where their function changed."""
        shutil.rmtree(self.mutants / "tests", ignore_errors=True)
        (self.mutants / "mutmut-stats.json").unlink(missing_ok=True)
        for file in self.mutants.rglob("*.meta"):
            meta = json.loads(file.read_text())
            codes = meta["exit_code_by_key"]
            meta["exit_code_by_key"] = {k: code if code == 1 else None for k, code in codes.items()}
            file.write_text(json.dumps(meta))


def open_workspace(root: Path, scope: Scope) -> Workspace:
    """The workspace of this scope, the same each time; it need not exist yet."""
    name = hashlib.sha256("\n".join(scope.files).encode()).hexdigest()[:8]
    return Workspace(root / ".restante" / "mutants" / ("whole" if scope.is_whole else name))


def _settings(scope: Scope) -> str:
    return SETTINGS.format(
        files=json.dumps(scope.files),
        tests=json.dumps(scope.tests),
        options=json.dumps(OPTIONS),
    )


def _files_of(folder: Path) -> Iterator[Path]:
    for name in COPIED:
        path = folder / name
        for file in [path] if path.is_file() else path.rglob("*"):
            if file.is_file() and not LEFT_OUT.intersection(file.relative_to(folder).parts):
                yield file
