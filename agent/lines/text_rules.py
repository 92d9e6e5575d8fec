"""The site's own rules, compiled: what RE2 accepts, how large a rule may be, and why one is refused. Pure.

RE2 (google-re2; syntax: https://github.com/google/re2/wiki/Syntax) reads a line in time linear in its length for every
rule it accepts. That time is also linear in the compiled rule's size, so its size is bounded. All rules of a line are
one set: each line is read once, not once a rule.
"""

from __future__ import annotations

import re
from typing import Any

import re2

from agent.lines.parser import DialectRefused
from agent.site.line import Rule, TextLine

COMPILE_BYTES = 1 << 20
"""What RE2 may take for one rule while it is checked, and for all of a line's while they are used."""
RULE_STEPS, LINE_STEPS = 4_000, 16_000
"""How large one rule may be compiled, and all of a line's together: RE2's instructions. A plain rule has 10 to 100."""

_LINEAR = "the engine reads each line once, in linear time"
_REASONS: tuple[tuple[str, str], ...] = (
    (r"invalid escape sequence: \\[1-9]", f"has a back-reference; there is none here: {_LINEAR}"),
    (r"invalid escape sequence: \\Z", r"has \Z, which is spelled \z here"),
    (r"invalid perl operator: \(\?(<?[=!]|<)", f"has look-around, such as (?=...); there is none here: {_LINEAR}"),
    (r"invalid perl operator: \(\?>", f"has an atomic group; it is not needed here: {_LINEAR}"),
    (r"invalid repetition size|bad repetition argument", "repeats something more than 1000 times"),
    (r"bad repetition operator: [+?*][+]", f"has a possessive repetition; it is not needed here: {_LINEAR}"),
    (r"bad repetition operator", "repeats a repetition, such as a**"),
    (r"no argument for repetition operator", "has *, +, ? or {} with nothing before it to repeat"),
    (r"missing \)", "has a ( that is never closed"),
    (r"unexpected \)", "has a ) that was never opened"),
    (r"missing \]", "has a [ that is never closed"),
    (r"trailing \\", "ends with a lone \\"),
    (r"pattern too large", "is too large when compiled"),
)


def _options() -> Any:
    options = re2.Options()
    options.log_errors = False
    options.encoding = re2.Options.Encoding.LATIN1
    options.never_capture = True
    options.max_mem = COMPILE_BYTES
    return options


def why(error: Exception) -> str:
    """What is wrong with a rule, in plain words where they are known, with RE2's own behind them."""
    told = error.args[0] if error.args else str(error)
    text = (told.decode("latin-1") if isinstance(told, bytes) else str(told))[:150]
    plain = next((words for pattern, words in _REASONS if re.search(pattern, text)), None)
    return f"{plain} (RE2: {text})" if plain else f"can't be compiled: {text}"


def check(line: TextLine) -> None:
    """Raises ``DialectRefused`` with the key and the reason for the first rule that can't work."""
    names: dict[str, int] = {}
    steps = 0
    for number, rule in enumerate(line.rules):
        first = names.setdefault(rule.name, number)
        if first != number:
            raise DialectRefused(("rules", number, "name"), f"is already the name of rules[{first}]")
        steps += _steps(rule, ("rules", number, "match"))
        if steps > LINE_STEPS:
            raise DialectRefused(("rules", number, "match"), "is too large together with the rules before it")
        if rule.says == "clear":
            _check_clear(line, number, rule)
    try:
        matcher(line)
    except re2.error:
        raise DialectRefused(("rules",), "are too large together when compiled") from None


def _steps(rule: Rule, at: tuple[str | int, ...]) -> int:
    try:
        pattern = re2.compile(rule.match.encode("latin-1"), _options())
    except UnicodeEncodeError:
        raise DialectRefused(at, "has a sign outside Latin-1, which no line can have") from None
    except re2.error as error:
        raise DialectRefused(at, why(error)) from None
    if pattern.search(b"") is not None:
        raise DialectRefused(at, "matches an empty line, so it would match every line")
    if pattern.programsize > RULE_STEPS:
        raise DialectRefused(at, f"is too large when compiled ({pattern.programsize} steps, at most {RULE_STEPS})")
    return int(pattern.programsize)


def _check_clear(line: TextLine, number: int, rule: Rule) -> None:
    what = f"{rule.point} of {rule.subject}"
    raising = [r for r in line.rules if r.says == "raise" and (r.point, r.subject) == (rule.point, rule.subject)]
    if not raising:
        raise DialectRefused(("rules", number, "says"), f"clears {what}, which no rule here raises")
    if rule.count > 1:
        raise DialectRefused(("rules", number, "count"), "must be 1 for a rule that clears: one line is enough")
    for other in raising:
        if other.match == rule.match:
            raise DialectRefused(("rules", number, "match"), f"is that of rule {other.name} too, which raises {what}")


def matcher(line: TextLine) -> Any:
    """All rules as one: ``Match(bytes)`` gives the numbers of those that match, in no order, or None.

    Raises ``re2.error``. Unlike a single expression a set has no slower engine to fall back on; ``Compile`` refuses one
    that its memory is too small for.
    """
    rules = re2.Set.SearchSet(_options())
    for rule in line.rules:
        rules.Add(rule.match.encode("latin-1"))
    rules.Compile()
    return rules
