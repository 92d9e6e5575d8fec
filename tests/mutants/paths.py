"""Bugs of the network's checks and of what several results mean together."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

JUDGE = ("tests/paths/test_judge.py",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "one-of-n",
        "Five lost packets in a hundred raise an alarm, and people stop believing the box.",
        "agent/paths/judge.py",
        "self._results.count(False) >= self._fail",
        "self._results.count(False) >= 1",
        JUDGE,
    ),
    Mutant(
        "all-of-n",
        "A firewall that drops every other call raises nothing.",
        "agent/paths/judge.py",
        "self._results.count(False) >= self._fail",
        "self._results.count(True) == 0",
        JUDGE,
    ),
    Mutant(
        "cleared-by-one-answer",
        "A dead way is called well at its first lucky packet.",
        "agent/paths/judge.py",
        "CLEAR_GOOD = 3",
        "CLEAR_GOOD = 1",
        JUDGE,
    ),
    Mutant(
        "degraded-reads-as-up",
        "A call system that answers 503 to every call looks healthy.",
        "agent/paths/judge.py",
        "self._newest_degraded = degraded",
        "self._newest_degraded = False",
        JUDGE,
    ),
    Mutant(
        "no-result-reads-as-up",
        "A check that can't see anything is taken for one that is answered.",
        "agent/paths/judge.py",
        "self._blind, self._good_in_row = True, 0",
        "self._blind = False",
        JUDGE,
    ),
    Mutant(
        "test-call-result-ignored",
        "A test call without voice counts as a good one, as on 18 June 2024.",
        "agent/paths/call/testcall.py",
        'return _outcome("down", reason, out, back, told, audio, asked)',
        'return _outcome("up", "", "u", "u", told, audio, asked)',
        ("tests/paths/call/test_testcall.py",),
    ),
    Mutant(
        "lossy-test-call-is-up",
        "Callers are heard in pieces, and the test call says that all is well.",
        "agent/paths/call/testcall.py",
        'return _outcome("degraded" if notes else "up",',
        'return _outcome("up",',
        ("tests/paths/call/test_testcall.py",),
    ),
    Mutant(
        "test-call-to-911",
        "A typing error in a site file rings a live 911 centre every minute.",
        "agent/site/uris.py",
        "if digits is not None and _live(digits):",
        "if digits is not None and _live(digits) and not digits:",
        ("tests/site/test_load.py",),
    ),
    Mutant(
        "unknown-is-down",
        "A box that has no file handles left says that the firewall is dead.",
        "agent/alarms/paths.py",
        'blind = reading.state in ("unknown", None)',
        "blind = reading.state is None",
        ("tests/alarms/test_paths.py",),
    ),
    Mutant(
        "refusal-told-as-dead-way",
        "What is a closed service is told as a dead way, and the wrong people are sent out.",
        "agent/paths/outcome.py",
        '    if error.errno == errno.ECONNREFUSED:\n        return Outcome("down", refused)\n',
        "",
        ("tests/paths/test_outcome.py",),
    ),
)
