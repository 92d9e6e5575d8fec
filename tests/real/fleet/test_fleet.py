"""A fleet on one mosquitto: its restart, what the storm of reconnections looks like, and what `dialtone watch` says.

``DIALTONE_FLEET=500`` for the long run; 100 probes otherwise.
"""

from __future__ import annotations

import os
import random
import re
import time
from typing import Any

import pytest

from tests.fleet.test_watch import states
from tests.real.brokers import Broker, broker, mosquitto_program
from tests.real.fleet.parts import Children, Receiver, Watch, children, most_within, receiving, watching
from tests.real.sites import until

FLEET = int(os.environ.get("DIALTONE_FLEET", "100"))
PROCESSES = 4
AWAY_S = 4.0
BACK_S = 240.0  # the longest wait between two attempts is 60 s
ATTEMPTS_MOST = 14  # 6 are the most that are to be expected (agent/uplink/backoff.py); a loop would make hundreds
CAME = re.compile(r"^(\d+): New connection from", re.MULTILINE)


def prepared(b: Broker, *, keeps: bool) -> Broker:
    """A broker that keeps, or forgets, what is retained when it ends."""
    kept = f"persistence true\npersistence_location {b.directory}/\nuser root\n" if keeps else ""
    file = b.directory / f"broker-{b.port}.conf"
    file.write_text(file.read_text().replace("persistence false\n", kept) + "max_queued_messages 0\n")
    b.start()
    return b


def all_right(fleet: Children, watch: Watch, why: str) -> list[dict[str, Any]]:
    """Wait until all report, and the watch says of each probe what it says itself; how they stand."""
    until(fleet.reporting, f"not all report {why}", BACK_S)
    probes = fleet.tell()
    deadline_s = time.monotonic() + BACK_S
    while (wrong := watch.wrong(probes)) and time.monotonic() < deadline_s:
        time.sleep(0.2)
    assert not wrong, f"{len(wrong)} wrong {why}: {wrong[:5]}"
    return probes


def no_storm(probes: list[dict[str, Any]], stopped_s: float, began_s: float, log: str) -> dict[str, Any]:
    """The reconnections after a restart: few for each probe, and no second with most of them."""
    after = [[at_s for at_s in probe["attempts"] if at_s > stopped_s] for probe in probes]
    came = [at_s for attempts in after for at_s in attempts if at_s >= began_s]
    births = [sum(at_s >= began_s for at_s in probe["births"]) for probe in probes]
    logged = [int(second) for second in CAME.findall(log)]
    figures = {
        "attempts_most": max(map(len, after)),
        "attempts_after_return": len(came),
        "in_one_second": most_within(came),
        "logged": len(logged),
        "logged_in_one_second": max(logged.count(second) for second in set(logged)),
        "all_back_s": round(max(max(probe["births"]) for probe in probes) - began_s, 1),
    }
    print(figures)
    assert set(births) == {1}, f"connected more than once, or never: {figures}"
    assert figures["attempts_most"] <= ATTEMPTS_MOST, figures
    assert figures["in_one_second"] <= FLEET / 2, figures
    # The watch, the receiver and Broker.start itself connect too.
    assert FLEET <= figures["logged"] <= FLEET + 10, figures
    assert figures["logged_in_one_second"] <= FLEET / 2 + 10, figures
    return figures


def nothing_lost(heard: Receiver, probes: list[dict[str, Any]]) -> None:
    """Each event of each probe has come, with one content; nothing else has."""
    until(lambda: not heard.missing(probes), "events are missing", BACK_S)
    assert not heard.changed, f"an id came with another content: {heard.changed[:5]}"
    assert not heard.foreign(probes)
    assert not [probe for probe in probes if probe["set_aside"] or probe["gone"]]
    assert sum(probe["head"] for probe in probes) > FLEET


@pytest.mark.skipif(mosquitto_program() is None, reason="needs mosquitto (a Debian package)")
@pytest.mark.parametrize("kill", [False, True], ids=["stopped, it keeps what is retained", "killed, it forgets"])
def test_a_restart_is_no_storm_and_watch_stays_right(kill: bool) -> None:
    seed = str(random.randrange(1 << 32))
    print("seed", seed)
    with broker(kind="mosquitto", start=False) as b:
        prepared(b, keeps=not kill)
        with receiving(b.port) as heard, watching(b.url) as watch, children(b.port, FLEET, PROCESSES, seed) as fleet:
            all_right(fleet, watch, "at the start")
            fleet.say("write")
            time.sleep(2.0)

            said, stopped_s = len(b.log()), time.monotonic()
            b.stop(kill=kill)
            time.sleep(AWAY_S)
            began_s = time.monotonic()
            b.start()
            until(fleet.reporting_again(began_s), "not all came back", BACK_S)
            fleet.say("quiet")
            probes = all_right(fleet, watch, "after the restart")
            nothing_lost(heard, probes)
            no_storm(probes, stopped_s, began_s, b.log()[said:])
            if kill:  # an orderly end publishes wills as well: tests/fleet/test_broker_end.py
                assert not watch.told_lost_together(), "the broker's end is no site's"

            before = states(watch.last)
            gone = fleet.kill_one()
            left = fleet.tell()
            until(lambda: not watch.wrong(left, gone), "not those alone are lost that are gone", BACK_S)
            events = [event for event in watch.last["events"] if event["what"] == "lost"]
            assert [(event["count"], event["known"]) for event in events] == [(len(gone), FLEET)]
            assert set(events[0]["sites"]) <= set(gone)
            assert states(watch.last) == {**before, **dict.fromkeys(gone, "lost")}
            assert not heard.missing(left)
