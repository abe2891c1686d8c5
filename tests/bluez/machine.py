"""One start of the virtual machine: the host's tree read-only, a shared folder with the job."""

from __future__ import annotations

import re
import select
import shlex
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.bluez.kernel import Kernel

_CPUS, _MEMORY_MB = 2, 1500
_ENDED = re.compile(r"guest: the job ended with (\d+)")
_CONTROL = re.compile(r"\x1b[^A-Za-z]*[A-Za-z]|[\r\x00]")


@dataclass(frozen=True)
class Limits:
    """When a machine counts as hung: `whole_s` after its start, or once its console is silent."""

    whole_s: float
    silent_s: float


@dataclass(frozen=True)
class Start:
    """How one start went: `status` is the job's, None if the machine never got to it or hung."""

    status: int | None
    seconds: float


def start(
    kernel: Kernel,
    job: Sequence[str],
    shared: Path,
    *,
    limits: Limits,
    on_line: Callable[[str], None],
) -> Start:
    """Run the job in a fresh machine, which is killed at the limits; nothing of it remains.

    `on_line` is given each line of its console.
    """
    shared.mkdir(parents=True, exist_ok=True)
    (shared / "job").write_text(shlex.join(job) + "\n")
    began = time.monotonic()
    status = None
    command = _command(kernel, shared)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            for line in _lines(process, limits):
                on_line(line)
                ended = _ENDED.search(line)
                if ended is not None:
                    status = int(ended[1])
        finally:
            process.kill()
    return Start(status, time.monotonic() - began)


def _lines(process: subprocess.Popen[bytes], limits: Limits) -> Iterator[str]:
    """Whole lines until the machine ends or its time is up."""
    assert process.stdout is not None
    pending = b""
    deadline = time.monotonic() + limits.whole_s
    while (left_s := min(deadline - time.monotonic(), limits.silent_s)) > 0:
        if not select.select([process.stdout], [], [], left_s)[0]:
            break
        read = process.stdout.read1(65536)  # type: ignore[attr-defined]  # a BufferedReader
        if not read:
            break
        *lines, pending = (pending + read).split(b"\n")
        yield from (_CONTROL.sub("", line.decode(errors="replace")) for line in lines)


def _command(kernel: Kernel, shared: Path) -> list[str]:
    # A kernel that oopses ends at once: what a test says on a broken kernel is no verdict.
    dead = "panic=-1 oops=panic"
    quiet = f"console=ttyS0 quiet loglevel=3 {dead} random.trust_cpu=on mitigations=off"
    return [
        *("qemu-system-x86_64", "-machine", "pc,accel=tcg", "-cpu", "max"),
        *("-smp", str(_CPUS), "-m", str(_MEMORY_MB), "-nodefaults", "-no-reboot"),
        *("-display", "none", "-serial", "stdio", "-monitor", "none"),
        *("-kernel", str(kernel.image), "-initrd", str(kernel.initramfs), "-append", quiet),
        *("-virtfs", _share("/", "host") + ",readonly=on,multidevs=remap"),
        *("-virtfs", _share(str(shared), "shared")),
    ]


def _share(path: str, tag: str) -> str:
    return f"local,path={path.replace(',', ',,')},mount_tag={tag},security_model=none"
