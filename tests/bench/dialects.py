"""How fast each dialect reads, one process, one core: against 100 lines of 115,200 baud."""

from __future__ import annotations

import time

from agent.callers import Callers
from agent.lines.decode import default_line
from agent.lines.dialects import parser_for
from agent.site.line import Line, Rule
from tests.bench.rows import Row
from tests.bench.tl1_throughput import stream
from tests.lines.smdr.test_golden import CASES

GOAL_MB_S = 1.152
CHUNK = 4096
ALI = b"\x021051\r(212) 555-0123 11:41 0618\r\nRESIDENT NAME\r\n4600 MAIN ST\r\nSPRINGFIELD MA\r\nRESD  ESN 319\r\n\x03"
CSU = (
    b"NE815378\r\n283:14:57\r\nContinuous Loss of Signal detected\r\nat the Network Interface\r\n\r\n"
    b"NE815378\r\n283:15:57\r\nAlarm Cleared. Loss Of Signal condition at the Network Interface\r\n\r\n"
)
CISCO = (
    b"%CONTROLLER-5-UPDOWN: PRI E1 0/1/1, changed state to down (RAI detected)\r\n"
    b"%CONTROLLER-5-UPDOWN: Controller E1 0/1/1, changed state to up\r\n"
)
RULE = Rule(name="fail", match="(?i)mains? (power )?fail", point="power-on-battery")


def samples() -> list[tuple[str, Line, bytes]]:
    """A name, a line and some of its bytes, for every dialect that reads bytes."""
    out: list[tuple[str, Line, bytes]] = [
        ("tl1", default_line("tl1"), stream(100)),
        ("csu", default_line("csu"), CSU),
        ("cisco", default_line("cisco"), CISCO),
        ("ali stx-etx", default_line("ali"), ALI),
        (
            "text",
            default_line("text", rules=(RULE,)),
            b"12:00:01 FAN 2 OK AND NOTHING ELSE TO SAY\r\n" * 20 + b"MAINS FAIL\r\n",
        ),
    ]
    for switch in dict.fromkeys(name for name, _, _ in CASES):
        data = b"".join(line for name, line, _ in CASES if name == switch)
        out.append((f"smdr {switch}", default_line("smdr", switch=switch), data))
    return out


def measure(quick: bool) -> list[Row]:
    """Megabytes a second of each."""
    rows = []
    size = 500_000 if quick else 4_000_000
    for name, line, sample in samples():
        data = sample * (size // len(sample) + 1)
        parser = parser_for(line, Callers(b"k" * 32))
        begun_s = time.perf_counter()
        for at in range(0, len(data), CHUNK):
            parser.feed(data[at : at + CHUNK], at)
        rate = len(data) / (time.perf_counter() - begun_s) / 1e6
        rows.append(Row(f"{name} parser", f">= {GOAL_MB_S} MB/s", f"{rate:.1f} MB/s", rate >= GOAL_MB_S, "one core"))
    return rows
