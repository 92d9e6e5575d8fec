"""The board's site, and the board running it beside a broker and a subscriber on this machine."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hw.board import load_board
from tests.appliance.board.base import base
from tests.appliance.board.gpio import CLEAR, GPIO, SET, Watch
from tests.appliance.board.image import image
from tests.appliance.board.qemu import BOOT_S, Board, board
from tests.appliance.board.steps import cache_folder
from tests.real.brokers import Broker, Subscriber, broker, subscriber
from tests.real.sites import tl1, until

PINS = {name: output.pin for name, output in load_board("dialtone-8").outputs().items()}
BUTTONS = {name: button.pin for name, button in load_board("dialtone-8").inputs().items()}
LAMP_PINS = frozenset(pin for name, pin in PINS.items() if name not in ("horn", "heartbeat"))
SITE = """
[site]
id = "boardtown"
noc_phone = "555-0100"
[[line]]
id = "bank-a"
port = "/dev/ttyAMA0"
dialect = "tl1"
trunks = {{ "T1-1" = "cama", "T1-2" = "cama" }}
[[path]]
id = "firewall"
role = "firewall"
address = "10.0.2.2"
checks = [{{ kind = "icmp" }}]
[[uplink]]
id = "primary"
urls = ["mqtt://10.0.2.2:{port}"]
[panel]
board = "dialtone-8"
pins = "lgpio"
[host]
"""


class Box:
    """A board with its broker and subscriber; ``watch`` is the panel as the registers show it."""

    def __init__(self, board: Board, broker: Broker, subscriber: Subscriber) -> None:
        self.board, self.broker, self.subscriber = board, broker, subscriber
        self.watch: Watch | None = None

    def power_on(self) -> None:
        """Switch on, and look at the pins from the first moment."""
        self.board.start()
        self.release(*BUTTONS)
        self.watch = Watch(self.board.look)

    def power_off(self) -> None:
        """Pull the plug."""
        self.board.cut()
        if self.watch is not None:
            self.watch.close()

    def line_speaks(self) -> None:
        """The bank says what a healthy bank says now and then, until ``ok`` is lit: it is dark while the line is mute."""

        def lit() -> bool:
            self.board.uart.send(tl1("T1-1", "CL", "LOS", 0, almcde="A "))
            time.sleep(1)
            return self.watch is not None and PINS["ok"] in self.watch.samples[-1].high

        until(lit, "ok never lit", BOOT_S)

    def press(self, *buttons: str) -> None:
        """The contact closes to ground. QEMU sets levels and no edges: the agent finds it at its next look."""
        self.board.touch(f"writel 0x{GPIO + CLEAR:x} 0x{sum(1 << BUTTONS[name] for name in buttons):x}")

    def release(self, *buttons: str) -> None:
        """The contact opens, and the pull that QEMU does not model takes the pin up."""
        self.board.touch(f"writel 0x{GPIO + SET:x} 0x{sum(1 << BUTTONS[name] for name in buttons):x}")

    def settle(self) -> None:
        """Wait until the console and the agent answer."""
        self.board.console.ready()
        self.answering()

    def answering(self, patience_s: float = BOOT_S) -> dict[str, Any]:
        """The agent's status, once it answers, is connected upstream and holds its port."""

        def ready() -> dict[str, Any] | None:
            status = self.status()
            if status is None or not all(u.get("connected") for u in status["uplinks"]):
                return None
            return status

        answer: dict[str, Any] = until(ready, "the agent never answered", patience_s)
        return answer

    def status(self) -> dict[str, Any] | None:
        """``dialtone status --json`` on the board, or None while it does not answer."""
        said = self.board.console.run("/opt/dialtone/bin/dialtone status --json", check=False)
        with contextlib.suppress(ValueError):
            found: dict[str, Any] = json.loads(said.splitlines()[-1] if said else "")
            return found
        return None

    def horn_due(self) -> bool:
        """Whether the agent would have the horn sound."""
        status = self.status()
        return status is None or status["horn"] != "none"

    def dialtone(self, words: str, *, check: bool = True) -> str:
        """A verb of the command line, on the board."""
        return self.board.console.run(f"/opt/dialtone/bin/dialtone {words}", check=check)

    def unit(self, *names: str, unit: str = "dialtone.service") -> dict[str, str]:
        """What systemd says of a unit."""
        said = self.board.console.run(f"systemctl show {unit} -p {','.join(names)}")
        return dict(line.split("=", 1) for line in said.splitlines() if "=" in line)

    def verify(self) -> dict[str, Any]:
        """``dialtone verify --json`` on the board: the journal's chain from end to end."""
        said = self.dialtone("verify /var/lib/dialtone --json", check=False)
        found: dict[str, Any] = json.loads(said.splitlines()[-1])
        return found


@contextlib.contextmanager
def box() -> Iterator[Box]:
    """A box on a fresh card, off; its broker and subscriber run."""
    cache = cache_folder()
    with (
        tempfile.TemporaryDirectory(prefix="dt-board-") as scratch,
        broker() as hub,
        subscriber(hub.port) as noc,
        board(base(cache), image(cache), Path(scratch)) as made,
    ):
        made.put(SITE.format(port=hub.port), "/etc/dialtone/site.toml")
        box = Box(made, hub, noc)
        try:
            yield box
        finally:
            box.power_off()
