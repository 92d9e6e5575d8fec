"""Bugs of the serial lines and their parsers, and of what they may tell of callers."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

TL1 = ("tests/lines/test_tl1_golden.py", "tests/lines/test_tl1_garbage.py")

MUTANTS: tuple[Mutant, ...] = (
    Mutant(
        "terminator-in-quotes",
        "A semicolon in an alarm's words cuts it in two, and the trunk's alarm is lost.",
        "agent/lines/framing.py",
        """_BODY = re.compile(rb'(?:[^"/;]+|' + _QUOTED + rb"|" +""",
        """_BODY = re.compile(rb'(?:[^/;]+|' +""",
        TL1,
    ),
    Mutant(
        "split-in-quotes",
        "A comma in an alarm's words moves its fields, and a dead trunk is taken for a warning.",
        "agent/lines/tl1_text.py",
        """re.compile(rf'(?:[^"{mark}]+|"[^"]*"|")*')""",
        """re.compile(rf"(?:[^{mark}]+)*")""",
        TL1,
    ),
    Mutant(
        "minor-code-is-no-alarm",
        "A trunk's alarm that its equipment calls minor is lost where noise has damaged the line above it.",
        "agent/lines/tl1_text.py",
        'RAISED = frozenset({"CR", "MJ", "MN"})',
        'RAISED = frozenset({"CR", "MJ"})',
        TL1,
    ),
    Mutant(
        "heartbeats-counted-as-calls",
        "The data link's sign of life is taken for calls, and a dead centre looks busy.",
        "agent/lines/ali.py",
        '        if told.what == "heartbeat":\n            self._heartbeat(frame)\n',
        '        if told.what == "heartbeat":\n            self._data("record", told, frame)\n',
        ("tests/lines/test_ali_golden.py",),
    ),
    Mutant(
        "caller-in-clear",
        "Callers' telephone numbers are shown, kept and sent.",
        "agent/callers.py",
        'return text if self.show else _DIGIT.sub("*", text)',
        "return text",
        ("tests/test_callers.py", "tests/lines/test_ali_golden.py"),
    ),
    Mutant(
        "hash-without-key",
        "Anybody with the journal can try all numbers and find who called.",
        "agent/callers.py",
        "hashlib.blake2b(digits.encode(), key=self.key, digest_size=HASH_CHARS // 2)",
        "hashlib.blake2b(digits.encode(), digest_size=HASH_CHARS // 2)",
        ("tests/test_callers.py",),
    ),
    Mutant(
        "listening-port-can-write",
        "A bug anywhere in the box can write into the link that brings callers' places.",
        "agent/lines/receive.py",
        "(os.O_RDWR if sends else os.O_RDONLY)",
        "os.O_RDWR",
        ("tests/real/test_port.py::test_a_line_that_only_listens_has_no_way_to_send",),
    ),
    Mutant(
        "open-contact-reads-as-well",
        "A cut wire to a power contact reads as power that is there.",
        "agent/evidence/senses.py",
        'look = "-" if not sense.heard else "d" if reading.detail.get("active") else "u"',
        'look = "d" if sense.heard and reading.detail.get("active") else "u"',
        ("tests/evidence/test_senses.py",),
    ),
)
