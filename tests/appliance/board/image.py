"""The card: the base, the box put in as a technician would, and what only the test needs (a shell on the console)."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from tests.appliance.board.base import base
from tests.appliance.board.steps import ROOT, call, digest_of, kept, step

PARTS = ("agent", "hw", "systemd", "setup.cfg", "pyproject.toml", "README.md", "LICENSE")
PLATFORMS = ("manylinux_2_34", "manylinux_2_28", "manylinux2014", "manylinux_2_17")
SOURCE_ONLY = ("snmp>=1.2,<2", "sdnotify>=0.3.2,<1")  # pure Python, but published as source alone
PIP = (sys.executable, "-m", "pip")
UPGRADE = "srv/upgrade"
SIZE = "1G"  # QEMU takes cards whose size is a power of two
# Nothing that the box needs; under emulation each costs seconds of the start.
MASKED = """
    systemd-binfmt.service proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount getty-static.service
    getty.target console-getty.service serial-getty@ttyS1.service apt-daily.timer apt-daily-upgrade.timer
    dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service fstrim.timer systemd-networkd-wait-online.service
    systemd-timesyncd.service systemd-rfkill.service systemd-rfkill.socket systemd-update-utmp.service
    systemd-update-utmp-runlevel.service systemd-pcrphase.service systemd-pcrphase-sysinit.service
    dev-mqueue.mount dev-hugepages.mount sys-kernel-debug.mount sys-kernel-tracing.mount modprobe@drm.service
    systemd-ask-password-console.path systemd-ask-password-wall.path remote-fs.target remote-cryptsetup.target
    modprobe@loop.service modprobe@fuse.service modprobe@efi_pstore.service modprobe@dm_mod.service
    modprobe@configfs.service sys-fs-fuse-connections.mount sys-kernel-config.mount systemd-logind.service
    systemd-random-seed.service systemd-pstore.service
""".split()
NETWORK = """[Match]
Name=eth* usb* en*
[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
"""
CONSOLE = """[Unit]
Description=A root shell on a serial port, for the test alone
DefaultDependencies=no
After=local-fs.target
ConditionKernelCommandLine=board.console=%I
[Service]
ExecStart=/bin/sh -s
StandardInput=tty-force
StandardOutput=tty
StandardError=tty
TTYPath=/dev/%I
WorkingDirectory=/run
Restart=always
RestartSec=0
[Install]
WantedBy=basic.target
"""
# A real box has NTP or GPS. The emulated one has no clock: it is told the time, and that it is right (adjtimex(2) with
# ADJ_STATUS, ADJ_MAXERROR and ADJ_ESTERROR, all zero; 171 is its number on arm64), as systemd-timesyncd would say it too.
CLOCK = """[Unit]
Description=The time, from the kernel's command line, for the test alone
DefaultDependencies=no
After=local-fs.target
Before=dialtone.service
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'date -s @$$(sed "s/.*board.time=\\\\([0-9]*\\\\).*/\\\\1/" /proc/cmdline)'
ExecStart=/usr/bin/perl -e 'my $$timex = pack("L x4 q4 l x164", 0x1c, 0, 0, 0, 0, 0); exit(syscall(171, $$timex) < 0)'
ExecStart=/bin/sh -c 'mkdir -p /run/systemd/timesync; touch /run/systemd/timesync/synchronized'
[Install]
WantedBy=sysinit.target
"""


def sources() -> list[Path]:
    """Every file that goes into the box."""
    found = []
    for part in PARTS:
        path = ROOT / part
        found += (
            [p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts] if path.is_dir() else [path]
        )
    return found


def image(cache: Path) -> Path:
    """The folder with ``card.img``; built where the cache has none for this code."""
    lower = base(cache)
    key = digest_of([*sources(), Path(__file__)], lower.name, sys.version)
    return kept(cache, "image", key, lambda folder: _build(folder, lower))


def _build(folder: Path, lower: Path) -> None:
    folder.mkdir()
    root = folder / "root"
    root.mkdir()
    with step("the base, unpacked"):
        call("tar", "-C", root, "-xf", lower / "root.tar")
    with step("wheels for arm64, of this code and of a next version"):
        wheels(folder / "wheels", folder / "work", "")
        shutil.copytree(folder / "wheels", root / UPGRADE / "wheels")
        (next(iter((root / UPGRADE / "wheels").glob("dialtone-*.whl")))).unlink()
        own_wheel(root / UPGRADE / "wheels", folder / "work", ".post1")
        shutil.copytree(ROOT / "systemd", root / UPGRADE / "systemd")
    with step("the box put in"):
        put_in(root, folder / "wheels")
    with step("what the test needs: a console, a fixed address"):
        _for_the_test(root)
    with step(f"the card, ext4 of {SIZE}"):
        call("mke2fs", "-q", "-t", "ext4", "-L", "board", "-d", root, folder / "card.img", SIZE)
    for scratch in ("root", "work", "wheels"):
        shutil.rmtree(folder / scratch)


def own_wheel(into: Path, work: Path, suffix: str) -> None:
    """This code as a wheel; with ``suffix`` it calls itself a later version."""
    copy = work / f"source{suffix}"
    for file in sources():
        target = copy / file.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    init = copy / "agent/__init__.py"
    init.write_text(re.sub(r'(__version__ = "[^"]+)"', rf'\1{suffix}"', init.read_text()))
    call(*PIP, "wheel", "-q", "--no-deps", "-w", into, copy)


def wheels(into: Path, work: Path, suffix: str) -> None:
    """A folder from which pip on the board installs without a network."""
    own_wheel(into, work, suffix)
    platforms = [word for name in PLATFORMS for word in ("--platform", f"{name}_aarch64")]
    (own,) = into.glob("dialtone-*.whl")
    call(*PIP, "wheel", "-q", "--no-deps", "-w", into, *SOURCE_ONLY)
    download = ("download", "-q", "-d", into, "--find-links", into, "--python-version", "3.11", "--only-binary=:all:")
    call(*PIP, *download, *platforms, f"dialtone[pi] @ {own.as_uri()}")


def put_in(root: Path, wheels: Path) -> None:
    """The box into ``root``, by its own installer; by hand what that does, where there is none."""
    installer = ROOT / "systemd/install.sh"
    if installer.exists():
        call("sh", installer, "--root", root, "--wheels", wheels)
        return
    inside = root / "tmp/wheels"
    shutil.copytree(wheels, inside)
    call("chroot", root, "python3", "-m", "venv", "/opt/dialtone")
    pip = ("/opt/dialtone/bin/python", "-m", "pip", "install", "-q", "--no-index")
    call("chroot", root, *pip, "--find-links", "/tmp/wheels", "dialtone[pi]")
    shutil.rmtree(inside)
    for group in ("gpio", "dialtone"):
        call("chroot", root, "groupadd", "--system", group)
    call("chroot", root, "useradd", "--system", "-g", "dialtone", "-G", "dialout,gpio", "-M", "dialtone")
    _write(root / "etc/udev/rules.d/60-dialtone.rules", 'SUBSYSTEM=="gpio", GROUP="gpio", MODE="0660"\n')
    _write(root / "etc/sysctl.d/60-dialtone.conf", "net.ipv4.ping_group_range = 0 2147483647\n")
    for unit in (ROOT / "systemd").glob("dialtone*.service"):
        shutil.copy(unit, root / "etc/systemd/system" / unit.name)
    _enable(root, "dialtone.service")


def _for_the_test(root: Path) -> None:
    _write(root / "etc/systemd/network/10-board.network", NETWORK)
    _write(root / "etc/systemd/system/board-console@.service", CONSOLE)
    # QEMU's BCM2835 takes the arming of the watchdog for its firing and resets at once: this one can't be had in here.
    _write(root / "etc/systemd/system.conf.d/60-dialtone.conf", "[Manager]\nRuntimeWatchdogSec=off\n")
    _write(root / "etc/hostname", "board\n")
    _write(root / "etc/fstab", "")
    _write(root / "etc/dialtone/site.toml", "")
    _write(root / "etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    _write(root / "etc/systemd/system/board-clock.service", CLOCK)
    for unit in (
        "systemd-networkd.service",
        "board-console@ttyS1.service",
        "board-console@ttyAMA0.service",
        "board-clock.service",
    ):
        _enable(root, unit)
    for unit in MASKED:
        link = root / "etc/systemd/system" / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")


def _enable(root: Path, unit: str) -> None:
    call("chroot", root, "systemctl", "enable", "--quiet", unit)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
