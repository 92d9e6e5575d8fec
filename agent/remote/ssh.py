"""SSH signatures by OpenSSH's own program: ``ssh-keygen -Y`` (ssh-keygen(1), since OpenSSH 8.1; PROTOCOL.sshsig).

Operators have the keys already, hardware ones included, and no key format is ours. ``allowed_signers`` says who may
sign, for which namespaces, and from when to when. The program gets no terminal, a bare environment, and 10 s.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from agent.remote.envelope import NotSigned

PROGRAM = "ssh-keygen"
TIMEOUT_S = 10.0
_ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/local/bin", "LC_ALL": "C"}


class NoProgram(Exception):
    """ssh-keygen is not there or does not run: nothing signed can be judged here."""


def verify(document: bytes, signature: bytes, namespace: str, allowed_signers: bytes) -> str:
    """Who signed ``document`` for ``namespace``. Blocks for some 10 ms: for a thread.

    ``allowed_signers``: the file's contents (ssh-keygen(1), ALLOWED SIGNERS). Raises ``NotSigned`` where nobody whom
    it allows has signed just this for just that, ``NoProgram`` where that can't be found out.
    """
    with tempfile.TemporaryDirectory(prefix="dialtone-") as folder:
        signed, allowed = Path(folder, "signature"), Path(folder, "allowed")
        signed.write_bytes(signature)
        allowed.write_bytes(allowed_signers + b"\n")
        found = _run(["-Y", "find-principals", "-s", str(signed), "-f", str(allowed)], b"")
        names = [name for name in found.stdout.decode("utf-8", "replace").splitlines() if name][:8]
        if found.returncode != 0 or not names:
            raise NotSigned("signed by nobody whom allowed_signers names")
        why = ""
        for name in names:
            args = ["-Y", "verify", "-f", str(allowed), "-I", name, "-n", namespace, "-s", str(signed)]
            came = _run(args, document)
            if came.returncode == 0:
                return name
            why = came.stderr.decode("utf-8", "replace").strip() or came.stdout.decode("utf-8", "replace").strip()
        raise NotSigned(f"the signature does not hold: {why[:200]}")


def sign(document: bytes, key: Path, namespace: str) -> bytes:
    """The signature of ``document`` with the private key in ``key`` (or an agent's, by its .pub file).

    Raises ``NotSigned`` with the program's words, ``NoProgram``.
    """
    with tempfile.TemporaryDirectory(prefix="dialtone-") as folder:
        path = Path(folder, "document")
        path.write_bytes(document)
        args = ["-Y", "sign", "-q", "-f", str(key), "-n", namespace, str(path)]
        came = _run(args, b"", ask=True)
        if came.returncode != 0:
            raise NotSigned(f"{key} did not sign: {came.stderr.decode('utf-8', 'replace').strip()[:200]}")
        return Path(folder, "document.sig").read_bytes()


def _run(args: list[str], given: bytes, *, ask: bool = False) -> subprocess.CompletedProcess[bytes]:
    """``ask``: a person stands at the terminal, who may have to type a passphrase or touch a key."""
    environment = dict(os.environ) if ask else _ENVIRONMENT
    timeout_s = 120.0 if ask else TIMEOUT_S
    try:
        if ask:
            return subprocess.run(  # noqa: S603
                [PROGRAM, *args], stdin=None, capture_output=True, timeout=timeout_s, env=environment, check=False
            )
        return subprocess.run(  # noqa: S603
            [PROGRAM, *args], input=given, capture_output=True, timeout=timeout_s, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise NoProgram(f"{PROGRAM} did not answer within {timeout_s:g} s") from None
    except OSError as error:
        raise NoProgram(f"{PROGRAM} can't be run: {error.strerror or error}") from None


def signers(allowed_signers: bytes) -> int:
    """How many lines of an allowed_signers file name somebody; none means that nobody may sign."""
    count = 0
    with contextlib.suppress(UnicodeDecodeError):
        for line in allowed_signers.decode("utf-8").splitlines():
            words = line.split("#", 1)[0].split()
            count += len(words) >= 3
    return count
