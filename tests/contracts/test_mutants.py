"""The file of survivors agrees with the sources, and what its judge sees when it does not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.contracts.tree import ROOT
from tests.mutants.reasons import find_faults, find_stale, read_reasons
from tests.mutants.report import as_table, holds, percent_killed
from tests.mutants.scope import find_scope
from tests.mutants.verdicts import Mutant, MutantId, Unreadable, Verdict, as_change, read_mutants

if TYPE_CHECKING:
    from pathlib import Path

REASONS = read_reasons(ROOT / "tests" / "mutants" / "survivors.toml")
OF = MutantId("schema/merkle.py", "leaf_data", "return encode([1]) => return encode(None)")


def mutant(verdict: Verdict, of: MutantId = OF) -> Mutant:
    return Mutant(of, "schema.merkle.x_leaf_data__mutmut_1", verdict)


def test_every_reason_is_about_a_line_that_is_there() -> None:
    assert [str(fault) for fault in find_stale(REASONS, ROOT)] == []


def test_every_reason_is_about_a_file_of_the_scope() -> None:
    assert {of.file for of in REASONS} <= set(find_scope(ROOT, []).files)


@pytest.mark.parametrize("verdict", Verdict)
def test_exactly_the_survivors_have_reasons(verdict: Verdict) -> None:
    is_alive = verdict in {Verdict.SURVIVED, Verdict.UNTESTED}
    assert bool(find_faults({}, [mutant(verdict)])) is is_alive
    is_settled = is_alive or verdict is Verdict.UNKNOWN
    assert bool(find_faults({OF: "why"}, [mutant(verdict)])) is not is_settled


def test_a_reason_for_no_mutant_at_all_is_a_fault() -> None:
    (fault,) = find_faults({OF: "why"}, [])
    assert "no mutant any more" in str(fault)
    gone = MutantId(OF.file, OF.function, "return encode([2]) => return None")
    moved = MutantId("schema/gone.py", "leaf_data", OF.change)
    assert [fault.of for fault in find_stale([gone, moved], ROOT)] == [gone, moved]


def test_a_survivor_counts_whatever_its_reason() -> None:
    killed = [mutant(Verdict.KILLED)] * 18 + [mutant(Verdict.TIMEOUT)]
    assert percent_killed([*killed, mutant(Verdict.SURVIVED)]) == 95.0
    assert holds([*killed, mutant(Verdict.SURVIVED)], [])
    assert not holds([*killed, mutant(Verdict.SURVIVED), mutant(Verdict.UNTESTED)], [])
    assert not holds([*killed, mutant(Verdict.UNKNOWN)], [])
    assert not holds(killed, find_faults({OF: "why"}, []))
    assert percent_killed([]) == 0.0


def test_the_table_ends_with_the_number_that_is_promised() -> None:
    mutants = [mutant(Verdict.KILLED), mutant(Verdict.SURVIVED)]
    *_, last = as_table(mutants, [], explained=1).splitlines()
    assert last.startswith("killed: 50.0 % of 2 mutants (at least 95 %)")


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        (["schema/merkle.py"], {"schema/merkle.py"}),
        (["schema/merkle"], {"schema/merkle.py"}),
        (
            ["schema/codec"],
            {f"schema/codec/{name}.py" for name in ("__init__", "base45", "fields")},
        ),
    ],
)
def test_a_part_is_named_by_folder_file_or_module(asked: list[str], files: set[str]) -> None:
    scope = find_scope(ROOT, asked)
    assert set(scope.files) == files
    assert not scope.is_whole


@pytest.mark.parametrize("path", ["server", "schema/nothing", "ble_agent/doors"])
def test_a_path_outside_the_scope_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no part of"):
        find_scope(ROOT, ["schema", path])


def test_a_change_is_named_by_its_lines_alone() -> None:
    before = ["def f(", "a,", "b,", "):", "return a"]
    assert as_change(before, [*before[:4], "return b"]) == "return a => return b"
    assert as_change(before, before[:1] + before[2:]) == "a, => "


def write_verdicts(folder: Path, code: int | None) -> None:
    """What mutmut leaves for a function with two mutants that look alike."""
    names = [f"x_f__mutmut_{which}" for which in ("orig", "1", "2")]
    bodies = zip(names, (1, 2, 2), strict=True)
    (folder / "m.py").write_text("\n".join(f"def {name}(): {body}" for name, body in bodies))
    spans = {name: [line, line] for line, name in enumerate(names, 1)}
    (folder / "m.py.spans").write_text(json.dumps({"spans": spans}))
    codes = {f"m.{names[1]}": code, f"m.{names[2]}": 1}
    (folder / "m.py.meta").write_text(json.dumps({"exit_code_by_key": codes}))


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        (0, Verdict.SURVIVED),
        (1, Verdict.KILLED),
        (None, Verdict.UNKNOWN),
        (33, Verdict.UNTESTED),
        (-24, Verdict.TIMEOUT),
    ],
)
def test_verdicts_are_read_under_names_that_outlive_an_edit(
    tmp_path: Path, code: int | None, verdict: Verdict
) -> None:
    write_verdicts(tmp_path, code)
    first, second = read_mutants(tmp_path, ("m.py", "of nothing.py"))
    assert (first.id.function, first.verdict) == ("f", verdict)
    assert first.id.change == "def (): 1 => def (): 2"
    assert second.id.change == f"{first.id.change} (#2)"


def test_a_run_that_ended_otherwise_counts_for_nothing(tmp_path: Path) -> None:
    write_verdicts(tmp_path, 255)
    with pytest.raises(Unreadable, match="ended with 255"):
        read_mutants(tmp_path, ("m.py",))
