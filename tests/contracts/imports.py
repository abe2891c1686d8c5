"""Reads every import of the code and holds it against `order.json`. Imports and runs nothing.

A breach is a sentence that names the importing module, the imported one and the rule.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CODE = ("schema", "server", "ble_agent", "migrations")


@dataclass(frozen=True, slots=True)
class Import:
    """One name imported by one module; `typing` imports never run, `deferred` ones in a call."""

    module: str
    target: str
    when: str  # "start", "deferred" or "typing"


def breaches(root: Path) -> list[str]:
    """Every import under `root` that goes against its `tests/contracts/order.json`."""
    order = json.loads((root / "tests" / "contracts" / "order.json").read_text())
    return find_breaches(read_imports(root), order)


def find_breaches(imports: dict[str, list[Import]], order: dict[str, Any]) -> list[str]:
    """Hold the imports of each module against every rule of `order`."""
    found = {line for module in imports for line in _strangers(module, order)}
    for item in (item for items in imports.values() for item in items):
        found.update(_libraries(item, order))
        home = _home(item.target, imports)
        if home not in {None, item.module}:
            found.update(_packages(item, home or "", order))
    return sorted(found | set(_loops(imports)))


def read_imports(root: Path) -> dict[str, list[Import]]:
    """Module name -> its imports, for all code under `root`."""
    read = {}
    for path in sorted(path for top in CODE for path in (root / top).rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        package = parts[:-1]
        module = ".".join(package if parts[-1] == "__init__" else parts)
        tree = ast.parse(path.read_text(), str(path))
        read[module] = list(_walk(tree, module, package, "start"))
    return read


def _walk(node: ast.AST, module: str, package: tuple[str, ...], when: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(module, name.name, when) for name in child.names)
        elif isinstance(child, ast.ImportFrom):
            above = package[: len(package) - child.level + 1] if child.level else ()
            start = ".".join([*above, *filter(None, [child.module])])
            yield from (Import(module, f"{start}.{name.name}", when) for name in child.names)
        elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for part in child.body:
                yield from _walk(ast.Module([part], []), module, package, "typing")
            for part in child.orelse:
                yield from _walk(ast.Module([part], []), module, package, when)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and when == "start":
            yield from _walk(child, module, package, "deferred")
        else:
            yield from _walk(child, module, package, when)


def _home(target: str, modules: Iterable[str]) -> str | None:
    """The module of ours in which an imported name lives."""
    while target and target not in modules:
        target = target.rpartition(".")[0]
    return target or None


def _within(module: str, pattern: str) -> bool:
    return f"{module}.".startswith(f"{pattern}.") or fnmatch(module, pattern)


def _strangers(module: str, order: dict[str, Any]) -> Iterator[str]:
    floors = order["floors"]
    known = {package: set().union(*rows) for package, rows in order["layers"].items()}
    known[floors["package"]] = {*floors["below"], *floors["verticals"], *floors["above"]}
    top, _, rest = module.partition(".")
    if rest and top in known and rest.split(".")[0] not in known[top]:
        yield f"{module} has no place in the order of {top}"


def _libraries(item: Import, order: dict[str, Any]) -> Iterator[str]:
    library = item.target.split(".")[0]
    for pattern, banned in order["pure"].items():
        if library in banned and _within(item.module, pattern):
            yield f"{item.module} imports {item.target}; {pattern} stays free of it"
    keepers = order["kept"].get(library, [item.module])
    if not any(_within(item.module, pattern) for pattern in keepers):
        yield f"{item.module} imports {item.target}; that is for {', '.join(keepers)}"


def _packages(item: Import, home: str, order: dict[str, Any]) -> Iterator[str]:
    top, there = item.module.split(".")[0], home.split(".")[0]
    if there in order["apart"].get(top, ()):
        yield f"{item.module} imports {home}; {top} never imports {there}"
    elif top == there:
        rank = _floor if top == order["floors"]["package"] else _layer
        here, other = rank(item.module, order), rank(home, order)
        if here and other and not _by_name_only(item, home):
            if other[0] > here[0]:
                yield f"{item.module} imports {home}; that comes later in the order"
            elif other[1] > here[1]:
                yield f"{item.module} imports {home}; that is a higher kind of file"


def _by_name_only(item: Import, home: str) -> bool:
    """GraphQL types of two verticals may name each other, as long as neither import runs."""
    return item.when == "typing" and item.module.endswith(".graph") and home.endswith(".graph")


def _layer(module: str, order: dict[str, Any]) -> tuple[int, int] | None:
    top, _, rest = module.partition(".")
    rows = order["layers"].get(top, [])
    place = next((n for n, row in enumerate(rows) if rest.split(".")[0] in row), None)
    return None if place is None else (place, 0)


def _floor(module: str, order: dict[str, Any]) -> tuple[int, int] | None:
    floors = order["floors"]
    places = [*floors["below"], *floors["verticals"], *floors["above"]]
    _, *rest = module.split(".")
    if not rest or rest[0] not in places:
        return None
    kinds = floors["kinds"]
    if rest[0] in floors["below"]:
        kind = -1
    elif rest[0] in floors["above"]:
        kind = len(kinds)
    else:
        kind = next((kinds.index(name) for name in rest[1:] if name in kinds), 0)
    return places.index(rest[0]), kind


def _loops(imports: dict[str, list[Import]]) -> Iterator[str]:
    graph = {
        module: {_home(item.target, imports) for item in items if item.when == "start"}
        - {module, None}
        for module, items in imports.items()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield f"import loop: {' -> '.join(error.args[1])}"
