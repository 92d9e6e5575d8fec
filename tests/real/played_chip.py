"""The other end of ``tests/real/pins/lgpio.py``: a GPIO chip in the test, with the pull resistors of dialtone-8's board.

What a real pin does after a crash is decided by those resistors: the kernel lets a dead process's lines go, they become
inputs, and the panel's pull-downs hold the drivers off. That is played here, not proved.
"""

from __future__ import annotations

import json
import os
import socket
import tempfile
import threading
import time
from pathlib import Path

from hw.board import load_board

RELAY_S = 3.0
"""How long the heartbeat's relay holds after the last change (hw/WIRING.md)."""
WINK_S = 4.0
"""Twice the wink's period: an `ok` without a wink for so long is not a well box to anybody who was told."""
BOARD = load_board("dialtone-8")
PIN = {name: output.pin for name, output in BOARD.outputs().items()}


class PlayedChip:
    """Lines and who holds them. ``edges``: when which pin changed to which level."""

    def __init__(self) -> None:
        self._directory = tempfile.TemporaryDirectory(prefix="dt-chip-")
        self.path = Path(self._directory.name) / "chip"
        self.levels: dict[int, int] = {}
        self.edges: list[tuple[float, int, int]] = []
        self._holders: dict[int, socket.socket] = {}
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self.path))
        self._listener.listen()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def environment(self) -> dict[str, str]:
        here = Path(__file__).parent
        path = os.pathsep.join([str(here / "pins"), str(here.parent.parent)])
        return {"PYTHONPATH": path, "PLAYED_CHIP": str(self.path), "LG_WD": self._directory.name}

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # or its thread would go on accepting at the next chip's descriptor
        self._accepting.join(30)
        self._listener.close()
        self._directory.cleanup()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, client.makefile("rb") as lines:
            try:
                for line in lines:
                    client.sendall(json.dumps(self._do(client, json.loads(line))).encode() + b"\n")
            except OSError:
                pass
            finally:
                with self._lock:
                    for pin in [pin for pin, holder in self._holders.items() if holder is client]:
                        del self._holders[pin]
                        self._set(pin, 0)  # an input now: the board's pull-down

    def _do(self, client: socket.socket, asked: dict[str, int | None]) -> dict[str, str]:
        pin = asked["claim"]
        assert pin is not None
        with self._lock:
            if self._holders.setdefault(pin, client) is not client:
                return {"error": "GPIO busy"}
            self._set(pin, asked["level"] or 0)
        return {}

    def _set(self, pin: int, level: int) -> None:
        if self.levels.get(pin, 0) != level:
            self.levels[pin] = level
            self.edges.append((time.monotonic(), pin, level))

    # -- what somebody in the room sees ----------------------------------------------------------------------------

    def lit(self, name: str) -> bool:
        return bool(self.levels.get(PIN[name], 0))

    def changed_within(self, name: str, seconds: float) -> bool:
        with self._lock:
            last = max((at for at, pin, _ in self.edges if pin == PIN[name]), default=0.0)
        return time.monotonic() - last < seconds

    def relay_holds(self) -> bool:
        """The `ok` contact of the heartbeat's relay."""
        return self.changed_within("heartbeat", RELAY_S)

    def looks_healthy(self) -> bool:
        """Lit and winking, or the relay held: either would tell somebody that all is well."""
        return (self.lit("ok") and self.changed_within("ok", WINK_S)) or self.relay_holds()

    def sounding(self, since: float) -> list[tuple[float, int]]:
        """The horn's changes since then."""
        with self._lock:
            return [(at, level) for at, pin, level in self.edges if pin == PIN["horn"] and at >= since]
