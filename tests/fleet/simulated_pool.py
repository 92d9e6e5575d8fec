"""A pool of simulated centres: Poisson calls, each reporting once a minute at its own second."""

from __future__ import annotations

import random
from dataclasses import dataclass

from agent.fleet.pool import Judged, Pooled
from tests.fleet.made import calls, ns

MINUTE_S = 60


@dataclass
class Centre:
    """``out_s``: from when on it gets no call."""

    name: str
    rate_h: float
    phase_s: float
    next_s: float = 0.0
    last_s: float | None = None
    out_s: float = float("inf")
    silent_from_s: float = float("inf")
    """From when on its words do not reach us."""


class Simulation:
    """``step`` goes on by one minute of reports and gives the word after each of ``looks`` seconds."""

    def __init__(self, rates_h: list[float], seed: int) -> None:
        self.random = random.Random(seed)
        self.centres = [
            Centre(f"s{index}", rate_h, self.random.uniform(0, MINUTE_S)) for index, rate_h in enumerate(rates_h)
        ]
        for centre in self.centres:
            centre.next_s = self.random.expovariate(centre.rate_h / 3600)
        self.order = sorted(self.centres, key=lambda centre: centre.phase_s)
        self.pool = Pooled("esinet-east")
        self.minute = 0

    def report(self, centre: Centre, at_s: float, received_s: float | None = None) -> None:
        while centre.next_s <= at_s:
            if centre.next_s < centre.out_s:
                centre.last_s = centre.next_s
            centre.next_s += self.random.expovariate(centre.rate_h / 3600)
        if at_s < centre.silent_from_s:
            since_s = None if centre.last_s is None else round(at_s - centre.last_s, 1)
            word = calls(centre.name, at_s, rate_h=centre.rate_h, since_s=since_s)
            self.pool.heard(word, ns(at_s if received_s is None else received_s))

    def minutes(self, count: int, look_s: int = MINUTE_S) -> list[tuple[float, Judged]]:
        """The words at every ``look_s`` of so many minutes."""
        told = []
        for minute in range(self.minute, self.minute + count):
            look = 0
            for centre in self.order:
                while look + look_s <= centre.phase_s:
                    look += look_s
                    told.append((minute * 60.0 + look, self.pool.judge(ns(minute * 60.0 + look))))
                self.report(centre, minute * 60.0 + centre.phase_s)
            while look + look_s <= MINUTE_S:
                look += look_s
                told.append((minute * 60.0 + look, self.pool.judge(ns(minute * 60.0 + look))))
        self.minute += count
        return told

    @property
    def now_s(self) -> float:
        return self.minute * 60.0


def delay_s(rates_h: list[float], seed: int, before: int = 10, most: int = 60, look_s: int = 1) -> float | None:
    """From a total loss of all to the word ``lost``."""
    simulation = Simulation(rates_h, seed)
    simulation.minutes(before)
    out_s = simulation.now_s + simulation.random.uniform(0, MINUTE_S)
    for centre in simulation.centres:
        centre.out_s = out_s
    for _ in range(most):
        for at_s, word in simulation.minutes(1, look_s):
            if word.calls == "lost" and at_s >= out_s:
                return at_s - out_s
    return None
