"""Makes `server/web/vendor` hold what the pages take from npm, as the lock file pins it.

Knows npm and the stamp that `build.mjs` writes; knows no page.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from server.kit.errors import WebBuildError

if TYPE_CHECKING:
    from collections.abc import Iterator

WEB: Final = Path(__file__).resolve().parents[1] / "web"

OLDEST_NODE: Final = "20.19"
"""What the libraries ask for; the first major whose WebCrypto has Ed25519 without a flag."""

_INPUTS = ("package.json", "package-lock.json", "build.mjs")
_STAMP = "vendor/stamp"
_CI = ("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
_LAST_LINES = 3


def build_web(web: Path = WEB, *, path: str | None = None) -> None:
    """Fetches and bundles with npm and node, looked for in `path` or else PATH.

    Nothing is run while the stamp names these inputs. Callers at once wait for the first.
    WebBuildError when a tool is missing or a step fails; what was built before stays.
    """
    if is_web_built(web):
        return
    with _only_one(web):
        if is_web_built(web):
            return
        node, npm = _find_tools(path)
        _run([npm, *_CI], web, "look at the network (HTTPS_PROXY) and the room on the disk")
        _run([node, "build.mjs"], web, "remove server/web/node_modules and run again")


def is_web_built(web: Path = WEB) -> bool:
    """Whether `vendor` was built from the inputs as they are now."""
    try:
        return (web / _STAMP).read_text().strip() == digest_of(web)
    except FileNotFoundError:
        return False


def find_node(path: str | None = None) -> str | None:
    """The program `node`, if one is found that is new enough."""
    node = shutil.which("node", path=path)
    if node is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.fullmatch(r"v(\d+)\.(\d+)\.\S+", said.strip())
    oldest = tuple(map(int, OLDEST_NODE.split(".")))
    return node if version and tuple(map(int, version.groups())) >= oldest else None


def _find_tools(path: str | None) -> tuple[str, str]:
    node, npm = find_node(path), shutil.which("npm", path=path)
    if node is None or npm is None:
        missing = f"Node {OLDEST_NODE} or newer" if node is None else "npm"
        raise WebBuildError(f"the pages need {missing} to be built: install nodejs and npm")
    return node, npm


def digest_of(web: Path) -> str:
    """What the stamp says of a build of these inputs."""
    return hashlib.sha256(b"".join((web / name).read_bytes() for name in _INPUTS)).hexdigest()


@contextmanager
def _only_one(web: Path) -> Iterator[None]:
    """Holds off every other build of this folder; the lock falls with the process."""
    (web / "vendor").mkdir(exist_ok=True)
    with (web / "vendor" / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _run(command: list[str], web: Path, remedy: str) -> None:
    ran = subprocess.run(command, cwd=web, capture_output=True, text=True, check=False)
    if ran.returncode:
        told = " / ".join(ran.stderr.strip().splitlines()[-_LAST_LINES:])
        words = " ".join([Path(command[0]).name, *command[1:2]])
        raise WebBuildError(f"{words} stopped with {ran.returncode} ({told}); {remedy}")
