"""Silence pooled over many sites, the whole way: counts of calls, ``dialtone watch --sign``, the sense of each box."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

from tests.fleet.made import Probe
from tests.fleet.test_watch import today as _today
from tests.real.brokers import HOST, ROOT
from tests.real.sites import until
from tests.real.test_remote import Remote, remote, sign

SHARE = "esinet-east"
today = _today


def peers(r: Remote) -> dict[str, Any] | None:
    """How the box sees its peers."""
    return next((s for s in r.site.status()["senses"] if s["source"] == "peers"), None)


def word(calls: str) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    told = {"share": SHARE, "calls": calls, "sites": 12, "expected": 9.5, "at": at, "valid_s": 180, "by": "noc"}
    return json.dumps(told).encode()


def test_what_watch_signs_each_box_believes_and_what_a_stranger_signs_none() -> None:
    with remote(shares=SHARE) as r:
        until(lambda: (peers(r) or {}).get("state") == "unknown", "nobody has spoken yet")
        url, own = f"mqtt://{HOST}:{r.broker.port}", [str(r.key), "--as", "operator@noc", "--pool", SHARE]
        command = [sys.executable, "-m", "agent", "watch", url, "--json", "--sign", *own]
        watching = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        try:

            def fine() -> bool:
                for name in "abc":
                    message = Probe(name).calls(0.0)
                    r.client.publish(message.topic, message.payload, 0).wait_for_publish(10)
                return (peers(r) or {}).get("state") == "up"

            until(fine, "the box never heard of its peers", 60)
        finally:
            watching.terminate()
            watching.wait(20)
        topic = f"dialtone/v1/pool/{SHARE}"
        r.client.publish(topic, sign(r.stranger, word("lost"), "dialtone-pool"), 1, True).wait_for_publish(10)
        r.client.publish(topic, sign(r.key, word("lost"), "dialtone-config"), 1, True).wait_for_publish(10)
        r.command("status")
        assert (peers(r) or {})["state"] == "up", "believed a stranger, or a signature for something else"
        r.client.publish(topic, sign(r.key, word("lost"), "dialtone-pool"), 1, True).wait_for_publish(10)
        until(lambda: (peers(r) or {}).get("state") == "down", f"not believed: {peers(r)}")
