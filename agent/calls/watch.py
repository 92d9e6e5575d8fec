"""What the calls say, joined: the book of calls, its judges, the links, the buttons. Pure.

A feed is a line that tells of calls. The stream ``all`` is fed by the call records (``smdr``), or by the ALI links
where there are none; a trunk group by the lines that name its trunks; a class of service by the ALI links. While a feed
is deaf (its port closed or lent, its heartbeat lost), or calls are diverted on purpose, its streams are not judged for
silence. A class becomes a stream of its own once ``CLASS_CALLS`` calls had it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from agent.calls.button import Buttons
from agent.calls.evidence import CALLS_MAX, CLASSES_MAX, CallBook
from agent.calls.facts import Arrival, CallCondition, CalledBack, Ended
from agent.calls.flaps import WINDOW_S as FLAP_S
from agent.calls.flaps import Flaps
from agent.calls.links import LinkJudge
from agent.calls.looks import BARE_CALLS, BARE_FEW, arrivals, fresh, talk
from agent.calls.minutes import Minutes
from agent.calls.saved import CLASS_CALLS, classes, mapping
from agent.calls.shadow import Proof
from agent.calls.silence import Silence, StreamLook
from agent.calls.standing import DETECTORS, Standing
from agent.calls.voice import PRIOR_ABANDONED, PRIOR_DURATION, TESTS, Voice
from agent.payloads import OVER_MIN, StreamCounts
from agent.readings import Reading
from agent.site import schema
from agent.site.line import AliLine, ContactsLine, ModbusLine, SmdrLine

NS = 1_000_000_000
SAVE_EVERY_S = 3600.0
STREAMS_MAX = 31
GROUPS_MAX = STREAMS_MAX - 1 - CLASSES_MAX
VERSION = 2
GUESS_PER_H = 5.0
COMMAND = ("command", "mode")
UP = frozenset({"port-up", "data", "call"})


class CallWatch:
    """One site's calls. Silent, and free of cost, where no line tells of any and no button is there.

    ``saved``: what an earlier run's ``to_save`` gave; ``restored`` is False where some of it could not be used.
    """

    def __init__(self, site: schema.SiteFile, now_ns: int, saved: Mapping[str, Any] | None = None) -> None:
        self._site = site
        known: Mapping[str, Any] = saved if saved is not None and saved.get("v") == VERSION else {}
        self.restored = saved is None or bool(known)
        self._smdr = [line for line in site.line if isinstance(line, SmdrLine)]
        self._ali = [line for line in site.line if isinstance(line, AliLine)]
        self._feeds: list[SmdrLine | AliLine] = [*self._smdr] or [*self._ali]
        self._alive = {line.id: False for line in (*self._smdr, *self._ali)}
        groups = sorted({group for line in (*self._smdr, *self._ali) for group in line.trunks.values()})[:GROUPS_MAX]
        self._plain = ("all", *groups) if self._feeds else ()
        self._classes = classes(known.get("classes")) if self._ali else {}
        self._streams = self._plain + self._class_streams()
        self._links = LinkJudge(site.line, mapping(known.get("links")))
        self._book = CallBook(site)
        self._minutes = Minutes(now_ns)
        self._buttons = Buttons(sees_calls=bool(self._feeds))
        self._has_button = any(contact.meaning == "no-voice" for line in site.line for contact in _contacts(line))
        self._proof = Proof(site.calls.shadow_days, now_ns)
        self._proof.restore(known.get("quiet_s"), DETECTORS)
        self._standing = Standing(site.site.id, site.site.noc_phone or "your NOC", self._proof)
        self._flaps = Flaps()
        self._utc: tuple[int, float | None] = (now_ns, None)
        self._silence: Silence | None = None
        self._looks: dict[str, StreamLook] = {}
        self._silent_before: set[str] = set()
        self._diverted: dict[tuple[str, str], bool] = {}
        if self._feeds and site.calls.silence:
            self._listen(known.get("silence"), now_ns)
        self._voices: dict[str, Voice] = self._judges_of_voice(mapping(known.get("voices")))
        self._stood_links: dict[str, list[tuple[str, str]]] = {}
        self._counted: dict[int, tuple[str, ...]] = {}
        self._arrived_ns: int | None = None
        self._record_ns: int | None = None
        self._class_ns: dict[str, int] = {}
        self._bare = 0
        self._saved_ns = now_ns
        self._dirty = False
        self._touched = True
        self._due_ns: int | None = None

    def _class_streams(self) -> tuple[str, ...]:
        room = STREAMS_MAX - len(self._plain)
        return tuple(f"class:{name}" for name, calls in self._classes.items() if calls >= CLASS_CALLS)[:room]

    def _listen(self, saved: object, now_ns: int) -> None:
        """A silence detector for the streams of now, with what is learned of them."""
        calls, place = self._site.calls, self._site.site
        known = mapping(saved)
        self._silence = Silence(
            self._streams, place.timezone, place.calls_per_hour, calls.false_alarms_per_year, now_ns, known or None
        )
        self.restored = self.restored and (self._silence.restored or not known)
        at_ns, utc_s = self._utc
        if utc_s is not None:
            self._silence.clock(now_ns, utc_s + (now_ns - at_ns) / NS, True)
        self._feed(now_ns)

    def _judges_of_voice(self, known: Mapping[str, Any]) -> dict[str, Voice]:
        if not self._smdr or not self._site.calls.voice:
            return {}
        prior = PRIOR_ABANDONED if any(line.abandoned_recorded for line in self._smdr) else PRIOR_DURATION
        share = self._site.calls.false_alarms_per_year / (TESTS * len(self._plain))
        guess = self._site.site.calls_per_hour or GUESS_PER_H
        voices = {name: Voice(self._site.calls.talk_s, prior, share, guess) for name in self._plain}
        for name, voice in voices.items():
            try:
                if name in known:
                    voice.restore(known[name])
            except (ValueError, TypeError, KeyError, OverflowError):
                voices[name] = Voice(self._site.calls.talk_s, prior, share, guess)
                self.restored = False
        return voices

    # -- in ------------------------------------------------------------------------------------------------------

    def saw(self, reading: Reading, now_ns: int) -> None:
        """A reading of any line, or of the clock (``host``/``clock``)."""
        if reading.sense == "clock":
            self._clock(reading, now_ns)
            return
        self._link_lives(reading)
        self._standing.changed += self._links.saw(reading, now_ns)
        if reading.source in self._alive:
            self._life(reading, now_ns)
            self._touched = True
        if reading.kind == "contact":
            self._contact(reading, now_ns)
        elif reading.kind == "alarm" and reading.state != "up":
            self._line_alarm(now_ns)
        self._facts(self._book.saw(reading, now_ns), now_ns)

    def tick(self, now_ns: int) -> None:
        """What time alone changes; call it at ``deadline``, and after ``saw``."""
        if not self._touched and (self._due_ns is None or now_ns < self._due_ns):
            return
        self._touched = False
        self._standing.changed += self._links.tick(now_ns)
        self._facts(self._book.tick(now_ns), now_ns)
        self._buttons.tick(now_ns)
        self._judge(now_ns)
        self._due_ns = self._next_ns(now_ns)

    def stood(self, resource: str, type_name: str, qualifier: str, shadow: bool, now_ns: int) -> None:
        """An alarm of an earlier run stands; it stands on until this run's judges say otherwise."""
        self._touched = True
        if type_name in ("link-quiet", "data-quality"):
            self._stood_links.setdefault(resource, []).append((type_name, qualifier))
            return
        voice = self._voices.get(qualifier)
        judged = voice is not None
        if type_name in ("no-voice-button", "voice-reported", "button-stuck"):
            judged = self._has_button = True
            if type_name != "button-stuck":
                self._buttons.stand(now_ns, critical=type_name == "no-voice-button")
        elif type_name == "silence":
            judged = self._silence is not None and qualifier in self._streams
            self._silent_before.add(qualifier)
        elif voice is not None and type_name == "data-without-voice":
            voice.alarm = True
        elif voice is not None:
            voice.one_way.holds = True
        self._standing.stood((resource, type_name, qualifier), shadow, judged=judged)

    def _link_lives(self, reading: Reading) -> None:
        """A good record ends what an earlier run said of its link; this run's judges begin anew."""
        if self._stood_links and reading.kind == "data" and reading.state == "up":
            link = str(reading.detail.get("link"))
            for type_name, qualifier in self._stood_links.pop(link, ()):
                self._standing.changed.append(CallCondition(link, type_name, qualifier, False))

    def _clock(self, reading: Reading, now_ns: int) -> None:
        utc_s, synced = reading.detail.get("utc_s"), reading.detail.get("synced") is True
        known = float(utc_s) if isinstance(utc_s, int | float) and not isinstance(utc_s, bool) and synced else None
        self._utc = (now_ns, known)
        if self._silence is not None:
            self._silence.clock(now_ns, known, known is not None)
            self._touched = True

    def _life(self, reading: Reading, now_ns: int) -> None:
        """A feed whose port is closed or whose heartbeat is lost says nothing of calls."""
        alive = self._alive[reading.source]
        if reading.kind == "port-down":
            alive = False
        elif reading.kind in UP or reading.kind == "heartbeat":
            alive = reading.kind in UP or reading.state != "down"
        if reading.kind == "data" and reading.detail.get("what") == "record":
            self._record_ns = now_ns
        if alive != self._alive[reading.source]:
            self._alive[reading.source] = alive
            self._feed(now_ns)

    def divert(self, by_command: bool, now_ns: int) -> None:
        """A person has said that calls go elsewhere, or come here again."""
        if by_command != self._diverted.get(COMMAND, False):
            self._diverted[COMMAND] = by_command
            self._feed(now_ns)
            self._touched = True

    def _feed(self, now_ns: int) -> None:
        if self._silence is not None:
            for stream in self._streams:
                self._silence.feed(stream, self._hears(stream), now_ns)

    def _hears(self, stream: str) -> bool:
        if self.diverted:
            return False
        feeds: Iterable[SmdrLine | AliLine] = self._feeds
        both: tuple[SmdrLine | AliLine, ...] = (*self._smdr, *self._ali)
        if stream.startswith("class:"):
            feeds = self._ali
        elif stream != "all":
            feeds = [line for line in both if stream in line.trunks.values()]
        return all(self._alive[line.id] for line in feeds)

    def _contact(self, reading: Reading, now_ns: int) -> None:
        meaning, active = reading.detail.get("meaning"), reading.detail.get("active")
        if meaning == "no-voice":
            self._has_button = True  # the panel's own is in no site file
            self._buttons.pressed(reading, now_ns)
            self._touched = True
        elif meaning == "make-busy" and isinstance(active, bool):  # what can't be read is as it was
            self._diverted[reading.source, reading.subject] = active
            self._feed(now_ns)
            self._touched = True

    def _line_alarm(self, now_ns: int) -> None:
        odds = self._flaps.alarm(now_ns) if self._silence is not None else None
        if self._silence is not None and odds is not None:
            self._silence.suspect(now_ns, odds, FLAP_S)
            self._touched = True

    def _facts(self, facts: Iterable[Arrival | Ended | CalledBack], now_ns: int) -> None:
        for fact in facts:
            self._dirty = self._touched = True
            if isinstance(fact, Arrival):
                self._arrived_ns = now_ns
                self._buttons.arrivals += 1
                self._arrived(fact.streams, now_ns)
                self._counted[fact.call] = fact.streams
                if len(self._counted) > 2 * CALLS_MAX:
                    del self._counted[next(iter(self._counted))]
            elif isinstance(fact, Ended):
                self._with_data(fact.data)
                before = self._counted.pop(fact.call, fact.streams)  # its trunk may be known only now
                self._arrived([one for one in fact.streams if one not in before], now_ns)
                for stream in fact.streams:
                    if stream in self._voices:
                        self._voices[stream].ended(fact)
            else:
                for stream in fact.streams:
                    if stream in self._voices:
                        self._voices[stream].back(fact)

    def _with_data(self, data: bool) -> None:
        """Calls that end one after the other without data: the link brings none, whatever its heartbeat says."""
        if not (self._ali and self._smdr) or not all(self._alive[line.id] for line in self._ali):
            return
        self._bare = 0 if data else self._bare + 1
        lost = self._bare >= BARE_CALLS
        if data or lost:
            line = self._ali[0]
            text = f"{line.link or line.id}: the last {self._bare} calls brought no caller's data." if lost else ""
            name = line.link or line.id
            self._standing.changed.append(CallCondition(name, "link-quiet", "data", lost, text, {"calls": self._bare}))

    def _arrived(self, streams: Iterable[str], now_ns: int) -> None:
        known = [one for one in streams if one in self._streams]
        self._silent_before.difference_update(known)
        self._class_ns |= {one: now_ns for one in known if one.startswith("class:")}
        self._minutes.call(known, now_ns)
        if self._silence is None:
            return
        if known:
            self._silence.call(known, now_ns)
        for name in (one[6:] for one in streams if one.startswith("class:")):
            self._classes[name] = min(self._classes.get(name, 0) + 1, CLASS_CALLS)
            if self._classes[name] == CLASS_CALLS and f"class:{name}" not in self._streams:
                self._streams = self._plain + self._class_streams()
                self._listen(self._silence.saved(), now_ns)

    # -- judgement -----------------------------------------------------------------------------------------------

    def _judge(self, now_ns: int) -> None:
        looks = self._silence.judge(now_ns) if self._silence is not None else []
        looks = [replace(look, state="-") if self._no_records(look) else look for look in looks]
        self._looks = {look.stream: look for look in looks}
        self._prove(now_ns)
        for look in looks:
            if look.state != "-":
                silent = look.state == "d" or look.stream in self._silent_before
                self._standing.silence(look.stream, silent, look.expected, look.rate_per_h)
        for name, voice in self._voices.items():
            self._standing.voice(name, voice)
        if self._has_button:
            button = self._buttons
            self._standing.buttons(button.reported, button.critical, button.presses, button.stuck(now_ns))

    def _no_records(self, look: StreamLook) -> bool:
        """Whether a class is silent because no caller's data of any class comes: that is the link, not the callers."""
        if not look.stream.startswith("class:"):
            return False
        last_ns = self._class_ns.get(look.stream)  # None: this run has heard no such call
        if self._bare >= BARE_FEW or self._record_ns is None:
            return True
        return last_ns is not None and self._record_ns <= last_ns

    def _prove(self, now_ns: int) -> None:
        """Count the time in which a detector judged the whole site."""
        look, voice = self._looks.get("all"), self._voices.get("all")
        heard = bool(self._feeds) and self._hears("all")
        judging = {
            "silence": look is not None and look.able,
            "voice": voice is not None and heard and voice.able,
            "one-way": voice is not None and heard and voice.one_way.able,
        }
        self._proof.passed(now_ns, judging)

    # -- out -----------------------------------------------------------------------------------------------------

    def conditions(self) -> list[CallCondition]:
        """What changed since this was last asked."""
        return self._standing.take()

    def deadline(self, now_ns: int) -> int | None:
        """When ``tick`` next has something to say; None for never."""
        due = self._next_ns(now_ns)
        return None if due is None else max(due, now_ns + 1)

    def _next_ns(self, now_ns: int) -> int | None:
        times = [self._links.deadline(), self._book.deadline(), self._buttons.deadline(now_ns)]
        if self._silence is not None:
            times.append(self._silence.deadline(now_ns))
        if self._dirty:
            times.append(self._saved_ns + int(SAVE_EVERY_S * NS))
        return min((time for time in times if time is not None), default=None)

    @property
    def diverted(self) -> bool:
        """Whether a make-busy contact says that calls are sent elsewhere on purpose."""
        return any(self._diverted.values())

    @property
    def talked_ns(self) -> int | None:
        """When the last talk of ``talk_s`` was known to be over."""
        whole = self._voices.get("all")
        return whole.talked_ns if whole is not None else None

    def columns(self, now_ns: int) -> dict[str, str]:
        """The verdict's A (arrivals), V (talk), R (records) and H (heartbeat), those that this site can have."""
        out = self._links.columns(now_ns) if self._ali else {}
        bare, look = bool(self._ali) and self._bare >= BARE_CALLS, self._looks.get("all")
        if bare:
            out["R"] = "d"
        if self._feeds:
            silent = self._standing.silent()
            # That calls came without data stands only by calls that came: a pause does not make it "no calls".
            arrives = self._hears("all") and (bare or fresh(self._arrived_ns, look, now_ns))
            out["A"] = arrivals(silent, arrives=arrives)
            if out["A"] == "d" and out.get("R") == "u":
                out["R"] = "-"  # the last record was good; there is none since
        if self._voices or self._has_button:
            out["V"] = talk(self._voices, button=self._buttons.critical, look=look, now_ns=now_ns)
        return out

    def good_ns(self) -> dict[str, int | None]:
        """When a column that looks up was last seen so."""
        whole = self._voices.get("all")
        return {"A": self._arrived_ns, "R": self._record_ns, "V": None if whole is None else whole.began_ns}

    def shadowed(self) -> frozenset[str]:
        """The columns that look bad by nothing but detectors in shadow."""
        return self._standing.shadowed()

    def status(self, now_ns: int) -> list[dict[str, Any]]:
        """Each detector and stream: whether it can judge, and why not; for ``status --json``."""
        out: list[dict[str, Any]] = []
        if self._silence is not None:
            left_s = round(self._proof.left_s("silence"))
            out += [{"detector": "silence", **one, "shadow_s": left_s} for one in self._silence.status(now_ns)]
        left_s = round(self._proof.left_s("voice"))
        out += [
            {"detector": "voice", "stream": name, **voice.status(), "shadow_s": left_s}
            for name, voice in self._voices.items()
        ]
        out += [{"detector": "link", **one} for one in self._links.status(now_ns)]
        if self._feeds:
            book = self._book
            counts = {"seen": book.seen, "held": book.held, "dropped": book.dropped, "unknown": book.unknown}
            out.append({"detector": "calls", **counts, "copies": book.copies, "diverted": self.diverted})
        if self._has_button:
            stuck = ", ".join(self._buttons.stuck(now_ns))[:200]
            out.append({"detector": "button", "presses": self._buttons.presses, "stuck": stuck})
        return out

    def counts(self, now_ns: int) -> tuple[StreamCounts, ...]:
        """How many calls came of late, and how many were to be expected; nothing where no line tells of calls."""
        told = []
        for stream in self._streams:
            look = self._looks.get(stream)
            expected = None
            if look is not None and look.able:
                one, five, fifteen, sixty = (round(look.rate_per_h * over / 60.0, 4) for over in OVER_MIN)
                expected = (one, five, fifteen, sixty)
            seen, since_s = self._minutes.seen(stream, now_ns), self._minutes.since_s(stream, now_ns)
            since_s = None if since_s is None else round(since_s, 1)
            told.append(
                StreamCounts(stream=stream, seen=seen, expected=expected, alive=self._hears(stream), since_s=since_s)
            )
        return tuple(told)

    def to_save(self, now_ns: int, force: bool = False) -> dict[str, Any] | None:
        """What is learned, where it changed and an hour is over; plain JSON."""
        due = now_ns - self._saved_ns >= int(SAVE_EVERY_S * NS)
        if not self._dirty or not (due or force):
            return None
        self._saved_ns, self._dirty = now_ns, False
        self._touched = True
        self._prove(now_ns)
        return {
            "v": VERSION,
            "silence": self._silence.saved() if self._silence is not None else None,
            "voices": {name: voice.saved() for name, voice in self._voices.items()},
            "links": self._links.learned(),
            "quiet_s": self._proof.saved(),
            "classes": dict(self._classes),
        }


def _contacts(line: schema.Line) -> tuple[Any, ...]:
    return line.contacts if isinstance(line, ModbusLine | ContactsLine) else ()
