"""The two-way test call over real sockets: SIPp, baresip and a peer that gets wrong what a test asks it to."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.clock import RealClock
from agent.paths.call import calling, digest, g711, rtp, sdp, tone
from agent.paths.call.calling import CallRunner
from agent.paths.outcome import Outcome
from agent.paths.prober import Prober
from agent.paths.runner import Tools
from agent.paths.target import Target, numeric
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretStore
from tests.real.call_peer import FarEnd, closed_port, nothing, reflected, stream
from tests.real.descriptors import descriptors, descriptors_at_start

SCENARIOS = Path(__file__).parent / "sipp"
PATIENCE_S = 40.0


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """What one test has called another may call at once."""
    calling._TURNS.clear()
    yield
    calling._TURNS.clear()


@pytest.fixture
def secrets(tmp_path: Path) -> SecretStore:
    directory = tmp_path / "secrets"
    directory.mkdir()
    (directory / "pw").write_text("s3cret\n")
    (directory / "pw").chmod(0o600)
    return SecretStore(directory, None)


def runner(check: schema.TestCall, secrets: SecretStore | None = None, **path: Any) -> CallRunner:
    place = schema.Path(**{"id": "p", "role": "reflector", "address": "127.0.0.1", "checks": (check,), **path})
    tools = Tools(RealClock(), secrets or SecretStore(Path("/nonexistent"), None), lambda: "none")
    return CallRunner(place, check, tools)


def at(host: str = "127.0.0.1") -> Target:
    target = numeric(host)
    assert target is not None
    return target


def short(port: int, **changes: Any) -> schema.TestCall:
    return schema.TestCall(**{"port": port, "talk_s": 0.6, "ring_s": 2.0, "answers": "echo", **changes})


async def called(far: FarEnd, *, secrets: SecretStore | None = None, path: Any = None, **changes: Any) -> Outcome:
    check = short(far.port, **changes)
    async with asyncio.timeout(PATIENCE_S):
        return await runner(check, secrets, **(path or {})).run(at(far.host), schema.timeout_s(check, "far-end"))


def one(far: FarEnd, **changes: Any) -> Outcome:
    """One call of one peer; no socket is left behind."""

    async def run() -> Outcome:
        async with far.up():
            before = descriptors_at_start()
            outcome = await called(far, **changes)
            assert descriptors() <= before
            await asyncio.sleep(0.1)  # the peer reads what was sent last
            return outcome

    return asyncio.run(run())


def looks(outcome: Outcome) -> str:
    return f"{outcome.state} {outcome.detail['out']}{outcome.detail['in']}"


# ---- a peer of ours


def test_an_echo_is_up_both_ways() -> None:
    far = FarEnd(answers=((100, ()), (180, ()), (200, ())))
    outcome = one(far, covers=("sbc",))
    assert (looks(outcome), outcome.reason) == ("up uu", "")
    assert outcome.detail["packets_sent"] == outcome.detail["packets"] == len(far.packets)
    assert 25 <= len(far.packets) <= 31
    assert (outcome.detail["echo"], outcome.detail["covers"], outcome.detail["lost_percent"]) == (True, "sbc", 0.0)
    assert far.methods() == ["INVITE", "ACK", "BYE"]


def test_what_is_sent_is_pcmu_in_time() -> None:
    times: list[float] = []

    def back(_number: int, packet: bytes) -> list[bytes]:
        times.append(time.monotonic())
        return [packet]

    far = FarEnd(back=back)
    one(far, talk_s=2.0)
    packets = [rtp.parse(data) for data in far.packets]
    first = packets[0]
    assert first is not None
    assert {len(data) for data in far.packets} == {172}
    for number, packet in enumerate(packets):
        assert packet is not None
        assert (packet.payload_type, packet.ssrc, packet.marker) == (0, first.ssrc, number == 0)
        assert packet.sequence == (first.sequence + number) % 65536
    # Each at its own time and not 20 ms after the one before: no drift, whatever the machine does in between.
    lateness = sorted(at - times[0] - 0.02 * number for number, at in enumerate(times))
    assert lateness[len(lateness) // 2] < 0.02


def test_each_call_draws_its_own(secrets: SecretStore) -> None:
    async def run() -> list[FarEnd]:
        ends = []
        for _ in range(6):
            far = FarEnd()
            async with far.up():
                assert (await called(far, talk_s=0.5)).state == "up"
            ends.append(far)
        return ends

    ends = asyncio.run(run())
    invites = [far.requests[0] for far in ends]
    for name in (b"Call-ID: ", b"branch=", b";tag=", b"Via: "):
        assert len({data.split(name)[1].split(b"\r\n")[0] for data in invites}) == 6
    assert len({data.split(b"Dialtone-Tone: ")[1].split(b"\r\n")[0] for data in invites}) > 1
    ssrcs = {packet.ssrc for far in ends if (packet := rtp.parse(far.packets[0])) is not None}
    assert len(ssrcs) == 6


HEARD = "Dialtone-Heard: packets=30;lost=0;jitter-ms=1.0;tone=yes"
DEAF = "Dialtone-Heard: packets=0;lost=0;jitter-ms=0.0;tone=no"
WITH_TONE = ((200, ("Dialtone-Tone: 1200",)),)


async def own_only(far: FarEnd, until: asyncio.Event) -> None:
    """The far end's tone, from its media port to where the INVITE says, whether ours arrives or not."""
    while not far.requests:
        await asyncio.sleep(0.01)
    body = far.requests[0].partition(b"\r\n\r\n")[2]
    session = sdp.parse(body)
    assert session is not None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        loop = asyncio.get_running_loop()
        number, began = 0, loop.time()
        while not until.is_set():
            payload = g711.encode(tone.samples(1200, number * 160, 160))
            sock.sendto(
                rtp.build(rtp.Packet(0, False, number, number * 160, 5, payload)), (session.address, session.port)
            )
            number += 1
            await asyncio.sleep(max(0.0, began + number * 0.02 - loop.time()))  # a busy machine catches up


def test_a_reflector_tells_the_directions_apart() -> None:
    good = FarEnd(answers=WITH_TONE, back=reflected(1200), bye_headers=(HEARD,))
    outcome = one(good, answers="reflector")
    assert looks(outcome) == "up uu"
    assert (outcome.detail["own_tone"], outcome.detail["heard"], outcome.detail["heard_packets"]) == (True, True, 30)
    assert looks(one(FarEnd(answers=WITH_TONE, back=nothing, bye_headers=(HEARD,)), answers="reflector")) == "down ud"
    assert looks(one(FarEnd(answers=WITH_TONE, back=nothing, bye_headers=(DEAF,)), answers="reflector")) == "down dd"

    async def only_theirs() -> Outcome:
        far, over = FarEnd(answers=WITH_TONE, back=nothing, bye_headers=(DEAF,)), asyncio.Event()
        async with far.up():
            task = asyncio.create_task(own_only(far, over))
            outcome = await called(far, answers="reflector")
            over.set()
            await task
        return outcome

    assert looks(asyncio.run(only_theirs())) == "down du"


def test_silence_and_comfort_noise_do_not_pass() -> None:
    dice = random.Random(4)
    for back in (
        nothing,
        stream(lambda *_: [0] * 160),
        stream(lambda *_: [dice.randrange(-60, 60) for _ in range(160)]),
    ):
        outcome = one(FarEnd(back=back))
        assert (outcome.state, outcome.detail["echo"]) == ("down", False)


def test_loss_and_disorder() -> None:
    dice = random.Random(5)
    lossy = one(FarEnd(back=lambda n, p: [] if dice.random() < 0.5 else [p]), talk_s=1.5)
    assert lossy.state == "degraded"
    assert lossy.detail["lost_percent"] >= 22  # type: ignore[operator]
    held: list[bytes] = []

    def swapped(number: int, packet: bytes) -> list[bytes]:
        if number % 2 == 0:
            held.append(packet)
            return []
        return [packet, packet, held.pop()]

    outcome = one(FarEnd(back=swapped), talk_s=1.0)
    assert looks(outcome) == "up uu"
    assert outcome.detail["late"] == outcome.detail["duplicates"] >= 20  # type: ignore[operator]


def test_audio_from_elsewhere_is_no_echo() -> None:
    outcome = one(FarEnd(media_host="127.0.0.7"))  # the answer names .7, the echo comes from .1
    assert outcome.state == "down"
    nowhere = one(FarEnd(back=lambda _n, p: [b"\x80garbage", p[:8], b"", p[:12] + b"\xff" * 160]))
    assert (nowhere.state, nowhere.detail["echo"]) == ("down", False)
    assert nowhere.detail["garbage"] >= 50  # type: ignore[operator]


def test_refusals_and_no_answer() -> None:
    for code, wanted in ((486, "degraded --"), (404, "degraded --"), (503, "down dd"), (401, "degraded --")):
        far = FarEnd(answers=((code, ()),))
        assert looks(one(far)) == wanted
        assert far.methods() == ["INVITE", "ACK"]
    far = FarEnd(answers=((180, ()),))
    outcome = one(far, ring_s=1.0)
    assert (looks(outcome), outcome.detail["code"]) == ("degraded --", 487)
    assert far.methods() == ["INVITE", "CANCEL", "ACK"]
    far = FarEnd(answers=())
    assert looks(one(far, ring_s=1.0)) == "down dd"
    assert set(far.methods()) == {"INVITE"}
    assert len(far.requests) == 2


def test_a_bye_that_nobody_answers() -> None:
    far = FarEnd(answers_bye=False)
    outcome = one(far)
    assert looks(outcome) == "degraded uu"
    assert far.methods().count("BYE") >= 2


def test_the_reflectors_secret_opens_it(secrets: SecretStore) -> None:
    class Guarded(FarEnd):
        def took(self, data: bytes, send: Callable[[bytes], None]) -> None:
            if b"Authorization:" not in data and data.startswith(b"INVITE"):
                self.answers = (
                    (401, ('WWW-Authenticate: Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"',)),
                )
                super().took(data, send)
                self.requests.pop()
                return
            if data.startswith(b"INVITE"):
                value = data.split(b"Authorization: ")[1].split(b"\r\n")[0].decode()
                credentials = digest.parse_authorization(value)
                assert credentials is not None
                assert credentials.username == "dialtone"
                self.answers = ((200 if digest.right(credentials, "INVITE", b"s3cret") else 403, ()),)
            super().took(data, send)

    outcome = one(Guarded(), secrets=secrets, path={"secret": "pw"}, answers=None)
    assert (outcome.state, outcome.detail["challenges"]) == ("up", 1)
    (Path(str(secrets._directory)) / "pw").write_text("wrong")
    outcome = one(Guarded(), secrets=secrets, path={"secret": "pw"}, answers=None)
    assert (looks(outcome), outcome.detail["code"]) == ("degraded --", 403)


def test_what_this_box_cannot_do_is_unknown() -> None:
    missing = one(FarEnd(), user="u", password="pw")
    assert (missing.state, missing.detail["out"]) == ("unknown", "-")
    assert "can't test" in missing.reason
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        outcome = one(FarEnd(), media_port=port)
    assert looks(outcome) == "unknown --"
    assert str(port) in outcome.reason
    far = FarEnd()
    assert one(far, to="sip:911@127.0.0.1").state == "unknown"
    assert not far.requests


def test_a_media_port_of_the_files_is_used() -> None:
    port = closed_port()
    far = FarEnd()
    assert one(far, media_port=port).state == "up"
    assert f"m=audio {port} ".encode() in far.requests[0]


def test_closed_ports_are_told_soon() -> None:
    for transport, word in (("udp", "port unreachable"), ("tcp", "connection refused")):
        kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
        check = schema.TestCall(port=closed_port(kind), transport=transport, ring_s=20.0)  # type: ignore[arg-type]
        began = time.monotonic()
        outcome = asyncio.run(runner(check).run(at(), 30.0))
        assert looks(outcome) == "down dd"
        assert word in outcome.reason
        assert time.monotonic() - began < 15


def test_a_server_that_takes_the_connection_and_says_nothing() -> None:
    async def run() -> Outcome:
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            check = short(server.getsockname()[1], transport="tcp", ring_s=1.0)
            return await runner(check).run(at(), 5.0)

    assert looks(asyncio.run(run())) == "down dd"


def test_ipv6() -> None:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        pytest.skip("needs IPv6 on loopback")
    far = FarEnd(host="::1")
    assert looks(one(far, path={"address": "::1"})) == "up uu"
    assert far.requests[0].startswith(b"INVITE sip:echo@[::1]:")
    assert b"c=IN IP6 ::1" in far.requests[0]


@pytest.mark.parametrize("after", ["ACK", "INVITE"])
def test_cancelled_it_leaves_no_half_call(after: str) -> None:
    async def run() -> FarEnd:
        far = FarEnd() if after == "ACK" else FarEnd(answers=((180, ()),))
        async with far.up():
            before = descriptors_at_start()
            task = asyncio.create_task(called(far, talk_s=20.0, ring_s=20.0, timeout_s=50.0))
            async with asyncio.timeout(PATIENCE_S):
                while after not in far.methods():
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert descriptors() <= before
            async with asyncio.timeout(PATIENCE_S):
                while far.methods()[-1] not in ("BYE", "CANCEL"):
                    await asyncio.sleep(0.01)
        return far

    assert asyncio.run(run()).methods()[-1] == ("BYE" if after == "ACK" else "CANCEL")


def test_one_call_at_a_time_and_five_seconds_apart() -> None:
    async def run() -> list[Outcome]:
        far = FarEnd()
        async with far.up():
            check = short(far.port)
            ours, theirs = runner(check, id="ours"), runner(check, id="theirs", role="far-end")
            both = await asyncio.gather(ours.run(at(), 6.0), ours.run(at(), 6.0))
            return [*both, await ours.run(at(), 6.0), await theirs.run(at(), 6.0), await theirs.run(at(), 6.0)]

    first, second, later, theirs, again = asyncio.run(run())
    assert [o.state for o in (first, second, later, theirs, again)] == ["up", "unknown", "up", "up", "unknown"]
    assert "rate-limited" in second.reason
    assert "rate-limited" in again.reason
    assert again.detail["out"] == "-"


def test_the_prober_places_the_call() -> None:
    async def run() -> Reading:
        far, readings = FarEnd(), asyncio.Queue[Reading]()
        async with far.up():
            path = schema.Path(id="r", role="reflector", address="127.0.0.1", checks=(short(far.port),))
            prober = Prober([path], readings.put_nowait, RealClock(), SecretStore(Path("/nonexistent"), None))
            task = asyncio.create_task(prober.run())
            await asyncio.sleep(0)
            prober.start("r", "test-call")
            async with asyncio.timeout(PATIENCE_S):
                reading = await readings.get()
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        return reading

    reading = asyncio.run(run())
    assert (reading.kind, reading.state, reading.detail["out"], reading.detail["in"]) == ("probe-ok", "up", "u", "u")


# ---- SIPp


@pytest.fixture
def sipp(tmp_path: Path) -> Iterator[Callable[..., tuple[int, subprocess.Popen[bytes]]]]:
    """Starts SIPp with a scenario and returns its port and itself; ended by its own pid."""
    if shutil.which("sipp") is None:
        pytest.skip("needs sip-tester")
    started: list[subprocess.Popen[bytes]] = []

    def start(scenario: str, *more: str) -> tuple[int, subprocess.Popen[bytes]]:
        port, media = closed_port(), closed_port() & ~1
        command = [
            "sipp",
            "-sf",
            str(SCENARIOS / f"{scenario}.xml"),
            "-i",
            "127.0.0.1",
            "-p",
            str(port),
            "-mi",
            "127.0.0.1",
        ]
        command += ["-mp", str(media), "-m", "1", "-nostdin", *more]
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TERM": "dumb"},
        )
        started.append(process)
        bound(port, "tcp" if "t1" in more else "udp")
        return port, process

    yield start
    for process in started:
        process.kill()
        process.wait()


def bound(port: int, kind: str) -> None:
    """Wait until somebody has the port (proc(5), /proc/net)."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        tables = [Path(f"/proc/net/{kind}").read_text(), Path(f"/proc/net/{kind}6").read_text()]
        if any(f":{port:04X} " in table for table in tables):
            return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens to {port}")


def call(port: int, secrets: SecretStore | None = None, **changes: Any) -> Outcome:
    check = short(port, **changes)
    return asyncio.run(runner(check, secrets).run(at(), schema.timeout_s(check, "far-end")))


@pytest.mark.parametrize("scenario", ["answer", "early", "proxied"])
def test_sipp_answers_and_echoes(sipp: Any, scenario: str) -> None:
    port, process = sipp(scenario, "-rtp_echo")
    outcome = call(port)
    assert (looks(outcome), outcome.reason) == ("up uu", "")
    assert process.wait(PATIENCE_S) == 0  # SIPp has seen the call it expected, to the BYE


def test_sipp_over_tcp(sipp: Any) -> None:
    port, process = sipp("answer", "-rtp_echo", "-t", "t1")
    assert looks(call(port, transport="tcp")) == "up uu"
    assert process.wait(PATIENCE_S) == 0


def test_sipp_answers_and_is_silent(sipp: Any) -> None:
    port, process = sipp("answer")
    outcome = call(port)
    assert (looks(outcome), outcome.detail["packets"]) == ("down gg", 0)
    assert process.wait(PATIENCE_S) == 0


def test_sipp_is_busy(sipp: Any) -> None:
    port, process = sipp("busy")
    outcome = call(port)
    assert (looks(outcome), outcome.detail["code"]) == ("degraded --", 486)
    assert process.wait(PATIENCE_S) == 0


def test_sipp_rings_until_we_cancel(sipp: Any) -> None:
    port, process = sipp("ring")
    outcome = call(port, ring_s=1.0)
    assert (looks(outcome), outcome.detail["code"]) == ("degraded --", 487)
    assert process.wait(PATIENCE_S) == 0


def test_sipp_asks_for_credentials(sipp: Any, secrets: SecretStore) -> None:
    port, process = sipp("digest", "-rtp_echo")
    outcome = call(port, secrets, user="probe", password="pw")
    assert (looks(outcome), outcome.detail["challenges"]) == ("up uu", 1)
    assert process.wait(PATIENCE_S) == 0


def test_sipp_refuses_a_wrong_password(sipp: Any, secrets: SecretStore) -> None:
    port, process = sipp("digest")
    (Path(str(secrets._directory)) / "pw").write_text("wrong\n")
    outcome = call(port, secrets, user="probe", password="pw")
    assert (looks(outcome), outcome.detail["code"]) == ("degraded --", 403)
    assert process.wait(PATIENCE_S) == 0


def test_the_far_end_dies_in_mid_call(sipp: Any) -> None:
    port, process = sipp("answer", "-rtp_echo")

    async def run() -> Outcome:
        check = short(port, talk_s=4.0)
        task = asyncio.create_task(runner(check).run(at(), schema.timeout_s(check, "far-end")))
        await asyncio.sleep(1.0)
        process.send_signal(signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            return await task

    outcome = asyncio.run(run())
    assert outcome.state in ("degraded", "down")
    assert outcome.detail["in"] != "u"


# ---- baresip


def test_baresip_echoes(tmp_path: Path) -> None:
    if shutil.which("baresip") is None:
        pytest.skip("needs baresip-core")
    modules = next(iter([*Path("/usr/lib").glob("baresip/modules"), *Path("/usr/lib").glob("*/baresip/modules")]), None)
    if modules is None or not (modules / "aubridge.so").exists():
        pytest.skip("needs baresip-core with its module aubridge")
    port = closed_port()
    (tmp_path / "config").write_text(
        f"module_path {modules}\nsip_listen 127.0.0.1:{port}\nnet_interface 127.0.0.1\ncall_max_calls 4\n"
        "audio_player aubridge,loop\naudio_source aubridge,loop\naudio_alert aubridge,none\n"
        "module g711.so\nmodule aubridge.so\nmodule_app account.so\nmodule_app menu.so\n"
    )
    (tmp_path / "accounts").write_text("<sip:echo@127.0.0.1>;regint=0;answermode=auto;audio_codecs=PCMU\n")
    (tmp_path / "contacts").write_text("")
    process = subprocess.Popen(
        ["baresip", "-f", str(tmp_path)],
        stdin=subprocess.DEVNULL,
        stdout=(tmp_path / "out").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        bound(port, "udp")
        outcome = call(port, talk_s=2.0)
    finally:
        process.kill()
        process.wait()
    assert (outcome.state, outcome.detail["echo"]) == ("up", True), (tmp_path / "out").read_text()[-2000:]


# ---- hostile peers


def test_a_flood_is_told_and_ends() -> None:
    far = FarEnd(back=lambda _n, packet: [os.urandom(60)] * 400 + [packet])
    outcome = one(far, talk_s=0.6)
    assert outcome.detail.get("deaf_after") == 4096
    assert outcome.detail["garbage"] > 1000  # type: ignore[operator]


def test_a_connection_that_is_closed_in_the_middle() -> None:
    async def run(answer: bytes) -> Outcome:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            check = short(server.sockets[0].getsockname()[1], transport="tcp")
            return await runner(check).run(at(), 6.0)

    for answer in (b"", b"\xff" * 70_000, b"SIP/2.0 200 OK\r\n\r\n"):
        outcome = asyncio.run(run(answer))
        assert looks(outcome) == "down dd"
        assert outcome.reason in ("the far end closed the connection", "connection reset by peer")
