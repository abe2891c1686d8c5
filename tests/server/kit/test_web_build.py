"""What the pages take from npm is fetched once, and a failure is a sentence about what helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from server.kit.errors import WebBuildError
from server.kit.web_build import build_web, find_node, is_web_built

if TYPE_CHECKING:
    from pathlib import Path

NODE = """#!/bin/sh
[ "$1" = --version ] && echo {version} && exit
echo "node $*" >> log
sha256sum=$(cat package.json package-lock.json build.mjs | sha256sum)
echo "${{sha256sum%% *}}" > vendor/stamp
"""
NPM = """#!/bin/sh
echo "npm $*" >> log
echo "npm error network is gone" >&2
exit {status}
"""
BOTH = ["npm ci --ignore-scripts --no-audit --no-fund --loglevel=error", "node build.mjs"]


class Machine:
    """A folder of pages, and a PATH with programs that write down how they are called."""

    def __init__(self, root: Path) -> None:
        self.web = root / "web"
        self._programs = root / "programs"
        for folder in (self.web, self._programs):
            folder.mkdir()
        for name in ("package.json", "package-lock.json", "build.mjs"):
            (self.web / name).write_text(name)
        self.install("node", NODE.format(version="v20.19.0"))
        self.install("npm", NPM.format(status=0))

    @property
    def path(self) -> str:
        return str(self._programs)

    def install(self, name: str, script: str) -> None:
        program = self._programs / name
        program.write_text(script)
        program.chmod(0o755)

    def remove(self, name: str) -> None:
        (self._programs / name).unlink()

    def build(self) -> list[str]:
        """What was run for it."""
        log = self.web / "log"
        log.unlink(missing_ok=True)
        build_web(self.web, path=self.path)
        return log.read_text().splitlines() if log.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_pages_are_built_once_and_again_when_the_lock_changes(machine: Machine) -> None:
    assert not is_web_built(machine.web)
    assert machine.build() == BOTH
    assert is_web_built(machine.web)
    assert machine.build() == []
    (machine.web / "package-lock.json").write_text("newer")
    assert machine.build() == BOTH


def test_network_that_is_gone_ends_in_a_sentence_and_keeps_no_stamp(machine: Machine) -> None:
    machine.install("npm", NPM.format(status=1))
    with pytest.raises(WebBuildError, match=r"npm ci stopped with 1 \(.*gone\); look at the netw"):
        machine.build()
    assert not is_web_built(machine.web)


@pytest.mark.parametrize(("name", "needed"), [("node", "Node 20.19 or newer"), ("npm", "npm")])
def test_missing_tool_is_named(machine: Machine, name: str, needed: str) -> None:
    machine.remove(name)
    with pytest.raises(WebBuildError, match=f"the pages need {needed}"):
        machine.build()


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.9", "not a version"])
def test_node_without_the_cryptography_is_none(machine: Machine, version: str) -> None:
    assert find_node(machine.path) is not None
    machine.install("node", NODE.format(version=version))
    assert find_node(machine.path) is None


def test_build_needs_no_tools_while_its_stamp_holds(machine: Machine) -> None:
    machine.build()
    machine.remove("node")
    machine.remove("npm")
    assert machine.build() == []
