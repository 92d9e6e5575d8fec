"""Silence: no call for longer than chance allows. A gap timer in expected calls, one for each stream. Pure.

The likelihood ratio of "no calls come any more" rises with the expected calls since the last one, and any call sets
it back to nothing: for Poisson arrivals no other statistic is faster at equal false alarms (outages.md section 7; El
Karoui, Loisel and Salhi 2017). With N calls a year and one false alarm the threshold is ln N. Here it is

    h = inflate(fit(ln(N / F)), 1/calls behind the level + variance of the shape + day-to-day variance)

where F is the stream's share of the false alarms a year, ``fit`` is ``Burst.threshold`` (1.3 ln N before anything is
learned) and ``inflate`` is h' = m (e^(h/m) - 1). A stream is able to judge as soon as h is at most ``INFLATION_MAX``
times ln(N / F): by the mathematics about 25 calls and a look at that part of the day. Before, it says what it needs.

Time is cut at the half hours of the local week; within one the rate is constant, so every alarm has an exact time.
Only time in which the feed is alive counts. What was expected before a feed gap stays expected after it: the chance
of no call in two pieces of time is the product. Beyond the threshold nothing is learned, so an outage weighs no more
than one long gap. While suspicion stands nothing is learned either.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent.calls.burst import Burst, inflated, numbers
from agent.calls.profile import SLOT_S, VERSION, Profile, Week, usable

NS = 1_000_000_000
STREAMS_MAX = 32
YEAR_H = 8766.0
INFLATION_MAX = 4.0
NEVER_NS = 1 << 62
LOG_N_MIN = 3.0
SUSPECTED_MIN = 0.3  # suspicion never takes a threshold below this share of itself: two quiet minutes are no outage
STEPS_MAX = 400  # half hours walked one by one; beyond, a look comes more than a week late and time is a feed gap
FIT_CALLS = 30.0  # gaps are fitted once the level is known as well as this
STEP_S = 2.0  # a clock that moved by less has drifted
Word = Literal["u", "d", "-"]


@dataclass(slots=True, frozen=True)
class StreamLook:
    """How one stream stands. ``u`` calls come as expected, ``d`` silent, ``-`` can't be judged and ``why``.

    ``expected``: calls expected since the last one. ``delay_s``: at today's rate, from a last call to the alarm.
    ``able_in_s``: None while able, and where not even a guess is to be had. ``since_ns``: the last call, None before.
    """

    stream: str
    state: Word
    expected: float
    threshold: float
    rate_per_h: float
    able: bool
    why: str
    able_in_s: float | None
    since_ns: int | None
    delay_s: float | None


class _Stream:
    __slots__ = (
        "alarm_ns", "alive", "at_ns", "burst", "calls", "down", "expected", "gap_broken", "held", "hour",
        "learned_h", "missing", "name", "per_ns", "profile", "since_ns", "threshold", "usual", "why",
    )  # fmt: skip

    def __init__(self, name: str, guess: float | None, now_ns: int) -> None:
        self.name = name
        self.profile = Profile(guess)
        self.burst = Burst()
        self.alive = True
        self.down = False
        self.since_ns: int | None = None
        self.at_ns = now_ns  # up to where time is accounted
        self.expected = 0.0
        self.per_ns = 0.0  # calls expected a nanosecond
        self.usual = self.threshold = math.inf  # without and with suspicion
        self.alarm_ns = NEVER_NS
        self.why = ""  # it can't be judged yet
        self.missing = 0.0  # calls until it can
        self.gap_broken = True  # the gap under way is no whole one: it began unseen
        self.held = 0.0  # expected calls of this gap beyond which nothing is learned
        self.calls = 0.0  # in this half hour, to be learned at its end
        self.learned_h = 0.0
        self.hour = [0.0, 0.0, 0.0]  # hours, calls, expected: the block for over-dispersion


class Silence:
    """The detector. See the module's text; ``feed``, ``clock``, ``call`` and ``suspect`` may come in any order.

    ``streams``: at most 32 names. ``first_guess_per_h`` is of the whole site: it serves the stream ``all``, or the
    only one. ``false_alarms_per_year`` is shared out evenly. ``saved``: what an earlier run's ``saved()`` gave; what
    can't be used is refused and ``restored`` is False. ``unknown_calls`` counts arrivals on streams not named.
    """

    def __init__(
        self,
        streams: Sequence[str],
        timezone: str,
        first_guess_per_h: float | None,
        false_alarms_per_year: float,
        now_ns: int,
        saved: Mapping[str, Any] | None = None,
    ) -> None:
        names = list(dict.fromkeys(streams))
        if not 0 < len(names) <= STREAMS_MAX or not 0.0 < false_alarms_per_year < math.inf:
            raise ValueError(f"silence takes 1 to {STREAMS_MAX} streams and more than 0 false alarms a year")
        whole = "all" if "all" in names else names[0] if len(names) == 1 else None
        self._share = false_alarms_per_year / len(names)
        self._timezone = timezone
        self._week = Week(timezone)
        self._now_ns = now_ns
        self._utc_s: float | None = None  # at _utc_ns; None: no synchronised clock
        self._utc_ns = now_ns
        self._slot: int | None = None
        self._step_ns = now_ns + SLOT_S * NS
        self._suspect_ns = NEVER_NS  # its end; NEVER_NS: none
        self._odds = 0.0
        self.unknown_calls = 0
        self._streams = {n: _Stream(n, first_guess_per_h if n == whole else None, now_ns) for n in names}
        self.restored = saved is not None and self._restore(saved)
        self._plan_all()

    def clock(self, now_ns: int, utc_s: float | None, synced: bool) -> None:
        """What the wall clock says, each minute and at every step. It only picks the half hour of the week."""
        now_ns = self._advance(now_ns)
        if not synced or not usable(utc_s) or utc_s is None:
            if self._utc_s is None:
                return
            self._utc_s = None
        else:
            if self._utc_s is not None and abs(self._utc_s + (now_ns - self._utc_ns) / NS - utc_s) < STEP_S:
                return  # drift: taken up once it comes to STEP_S
            self._utc_s, self._utc_ns = utc_s, now_ns
        self._learn_all()
        self._find_slot()
        self._plan_all()

    def call(self, streams: Sequence[str], now_ns: int) -> None:
        """An arrival: each of its streams starts a new gap."""
        now_ns = self._advance(now_ns)
        for name in streams:
            stream = self._streams.get(name)
            if stream is None:
                self.unknown_calls += 1
                continue
            if stream.alive:
                self._account(stream, now_ns)
                if self._learning:
                    stream.calls += 1.0
                    if not stream.gap_broken and stream.profile.calls >= FIT_CALLS:
                        stream.burst.gap(min(stream.expected, stream.held))
                stream.gap_broken = not self._learning
            stream.since_ns, stream.expected, stream.down = now_ns, 0.0, False
            self._set_alarm(stream)

    def feed(self, stream: str, alive: bool, now_ns: int) -> None:
        """Whether this stream's calls would be seen. While not, nothing is expected, judged or learned."""
        now_ns = self._advance(now_ns)
        found = self._streams.get(stream)
        if found is None or found.alive == alive:
            return
        self._account(found, now_ns)
        found.alive = alive
        found.at_ns = now_ns
        found.gap_broken = True
        self._plan(found)

    def suspect(self, now_ns: int, odds: float = 100.0, for_s: float = 900.0) -> None:
        """Something else speaks for an outage at ``odds`` to 1 (a line flap, a new config): h - ln(odds) meanwhile."""
        now_ns = self._advance(now_ns)
        if not odds > 1.0 or not for_s > 0.0:
            return
        standing = self._suspect_ns != NEVER_NS
        self._learn_all()
        self._odds = max(self._odds if standing else 0.0, math.log(min(odds, 1e6)))
        end_ns = now_ns + int(min(for_s, 86_400.0) * NS)
        self._suspect_ns = max(self._suspect_ns, end_ns) if standing else end_ns
        for stream in self._streams.values():
            stream.gap_broken = True
        self._plan_all()

    def judge(self, now_ns: int) -> list[StreamLook]:
        """How each stream stands at ``now_ns``."""
        now_ns = self._advance(now_ns)
        return [self._look(stream, now_ns) for stream in self._streams.values()]

    def deadline(self, now_ns: int) -> int | None:
        """When to judge again if nothing comes: the next alarm, half hour or end of suspicion. Always after now."""
        now_ns = self._advance(now_ns)
        due = min(self._step_ns, self._suspect_ns)
        for stream in self._streams.values():
            if stream.alarm_ns < due:
                due = stream.alarm_ns
        return max(due, now_ns + 1)

    # ---- time

    @property
    def _learning(self) -> bool:
        return self._slot is not None and self._suspect_ns == NEVER_NS

    def _advance(self, now_ns: int) -> int:
        """Go through every half hour and end of suspicion up to ``now_ns``, in order; time never goes back."""
        if now_ns <= self._now_ns:
            return self._now_ns
        due = self._suspect_ns if self._suspect_ns < self._step_ns else self._step_ns
        steps = 0
        while due <= now_ns:
            steps += 1
            if steps > STEPS_MAX:
                self._skip(now_ns)
                break
            self._now_ns = due
            self._latch()
            self._learn_all()
            if due >= self._suspect_ns:
                self._suspect_ns, self._odds = NEVER_NS, 0.0
            if due >= self._step_ns:
                self._find_slot()
            self._plan_all()
            due = self._suspect_ns if self._suspect_ns < self._step_ns else self._step_ns
        self._now_ns = now_ns
        self._latch()
        return now_ns

    def _latch(self) -> None:
        for stream in self._streams.values():
            if stream.alarm_ns <= self._now_ns:
                stream.down, stream.alarm_ns = True, NEVER_NS  # until a call comes, whatever the threshold becomes

    def _skip(self, now_ns: int) -> None:
        self._now_ns = now_ns
        self._suspect_ns, self._odds = NEVER_NS, 0.0
        for stream in self._streams.values():
            stream.at_ns, stream.gap_broken = now_ns, True
        self._find_slot()
        self._plan_all()

    def _find_slot(self) -> None:
        """The half hour that holds now, and its end."""
        left_s = float(SLOT_S)
        self._slot = None
        if self._utc_s is not None:
            utc_s = self._utc_s + (self._now_ns - self._utc_ns) / NS
            if usable(utc_s):
                self._slot, left_s = self._week.slot(utc_s + 1e-6)  # a nanosecond's rounding must not cut a sliver
        self._step_ns = self._now_ns + max(int(left_s * NS), NS // 1000)

    # ---- one stream

    def _account(self, stream: _Stream, now_ns: int) -> None:
        """Bring expected calls and the exposure to be learned up to ``now_ns``."""
        passed_ns = now_ns - stream.at_ns
        stream.at_ns = now_ns
        if not stream.alive or passed_ns <= 0:
            return
        before = stream.expected
        stream.expected = before + stream.per_ns * passed_ns
        if not self._learning:
            return
        hours = passed_ns / (3600.0 * NS)
        if stream.expected > stream.held:  # past the threshold this silence teaches nothing more
            hours *= max(0.0, stream.held - before) / (stream.expected - before)
        stream.learned_h += hours

    def _learn_all(self) -> None:
        for stream in self._streams.values():
            self._account(stream, self._now_ns)
            if stream.learned_h <= 0.0 and stream.calls <= 0.0:
                continue
            slot, hours, calls = self._slot, stream.learned_h, stream.calls
            stream.learned_h = stream.calls = 0.0
            if slot is None:
                continue
            profile, burst, hour = stream.profile, stream.burst, stream.hour
            expected = profile.rate_per_h(slot) * hours
            known = profile.calls >= FIT_CALLS
            day = profile.learn(slot, hours, calls)
            if not known:
                continue
            hour[0] += hours
            hour[1] += calls
            hour[2] += expected
            if hour[0] >= 0.999:
                burst.hour(hour[1], hour[2])
                stream.hour = [0.0, 0.0, 0.0]
            if day is not None:
                burst.day(*day)
            burst.fade(hours)

    def _plan_all(self) -> None:
        for stream in self._streams.values():
            self._plan(stream)

    def _plan(self, stream: _Stream) -> None:
        """Rate and threshold from here on, and so when the alarm comes."""
        stream.at_ns = max(stream.at_ns, self._now_ns)
        profile = stream.profile
        rate = profile.rate_per_h(self._slot)
        stream.per_ns = rate / (3600.0 * NS) if stream.alive else 0.0
        stream.usual, plain = self._threshold(stream, 0.0)
        stream.held = min(stream.usual, 2.0 * plain)
        stream.threshold = stream.usual
        if self._suspect_ns != NEVER_NS:
            stream.threshold = max(stream.usual - self._odds, SUSPECTED_MIN * stream.usual)
        if rate <= 0.0:
            stream.why = "learns: no call yet"
        elif stream.usual > INFLATION_MAX * plain:
            stream.missing = self._calls_missing(stream)
            stream.why = f"learns: {profile.calls:.0f} of {profile.calls + stream.missing:.0f} calls"
        else:
            stream.why = ""
        self._set_alarm(stream)

    def _threshold(self, stream: _Stream, more_calls: float) -> tuple[float, float]:
        """The threshold after ``more_calls`` more, and ln(N / F)."""
        profile, burst = stream.profile, stream.burst
        log_n = max(LOG_N_MIN, math.log(max(profile.level_per_h, 1e-9) * YEAR_H / self._share))
        phi = burst.phi
        behind = profile.calls / phi + more_calls / phi
        if behind <= 0.0:
            return math.inf, log_n
        shape = phi * profile.shape_variance(self._slot)
        if more_calls > 0.0:  # an eighth of the day's calls come near this hour
            shape = 1.0 / (1.0 / shape + more_calls / 8.0)
        return inflated(burst.threshold(log_n), 1.0 / behind + shape + burst.cv2), log_n

    def _calls_missing(self, stream: _Stream) -> float:
        more = 1.0
        while more < 1e4:
            usual, plain = self._threshold(stream, more)
            if usual <= INFLATION_MAX * plain:
                break
            more = math.ceil(more * 1.25)
        return more

    def _set_alarm(self, stream: _Stream) -> None:
        """The nanosecond at which the threshold is passed if no call comes before it."""
        stream.alarm_ns = NEVER_NS
        if stream.down or stream.why or not stream.alive or stream.per_ns <= 0.0:
            return
        left = stream.threshold - stream.expected
        if left <= 0.0:
            stream.down = True
            return
        stream.alarm_ns = min(stream.at_ns + math.ceil(left / stream.per_ns), NEVER_NS)

    def _look(self, stream: _Stream, now_ns: int) -> StreamLook:
        expected = stream.expected + stream.per_ns * max(0, now_ns - stream.at_ns)
        rate = stream.per_ns * 3600.0 * NS
        why = stream.why if stream.alive else "feed gap"
        state: Word = "-" if not stream.alive else "d" if stream.down else "-" if why else "u"
        able_in_s = None
        if stream.why and stream.profile.level_per_h > 0.0:
            able_in_s = stream.missing / stream.profile.level_per_h * 3600.0
        return StreamLook(
            stream.name, state, expected, stream.threshold, rate, not why, why, able_in_s, stream.since_ns,
            stream.threshold / rate * 3600.0 if rate > 0.0 and not why else None,
        )  # fmt: skip

    # ---- kept across restarts

    def saved(self) -> dict[str, Any]:
        """Plain JSON, under 4 kB a stream. The time until it is restored is a feed gap."""
        self._learn_all()
        streams = {
            name: {
                "profile": stream.profile.saved(),
                "burst": stream.burst.saved(),
                "hour": [float(f"{value:.10g}") for value in stream.hour],
                "gap": [
                    stream.expected,
                    int(stream.down),
                    -1.0 if stream.since_ns is None else (self._now_ns - stream.since_ns) / NS,
                ],
            }
            for name, stream in self._streams.items()
        }
        self._plan_all()
        return {"v": VERSION, "timezone": self._timezone, "streams": streams}

    def _restore(self, saved: Mapping[str, Any]) -> bool:
        """Take over what fits the streams of today. False: nothing was, and all start anew."""
        if saved.get("v") != VERSION or saved.get("timezone") != self._timezone:
            return False
        streams = saved.get("streams")
        if not isinstance(streams, dict):
            return False
        taken = []
        try:
            for name, stream in self._streams.items():
                if name in streams:
                    taken.append((stream, *_parts(streams[name])))
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, ZeroDivisionError):
            return False
        for stream, profile, burst, hour, gap in taken:
            stream.profile, stream.burst, stream.hour = profile, burst, hour
            stream.expected, stream.down = gap[0], gap[1] == 1.0
            stream.since_ns = None if gap[2] < 0.0 else self._now_ns - int(gap[2] * NS)
        return bool(taken)

    def status(self, now_ns: int) -> list[dict[str, Any]]:
        """The looks as plain values, with what the fit found."""
        told = []
        for look in self.judge(now_ns):
            stream = self._streams[look.stream]
            told.append(
                {
                    "stream": look.stream,
                    "state": {"u": "up", "d": "down", "-": "unknown"}[look.state],
                    "expected": round(look.expected, 2),
                    "threshold": round(look.threshold, 2) if math.isfinite(look.threshold) else None,
                    "rate_per_h": round(look.rate_per_h, 3),
                    "mean_per_h": round(stream.profile.level_per_h, 3),
                    "able": look.able,
                    "why": look.why,
                    "able_in_s": None if look.able_in_s is None else round(look.able_in_s),
                    "delay_s": None if look.delay_s is None else round(look.delay_s),
                    "clock": self._slot is not None,
                    "calls_learned": round(stream.profile.calls),
                    **stream.burst.told(),
                }
            )
        return told


def _parts(saved: Any) -> tuple[Profile, Burst, list[float], list[float]]:
    """One stream's saved parts. Raises ValueError and its like for anything else."""
    if not isinstance(saved, dict):
        raise ValueError("not a stream")
    profile, burst = Profile.restored(saved.get("profile")), Burst.restored(saved.get("burst"))
    return profile, burst, numbers(saved.get("hour"), 3, 0.0, 1e6), numbers(saved.get("gap"), 3, -1.0, 1e12)
