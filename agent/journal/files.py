"""The journal's files: whose they are, who may open them, and where a damaged one goes."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
from pathlib import Path

from agent.journal.schema import FILE

LOCK = "journal.lock"
LOCK_TRIES, LOCK_PAUSE_S = 5, 0.02
CORRUPT_KEPT = 3
SIDES = ("-wal", "-shm", "-journal")


class StoreBusy(Exception):
    """Another agent has this journal open."""


def check_directory(directory: Path) -> None:
    """Make the last part of the path if it is missing. Raises OSError where the journal can't or shouldn't be there."""
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
        sync_directory(directory.parent)
    mode = directory.stat().st_mode
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(errno.ENOTDIR, "the journal's place is not a directory", str(directory))
    if mode & stat.S_IWOTH:
        raise PermissionError(errno.EPERM, "everybody may write in the journal's directory", str(directory))


def lock(directory: Path) -> int:
    """Take the journal for this process; the descriptor holds it until closed. Raises StoreBusy, OSError."""
    fd = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    for _ in range(LOCK_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:  # perhaps only `locked` looking
            time.sleep(LOCK_PAUSE_S)
        except OSError:
            os.close(fd)
            raise
    os.close(fd)
    raise StoreBusy(f"another agent has the journal in {directory} open")


def lock_again(directory: Path, held_fd: int) -> int:
    """The lock of a directory that may have been made anew: the one held, where it is the same file, or a new one."""
    with contextlib.suppress(OSError):
        found, held = (directory / LOCK).stat(), os.fstat(held_fd)
        if (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino):
            return held_fd
    return lock(directory)


def locked(directory: Path) -> bool:
    """Whether an agent has the journal open now."""
    try:
        fd = os.open(directory / LOCK, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        # Shared, and let go at once; an agent that starts in this very moment tries again.
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def new_file(directory: Path) -> Path:
    """An empty file that only its owner may read; SQLite gives its -wal and -shm the same mode."""
    path = directory / f"{FILE}.new"
    _remove(path)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    return path


def put_in_place(directory: Path, path: Path) -> None:
    """Give a finished, synced file the store's name."""
    _remove(directory / FILE)  # a -wal without its database belongs to no store
    path.rename(directory / FILE)
    sync_directory(directory)


def _remove(path: Path) -> None:
    for side in ("", *SIDES):
        with contextlib.suppress(FileNotFoundError):
            Path(f"{path}{side}").unlink()


def set_aside(directory: Path) -> str:
    """Rename the damaged store to ``journal.db.corrupt-N``, -wal and -shm with it, keep three; says the new name."""
    numbers = sorted(_corrupt_numbers(directory))
    name = f"{FILE}.corrupt-{numbers[-1] + 1 if numbers else 1}"
    # The database first: a crash in between leaves sides without it, which put_in_place removes.
    for side in ("", *SIDES):
        with contextlib.suppress(FileNotFoundError):
            (directory / f"{FILE}{side}").rename(directory / f"{name}{side}")
    for number in numbers[: max(0, len(numbers) + 1 - CORRUPT_KEPT)]:
        for side in ("", *SIDES):
            with contextlib.suppress(OSError):  # a directory in its place stays
                (directory / f"{FILE}.corrupt-{number}{side}").unlink()
    sync_directory(directory)
    return name


def _corrupt_numbers(directory: Path) -> list[int]:
    prefix = f"{FILE}.corrupt-"
    tails = [path.name.removeprefix(prefix) for path in directory.glob(f"{prefix}*")]
    return [int(tail) for tail in tails if tail.isascii() and tail.isdigit()]


def sync_directory(directory: Path) -> None:
    """Make names in a directory safe on disk."""
    sync(directory)


def sync(path: Path) -> None:
    """Make a file safe on disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
