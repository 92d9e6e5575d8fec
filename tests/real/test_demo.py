"""``dialtone demo`` as a person or a CI runs it: a process of its own, with each broker, ended in every way."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.sim import broker, children

GENEROUS_S = 150
TOLD = [
    r"broker: {broker}",
    r"agent: `dialtone run` as process \d+",
    r"healthy: ok winks",
    r"channel bank: REPT ALM T1, T1-1 has lost its signal",
    r"alarm raised: bank-a_los_t1-1 \(major\)",
    r"lamp: trunks flashes",
    r"horn: the alarm voice",
    r"journal: \d+ new entries",
    r"received by a subscriber: event [0-9a-f]{{8}}\.\d+\.\d+",
    r"acknowledged: trunks is steady",
    r"horn: silent",
    r"T1-1 clear \(CL\)",
    r"reset: trunks is dark",
    r"firewall: forwards nothing",
    r"lamps: .*router, far-end",
    r"verdict: .*firewall-blocking",
    r"received by a subscriber: event [0-9a-f]{{8}}\.\d+\.\d+",
    r"horn: the alarm voice, after the hold",
    r"acknowledged: router and far-end are steady",
    r"repaired: router and far end answer",
    r"reset: router and far-end are dark",
    r"agent: stopped by SIGTERM, status 0",
    r"journal: the chain is whole",
    r"(\d+) of \1 things happened",
]


def mosquitto_is_here() -> bool:
    return shutil.which("mosquitto") is not None or os.access(broker.SBIN, os.X_OK)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A temporary directory of the demo's own, to see that nothing is left in it."""
    own = Path(f"/tmp/dtest-{os.getpid()}")
    own.mkdir(exist_ok=True)
    return {**children.environment(), "TMPDIR": str(own)}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    own = Path(f"/tmp/dtest-{os.getpid()}")
    left = list(own.iterdir()) if own.exists() else []
    shutil.rmtree(own, ignore_errors=True)
    assert left == []


def demo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "agent", "demo", *arguments]


# What hides an installed mosquitto: an empty PATH, and a name that its usual place does not have.
WITHOUT_MOSQUITTO = [
    sys.executable,
    "-c",
    "import sys; from pathlib import Path; from agent.sim import broker; broker.SBIN = Path('/nonexistent'); "
    "from agent.cli import main; sys.exit(main(['demo', *sys.argv[1:]]))",
]


def run_script(command: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=GENEROUS_S, env=environment
    )


def assert_all_told(done: subprocess.CompletedProcess[str], which: str) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    rest = done.stdout
    for pattern in TOLD:
        found = re.search(pattern.format(broker=which), rest)
        assert found is not None, f"{pattern} not found in:\n{done.stdout}"
        rest = rest[found.end() :]
    assert done.stderr == ""


def test_the_script_with_mosquitto(environment: dict[str, str]) -> None:
    if not mosquitto_is_here():
        pytest.skip("needs mosquitto")
    assert_all_told(run_script(demo("--script"), environment), "mosquitto")


def test_a_pipe_gets_the_script_and_amqtt_serves_where_mosquitto_is_not(
    environment: dict[str, str], tmp_path: Path
) -> None:
    assert_all_told(run_script(WITHOUT_MOSQUITTO, {**environment, "PATH": str(tmp_path)}), "amqtt")


@pytest.mark.parametrize("outage", ["trunk-group", "router-down", "firewall-down", "udp-dropped", "port-unplugged"])
def test_one_outage_and_its_repair(outage: str, environment: dict[str, str]) -> None:
    done = run_script(demo("--outage", outage, "--speed", "5"), environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"(\d+) of \1 things happened", done.stdout)


def test_too_short_a_time_names_what_did_not_happen(environment: dict[str, str]) -> None:
    done = run_script(demo("--script", "--seconds", "4"), environment)
    assert done.returncode == 1
    assert "stopped: 4 s are over" in done.stdout
    assert "did not happen: journal verified" in done.stdout
    assert not re.search(r"(\d+) of \1 things happened", done.stdout)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--outage", "no-such"], "firewall-blocking"),
        (["--speed", "0"], "0.1 to 20"),
        (["--speed", "x"], "not a number"),
        (["--seconds", "-1"], "must be from"),
        (["--nonsense"], "unrecognized"),
    ],
)
def test_wrong_usage(arguments: list[str], told: str, environment: dict[str, str]) -> None:
    done = run_script(demo(*arguments), environment)
    assert done.returncode == 2
    assert told in done.stderr


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_it_and_all_it_started(how: signal.Signals, environment: dict[str, str]) -> None:
    with subprocess.Popen(
        demo("--script"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        pid = None
        for line in process.stdout:
            started = re.search(r"as process (\d+)", line)
            if started:
                pid = int(started[1])
                break
        assert pid is not None
        process.send_signal(how)
        process.stdout.read()
        assert process.wait(GENEROUS_S) == 128 + how
        assert not Path(f"/proc/{pid}").exists()


def test_killed_outright_it_takes_agent_and_broker_along(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        demo("--script"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        while "healthy" not in process.stdout.readline():
            assert process.poll() is None
        begun = [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]
        assert len(begun) == 2
        process.kill()
        process.wait()
    until_s = time.monotonic() + GENEROUS_S
    while any(is_running(pid) for pid in begun) and time.monotonic() < until_s:
        time.sleep(0.1)
    assert not any(is_running(pid) for pid in begun)
    (left,) = Path(environment["TMPDIR"]).iterdir()  # the one thing that a killed demo can't take away
    shutil.rmtree(left)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_a_reader_that_leaves_ends_it_with_status_1(environment: dict[str, str]) -> None:
    with subprocess.Popen(
        demo("--script"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.wait(GENEROUS_S) == 1
        assert process.stderr.read() == ""


class Screen:
    """The live demo on a pty of its own."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.master, self.slave = pty.openpty()
        termios.tcsetwinsize(self.slave, (30, 100))
        self.before = termios.tcgetattr(self.slave)
        self.seen = ""
        self.process = subprocess.Popen(
            demo(*arguments),
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**environment, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
            start_new_session=True,
        )

    def wait_for(self, pattern: str) -> None:
        """Read until the text, its colours taken out, shows the pattern; then begin anew behind it."""
        until_s = time.monotonic() + GENEROUS_S
        while (found := re.search(pattern, self.seen)) is None:
            assert time.monotonic() < until_s, f"{pattern} not seen in:\n{self.seen[-3000:]}"
            if select.select([self.master], [], [], 0.5)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    data = b""
                self.seen += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", data.decode("utf-8", errors="replace"))
            self.seen = self.seen[-200_000:]
        self.seen = self.seen[found.end() :]

    def key(self, key: str) -> None:
        os.write(self.master, key.encode())

    def end(self) -> int:
        try:
            status = None
            until_s = time.monotonic() + GENEROUS_S
            while status is None and time.monotonic() < until_s:  # keep reading: a full pty would hold it back
                if select.select([self.master], [], [], 0.1)[0]:
                    os.read(self.master, 65536)
                status = self.process.poll()
            assert status is not None
            assert termios.tcgetattr(self.slave) == self.before
            return status
        finally:
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            os.close(self.master)
            os.close(self.slave)


def test_the_live_terminal_and_its_keys(environment: dict[str, str]) -> None:
    screen = Screen(environment)
    screen.wait_for(r"No fault is caused")
    screen.key("1")
    screen.wait_for(r"T1-1 on bank-a")
    screen.wait_for(r"bank-a_los_t1-1 raised")
    screen.key("a")
    screen.wait_for(r"acked")
    screen.key("1")
    screen.wait_for(r"over, to be reset")
    screen.key("r")
    screen.wait_for(r"ALARMS ─+\s+none")
    screen.key("q")
    assert screen.end() == 0


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_puts_the_terminal_back(how: signal.Signals, environment: dict[str, str]) -> None:
    screen = Screen(environment, "--outage", "firewall-blocking")
    screen.wait_for(r"3: the firewall answers")
    screen.process.send_signal(how)
    assert screen.end() == 128 + how
