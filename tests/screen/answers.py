"""Answers of an agent, as ``status`` gives them, for the screen's tests."""

from __future__ import annotations

from typing import Any

from agent.panel import LAMPS

OFF: dict[str, str] = dict.fromkeys(map(str, LAMPS), "off")
DO = "Call back every number from an admin line. Ring 555-0100; ask to reroute."
VERDICT: dict[str, Any] = {
    "cause": "none",
    "runner_up": None,
    "do_now": "Nothing to do.",
    "sentence": "Nothing to do. Nothing wrong is seen.",
    "calls_fail": False,
    "under_change": False,
}


def alarm(**what: Any) -> dict[str, Any]:
    return {
        "id": "site_call-path_verdict",
        "severity": "critical",
        "state": "unacknowledged",
        "lamp": "calls",
        "raised": "2024-06-18T17:17:03.100Z",
        "raised_ns": 17,
        "text": "Callers may not hear you.",
        "acknowledged_by": None,
    } | what


def well(**what: Any) -> dict[str, Any]:
    return {
        "site": "ma-cambridge",
        "name": "Cambridge Emergency Communications",
        "mode": "normal",
        "until": None,
        "shelved": {},
        "horn": "none",
        "lamps": OFF | {"ok": "wink"},
        "ok_since": "2024-06-14T07:12:00.000Z",
        "ok_since_ns": 3,
        "alarms": [],
        "verdict": VERDICT,
        "timezone": "UTC",
    } | what


def blocked() -> dict[str, Any]:
    firewall = alarm(
        id="firewall_firewall-fault_sip-options",
        severity="major",
        state="acknowledged",
        lamp="firewall",
        raised="2024-06-18T17:15:06.200Z",
        raised_ns=15,
        text="firewall: sip-options does not answer.",
        acknowledged_by="pat (uid 1000, pid 42)",
    )
    says = {
        "cause": "firewall-blocking",
        "do_now": DO,
        "sentence": f"Callers may not hear you. {DO} Likely: the firewall blocks calls.",
        "calls_fail": True,
    }
    lamps = OFF | {"calls": "flash", "firewall": "steady"}
    return well(horn="alarm", lamps=lamps, alarms=[alarm(), firewall], verdict=VERDICT | says)
