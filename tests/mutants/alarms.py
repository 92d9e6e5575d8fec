"""Bugs of alarms, lamps and horn: what the people in the room see and hear."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

BOOK = "tests/alarms/test_book.py"

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "clear-by-alarm-code",
        "A trunk that works again stays red, since its clear has another code than its alarm.",
        "agent/alarms/trunks.py",
        "if where == slug(aid) and any(_same(key, k) for k in standing)",
        "if where == slug(aid)\n            and type_name == self._classify(aid, condition, detail)\n"
        "            and any(_same(key, k) for k in standing)",
        ("tests/core/test_core.py",),
    ),
    Mutant(
        "clear-ends-every-condition",
        "One of two faults of a trunk ends, and the lamp of the other goes out too.",
        "agent/alarms/trunks.py",
        "        and (not cleared[1] or cleared[1] == standing[1])\n",
        "",
        ("tests/core/test_core.py",),
    ),
    Mutant(
        "last-trunk-makes-no-group",
        "All trunks are dead, and the box says that some of them are.",
        "agent/alarms/trunks.py",
        "every = bool(lost) and len(lost) == len(members)",
        "every = bool(lost) and len(lost) > len(members)",
        ("tests/alarms/test_lines.py",),
    ),
    Mutant(
        "one-silence-mutes-all",
        "Somebody silences a nuisance, and the next critical alarm makes no sound.",
        "agent/alarms/annunciator.py",
        'if voice == "none" or alarm.silenced:',
        'if voice == "none" or any(one.silenced for one in book):',
        (BOOK,),
    ),
    Mutant(
        "hold-ignored",
        "A failover of eight seconds sounds the horn beside open microphones.",
        "agent/alarms/book.py",
        "            alarm.hold_ns = int(hold_s * NS)\n",
        "            alarm.hold_ns = 0\n",
        (BOOK,),
    ),
    Mutant(
        "hold-never-ends",
        "A firewall is dead for minutes, and the horn says nothing until something else happens.",
        "agent/alarms/book.py",
        "            a.horn_from_ns for a in self._alarms.values() if a.horn_from_ns is not None and a.horn_from_ns > now_ns\n",
        "            a.horn_from_ns\n            for a in self._alarms.values()\n"
        "            if a.horn_from_ns is not None and a.horn_from_ns > now_ns and not a.hold_ns\n",
        (BOOK, "tests/core/test_core.py"),
    ),
    Mutant(
        "chatter-never-cleared",
        "A trunk that came and went thrice is shown as failed for ever.",
        "agent/alarms/book.py",
        "wait_ns = max(wait_ns, CHATTER_NS)",
        "wait_ns = 1 << 62",
        ("tests/alarms/test_groups.py",),
    ),
    Mutant(
        "chatter-not-held",
        "A loose cable sounds the horn a hundred times a night, until somebody cuts the horn's wire.",
        "agent/alarms/book.py",
        "alarm.chatters = len(alarm.raises_ns) >= CHATTER_RAISES",
        "alarm.chatters = False",
        ("tests/alarms/test_groups.py",),
    ),
    Mutant(
        "ok-while-critical",
        "The green lamp says that all is well while no call gets through.",
        "agent/alarms/annunciator.py",
        'or (a.point.severity == "minor" and a.point.lamp != "probe")',
        'or (a.point.severity != "major" and a.point.lamp != "probe")',
        (BOOK, "tests/core/test_core.py"),
    ),
    Mutant(
        "ok-while-the-box-is-ill",
        "The green lamp winks on a box whose own port is lost.",
        "agent/alarms/annunciator.py",
        'a.point.severity == "minor" and a.point.lamp != "probe"',
        'a.point.severity == "minor"',
        (BOOK, "tests/core/test_core.py"),
    ),
    Mutant(
        "shadow-sounds",
        "A detector that is not yet proved sounds the horn at night for nothing, and is switched off for good.",
        "agent/alarms/book.py",
        "if alarm.shadow or self.quiet.covers(alarm.id, alarm.resource):",
        "if self.quiet.covers(alarm.id, alarm.resource):",
        (BOOK, "tests/core/test_calls.py"),
    ),
    Mutant(
        "diverted-mutes-everything",
        "A diverted centre's own trunks fail, and nobody hears it.",
        "agent/alarms/quiet.py",
        'return self.mode == "service" or',
        'return self.mode != "normal" or',
        ("tests/alarms/test_quiet.py",),
    ),
    Mutant(
        "shelf-never-ends",
        "An alarm shelved for an hour stays mute for good.",
        "agent/alarms/quiet.py",
        "if until_ns <= now_ns]",
        "if until_ns < 0]",
        ("tests/alarms/test_quiet.py",),
    ),
    Mutant(
        "acknowledged-never-sounds-again",
        "The next shift does not learn that a trunk is still down.",
        "agent/alarms/book.py",
        '                if event == "ack":\n                    self._quieted.add(alarm.id)\n',
        "",
        ("tests/alarms/test_groups.py", BOOK),
    ),
    Mutant(
        "horn-continuous",
        "The horn sounds without end beside open microphones, and callers can't be understood.",
        "agent/panel.py",
        "HORN_CYCLE = Cycle(3000, 27_000)",
        "HORN_CYCLE = Cycle(30_000, 0)",
        ("tests/test_panel.py",),
    ),
    Mutant(
        "ok-does-not-wink",
        "A hung box looks like a healthy one.",
        "agent/panel.py",
        '"wink": Cycle(1900, 100),',
        '"wink": Cycle(2000, 0),',
        ("tests/test_panel.py",),
    ),
)
