"""Whatever equipment answers, a session never raises, sends only its own commands, and sends them at a bounded rate."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re

from hypothesis import example, given, settings
from hypothesis import strategies as st

from agent.lines.framing import LINE_BYTES
from agent.lines.tl1 import _HELD_MAX
from agent.lines.tl1_login import TABLE
from agent.lines.tl1_session import Tl1Session
from agent.readings import Reading
from agent.site.line import Session
from tests.lines.test_tl1_garbage import GOOD, JUNK, LOS, brief
from tests.lines.tl1_element import NS

SESSION = Session(user="FRED", password="bank-a", tid="MX2800", keepalive_s=10.0, retrieve=("T1", "T3"))
PASSWORD = "Tr0ub4d;or"
OURS = re.compile(
    rb'(ACT-USER:MX2800:FRED:(D\d{5})::"Tr0ub4d;or"|ALW-MSG-ALL:MX2800::(D\d{5})'
    rb"|RTRV-ALM-T[13]:MX2800:(?:ALL)?:(D\d{5})|RTRV-HDR:MX2800::(D\d{5}));\Z"
)
HEAD = "\r\n\n   MX2800 04-10-05 09:14:22\r\n"
# CTAG stands for the command's own tag.
ANSWERS = st.sampled_from(
    [
        *(
            f"{HEAD}M  CTAG {compl}\r\n{text}{end}"
            for compl in ("COMPLD", "PRTL", "RTRV", "DELAY")
            for text in ("", '   "101,T1:MJ,LOS,SA,,,NEND,RCV:"\r\n', '   "101,T1:MJ', "   x\r\n")
            for end in (";", ">", "")
        ),
        *(
            f"{HEAD}M  CTAG DENY\r\n   {code}\r\n   /* {PASSWORD} */\r\n;"
            for code in ("PLNA", "PIUI", "IIAC", PASSWORD)
        ),
        *(f"\r\n{code} CTAG\r\n<" for code in ("IP", "PF", "OK", "NA", "NG", "RL")),
        f"{HEAD}A 5 CANC\r\n   FRED\r\n;",
        f"{HEAD}A 6 CANC\r\n;",
        f"{HEAD}A 99 REPT EVT SESSION\r\n   /* NO LOGIN */\r\n;",
        f'{HEAD}** 7 REPT ALM T1\r\n   "{PASSWORD}:MJ,LOS,SA:{PASSWORD}"\r\n;',
        f'ACT-USER:MX2800:FRED:CTAG::"{PASSWORD}";',
        "",
    ]
).map(str.encode)
SAYS = st.one_of(ANSWERS, ANSWERS, ANSWERS, JUNK)
WAITS_S = st.sampled_from([0.0, 0.0, 0.0, 0.1, 1.0, 5.0, 11.0, 21.0, 61.0, 130.0, 3700.0])
STEP = st.tuples(WAITS_S, SAYS, st.sampled_from(["feed", "feed", "feed", "feed", "idle", "close", "port"]))


def play(steps: list[tuple[float, bytes, str]]) -> tuple[Tl1Session, list[tuple[int, bytes]], list[Reading]]:
    talker, now_ns = Tl1Session("a", SESSION, PASSWORD), 0
    sent: list[tuple[int, bytes]] = []
    readings: list[Reading] = []

    def speak() -> None:
        words, more = talker.speak(now_ns)
        readings.extend(more)
        if words:
            sent.append((now_ns, words))

    talker.opened(now_ns)
    speak()
    for wait_s, data, then in steps:
        until_ns = now_ns + int(wait_s * NS)
        while (due_ns := talker.due_ns()) is not None and due_ns <= until_ns:
            now_ns = max(now_ns, due_ns)
            speak()
            assert talker.due_ns() is None or talker.due_ns() > now_ns  # type: ignore[operator]
        now_ns = until_ns
        ctag = sent[-1][1].rstrip(b";").split(b":")[3] if sent else b"1"
        readings += talker.feed(data.replace(b"CTAG", ctag), now_ns)
        speak()
        if then == "idle":
            readings += talker.idle(now_ns)
            speak()
        elif then in ("close", "port"):
            readings += talker.reset(now_ns)
            if then == "port":
                talker.opened(now_ns)
                speak()
        assert talker.held_bytes <= _HELD_MAX
    return talker, sent, readings


@settings(max_examples=400, deadline=None)
@given(steps=st.lists(STEP, max_size=40))
@example(steps=[(0.0, f"{HEAD}M  CTAG COMPLD\r\n;".encode(), "port")] * 40)
@example(steps=[(0.0, f"{HEAD}M  CTAG DENY\r\n   PLNA\r\n;".encode(), "port")] * 40)
def test_it_sends_nothing_but_its_commands_and_those_at_a_bounded_rate(steps: list[tuple[float, bytes, str]]) -> None:
    _, sent, readings = play(steps)
    for _, words in sent:
        assert OURS.match(words), words
    log_ins = [at for at, words in sent if words.startswith(b"ACT-USER")]
    assert all(b - a >= 10 * NS for a, b in itertools.pairwise(log_ins))
    # A log-in and all that may follow it at once, twice each: never more in ten seconds.
    for at in range(len(sent)):
        assert sum(sent[at][0] <= when < sent[at][0] + 10 * NS for when, _ in sent[at:]) <= 24
    for reading in readings:
        text = json.dumps(dataclasses.asdict(reading)).lower()
        assert PASSWORD.lower() not in text


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=20))
def test_a_refused_log_in_is_never_tried_again_within_a_minute(steps: list[tuple[float, bytes, str]]) -> None:
    deny = f"{HEAD}M  CTAG DENY\r\n   PIUI\r\n;".encode()
    refused = [(wait, deny if b"M  CTAG" in data else data, then) for wait, data, then in steps]
    _, sent, _ = play([(0.0, deny, "feed"), *refused])
    log_ins = [at for at, words in sent if words.startswith(b"ACT-USER")]
    assert all(b - a >= 60 * NS for a, b in itertools.pairwise(log_ins))


@settings(max_examples=200, deadline=None)
@given(steps=st.lists(STEP, max_size=20), cuts=st.lists(st.integers(0, 400), max_size=6))
def test_any_chunks_give_the_same_readings_and_commands(steps: list[tuple[float, bytes, str]], cuts: list[int]) -> None:
    """What arrives at one moment may arrive in any pieces."""
    plain = [(wait, data, "feed") for wait, data, _ in steps]
    chunked: list[tuple[float, bytes, str]] = []
    for wait, data, _ in plain:
        stops = [] if b"CTAG" in data else sorted(min(cut, len(data)) for cut in cuts)
        pieces = [data[start:stop] for start, stop in itertools.pairwise([0, *stops, len(data)])]
        chunked += [(0.0 if at else wait, piece, "feed") for at, piece in enumerate(pieces)]
    _, sent, readings = play(plain)
    _, sent_too, readings_too = play(chunked)
    assert readings == readings_too
    assert sent == sent_too


@settings(max_examples=100, deadline=None)
@given(steps=st.lists(STEP, max_size=20))
def test_alarms_are_read_whatever_the_session_does(steps: list[tuple[float, bytes, str]]) -> None:
    talker, _, _ = play(steps)
    assert LOS in [brief(r) for r in talker.feed(GOOD, 10**15)]


def test_an_answer_without_end_holds_little_and_comes_to_an_end() -> None:
    talker = Tl1Session("a", SESSION, PASSWORD)
    talker.opened(0)
    talker.speak(0)
    for tag in ("D00001", "D00002"):
        talker.feed(f"{HEAD}M  {tag} COMPLD\r\n;".encode(), 0)
        talker.speak(0)
    readings: list[Reading] = []
    line = b'   "101,T1:MJ,LOS,SA,,,NEND,RCV:"\r\n'
    for at in range(2000):
        readings += talker.feed(f"{HEAD}M  D00003 RTRV\r\n".encode() + line * 10 + b";", at)
        readings += talker.speak(at)[1]
        assert talker.held_bytes <= LINE_BYTES * 30
    standing = [r for r in readings if r.subject == "standing"]
    assert standing[0].detail["reason"] in ("the answer has no end", "more than 4096 alarms stand")
    assert standing[0].detail["count"] == 4096
    assert sum(r.kind == "alarm" for r in readings) == 4096


def test_every_action_of_the_table_leads_to_a_state_of_it() -> None:
    states = {state for state, _ in TABLE}
    assert states == {"closed", "off", "logging-in", "allowing", "retrieving", "up", "asking", "waiting"}
