"""The pages' own code under node's test runner, as one test: see `*.test.mjs` beside this file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.kit.web_build import OLDEST_NODE, build_web, find_node

FOLDER = Path(__file__).parent


def test_pages_speak_slk1_as_the_schema_and_the_agent_do() -> None:
    node = find_node()
    if node is None:
        pytest.skip(f"no Node {OLDEST_NODE} or newer: apt-get install nodejs npm")
    build_web()
    files = sorted(str(path) for path in FOLDER.glob("*.test.mjs"))
    ran = subprocess.run(
        [node, "--test", *files],
        env={**os.environ, "RESTANTE_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
