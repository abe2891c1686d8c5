"""The kernel for the guest: which one Debian ships today, fetched, with the modules it needs.

Installs nothing: the package is unpacked, and what remains in the cache is 11 MB.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

META_PACKAGE = "linux-image-amd64"
"""Depends on the newest stock kernel; the cloud kernel has no Bluetooth."""

INIT = Path(__file__).with_name("init")
MODULES = (
    *("virtio_pci", "9pnet_virtio", "9p", "overlay", "unix", "virtio_rng"),
    # Without these the kernel's Bluetooth waits for keys in silence.
    *("ecb", "cmac", "ecdh_generic", "ccm", "algif_hash", "algif_skcipher"),
    *("sha256_generic", "hmac", "drbg", "ctr", "seqiv"),
    *("bluetooth", "hci_vhci", "uhid"),
)
_DEPENDS = re.compile(r"^Depends:.*?\b(linux-image-\S+) \(= ([^)]+)\)", re.M)


class NoKernel(Exception):
    """The kernel cannot be had; the message says what to do."""


@dataclass(frozen=True)
class Kernel:
    """What QEMU starts."""

    name: str
    image: Path
    initramfs: Path


def get_kernel(cache: Path) -> Kernel:
    """Return the kernel of today from the cache, where it is put if it is not there.

    If the package archive cannot be reached, a kernel of another day serves. Raises NoKernel.
    """
    try:
        package, version = _resolve()
        kernel = _kernel_in(cache / f"{package}_{version}_{_recipe()}")
        if not kernel.initramfs.exists():
            _make(package, version, kernel)
    except NoKernel:
        packed = cache.glob(f"*_{_recipe()}/initramfs")
        older = sorted(packed, key=lambda file: file.stat().st_mtime)
        if not older:
            raise
        kernel = _kernel_in(older[-1].parent)
    return kernel


def _kernel_in(folder: Path) -> Kernel:
    return Kernel(folder.name, folder / "vmlinuz", folder / "initramfs")


def _recipe() -> str:
    """Changes with what we put into the initramfs."""
    return hashlib.sha256(INIT.read_bytes() + repr(MODULES).encode()).hexdigest()[:8]


def _resolve() -> tuple[str, str]:
    """Name and version of today's kernel package; the list is renewed if it has none."""
    for attempt in (1, 2):
        shown = _run("apt-cache", "show", "--no-all-versions", META_PACKAGE)
        found = _DEPENDS.search(shown.stdout)
        if found is not None:
            return found[1], found[2]
        if attempt == 1:
            _renew_lists()
    raise NoKernel(f"the package lists of this machine have no {META_PACKAGE}: apt-get update")


def _make(package: str, version: str, kernel: Kernel) -> None:
    """Fetch and unpack the package, keep the image, and pack the initramfs, which comes last."""
    folder = kernel.image.parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        package_file = _download(f"{package}={version}", Path(place))
        tree = Path(place) / "tree"
        done = _run("dpkg-deb", "-x", str(package_file), str(tree))
        if done.returncode:
            raise NoKernel(f"the package cannot be unpacked: {done.stderr.strip()}")
        (image,) = (tree / "boot").glob("vmlinuz-*")
        shutil.copy(image, kernel.image)
        _pack(tree, Path(place) / "packed", kernel.initramfs)


def _download(wanted: str, folder: Path) -> Path:
    options = ("-qq", "-o", "APT::Sandbox::User=root")  # else it complains of our folder
    done = _run("apt-get", *options, "download", wanted, at=folder)
    if done.returncode:
        _renew_lists()
        done = _run("apt-get", *options, "download", wanted, at=folder)
    if done.returncode:
        raise NoKernel(f"cannot be fetched: {done.stderr.strip()}; apt-get update, then run again")
    (file,) = folder.glob("*.deb")
    return file


def _renew_lists() -> None:
    if os.geteuid() == 0:
        _run("apt-get", "update", "-qq")


def _pack(tree: Path, packed: Path, initramfs: Path) -> None:
    """Busybox, our init and the modules, as the archive that the kernel unpacks into memory."""
    (release,) = (path.name for path in (tree / "lib" / "modules").iterdir())
    _must("depmod", "-b", str(tree), release)
    for file in _module_files(tree, release):
        target = packed / file.relative_to(tree)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(tree / "lib" / "modules" / release / name, packed / "lib" / "modules" / release)
    _must("depmod", "-b", str(packed), release)
    (packed / "bin").mkdir()
    shutil.copy(shutil.which("busybox") or "/bin/busybox", packed / "bin" / "busybox")
    (packed / "sbin").mkdir()
    (packed / "sbin" / "modprobe").symlink_to("/bin/busybox")  # the kernel asks for it by itself
    (packed / "modules").write_text("\n".join(MODULES))
    shutil.copy(INIT, packed / "init")
    (packed / "init").chmod(0o755)
    names = "\n".join(str(path.relative_to(packed)) for path in sorted(packed.rglob("*")))
    part = initramfs.with_suffix(".part")
    _must("cpio", "--create", "--format=newc", "--quiet", f"--file={part}", text=names, at=packed)
    part.replace(initramfs)


def _module_files(tree: Path, release: str) -> set[Path]:
    files: set[Path] = set()
    for module in MODULES:
        shown = _run("modprobe", "-d", str(tree), "-S", release, "--show-depends", module)
        lines = (line.split() for line in shown.stdout.splitlines())
        files.update(Path(words[1]) for words in lines if words[:1] == ["insmod"])
    return files


def _must(*command: str, text: str = "", at: Path | None = None) -> None:
    done = _run(*command, text=text, at=at)
    if done.returncode:
        raise NoKernel(f"{' '.join(command)} failed: {done.stderr.strip()}")


def _run(*command: str, text: str = "", at: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=at)
