"""Secrets: passwords, keys and certificates as names in one directory, never as values or paths.

systemd's ``$CREDENTIALS_DIRECTORY`` (systemd.exec(5), LoadCredential=) wins over the site file's directory where
it holds the name. A password or key is refused when anybody but its owner and its group can read it, when anybody
but its owner can write it, or when it belongs to neither root nor us: then it is somebody else's, or no secret.
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from pathlib import Path
from typing import Protocol

from agent.site import schema

SIZE_MAX = 64 * 1024
FOLDER = "secrets"
"""The name by which dialtone.service hands in the folder of secrets."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}\Z")


class SecretRefused(OSError):
    """The secret is missing or must not be used; the text says why."""


class SecretReader(Protocol):
    """What the site file's rules ask of a secret store."""

    def problem(self, name: str, *, private: bool = True) -> str | None:
        """Why the secret can't be used, in plain words; None where it can."""


class SecretStore:
    """The secrets of one machine. Every read checks again: files change while the agent runs."""

    def __init__(self, directory: Path, credentials: Path | None) -> None:
        self._directory = directory
        self._credentials = credentials

    @classmethod
    def of(cls, site: schema.SiteFile) -> SecretStore:
        """The store a site file names, with systemd's credentials where it gives any."""
        given = os.environ.get("CREDENTIALS_DIRECTORY")
        return cls(Path(site.secrets.directory), Path(given) if given else None)

    def path(self, name: str) -> Path:
        """Where the secret is, or would be. Raises ``SecretRefused`` for a name that is no id."""
        if not _NAME.match(name):
            raise SecretRefused("a secret's name is lower-case letters, digits and hyphens, at most 32")
        if self._credentials is not None:
            # By itself, or out of a folder of secrets: LoadCredential=secrets:DIR hands in each as secrets_NAME.
            for given in (self._credentials / name, self._credentials / f"{FOLDER}_{name}"):
                if os.path.lexists(given):
                    return given
        return self._directory / name

    def read(self, name: str, *, private: bool = True) -> bytes:
        """The secret without the line end that editors add. Raises ``SecretRefused``.

        ``private=False`` for a CA or a certificate: all may read it, but others may still not write it.
        """
        path = self.path(name)
        try:
            # O_NONBLOCK: a FIFO in its place must not hold the agent up.
            fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        except (OSError, ValueError) as error:
            raise SecretRefused(_why_not(path, error)) from None
        try:
            refusal = self._refusal(os.fstat(fd), path, private)
            held = b"" if refusal else _read(fd)
        except OSError as error:
            refusal = _why_not(path, error)
        finally:
            os.close(fd)
        if refusal:
            raise SecretRefused(refusal)
        if len(held) > SIZE_MAX:
            raise SecretRefused(f"{path} is larger than 64 KiB")
        held = held.removesuffix(b"\n").removesuffix(b"\r")
        if not held:
            raise SecretRefused(f"{path} is empty")
        return held

    def problem(self, name: str, *, private: bool = True) -> str | None:
        """Why the secret can't be used, in plain words; None where it can. It is opened and read as in use."""
        try:
            self.read(name, private=private)
        except SecretRefused as refused:
            return str(refused)
        return None

    def _refusal(self, status: os.stat_result, path: Path, private: bool) -> str | None:
        if not stat.S_ISREG(status.st_mode):
            return f"{path} is not a regular file"
        if status.st_size > SIZE_MAX:
            return f"{path} is larger than 64 KiB"
        if private and status.st_mode & 0o007:
            return f"{path} is open to everybody (mode {status.st_mode & 0o777:04o}); chmod 600 or 640 it"
        if status.st_mode & 0o022:
            return f"others can write {path} (mode {status.st_mode & 0o777:04o}); chmod go-w it"
        if status.st_uid not in self._trusted(path):
            return f"{path} belongs to {_user(status.st_uid)}; it must belong to root or to {_user(os.geteuid())}"
        return None

    def _trusted(self, path: Path) -> set[int]:
        """Whose files we take. Root, who only checks for the agent's user, takes also the directory owner's."""
        trusted = {0, os.geteuid()}
        if os.geteuid() == 0:
            trusted.add(path.parent.stat().st_uid)
        return trusted


def _read(fd: int) -> bytes:
    held = b""
    while len(held) <= SIZE_MAX:
        more = os.read(fd, SIZE_MAX + 1 - len(held))
        if not more:
            break
        held += more
    return held


def _why_not(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no file {path}"
    if isinstance(error, PermissionError):
        return f"{path} can't be read by {_user(os.geteuid())} (run this as the agent's user)"
    return f"{path} can't be read: {getattr(error, 'strerror', None) or error}"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"
