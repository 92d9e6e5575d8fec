"""The agent at rest: memory, CPU, writes to disk, and the time from start to the first lamp."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from agent.paths.sip import respond
from tests.bench.rows import Row
from tests.real.brokers import broker
from tests.real.sites import Site, site, tl1, until
from tests.real.trace import Trace

SMALL_PATHS = """
[[path]]
id = "firewall"
role = "firewall"
address = "127.0.0.1"
checks = [{ kind = "icmp" }]

[[path]]
id = "router"
role = "router"
address = "127.0.0.1"
checks = [{ kind = "icmp" }]
"""
LARGE_PATHS = (
    SMALL_PATHS
    + """
[[path]]
id = "esrp"
role = "far-end"
address = "127.0.0.1"
checks = [{ kind = "icmp" }, { kind = "sip-options", port = SIP }]

[[path]]
id = "reflector"
role = "reflector"
address = "127.0.0.1"
checks = [{ kind = "sip-options", port = SIP }, { kind = "tcp", port = TCP }]
"""
)


@contextlib.contextmanager
def answering() -> Iterator[tuple[int, int]]:
    """A SIP peer and a TCP server that answer everything, so that the site is at rest; their ports."""
    stop = threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sip, socket.create_server(("127.0.0.1", 0)) as tcp:
        sip.bind(("127.0.0.1", 0))
        chosen = selectors.DefaultSelector()
        for sock in (sip, tcp):
            chosen.register(sock, selectors.EVENT_READ)

        def serve() -> None:
            while not stop.is_set():
                for key, _ in chosen.select(0.2):
                    if key.fileobj is tcp:
                        tcp.accept()[0].close()
                        continue
                    data, who = sip.recvfrom(4096)
                    sip.sendto(respond(data) or b"", who)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield sip.getsockname()[1], tcp.getsockname()[1]
        finally:
            stop.set()
            thread.join()
            chosen.close()


def proc(pid: int) -> dict[str, float]:
    """Resident MB, CPU seconds and bytes written by one process, from /proc."""
    status = Path(f"/proc/{pid}/status").read_text()
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    io = Path(f"/proc/{pid}/io").read_text()
    return {
        "rss_mb": int(status.split("VmRSS:")[1].split()[0]) / 1024,
        "peak_mb": int(status.split("VmHWM:")[1].split()[0]) / 1024,
        "cpu_s": (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK"),
        "written": int(io.split("\nwrite_bytes:")[1].split()[0]),
    }


def at_rest(s: Site, seconds: float) -> dict[str, float]:
    """One agent left alone: figures over ``seconds``, after it has settled for 30."""
    with s.agent() as child:
        time.sleep(30)
        before = proc(child.pid)
        time.sleep(seconds)
        after = proc(child.pid)
    return {
        "rss_mb": round(after["rss_mb"], 1),
        "peak_mb": round(after["peak_mb"], 1),
        "cpu_percent": round(100 * (after["cpu_s"] - before["cpu_s"]) / seconds, 2),
        "mb_a_day": round((after["written"] - before["written"]) / seconds * 86_400 / 1e6, 2),
        "seconds": seconds,
    }


def measure(seconds: float) -> list[Row]:
    """The two sites of the table; plain uplinks (TLS comes with the uplink's own tests)."""
    with broker() as b:
        uplinks = [f'[[uplink]]\nid = "{name}"\nurls = ["mqtt://127.0.0.1:{b.port}"]\n' for name in ("noc", "cell")]
        with site(extra=SMALL_PATHS + uplinks[0]) as s:
            small = at_rest(s, seconds)
        with answering() as (sip, tcp):
            paths = LARGE_PATHS.replace("SIP", str(sip)).replace("TCP", str(tcp))
            with site(extra=paths + "".join(uplinks)) as s:
                large = at_rest(s, seconds)
    how = f"{seconds:g} s from /proc, x86-64; one serial line in both"
    return [
        Row(
            "resident memory: 1 line, 2 pings, 1 plain uplink",
            "<= 38 MB",
            f"{small['rss_mb']} MB",
            small["rss_mb"] <= 38,
            how,
            small,
        ),
        Row(
            "resident memory: 1 line, 4 paths, 2 plain uplinks",
            "<= 48 MB",
            f"{large['rss_mb']} MB",
            large["rss_mb"] <= 48,
            how,
            large,
        ),
        Row("CPU at rest, same site", "<= 1 %", f"{large['cpu_percent']} %", large["cpu_percent"] <= 1, how),
        Row("writes to disk at rest", "<= 5 MB a day", f"{large['mb_a_day']} MB a day", large["mb_a_day"] <= 5, how),
        start_row(),
    ]


def lamps(trace: Trace) -> list[dict[str, object]]:
    """What was told of lit lamps."""
    return [fact for fact in trace.facts if fact.get("lit")]


def start_row() -> Row:
    """From the process's start to the first lamp lit."""
    times = []
    for _ in range(5):
        with site() as s:
            trace = Trace()
            command = (sys.executable, "-m", "tests.real.traced", str(s.file), str(trace.write_fd))
            began_ns = time.monotonic_ns()
            with s.agent(*command, wait=False, pass_fds=(trace.write_fd,)):
                trace.started()
                # `ok` stays dark until the line has spoken, so the bank says from the start that a trunk is down.
                lit = until(lambda s=s, trace=trace: s.send(tl1("T1-1", "MJ", "LOS", 1)) or lamps(trace), "no lamp")  # type: ignore[misc]
                times.append((lit[0]["at_ns"] - began_ns) / 1e9)
            trace.finish()
    worst = max(times)
    return Row("start to first lamp", "<= 1 s", f"{worst:.2f} s", worst <= 1, "worst of 5 starts", {"s": times})
