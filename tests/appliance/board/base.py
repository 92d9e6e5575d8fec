"""The board's Debian without the box: a root folder, the Pi's kernel, an initrd and two device trees.

Nothing of Dialtone is in here, so it is built once and kept. The kernel package is unpacked from outside:
installing it would make an initrd under emulation, which takes longer than all the rest.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.appliance.board.steps import Missing, call, digest_of, kept, step

SUITE = "bookworm"
PACKAGES = (
    "systemd systemd-sysv systemd-timesyncd udev kmod python3 python3-venv iproute2 procps nftables busybox-static"
)
# What the board needs to find its card, its network, its GPIO and its watchdog; the virt machine's too.
FOR_THE_ROOT = "sdhci-iproc bcm2835 mmc_block ext4 crc32c_generic virtio_blk virtio_pci virtio_mmio"
FOR_THE_BOARD = "dwc2 cdc_ether rndis_host usbnet bcm2835_wdt bcm2835-rng virtio_net gpio-pl061 8250_pci nf_tables"
INIT = """#!/busybox sh
/busybox mkdir -p /proc /sys /dev /card
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
while read -r module; do /busybox insmod "$module" 2>/dev/null; done </modules
for word in $(/busybox cat /proc/cmdline); do case "$word" in root=*) root="${word#root=}";; esac; done
tries=0
while [ ! -b "$root" ] && [ $tries -lt 300 ]; do /busybox sleep 0.1; tries=$((tries + 1)); done
/busybox mount -t ext4 -o rw "$root" /card || exec /busybox sh
/busybox umount /proc
/busybox mount -o move /dev /card/dev
exec /busybox switch_root /card /sbin/init
"""


def base(cache: Path) -> Path:
    """The folder with ``root.tar``, ``kernel``, ``initrd``, ``raspi3b.dtb``; built where the cache has none."""
    return kept(cache, "base", digest_of([Path(__file__)]), _build)


def _build(folder: Path) -> None:
    folder.mkdir()
    root, work = folder / "root", folder / "work"
    work.mkdir()
    _allow_emulated_programs()
    with step("a Debian for arm64, by mmdebstrap and qemu-user"):
        _debian(root, work)
    with step("the kernel's package, unpacked from outside"):
        version = _kernel(folder, root, work)
    with step("an initrd of busybox and the modules that find the card"):
        _initrd(folder, root, version)
    with step("the device tree of a Pi 3, its UART freed for the line"):
        _device_tree(folder, work, version)
    with step("the root folder, packed"):
        call("tar", "-C", root, "-cf", folder / "root.tar", ".")
    shutil.rmtree(root)
    shutil.rmtree(work)


def _allow_emulated_programs() -> None:
    """binfmt_misc must know arm64 programs, by an interpreter that it holds open, so that a chroot has it too."""
    misc = Path("/proc/sys/fs/binfmt_misc")
    if not (misc / "register").exists():
        call("mount", "-t", "binfmt_misc", "binfmt_misc", misc)
    if not (misc / "qemu-aarch64").exists():
        call("update-binfmts", "--enable", "qemu-aarch64")
    if not (misc / "qemu-aarch64").exists():
        raise Missing("binfmt_misc with qemu-aarch64 enabled")


def _debian(root: Path, work: Path) -> None:
    kernel = (
        'cd "$KERNEL" && export APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" && apt-get download "$(apt-cache depends '
        "linux-image-arm64 | sed -n 's/.*Depends: \\(linux-image-6[^ ]*\\).*/\\1/p' | head -n 1)\""
    )
    call(
        *("mmdebstrap", "--mode=root", "--architectures=arm64", "--variant=essential", "--format=directory"),
        f"--include={','.join(PACKAGES.split())}",
        *(
            "--dpkgopt=force-unsafe-io",
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/man/*",
        ),
        *("--dpkgopt=path-exclude=/usr/share/locale/*", "--dpkgopt=path-exclude=/usr/share/ca-certificates/*"),
        f"--customize-hook={kernel}",
        *(SUITE, root),
        env={"KERNEL": str(work)},
    )


def _kernel(folder: Path, root: Path, work: Path) -> str:
    (package,) = work.glob("linux-image-*.deb")
    call("dpkg-deb", "-x", package, work)
    (vmlinuz,) = work.glob("boot/vmlinuz-*")
    version = vmlinuz.name.removeprefix("vmlinuz-")
    shutil.copy(vmlinuz, folder / "kernel")
    call("depmod", "-b", work, version)
    source, target = work / "lib/modules" / version, root / "lib/modules" / version
    needs = {}
    for line in (source / "modules.dep").read_text().splitlines():
        name, _, others = line.partition(":")
        needs[_plain(name)] = [name, *others.split()]
    for word in f"{FOR_THE_ROOT} {FOR_THE_BOARD}".split():
        for name in needs.get(_plain(word), []):  # what is not a module is built in
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source / name, target / name)
    for name in ("modules.order", "modules.builtin", "modules.builtin.modinfo"):
        shutil.copy(source / name, target / name)
    call("depmod", "-b", root, version)
    return version


def _plain(module: str) -> str:
    return Path(module).name.removesuffix(".ko").replace("-", "_")


def _initrd(folder: Path, root: Path, version: str) -> None:
    tree = folder / "initrd.d"
    modules = root / "lib/modules" / version
    needs = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        name, _, others = line.partition(":")
        needs[_plain(name)] = [*reversed(others.split()), name]
    wanted = dict.fromkeys(name for word in FOR_THE_ROOT.split() for name in needs.get(_plain(word), []))
    tree.mkdir()
    for name in wanted:
        shutil.copy(modules / name, tree / Path(name).name)
    (tree / "modules").write_text("".join(f"/{Path(name).name}\n" for name in wanted))
    shutil.copy(root / "bin/busybox", tree / "busybox")
    (tree / "init").write_text(INIT)
    (tree / "init").chmod(0o755)
    call("sh", "-c", f"cd '{tree}' && find . | cpio --quiet -o -H newc >'{folder / 'initrd'}'")
    shutil.rmtree(tree)


def _device_tree(folder: Path, work: Path, version: str) -> None:
    tree = folder / "raspi3b.dtb"
    shutil.copy(work / f"usr/lib/linux-image-{version}/broadcom/bcm2837-rpi-3-b.dtb", tree)
    call("fdtput", "-r", tree, "/soc/serial@7e201000/bluetooth")
    # gpiozero asks which board this is; the firmware of a real Pi writes the same word here.
    call("fdtput", "-c", tree, "/system")
    call("fdtput", "-t", "x", tree, "/system", "linux,revision", "a02082")
