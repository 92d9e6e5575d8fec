"""A button on QEMU's ``virt`` machine: the same code, kernel interface and library on another chip (PL061).

The PL061 has eight lines and lies on no 40-pin header, so it is not the agent that runs here but the very input code of
the panel, with the same kernel, lgpio and gpiozero.
"""

from __future__ import annotations

import re
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.appliance.board.base import base
from tests.appliance.board.image import image
from tests.appliance.board.qemu import Board, board, chardev
from tests.appliance.board.steps import cache_folder, call
from tests.real.sites import until

LINE = 6
PRESSES = 5
LISTENER = f"""
import os, time
os.environ["LG_WD"] = "/run"
from hw.board import Button
from hw.inputs import PinInputs
from hw.panel import _build_factory
said = open("/run/edges", "w", buffering=1)
inputs = PinInputs(_build_factory("lgpio"), {{"ack": Button(pin={LINE})}})
before = inputs.closed()
print("ready", *inputs.faults, file=said)
for _ in range(12000):  # as the agent looks
    time.sleep(0.05)
    if inputs.closed() != before:
        before = inputs.closed()
        print("ack", before["ack"], file=said)
"""


class Virt(Board):
    """The same card in QEMU's ``virt`` machine with a Pi's processor; its PL061 is the only GPIO chip."""

    append = "console=ttyAMA0 board.console=ttyAMA0 root=/dev/vda systemd.mask=dialtone.service"

    def _machine(self, run: Path) -> list[str | Path]:
        tree = run / "virt.dtb"
        machine: list[str | Path] = ["-cpu", "cortex-a53", "-smp", "2", "-m", "512"]
        call("qemu-system-aarch64", "-M", f"virt,dumpdtb={tree}", *machine, "-display", "none", "-nodefaults")
        call("fdtput", "-r", tree, "/gpio-keys")  # else the kernel takes the power button's line for itself
        call("fdtput", "-c", tree, "/system")
        call("fdtput", "-t", "x", tree, "/system", "linux,revision", "a02082")
        words: list[str | Path] = [
            *("-M", "virt", *machine, "-dtb", tree, "-drive", f"file={self.card},if=none,id=card,format=raw"),
            *("-device", "virtio-blk-device,drive=card"),
            *(*chardev(run, "console"), "-serial", "chardev:console", *chardev(run, "uart")),
        ]
        return words


@pytest.mark.skipif(find_spec("hw.inputs") is None, reason="this box hears no buttons yet: there is no hw.inputs")
def test_each_press_is_heard_once() -> None:
    cache = cache_folder()
    with (
        tempfile.TemporaryDirectory(prefix="dt-board-") as scratch,
        board(base(cache), image(cache), Path(scratch), Virt) as virt,
    ):
        virt.start()
        virt.console.ready()
        print(f"\n    virt: power to a shell {time.monotonic() - virt.started_s:.1f} s", flush=True)
        tree = virt.qmp.ask("human-monitor-command", **{"command-line": "info qom-tree"})
        chip = re.search(r"/(device\[\d+\]) \(pl061\)", tree)
        assert chip is not None, tree
        wire = f"set_irq_in /machine/unattached/{chip[1]} unnamed-gpio-in {LINE}"
        virt.touch(f"{wire} 1")  # the pull-up that a contact closes to ground
        virt.console.run(f"cat >/run/listener.py <<'PY'\n{LISTENER}\nPY")
        virt.console.run("cd /run; /opt/dialtone/bin/python /run/listener.py >/run/listener.log 2>&1 & :")

        def heard() -> list[str]:
            return virt.console.run("touch /run/edges; cat /run/edges /run/listener.log").splitlines()

        said = until(heard, "no listener", 120)
        assert said == ["ready"], said
        expected = ["ready"]
        for _ in range(PRESSES):
            for level, words in ((0, "ack True"), (1, "ack False")):
                virt.touch(f"{wire} {level}")
                expected.append(words)
                until(lambda: len(heard()) >= len(expected), words)
                assert heard() == expected
        print(f"    {PRESSES} presses: each heard once closed and once open", flush=True)
