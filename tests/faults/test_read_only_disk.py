"""A file system that is read-only from the start, as a worn card becomes after a power cut."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ble_agent.__main__ import main
from ble_agent.store import FILE_NAME

if TYPE_CHECKING:
    from pathlib import Path

ROOT_KEY = "f001" + "07" * 32
OWN_MOUNTS = ("unshare", "--mount", "--map-root-user")
"""A view of the file systems that ends with the command; needs no rights of the machine."""

FREEZE = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


@pytest.fixture(scope="session")
def own_mounts() -> tuple[str, ...]:
    try:
        subprocess.run([*OWN_MOUNTS, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this system lets nobody have mounts of their own")
    return OWN_MOUNTS


async def run_read_only(mounts: tuple[str, ...], folder: Path, *words: str) -> tuple[int, str]:
    """A word of the agent where `folder` cannot be written; its exit status and what it says."""
    agent = (sys.executable, "-m", "ble_agent", *words)
    process = await asyncio.create_subprocess_exec(
        *mounts, "sh", "-c", FREEZE, folder, *agent, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()
    return process.returncode or 0, said.decode()


async def test_agent_on_a_read_only_disk_says_so_and_ends(
    own_mounts: tuple[str, ...], tmp_path: Path
) -> None:
    state = tmp_path / "state"
    assert (
        main(["locker", "init", "--state", f"{state}", "--compartments", "2", "--root", ROOT_KEY])
        == 0
    )
    before = (state / FILE_NAME).read_bytes()
    radio = ("--radio", "bumble:tcp-client:127.0.0.1:1")
    status, said = await run_read_only(own_mounts, state, "agent", "--state", f"{state}", *radio)
    assert status == 1
    assert said.startswith("restante: ")
    assert "Read-only file system" in said
    assert len(said.splitlines()) == 1
    assert (state / FILE_NAME).read_bytes() == before
