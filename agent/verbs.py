"""What a person or another program may ask of the core, a function a verb. Pure: a request in, its result out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from agent import commissioned
from agent import readings as r
from agent.alarms.annunciator import due_voice
from agent.alarms.book import NS, AlarmBook
from agent.alarms.lines import LineAlarms
from agent.alarms.panel_test import WHOLE_S, PanelTest
from agent.alarms.quiet import MODES
from agent.alarms.trunks import Condition
from agent.paths.schedule import CheckSchedule
from agent.site import schema

TEST_MAX_S = 30.0
RELEASE_MAX_MIN = 480


class RequestRefused(Exception):
    """A request asks for what can't be done; its text is the answer."""


class Verbs:
    """The requests that change something. ``lamp_test_until_ns`` is the panel's business, kept here for it."""

    def __init__(
        self,
        site: schema.SiteFile,
        book: AlarmBook,
        lines: Mapping[str, LineAlarms],
        condition: Callable[[Condition, int], None],
        schedule: CheckSchedule,
    ) -> None:
        self._site, self._book, self._lines, self._condition = site, book, lines, condition
        self._schedule = schedule
        self.lamp_test_until_ns: int | None = None
        self.panel_test: PanelTest | None = None
        self._verbs: dict[str, Callable[[r.Request, int], dict[str, Any]]] = {
            "ack": self._ack,
            "silence": self._silence,
            "reset": self._reset,
            "test": self._test,
            "release": self._release,
            "mode": self._mode,
            "shelve": self._shelve,
            "test-call": self._test_call,
            "commission": self._commission,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """Every verb but ``status``."""
        return tuple(self._verbs)

    def do(self, request: r.Request, now_ns: int) -> dict[str, Any]:
        """Carry one out. Raises ``RequestRefused``, also for a verb that is none."""
        verb = self._verbs.get(request.do)
        if verb is None:
            raise RequestRefused(f"no such request: {request.do!r}; it can be {', '.join(('status', *self._verbs))}")
        return verb(request, now_ns)

    def _alarm_named(self, request: r.Request) -> str | None:
        name = request.args.get("alarm")
        if name is None:
            return None
        if not isinstance(name, str) or self._book.get(name) is None:
            raise RequestRefused(f"no alarm of that name: {str(name)[:100]!r}")
        return name

    def _ack(self, request: r.Request, _now_ns: int) -> dict[str, Any]:
        """From afar a critical alarm is noted: who knows of it is told, and its horn goes on in the room."""
        named = self._alarm_named(request)
        afar = request.origin == "mqtt"
        told = {"acknowledged": self._book.acknowledge(request.who, named, but_critical=afar)}
        return {**told, "noted": self._book.note(request.who, named)} if afar else told

    def _silence(self, request: r.Request, _now_ns: int) -> dict[str, Any]:
        """From afar no critical horn is silenced: those who hear it may know what nobody else knows."""
        named = self._alarm_named(request)
        return {"silenced": self._book.silence(named, but_critical=request.origin == "mqtt")}

    def _test_call(self, request: r.Request, now_ns: int) -> dict[str, Any]:
        """Test calls now, of one path or all; none more often than the checks' own limit."""
        named = request.args.get("path")
        paths = [path for path in self._site.path if named in (None, path.id)]
        calls = [(p.id, n) for p in paths for n, c in schema.active(p) if isinstance(c, schema.TestCall)]
        if not calls:
            raise RequestRefused("no test call there" if named is not None else "this site makes no test calls")
        started = [f"{path} {name}" for path, name in calls if self._schedule.ask(path, name, now_ns)]
        if not started:
            raise RequestRefused(f"a test call was made less than {schema.AGAIN_S:g} s ago")
        return {"started": started}

    def _commission(self, request: r.Request, _now_ns: int) -> dict[str, Any]:
        """What a person at the box has seen of one step; the core writes it down."""
        if request.origin == "mqtt":
            raise RequestRefused("who commissions stands before the box")
        try:
            return commissioned.checked(request.args)
        except commissioned.Wrong as wrong:
            raise RequestRefused(str(wrong)) from None

    def _reset(self, request: r.Request, now_ns: int) -> dict[str, Any]:
        name = self._alarm_named(request)
        if not request.args.get("force"):
            return {"reset": self._book.reset(name)}
        alarm = self._book.get(name) if name else None
        if alarm is None:
            raise RequestRefused("force needs the name of one alarm")
        line = self._lines.get(alarm.resource)
        if line is not None:
            for c in line.judge.forget(alarm.qualifier, alarm.point.name):
                self._condition(c, now_ns)
        return {"reset": int(self._book.forget(alarm.id, now_ns))}

    def _test(self, request: r.Request, now_ns: int) -> dict[str, Any]:
        if request.args.get("whole"):
            return self._whole_test(request, now_ns)
        seconds = request.args.get("seconds", 5)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= TEST_MAX_S:
            raise RequestRefused(f"seconds must be a number over 0 and at most {TEST_MAX_S:g}")
        self.lamp_test_until_ns = now_ns + int(seconds * NS)
        return {"lamp_test_s": seconds}

    def _whole_test(self, request: r.Request, now_ns: int) -> dict[str, Any]:
        """Every lamp, pattern and voice; only in the room, and never over an alarm that sounds."""
        if request.origin == "mqtt":
            raise RequestRefused("the whole panel is tested by somebody who sees and hears it")
        loud = next((a.id for a in self._book if due_voice(self._book, a, now_ns) != "none"), None)
        if loud is not None:
            raise RequestRefused(f"{loud} sounds; silence or acknowledge it first")
        self.panel_test = PanelTest(request.who, now_ns)
        return {"panel_test_s": round(WHOLE_S, 1)}

    def _release(self, request: r.Request, _now_ns: int) -> dict[str, Any]:
        """Lend a craft port to a technician; the shell lets go of it and takes it back by itself."""
        named, minutes = request.args.get("line"), request.args.get("minutes", 30)
        line = next((one for one in self._site.line if named in (one.id, one.port)), None)
        if line is None:
            known = ", ".join(one.id for one in self._site.line) or "none"
            raise RequestRefused(f"no line of that id or port: {str(named)[:100]!r}; there is {known}")
        if isinstance(minutes, bool) or not isinstance(minutes, int | float) or not 0 <= minutes <= RELEASE_MAX_MIN:
            raise RequestRefused(f"minutes must be a number from 0 (take it back now) to {RELEASE_MAX_MIN}")
        return {"line": line.id, "minutes": minutes}

    def _mode(self, request: r.Request, now_ns: int) -> dict[str, Any]:
        mode = request.args.get("mode")
        if mode not in MODES:
            raise RequestRefused(f"mode must be one of {', '.join(MODES)}")
        minutes = _minutes(request, 60.0)
        try:
            self._book.quiet.set_mode(mode, minutes, now_ns)
        except ValueError as error:
            raise RequestRefused(str(error)) from None
        return {"mode": mode, "minutes": 0 if mode == "normal" else minutes}

    def _shelve(self, request: r.Request, now_ns: int) -> dict[str, Any]:
        what = request.args.get("what")
        known = {line.id for line in self._site.line} | {path.id for path in self._site.path} | {self._site.site.id}
        known |= {group for line in self._site.line for group in line.trunks.values()}
        if not isinstance(what, str) or (what not in known and self._book.get(what) is None):
            raise RequestRefused(f"nothing of that name: {str(what)[:100]!r}; name an alarm, a line or a path")
        minutes = _minutes(request, 60.0)
        try:
            self._book.quiet.shelve(what, minutes, now_ns)
        except ValueError as error:
            raise RequestRefused(str(error)) from None
        return {"shelved": what, "minutes": minutes}


def _minutes(request: r.Request, otherwise: float) -> float:
    minutes = request.args.get("minutes", otherwise)
    if isinstance(minutes, bool) or not isinstance(minutes, int | float):
        raise RequestRefused("minutes must be a number")
    return float(minutes)
