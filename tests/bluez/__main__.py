"""The verb `./restante bluez`: real kernel, real bluetoothd, our radio, in a virtual machine."""

from __future__ import annotations

import argparse
import platform
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.bluez.daemons import BLUETOOTHD
from tests.bluez.kernel import META_PACKAGE, Kernel, NoKernel, get_kernel
from tests.bluez.machine import Limits, Start, start

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".restante" / "bluez"
SUITE = ("tests/contracts/test_radio.py", "tests/bluez/stories.py")

BUDGET_S = 1000
"""For all starts together: one takes two minutes on two idle cores, and ten where these are shared
with six times the work. A machine that still tells of tests is not hung, and starts no faster anew.
"""

SILENT_S = 240
"""A console without a line for so long is that of a hung machine: no test may take as long, and
the first line came after 160 s at the worst.
"""

STARTS = 2
"""A hung or broken kernel is the machine's fault, and gets one more chance; a failed test none."""

NEEDS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "busybox": "busybox-static",
    "cpio": "cpio",
    "modprobe": "kmod",
    "depmod": "kmod",
    "dbus-daemon": "dbus",
    "dpkg-deb": "dpkg",
    "apt-get": "apt",
}
"""Program and the package of Debian that has it."""

_SLOW_TEST_S = 120
_OPTIONS = (
    *("-v", "--tb=short", "--noconftest", "-p", "no:cacheprovider", f"--timeout={_SLOW_TEST_S}"),
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "tests.bluez.fixtures"),
    # Adapters and daemons live as long as the guest, so everything has to share one loop.
    *("-o", "asyncio_default_fixture_loop_scope=session"),
    *("-o", "asyncio_default_test_loop_scope=session"),
)
"""One process for all: under emulation the imports alone take a quarter of a minute."""


def main(argv: list[str]) -> int:
    """Prepare, start, judge; 0 if everything passed, 1 if not or if something is missing."""
    wanted = _parse(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the machine ends as well
    began = time.monotonic()
    lacking = _find_lacking()
    if lacking:
        print(f"restante: {lacking}", file=sys.stderr)
        return 1
    try:
        kernel = get_kernel(CACHE)
    except NoKernel as error:
        print(f"restante: no kernel ({META_PACKAGE}): {error}", file=sys.stderr)
        return 1
    _tell(f"kernel {kernel.name}, {time.monotonic() - began:.0f} s")
    command = _pytest(*wanted.pytest)
    if not _can_be_collected(command):
        return 1
    began_guest = time.monotonic()
    ended = _start_until_ended(kernel, command)
    total_s = time.monotonic() - began
    _tell(f"{_verdict(ended)} Guest {time.monotonic() - began_guest:.0f} s, all {total_s:.0f} s.")
    return 0 if ended.status == 0 else 1


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./restante bluez",
        description="Boots Debian's stock kernel in QEMU with virtual Bluetooth controllers, runs "
        "the real bluetoothd, and holds our BlueZ radio to its contract; opens doors over it with "
        "bleak. Needs Debian on x86-64; the kernel package is fetched once and not installed.",
    )
    parser.add_argument("pytest", nargs="*", help="options of pytest after --, such as -- -k drop")
    return parser.parse_args(argv)


def _find_lacking() -> str | None:
    """What this machine lacks, and how to get it."""
    if platform.machine() != "x86_64":
        return f"the guest is x86-64, and this machine is {platform.machine()}"
    packages = {package for program, package in NEEDS.items() if shutil.which(program) is None}
    if BLUETOOTHD is None:
        packages.add("bluez")
    if "busybox-static" not in packages and not _is_static("busybox"):
        packages.add("busybox-static")
    if not packages:
        return None
    if "apt" in packages:
        return "the real BlueZ runs on Debian's kernel, which needs apt-get; this is no Debian"
    wanted = " ".join(sorted(packages))
    return f"missing: {wanted}. As root: apt-get install --no-install-recommends {wanted}"


def _is_static(program: str) -> bool:
    """Whether it runs where there are no libraries, as in the guest's first moments."""
    found = shutil.which(program)
    return found is not None and b"/lib64/ld-linux" not in Path(found).read_bytes()


def _pytest(*options: str) -> list[str]:
    return [str(ROOT / ".venv" / "bin" / "python"), "-m", "pytest", *_OPTIONS, *SUITE, *options]


def _can_be_collected(command: list[str]) -> bool:
    """Import all of it here first: fast to fail, and the guest finds the bytecode ready."""
    done = subprocess.run(
        ["/usr/bin/env", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", *command, "--collect-only", "-q"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        print(done.stdout + done.stderr, file=sys.stderr)
    return done.returncode == 0


def _start_until_ended(kernel: Kernel, command: list[str]) -> Start:
    job = [
        *("/usr/bin/env", "-i", "-C", str(ROOT), "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/run"),
        *("PYTHONDONTWRITEBYTECODE=1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD=1", "COLUMNS=100"),
        *("PYTHONUNBUFFERED=1", *command),
    ]
    ended = Start(None, 0.0)
    left_s = float(BUDGET_S)
    for number in range(1, STARTS + 1):
        _tell(f"start {number} of the machine, at most {left_s:.0f} s")
        began = time.monotonic()

        def show(line: str, began: float = began) -> None:
            print(f"  {time.monotonic() - began:5.1f} s  {line}", flush=True)

        limits = Limits(left_s, SILENT_S)
        ended = start(kernel, job, CACHE / "shared", limits=limits, on_line=show)
        left_s -= ended.seconds
        if ended.status is not None or left_s <= 0:
            break
        _tell(f"the machine hung or died after {ended.seconds:.0f} s")
    return ended


def _verdict(ended: Start) -> str:
    if ended.status == 0:
        return "PASSED on the real BlueZ."
    if ended.status is None:
        return f"FAILED: the machine hung, died or was too slow, in {STARTS} starts at most."
    return f"FAILED: pytest ended with {ended.status}; what failed stands above."


def _tell(line: str) -> None:
    print(f"bluez: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
