"""What no file of the project may hold: places of one machine, hosts of package registries."""

import re
from pathlib import Path

from tests.contracts.tree import ROOT, own_files

MACHINE_PLACE = re.compile(rb"(?<![\w.$}])/(?:home|root|work|Users)/\w")
REGISTRY = re.compile(rb"\b(?:pypi\.org|pythonhosted\.org|npmjs\.(?:org|com)|deb\.debian\.org)\b")
MAY_NAME_REGISTRIES = {"uv.lock", "package-lock.json"}


def holds(path: Path, pattern: re.Pattern[bytes]) -> bool:
    return path != Path(__file__).resolve() and bool(pattern.search(path.read_bytes()))


def test_no_file_names_a_place_on_one_machine() -> None:
    found = [str(path.relative_to(ROOT)) for path in own_files() if holds(path, MACHINE_PLACE)]
    assert found == []


def test_only_lock_files_name_registries() -> None:
    others = [path for path in own_files() if path.name not in MAY_NAME_REGISTRIES]
    assert [str(path.relative_to(ROOT)) for path in others if holds(path, REGISTRY)] == []
