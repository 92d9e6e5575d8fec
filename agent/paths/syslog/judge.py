"""What one device's log says of calls: refused, not refused, or nothing at all. Pure.

Not packets are counted but flows (addresses, ports, protocol), and a flow again only after its share of the window,
``within_s / denies``: the repetitions of one refused INVITE (RFC 3261 section 17.1.1.2: 7 in 32 s) or OPTIONS are no
five refusals, a trunk between two fixed ports that is refused on and on is.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque

from agent.clock import NS
from agent.paths.outcome import KIND_OF
from agent.paths.syslog.calls import CallPackets
from agent.paths.syslog.changes import change_of
from agent.paths.syslog.deny import Deny
from agent.paths.syslog.formats import denies
from agent.paths.syslog.message import BYTES_MAX, parse
from agent.readings import Plain, Reading, State
from agent.site import schema

FLOWS_MAX = 512
AGAIN_NS = 10 * NS
"""How often at most refusals that go on are told again."""
EVENT_NS = 60 * NS
"""How often at most an event of the same subject is told; those between are counted."""

_Flow = tuple[str | None, int | None, str | None, int | None, str | None]


class SyslogJudge:
    """One ``syslog`` check of one path. Times are monotonic nanoseconds and never go back."""

    def __init__(self, path: schema.Path, name: str, check: schema.Syslog, listen: schema.Listen) -> None:
        self._path, self._name, self._check = path, name, check
        self._within_ns, self._quiet_ns = int(check.within_s * NS), int(check.quiet_s * NS)
        self._share_ns = self._within_ns // check.denies
        self._packets = CallPackets(listen, path.address)
        self._state: State = "unknown"
        self._heard_ns: int | None = None
        self._denied_ns: int | None = None  # when a call was last refused, counted or not
        self._counted_ns: deque[int] = deque(maxlen=max(FLOWS_MAX, check.denies))
        self._flows: OrderedDict[_Flow, tuple[int, Deny]] = OrderedDict()
        self._told_ns = 0
        self._news = False  # a refusal was counted since it was last told
        self._events: dict[str, tuple[int, str, int]] = {}  # by subject: last told, what, how many since
        self.messages = self.garbled = self.strangers = self.forgotten = self.overlong = 0

    def message(self, data: bytes, now_ns: int) -> list[Reading]:
        """One message of this device came; what follows. Never raises, whatever the bytes."""
        self._heard_ns = now_ns
        self.messages += 1
        message = parse(data)
        self.overlong += len(data) > BYTES_MAX
        self.garbled += not message.whole or "\ufffd" in message.whole
        out: list[Reading] = []
        changed = change_of(message)
        if changed is not None:
            out += self._event(*changed, now_ns)
        else:
            for deny in denies(message):
                self._deny(deny, now_ns)
        return [*out, *self._judge(now_ns)]

    def tick(self, now_ns: int) -> list[Reading]:
        """Time has passed."""
        out: list[Reading] = []
        for subject, (told_ns, what, times) in self._events.items():
            if times and now_ns >= told_ns + EVENT_NS:
                self._events[subject] = (now_ns, what, 0)
                out.append(self._event_reading(subject, what, times, now_ns))
        return [*out, *self._judge(now_ns)]

    def due_ns(self) -> int | None:
        """When ``tick`` next has something to say, if no message comes; None for never."""
        due = [told_ns + EVENT_NS for told_ns, _, times in self._events.values() if times]
        if self._heard_ns is not None and self._state != "unknown":
            due.append(self._heard_ns + self._quiet_ns)
        if self._denied_ns is not None and self._state == "down":
            due.append(self._denied_ns + self._within_ns)
        if self._state == "down" and self._news:
            due.append(self._told_ns + AGAIN_NS)
        return min(due, default=None)

    def blind(self, reason: str, now_ns: int) -> list[Reading]:
        """This box can't hear the device now: its log says nothing. Told each time."""
        self._heard_ns = None
        self._forget()
        return [self._reading("unknown", {"reason": reason[:200]}, now_ns)]

    # -- refusals ------------------------------------------------------------------------------------------------

    def _deny(self, deny: Deny, now_ns: int) -> None:
        kind = self._packets.kind(deny)
        self.strangers += kind == "stranger"
        if kind != "call":
            return
        self._denied_ns = now_ns
        flow = (deny.src, deny.sport, deny.dst, deny.dport, deny.proto)
        known = self._flows.get(flow)
        if known is not None and now_ns - known[0] < self._share_ns:
            return
        self._flows[flow] = (now_ns, deny)
        self._flows.move_to_end(flow)
        self._counted_ns.append(now_ns)
        self._news = True
        if len(self._flows) > FLOWS_MAX:
            (counted_ns, _) = self._flows.popitem(last=False)[1]
            self.forgotten += now_ns - counted_ns < self._within_ns

    def _forget(self) -> None:
        self._denied_ns = None
        self._counted_ns.clear()
        self._flows.clear()

    def _judge(self, now_ns: int) -> list[Reading]:
        if self._heard_ns is None:
            return []
        if now_ns >= self._heard_ns + self._quiet_ns:
            self._forget()
            reason = f"its log has been silent for {self._check.quiet_s:g} s and says nothing"
            return self._change("unknown", {"reason": reason}, now_ns)
        if self._denied_ns is not None and now_ns >= self._denied_ns + self._within_ns:
            self._forget()
        while self._counted_ns and now_ns >= self._counted_ns[0] + self._within_ns:
            self._counted_ns.popleft()
        if len(self._counted_ns) >= self._check.denies:
            return self._refused(now_ns)
        if self._state == "down" and self._denied_ns is not None:
            return self._refused(now_ns)  # fewer than at first, but not yet a whole window without any
        # It logs, and refused no call for a whole window: told again, since its word from before a fault says nothing.
        again = self._denied_ns is None and self._heard_ns == now_ns and now_ns >= self._told_ns + self._within_ns
        return self._change("up", self._counts(), now_ns, again=again)

    def _refused(self, now_ns: int) -> list[Reading]:
        if self._state == "down" and (not self._news or now_ns < self._told_ns + AGAIN_NS):
            return []
        recent = [deny for at_ns, deny in self._flows.values() if now_ns < at_ns + self._within_ns]
        groups = Counter((self._packets.carrier(d), d.dport, d.rule, d.proto, d.reason) for d in recent)
        (where, port, rule, proto, why), _ = groups.most_common(1)[0] if groups else ((None,) * 5, 0)
        count = len(self._counted_ns)
        who = self._path.role.replace("-", " ")
        to = f" to {where}" if where else ""
        to += f" port {port}" if port is not None else ""
        by = f" by rule {rule}" if rule else ""
        detail: dict[str, Plain] = {
            "reason": f"the {who} refuses calls: {count} denies in {self._check.within_s:g} s{to}{by}",
            "denies": count,
            "address": where,
            "port": port,
            "proto": proto,
            "rule": rule,
            "why": why,
            **self._counts(),
        }
        self._news = False
        return [self._reading("down", detail, now_ns)]

    def _counts(self) -> dict[str, Plain]:
        """What was dropped and passed over, so that nothing is silent."""
        counts = {
            "messages": self.messages,
            "strangers_refused": self.strangers,
            "flows_forgotten": self.forgotten,
            "garbled": self.garbled,
            "overlong": self.overlong,
        }
        return {key: number for key, number in counts.items() if number}

    # -- telling -------------------------------------------------------------------------------------------------

    def _change(self, state: State, detail: dict[str, Plain], now_ns: int, *, again: bool = False) -> list[Reading]:
        return [] if state == self._state and not again else [self._reading(state, detail, now_ns)]

    def _reading(self, state: State, detail: dict[str, Plain], now_ns: int) -> Reading:
        self._state, self._told_ns = state, now_ns
        return Reading(self._path.id, self._name, KIND_OF[state], "", state, now_ns, detail)

    def _event(self, subject: str, what: str, now_ns: int) -> list[Reading]:
        told_ns, _, times = self._events.get(subject, (now_ns - EVENT_NS, "", 0))
        if now_ns < told_ns + EVENT_NS:
            self._events[subject] = (told_ns, what, times + 1)
            return []
        self._events[subject] = (now_ns, what, 0)
        return [self._event_reading(subject, what, times + 1, now_ns)]

    def _event_reading(self, subject: str, what: str, times: int, now_ns: int) -> Reading:
        return Reading(self._path.id, self._name, "event", subject, None, now_ns, {"what": what, "times": times})
