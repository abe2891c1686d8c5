"""Runs the audits of npm graphql-http against a server of its own: python -m tests.graphql_http

Needs Node, and `npm ci` in this folder; nothing of it is collected by pytest.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from server.demo.processes import Child, Command

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
START_S = 30.0


def audit(folder: Path, node: str) -> int:
    """Serve an empty house out of `folder` and audit it; the exit status of the audits."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    environ |= {
        "PYTHONPATH": str(ROOT),
        "RESTANTE_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/restante.db",
        "RESTANTE_STATE_DIR": str(folder),
        "RESTANTE_LISTEN_PORT": str(port),
        "RESTANTE_PUBLIC_URL": f"http://127.0.0.1:{port}",
    }
    words = [sys.executable, "-m", "server.cli", "serve", "--migrate", "--api-only"]
    command = Command(words, environ, folder=folder)
    server = Child("server", command, log=folder / "server.log")
    server.start()
    try:
        server.wait_ready(lambda: answers(port), within_s=START_S)
        url = f"http://127.0.0.1:{port}/graphql"
        return subprocess.run([node, str(HERE / "audit.mjs"), url], check=False).returncode
    finally:
        server.stop()


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def main() -> int:
    """Audit in a folder that is gone afterwards; without Node, say where the audits run."""
    node = shutil.which("node")
    if node is None:
        print("the audits need Node; .ci/run installs it")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        return audit(Path(folder), node)


if __name__ == "__main__":
    sys.exit(main())
