"""Bugs of what the calls themselves say."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

SILENCE = ("tests/calls/test_silence.py", "tests/calls/test_watch.py")

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "gap-timer-off-by-one",
        "Silence is told only when something else happens after its time.",
        "agent/calls/silence.py",
        "if stream.alarm_ns <= self._now_ns:",
        "if stream.alarm_ns < self._now_ns:",
        SILENCE,
    ),
    Mutant(
        "gap-timer-starts-late",
        "A call still runs on the clock as the next one begins, so silence is told too soon.",
        "agent/calls/silence.py",
        "stream.since_ns, stream.expected, stream.down = now_ns, 0.0, False",
        "stream.since_ns, stream.down = now_ns, False",
        SILENCE,
    ),
    Mutant(
        "feed-gap-is-silence",
        "A cable is pulled for the night, and the box says that no calls come.",
        "agent/calls/watch.py",
        "return all(self._alive[line.id] for line in feeds)",
        "return True",
        SILENCE,
    ),
    Mutant(
        "silence-while-diverted",
        "A centre that is diverted on purpose gets an alarm for the calls that it has sent away.",
        "agent/calls/watch.py",
        "        if self.diverted:\n            return False\n        feeds",
        "        feeds",
        SILENCE,
    ),
    Mutant(
        "outage-is-learned",
        "A long outage teaches the box that silence is usual.",
        "agent/calls/silence.py",
        "if stream.expected > stream.held:",
        "if stream.expected > math.inf:",
        SILENCE,
    ),
    Mutant(
        "clock-change-shifts-the-week",
        "For half of the year nights are judged as days, and the horn sounds in quiet hours.",
        "agent/calls/profile.py",
        "offset = datetime.fromtimestamp(utc_s, UTC)",
        "offset = datetime.fromtimestamp(0, UTC)",
        ("tests/calls/test_profile.py", "tests/test_clock_steps.py"),
    ),
    Mutant(
        "first-press-is-critical",
        "One caller with a bad phone sounds the horn of the whole centre.",
        "agent/calls/button.py",
        "self.critical = self._last_ns is not None",
        "self.critical = True",
        ("tests/calls/test_button.py",),
    ),
    Mutant(
        "second-press-ignored",
        "Two dispatchers press because they hear nobody, and nothing happens.",
        "agent/calls/button.py",
        "self.critical = self._last_ns is not None",
        "self.critical = False",
        ("tests/calls/test_button.py",),
    ),
    Mutant(
        "same-caller-counted-again",
        "One caller who tries again and again looks like an outage.",
        "agent/calls/voice.py",
        'name = fact.caller_key or f"call {fact.call}"',
        'name = f"call {fact.call}"',
        ("tests/calls/test_voice.py",),
    ),
    Mutant(
        "short-talk-is-a-talk",
        "Callers who hear nothing and hang up after five seconds count as people who were helped.",
        "agent/calls/voice.py",
        "return fact.talk_s >= self.talk_s",
        "return fact.talk_s > 0",
        ("tests/calls/test_voice.py",),
    ),
    Mutant(
        "shadow-never-asked-for",
        "A new detector sounds on its first day.",
        "agent/calls/shadow.py",
        "return self.quiet_s.get(name, 0.0) < self.days * DAY_S",
        "return False",
        ("tests/core/test_calls.py", "tests/calls/test_watch.py"),
    ),
    Mutant(
        "proof-begins-again-for-ever",
        "A detector that was right once is dumb for the next outage.",
        "agent/calls/shadow.py",
        "        if self.shadow(name):\n            self.quiet_s[name] = 0.0",
        "        self.quiet_s[name] = 0.0",
        ("tests/calls/test_watch.py",),
    ),
)
