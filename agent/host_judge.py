"""What this box's own state means: samples in, readings out. Pure.

A condition must be seen ``SEEN`` times in a row before it is told, either way: a temperature at its limit does not
flap. What this machine can't say is told once as unknown, and is no alarm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.readings import Plain, Reading, State
from agent.site import schema

NS = 1_000_000_000
SEEN = 3
COUNTERS_EVERY_NS = 60 * NS
HYSTERESIS_C = 5.0
HYSTERESIS_SHARE = 1.2


@dataclass(frozen=True, slots=True)
class Link:
    """One interface: whether it is up, how many addresses it has, octets since the boot."""

    up: bool
    addresses: int
    received: int
    sent: int


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at this machine. None: it can't be told here."""

    temperature_c: float | None
    under_voltage: bool | None
    disk_free_mb: float | None
    memory_free_mb: float | None
    cpu_percent: float | None
    clock_synced: bool | None
    links: Mapping[str, Link] = field(default_factory=dict)


@dataclass(slots=True)
class _Sense:
    told: State | None = None
    pending: State | None = None
    count: int = 0


class HostJudge:
    """One machine's senses."""

    def __init__(self, watch: schema.HostWatch) -> None:
        self._watch = watch
        self._senses: dict[tuple[str, str], _Sense] = {}
        self._counted: tuple[int, Mapping[str, Link]] | None = None

    def look(self, sample: Sample, now_ns: int) -> list[Reading]:
        """What is new."""
        w = self._watch
        out = [
            *self._limit("temperature", sample.temperature_c, w.temperature_max_c, w.temperature_max_c - HYSTERESIS_C,
                         "{:.0f} °C", now_ns),
            *self._limit("disk", _minus(sample.disk_free_mb), -w.disk_free_mb, -HYSTERESIS_SHARE * w.disk_free_mb,
                         "{:.0f} MB left on the journal's disk", now_ns),
            *self._limit("memory", _minus(sample.memory_free_mb), -w.memory_free_mb,
                         -HYSTERESIS_SHARE * w.memory_free_mb, "{:.0f} MB of memory left", now_ns),
            *self._flag("under-voltage", sample.under_voltage, "the supply's voltage is too low", now_ns),
            *self._flag("clock-sync", None if sample.clock_synced is None else not sample.clock_synced,
                        "the clock is not synchronised", now_ns),
        ]  # fmt: skip
        for name in w.interfaces:
            link = sample.links.get(name)
            bad = link is None or not link.up or not link.addresses
            why = "is not there" if link is None else "is down" if not link.up else "has no address"
            out += self._tell("link", name, "down" if bad else "up", f"{name} {why}" if bad else "", now_ns)
        return out + self._counters(sample, now_ns)

    def _limit(
        self, sense: str, value: float | None, high: float, low: float, words: str, now_ns: int
    ) -> list[Reading]:
        if value is None:
            return self._tell(sense, sense, "unknown", "", now_ns)
        told = self._senses.get((sense, sense), _Sense()).told
        bad = value > (low if told == "down" else high)
        return self._tell(sense, sense, "down" if bad else "up", words.format(abs(value)) if bad else "", now_ns)

    def _flag(self, sense: str, bad: bool | None, words: str, now_ns: int) -> list[Reading]:
        state: State = "unknown" if bad is None else "down" if bad else "up"
        return self._tell(sense, sense, state, words if bad else "", now_ns)

    def _tell(self, sense: str, subject: str, state: State, reason: str, now_ns: int) -> list[Reading]:
        known = self._senses.setdefault((sense, subject), _Sense())
        known.count = known.count + 1 if state == known.pending else 1
        known.pending = state
        if state == known.told or (known.count < SEEN and state == "down"):
            return []
        if known.told == "down" and known.count < SEEN:
            return []
        known.told = state
        detail: dict[str, Plain] = {"reason": reason} if reason else {}
        return [Reading("host", sense, "host", subject, state, now_ns, detail)]

    def _counters(self, sample: Sample, now_ns: int) -> list[Reading]:
        """Throughput of each interface and the processor's load, once a minute."""
        if self._counted is not None and now_ns - self._counted[0] < COUNTERS_EVERY_NS:
            return []
        before, self._counted = self._counted, (now_ns, dict(sample.links))
        if before is None:
            return []
        seconds = (now_ns - before[0]) / NS
        out = []
        for name, link in sample.links.items():
            was = before[1].get(name)
            if was is None or link.received < was.received or link.sent < was.sent:  # new, or begun anew
                continue
            detail: dict[str, Plain] = {
                "in_bytes_s": round((link.received - was.received) / seconds),
                "out_bytes_s": round((link.sent - was.sent) / seconds),
            }
            out.append(Reading("host", "throughput", "counter", name, None, now_ns, detail))
        if sample.cpu_percent is not None:
            out.append(Reading("host", "cpu", "counter", "cpu", None, now_ns, {"percent": sample.cpu_percent}))
        return out


def _minus(value: float | None) -> float | None:
    return None if value is None else -value
