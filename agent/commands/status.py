"""``dialtone status``: the panel, the alarms and the sentence, as the running agent has them."""

from __future__ import annotations

import argparse
from typing import Any

from agent.commands import requests


def add(verbs: argparse._SubParsersAction[Any]) -> None:
    """Add ``status`` to the command line."""
    text = "what the panel shows now, the alarms, and what has been reported"
    verb = verbs.add_parser("status", help=text, description=text[0].upper() + text[1:] + ".")
    requests.add_socket(verb)
    verb.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """0 all is well, 1 an alarm stands or no agent answers, 2 wrong usage."""
    import json

    status = requests.asked(args, "status", {})
    if isinstance(status, int):
        return status
    if args.json:
        print(json.dumps(status))
    else:
        print("\n".join(lines(status)))
    return 1 if any(alarm["active"] for alarm in status["alarms"]) else 0


def lines(status: dict[str, Any]) -> list[str]:
    """The status for a person, one thing a line."""
    from agent.draw import lamp_row_ascii

    out = [f"site {status['site']}, probe {status['probe']}", lamp_row_ascii(status["lamps"], status["horn"])]
    verdict = status["verdict"]
    if verdict is not None:
        out.append(verdict["sentence"] + (" (still changing)" if verdict.get("under_change") else ""))
    out += clock(status)
    if status.get("mode", "normal") != "normal":
        out.append(f"mode {status['mode']} until {status.get('until')}")
    out += [f"  shelved: {name}" for name in status.get("shelved", {})]
    for alarm in status["alarms"]:
        acknowledged = f", acknowledged by {alarm['acknowledged_by']}" if alarm["acknowledged_by"] else ""
        acknowledged += f", known to {alarm['noted_by']}" if alarm["noted_by"] else ""
        out.append(f"  {alarm['severity']:8} {alarm['state']}{acknowledged}: {alarm['text']} [{alarm['id']}]")
    if not status["alarms"]:
        out.append("  no alarms")
    for sense in status["senses"]:
        why = f" ({sense['detail']})" if sense["detail"] else ""
        out.append(f"  {sense['source']} {sense['sense']}: {sense['state']}{why}")
    out += [f"  {judge(one)}" for one in status.get("calls", ()) if one.get("stream")]
    for uplink in status["uplinks"]:
        out.append(f"  uplink {uplink['id']}: {'connected' if uplink['connected'] else 'not connected'}")
    reminder = (status.get("commissioned") or {}).get("reminder")
    out += [f"  {reminder}"] if reminder else []
    journal = status["journal"]
    out.append(
        f"  journal: entry {journal.get('head')}, {journal.get('waiting')} waiting, fault: {journal.get('fault')}"
    )
    return out


def clock(status: dict[str, Any]) -> list[str]:
    """The regulatory clock in words, where it runs: facts, no advice."""
    duty = status.get("duty")
    if not duty:
        return []
    users = f", {duty['user_minutes']:,} user-minutes" if duty.get("user_minutes") is not None else ""
    return [
        f"calls have failed for {duty['minutes']:g} min{users}; side of the demarcation: {duty['side']}; "
        f"the provider's 30 minutes (47 CFR 4.9(h)) end at {duty.get('notify_by', '-')}"
    ]


def judge(one: dict[str, Any]) -> str:
    """A judge of calls in a few words: whether it can judge, how long it would take, or why not and when."""
    name = f"calls, {one['detector']}, {one['stream']}"
    if one.get("able") is False:
        soon = one.get("able_in_s")
        when = f", in about {soon / 3600:.1f} h" if isinstance(soon, int | float) else ""
        return f"{name}: can't judge yet ({one.get('why') or 'no reason given'}){when}"
    if one["detector"] == "voice" and "callers_needed" in one:
        return f"{name}: would tell after {one['callers_needed']} callers in a row without a talk"
    delay_s = one.get("delay_s")
    return f"{name}: " + (
        f"would tell after {delay_s / 60:.0f} min" if delay_s is not None else one.get("state", "judges")
    )
