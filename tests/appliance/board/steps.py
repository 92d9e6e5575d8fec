"""What the builders share: steps that say what they do, programs that must be there, and the cache's folders."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[3]
NICE = ("nice", "-n", "10")

# Each program, and the Debian package that has it.
PROGRAMS = {
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-aarch64-static": "qemu-user-static",
    "update-binfmts": "binfmt-support",
    "mmdebstrap": "mmdebstrap",
    "fdtput": "device-tree-compiler",
    "mke2fs": "e2fsprogs",
    "debugfs": "e2fsprogs",
    "depmod": "kmod",
    "cpio": "cpio",
    "dpkg-deb": "dpkg",
    "mosquitto": "mosquitto",
}


class Missing(Exception):
    """This machine can't build or run the board; the text says what it needs."""


def require() -> None:
    """Raise ``Missing`` with all that this machine lacks."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = sorted({package for program, package in PROGRAMS.items() if shutil.which(program, path=path) is None})
    if lacking:
        raise Missing(f"Debian packages: apt-get install --no-install-recommends {' '.join(lacking)}")
    if os.geteuid() != 0:
        raise Missing("root: the image's files belong to its own users, and its programs run in a chroot")


def cache_folder(given: Path | None = None) -> Path:
    """Where what was built is kept: as given, DIALTONE_BOARD_CACHE, or under XDG_CACHE_HOME."""
    chosen = given or os.environ.get("DIALTONE_BOARD_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dialtone-board"


@contextlib.contextmanager
def step(what: str) -> Iterator[None]:
    """Say what is done, and how long it took."""
    began = time.monotonic()
    print(f"  {what} …", file=sys.stderr, flush=True)
    yield
    print(f"  {what}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


def call(*command: str | Path, env: dict[str, str] | None = None) -> str:
    """Run a program at low priority; its output, or all it said as the error."""
    environment = {**os.environ, "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin", **(env or {})}
    done = subprocess.run([*NICE, *map(str, command)], capture_output=True, text=True, env=environment)
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-40:])
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{said}")
    return done.stdout


def digest_of(files: Sequence[Path], *words: str) -> str:
    """One short hash of these files' names and contents, and of ``words``."""
    digest = hashlib.sha256("\0".join(words).encode())
    for file in sorted(files):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def kept(cache: Path, kind: str, key: str, make: Callable[[Path], None]) -> Path:
    """The folder ``kind-key`` of the cache; ``make`` fills it the first time. Older ones of its kind go."""
    folder = cache / f"{kind}-{key}"
    if folder.exists():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{kind}-", dir=cache) as making:
        make(Path(making) / "made")
        for old in cache.glob(f"{kind}-*"):
            shutil.rmtree(old)
        (Path(making) / "made").rename(folder)
    return folder
