"""A real MQTT broker for the demo: mosquitto where it is installed, else amqtt from PyPI in a child process.

``python -m agent.sim.broker PORT`` is that child. Both listen on 127.0.0.1 only, take anybody, keep nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.metadata
import importlib.util
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

from agent.sim.children import Child, end, last_words, spawn

HOST = "127.0.0.1"
SBIN = Path("/usr/sbin/mosquitto")
START_S = 20.0
STOP_S = 5.0
POLL_S = 0.05
LOG = "broker.log"
NEITHER = "the demo needs a broker: pip install 'dialtone[demo]', or apt install mosquitto"


class NoBroker(Exception):
    """No broker can be had, or it did not start; the text says why and what to do."""


class Broker:
    """One broker on a free port of 127.0.0.1; it can be stopped and started again on the same port."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._child: Child | None = None
        self.port = free_port()
        self._command, self.name = self._choose()

    def _choose(self) -> tuple[list[str], str]:
        mosquitto = shutil.which("mosquitto") or (str(SBIN) if os.access(SBIN, os.X_OK) else None)
        if mosquitto is not None:
            config = self._directory / "mosquitto.conf"
            # Root's mosquitto would become another user, and lose its tether to the demo (children.py) by that.
            user = "user root\n" if os.geteuid() == 0 else ""
            config.write_text(f"{user}listener {self.port} {HOST}\nallow_anonymous true\npersistence false\n")
            return [mosquitto, "-c", str(config)], f"mosquitto {mosquitto_version(mosquitto)}".strip()
        if importlib.util.find_spec("amqtt") is not None:
            version = importlib.metadata.version("amqtt")
            return [sys.executable, "-m", "agent.sim.broker", str(self.port)], f"amqtt {version} (MQTT 3.1.1)"
        raise NoBroker(NEITHER)

    @property
    def pid(self) -> int | None:
        """The running broker's process id, None while it is stopped."""
        return self._child.pid if self._child is not None else None

    async def start(self) -> None:
        """Start and wait until it accepts connections. Raises ``NoBroker``."""
        if self._child is not None:
            return
        self._child = spawn(self._command, self._directory, LOG)
        try:
            async with asyncio.timeout(START_S):
                while not await answers(self.port):
                    if self._child.poll() is not None:
                        raise NoBroker(f"{self.name} ended with status {self._child.returncode}: {self._words()}")
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            await self.stop()
            raise NoBroker(f"{self.name} did not answer within {START_S:g} s: {self._words()}") from None

    async def stop(self) -> None:
        """End it, by its own process id; twice is harmless."""
        child, self._child = self._child, None
        if child is not None:
            await end(child, STOP_S)

    def _words(self) -> str:
        return last_words(self._directory, LOG)


def free_port() -> int:
    """A port of 127.0.0.1 that is free now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def mosquitto_version(program: str) -> str:
    """mosquitto's own word on its version; empty where it says none."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        told = subprocess.run([program, "-h"], capture_output=True, timeout=5, check=False).stdout  # noqa: S603
        words = told.decode(errors="replace").split()
        if "version" in words[:-1]:
            return words[words.index("version") + 1]
    return ""


async def answers(port: int) -> bool:
    """Whether something accepts TCP connections at ``port``."""
    try:
        async with asyncio.timeout(1.0):
            _reader, writer = await asyncio.open_connection(HOST, port)
    except OSError:
        return False
    writer.close()
    return True


async def _run_amqtt(port: int) -> None:
    from amqtt.broker import Broker as Amqtt

    config: dict[str, Any] = {
        "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    broker = Amqtt(config)
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    await broker.start()
    await stopped.wait()
    await broker.shutdown()


def main() -> int:
    """The child's own main."""
    parser = argparse.ArgumentParser(prog="python -m agent.sim.broker", description="amqtt on a port of 127.0.0.1")
    parser.add_argument("port", type=int)
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(_run_amqtt(parser.parse_args().port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
