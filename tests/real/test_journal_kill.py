"""The journal's guarantee under kill -9: at random moments, and at each of its fsyncs.

Entries are committed in the order put; after a kill the journal holds a prefix of what was put, with all that was
told as committed, and its chain verifies. A kill leaves the page cache whole, so it tests order alone; that a commit
waits for the disk is tested by replaying a trace onto a disk that keeps only what was synced.
"""

from __future__ import annotations

import os
import random
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.journal.store import Store
from agent.journal.verify import verify
from tests.journal import power
from tests.journal.made import number
from tests.journal.storm import MAX_BYTES

ROOT = Path(__file__).parent.parent.parent
KILLS = int(os.environ.get("DIALTONE_KILLS", "20"))
SEED = int(os.environ.get("DIALTONE_SEED", str(random.randrange(1 << 32))))
PATIENCE_S = 60.0
COUNT = 24


class Child:
    """The storm in a process of its own, and what it said."""

    def __init__(self, directory: Path, start: int, count: int, before: Sequence[str] = ()) -> None:
        self._fd, write_fd = os.pipe()
        self.write_fd = write_fd
        self._text = b""
        command = [*before, sys.executable, "-m", "tests.journal.storm", str(directory), str(write_fd), str(start)]
        self.process = subprocess.Popen([*command, str(count)], cwd=ROOT, pass_fds=(write_fd,))
        os.close(write_fd)

    def listen(self, for_s: float, *, until: bytes | None = None) -> bool:
        """Read for a while, or until it said something; True at its end, or when it said that."""
        end = time.monotonic() + for_s
        while (left := end - time.monotonic()) > 0:
            if until is not None and until in self._text:
                return True
            if select.select([self._fd], [], [], left)[0]:
                data = os.read(self._fd, 65536)
                self._text += data
                if not data:
                    return True
        return False

    def end(self) -> None:
        """Read what is left once it is dead."""
        assert self.listen(PATIENCE_S), "the child did not end"
        self.process.wait(PATIENCE_S)
        os.close(self._fd)

    def said(self, letter: str) -> list[int]:
        lines = self._text.decode().split("\n")[:-1]
        return [int(line.split()[1]) for line in lines if line.startswith(f"{letter} ")]


def check(directory: Path, start: int, child: Child) -> int:
    """The guarantee, after one life; where the next one starts."""
    broken = verify(directory).broken
    assert broken is None, broken
    store = Store.open(directory, MAX_BYTES, "0badcafe")
    assert store.set_aside is None, store.why
    (before, *_) = child.said("h") or [0]
    entries = store.read(before, store.head, 1 << 30)
    cut_here = max(0, store.head - store.entries() - before)  # a long life cuts its own first entries
    numbers = [number(e.payload) for e in entries if e.kind == "alarm"]
    store.close()
    put, committed = child.said("p"), child.said("c")
    assert put == list(range(start, start + len(put)))
    assert committed == put[: len(committed)], "told as committed out of order"
    expected = [n for n in put if n % 10 != 9]
    first = expected.index(numbers[0]) if numbers else 0
    assert first == 0 or cut_here > 0, "the first entries are missing"
    assert numbers == expected[first : first + len(numbers)], "the journal is no prefix of what was put"
    alarms_committed = [n for n in committed if n % 10 != 9]
    assert not alarms_committed or numbers[-1] >= alarms_committed[-1], "an entry told as committed is gone"
    return max([start, *(n + 1 for n in put)])


def test_kill_9_at_random_moments(tmp_path: Path) -> None:
    print(f"seed {SEED}: DIALTONE_SEED={SEED} repeats the moments")
    rng, start, behind = random.Random(SEED), 0, []
    for _ in range(KILLS):
        child = Child(tmp_path, start, 0)
        assert child.listen(PATIENCE_S, until=b"c "), "nothing was committed"
        child.listen(rng.uniform(0, 0.3))
        child.process.kill()
        child.end()
        start = check(tmp_path, start, child)
        behind.append(len(child.said("p")) - len(child.said("c")))
    print(f"{KILLS} kills, {start} entries put; waiting at the kill: at most {max(behind)}")


def strace(tmp_path: Path, *options: str) -> list[str]:
    """The command in front of the child's; skips where there is no strace or it may not trace."""
    found = shutil.which("strace")
    if found is None:
        pytest.skip("needs strace (Debian package strace)")
    tried = subprocess.run([found, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"needs strace with the right to ptrace: {tried.stderr.strip()[:200]}")
    return [found, "-f", "-qq", *options]


def test_killed_at_each_fsync(tmp_path: Path) -> None:
    killed = 0
    for when in range(1, 400):
        directory = tmp_path / str(when)
        directory.mkdir()
        inject = f"inject=fdatasync,fsync:signal=SIGKILL:when={when}"
        before = strace(tmp_path, "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject)
        child = Child(directory, 0, COUNT, before)
        child.end()
        check(directory, 0, child) if (directory / "journal.db").exists() else None
        if child.process.returncode == 0:
            assert len(child.said("c")) == COUNT
            break
        killed += 1
    else:
        pytest.fail("the child never ended by itself")
    print(f"killed at each of {killed} fsyncs")
    assert killed >= COUNT


def test_power_cut_at_each_fsync_and_at_each_commit_told(tmp_path: Path) -> None:
    """From a trace: at every moment, what was told as committed is in what was synced, and that is a whole journal."""
    directory, log = tmp_path / "journal", tmp_path / "trace"
    directory.mkdir()
    child = Child(directory, 0, 3 * COUNT, strace(tmp_path, "-o", str(log), *power.OPTIONS))
    child.end()
    assert child.process.returncode == 0
    print(f"seed {SEED}")
    rng, said, cuts = random.Random(SEED), b"", 0
    disk = power.Disk(directory, child.write_fd)
    for words in disk.replay(log):
        said += words
        if words.startswith(b"p "):
            continue
        committed = [int(line[2:]) for line in said.split(b"\n") if line.startswith(b"c ")]
        for subset in (None, rng):
            cuts += 1
            after(disk, tmp_path / str(cuts), subset, committed)
    assert len(committed) == 3 * COUNT
    print(f"{cuts} power cuts")


def after(disk: power.Disk, directory: Path, subset: random.Random | None, committed: Sequence[int]) -> None:
    """What one power cut leaves."""
    disk.cut(directory, subset)
    store = Store.open(directory, MAX_BYTES, "0badcafe")
    assert store.set_aside is None, store.why
    numbers = [number(e.payload) for e in store.read(0, store.head, 1 << 30)]
    assert numbers == list(range(len(numbers)))
    assert numbers[: len(committed)] == committed
    store.close()
    assert verify(directory).broken is None
    shutil.rmtree(directory)
