"""The reflector as a process: test calls, knocks, hostile and ordinary clients, kill -9 and its return."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.clock import RealClock
from agent.paths import sip
from agent.paths.call import messages
from agent.paths.call.calling import CallRunner
from agent.paths.knock import KnockRunner
from agent.paths.knocks import Knocks
from agent.paths.options import OptionsRunner
from agent.paths.outcome import Outcome
from agent.paths.runner import Tools
from agent.paths.target import Target, numeric
from agent.site import schema
from agent.site.secrets import SecretStore
from tests.real.descriptors import descriptors, descriptors_at_start
from tests.reflector.peer import authorization, offer, request

PATIENCE_S = 40.0
ROOT = Path(__file__).parent.parent.parent
SECRET = "a secret of some length"
SIPP_CALL = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="ordinary">
 <send retrans="500"><![CDATA[
INVITE sip:echo@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "a, b" <sip:dialtone@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:echo@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 2 INVITE
Contact: <sip:dialtone@[local_ip]:[local_port]>
[field0]
Max-Forwards: 70
Content-Type: application/sdp
Content-Length: [len]

v=0
o=user1 53655765 2353687637 IN IP[local_ip_type] [local_ip]
s=-
c=IN IP[media_ip_type] [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 8 0 101
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
 ]]></send>
 <recv response="100" optional="true"></recv>
 <recv response="200" rrs="true"></recv>
 <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "a, b" <sip:dialtone@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:echo@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 2 ACK
Max-Forwards: 70
Content-Length: 0

 ]]></send>
 <pause milliseconds="300"/>
 <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: "a, b" <sip:dialtone@[local_ip]:[local_port]>;tag=[call_number]
To: <sip:echo@[remote_ip]:[remote_port]>[peer_tag_param]
Call-ID: [call_id]
CSeq: 3 BYE
Max-Forwards: 70
Content-Length: 0

 ]]></send>
 <recv response="200"></recv>
</scenario>
"""


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Running:
    """A reflector's process, its file and its output."""

    def __init__(self, directory: Path, listen: str = "127.0.0.1:{}", host: str = "127.0.0.1") -> None:
        self.directory, self.port, self.knock_port = directory, free_port(), free_port()
        media = 20_000 + 2 * (self.port % 5000)
        secrets = directory / "secrets"
        secrets.mkdir()
        (secrets / "reflector").write_text(SECRET + "\n")
        (secrets / "reflector").chmod(0o600)
        self.file = directory / "reflector.toml"
        self.file.write_text(
            f'listen = ["{listen.format(self.port)}"]\nmedia_ports = "{media}-{media + 31}"\ncalls_max = 8\n'
            f'call_max_s = 6.0\neach_per_s = 200.0\n[secrets]\ndirectory = "{secrets}"\n'
            f'[[probe]]\nid = "p"\nsecret = "reflector"\naddresses = ["{host}"]\n'
            f'knock = "127.0.0.1:{self.knock_port}"\n'
        )
        self.output = directory / "output"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.output.open("ab") as output:
            before = self.output.stat().st_size
            self.process = subprocess.Popen(
                [sys.executable, "-m", "agent", "reflector", str(self.file)], stdout=output, stderr=output, cwd=ROOT
            )
        until = time.monotonic() + PATIENCE_S
        while b"ready" not in self.output.read_bytes()[before:]:
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < until
            time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)

    def told(self) -> str:
        return self.output.read_text()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path)
    one.start()
    try:
        yield one
    finally:
        if one.process is not None and one.process.poll() is None:
            one.process.kill()
            one.process.wait(PATIENCE_S)


@pytest.mark.parametrize(("listen", "host"), [("[::1]:{}", "::1"), ("0.0.0.0:{}", "127.0.0.1"), ("[::]:{}", "::1")])
def test_calls_to_other_addresses(tmp_path: Path, listen: str, host: str) -> None:
    one = Running(tmp_path, listen, host)
    one.start()
    try:
        outcome = called(one, host)
        assert outcome.state == "up", outcome
    finally:
        one.end()


def path(check: Any, **more: Any) -> schema.Path:
    return schema.Path(
        **{"id": "r", "role": "reflector", "address": "127.0.0.1", "checks": (check,), "secret": "reflector", **more}
    )


def tools(running: Running, knocks: Knocks | None = None) -> Tools:
    return Tools(RealClock(), SecretStore(running.directory / "secrets", None), lambda: "none", knocks)


def here(host: str = "127.0.0.1") -> Target:
    target = numeric(host)
    assert target is not None
    return target


def called(running: Running, host: str = "127.0.0.1") -> Outcome:
    check = schema.TestCall(port=running.port, talk_s=1.0, ring_s=4.0)
    runner = CallRunner(path(check, address=host), check, tools(running))
    return asyncio.run(runner.run(here(host), 12.0))


def test_a_test_call_proves_both_directions(running: Running) -> None:
    outcome = called(running)
    assert (outcome.state, outcome.detail["out"], outcome.detail["in"]) == ("up", "u", "u"), outcome
    assert outcome.detail["echo"] is outcome.detail["own_tone"] is outcome.detail["heard"] is True
    again = called(running)
    assert again.state == "up", again
    assert running.end() == 0
    assert "calls: 2" in running.told()
    assert SECRET not in running.told()


def test_a_box_with_another_secret_gets_no_call(running: Running) -> None:
    (running.directory / "secrets" / "reflector").write_text("another secret, and wrong")
    outcome = called(running)
    assert (outcome.state, outcome.detail["code"]) == ("degraded", 401)


def test_killed_in_a_call_it_comes_back_and_takes_the_next(running: Running) -> None:
    async def cut() -> Outcome:
        check = schema.TestCall(port=running.port, talk_s=3.0, ring_s=4.0)
        task = asyncio.create_task(CallRunner(path(check), check, tools(running)).run(here(), 14.0))
        await asyncio.sleep(1.5)
        running.end(signal.SIGKILL)
        return await task

    assert asyncio.run(cut()).state in ("degraded", "down")
    running.start()
    assert called(running).state == "up"


def test_options_of_anybody(running: Running) -> None:
    check = schema.SipOptions(port=running.port)
    outcome = asyncio.run(OptionsRunner(path(check), check, tools(running)).run(here(), 5.0))
    assert outcome.state == "up", outcome


# ---- knocks


@contextlib.asynccontextmanager
async def listening(running: Running, knocks: Knocks, heard: list[bytes]) -> Any:
    """What the box's listener does with datagrams at the knock port."""

    class Port(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            heard.append(data)
            answer = knocks.datagram(data, addr[0], time.monotonic_ns())
            if answer is not None:
                self.transport.sendto(answer, addr)

    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Port, ("127.0.0.1", running.knock_port))
    try:
        yield
    finally:
        transport.close()


def knocker(running: Running, knocks: Knocks | None, **more: Any) -> KnockRunner:
    check = schema.Knock(idle_s=1.0, port=running.port)
    return KnockRunner(path(check, **more), check, tools(running, knocks))


def test_a_knock_comes_in_on_a_new_flow(running: Running) -> None:
    knocks, heard = Knocks(["127.0.0.1"]), []

    async def run() -> tuple[Outcome, ...]:
        runner = knocker(running, knocks)
        async with listening(running, knocks, heard):
            first, second = await asyncio.gather(runner.run(here(), 20.0), _later(runner))
            await asyncio.sleep(0.5)
        return first, second, await runner.run(here(), 4.0)

    async def _later(runner: KnockRunner) -> Outcome:
        await asyncio.sleep(0.3)
        return await runner.run(here(), 20.0)

    first, second, third = asyncio.run(run())
    assert first.state == "up", first
    assert 0.9 <= float(str(first.detail["waited_s"])) < 20
    assert [data.split()[0] for data in heard] == [b"INVITE", b"ACK"]
    assert (second.state, second.reason) == ("unknown", "the knock before is still awaited")
    assert third.state == "down", third  # one had come, and this one did not
    running.end()
    assert "knocks answered: 1" in running.told()


def test_no_knock_yet_is_unknown(running: Running) -> None:
    outcome = asyncio.run(knocker(running, Knocks(["127.0.0.1"])).run(here(), 3.0))
    assert outcome.state == "unknown"
    assert "no call from outside has come yet" in outcome.reason


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("no listener", "no port is open for knocks"),
        ("no secret", "the reflector's secret"),
        ("wrong secret", "does not know this box"),
        ("dead", "could not be asked"),
        ("another", "no reflector of ours"),
        ("no time", "no time to wait"),
    ],
)
def test_what_says_nothing_of_the_way_in(running: Running, what: str, words: str) -> None:
    knocks = None if what == "no listener" else Knocks(["127.0.0.1"])
    runner = knocker(running, knocks, **({"secret": "gone"} if what == "no secret" else {}))
    if what == "wrong secret":
        (running.directory / "secrets" / "reflector").write_text("another secret, and wrong")
    if what in ("dead", "another"):
        running.end(signal.SIGKILL)

    async def run() -> Outcome:
        if what != "another":
            return await runner.run(here(), 0.5 if what == "no time" else 6.0)

        class Agreeable(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, data: bytes, addr: Any) -> None:
                self.transport.sendto(sip.respond(data), addr)

        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Agreeable, ("127.0.0.1", running.port))
        try:
            return await runner.run(here(), 6.0)
        finally:
            transport.close()

    before = descriptors_at_start()
    outcome = asyncio.run(run())
    assert outcome.state == "unknown"
    assert words in outcome.reason
    assert descriptors() <= before


def test_a_knock_is_sent_again_until_it_is_answered(running: Running) -> None:
    """And goes nowhere but to the file's address, though the request came from another port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door, client() as sock:
        door.bind(("127.0.0.1", running.knock_port))
        door.settimeout(PATIENCE_S)
        knock = f"Dialtone-Knock: after=1;token={'ab' * 16}"
        ask = request("OPTIONS", host="127.0.0.1", headers=(knock,))
        sock.sendto(ask, ("127.0.0.1", running.port))
        login = authorization(sock.recv(4096), "OPTIONS", SECRET.encode())
        sock.sendto(request("OPTIONS", host="127.0.0.1", cseq=2, headers=(knock, login)), ("127.0.0.1", running.port))
        assert b"Dialtone-Knock: in=1" in sock.recv(4096)
        came = [door.recvfrom(4096) for _ in range(4)]
        assert len(set(came)) == 1
        assert came[0][1][1] != running.port
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(4096)


# ---- other clients


def client() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    sock.settimeout(PATIENCE_S)
    return sock


def test_a_call_left_alone_is_ended_by_its_limit(running: Running) -> None:
    with client() as sock, client() as media:
        port = media.getsockname()[1]
        there = ("127.0.0.1", running.port)
        body = offer("127.0.0.1", port)
        sock.sendto(request("INVITE", host="127.0.0.1", body=body), there)
        login = authorization(sock.recv(4096), "INVITE", SECRET.encode())
        sock.sendto(request("INVITE", host="127.0.0.1", cseq=2, headers=(login,), body=body), there)
        codes = []
        while True:
            message = sip.parse(sock.recv(4096))
            assert message is not None
            codes.append(messages.status_of(message))
            if messages.method_of(message) == "BYE":
                break
        assert codes[0] == 200
        assert 2 <= len(codes) <= 6  # sent again for want of an ACK
        media.settimeout(1.0)
        packets = 0
        with contextlib.suppress(TimeoutError):
            while media.recv(4096):
                packets += 1
        assert 50 <= packets <= 300


def test_garbage_of_all_kinds_leaves_it_well(running: Running) -> None:
    import random

    dice = random.Random(4)
    assert running.process is not None
    with client() as sock:
        sock.settimeout(0.0)
        for number in range(20_000):
            data = dice.randbytes(dice.randrange(1, 1400))
            if number % 3 == 0:
                text = request(dice.choice(["INVITE", "OPTIONS", "BYE"]), host="127.0.0.1", body=offer())
                cut = dice.randrange(len(text))
                data = text[:cut] + data[: dice.randrange(40)] + text[cut + dice.randrange(40) :]
            with contextlib.suppress(OSError):
                sock.sendto(data, ("127.0.0.1", running.port))
                sock.recv(4096)
    before = _memory_kb(running.process.pid)
    time.sleep(1.2)
    assert called(running).state == "up"
    assert before < 60_000
    assert running.end() == 0
    assert "Traceback" not in running.told()


def _memory_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def test_sipp_calls_as_an_ordinary_client(running: Running) -> None:
    sipp = shutil.which("sipp")
    if sipp is None:
        pytest.skip("needs sipp (Debian: sip-tester)")
    scenario = running.directory / "call.xml"
    scenario.write_text(SIPP_CALL)
    count = 5
    with client() as sock:  # this SIPp knows no SHA-256: its credentials are made here, from the same address
        logins = []
        for number in range(count):
            ask = request("INVITE", host="127.0.0.1", call_id=f"c{number}", body=offer())
            sock.sendto(ask, ("127.0.0.1", running.port))
            logins.append(authorization(sock.recv(4096), "INVITE", SECRET.encode()))
    (running.directory / "logins.csv").write_text("SEQUENTIAL\n" + "".join(f"{login}\n" for login in logins))
    options = f"-inf logins.csv -m {count} -l 1 -r 1 -nostdin -i 127.0.0.1 -mi 127.0.0.1 -p {free_port()}"
    command = [sipp, "-sf", str(scenario), *options.split(), "-timeout", "40s", "-timeout_error"]
    done = subprocess.run(
        [*command, f"127.0.0.1:{running.port}"], cwd=running.directory, capture_output=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stdout.decode()[-1500:] + done.stderr.decode()[-800:]
    running.end()
    assert f"calls: {count}" in running.told()


def test_sipp_without_the_secret_gets_no_call(running: Running) -> None:
    sipp = shutil.which("sipp")
    if sipp is None:
        pytest.skip("needs sipp (Debian: sip-tester)")
    done = subprocess.run(
        [sipp, "-sn", "uac", "-m", "50", "-r", "50", "-nostdin", "-i", "127.0.0.1", "-p", str(free_port()),
         "-timeout", "8s", f"127.0.0.1:{running.port}"],
        cwd=running.directory, capture_output=True, timeout=90, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    running.end()
    assert "calls:" not in running.told()


# ---- the command


def verb(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "agent", "reflector", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_the_example_is_right(tmp_path: Path) -> None:
    example = verb("--example")
    assert example.returncode == 0
    file = tmp_path / "reflector.toml"
    file.write_text(example.stdout.replace('#directory = "/etc/dialtone/secrets"', f'directory = "{tmp_path}"'))
    refused = verb(str(file), "--check")
    assert refused.returncode == 2
    assert "probe ma-cambridge-a: there is no file" in refused.stderr
    (tmp_path / "ma-cambridge-a").write_text("short")
    (tmp_path / "ma-cambridge-a").chmod(0o600)
    assert "fewer than 16 bytes" in verb(str(file), "--check").stderr
    (tmp_path / "ma-cambridge-a").write_text("long enough to be one")
    checked = verb(str(file), "--check")
    assert (checked.returncode, checked.stderr) == (0, "")


def test_wrong_usage_and_a_taken_port(running: Running) -> None:
    assert verb().returncode == 2
    assert verb(str(running.directory / "none.toml")).returncode == 2
    taken = verb(str(running.file))
    assert taken.returncode == 1
    assert f"127.0.0.1 port {running.port}" in taken.stderr
