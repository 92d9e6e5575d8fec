"""The core: readings, requests and time in, effects out. Pure and deterministic.

``handle`` takes one input and the monotonic time; ``deadline`` says when to come back with ``Wake`` if nothing
else happens. It asks for no clock, opens nothing and knows no thread, so production, replay and simulation run
the same code. The order of the effects is the order to carry them out in: the panel first, then the journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from agent import readings as r
from agent.alarms import annunciator
from agent.alarms.book import AlarmBook
from agent.alarms.groups import FirstOut
from agent.alarms.lines import LineAlarms
from agent.alarms.paths import PathAlarms
from agent.alarms.points import HOST_POINTS, slug
from agent.alarms.restored import CALL_POINTS, restored_by_line
from agent.alarms.trunks import Condition
from agent.calls.watch import CallWatch
from agent.effects import Effect, Record, Reply, SetPanel, StartCheck
from agent.evidence import feeds
from agent.evidence.senses import Senses
from agent.limiter import Limiter
from agent.opinion import Opinion
from agent.panel import DARK, PanelView
from agent.paths.schedule import CheckSchedule
from agent.payloads import AlarmState
from agent.site import schema
from agent.site.line import AliLine
from agent.verbs import RequestRefused, Verbs
from agent.verdict.judge import Verdict

ROUTINE_KINDS = frozenset(
    {
        "alarm",
        "clear",
        "event",
        "gap",
        "garbage",
        "line-quality",
        "port-up",
        "port-down",
        "heartbeat",
        "data",
        "contact",
    }
)


class Core:
    """One site's state.

    ``restored``: the alarms that stood when the last run ended; ``unreceived`` the ids of those that nobody
    upstream is known to have; ``learned`` what the last run had learned of the site's calls (its last ``learned``
    record).
    """

    def __init__(
        self,
        site: schema.SiteFile,
        now_ns: int,
        restored: Sequence[AlarmState] = (),
        unreceived: Collection[str] = (),
        learned: Mapping[str, Any] | None = None,
    ) -> None:
        self._site = site
        self._now_ns = now_ns
        of_trunk = {(line.id, slug(aid)): group for line in site.line for aid, group in line.trunks.items()}
        self._book = AlarmBook(
            site.panel.sequence,
            first_out=FirstOut(site.panel.first_out, of_trunk),
            realarm_s=site.panel.realarm_h * 3600,
        )
        self._view: PanelView = DARK
        self._senses = Senses(site)
        self._opinion = Opinion(site.site, feeds.covers(site))
        self._limiter = Limiter()
        self._lines = {line.id: LineAlarms.of(line) for line in site.line}
        self._watch = CallWatch(site, now_ns, learned)
        self._watch_due_ns = self._watch.deadline(now_ns)
        self._has_divert = "B" in feeds.columns(site)
        self._paths = {path.id: PathAlarms.of(path, site.panel.path_hold_s) for path in site.path}
        self._schedule = CheckSchedule(site.path, now_ns)
        self._uplinks_up = {uplink.id: False for uplink in site.uplink}
        self._unreceived: dict[str, int] = {}
        self._nobody_knows = True  # as it may have stood before
        self._shown: tuple[int, bool, int | None] | None = None
        self._show_due_ns: int | None = None
        self._verbs = Verbs(site, self._book, self._lines, self._condition, self._schedule)
        self._strays = 0
        self._restore(restored, unreceived, now_ns)
        if self._uplinks_up:
            self._judge_uplinks(now_ns)

    # -- the way in ----------------------------------------------------------------------------------------------

    def handle(self, item: r.Input, now_ns: int) -> list[Effect]:
        """Take one input at ``now_ns`` (monotonic; never less than the last one); what follows from it, in order."""
        self._now_ns = now_ns = max(now_ns, self._now_ns)
        after: list[Effect] = []
        if isinstance(item, r.Reading):
            after += self._reading(item, now_ns)
        elif isinstance(item, r.Request):
            after += self._request(item, now_ns)
        if self._watch_due_ns is not None and now_ns >= self._watch_due_ns:
            after += self._calls(None, now_ns)
        self._book.tick(now_ns)
        after += self._ended(now_ns)
        after += self._panel_test(now_ns)
        after += self._judge_verdict(now_ns)
        self._judge_nobody_knows(now_ns)
        starts: list[Effect] = [StartCheck(path, check) for path, check in self._schedule.due(now_ns)]
        self._judge_overdue(now_ns)
        records = self._alarm_records()
        return [*self._panel(now_ns), *records, *after, *starts]

    def deadline(self) -> int | None:
        """When to hand in a ``Wake`` if nothing else comes: monotonic nanoseconds, None for never."""
        times = [
            self._book.deadline(self._now_ns),
            self._schedule.deadline(),
            self._verbs.lamp_test_until_ns,
            self._verbs.panel_test.deadline(self._now_ns) if self._verbs.panel_test is not None else None,
            self._watch_due_ns,
            self._opinion.deadline(),
            self._book.quiet.deadline(),
        ]
        return min((t for t in times if t is not None), default=None)

    # -- readings ------------------------------------------------------------------------------------------------

    def _reading(self, reading: r.Reading, now_ns: int) -> Iterable[Effect]:
        learned: Iterable[Effect] = ()
        if reading.source in self._lines:
            self._line(reading, now_ns)
            learned = self._calls(reading, now_ns)
        elif reading.source in self._paths:
            self._path(reading, now_ns)
        elif reading.source in self._uplinks_up:
            self._uplink(reading, now_ns)
        elif reading.source == "peers":
            pass  # how other centres fare is evidence for the verdict, and no alarm of this one
        elif reading.source == "panel" or (reading.source == "host" and reading.sense == "clock"):
            learned = self._calls(reading, now_ns)
        elif reading.source == "host":
            self._host(reading, now_ns)
        else:
            self._strays += 1
        self._senses.saw(reading, self._state_of(reading))
        return (*learned, *self._routine(reading, now_ns))

    def _line(self, reading: r.Reading, now_ns: int) -> None:
        line = self._lines[reading.source]
        refused = line.judge.refused + self._book.refused
        for c in line.conditions(reading):
            self._condition(c, now_ns)
        full = line.judge.refused + self._book.refused > refused
        if full or reading.kind == "clear":
            text = f"{reading.source}: more faults at once than this box can keep apart; some are not shown."
            self._book.condition(reading.source, "sense-failed", "full", full, now_ns, text=text, declared=full)

    def _condition(self, c: Condition, now_ns: int) -> None:
        self._book.condition(
            c.resource,
            c.type,
            c.qualifier,
            c.holds,
            now_ns,
            text=c.text,
            evidence=c.evidence,
            declared=c.declared,
            place=c.place,
            hold_s=c.hold_s,
            shadow=c.shadow,
        )

    def _calls(self, reading: r.Reading | None, now_ns: int) -> Iterable[Effect]:
        """What the calls themselves say: after each reading that may be of one, and when the time has come."""
        if reading is not None:
            self._watch.saw(reading, now_ns)
        self._watch.tick(now_ns)
        for told in self._watch.conditions():
            what = (told.resource, told.type, told.qualifier, told.holds, told.text, told.evidence)
            self._condition(Condition(*what, declared=False, place="own", shadow=told.shadow), now_ns)
        self._watch_due_ns = self._watch.deadline(now_ns)
        self._senses.calls(self._watch.columns(now_ns), self._watch.good_ns())
        learned = self._watch.to_save(now_ns)
        return () if learned is None else (Record("learned", learned, urgent=False),)

    def _path(self, reading: r.Reading, now_ns: int) -> None:
        path = self._paths[reading.source]
        if not path.knows(reading):
            self._strays += 1
            return
        if path.ends(reading):
            self._schedule.finished(reading.source, reading.sense)
        for c in path.conditions(reading, now_ns):
            self._condition(c, now_ns)
        if path.undecided(reading.sense):
            self._schedule.again(reading.source, reading.sense, now_ns)

    def _uplink(self, reading: r.Reading, now_ns: int) -> None:
        if reading.kind in ("probe-ok", "probe-fail"):
            self._uplinks_up[reading.source] = reading.kind == "probe-ok"
            self._judge_uplinks(now_ns)
        elif reading.kind == "event" and "certificate" in reading.detail:
            text = f"The way out {reading.source}, {reading.subject} certificate: {reading.detail['certificate']}."
            where, near = f"{reading.source}-{reading.subject}", reading.state == "degraded"
            self._book.condition("uplink", "uplink-certificate", where, near, now_ns, text=text)
        elif reading.kind == "event" and reading.detail.get("received") is not None:
            raised = self._unreceived.get(reading.subject)
            if reading.detail.get("times_raised", raised) == raised:  # not the receipt of an earlier raise
                self._unreceived.pop(reading.subject, None)

    def _host(self, reading: r.Reading, now_ns: int) -> None:
        type_name = HOST_POINTS.get(reading.sense)
        if type_name is None:
            self._strays += 1
            return
        text = f"This box: {reading.sense} trouble ({reading.detail.get('reason') or 'no reason given'})."
        self._book.condition("host", type_name, reading.subject, reading.state == "down", now_ns, text=text)

    def _state_of(self, reading: r.Reading) -> r.State | None:
        path = self._paths.get(reading.source)
        state = path.state(reading.sense) if path is not None else None
        return state if state is not None else reading.state

    def _routine(self, reading: r.Reading, now_ns: int) -> Iterable[Effect]:
        if reading.kind not in ROUTINE_KINDS or reading.source in self._uplinks_up:
            return
        if reading.kind == "data" and "caller_key" in reading.detail:
            return  # a call's own record: counted by the judges, kept nowhere
        suppressed = self._limiter.admit(f"{reading.source}/{reading.kind}", now_ns)
        if suppressed is None:
            return
        payload: dict[str, Any] = {
            "source": reading.source,
            "sense": reading.sense,
            "kind": reading.kind,
            "subject": reading.subject,
            "state": reading.state,
            "detail": dict(reading.detail),
        }
        if suppressed:
            payload["suppressed_before"] = suppressed
        yield Record("reading", payload, urgent=False)

    # -- what follows from several readings ----------------------------------------------------------------------

    def _judge_uplinks(self, now_ns: int) -> None:
        lost = not any(self._uplinks_up.values())
        text = "No way to report upstream: nobody outside sees this box."
        self._book.condition("uplink", "uplink-lost", "all", lost, now_ns, text=text)

    def _judge_nobody_knows(self, now_ns: int) -> None:
        if not self._uplinks_up or not (self._unreceived or self._nobody_knows):
            return
        waiting = [
            alarm
            for alarm in self._book.standing()
            if alarm.active and alarm.condition and alarm.id in self._unreceived
        ]
        phone = self._site.site.noc_phone
        text = f"Nobody outside knows of this alarm. Ring {f'the NOC: {phone}' if phone else 'your NOC'}."
        self._nobody_knows = bool(waiting)
        self._book.condition("uplink", "nobody-knows", "all", self._nobody_knows, now_ns, text=text)
        self._book.tick(now_ns)

    def _judge_overdue(self, now_ns: int) -> None:
        for path_id, check in self._schedule.overdue(now_ns):
            self._senses.lost(path_id, check, now_ns)
            self._condition(self._paths[path_id].overdue(check, now_ns), now_ns)

    def _judge_verdict(self, now_ns: int) -> Iterable[Effect]:
        by_command = self._book.quiet.mode == "diverted"
        self._watch.divert(by_command, now_ns)
        if self._has_divert or by_command:
            self._senses.diverted(self._watch.diverted)
        columns = self._senses.columns_if_changed(line.judge for line in self._lines.values())
        if self._senses.fault_began():
            self._schedule.hasten(now_ns)
        candidate = None if columns is None else self._opinion.judge(columns, self._senses.doubt(), now_ns)
        verdict = self._opinion.to_tell(self._critical_text, now_ns)
        judged = candidate if candidate is not None or verdict is None else self._opinion.candidate
        if judged is not None:
            self._judge_call_path(judged, now_ns)
        if verdict is None:
            return ()
        told = {**msgspec.to_builtins(verdict), "mode": self._book.quiet.mode, "senses": self._live()}
        return (Record("verdict", {**told, "duty": self._opinion.duty(now_ns)}, urgent=True),)

    def _critical_text(self) -> str | None:
        """What the critical alarm that stands longest says; None where none stands."""
        return next((a.text for a in self._book if a.active and a.point.severity == "critical"), None)

    def _judge_call_path(self, verdict: Verdict, now_ns: int) -> None:
        told = self._opinion.told
        says = told if told is not None and told.calls_fail is True else verdict  # one sentence on panel and alarm
        self._book.condition(
            self._site.site.id,
            "call-path",
            "verdict",
            verdict.calls_fail is True,
            now_ns,
            text=says.sentence,
            evidence={"cause": says.cause, "causes": " ".join(says.causes)},
            hold_s=self._site.panel.path_hold_s if verdict.path_only else 0.0,
            shadow=self._only_in_shadow(verdict),
        )
        fault = verdict.causes == ("test-path-fault",)
        text = verdict.sentence if fault else ""
        self._book.condition(self._site.site.id, "test-path-fault", "verdict", fault, now_ns, text=text)

    def _only_in_shadow(self, verdict: Verdict) -> bool:
        """Whether calls are said to fail by nothing but detectors that have not proved themselves here yet."""
        shadowed = self._watch.shadowed()
        return verdict.calls_fail is True and bool(shadowed) and self._opinion.without(shadowed).calls_fail is not True

    def _ended(self, now_ns: int) -> Iterable[Effect]:
        """Modes and shelves that are over by themselves."""
        for name in self._book.quiet.tick(now_ns):
            yield Record("quiet-ended", {"what": name}, urgent=False)

    # -- requests ------------------------------------------------------------------------------------------------

    def _request(self, request: r.Request, now_ns: int) -> Iterable[Effect]:
        if request.do == "status":
            yield Reply(request.id, result=self.status())
            return
        try:
            result = self._verbs.do(request, now_ns)
        except RequestRefused as refused:
            yield Reply(request.id, error=str(refused))
            return
        told = {"do": request.do, "args": dict(request.args), "who": request.who, "origin": request.origin}
        if request.do == "commission":
            yield Record("commission", {**result, "who": request.who}, urgent=True)
        else:
            yield Record("request", {**told, "result": result}, urgent=False)
        yield Reply(request.id, result=result)

    def _panel_test(self, now_ns: int) -> Iterable[Effect]:
        """What the test that runs has shown, once it is over."""
        test = self._verbs.panel_test
        if test is None:
            return
        test.loud = next((a.id for a in self._book if annunciator.due_voice(self._book, a, now_ns) == "alarm"), None)
        faults = (a.text for a in self._book if a.point.name == "panel-fault" and a.condition)
        test.fault = test.fault or next(faults, None)
        if test.over(now_ns):
            self._verbs.panel_test = None
            yield Record("panel-test", test.result(now_ns, self._site.panel.pins), urgent=True)

    # -- the way out ---------------------------------------------------------------------------------------------

    def _panel(self, now_ns: int) -> Iterable[Effect]:
        verbs, told = self._verbs, self._opinion.told
        if verbs.lamp_test_until_ns is not None and now_ns >= verbs.lamp_test_until_ns:
            verbs.lamp_test_until_ns = None
        blind = told is None or told.cause == "probe-blind"  # the lamp agrees with the sentence
        shown = (self._book.version, self._senses.all_heard() and not blind, verbs.lamp_test_until_ns)
        if verbs.panel_test is not None:
            self._shown, view = None, verbs.panel_test.view(now_ns)
            if view != self._view:
                self._view = view
                yield SetPanel(view)
            return
        if shown == self._shown and (self._show_due_ns is None or now_ns < self._show_due_ns):
            return
        self._shown, self._show_due_ns = shown, self._book.deadline(now_ns)
        ok = annunciator.healthy(self._book, shown[1])
        view = annunciator.compose(self._book, ok, verbs.lamp_test_until_ns, self._view, now_ns)
        if view != self._view:
            self._view = view
            yield SetPanel(view)

    def _alarm_records(self) -> list[Effect]:
        records: list[Effect] = []
        for change in self._book.take_changes():
            quiet = change.shadow or change.shelved or change.mode == "service"
            told = change.severity == "critical" and change.type != "nobody-knows" and not quiet
            if change.change == "raised" and told:
                self._unreceived[change.id] = change.times_raised
            if not change.active:
                self._unreceived.pop(change.id, None)
            records.append(Record("alarm", {**msgspec.to_builtins(change), "senses": self._live()}, urgent=True))
        return records

    def _live(self) -> dict[str, Any]:
        live: dict[str, Any] = msgspec.to_builtins(self._senses.live())
        return live

    def calls(self) -> dict[str, Any] | None:
        """The core's part of ``calls``; None where no line tells of calls."""
        streams = self._watch.counts(self._now_ns)
        return {"mode": self._book.quiet.mode, "streams": streams} if streams else None

    def learned(self) -> dict[str, Any] | None:
        """What is learned since it was last saved; for an orderly end."""
        return self._watch.to_save(self._now_ns, force=True)

    def status(self) -> dict[str, Any]:
        """The core's part of ``status --json``; the shell adds uplinks and journal."""
        return {
            "site": self._site.site.id,
            "probe": self._site.site.probe,
            "name": self._site.site.name,
            "timezone": self._site.site.timezone,
            "lamps": {lamp: light.pattern for lamp, light in self._view.lamps.items()},
            "ok_since_ns": self._view.lamps["ok"].since_ns if self._view.lamps["ok"].pattern != "off" else None,
            "horn": self._view.horn.voice,
            "alarms": [msgspec.to_builtins(self._book.look(alarm)) for alarm in self._book.standing()],
            "verdict": msgspec.to_builtins(self._opinion.told) if self._opinion.told is not None else None,
            "duty": self._opinion.duty(self._now_ns),
            "columns": dict(self._senses.columns()),
            **self._book.quiet.status(),
            "flood": self._book.flood(self._now_ns),
            "senses": self._senses.status(),
            "calls": self._watch.status(self._now_ns),
            "strays": self._strays,
            "alarms_refused": self._book.refused,
        }

    def _restore(self, restored: Sequence[AlarmState], unreceived: Collection[str], now_ns: int) -> None:
        self._book.restore(restored)
        known = {*self._lines, *self._paths, "uplink", "host", self._site.site.id}
        known |= {group for line in self._site.line for group in line.trunks.values()}
        known |= {line.link for line in self._site.line if isinstance(line, AliLine) and line.link is not None}
        for alarm in list(self._book):
            if alarm.resource not in known:
                self._book.forget(alarm.id, now_ns)
            elif alarm.active and restored_by_line(alarm, self._lines.get(alarm.resource)):
                aid = str(alarm.evidence.get("aid") or alarm.qualifier)
                self._lines[alarm.resource].judge.restore(aid, alarm.point.name, alarm.evidence)
            elif alarm.active and alarm.point.name in CALL_POINTS:
                self._watch.stood(alarm.resource, alarm.point.name, alarm.qualifier, alarm.shadow, now_ns)
            told = alarm.point.severity == "critical" and not alarm.shadow
            if alarm.active and alarm.id in unreceived and told:
                self._unreceived[alarm.id] = alarm.times_raised
