"""What the calls say, joined: the book of calls, its judges, the links, the buttons. Pure.

A feed is a line that tells of calls (``smdr``, or ``ali`` where there is no ``smdr``); while one is deaf, the streams
it feeds are not judged for silence. A detector is in shadow until it has gone ``shadow_days`` without an alarm of its
own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from agent.calls.button import Buttons
from agent.calls.evidence import CallBook
from agent.calls.facts import Arrival, CallCondition, Ended
from agent.calls.links import LinkJudge
from agent.calls.silence import Silence
from agent.calls.voice import PRIOR_ABANDONED, PRIOR_DURATION, Voice
from agent.readings import Reading
from agent.site import schema
from agent.site.line import AliLine, ContactsLine, ModbusLine, SmdrLine

NS = 1_000_000_000
SAVE_EVERY_S = 3600.0
STREAMS_MAX = 31
DAY_S = 86_400.0
VERSION = 1
FRESH_EXPECTED = 3.0
"""A call shows that calls arrive for as long as three more would be expected, and at least ``FRESH_S``."""
FRESH_S = 900.0
DETECTORS = ("silence", "voice", "one-way")
TALK = "Call back every number from an admin line."


class CallWatch:
    """One site's calls. Silent, and free of cost, where no line tells of any and no button is there."""

    def __init__(self, site: schema.SiteFile, now_ns: int, saved: Mapping[str, Any] | None = None) -> None:
        self._site = site
        known: Mapping[str, Any] = saved if saved is not None and saved.get("v") == VERSION else {}
        smdr = [line for line in site.line if isinstance(line, SmdrLine)]
        feeds: list[SmdrLine | AliLine] = [*smdr] or [line for line in site.line if isinstance(line, AliLine)]
        self._feeds = {line.id: line for line in feeds}
        self._alive = dict.fromkeys(self._feeds, False)
        groups = sorted({group for line in self._feeds.values() for group in line.trunks.values()})[: STREAMS_MAX - 1]
        self._streams = ("all", *groups) if self._feeds else ()
        self._lines = frozenset(line.id for line in site.line)
        self._links = LinkJudge(site.line, _mapping(known.get("links")))
        self._book = CallBook(site)
        self._buttons = Buttons(sees_calls=bool(self._feeds))
        self.restored = saved is None or bool(known)
        budget = site.calls.false_alarms_per_year
        self._silence: Silence | None = None
        if self._feeds and site.calls.silence:
            self._silence = Silence(
                self._streams,
                site.site.timezone,
                site.site.calls_per_hour,
                budget,
                now_ns,
                _mapping(known.get("silence")),
            )
        self._voices: dict[str, Voice] = {}
        if smdr and site.calls.voice:
            prior = PRIOR_ABANDONED if any(line.abandoned_recorded for line in smdr) else PRIOR_DURATION
            share = budget / (2 * len(self._streams))  # two detectors in each stream
            guess = site.site.calls_per_hour or 5.0
            self._voices = {name: Voice(site.calls.talk_s, prior, share, guess) for name in self._streams}
            self._restore_voices(known.get("voices"))
        self._quiet_s = _quiet(known.get("quiet_s"))
        self._quiet_at_ns = now_ns
        self._stands: dict[tuple[str, str, str], tuple[bool, str, bool]] = {}
        self._changed: list[CallCondition] = []
        self._stood_links: dict[str, list[tuple[str, str]]] = {}
        self._diverted: dict[tuple[str, str], bool] = {}
        self._arrived_ns: int | None = None
        self._saved_ns = now_ns
        self._dirty = False
        for line in self._feeds:
            self._feed(line, False, now_ns)

    def _restore_voices(self, known: object) -> None:
        for name, voice in self._voices.items():
            one = _mapping(_mapping(known).get(name)) if known else {}
            if one:
                try:
                    voice.restore(one)
                except (ValueError, TypeError, KeyError, OverflowError):
                    self.restored = False

    # -- in ------------------------------------------------------------------------------------------------------

    def saw(self, reading: Reading, now_ns: int) -> None:
        """A reading of any line, or of the clock (``host``/``clock``)."""
        if reading.sense == "clock":
            self._clock(reading, now_ns)
            return
        self._link_lives(reading)
        self._changed += self._links.saw(reading, now_ns)
        if reading.source in self._alive:
            self._life(reading, now_ns)
        if reading.kind == "contact":
            self._contact(reading, now_ns)
        if self._silence is not None and reading.kind == "alarm":
            self._silence.suspect(now_ns)
        self._facts(self._book.saw(reading, now_ns), now_ns)

    def tick(self, now_ns: int) -> None:
        """What time alone changes; call it at ``deadline``."""
        self._changed += self._links.tick(now_ns)
        self._facts(self._book.tick(now_ns), now_ns)
        self._buttons.tick(now_ns)
        self._judge(now_ns)

    def stood(self, resource: str, type_name: str, qualifier: str, text: str, shadow: bool, now_ns: int) -> None:
        """An alarm of an earlier run stands; it stands on until this run's judges say otherwise."""
        if type_name == "no-voice-button":
            self._buttons.stand(now_ns)
        elif type_name == "data-without-voice" and qualifier in self._voices:
            self._voices[qualifier].alarm = True
        elif type_name == "one-way-audio" and qualifier in self._voices:
            self._voices[qualifier].collapsed = True
        elif type_name in ("link-quiet", "data-quality"):
            self._stood_links.setdefault(resource, []).append((type_name, qualifier))
            return
        self._stands[resource, type_name, qualifier] = (True, text, shadow)

    def _link_lives(self, reading: Reading) -> None:
        """A good record ends what an earlier run said of its link; this run's judges begin anew."""
        if self._stood_links and reading.kind == "data" and reading.state == "up":
            link = str(reading.detail.get("link"))
            for type_name, qualifier in self._stood_links.pop(link, ()):
                self._changed.append(CallCondition(link, type_name, qualifier, False))

    def _clock(self, reading: Reading, now_ns: int) -> None:
        utc_s = reading.detail.get("utc_s")
        if self._silence is not None:
            known = isinstance(utc_s, int | float) and not isinstance(utc_s, bool)
            self._silence.clock(now_ns, float(utc_s) if known else None, bool(reading.detail.get("synced")))  # type: ignore[arg-type]

    def _life(self, reading: Reading, now_ns: int) -> None:
        """A feed whose port is closed or whose heartbeat is lost says nothing of calls."""
        if reading.kind in ("port-up", "port-down"):
            self._feed(reading.source, reading.kind == "port-up", now_ns)
        elif reading.kind == "heartbeat":
            self._feed(reading.source, reading.state != "down", now_ns)
        elif reading.kind in ("data", "call"):
            self._feed(reading.source, True, now_ns)

    def _feed(self, line: str, alive: bool, now_ns: int) -> None:
        self._alive[line] = alive
        if self._silence is None:
            return
        heard = not any(self._diverted.values())
        for stream in self._streams:
            feeds = [one for one, of in self._feeds.items() if stream == "all" or stream in of.trunks.values()]
            self._silence.feed(stream, heard and all(self._alive[one] for one in feeds), now_ns)

    def _contact(self, reading: Reading, now_ns: int) -> None:
        meaning = reading.detail.get("meaning")
        if meaning == "no-voice":
            self._buttons.pressed(reading, now_ns)
        elif meaning == "make-busy":
            self._diverted[reading.source, reading.subject] = reading.detail.get("active") is True
            for line in self._feeds:
                self._feed(line, self._alive[line], now_ns)

    def _facts(self, facts: Iterable[Arrival | Ended], now_ns: int) -> None:
        for fact in facts:
            self._dirty = True
            if isinstance(fact, Arrival):
                self._arrived_ns = now_ns
                self._buttons.arrivals += 1
                if self._silence is not None:
                    self._silence.call([s for s in fact.streams if s in self._streams], now_ns)
            else:
                for stream in fact.streams:
                    if stream in self._voices:
                        self._voices[stream].ended(fact)

    # -- judgement -----------------------------------------------------------------------------------------------

    def _judge(self, now_ns: int) -> None:
        if self._silence is not None:
            for look in self._silence.judge(now_ns):
                if look.state != "-":
                    text = self._silence_text(look.stream, look.expected)
                    evidence = {"expected": round(look.expected, 1), "rate_per_h": round(look.rate_per_h, 2)}
                    self._say("silence", look.stream, look.state == "d", text, evidence, now_ns)
                if look.able and look.rate_per_h > 0 and look.stream in self._voices:
                    self._voices[look.stream].calls_per_h = look.rate_per_h
        for name, voice in self._voices.items():
            self._judge_voice(name, voice, now_ns)
        reported, critical = self._buttons.reported, self._buttons.critical
        text = "A dispatcher could not hear a caller. Listen to the next calls; call back who can't be heard."
        self._say("voice-reported", "all", reported and not critical, text, {}, now_ns)
        text = f"Dispatchers can't hear callers. {TALK} Ring {self._noc()}."
        self._say("no-voice-button", "all", critical, text, {"presses": self._buttons.presses}, now_ns)
        stuck = self._buttons.stuck(now_ns)
        self._say(
            "button-stuck", "no-voice", bool(stuck), f"No-voice button held down: {', '.join(stuck)}.", {}, now_ns
        )

    def _judge_voice(self, name: str, voice: Voice, now_ns: int) -> None:
        where = "" if name == "all" else f" on {name}"
        count = voice.run
        text = f"Callers may not hear you{where}. {TALK} Ring {self._noc()}. {count} callers in a row, and no talk."
        evidence: dict[str, Any] = {"callers": count, "needed": voice.needed, "p": round(voice.p, 3)}
        self._say("data-without-voice", name, voice.alarm, text, evidence, now_ns)
        text = f"Calls{where} are answered and soon over: one side may hear nothing. {TALK} Ring {self._noc()}."
        self._say("one-way-audio", name, voice.collapsed, text, {}, now_ns)

    def _silence_text(self, stream: str, expected: float) -> str:
        where = "No calls come" if stream == "all" else f"No calls come on {stream}"
        return f"{where}: {expected:.0f} were due. Have a test call made; ring {self._noc()}."

    def _noc(self) -> str:
        return self._site.site.noc_phone or "your NOC"

    def _say(
        self, type_name: str, qualifier: str, holds: bool, text: str, evidence: Mapping[str, Any], now_ns: int
    ) -> None:
        """Tell a condition where it changed; a new alarm of a detector begins its days of proof again."""
        resource = self._site.site.id if qualifier in ("all", "no-voice") else qualifier
        key = (resource, type_name, qualifier)
        detector = {"silence": "silence", "data-without-voice": "voice", "one-way-audio": "one-way"}.get(type_name)
        before = self._stands.get(key)
        shadow = before[2] if before is not None and before[0] else self._shadow(detector, now_ns)
        now = (holds, text if holds else "", shadow)
        if now == before or (before is None and not holds):
            return
        if holds and detector is not None and (before is None or not before[0]):
            self._prove(now_ns)
            self._quiet_s[detector] = 0.0
        if before is None or before[0] != holds:
            self._changed.append(CallCondition(resource, type_name, qualifier, holds, now[1], dict(evidence), shadow))
            self._stands[key] = now

    def _prove(self, now_ns: int) -> None:
        """Count the time that detectors went without an alarm, while they could hear."""
        since_s = (now_ns - self._quiet_at_ns) / NS
        self._quiet_at_ns = now_ns
        if all(self._alive.values()):
            for detector in DETECTORS:
                self._quiet_s[detector] += since_s

    def _shadow(self, detector: str | None, now_ns: int) -> bool:
        if detector is None:
            return False
        self._prove(now_ns)
        return self._quiet_s[detector] < self._site.calls.shadow_days * DAY_S

    # -- out -----------------------------------------------------------------------------------------------------

    def conditions(self) -> list[CallCondition]:
        """What changed since this was last asked."""
        changed, self._changed = self._changed, []
        return changed

    def deadline(self, now_ns: int) -> int | None:
        """When ``tick`` next has something to say; None for never."""
        times = [self._links.deadline(), self._book.deadline(), self._buttons.deadline(now_ns)]
        if self._silence is not None:
            times.append(self._silence.deadline(now_ns))
        if self._dirty:
            times.append(self._saved_ns + int(SAVE_EVERY_S * NS))
        due = min((time for time in times if time is not None), default=None)
        return None if due is None else max(due, now_ns + 1)

    def columns(self, now_ns: int) -> dict[str, str]:
        """The verdict's A (arrivals), V (talk), R (records) and H (heartbeat), those that this site can have."""
        out = {}
        if any(isinstance(line, AliLine) for line in self._site.line):
            out.update(self._links.columns(now_ns))
        if self._feeds:
            silent = [key[2] for key, (holds, _, _) in self._stands.items() if key[1] == "silence" and holds]
            out["A"] = "d" if "all" in silent else "g" if silent else "u" if self._arrives(now_ns) else "-"
        button = any(contact.meaning == "no-voice" for line in self._site.line for contact in _contacts(line))
        if self._voices or button:
            whole = self._voices.get("all")
            if self._buttons.critical or any(voice.alarm for voice in self._voices.values()):
                out["V"] = "d"
            elif any(voice.collapsed for voice in self._voices.values()):
                out["V"] = "g"
            else:
                talked_ns = whole.talked_ns if whole is not None and not whole.run else None
                out["V"] = "u" if talked_ns is not None and now_ns - talked_ns <= self._fresh_ns(now_ns) else "-"
        return out

    def _arrives(self, now_ns: int) -> bool:
        return self._arrived_ns is not None and now_ns - self._arrived_ns <= self._fresh_ns(now_ns)

    def _fresh_ns(self, _now_ns: int) -> int:
        rate = self._site.site.calls_per_hour or 0.0
        for voice in self._voices.values():
            rate = max(rate, voice.calls_per_h)
        return int(max(FRESH_S, FRESH_EXPECTED * 3600.0 / rate if rate else 0.0) * NS)

    def good_ns(self) -> dict[str, int | None]:
        """When a column that looks up was last seen so."""
        whole = self._voices.get("all")
        return {"A": self._arrived_ns, "R": self._arrived_ns, "V": whole.talked_ns if whole else None}

    def shadowed(self) -> frozenset[str]:
        """The columns that look bad by nothing but detectors in shadow."""
        columns = {"silence": "A", "data-without-voice": "V", "one-way-audio": "V", "no-voice-button": "V"}
        standing = [(columns[key[1]], look[2]) for key, look in self._stands.items() if look[0] and key[1] in columns]
        sounding = {column for column, shadow in standing if not shadow}
        return frozenset(column for column, shadow in standing if shadow and column not in sounding)

    def status(self, now_ns: int) -> list[dict[str, Any]]:
        """Each detector and stream: whether it can judge, and why not; for ``status --json``."""
        out: list[dict[str, Any]] = []
        if self._silence is not None:
            out += [{"detector": "silence", **one} for one in self._silence.status(now_ns)]
        out += [{"detector": "voice", "stream": name, **voice.status()} for name, voice in self._voices.items()]
        out += [{"detector": "link", **one} for one in self._links.status(now_ns)]
        if self._feeds:
            out.append(
                {"detector": "calls", "seen": self._book.seen, "held": self._book.held, "dropped": self._book.dropped}
            )
        return out

    def to_save(self, now_ns: int, force: bool = False) -> dict[str, Any] | None:
        """What is learned, where it changed and an hour is over; plain JSON."""
        due = now_ns - self._saved_ns >= int(SAVE_EVERY_S * NS)
        if not self._dirty or not (due or force):
            return None
        self._saved_ns, self._dirty = now_ns, False
        self._prove(now_ns)
        return {
            "v": VERSION,
            "silence": self._silence.saved() if self._silence is not None else None,
            "voices": {name: voice.saved() for name, voice in self._voices.items()},
            "links": self._links.learned(),
            "quiet_s": {name: round(value) for name, value in self._quiet_s.items()},
        }


def _contacts(line: schema.Line) -> tuple[Any, ...]:
    return line.contacts if isinstance(line, ModbusLine | ContactsLine) else ()


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _quiet(known: object) -> dict[str, float]:
    saved = _mapping(known)
    out = {}
    for name in DETECTORS:
        value = saved.get(name)
        good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12
        out[name] = float(value) if good else 0.0  # type: ignore[arg-type]
    return out
