"""A cluster of three NATS servers with JetStream and MQTT, in a directory of its own and on free ports."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.real.brokers import HOST, free_port

USER, PASSWORD = "testville", "right"
SBIN = Path("/usr/sbin/nats-server")
START_S = 60.0
STOP_S = 20.0
NODES = 3


def program() -> str:
    """Where nats-server is; skips where there is none."""
    found = shutil.which("nats-server") or (str(SBIN) if SBIN.exists() else None)
    if found is None:
        pytest.skip("needs nats-server (a Debian package)")
    return found


class Node:
    """One server of the cluster. ``start`` and ``kill`` it as often as need be: it keeps its ports and its data."""

    def __init__(self, directory: Path, number: int, routes: Sequence[int]) -> None:
        self.name = f"n{number}"
        self.port, self.monitor = free_port(), free_port()
        self._log = directory / f"{self.name}.log"
        self._file = directory / f"{self.name}.conf"
        self._child: subprocess.Popen[bytes] | None = None
        others = ", ".join(f"nats://{HOST}:{port}" for n, port in enumerate(routes) if n != number)
        self._file.write_text(
            f'server_name: "{self.name}"\n'
            f"listen: {HOST}:{free_port()}\n"
            f"http: {HOST}:{self.monitor}\n"
            f'jetstream {{ store_dir: "{directory / self.name}", max_file_store: 256MB, max_memory_store: 64MB }}\n'
            f"cluster {{ name: noc, listen: {HOST}:{routes[number]}, routes: [{others}] }}\n"
            f"mqtt {{ listen: {HOST}:{self.port}, stream_replicas: {NODES} }}\n"
            f"authorization {{ users: [ {{ user: {USER}, password: {PASSWORD} }} ] }}\n"
        )

    @property
    def url(self) -> str:
        """For ``urls`` in a site file."""
        return f"mqtt://{HOST}:{self.port}"

    def log(self) -> str:
        """The end of what it has said."""
        return self._log.read_text(errors="replace")[-4_000:] if self._log.exists() else ""

    def start(self) -> None:
        """Start it; ``Cluster.whole`` waits."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen([program(), "-c", str(self._file)], stdout=log, stderr=log)

    def ask(self, path: str) -> dict[str, Any]:
        """What its monitoring port answers; {} where it does not."""
        link = http.client.HTTPConnection(HOST, self.monitor, timeout=2)
        try:
            link.request("GET", path)
            answer = json.loads(link.getresponse().read())
        except (OSError, http.client.HTTPException, ValueError):
            return {}
        finally:
            link.close()
        return answer if isinstance(answer, dict) else {}

    def kill(self) -> None:
        """SIGKILL, as by a power cut."""
        assert self._child is not None
        os.kill(self._child.pid, signal.SIGKILL)
        self._child.wait(STOP_S)

    def stop(self) -> None:
        """End it by its own pid; twice is harmless."""
        child, self._child = self._child, None
        if child is None or child.poll() is not None:
            return
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


class Cluster:
    """Three nodes that find each other."""

    def __init__(self, directory: Path) -> None:
        routes = [free_port() for _ in range(NODES)]
        self.nodes = [Node(directory, n, routes) for n in range(NODES)]

    @property
    def urls(self) -> tuple[str, ...]:
        """For ``urls`` in a site file."""
        return tuple(node.url for node in self.nodes)

    def node(self, url: str) -> Node:
        """The node behind a url."""
        return next(node for node in self.nodes if node.url == url)

    def whole(self) -> None:
        """Wait until every node says that it is healthy: a leader is known and its streams have caught up."""
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if all(node.ask("/healthz").get("status") == "ok" for node in self.nodes):
                return
            time.sleep(0.1)
        raise AssertionError("the cluster is not whole:\n" + "\n".join(node.log() for node in self.nodes))

    def back(self, node: Node) -> None:
        """Wait until a node that was killed takes part again.

        Whether every replica is current is not asked: one of a consumer without news can stay behind for minutes.
        """
        end = time.monotonic() + START_S
        while time.monotonic() < end:
            if node.ask("/healthz?js-server-only=true").get("status") == "ok":
                return
            time.sleep(0.1)
        raise AssertionError("the node did not come back:\n" + node.log())


@contextlib.contextmanager
def cluster() -> Iterator[Cluster]:
    """A running cluster that is gone afterwards."""
    program()
    with tempfile.TemporaryDirectory(prefix="dt-nats-", ignore_cleanup_errors=True) as directory:
        made = Cluster(Path(directory))
        try:
            for node in made.nodes:
                node.start()
            made.whole()
            yield made
        finally:
            for node in made.nodes:
                node.stop()
