"""Changes the code a little, thousands of times, and counts which changes a test notices.

The scope is schema/ and what decides at a locker's door: ble_agent/policy, codes, clock, statements
and the presence code. At least 95 % must be killed; tests/mutants/survivors.toml says of each
other mutant why it may live, and must agree with the run.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.mutants.engine import ToolFailed, try_mutants
from tests.mutants.reasons import find_faults, find_stale, read_reasons
from tests.mutants.report import as_table, holds
from tests.mutants.scope import find_scope
from tests.mutants.verdicts import read_mutants
from tests.mutants.workspace import open_workspace

if TYPE_CHECKING:
    from tests.mutants.scope import Scope
    from tests.mutants.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
SURVIVORS = Path(__file__).with_name("survivors.toml")


def main(argv: list[str]) -> int:
    """Try what is not known yet, then judge; 1 below the limit or when the file disagrees."""
    parser = argparse.ArgumentParser(prog="./restante mutants", description=__doc__)
    parser.add_argument("path", nargs="*", help="a part of the scope, such as schema/codec")
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="mutants tried at a time"
    )
    parser.add_argument(
        "--keep-killed",
        action="store_true",
        help="after an edit: what was killed counts as killed, unless its own function changed",
    )
    options = parser.parse_args(argv)
    try:
        scope = find_scope(ROOT, options.path)
    except ValueError as error:
        parser.error(str(error))
    workspace = open_workspace(ROOT, scope)
    workspace.renew(ROOT, scope, keep_killed=options.keep_killed)
    try:
        try_mutants(workspace, jobs=options.jobs)
    except ToolFailed as failure:
        print(f"mutants: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mutants: interrupted; the next run goes on from here", file=sys.stderr)
        _judge(workspace, scope)
        return 130
    return _judge(workspace, scope)


def _judge(workspace: Workspace, scope: Scope) -> int:
    mutants = read_mutants(workspace.mutants, scope.files)
    known = read_reasons(SURVIVORS)
    reasons = {of: why for of, why in known.items() if of.file in scope.files}
    faults = [*find_faults(reasons, mutants), *find_stale(known.keys() - reasons.keys(), ROOT)]
    print(as_table(mutants, faults, explained=len(reasons)))
    return 0 if holds(mutants, faults) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
