"""A Debian in a folder, the box put in by its own installer, booted by systemd-nspawn: the real units in seconds.

The folder without the box is built once (some 40 s) and kept beside the board's images. As root, with mmdebstrap and
systemd-nspawn; resource controls (MemoryMax, TasksMax) are not to be trusted in here, so nothing is judged by them.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.appliance.board.image import own_wheel
from tests.appliance.board.steps import ROOT, cache_folder, call, digest_of, kept
from tests.real.sites import until

SUITE = "bookworm"
PACKAGES = "systemd,systemd-sysv,systemd-timesyncd,udev,dbus,python3,python3-venv,iproute2,procps,nftables"
BOOT_S = 120.0
EXCLUDED = ("doc", "man", "locale")
INSTALLER = ROOT / "systemd/install.sh"
SITE = """
[site]
id = "boxtown"
noc_phone = "555-0100"
[[path]]
id = "firewall"
role = "firewall"
address = "127.0.0.1"
checks = [{ kind = "icmp" }, { kind = "syslog" }]
[listen]
syslog_udp = "0.0.0.0:514"
[[line]]
id = "bank-a"
port = "/run/pty/port"
dialect = "tl1"
trunks = { "T1-1" = "cama" }
[panel]
board = "dialtone-8"
pins = "mock"
[host]
"""


def needs() -> str | None:
    """What is missing here; None where it can be done."""
    if os.geteuid() != 0:
        return "needs root"
    for program, package in (("mmdebstrap", "mmdebstrap"), ("systemd-nspawn", "systemd-container")):
        if shutil.which(program) is None:
            return f"needs {package} (a Debian package)"
    return None


def base() -> Path:
    """The folder of a Debian without the box; built where the cache has none."""

    def build(folder: Path) -> None:
        excluded = [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in EXCLUDED]
        options = ["--mode=root", "--variant=essential", "--format=directory", f"--include={PACKAGES}", *excluded]
        call("mmdebstrap", *options, "--dpkgopt=force-unsafe-io", SUITE, folder)

    return kept(cache_folder(), "debian", digest_of([], SUITE, PACKAGES), build)


def wheels(into: Path) -> None:
    """A folder from which pip installs without a network: this code, and what it needs."""
    with tempfile.TemporaryDirectory() as work:
        own_wheel(into, Path(work), "")
    (own,) = into.glob("dialtone-*.whl")
    call(sys.executable, "-m", "pip", "wheel", "-q", "-w", into, f"dialtone[pi] @ {own.as_uri()}")


def install(root: Path, *options: str | Path) -> str:
    """Run the installer into ``root``; what it said."""
    return call("sh", INSTALLER, "--root", root, *options)


class Machine:
    """A booted one."""

    def __init__(self, root: Path, leader: int) -> None:
        self.root, self.leader = root, leader

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program inside; what it printed."""
        inside = (
            "nsenter",
            "-t",
            str(self.leader),
            "-a",
            "env",
            "-i",
            "PATH=/usr/local/bin:/usr/bin:/usr/sbin",
            *command,
        )
        done = subprocess.run(inside, capture_output=True, text=True, timeout=120)
        assert not check or done.returncode == 0, f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def unit(self, name: str, unit: str = "dialtone.service") -> str:
        """One property of a unit."""
        return self.run("systemctl", "show", unit, "-P", name).strip()

    def status(self) -> dict[str, Any] | None:
        """``dialtone status``; None while nobody answers."""
        with contextlib.suppress(ValueError):
            found: dict[str, Any] = json.loads(self.run("dialtone", "status", "--json", check=False))
            return found
        return None

    def answering(self) -> dict[str, Any]:
        """Wait until the agent answers."""
        found: dict[str, Any] = until(self.status, "the agent never answered", BOOT_S)
        return found


@contextlib.contextmanager
def booted(root: Path) -> Iterator[Machine]:
    """Boot ``root`` with a network of its own; ended by its own process id."""
    command = ["systemd-nspawn", "-q", "-D", str(root), "--register=no", "--keep-unit", "--private-network", "-b"]
    nspawn = subprocess.Popen(
        [*command, "--console=passive"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        children = Path(f"/proc/{nspawn.pid}/task/{nspawn.pid}/children")

        def leader() -> int | None:
            assert nspawn.poll() is None, f"systemd-nspawn ended with {nspawn.returncode}"
            for pid in children.read_text().split():  # among them, for a moment, one that only prepares the place
                with contextlib.suppress(OSError):
                    if "\t1\n" in Path(f"/proc/{pid}/status").read_text().partition("NSpid:")[2].partition("NSpgid")[0]:
                        return int(pid)
            return None

        machine = Machine(root, until(leader, "it never began", BOOT_S))
        state = ("systemctl", "is-system-running", "--wait")
        until(lambda: machine.run(*state, check=False).strip() in ("running", "degraded"), "it never came up", BOOT_S)
        yield machine
    finally:
        nspawn.terminate()
        try:
            nspawn.wait(60)
        except subprocess.TimeoutExpired:
            nspawn.kill()
            nspawn.wait()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Path]]:
    """A Debian of our own without the box, and a folder of wheels."""
    if (missing := needs()) is not None:
        pytest.skip(missing)
    folder = tmp_path_factory.mktemp("machine")
    (folder / "wheels").mkdir()
    wheels(folder / "wheels")
    call("cp", "-a", base(), folder / "root")
    yield folder / "root", folder / "wheels"
    shutil.rmtree(folder, ignore_errors=True)
