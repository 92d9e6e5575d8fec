"""The clock that an outage starts: what the rules count, as facts. No advice, and no claim of compliance.

47 CFR 4.9(h): a provider tells the centre as soon as possible, at most 30 minutes after it discovers an outage that
potentially affects it. 47 CFR 4.5(e)(1): reportable from 30 minutes and 900,000 user-minutes on, where the failure is
not at the centre. The duty is the provider's; the box shows when its part began and how the count stands.
"""

from __future__ import annotations

from typing import Any

from agent.site import schema
from agent.verdict.judge import Verdict

NS = 1_000_000_000
NOTIFY_S = 1800.0
USER_MINUTES = 900_000


def duty(verdict: Verdict, since_ns: int, now_ns: int, site: schema.Site) -> dict[str, Any]:
    """The facts while calls are said to fail: since when, by when the 30 minutes are over, the users' minutes so far.

    ``user_minutes`` and ``reached_ns`` (when both marks of 4.5(e)(1) are reached) are None where the site file gives no
    population. ``side``: of the demarcation, as the verdict says.
    """
    minutes = max(0.0, (now_ns - since_ns) / NS / 60.0)
    people = site.population
    reached_s = None if not people else max(NOTIFY_S, 60.0 * USER_MINUTES / people)
    return {
        "since_ns": since_ns,
        "notify_by_ns": since_ns + int(NOTIFY_S * NS),
        "minutes": round(minutes, 1),
        "population": people,
        "user_minutes": None if people is None else round(minutes * people),
        "reached_ns": None if reached_s is None else since_ns + int(reached_s * NS),
        "side": verdict.side,
        "rules": "47 CFR 4.9(h): 30 minutes from discovery; 4.5(e)(1): 30 minutes and 900,000 user-minutes",
    }
