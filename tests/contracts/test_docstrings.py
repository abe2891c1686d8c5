"""Nearly every public function says what it promises; one whose name says all may stay silent."""

import ast
from collections.abc import Iterator

from tests.contracts.tree import ROOT, own_files

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(body: list[ast.stmt]) -> Iterator[Function]:
    """Functions, and the methods of classes, that others may call."""
    for node in body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            yield node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)


def test_public_functions_carry_their_contract() -> None:
    silent, total = [], 0
    for path in own_files(".py"):
        where = path.relative_to(ROOT)
        if where.parts[0] not in {"schema", "server", "ble_agent", "migrations"}:
            continue
        for function in public_functions(ast.parse(path.read_text()).body):
            total += 1
            if ast.get_docstring(function) is None:
                silent.append(f"{where}:{function.lineno} {function.name}")
    assert len(silent) <= total * 0.05, silent
