"""The demo's children end with it, whatever ends it; and its brokers are real."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.sim import broker, children

GENEROUS_S = 30.0
PARENT = """
import sys, time
from pathlib import Path
from agent.sim.children import spawn
child = spawn([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]), "log")
print(child.pid, flush=True)
time.sleep(600)
"""


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def gone(pid: int) -> bool:
    until_s = time.monotonic() + GENEROUS_S
    while is_there(pid) and time.monotonic() < until_s:
        time.sleep(0.05)
    return not is_there(pid)


def test_a_killed_parent_takes_its_child_along(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, env=children.environment()
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        time.sleep(0.5)
        assert is_there(pid)
        parent.kill()
        parent.wait()
        assert gone(pid)


def test_a_child_that_will_not_end_is_killed_with_its_group(tmp_path: Path) -> None:
    stubborn = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)"
    )

    async def run() -> int:
        child = children.spawn([sys.executable, "-c", stubborn], tmp_path, "log")
        async with asyncio.timeout(GENEROUS_S):
            while "deaf" not in (tmp_path / "log").read_text():
                await asyncio.sleep(0.05)
        assert os.getpgid(child.pid) == child.pid
        await children.end(child, 0.3)
        return int(child.returncode)

    assert asyncio.run(run()) == -signal.SIGKILL


@pytest.mark.parametrize("which", ["mosquitto", "amqtt"])
def test_a_broker_starts_stops_and_starts_again_on_its_port(
    which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if which == "amqtt":
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(broker, "SBIN", tmp_path / "mosquitto")
    elif broker.shutil.which("mosquitto") is None and not os.access(broker.SBIN, os.X_OK):
        pytest.skip("needs mosquitto")

    async def run() -> None:
        one = broker.Broker(tmp_path)
        assert one.name.startswith(which)
        for _ in range(2):
            await one.start()
            assert await broker.answers(one.port)
            pid = one.pid
            assert pid is not None
            await one.stop()
            assert not await broker.answers(one.port)
            assert not is_there(pid)

    asyncio.run(run())


def test_without_any_broker_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(broker, "SBIN", tmp_path / "mosquitto")
    monkeypatch.setattr(broker.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(broker.NoBroker, match=r"dialtone\[demo\].*mosquitto"):
        broker.Broker(tmp_path)


def test_a_broker_that_can_t_start_tells_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if broker.shutil.which("mosquitto") is None and not os.access(broker.SBIN, os.X_OK):
        pytest.skip("needs mosquitto")

    async def run() -> None:
        one = broker.Broker(tmp_path)
        (tmp_path / "mosquitto.conf").write_text("nonsense here\n")
        with pytest.raises(broker.NoBroker, match="nonsense"):
            await one.start()
        await one.stop()

    asyncio.run(run())
