"""The console of a Cisco voice gateway: controllers and interfaces that change state. Pure.

Grammar: Cisco IOS System Messages, ``[seq: ][*|.][time: ]%FACILITY[-SUBFACILITY]-SEVERITY-MNEMONIC: text``. Sequence
number, time and its mark (``*``: the clock was never set, ``.``: it has lost its source) are optional. Read here:

``%CONTROLLER-5-UPDOWN: [Controller|PRI] T1 0/0/0, changed state to down[ (AIS detected)]``
``%LINK-3-UPDOWN: Interface Serial0/0/0:23, changed state to up``, ``%LINEPROTO-5-UPDOWN: Line protocol on Interface …``
``%SONET-4-ALARM: SONET 0/0/0: SLOS asserted`` (``cleared``), with SDH and paths (``SDH 0/5/16.1 PATH : PAIS``)

A controller that comes up names no condition: its ``clear`` has none, which ends all that stands on that place, also
what stood before this start. An interface keeps its own name as subject. What is put down by command, and every other
message, is an ``event`` with its text; runs of seven digits and more in it are masked, as call messages hold numbers.
"""

from __future__ import annotations

import re

from agent.lines.console import Garbage, LineCutter, TextLine
from agent.readings import Kind, Plain, Reading, State

FIELDS = (
    "facility", "severity", "mnemonic", "seq", "time", "controller", "aid", "condtype", "ntfcncde", "srveff", "locn",
    "conddescr", "reason",
)  # fmt: skip
"""A message's detail: always all of these, None where it has none."""
COUNTERS = ("bytes", "records", "alarms", "clears", "events", "garbage_bytes", "garbage_runs")
TEXT_CHARS = 200
_SP = re.compile(r"\s+")
_MESSAGE = re.compile(
    r"%(?P<facility>[A-Z][A-Z0-9_]*(?:-[A-Z][A-Z0-9_]*){0,3})-(?P<severity>[0-7])-(?P<mnemonic>[A-Z0-9_]+)\s*:\s*"
    r"(?P<text>.*)\Z"
)
_SEQ = re.compile(r"(?:^|[\s>])(\d{1,10}):\s")
_TIME = re.compile(
    r"([*.]?(?:(?:[A-Z][a-z]{2}\s+\d{1,2}\s+(?:\d{4}\s+)?)?\d{1,2}:\d\d:\d\d(?:\.\d{1,6})?(?:\s[A-Z]{2,5})?"
    r"|\d{1,4}[dwy]\d{1,3}[hdw]))\s*:\s*\Z"
)
_TO = (
    r"changed state to\s+(?P<to>administratively down|down|up|reset|deleted|standby|testing|looped)"
    r"\s*(?:\((?P<why>[^()]{0,60})\))?\s*\.?\Z"
)
_CONTROLLER = re.compile(
    r"(?:(?:Controller|PRI)\s+){0,2}(?P<type>[A-Za-z][A-Za-z0-9-]{0,15})\s+(?P<place>\d[\d/.:]{0,30})\s*,\s*" + _TO,
    re.IGNORECASE,
)
_INTERFACE = re.compile(
    r"(?:Line protocol on\s+)?Interface\s+(?P<place>[A-Za-z][\w/.:-]{0,60})\s*,\s*" + _TO, re.IGNORECASE
)
_SONET = re.compile(
    r"(?P<type>SONET|SDH|AU-?\d|STS-?\d)\s*(?P<place>\d[\d/.:]{0,30})\s*(?P<path>PATH\s*)?:\s*"
    r"(?P<cond>[A-Z][A-Z0-9_-]{1,30})\s+(?P<to>asserted|cleared)\s*\.?\Z",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d(?:[-(). ]{0,2}\d){6,}")
_CARRIES_TRUNKS = re.compile(r"(?:Se|Serial|T1|E1|BR|BRI)\s*\d", re.IGNORECASE)
_PLAIN_WORD = re.compile(r"[^A-Z0-9]+")
# What IOS prints in the brackets, by words; the first that fits.
_REASONS = (
    (re.compile(r"\bLOS\b|LOSS OF SIGNAL"), "LOS"),
    (re.compile(r"\bLOMF\b|LOSS OF MULTI"), "LOMF"),
    (re.compile(r"\bLOF\b|LOSS OF FRAM"), "LOF"),
    (re.compile(r"\bOOF\b|OUT OF FRAM"), "OOF"),
    (re.compile(r"\bRAI\b|\bRDI\b|REMOTE ALARM|YELLOW"), "RAI"),
    (re.compile(r"\bAIS\b|ALARM INDICATION"), "AIS"),
    (re.compile(r"LOOP"), "LPBK"),
)
_SONET_AS: dict[str, str] = {
    "SLOS": "LOS", "SLOF": "LOF", "LAIS": "AIS", "PAIS": "AIS-P", "LRDI": "RAI", "PRDI": "RAI-P",
}  # fmt: skip


def masked(text: str) -> str:
    """``text`` with every digit of what may be a telephone number masked."""
    return _NUMBER.sub(lambda found: re.sub(r"\d", "*", found[0]), text)


def condition_of(why: str | None) -> str:
    """The condition type of a bracketed reason; ``DOWN`` where there is none, the words as they are if unknown."""
    upper = (why or "").strip().upper()
    if not upper:
        return "DOWN"
    for pattern, name in _REASONS:
        if pattern.search(upper):
            return name
    return _PLAIN_WORD.sub("-", upper.removesuffix("DETECTED")).strip("-")[:40] or "DOWN"


class Cisco:
    """One gateway's console, receive only. No method raises on any bytes."""

    idle_s = 1.0

    def __init__(self, source: str) -> None:
        self._source = source
        self._cutter = LineCutter()
        self._garbage = Garbage()
        self._now_ns = 0
        self._out: list[Reading] = []
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    @property
    def held_bytes(self) -> int:
        """Bytes kept between calls: at most one line."""
        return self._cutter.held_bytes

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """The readings that ``data`` completes."""
        self.counters["bytes"] += len(data)
        self._now_ns = now_ns
        for line in self._cutter.feed(data):
            self._line(line)
        return self._told()

    def idle(self, now_ns: int) -> list[Reading]:
        """Quiet: garbage is told. A line without its end may still go on, and waits."""
        self._now_ns = now_ns
        self._tell_garbage()
        return self._told()

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends here."""
        self._now_ns = now_ns
        for line in self._cutter.flush():
            self._line(line)
        self._tell_garbage()
        return self._told()

    def _told(self) -> list[Reading]:
        out, self._out = self._out, []
        return out

    def _line(self, line: TextLine) -> None:
        if line.text is None:
            self._junk(line, "line too long")
            return
        at = line.text.find("%")
        found = None
        while at >= 0 and found is None:
            found = _MESSAGE.match(line.text, at)
            if found is None:
                at = line.text.find("%", at + 1)
        if found is None:
            self._junk(line, "no IOS message")
            return
        detail: dict[str, Plain] = dict.fromkeys(FIELDS)
        detail.update(facility=found["facility"], severity=int(found["severity"]), mnemonic=found["mnemonic"])
        before = line.text[:at][-120:]
        time, seq = _TIME.search(before), _SEQ.search(before)
        detail["time"] = _SP.sub(" ", time[1]) if time else None
        detail["seq"] = int(seq[1]) if seq else None
        self._message(line, detail, _SP.sub(" ", found["text"]).strip())

    def _message(self, line: TextLine, detail: dict[str, Plain], text: str) -> None:
        facility, mnemonic = str(detail["facility"]).split("-")[0], detail["mnemonic"]
        if mnemonic in ("UPDOWN", "CHANGED") and facility in ("CONTROLLER", "LINK", "LINEPROTO"):
            found = (_CONTROLLER if facility == "CONTROLLER" else _INTERFACE).match(text)
            if found is None:
                self._junk(line, f"{facility} message not understood")
            else:
                self._changed(line, detail, facility, found)
            return
        found = _SONET.match(text) if mnemonic == "ALARM" and facility in ("SONET", "SDH") else None
        if found is not None:
            name = found["cond"].upper()
            detail["controller"] = found["type"].upper()
            detail["condtype"] = _SONET_AS.get(name, name)
            self._tell_change(line, detail, found["place"], raised=found["to"].lower() == "asserted", words=name)
            return
        self._event(line, detail, "", text)

    def _changed(self, line: TextLine, detail: dict[str, Plain], facility: str, found: re.Match[str]) -> None:
        to, why, place = found["to"].lower(), (found["why"] or "").strip(), found["place"]
        detail["reason"] = why or None
        if facility == "CONTROLLER":
            detail["controller"] = found["type"].upper()
            detail["condtype"] = condition_of(why) if to == "down" else None
        else:
            detail["condtype"] = f"{facility}-DOWN"
        if to not in ("down", "up"):
            detail["condtype"] = None
            self._event(line, detail, place, f"{place} changed state to {to}")
            return
        what = f"{detail['controller'] or 'interface'} {place} went {to}{f' ({why})' if why else ''}"
        self._tell_change(line, detail, place, raised=to == "down", words=what)

    def _tell_change(self, line: TextLine, detail: dict[str, Plain], place: str, *, raised: bool, words: str) -> None:
        # A LAN port of the gateway is no trunk unless the site file names it as one.
        trunk = detail["controller"] is not None or _CARRIES_TRUNKS.match(place) is not None
        detail.update(aid=place, conddescr=words)
        if raised:
            detail.update(ntfcncde="MJ" if trunk else "MN", srveff="SA" if trunk else None)
        else:
            detail.update(ntfcncde="CL")
        self.counters["alarms" if raised else "clears"] += 1
        state: State = "up" if not raised else "down" if trunk else "degraded"
        self._tell("alarm" if raised else "clear", place, state, detail, line.offset)

    def _event(self, line: TextLine, detail: dict[str, Plain], subject: str, text: str) -> None:
        self.counters["events"] += 1
        detail.update(aid=subject or None, conddescr=masked(text)[:TEXT_CHARS] or None)
        self._tell("event", subject, None, detail, line.offset)

    def _tell(self, kind: Kind, subject: str, state: State | None, detail: dict[str, Plain], offset: int) -> None:
        self._tell_garbage()
        self.counters["records"] += 1
        self._out.append(Reading(self._source, "cisco", kind, subject, state, self._now_ns, detail, offset))

    def _junk(self, line: TextLine, reason: str) -> None:
        self.counters["garbage_bytes"] += line.size
        if self._garbage.add(line.offset, line.size, reason):
            self._tell_garbage()

    def _tell_garbage(self) -> None:
        told = self._garbage.take()
        if told is not None:
            self.counters["garbage_runs"] += 1
            self._out.append(Reading(self._source, "cisco", "garbage", "", None, self._now_ns, told[0], told[1]))
