"""Network namespaces for one test: probe, LAN switch, firewall, router, the provider's network, far end and NOC.

::

    probe -- lan (bridge) -- firewall -- router -- wan (bridge) -- far (the far end)
      |                                                      \\---- noc (our reflector, the NOC's broker)
      \\------------------ cellular ------------------------------/

Each is a namespace (ip-netns(8)) whose name no other run has, joined by veth pairs (veth(4)). Nothing outside them gets
an address, a route or a rule. ``close`` ends every process that was started in them, by its id, and removes them all.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pytest

ROOT = Path(__file__).parent.parent.parent.parent
SBIN = "/usr/sbin:/sbin"
CLONE_NEWNET = 0x40000000  # setns(2)
END_S = 10.0
RUN_S = 30.0

SWITCH, PROBE, FIREWALL, FIREWALL_WAN = "10.77.1.2", "10.77.1.10", "10.77.1.1", "10.77.2.1"
ROUTER, ROUTER_WAN, FAR, NOC = "10.77.2.2", "10.77.3.1", "10.77.3.10", "10.77.3.9"
PROBE_CELLULAR, NOC_CELLULAR = "10.77.9.2", "10.77.9.1"
NAMES = ("probe", "lan", "firewall", "router", "wan", "far", "noc")
_number = itertools.count()


def program(name: str, package: str) -> str:
    """Where a program is; the test is skipped where its Debian package is not installed."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:{SBIN}")
    if found is None:
        pytest.skip(f"needs {name} (Debian package {package})")
    return found


class Network:
    """The namespaces and what runs in them; a context manager. ``directory``: for the files of what runs here."""

    def __init__(self) -> None:
        if os.geteuid() != 0:
            pytest.skip("needs root (network namespaces)")
        self._ip = program("ip", "iproute2")
        program("nft", "nftables")
        program("conntrack", "conntrack")
        self._prefix = f"dt-{os.getpid()}-{next(_number)}"
        self._made: list[str] = []
        self._children: list[subprocess.Popen[bytes]] = []
        self.directory = Path(tempfile.mkdtemp(prefix="dt-"))
        self.directory.chmod(0o755)  # servers give up root before they read what lies there

    def __enter__(self) -> Network:
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def name(self, ns: str) -> str:
        """The namespace's real name."""
        return f"{self._prefix}-{ns}"

    def run(self, ns: str, argv: Sequence[str], *, stdin: str = "", check: bool = True) -> str:
        """Run a program in a namespace to its end; what it printed. Raises AssertionError where it fails."""
        return self._call([self._ip, "netns", "exec", self.name(ns), *argv], stdin, check)

    def popen(self, ns: str, argv: Sequence[str], log: str | None = None, **kinds: object) -> subprocess.Popen[bytes]:
        """Start a program in a namespace; its words go to ``log`` in ``directory``. ``ip netns exec`` becomes it."""
        command = [self._ip, "netns", "exec", self.name(ns), *argv]
        if log is None:
            child = subprocess.Popen(command, cwd=ROOT, **kinds)  # type: ignore[call-overload]
        else:
            with (self.directory / log).open("ab") as out:
                child = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, **kinds)  # type: ignore[call-overload]
        self._children.append(child)
        return child  # type: ignore[no-any-return]

    @property
    def pids(self) -> list[int]:
        """Every child that still runs."""
        return [child.pid for child in self._children if child.poll() is None]

    def end(self, child: subprocess.Popen[bytes]) -> int:
        """End one child by its id, by force where it does not listen; its status."""
        if child.poll() is None:
            child.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(END_S)
        if child.poll() is None:
            child.kill()
        if child in self._children:
            self._children.remove(child)
        return child.wait()

    def socket(self, ns: str, kind: socket.SocketKind, protocol: int = 0) -> socket.socket:
        """An IPv4 socket of that namespace in this very process, with a timeout of 1 s.

        A socket stays in the namespace of the thread that made it (namespaces(7)).
        """
        made: list[socket.socket | OSError] = []
        where = Path("/run/netns", self.name(ns))

        def make() -> None:
            libc = ctypes.CDLL(None, use_errno=True)
            with where.open() as file:
                if libc.setns(file.fileno(), CLONE_NEWNET) != 0:
                    made.append(OSError(ctypes.get_errno(), "setns"))
                    return
            try:
                made.append(socket.socket(socket.AF_INET, kind, protocol))
            except OSError as error:
                made.append(error)

        thread = threading.Thread(target=make, name="setns")
        thread.start()
        thread.join()
        if isinstance(made[0], OSError):
            raise made[0]
        made[0].settimeout(1)
        return made[0]

    def close(self) -> None:
        """End what runs in the namespaces and remove them; twice is harmless."""
        for child in self._children:
            with contextlib.suppress(OSError):
                child.terminate()
        for child in list(self._children):
            self.end(child)
        for name in self._made:
            self._sweep(name)
            self._call([self._ip, "netns", "del", name], "", check=False)
        self._made.clear()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _sweep(self, name: str) -> None:
        """What our children left running: a namespace that this test made holds nothing else."""
        end = time.monotonic() + END_S
        while time.monotonic() < end:
            left = self._call([self._ip, "netns", "pids", name], "", check=False).split()
            if not left:
                return
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.05)

    def _call(self, command: Sequence[str], stdin: str = "", check: bool = True) -> str:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=RUN_S, check=False)
        if check:
            assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}{done.stderr}"
        return done.stdout

    def _build(self) -> None:
        for ns in NAMES:
            made = subprocess.run(
                [self._ip, "netns", "add", self.name(ns)], capture_output=True, text=True, timeout=RUN_S, check=False
            )
            if made.returncode != 0:
                pytest.skip(f"needs network namespaces: {made.stderr.strip()}")
            self._made.append(self.name(ns))
            self._links(ns, "link set lo up")
            # No router advertisements and no duplicate detection to wait for: the site speaks IPv4.
            self.run(ns, ["sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", "net.ipv6.conf.default.disable_ipv6=1"])
        for bridge in ("lan", "wan"):
            self._links(bridge, "link add br0 type bridge forward_delay 0", "link set br0 up")
        for one, its, other, others in (
            ("probe", "lan0", "lan", "p0"),
            ("firewall", "lan0", "lan", "p1"),
            ("firewall", "wan0", "router", "lan0"),
            ("router", "wan0", "wan", "p0"),
            ("far", "eth0", "wan", "p1"),
            ("noc", "eth0", "wan", "p2"),
            ("probe", "cell0", "noc", "cell0"),
        ):
            peer = ["peer", "name", others, "netns", self.name(other)]
            self._call([self._ip, "link", "add", its, "netns", self.name(one), "type", "veth", *peer])
            for ns, name in ((one, its), (other, others)):
                bridged = ns in ("lan", "wan")
                self._links(ns, f"link set {name} {'master br0 ' if bridged else ''}up")
        self._links("lan", f"addr add {SWITCH}/24 dev br0", f"route add default via {FIREWALL}")
        self._links(
            "probe",
            f"addr add {PROBE}/24 dev lan0",
            f"addr add {PROBE_CELLULAR}/24 dev cell0",
            f"route add default via {FIREWALL}",
        )
        self._links(
            "firewall",
            f"addr add {FIREWALL}/24 dev lan0",
            f"addr add {FIREWALL_WAN}/24 dev wan0",
            f"route add default via {ROUTER}",
        )
        self._links("router", f"addr add {ROUTER}/24 dev lan0", f"addr add {ROUTER_WAN}/24 dev wan0")
        self._links("router", f"route add 10.77.1.0/24 via {FIREWALL_WAN}")
        self._links("far", f"addr add {FAR}/24 dev eth0", f"route add default via {ROUTER_WAN}")
        self._links("noc", f"addr add {NOC}/24 dev eth0", f"addr add {NOC_CELLULAR}/24 dev cell0")
        self._links("noc", f"route add default via {ROUTER_WAN}")
        for ns in ("firewall", "router"):
            self.run(ns, ["sysctl", "-qw", "net.ipv4.ip_forward=1"])

    def link(self, ns: str, interface: str, *, up: bool) -> None:
        """Pull a cable, or plug it in again. What its loss took out of the route table is put back."""
        self._links(ns, f"link set {interface} {'up' if up else 'down'}")

    def _links(self, ns: str, *commands: str) -> None:
        for command in commands:
            self._call([self._ip, "-n", self.name(ns), *command.split()])
