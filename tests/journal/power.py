"""What a power cut would leave, from a trace of system calls: a disk that keeps only what was synced.

Harsher than any file system: a write is kept only once its file was synced, a name only once its directory was.
Between syncs any subset of the unsynced writes may have reached the disk, in any order.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

CALLS = "openat,pwrite64,write,ftruncate,fdatasync,fsync,unlink,rename,close"
OPTIONS = ("-xx", "-s", "1000000", "-e", f"trace={CALLS}", "-e", "signal=none")
_LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>(.*)|(\w+)\((.*))$")
_RESULT = re.compile(r"^(.*)\) += (\d+)$")


@dataclass
class File:
    """An inode: what is on disk for certain, and what was written since."""

    synced: bytearray = field(default_factory=bytearray)
    since: list[tuple[int, bytes | None]] = field(default_factory=list)  # offset and data; None: cut to this length

    def apply(self, to: bytearray, offset: int, data: bytes | None) -> None:
        if data is None:
            del to[offset:]
            to.extend(bytes(offset - len(to)))
        else:
            to.extend(bytes(max(0, offset - len(to))))
            to[offset : offset + len(data)] = data

    def sync(self) -> None:
        for offset, data in self.since:
            self.apply(self.synced, offset, data)
        self.since.clear()

    def after_cut(self, rng: random.Random | None) -> bytes:
        """Its content after a power cut: of the unsynced writes none, or some."""
        content = bytearray(self.synced)
        for offset, data in self.since:
            if rng is not None and rng.random() < 0.5:
                self.apply(content, offset, data)
        return bytes(content)


class Disk:
    """One directory, replayed call by call."""

    def __init__(self, directory: Path, pipe_fd: int) -> None:
        self._directory, self._pipe_fd = str(directory), pipe_fd
        self._names: dict[str, File] = {}
        self._synced_names: dict[str, File] = {}
        self._open: dict[int, File | None] = {}  # None: the directory itself
        self._unfinished: dict[str, tuple[str, str]] = {}

    def replay(self, log: Path) -> Iterator[bytes]:
        """Go through the log; yields what was said on the pipe when it was said, b"" after each sync."""
        for line in log.read_text().splitlines():
            found = _LINE.match(line)
            if found is None:
                continue
            pid, resumed, rest, name, arguments = found.groups()
            if resumed:
                name, begun = self._unfinished.pop(pid)
                arguments = begun + rest
            elif arguments.endswith("<unfinished ...>"):
                self._unfinished[pid] = (name, arguments.removesuffix("<unfinished ...>"))
                continue
            done = _RESULT.match(arguments)
            if done is not None:
                yield from self._call(name, done[1], int(done[2]))

    def _call(self, name: str, inside: str, value: int) -> Iterator[bytes]:
        texts = [bytes.fromhex(t.replace("\\x", "")) for t in re.findall(r'"((?:\\x[0-9a-f]{2})*)"', inside)]
        plain = re.sub(r'"[^"]*"', "", inside).split(",")
        if name == "openat":
            self._opened(texts[0].decode(), inside, value)
        elif name in ("unlink", "rename"):
            moved = self._names.pop(self._inside(texts[0].decode()) or "", None)
            if name == "rename" and moved is not None:
                self._names[self._inside(texts[1].decode()) or ""] = moved
        else:
            fd = int(plain[0])
            if name == "close":
                self._open.pop(fd, None)
            elif name == "write" and fd == self._pipe_fd:
                yield texts[0]
            elif fd in self._open:
                yield from self._on_file(name, self._open[fd], texts, plain)

    def _on_file(self, name: str, file: File | None, texts: list[bytes], plain: list[str]) -> Iterator[bytes]:
        if name in ("fsync", "fdatasync"):
            if file is None:
                self._synced_names = dict(self._names)
            else:
                file.sync()
            yield b""
        elif name == "pwrite64" and file is not None:
            file.since.append((int(plain[-1]), texts[0]))
        elif name == "ftruncate" and file is not None:
            file.since.append((int(plain[-1]), None))

    def _opened(self, path: str, inside: str, fd: int) -> None:
        name = self._inside(path)
        if path == self._directory:
            self._open[fd] = None
        elif name is not None:
            if "O_CREAT" in inside:
                self._names.setdefault(name, File())
            self._open[fd] = self._names[name]

    def _inside(self, path: str) -> str | None:
        return path.removeprefix(f"{self._directory}/") if path.startswith(f"{self._directory}/") else None

    def cut(self, into: Path, rng: random.Random | None) -> None:
        """Lay out in ``into`` what a power cut now would leave."""
        into.mkdir()
        for name, file in self._synced_names.items():
            if not name.endswith(("-shm", ".lock")):
                (into / name).write_bytes(file.after_cut(rng))
