"""What a run prints, and whether it is good enough."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.mutants.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.mutants.reasons import Fault
    from tests.mutants.verdicts import Mutant

LEAST_PERCENT = 95.0
"""What the project promises of its contracts and of what opens doors."""

NOTICED = (Verdict.KILLED, Verdict.TIMEOUT)
COLUMNS = (*NOTICED, Verdict.SURVIVED, Verdict.UNTESTED, Verdict.UNKNOWN)


def percent_killed(mutants: Iterable[Mutant]) -> float:
    """Of all mutants; a survivor with a good reason counts as a survivor. 0 without mutants."""
    noticed = [mutant.verdict in NOTICED for mutant in mutants]
    return 100.0 * sum(noticed) / len(noticed) if noticed else 0.0


def holds(mutants: Sequence[Mutant], faults: Sequence[Fault]) -> bool:
    """Whether each mutant has its verdict, enough are killed and each survivor is explained."""
    tried = all(mutant.verdict is not Verdict.UNKNOWN for mutant in mutants)
    return tried and not faults and percent_killed(mutants) >= LEAST_PERCENT


def as_table(mutants: Sequence[Mutant], faults: Sequence[Fault], *, explained: int) -> str:
    """A line for each file, the sum, and what the file of survivors gets wrong."""
    files = sorted({mutant.id.file for mutant in mutants})
    width = max(map(len, [*files, "file"]))
    titles = "".join(f"{name:>10}" for name in COLUMNS)
    lines = [f"{'file':{width}}  mutants{titles}         %"]
    lines += (_row(file, [m for m in mutants if m.id.file == file], width=width) for file in files)
    lines.append(_row("all", mutants, width=width))
    lines += map(str, faults)
    lines.append(
        f"killed: {percent_killed(mutants):.1f} % of {len(mutants)} mutants"
        f" (at least {LEAST_PERCENT:g} %); survivors with a reason: {explained};"
        f" disagreements with the file of survivors: {len(faults)}"
    )
    return "\n".join(lines)


def _row(name: str, mutants: Sequence[Mutant], *, width: int) -> str:
    counts = Counter(mutant.verdict for mutant in mutants)
    numbers = "".join(f"{counts[column]:10}" for column in COLUMNS)
    return f"{name:{width}}  {len(mutants):7}{numbers}{percent_killed(mutants):10.1f}"
