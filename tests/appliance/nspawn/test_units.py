"""The units for real: ready, fed, frozen, killed again and again, stopped on purpose; every sense in the sandbox."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import textwrap
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.appliance.board.image import own_wheel
from tests.appliance.board.steps import ROOT
from tests.appliance.nspawn.machine import SITE, Machine, booted, fresh, install
from tests.real.sites import tl1, until

__all__ = ["fresh"]
PATIENCE_S = 120.0
# A pty in a place that the agent's user may open, and its other end at a FIFO: a line that the test speaks on.
LINE = """
    import os, pty, tty
    os.makedirs("/run/pty", exist_ok=True)
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.chmod(os.ttyname(slave), 0o666)
    os.symlink(os.ttyname(slave), "/run/pty/port")
    os.mkfifo("/run/pty/say")
    say = os.open("/run/pty/say", os.O_RDWR)
    while True:
        os.write(master, os.read(say, 4096))
"""
UNITS = ("dialtone", "dialtone-failsafe", "dialtone-screen", "dialtone-reflector", "dialtone-admission")
SOCKETS = ("syslog-udp", "syslog-tcp", "traps")


@pytest.fixture(scope="module")
def on(fresh: tuple[Path, Path]) -> Iterator[Machine]:
    root, wheels = fresh
    install(root, "--wheels", wheels)
    (root / "etc/dialtone/site.toml").write_text(SITE)
    secret = root / "etc/dialtone/secrets/noc"
    secret.write_text("a password\n")
    secret.chmod(0o600)
    line = root / "usr/local/lib/line.py"
    line.write_text(textwrap.dedent(LINE))
    unit = "[Service]\nExecStart=/usr/bin/python3 /usr/local/lib/line.py\n[Install]\nWantedBy=basic.target\n"
    (root / "etc/systemd/system/line.service").write_text(unit)
    for name in ("line.service", "dialtone-syslog-udp.socket"):
        subprocess.run(["chroot", root, "systemctl", "enable", "--quiet", name], check=True)
    with booted(root) as machine:
        machine.answering()
        yield machine


def test_every_unit_is_clean_and_the_agents_exposure_is_at_most_1_5(on: Machine) -> None:
    names = [f"{name}.service" for name in UNITS] + [f"dialtone-{name}.socket" for name in SOCKETS]
    said = on.run("sh", "-c", f"cd /etc/systemd/system; systemd-analyze verify --man=no {' '.join(names)} 2>&1")
    assert "dialtone" not in said, said
    for name in UNITS:
        print(on.run("systemd-analyze", "security", "--no-pager", f"{name}.service", check=False).splitlines()[-1])
    on.run("systemd-analyze", "security", "--no-pager", "--threshold=15", "dialtone.service")


def test_it_runs_without_a_capability_as_its_own_user_and_writes_only_its_own(on: Machine) -> None:
    pid = on.unit("MainPID")
    status = dict(line.split(":\t", 1) for line in on.run("cat", f"/proc/{pid}/status").splitlines() if ":\t" in line)
    assert {int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert on.run("ps", "-o", "user=", "-p", pid).strip() == "dialtone"
    assert on.run("stat", "-c", "%a %U", "/var/lib/dialtone").strip() == "700 dialtone"
    assert on.unit("StatusText") == "watching"


def test_secrets_come_in_and_nobody_else_reads_them(on: Machine) -> None:
    assert on.run("ls", "/run/credentials/dialtone.service").split() == ["secrets_noc"]
    assert on.run("stat", "-c", "%a %U", "/etc/dialtone/secrets").strip() == "700 root"


def test_pings_a_line_the_log_and_the_journal_work_in_the_sandbox(on: Machine) -> None:
    until(lambda: "firewall icmp: up" in on.run("dialtone", "status", check=False), "no ping came back", PATIENCE_S)
    message = tl1("T1-1", "MJ", "LOS", 1)
    (on.root / "usr/local/lib/message").write_bytes(message)
    on.run("sh", "-c", "cat /usr/local/lib/message >/run/pty/say")

    def trunk_down() -> bool:
        status = on.status()
        return status is not None and any(alarm["id"] == "bank-a_los_t1-1" for alarm in status["alarms"])

    until(trunk_down, "what the line said never arrived", PATIENCE_S)
    code = (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'<134>x: hello', ('127.0.0.1', 514))"
    )
    on.run("python3", "-c", code)
    assert "dialtone" in on.unit("Triggers", "dialtone-syslog-udp.socket")
    assert on.unit("ActiveState", "dialtone-syslog-udp.socket") == "active"
    assert not any("syslog-udp" in alarm["id"] for alarm in on.answering()["alarms"]), "port 514 is not heard"
    said = on.run("sh", "-c", "dialtone verify /var/lib/dialtone --json | tail -n 1")
    assert '"whole":true' in said.replace(" ", ""), said


def test_a_clock_that_is_set_is_known_in_the_sandbox(on: Machine) -> None:
    """In here the kernel may not be asked by anybody; timesyncd, or who plays it, leaves its mark."""

    def unset() -> bool:
        return any(alarm["type"] == "clock-unsynced" for alarm in on.answering()["alarms"] if alarm["active"])

    until(unset, "a clock that nobody sets is not told", PATIENCE_S)
    on.run("sh", "-c", "mkdir -p /run/systemd/timesync; touch /run/systemd/timesync/synchronized")
    until(lambda: not unset(), "timesyncd's mark is not seen", PATIENCE_S)


def test_a_planned_stop_brings_no_fail_safe_and_a_packet_starts_nothing(on: Machine) -> None:
    on.run("systemctl", "stop", "dialtone.service")
    assert on.unit("Result") == "success"
    code = (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'<134>x: hello', ('127.0.0.1', 514))"
    )
    on.run("python3", "-c", code)
    assert on.unit("ActiveState", "dialtone-syslog-udp.socket") == "inactive"
    assert on.unit("ActiveState") == "inactive"
    assert on.unit("ActiveState", "dialtone-failsafe.service") == "inactive"
    on.run("systemctl", "start", "dialtone.service")
    on.answering()
    assert on.unit("ActiveState", "dialtone-syslog-udp.socket") == "active"


def test_a_frozen_agent_is_started_again_by_the_watchdog(on: Machine) -> None:
    restarts = int(on.unit("NRestarts"))
    on.run("systemctl", "kill", "--signal=STOP", "dialtone.service")
    until(lambda: int(on.unit("NRestarts")) > restarts, "the watchdog never fired", PATIENCE_S)
    on.answering()
    assert on.unit("ActiveState", "dialtone-failsafe.service") == "inactive"


def next_version(on: Machine, wheels: Path, suffix: str, *, starts: bool) -> None:
    """A folder of wheels and the installer in the machine; the version that they hold may not come up."""
    shutil.rmtree(on.root / "srv/next", ignore_errors=True)
    shutil.copytree(ROOT / "systemd", on.root / "srv/next/systemd")
    shutil.copytree(wheels, on.root / "srv/next/wheels")
    next((on.root / "srv/next/wheels").glob("dialtone-*")).unlink()
    with tempfile.TemporaryDirectory() as folder:
        own_wheel(Path(folder) / "made", Path(folder) / "work", suffix)
        (made,) = (Path(folder) / "made").glob("*.whl")
        with zipfile.ZipFile(made) as old, zipfile.ZipFile(on.root / "srv/next/wheels" / made.name, "w") as new:
            for name in old.namelist():
                held = old.read(name)
                if name == "agent/commands/run.py" and not starts:
                    held = held.replace(
                        b"def run(args", b"def run(args: object) -> int:\n    return 3\n\n\ndef old(args"
                    )
                new.writestr(name, held)


def test_an_upgrade_keeps_the_journal_and_one_that_does_not_come_up_is_taken_back(
    on: Machine, fresh: tuple[Path, Path]
) -> None:
    before = on.answering()
    install = ("sh", "/srv/next/systemd/install.sh", "--wheels", "/srv/next/wheels")
    next_version(on, fresh[1], ".post1", starts=True)
    on.run(*install)
    after = on.answering()
    assert after["version"] == f"{before['version']}.post1"
    assert after["journal"]["store"] == before["journal"]["store"]
    assert after["journal"]["head"] > before["journal"]["head"]
    release = on.run("readlink", "/opt/dialtone")
    assert on.run("ls", "/opt/dialtone.d").split() == [Path(release.strip()).name]

    next_version(on, fresh[1], ".post2", starts=False)
    said = on.run(*install, check=False)
    assert "the new version did not come up" in said
    assert on.run("readlink", "/opt/dialtone") == release
    assert on.answering()["version"] == after["version"]
    assert on.run("ls", "/opt/dialtone.d").split() == [Path(release.strip()).name]


def test_repeated_death_ends_in_the_fail_safe_and_a_start_ends_that(on: Machine) -> None:
    on.run("systemctl", "reset-failed", "dialtone.service")
    assert on.unit("OnFailure") == "dialtone-failsafe.service"

    def failed() -> bool:
        state = on.unit("ActiveState")
        if state == "active":
            on.run("systemctl", "kill", "--signal=KILL", "dialtone.service", check=False)
        return state == "failed"

    until(failed, "systemd never gave up", 2 * PATIENCE_S)
    # Without a chip it can't drive a horn in here: it is started, and says what it lacks.
    until(
        lambda: on.unit("ExecMainStartTimestamp", "dialtone-failsafe.service"), "the fail-safe never began", PATIENCE_S
    )
    on.run("systemctl", "reset-failed", "dialtone.service")
    on.run("systemctl", "start", "dialtone.service")
    on.answering()
    assert on.unit("ActiveState", "dialtone-failsafe.service") == "inactive"
