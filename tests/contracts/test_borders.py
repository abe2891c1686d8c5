"""What a process really loads, seen from inside it: the light agent, the pure schema, our names."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contracts.tree import ROOT

LOAD_ALL = """
import importlib, json, pkgutil, sys
before = {*sys.modules}
package = importlib.import_module(sys.argv[1])
for found in pkgutil.walk_packages(package.__path__, sys.argv[1] + "."):
    importlib.import_module(found.name)
loaded = {name.partition(".")[0] for name in {*sys.modules} - before}
print(json.dumps(sorted(loaded - sys.stdlib_module_names)))
"""


def loaded_by(package: str) -> set[str]:
    """Top names of all foreign modules that are there once all of `package` is imported."""
    run = subprocess.run(
        [sys.executable, "-c", LOAD_ALL, package],
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(json.loads(run.stdout))


@pytest.mark.parametrize("package", ["schema", "server", "ble_agent"])
def test_our_packages_win_over_others_of_the_same_name(package: str) -> None:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert Path(str(spec.origin)).is_relative_to(ROOT)


def test_schema_loads_nothing_but_the_cryptography() -> None:
    foreign = {name for name in loaded_by("schema") if not name.startswith("_")}
    assert foreign == {"nacl", "schema"}


def test_agent_stays_light() -> None:
    heavy = {"alembic", "arq", "firebase_admin", "pydantic", "sqlalchemy", "sqlmodel", "strawberry"}
    loaded = loaded_by("ble_agent")
    assert "ble_agent" in loaded
    assert not loaded & (heavy | {"server"})
