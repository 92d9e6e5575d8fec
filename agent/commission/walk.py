"""Walks a technician through the steps: what to pull, what the agent shows of it, what was seen and heard; seals it."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent.client import Unanswered
from agent.commission.steps import Step, ask_for, cut, passed, raised, receipt, standing, steps, summary

LOOK_S = 0.5
HORN_S = 40.0
"""An alarm that the network alone shows is held back from the horn for 20 s."""
SETTLE_S = 1.0
"""By then an urgent entry is in the journal, and the head has risen over it."""

Ask = Callable[[str, dict[str, Any]], dict[str, Any]]


class GivenUp(Exception):
    """The technician went away, or the terminal did."""


class Terminal:
    """Questions and answers on a plain terminal: a line in, a line out."""

    def __init__(self, inward: int, say: Callable[[str], None]) -> None:
        self._in, self.say, self._rest = inward, say, b""

    def line(self, wait_s: float | None) -> str | None:
        """The next line typed; None where none came in time. Raises ``GivenUp`` at the end of the input."""
        while b"\n" not in self._rest:
            if not select.select([self._in], [], [], wait_s)[0]:
                return None
            try:
                data = os.read(self._in, 4096)
            except OSError:
                data = b""
            if not data:
                raise GivenUp
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        return line.decode(errors="replace").strip()

    def yes(self, question: str) -> bool:
        """Asked until it is answered with y or n."""
        while True:
            self.say(f"{question} [y/n]")
            answer = (self.line(None) or "").lower()
            if answer in ("y", "yes", "n", "no"):
                return answer[0] == "y"


@dataclass(slots=True)
class Waited:
    """What a wait gave, and after how long."""

    value: Any
    after_s: float | None


class Walk:
    """One commissioning. ``wait_s``: how long an alarm may take to come, and to go."""

    def __init__(self, ask: Ask, terminal: Terminal, technician: str, wait_s: float) -> None:
        self._ask, self._terminal, self._technician, self._wait_s = ask, terminal, technician, wait_s

    def run(self) -> int:
        """0 every step proved and sealed, 1 not. Raises ``GivenUp``, ``Unanswered``."""
        status = self._ask("status", {})
        say = self._terminal.say
        if status["mode"] != "normal" or status.get("shelved"):
            shelved = ", ".join(status.get("shelved", {})) or "nothing"
            say(f"mode {status['mode']}, shelved: {shelved}: no horn would sound")
            say("dialtone mode normal, or wait until it has ended")
            return 1
        results = [self._step(number, step) for number, step in enumerate(steps(status), 1)]
        failed = sum(not result["passed"] for result in results)
        self._seal({"kind": "all", "id": "all", "steps": len(results), "failed": failed, "passed": not failed})
        say("\n".join([f"{len(results)} steps, {failed} not proved; sealed in the journal:", *summary(results)]))
        return 1 if failed or not results else 0

    def _seal(self, result: dict[str, Any]) -> None:
        self._ask("commission", {**result, "technician": self._technician})

    def _step(self, number: int, step: Step) -> dict[str, Any]:
        say = self._terminal.say
        self._quiet_first()
        before = self._ask("status", {})
        known, first = standing(before), before["journal"]["head"] + 1
        result: dict[str, Any] = {"kind": step.kind, "id": step.id, "receipt": "none"}
        say(f"\nStep {number}. {ask_for(step)}")
        say(f"Waiting up to {self._wait_s:.0f} s for its alarm; type s and Enter to give this step up.")
        seen = self._until(lambda now: raised(step, known, now) or cut(step, now), self._wait_s)
        result["alarm_after_s"] = seen.after_s
        horn_due = False
        if seen.after_s is None:
            say("No alarm: this box does not notice that this cable is pulled.")
        elif isinstance(seen.value, Mapping):
            horn_due = self._seen_and_heard(seen.value, result)
        else:
            say("The box sees that it is down. No lamp: another way out still works.")
        if seen.after_s is not None and not step.alone:
            self._received(first, result)
        say("Plug it in again.")
        alarm_id = result.get("alarm")
        back = self._until(lambda now: _whole(step, alarm_id, now), self._wait_s)
        result["restored_after_s"] = back.after_s
        if seen.after_s is not None and step.alone and back.after_s is not None:
            self._received(first, result)
        say("It is back." if back.after_s is not None else "It has not come back.")
        if alarm_id is not None:
            self._ask("ack", {"alarm": alarm_id})
            self._ask("reset", {"alarm": alarm_id})
        result["passed"] = passed(result, horn_due)
        self._seal(result)
        return result

    def _quiet_first(self) -> None:
        """A horn that sounds already proves nothing: what stands is acknowledged by a person, at the panel."""
        status = self._ask("status", {})
        if status["horn"] != "none":
            texts = [f"  {alarm['text']}" for alarm in status["alarms"] if alarm["state"] != "acknowledged"]
            self._terminal.say("\n".join(["The horn is due already. Acknowledge at the panel what stands:", *texts]))
            self._until(lambda now: now["horn"] == "none", self._wait_s)

    def _seen_and_heard(self, alarm: Mapping[str, Any], result: dict[str, Any]) -> bool:
        """Asks for lamp and horn; whether the horn was to sound."""
        result["alarm"], result["lamp"] = alarm["id"][:120], alarm["lamp"]
        self._terminal.say(f"Alarm: {alarm['text']}")
        result["lamp_seen"] = self._terminal.yes(f"Is the lamp {alarm['lamp']} lit?")
        if alarm["severity"] == "minor":
            return False
        if self._until(lambda now: now["horn"] != "none", HORN_S).after_s is None:
            self._terminal.say("The horn is not due: it was silenced, or this is held back.")
        result["horn_heard"] = self._terminal.yes("Did the horn sound? (3 s in each 30 s)")
        return True

    def _received(self, first: int, result: dict[str, Any]) -> None:
        """Waits until everything since the cable was pulled is known to be outside."""
        time.sleep(SETTLE_S)
        last = self._ask("status", {})["journal"]["head"]
        got = self._until(lambda now: _stored(now, first, last), self._wait_s)
        status = self._ask("status", {})
        result["receipt"] = receipt(status, first, last) if last >= first else "none"
        if result["receipt"] != "none":
            result["receipt_after_s"] = got.after_s if got.after_s is not None else self._wait_s
        words = {
            "receiver": "The NOC's receiver has stored it.",
            "broker": "The broker has taken it; no receiver says that it has stored it. Ring the NOC and ask.",
            "none": "Nobody outside has received it.",
        }
        self._terminal.say(words[result["receipt"]])
        if result["receipt"] == "broker" and not self._terminal.yes("Does the NOC see it?"):
            result["receipt"] = "none"

    def _until(self, what: Callable[[dict[str, Any]], Any], wait_s: float) -> Waited:
        """Looks until it is so, in time, and is not given up."""
        began_s = time.monotonic()
        while (now_s := time.monotonic()) - began_s < wait_s:
            try:
                value = what(self._ask("status", {}))
            except Unanswered:
                value = None
            if value:
                return Waited(value, round(now_s - began_s, 1))
            if (self._terminal.line(LOOK_S) or "").lower() in ("s", "skip"):
                break
        return Waited(None, None)


def _whole(step: Step, alarm_id: str | None, status: Mapping[str, Any]) -> bool:
    """Whether the cable is seen to be back."""
    if step.kind == "uplink":
        return any(uplink["id"] == step.id and uplink["connected"] for uplink in status["uplinks"])
    return alarm_id is None or all(alarm["id"] != alarm_id or not alarm["active"] for alarm in status["alarms"])


def _stored(status: Mapping[str, Any], first: int, last: int) -> bool:
    """A receiver has it; where no receiver has ever said anything, the broker's word is all there will be."""
    got = receipt(status, first, last)
    return got == "receiver" or (got == "broker" and not any(uplink["stored"] for uplink in status["uplinks"]))
