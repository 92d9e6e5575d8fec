"""Where a site file from afar is kept: ``config/`` beside the journal. One rename is the moment at which it counts.

A file is kept under the SHA-256 of its bytes and is whole or absent; ``state.json`` says which one runs. Each is
written beside its place, synced, renamed, and the directory synced: after any end, power cut included, either the old
state or the new one stands, and the files of both are there.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import msgspec
from msgspec import Struct

from agent.remote.desired import sha256
from agent.remote.trial import State

FOLDER = "config"
STATE = "state.json"
SIZE_MAX = 256 * 1024


class VaultDamaged(Exception):
    """What is kept can't be read, or is not what was written; the text says what."""


class Kept(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``version``: the highest that was ever tried. ``digest``: of the signed document it came in. ``local``: SHA-256
    of the local file at that time. ``new``, ``previous``: of the kept files; ``previous`` None is the local file.
    ``uplinks``: the ways out are others. ``tries``: starts of the agent within the trial.
    """

    v: int = 1
    state: State = "local"
    version: int = 0
    digest: str = ""
    local: str = ""
    new: str | None = None
    previous: str | None = None
    uplinks: bool = False
    tries: int = 0
    signer: str = ""
    why: str = ""


class Vault:
    """The kept files of one agent. Blocks for a sync each: called at start, and else in a thread."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / FOLDER

    def load(self) -> Kept:
        """The state; the plain one where nothing was ever kept. Raises ``VaultDamaged``."""
        try:
            data = _read(self._folder / STATE)
        except FileNotFoundError:
            return Kept()
        except OSError as error:
            raise VaultDamaged(f"{STATE}: {error.strerror or error}") from None
        try:
            return msgspec.json.decode(data, type=Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise VaultDamaged(f"{STATE}: {str(error)[:120]}") from None

    def save(self, kept: Kept) -> None:
        """From here on this counts. Raises OSError, and then what counted before still does."""
        self._write(STATE, msgspec.json.encode(kept))
        self._prune({kept.new, kept.previous})

    def put(self, text: str) -> str:
        """Keep a file; its name is its hash. Raises OSError."""
        data = text.encode()
        name = sha256(data)
        self._write(f"{name}.toml", data)
        return name

    def get(self, name: str) -> str:
        """A kept file. Raises ``VaultDamaged`` where it is missing, or not what was kept."""
        try:
            data = _read(self._folder / f"{name}.toml")
        except OSError as error:
            raise VaultDamaged(f"{name[:12]}….toml: {error.strerror or error}") from None
        if sha256(data) != name:
            raise VaultDamaged(f"{name[:12]}….toml is not what was kept")
        return data.decode("utf-8")

    def _write(self, name: str, data: bytes) -> None:
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
            _sync(self._folder.parent)
        path, fresh = self._folder / name, self._folder / f"{name}.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
        finally:
            os.close(fd)
        fresh.rename(path)
        _sync(self._folder)

    def _prune(self, keep: set[str | None]) -> None:
        """What nothing names any longer; a failure here harms nothing."""
        with contextlib.suppress(OSError):
            for path in self._folder.glob("*.toml*"):
                if path.name.removesuffix(".toml") not in keep:
                    path.unlink()


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        data = file.read(SIZE_MAX + 1)
    if len(data) > SIZE_MAX:
        raise OSError(f"larger than {SIZE_MAX} bytes")
    return data


def _sync(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
