"""The frozen bytes in `schema/vectors/`, as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import schema

FOLDER = Path(schema.__file__).parent / "vectors"


def load_frozen(name: str) -> dict[str, Any]:
    """One file of vectors, read anew by each caller so that no test can spoil another's."""
    loaded: dict[str, Any] = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    return loaded
