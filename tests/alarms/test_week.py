"""A week of faults, clears, modes, shelves and fingers on buttons, all at random; what must hold at each moment.

The reasons for which the horn may be silent are written here anew, from INTERFACES' list, and not taken from the code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from agent.alarms import annunciator
from agent.alarms.book import NS, Alarm, AlarmBook
from agent.alarms.groups import FirstOut
from agent.alarms.points import POINTS
from agent.buttons import ASKS, MS, Buttons
from agent.panel import DARK, HORN_CYCLE, PanelView, levels

WEEK_NS = 7 * 86_400 * NS
TURN_NS = (HORN_CYCLE.lit_ms + HORN_CYCLE.dark_ms) * MS
TYPES = ["los", "trunk-group-down", "call-path", "silence", "firewall-fault", "far-end-fault", "uplink-lost",
         "nobody-knows", "panel-fault", "path-simplex", "line-errors", "link-quiet"]  # fmt: skip
NAMES = ["silence", "ack", "reset"]


class Week:
    """The book and the panel, and what a listener in the room has heard."""

    def __init__(self, seed: int, sequence: str) -> None:
        self.rng = random.Random(seed)
        self.book = AlarmBook(sequence, first_out=FirstOut(True, {}))  # type: ignore[arg-type]
        self.sequence = sequence
        self.view: PanelView = DARK
        self.now_ns = 0
        self.buttons = Buttons(NAMES)
        self.owed: dict[str, int] = {}
        self.hushed: set[str] = set()
        self.counts = dict.fromkeys(["raised", "heard", "quieted", "pressed", "taped", "flood", "covered"], 0)
        self.fingers: list[tuple[int, str, bool]] = []
        for name in NAMES:
            self.buttons.see(name, False, 0)

    # -- what happens ----------------------------------------------------------------------------------------------

    def fault(self) -> None:
        rng = self.rng
        resource, type_name = f"r{rng.randrange(4)}", rng.choice(TYPES)
        hold_s = rng.choice([0.0, 0.0, 20.0]) if type_name in ("call-path", "firewall-fault") else 0.0
        shadow = type_name == "silence" and resource == "r3"
        self.book.condition(
            resource, type_name, "q", rng.random() < 0.5, self.now_ns, declared=rng.random() < 0.6, hold_s=hold_s,
            shadow=shadow,
        )  # fmt: skip

    def storm(self) -> None:
        for number in range(self.rng.randrange(5, 40)):
            self.book.condition("bank", "los", f"t{number}", True, self.now_ns, declared=True)
            self.look()
            self.pass_time(self.rng.randrange(1, 4 * NS))
        for number in range(40):
            self.book.condition("bank", "los", f"t{number}", False, self.now_ns, declared=True)

    def finger(self) -> None:
        """A press that bounces; now and then a button is taped down for hours."""
        name, taped = self.rng.choice(NAMES), self.rng.random() < 0.02
        if any(n == name for _, n, _ in self.fingers):
            return
        long_ns = self.rng.randrange(60 * NS, 6 * 3600 * NS) if taped else self.rng.randrange(40 * MS, 900 * MS)
        at_ns = self.now_ns + 5 * MS
        self.counts["taped"] += taped
        self.fingers += [(at_ns - 4 * MS, name, True), (at_ns - 2 * MS, name, False), (at_ns, name, True)]
        self.fingers.append((at_ns + long_ns, name, False))
        self.fingers.sort()

    def quiet(self) -> None:
        rng, quiet = self.rng, self.book.quiet
        if rng.random() < 0.5:
            quiet.set_mode(rng.choice(["diverted", "service", "normal"]), rng.randrange(1, 120), self.now_ns)
        else:
            quiet.shelve(f"r{rng.randrange(4)}", rng.randrange(0, 120), self.now_ns)

    # -- time ------------------------------------------------------------------------------------------------------

    def deadlines(self) -> Iterator[int]:
        times = [self.book.deadline(self.now_ns), self.book.quiet.deadline(), self.buttons.due_ns()]
        times += [at_ns for at_ns, _, _ in self.fingers[:1]]
        yield from (at_ns for at_ns in times if at_ns is not None)

    def pass_time(self, wait_ns: int) -> None:
        end_ns = self.now_ns + wait_ns
        while True:
            next_ns = max(self.now_ns + 1, min([*self.deadlines(), end_ns]))
            self.listen(min(next_ns, end_ns))
            self.now_ns = min(next_ns, end_ns)
            self.work_buttons()
            self.look()
            if self.now_ns >= end_ns:
                return

    def work_buttons(self) -> None:
        events = []
        while self.fingers and self.fingers[0][0] <= self.now_ns:
            at_ns, name, closed = self.fingers.pop(0)
            events += self.buttons.see(name, closed, at_ns)
        for event in [*events, *self.buttons.tick(self.now_ns)]:
            asks = ASKS.get((event.button, event.what))
            if asks is None:
                continue
            self.counts["pressed"] += 1
            if asks[0] == "silence":
                sounding = ("unacknowledged", "returned-unacknowledged")
                self.hushed |= {a.id for a in self.book if a.state in sounding and not self.covered(a)}
            {"silence": self.book.silence, "reset": self.book.reset, "ack": lambda: self.book.acknowledge("eve")}[
                asks[0]
            ]()

    def listen(self, until_ns: int) -> None:
        """Somebody in the room hears what sounds between now and then."""
        if not self.owed:
            return
        at_ns = self.now_ns
        while self.owed and at_ns < until_ns:
            shown = levels(self.view, at_ns)
            if shown.voice == "alarm":
                self.counts["heard"] += len(self.owed)
                self.owed.clear()
            for alarm_id, by_ns in self.owed.items():
                assert at_ns <= by_ns, f"{alarm_id} was raised and never sounded"
            at_ns += 250 * MS

    # -- what must hold --------------------------------------------------------------------------------------------

    def look(self) -> None:
        book = self.book
        book.quiet.tick(self.now_ns)
        book.tick(self.now_ns)
        changes = book.take_changes()
        self.view = annunciator.compose(book, annunciator.healthy(book, True), None, self.view, self.now_ns)
        self.counts["flood"] += book.flood(self.now_ns)
        for change in changes:
            alarm = book.get(change.id)
            if change.change in ("raised", "realarmed"):
                self.hushed.discard(change.id)
            elif change.change == "returned" and alarm is not None and self.covered(alarm):
                self.hushed.add(change.id)  # it came and went while it was meant
            if change.change in ("raised", "realarmed") and POINTS[change.type].horn == "alarm":
                self.counts["raised"] += 1
                assert alarm is not None
                self.owed[change.id] = max(self.now_ns, alarm.horn_from_ns or 0) + TURN_NS
        for alarm_id in list(self.owed):
            alarm = book.get(alarm_id)
            if alarm is None or self.may_be_silent(alarm):
                held = alarm is not None and alarm.horn_from_ns is not None and self.now_ns < alarm.horn_from_ns
                if alarm is None or not held:
                    del self.owed[alarm_id]
                    self.counts["quieted"] += 1
        self.check_panel()

    def covered(self, alarm: Alarm) -> bool:
        quiet = self.book.quiet
        return quiet.mode == "service" or quiet.shelved(alarm.id, alarm.resource) or alarm.shadow

    def may_be_silent(self, alarm: Alarm) -> bool:
        """INTERFACES' reasons, for one alarm."""
        if alarm.state not in ("unacknowledged", "returned-unacknowledged"):
            return True  # acknowledged, or over
        if alarm.point.severity == "minor" and alarm.state != "unacknowledged":
            return True
        covered = self.covered(alarm)
        self.counts["covered"] += covered
        held = alarm.horn_from_ns is None or self.now_ns < alarm.horn_from_ns
        return alarm.id in self.hushed or covered or held or alarm.point.horn == "none"

    def check_panel(self) -> None:
        standing = [a for a in self.book if a.active]
        if any(a.point.severity in ("critical", "major") for a in standing):
            assert self.view.lamps["ok"].pattern == "off", "healthy while an alarm stands"
        for alarm in standing:
            assert self.view.lamps[alarm.point.lamp].pattern != "off", f"{alarm.id} is dark"
        owing = [a for a in self.book if not self.may_be_silent(a)]
        if self.view.horn.voice == "none":
            assert not owing, f"silent beside {owing[0].id}"
        if any(a.point.horn == "alarm" for a in owing):
            assert self.view.horn.voice == "alarm"
        if self.view.horn.voice == "alarm":
            assert owing, "it sounds for nothing"
        if self.view.horn.voice == "ringback":
            assert self.sequence == "R"


@pytest.mark.parametrize(("seed", "sequence"), [(1, "A"), (2, "M"), (3, "R"), (4, "M")])
def test_a_week(seed: int, sequence: str) -> None:
    week = Week(seed, sequence)
    kinds = [(0.45, week.fault), (0.85, week.finger), (0.93, week.quiet), (0.935, week.storm)]
    while week.now_ns < WEEK_NS:
        draw = week.rng.random()
        for share, happens in kinds:
            if draw < share:
                happens()
                break
        week.look()
        week.pass_time(int(week.rng.expovariate(1 / 150) * NS) + 1)
    assert week.counts["raised"] > 300
    assert all(week.counts.values()), week.counts
