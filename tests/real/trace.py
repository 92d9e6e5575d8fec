"""Reads what ``tests.real.traced`` tells."""

from __future__ import annotations

import json
import os
import threading


class Trace:
    """Reads the child's facts off the pipe as they come."""

    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()
        self.facts: list[dict[str, object]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)

    def started(self) -> None:
        os.close(self.write_fd)
        self._thread.start()

    def _read(self) -> None:
        with os.fdopen(self.read_fd, "rb") as stream:
            for line in stream:
                if line.endswith(b"\n"):
                    self.facts.append(json.loads(line))

    def finish(self) -> None:
        self._thread.join(30)
        assert not self._thread.is_alive()

    def recorded(self) -> list[tuple[str, str]]:
        return [(str(f["recorded"]), str(f["change"])) for f in self.facts if "recorded" in f]

    def committed(self) -> set[int]:
        return {seq for f in self.facts for seq in f.get("committed", [])}  # type: ignore[attr-defined]
