"""RabbitMQ with its MQTT plugin: in a directory of its own, on free ports, with an epmd of its own.

Debian's ``rabbitmq-server`` in PATH changes to the user rabbitmq and to the system's directories; the script behind it
does neither. With RABBITMQ_ALLOW_INPUT that script becomes the Erlang machine, so that its pid is the broker's.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.brokers import HOST, free_port

USER, PASSWORD = "testville", "right"
SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
START_S = 120.0
STOP_S = 30.0


def serves(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), 1):
        return True
    return False


class Rabbit:
    """One node. ``start`` and ``stop`` it as often as need be: it keeps its port and its data."""

    def __init__(self, directory: Path) -> None:
        if not SCRIPT.exists():
            pytest.skip("needs RabbitMQ (Debian package rabbitmq-server)")
        self.port, self._epmd_port = free_port(), free_port()
        self._log = directory / "log"
        self._epmd: subprocess.Popen[bytes] | None = None
        self._child: subprocess.Popen[bytes] | None = None
        (directory / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\n"
            f"mqtt.listeners.tcp.default = {HOST}:{self.port}\n"
            f"mqtt.allow_anonymous = false\n"
            f"default_user = {USER}\n"
            f"default_pass = {PASSWORD}\n"
            f"disk_free_limit.absolute = 1MB\n"
            f"log.console = true\n"
            f"log.file = false\n"
        )
        (directory / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        own = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
        self._environment = own | {
            "HOME": str(directory),  # Erlang's cookie
            "ERL_EPMD_PORT": str(self._epmd_port),
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
            "RABBITMQ_CONFIG_FILE": str(directory / "rabbitmq.conf"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(directory / "enabled_plugins"),
            "RABBITMQ_LOG_BASE": str(directory),
            "RABBITMQ_MNESIA_BASE": str(directory / "data"),
            "RABBITMQ_NODENAME": f"dialtone-{self.port}@localhost",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-noinput -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    @property
    def url(self) -> str:
        """For ``urls`` in a site file."""
        return f"mqtt://{HOST}:{self.port}"

    def log(self) -> str:
        """The end of what it has said."""
        return self._log.read_text(errors="replace")[-4_000:] if self._log.exists() else ""

    def start(self) -> None:
        """Start, and wait until it accepts MQTT."""
        if self._epmd is None:
            epmd = shutil.which("epmd")
            assert epmd is not None, "RabbitMQ without Erlang's epmd"
            command = [epmd, "-port", str(self._epmd_port), "-address", HOST]
            self._epmd = subprocess.Popen(command, env=self._environment)
            self._await(self._epmd, self._epmd_port, "epmd")
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(
                [str(SCRIPT)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )
        self._await(self._child, self.port, "RabbitMQ")

    def _await(self, child: subprocess.Popen[bytes], port: int, name: str) -> None:
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            assert child.poll() is None, f"{name} ended with {child.returncode}: {self.log()}"
            if serves(port):
                return
            time.sleep(0.1)
        raise AssertionError(f"{name} did not start: {self.log()}")

    def kill(self) -> None:
        """SIGKILL, as by a power cut; its helpers end with their pipes."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait(STOP_S)

    def stop(self) -> None:
        """End both by their own pids; twice is harmless."""
        for child in (self._child, self._epmd):
            if child is not None and child.poll() is None:
                child.terminate()
                try:
                    child.wait(STOP_S)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()
        self._child = self._epmd = None


@contextlib.contextmanager
def rabbit() -> Iterator[Rabbit]:
    """A running RabbitMQ that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="dt-rabbit-", ignore_cleanup_errors=True) as directory:
        made = Rabbit(Path(directory))
        try:
            made.start()
            yield made
        finally:
            made.stop()
