"""A simulated year of every kind of check at 5 % loss each way, with nothing wrong: nothing may be told.

The whole site of a replay (agent/replay): pings, TLS, SNMP, the firewall's log, SIP OPTIONS, test calls and knocks to two
reflectors and two far ends, trunks, an uplink. Without calls: their detectors are set to a rate of false alarms, which
``silence`` and ``voice`` measure. Pieces of 30 days, each from its own seed, on every processor core.
"""

from __future__ import annotations

import math
import multiprocessing

from agent.replay.run import Replay
from agent.sim.outages.story import Case, Change, Expect, Situation, Story
from tests.bench.rows import Row

PIECE_DAYS = 30.0
DAY_S = 86_400.0
SITE = Situation(ali=False, smdr=False, far_ends=2, tls=True, covers_core=True, beside=True)


def case(days: float, loss: float) -> Case:
    """``days`` of that loss and nothing else."""
    change = (Change(at_s=0.0, set={"network.loss": loss}),)
    story = Story(
        name="a-year", title="5 % loss", story="Nothing is wrong.", sources=("the bench",), start="2024-05-01T10:00",
        control=True, before_s=600.0, change=change,
    )  # fmt: skip
    return Case(
        story=story, variant="base", title="5 % loss", site=SITE, expect=Expect(causes=(), critical=False),
        change=change, after_s=days * DAY_S,
    )  # fmt: skip


def piece(job: tuple[float, float, int]) -> dict[str, int]:
    """The alarms raised in one piece, by severity, and the checks made."""
    days, loss, seed = job
    trace = Replay(case(days, loss), seed).run()
    raised = [one for one in trace.told if one.who == "alarm" and one.detail["change"] == "raised"]
    out = {severity: sum(one.detail["severity"] == severity for one in raised) for severity in ("critical", "major")}
    out["minor"] = len(raised) - sum(out.values())
    out["horns"] = sum(one.who == "horn" and one.detail["voice"] != "none" for one in trace.told)
    out["steps"] = trace.steps
    for one in raised:
        out[str(one.detail["id"])] = out.get(str(one.detail["id"]), 0) + 1
    return out


def measure(days: float, seed: int) -> list[Row]:
    """One row; a full year takes two hours of one core."""
    pieces = math.ceil(days / PIECE_DAYS)
    jobs = [(days / pieces, 0.05, seed + number) for number in range(pieces)]
    total: dict[str, float] = {"days": days}
    with multiprocessing.get_context("spawn").Pool() as pool:
        for found in pool.imap_unordered(piece, jobs):
            for key, count in found.items():
                total[key] = total.get(key, 0) + count
    told = total["critical"] + total["major"] + total["minor"]
    how = f"every kind of check but calls, {total['steps']:,.0f} steps"
    return [Row("alarms at 5 % loss each way, whole site", "0 in a simulated year", f"{told:g} in {days:g} days",
                told == 0, how, total)]  # fmt: skip
