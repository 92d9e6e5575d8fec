"""What a firewall's log says of calls: refusals of the addresses and ports that carry them, counted. Pure.

A refusal counts where one of its addresses is of ``[listen] calls_at`` (the far ends, the SBC: whoever calls come from
and go to) and one of its ports, the destination's or the source's, is of ``call_ports``. The internet's scanners knock
at 5060 all day: their packets go to our own address and come from anywhere, so neither end is one of ``calls_at`` unless
the site lists its own. Flows are counted, not packets: one peer that retries is one.
"""

from __future__ import annotations

import ipaddress
import re
from collections import OrderedDict
from typing import Any

from agent.paths.syslog.deny import Deny, deny_of
from agent.paths.syslog.message import text_of
from agent.readings import Kind, Plain, Reading, State
from agent.site import schema

NS = 1_000_000_000
FLOWS_MAX = 512
TELL_EVERY_NS = 10 * NS
CONFIG = re.compile(
    r"%ASA-5-111008|%ASA-5-111010|%SYS-5-CONFIG_I|UI_COMMIT(?:_COMPLETED)?\b|logid=\"?010004454[567]|,CONFIG,"
)
FAILOVER = re.compile(
    r"%ASA-1-10400[1234]|%ASA-1-1051\d\d|logid=\"?01080378\d\d|HA (?:Group|state)|%HSRP-5-STATECHANGE|"
    r"%VRRP-6-STATECHANGE"
)
EVENT_EVERY_NS = 60 * NS


class SyslogJudge:
    """The log of one path. Every method gives the readings that are new; there are few, however many lines."""

    def __init__(self, path: schema.Path, name: str, check: schema.Syslog, listen: schema.Listen) -> None:
        self._path, self._name, self._check = path, name, check
        self._networks = [ipaddress.ip_network(one, strict=False) for one in listen.calls_at]
        self._ports = [self._range(one) for one in listen.call_ports]
        self._flows: OrderedDict[tuple[Any, ...], int] = OrderedDict()
        self._state: State = "unknown"
        self._told_ns: int | None = None
        self._heard_ns: int | None = None
        self._events_ns: dict[str, int] = {}
        self._last: Deny | None = None
        self.counters = {"messages": 0, "denies": 0, "of calls": 0, "dropped": 0}

    def message(self, data: bytes, now_ns: int) -> list[Reading]:
        """One message as it came."""
        text = text_of(data)
        if text is None:
            return []
        self.counters["messages"] += 1
        self._heard_ns = now_ns
        out = self._events(text, now_ns)
        deny = deny_of(text)
        if deny is not None:
            self.counters["denies"] += 1
            if self._of_calls(deny):
                self._count(deny, now_ns)
        return out + self._look(now_ns)

    def tick(self, now_ns: int) -> list[Reading]:
        """What time alone changes; call it at ``due_ns``."""
        return self._look(now_ns)

    def due_ns(self) -> int | None:
        """When ``tick`` next has something."""
        times = []
        if self._heard_ns is not None and self._state != "unknown":
            times.append(self._heard_ns + int(self._check.quiet_s * NS))
        if self._flows:
            times.append(next(iter(self._flows.values())) + int(self._check.within_s * NS))
        return min(times, default=None)

    # -- counting ------------------------------------------------------------------------------------------------

    def _range(self, text: str) -> tuple[int, int]:
        low, _, high = text.partition("-")
        return int(low), int(high or low)

    def _of_calls(self, deny: Deny) -> bool:
        ports = [port for port in (deny.dport, deny.sport) if port is not None]
        if not any(low <= port <= high for port in ports for low, high in self._ports):
            return False
        return not self._networks or any(self._at(address) for address in (deny.src, deny.dst))

    def _at(self, text: str | None) -> bool:
        try:
            address = ipaddress.ip_address(text or "")
        except ValueError:
            return False
        return any(address in network for network in self._networks if network.version == address.version)

    def _count(self, deny: Deny, now_ns: int) -> None:
        self.counters["of calls"] += 1
        self._last = deny
        flow = (deny.src, deny.sport, deny.dst, deny.dport, deny.proto)
        self._flows.pop(flow, None)
        self._flows[flow] = now_ns
        if len(self._flows) > FLOWS_MAX:
            self._flows.popitem(last=False)
            self.counters["dropped"] += 1

    def _look(self, now_ns: int) -> list[Reading]:
        since_ns = now_ns - int(self._check.within_s * NS)
        while self._flows and next(iter(self._flows.values())) <= since_ns:
            self._flows.popitem(last=False)
        heard = self._heard_ns is not None and now_ns - self._heard_ns < int(self._check.quiet_s * NS)
        state: State = "unknown"
        if heard:
            state = "down" if len(self._flows) >= self._check.denies else "up"
        again = state == "down" and self._told_ns is not None and now_ns - self._told_ns >= TELL_EVERY_NS
        if state == self._state and not again:
            return []
        self._state, self._told_ns = state, now_ns
        kind: Kind = "probe-ok" if state == "up" else "probe-fail"
        return [Reading(self._path.id, self._name, kind, "", state, now_ns, self._detail(state))]

    def _detail(self, state: State) -> dict[str, Plain]:
        if state == "unknown":
            return {"reason": f"its log has said nothing for {self._check.quiet_s:g} s"}
        if state == "up" or self._last is None:
            return {}
        to = f" to {self._last.dst} port {self._last.dport}" if self._last.dst and self._last.dport else ""
        rule = f" by {self._last.rule}" if self._last.rule else ""
        count = len(self._flows)
        reason = f"the firewall refuses calls: {count} flows in {self._check.within_s:g} s, the last{to}{rule}"
        return {"reason": reason[:200], "denies": count, "proto": self._last.proto}

    def _events(self, text: str, now_ns: int) -> list[Reading]:
        """A change of its configuration, a failover: told once a minute, without what else the line says."""
        out = []
        for what, form in (("config-change", CONFIG), ("failover", FAILOVER)):
            found = form.search(text)
            if found is None:
                continue
            told_ns = self._events_ns.get(what)
            if told_ns is None or now_ns - told_ns >= EVENT_EVERY_NS:
                self._events_ns[what] = now_ns
                out.append(Reading(self._path.id, self._name, "event", what, None, now_ns, {"what": found[0][:40]}))
        return out
