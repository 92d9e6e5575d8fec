"""Disks for the journal that can be filled, damaged and taken away: mounted here, unmounted at the end. Needs root."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


def run(*command: str | Path) -> str:
    """A command of the system; what it printed. Raises CalledProcessError."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def mount(*arguments: str | Path) -> None:
    """mount(8), or skip the test where this machine does not allow it."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root and mount(8)")
    try:
        run("mount", *arguments)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine mounts nothing: {error.stderr.strip()}")


def unmount(place: Path) -> None:
    """All that is mounted there, also where something still has it open."""
    while place.is_mount():
        run("umount", "-l", place)


@contextlib.contextmanager
def tmpfs(place: Path, size_mb: int = 8) -> Iterator[Path]:
    """A small disk at ``place``."""
    mount("-t", "tmpfs", "-o", f"size={size_mb}m,mode=700", "tmpfs", place)
    try:
        yield place
    finally:
        unmount(place)


class CardDisk:
    """An ext4 of its own in a file, as on a memory card: it turns read-only by itself at the first error."""

    def __init__(self, directory: Path, place: Path) -> None:
        if shutil.which("mkfs.ext4") is None:
            pytest.skip("needs mkfs.ext4 (Debian package e2fsprogs)")
        self._image, self._place = directory / "card.img", place
        with self._image.open("wb") as file:
            file.truncate(16 << 20)
        run("mkfs.ext4", "-q", "-O", "^has_journal", self._image)
        self.mount()

    def mount(self, options: str = "rw") -> None:
        """Put the card in."""
        mount("-o", f"loop,errors=remount-ro,{options}", self._image, self._place)

    def fail(self) -> None:
        """An error of the card: from now on it takes no writes, whoever has it open."""
        device = Path(run("findmnt", "-n", "-o", "SOURCE", self._place).strip()).name
        (Path("/sys/fs/ext4") / device / "trigger_fs_error").write_text("for the test")

    def exchange(self) -> None:
        """A copy of the card as it is now, checked, goes in its place."""
        subprocess.run(["sync", "-f", self._place], check=False, capture_output=True)  # a failed one says so
        copy = self._image.with_suffix(".new")
        shutil.copyfile(self._image, copy)
        unmount(self._place)
        self._image = copy
        subprocess.run(["e2fsck", "-fy", copy], check=False, capture_output=True)
        self.mount()


@contextlib.contextmanager
def card(directory: Path, place: Path) -> Iterator[CardDisk]:
    """A card disk at ``place``."""
    try:
        yield CardDisk(directory, place)
    finally:
        unmount(place)


@contextlib.contextmanager
def filled(place: Path) -> Iterator[None]:
    """Not a byte is free there within the block."""
    name = place / "filler"
    with name.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        for size in (65536, 4096, 512, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)):
                    pass
    try:
        yield
    finally:
        name.unlink()
