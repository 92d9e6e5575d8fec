"""A firewall stops forwarding while it answers for itself: how long until the lamp, the report and the horn.

User-space relays on loopback (agent/sim/relays.py). The far end behind the firewall is asked as often as a reflector is
by default, and in a second run with ``every_s = 0.5``. (A reflector alone, that might be dead itself, sounds no horn.)
"""

from __future__ import annotations

import asyncio
import json
import queue
import random
import sys
import time

import paho.mqtt.client as mqtt

from agent.paths.sip import respond
from agent.sim.relays import Network
from tests.bench.rows import Row
from tests.real.brokers import broker
from tests.real.sites import site, until
from tests.real.trace import Trace


def paths(net: Network, every: str) -> str:
    """The firewall itself by TCP, the far end behind it by SIP OPTIONS."""
    own, behind = net.firewall.address, net.firewall.far_end_inside
    return f"""
[[path]]
id = "firewall"
role = "firewall"
address = "{own[0]}"
checks = [{{ kind = "tcp", port = {own[1]}{every} }}]

[[path]]
id = "far-end"
role = "far-end"
agreed_with = "the bench"
address = "{behind[0]}"
behind = "firewall"
checks = [{{ kind = "sip-options", port = {behind[1]}{every or ", every_s = 2"} }}]
"""


async def once(every: str, hold_s: float, wait_s: float) -> dict[str, float]:
    """Seconds from the fault to the far-end lamp, to the subscriber, and to the horn."""
    net = Network(respond)
    await net.open()
    heard: queue.Queue[tuple[int, dict[str, object]]] = queue.Queue()
    try:
        with broker() as b:
            uplink = f'[[uplink]]\nid = "noc"\nurls = ["mqtt://127.0.0.1:{b.port}"]\n'
            with site(extra=paths(net, every) + uplink) as s:
                text = s.file.read_text().replace('pins = "mock"', f'pins = "mock"\npath_hold_s = {hold_s}')
                s.file.write_text(text)
                client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
                client.on_message = lambda _c, _d, m: heard.put((time.monotonic_ns(), json.loads(m.payload)))
                client.connect("127.0.0.1", b.port)
                client.subscribe("dialtone/v1/+/+/event", 1)
                client.loop_start()
                trace = Trace()
                command = (sys.executable, "-m", "tests.real.traced", str(s.file), str(trace.write_fd))
                figures = await asyncio.to_thread(
                    run, s, trace, command, net, wait_s, heard, asyncio.get_running_loop()
                )
                client.loop_stop()
                client.disconnect()
                return figures
    finally:
        net.close()


def run(s, trace, command, net, wait_s, heard, loop) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Start the agent, cause the fault, and read the three times off."""
    with s.agent(*command, pass_fds=(trace.write_fd,)):
        trace.started()
        until(lambda: s.status()["lamps"]["ok"] == "wink", "never healthy", 90)
        time.sleep(wait_s)
        began_ns = time.monotonic_ns()
        loop.call_soon_threadsafe(setattr, net.firewall, "forwarding", False)

        def first(test):  # type: ignore[no-untyped-def]
            facts = [f["at_ns"] for f in list(trace.facts) if f.get("at_ns", 0) > began_ns and test(f)]
            return (facts[0] - began_ns) / 1e9 if facts else None

        lamp_s = until(lambda: first(lambda f: "far-end" in f["lit"]), "no lamp", 60)
        horn_s = until(lambda: first(lambda f: f["voice"] == "alarm"), "no horn", 90)
        while True:
            at_ns, event = heard.get(timeout=30)
            if "far-end-fault" in str(event.get("data", {}).get("id")) and at_ns > began_ns:
                break
    trace.finish()
    return {"lamp_s": lamp_s, "report_s": (at_ns - began_ns) / 1e9, "horn_s": horn_s}


def measure(rounds: int) -> list[Row]:
    """Defaults, and the fastest setting."""
    rng = random.Random(1)
    rows = []
    for name, every, hold_s, goals in (
        ("default site file", "", 20.0, (10, 30)),
        ("every_s = 0.5, hold 0", ", every_s = 0.5", 0.0, (3, 3)),
    ):
        runs = [asyncio.run(once(every, hold_s, rng.uniform(0, 2))) for _ in range(rounds)]
        worst = {key: round(max(r[key] for r in runs), 2) for key in runs[0]}
        told = max(worst["lamp_s"], worst["report_s"])
        how = f"{rounds} faults, worst; user-space relays"
        lamp = f"firewall stops forwarding to lamp and report, {name}"
        rows.append(Row(lamp, f"<= {goals[0]} s", f"{told} s", told <= goals[0], how, worst))
        heard_s = worst["horn_s"]
        rows.append(Row(f"… to horn, {name}", f"<= {goals[1]} s", f"{heard_s} s", heard_s <= goals[1], how))
    return rows
