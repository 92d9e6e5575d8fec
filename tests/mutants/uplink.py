"""Bugs of the reporting: the NOC is told late, wrongly or never."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "cursor-before-puback",
        "An alarm that was under way as the line broke is never reported.",
        "agent/uplink/stream.py",
        "return next(iter(self.open)) - 1 if self.open else self.taken",
        "return self.taken",
        ("tests/uplink/test_flow.py",),
    ),
    Mutant(
        "backlog-before-live",
        "A new alarm waits behind a day's old entries.",
        "agent/uplink/flow.py",
        "        if fresh and (entry := self._live.take()) is not None:",
        "        behind = self._backlog.buffer or self._backlog.hungry\n"
        "        if fresh and not behind and (entry := self._live.take()) is not None:",
        ("tests/uplink/test_flow.py",),
    ),
    Mutant(
        "receive-maximum-ignored",
        "A broker that takes few messages at once cuts the box off again and again.",
        "agent/uplink/flow.py",
        "self.window = max(1, min(WINDOW_MAX, receive_maximum))",
        "self.window = WINDOW_MAX",
        ("tests/uplink/test_flow.py",),
    ),
    Mutant(
        "refusal-taken-for-receipt",
        "A broker refuses an alarm, and the box believes that the NOC has it.",
        "agent/uplink/flow.py",
        "        if code >= REFUSED_FROM:",
        "        if code > 0xFF:",
        ("tests/uplink/test_flow.py",),
    ),
    Mutant(
        "receipts-of-another-store",
        "After a new card old receipts count for new alarms, which are never sent.",
        "agent/uplink/uplink.py",
        "if self._flow is not None and receipt.store == self._journal.store_id:",
        "if self._flow is not None:",
        ("tests/uplink/test_receipts.py",),
    ),
    Mutant(
        "cleared-state-not-sent",
        "The NOC's board shows an alarm for ever that is long over.",
        "agent/uplink/flow.py",
        "entry.kind in STATEFUL and bool(entry.key)",
        'entry.kind in STATEFUL and bool(entry.key) and b\'"state":"normal"\' not in (entry.payload or b"")',
        ("tests/uplink/test_flow.py",),
    ),
    Mutant(
        "status-not-retained",
        "A NOC that starts anew does not learn which sites there are.",
        "agent/uplink/messages.py",
        "self._encoder.encode(body), 1, True, expiry_s=expiry_s)",
        "self._encoder.encode(body), 1, False, expiry_s=expiry_s)",
        ("tests/test_contract.py", "tests/uplink"),
    ),
    Mutant(
        "alarm-state-not-retained",
        "A NOC that connects in an outage sees no alarm.",
        "agent/uplink/messages.py",
        "return Message(topic, self._encoder.encode(body), 1, True)",
        "return Message(topic, self._encoder.encode(body), 1, False)",
        ("tests/test_contract.py", "tests/uplink"),
    ),
    Mutant(
        "backoff-never-reset",
        "After a bad night the box waits a minute for each new connection, also when all is well.",
        "agent/uplink/backoff.py",
        "        if stable:\n            self._failures = 0",
        "        if stable:\n            pass",
        ("tests/uplink/test_backoff.py",),
    ),
    Mutant(
        "backoff-without-jitter",
        "Thousands of boxes come back in the same second, and the broker falls over again.",
        "agent/uplink/backoff.py",
        "return max(LEAST_S, most_s * self._draw())",
        "return max(LEAST_S, most_s)",
        ("tests/uplink/test_backoff.py",),
    ),
    Mutant(
        "nobody-subscribed-counts-at-once",
        "An alarm that no receiver heard counts as told.",
        "agent/uplink/flow.py",
        "if now_ns - self._unheard_since_ns >= UNHEARD_S * NS:",
        "if now_ns - self._unheard_since_ns >= 0:",
        ("tests/uplink/test_flow.py",),
    ),
    Mutant(
        "cursor-never-saved",
        "At every start a whole journal is sent again over a metered link.",
        "agent/uplink/flow.py",
        "self.dirty = self.dirty or grown != self.ranges",
        "self.dirty = self.dirty",
        ("tests/uplink/test_flow.py", "tests/uplink/test_receipts.py"),
    ),
    Mutant(
        "broker-not-verified",
        "Anybody on the way may pose as the NOC, read the reports and give orders.",
        "agent/uplink/way.py",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n",
        "    context.minimum_version = ssl.TLSVersion.TLSv1_2\n    context.check_hostname = False\n",
        ("tests/uplink/test_way.py",),
    ),
)
