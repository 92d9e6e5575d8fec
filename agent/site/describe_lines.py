"""The serial lines and the calls of a site file in plain words: what is listened to, and what stays unseen. Pure."""

from __future__ import annotations

from collections import Counter

from agent.site import line as kinds
from agent.site import schema
from agent.site.line import Line

_SPEAKS = {
    "tl1": "TL1 alarms",
    "csu": "CSU alarms in plain text",
    "cisco": "console messages of a Cisco gateway",
    "ali": "callers' data",
    "smdr": "call records",
    "modbus": "dry contacts by Modbus",
    "contacts": "dry contacts on its modem lines",
    "text": "lines of text, by the site's own rules",
}
_SEES_CALLS = (kinds.AliLine, kinds.SmdrLine)


def seconds(value: float) -> str:
    """``2 s``, ``0.5 s``, ``15 min``: as people say it."""
    if value >= 120 and value % 60 == 0:
        return f"{value / 60:g} min"
    return f"{value:g} s"


def watched(site: schema.SiteFile) -> list[str]:
    """Each line and what is made of it, and how calls are judged."""
    out = [text for line in site.line for text in _line(line)]
    if any(isinstance(line, _SEES_CALLS) for line in site.line):
        out.append(_calls(site))
    return out


def sends(line: Line) -> bool:
    """Whether Dialtone writes to this line at all."""
    return isinstance(line, kinds.ModbusLine) or (isinstance(line, kinds.Tl1Line) and line.session is not None)


def _line(line: Line) -> list[str]:
    groups = Counter(line.trunks.values())
    named = ", ".join(f"{group} ({count} trunk{'s' if count > 1 else ''})" for group, count in groups.items())
    trunks = f": trunk groups {named}" if named else ""
    if not named and isinstance(line, kinds.Tl1Line | kinds.CiscoLine):
        trunks = ": every trunk it speaks of, in no group"
    quiet = f"; alarm after {seconds(3 * line.heartbeat_s)} without a message" if line.heartbeat_s is not None else ""
    flow = f", flow control {line.flow}" if line.flow != "none" else ""
    how = "asks and listens" if sends(line) else "listens only, the port cannot send"
    if line.dialect == "contacts":
        how = "sends no data"
    what = f"{line.dialect} ({_SPEAKS[line.dialect]}) on {line.port}, {line.baud} baud {line.format}{flow}, {how}"
    return [f"line {line.id}: {what}{trunks}{quiet}", *_own(line)]


def _own(line: Line) -> list[str]:
    """What this dialect's own keys mean."""
    if isinstance(line, kinds.Tl1Line) and line.session is not None:
        ask = f", asks what stands of {', '.join(line.session.retrieve)}" if line.session.retrieve else ""
        keep = f"{line.session.keepalive} every {seconds(line.session.keepalive_s)}"
        return [f"  logs in as {line.session.user}{ask}, and keeps the session by {keep}"]
    if isinstance(line, kinds.AliLine):
        side = f"side {line.side} of link {line.link or line.id}"
        return [f"  {side}, carries {line.carries}; a record ends by {line.framing} and is sent on {line.sent_on}"]
    if isinstance(line, kinds.SmdrLine):
        which = "calls over the trunks named" if line.trunks and line.only_trunks else "every incoming trunk call"
        lost = "with" if line.abandoned_recorded else "without"
        return [f"  format {line.switch}: {which}, {lost} records of calls that were given up"]
    if isinstance(line, kinds.ModbusLine | kinds.ContactsLine):
        return [f"  contact {c.name} on input {c.input}: {c.meaning}" for c in line.contacts]
    if isinstance(line, kinds.TextLine):
        return [f"  rule {rule.name}: {rule.says} {rule.point} of {rule.subject}" for rule in line.rules]
    return []


def _calls(site: schema.SiteFile) -> str:
    judged = [name for name, on in (("silence", site.calls.silence), ("data without voice", site.calls.voice)) if on]
    rate = f", from {site.site.calls_per_hour:g} calls an hour at first" if site.site.calls_per_hour else ""
    shadow = f"; silent for the first {site.calls.shadow_days} days" if site.calls.shadow_days else ""
    return (
        f"calls: {' and '.join(judged) or 'nothing'} is told{rate}, at about "
        f"{site.calls.false_alarms_per_year:g} false alarms a year{shadow}"
    )


def unseen(site: schema.SiteFile) -> list[str]:
    """What the lines of this site can't see, each with what would change it."""
    out = []
    if not any(isinstance(line, kinds.Tl1Line | kinds.CsuLine | kinds.CiscoLine) or _loops(line) for line in site.line):
        out.append("trunk faults: no [[line]] listens to the trunks' equipment")
    for line in site.line:
        out += _unseen_of(line)
    calls = [line for line in site.line if isinstance(line, _SEES_CALLS)]
    if not calls:
        out.append("calls that stop coming, and calls without a voice: no smdr or ali line tells of calls")
    elif not any(isinstance(line, kinds.SmdrLine) for line in calls):
        out.append("whether callers are heard: no smdr line tells how long they talked")
    if calls and site.site.calls_per_hour is None:
        out.append("calls that stop coming, in the first days: site.calls_per_hour gives no first guess")
    if not any(contact.meaning == "no-voice" for line in site.line for contact in _contacts(line)):
        out.append("what dispatchers hear: no contact is a no-voice button, the cheapest sense of all")
    return out


def _unseen_of(line: Line) -> list[str]:
    out = []
    if not sends(line) and isinstance(line, kinds.Tl1Line | kinds.CsuLine | kinds.CiscoLine | kinds.TextLine):
        out.append(
            f"alarms that stand on {line.id} when the agent starts: it only listens, so each is unknown until its "
            "next message"
        )
    if line.heartbeat_s is None and not isinstance(line, kinds.ModbusLine | kinds.ContactsLine) and not sends(line):
        out.append(f"a cut receive wire on {line.id}: without heartbeat_s, silence there looks like health")
    if not line.trunks and isinstance(line, kinds.Tl1Line | kinds.CiscoLine):
        out.append(f"a whole trunk group down on {line.id}: trunks names no group")
    return out


def _contacts(line: Line) -> tuple[kinds.Contact, ...]:
    return line.contacts if isinstance(line, kinds.ModbusLine | kinds.ContactsLine) else ()


def _loops(line: Line) -> bool:
    return any(contact.meaning == "loop-current" for contact in _contacts(line))
