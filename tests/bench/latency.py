"""From the last byte of a TL1 alarm on a real pty to the lamp's level, and to a subscriber at a loopback broker."""

from __future__ import annotations

import json
import os
import queue
import sys
import time

import paho.mqtt.client as mqtt

from agent.control import ask
from tests.bench.rows import Row, spread
from tests.real.brokers import broker
from tests.real.sites import site, tl1, until
from tests.real.trace import Trace

UPLINK = '[[uplink]]\nid = "noc"\nurls = ["mqtt://127.0.0.1:{port}"]\n'


def measure(rounds: int) -> list[Row]:
    """``rounds`` alarms, each raised, cleared, acknowledged and reset before the next.

    Each of a trunk of its own, in no group: an alarm that comes and goes three times a minute is held as chattering.
    """
    lamp_s: list[float] = []
    subscriber_s: list[float] = []
    heard: queue.Queue[tuple[int, dict[str, object]]] = queue.Queue()

    def on_message(_client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        heard.put((time.monotonic_ns(), json.loads(message.payload)))

    with broker() as b, site(trunks="", extra=UPLINK.format(port=b.port)) as s:
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.on_message = on_message
        client.connect("127.0.0.1", b.port)
        client.subscribe("dialtone/v1/+/+/event", 1)
        client.loop_start()
        trace = Trace()
        command = (sys.executable, "-m", "tests.real.traced", str(s.file), str(trace.write_fd))
        with s.agent(*command, pass_fds=(trace.write_fd,)):
            trace.started()
            until(lambda: all(u["connected"] for u in s.status()["uplinks"]), "no uplink")
            time.sleep(1)
            for number in range(rounds):
                seen = len(trace.facts)
                raised = tl1(f"T1-{number}", "MJ", "LOS", 2 * number + 1)
                head, tail = raised[:-3], raised[-3:]  # the alarm's text line, then its CR LF and the terminator
                s.send(head)
                time.sleep(0.005)
                sent_ns = time.monotonic_ns()
                os.write(s.master, tail)
                lit = until(lambda seen=seen: first_lit(trace.facts[seen:]), "no lamp")  # type: ignore[misc]
                lamp_s.append((lit - sent_ns) / 1e9)
                subscriber_s.append((wait_for(heard, f"bank-a_los_t1-{number}", "raised") - sent_ns) / 1e9)
                s.send(tl1(f"T1-{number}", "CL", "LOS", 2 * number + 2, almcde="A "))
                until(lambda: all(not a["active"] for a in s.status()["alarms"]), "not cleared")
                ask(s.socket, "ack")
                ask(s.socket, "reset")
        trace.finish()
        client.loop_stop()
        client.disconnect()
    lamp, subscriber = spread(lamp_s), spread(subscriber_s)
    how = f"{rounds} alarms down a pty; the lamp's level as handed to the panel"
    return [
        Row(
            "last serial byte to lamp level set, p99", "<= 5 ms", f"{lamp['p99_ms']} ms", lamp["p99_ms"] <= 5, how, lamp
        ),
        Row(
            "last serial byte to subscriber at a loopback broker, p99, fsync included",
            "<= 50 ms",
            f"{subscriber['p99_ms']} ms",
            subscriber["p99_ms"] <= 50,
            f"{rounds} alarms, {b.name}",
            subscriber,
        ),
    ]


def first_lit(facts: list[dict[str, object]]) -> int | None:
    """When the trunks lamp was first lit among these facts."""
    return next((int(str(f["at_ns"])) for f in facts if "trunks" in f.get("lit", [])), None)  # type: ignore[operator]


def wait_for(heard: queue.Queue[tuple[int, dict[str, object]]], alarm: str, change: str) -> int:
    """When the event of that alarm's change came in."""
    while True:
        at_ns, event = heard.get(timeout=30)
        data = event.get("data", {})
        if isinstance(data, dict) and data.get("id") == alarm and data.get("change") == change:
            return at_ns
