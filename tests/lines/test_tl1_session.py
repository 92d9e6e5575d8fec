"""A TL1 session against a simulated element: log in, allow, list what stands, stay alive, come back."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable

import pytest

from agent.alarms.trunks import LineJudge
from agent.lines.parser import Talker
from agent.lines.tl1_command import password_refusal
from agent.lines.tl1_login import TABLE, Event, State
from agent.lines.tl1_session import Tl1Session
from agent.lines.tl1_words import FIELDS
from agent.readings import Reading
from agent.site.line import Session
from tests.lines.tl1_element import NS, Element

SESSION = Session(user="FRED", password="bank-a", tid="MX2800")
# Paradyne 4200 and Adtran MX2800 manuals: the answer of RTRV-ALM-T1, one line an alarm.
LOS = '101,T1:MJ,LOS,SA,10-05,09-14-22,NEND,RCV:\\"Loss Of Signal\\"'
TSA = "102,T1:MJ,TSA,SA,,,NEND,:"


class Run:
    """A session and an element on one wire. Time goes to whatever is due next."""

    def __init__(self, element: Element, session: Session = SESSION, password: str = "FRED.1") -> None:
        self.element, self.now_ns = element, 0
        self.talker = Tl1Session("bank-a", session, password)
        self.readings: list[Reading] = []
        self.sent: list[tuple[int, bytes]] = []

    def open(self) -> Run:
        self.talker.opened(self.now_ns)
        self.exchange()
        return self

    def close(self) -> None:
        self.readings += self.talker.reset(self.now_ns)

    def give(self, data: bytes) -> None:
        self.readings += self.talker.feed(data, self.now_ns)
        self.exchange()

    def exchange(self) -> None:
        for _ in range(200):
            words, readings = self.talker.speak(self.now_ns)
            self.readings += readings
            if not words:
                return
            self.sent.append((self.now_ns, words))
            self.readings += self.talker.feed(self.element.hear(words, self.now_ns), self.now_ns)
        raise AssertionError("it never stops sending")

    def wait(self, seconds: float, each: Callable[[], None] = lambda: None) -> None:
        until_ns = self.now_ns + int(seconds * NS)
        while True:
            due_ns = self.talker.due_ns()
            self.now_ns = min(until_ns, max(self.now_ns, due_ns) if due_ns is not None else until_ns)
            self.readings += self.talker.feed(self.element.tick(self.now_ns), self.now_ns)
            self.exchange()
            each()
            if self.now_ns >= until_ns:
                return
            assert (self.talker.due_ns() or until_ns) > self.now_ns, "due at once for ever"

    def verbs(self) -> list[str]:
        return [words.split(b":")[0].decode() for _, words in self.sent]

    def told(self, subject: str) -> list[Reading]:
        return [r for r in self.readings if r.subject == subject]

    def states(self) -> list[str | None]:
        return [r.state for r in self.told("session")]


def test_the_table_is_complete() -> None:
    states, events = State.__args__, Event.__args__  # type: ignore[attr-defined]
    assert set(TABLE) == {(s, e) for s in states for e in events}


def test_it_logs_in_allows_and_lists_what_stands_in_that_order() -> None:
    run = Run(Element(alarms=[LOS, TSA])).open()
    assert [words for _, words in run.sent] == [
        b"ACT-USER:MX2800:FRED:D00001::FRED.1;",
        b"ALW-MSG-ALL:MX2800::D00002;",
        b"RTRV-ALM-T1:MX2800:ALL:D00003;",
    ]
    alarms = [r for r in run.readings if r.kind == "alarm"]
    assert [(r.subject, r.state, r.detail["condtype"]) for r in alarms] == [
        ("101", "down", "LOS"),
        ("102", "down", "TSA"),
    ]
    assert dict(alarms[0].detail) == {
        **dict.fromkeys(FIELDS),
        "sid": "MX2800",
        "date": "04-10-05",
        "time": "09:14:22",
        "verb": "RTRV",
        "mod1": "ALM",
        "mod2": "T1",
        "aid": "101",
        "aid_type": "T1",
        "ntfcncde": "MJ",
        "condtype": "LOS",
        "srveff": "SA",
        "ocrdat": "10-05",
        "ocrtm": "09-14-22",
        "locn": "NEND",
        "dirn": "RCV",
        "conddescr": "Loss Of Signal",
        "retrieved": "T1",
    }
    (standing,) = run.told("standing")
    assert (standing.kind, dict(standing.detail)) == (
        "data",
        {"retrieved": "T1", "count": 2, "complete": True, "reason": None, "asked_ns": 0},
    )
    assert run.states() == ["up"]
    assert run.readings.index(standing) > run.readings.index(alarms[1])
    assert run.talker.session_state == "up"
    assert isinstance(run.talker, Talker)


def test_nothing_is_sent_before_the_port_is_open_and_nothing_after_it_closed() -> None:
    talker = Tl1Session("a", SESSION, "FRED.1")
    assert talker.speak(10**18) == (b"", [])
    assert talker.due_ns() is None
    run = Run(Element()).open()
    run.close()
    sent = len(run.sent)
    run.wait(100_000)
    assert len(run.sent) == sent


def test_without_allow_and_without_classes_it_only_logs_in_and_keeps_alive() -> None:
    session = dataclasses_replace(SESSION, allow=False, retrieve=())
    run = Run(Element(), session).open()
    run.wait(500)
    assert run.verbs() == ["ACT-USER", *["RTRV-HDR"] * 4]
    assert run.states() == ["up"]
    assert [r for r in run.readings if r.kind == "data" and r.detail.get("ctag") not in ("D00001",)] == []


def dataclasses_replace(session: Session, **changed: object) -> Session:
    kept = {name: getattr(session, name) for name in session.__struct_fields__}
    return Session(**{**kept, **changed})


@pytest.mark.parametrize(("code", "end"), [("RTRV", ";"), ("RTRV", ">"), ("PRTL", ";"), ("PRTL", ">"), ("COMPLD", ">")])
@pytest.mark.parametrize("parts", [2, 3, 5])
def test_an_answer_in_several_parts_is_one_list(code: str, end: str, parts: int) -> None:
    lines = [f"{aid},T1:MJ,LOS,SA,,,NEND,RCV:" for aid in range(101, 107)]
    run = Run(Element(alarms=lines, parts=parts, part_code=code, part_end=end)).open()
    (standing,) = run.told("standing")
    assert (standing.detail["count"], standing.detail["complete"]) == (6, True)
    assert [r.subject for r in run.readings if r.kind == "alarm"] == [str(n) for n in range(101, 107)]


def test_a_partial_answer_without_the_rest_is_told_as_not_complete() -> None:
    element = Element(alarms=[LOS])
    run = Run(element).open()
    element.deaf.add("RTRV-ALM-T1")
    run.talker._login.lost_messages(run.now_ns)
    run.wait(61)  # the list again, since messages were lost
    assert run.verbs()[-1] == "RTRV-ALM-T1"
    ctag = run.sent[-1][1].rstrip(b";").split(b":")[3].decode()
    run.give(element.answer(ctag, "PRTL", f'   "{LOS}"\r\n'))
    run.wait(11)
    assert run.told("standing")[-1].detail["reason"] == "only a part of the answer came"
    assert run.told("standing")[-1].detail["complete"] is False
    assert run.talker.session_state == "up"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('   "101,T1:MJ,LOS,SA', "closing quote|not understood"),
        ("   what is this", "not understood"),
        ('   "101,T1:MJ"', "not understood"),
    ],
)
def test_a_damaged_line_is_garbage_and_the_list_not_complete(line: str, reason: str) -> None:
    element = Element(deaf={"RTRV-ALM-T1"})
    run = Run(element).open()
    run.give(element.answer("D00003", "COMPLD", f'   "{TSA}"\r\n{line}\r\n'))
    (standing,) = run.told("standing")
    assert (standing.detail["count"], standing.detail["complete"]) == (1, False)
    assert [r.kind for r in run.readings].count("garbage") == 1


def test_an_answer_cut_off_by_a_report_is_not_complete() -> None:
    element = Element(deaf={"RTRV-ALM-T1"})
    run = Run(element).open()
    half = element.answer("D00003", "COMPLD", f'   "{TSA}"\r\n').split(b";")[0]
    run.give(half + element.alarm("103:MJ,LOS,SA,,,NEND,RCV"))
    (standing,) = run.told("standing")
    assert standing.detail["complete"] is False
    assert [r.subject for r in run.readings if r.kind == "alarm"] == ["102", "103"]


def test_equipment_that_wants_no_aid_is_asked_again_without() -> None:
    run = Run(Element(alarms=[LOS], wants_no_all=True)).open()
    assert [w for _, w in run.sent][2:] == [b"RTRV-ALM-T1:MX2800:ALL:D00003;", b"RTRV-ALM-T1:MX2800::D00004;"]
    assert run.told("standing")[0].detail["complete"] is True
    assert run.states() == ["up"]


def test_a_class_it_denies_is_told_and_the_next_is_asked() -> None:
    session = dataclasses_replace(SESSION, retrieve=("T3", "T1", "T1"))
    run = Run(Element(alarms=[LOS], deny={"RTRV-ALM-T3": "IICM"}), session).open()
    standing = run.told("standing")
    assert [(r.detail["retrieved"], r.detail["complete"], r.detail["reason"]) for r in standing] == [
        ("T3", False, "denied (IICM)"),
        ("T1", True, None),
    ]
    assert run.states() == ["up"]


def test_it_keeps_the_session_alive_and_says_nothing_of_it() -> None:
    run = Run(Element(idle_s=300)).open()
    before = len(run.readings)
    run.wait(3600)
    assert run.verbs()[3:] == ["RTRV-HDR"] * 30
    assert run.element.log_ins == 1
    assert run.readings[before:] == []
    assert run.talker.counters["answers"] == 33
    assert run.talker.counters["records"] >= 33


@pytest.mark.parametrize("tells", [False, True])
def test_it_logs_in_again_after_an_idle_log_off(tells: bool) -> None:
    session = dataclasses_replace(SESSION, keepalive_s=120.0)
    run = Run(Element(idle_s=100, tells_log_off=tells), session).open()
    run.wait(1000)
    assert run.element.log_ins >= 5
    assert run.element.allowed
    assert run.states()[:3] == ["up", "down", "up"]
    assert run.told("session")[1].detail["reason"] == "logged off by the equipment"
    assert run.told("session")[1].at_ns <= 121 * NS
    assert run.told("session")[2].at_ns == run.told("session")[1].at_ns  # at once: the session had been well


def test_another_users_time_out_is_none_of_ours() -> None:
    element = Element()
    run = Run(element).open()
    run.give(element.report("A TAG CANC", "   STEVE\r\n   /* Session Timeout: STEVE */"))
    run.wait(1)
    assert run.verbs() == ["ACT-USER", "ALW-MSG-ALL", "RTRV-ALM-T1"]
    run.give(element.report("A TAG REPT EVT SESSION", "   /* NO LOGIN */"))
    assert run.verbs()[3:] == ["RTRV-HDR"]
    assert run.states() == ["up"]


def test_a_session_that_falls_silent_is_taken_for_lost_and_comes_back() -> None:
    run = Run(Element()).open()
    run.element.deaf = {"RTRV-HDR", "ACT-USER"}
    run.wait(180)
    assert run.verbs()[3:5] == ["RTRV-HDR", "RTRV-HDR"]
    assert run.verbs()[5] == "ACT-USER"
    assert run.states() == ["up", "down", "down"]
    assert [r.detail["reason"] for r in run.told("session")[1:]] == [
        "no answer while asking",
        "no answer while logging-in",
    ]
    run.wait(3600)
    gaps = [b - a for (a, w), (b, _) in zip(run.sent[5:], run.sent[6:], strict=False) if w.startswith(b"ACT")]
    assert all(gap >= 10 * NS for gap in gaps)
    assert max(gaps) <= 600 * NS
    run.element.deaf = set()
    run.wait(601)
    assert run.states()[-1] == "up"


@pytest.mark.parametrize("how", ["deny", "NG"])
def test_a_refused_password_is_tried_ever_more_slowly(how: str) -> None:
    element = Element(password="other") if how == "deny" else Element(acks={"ACT-USER": "NG"}, deaf=set())
    element.deny = {"ACT-USER": "PIUI"} if how == "NG" else {}
    run = Run(element).open()
    run.wait(24 * 3600)
    times = [at for at, _ in run.sent]
    gaps = [round((b - a) / NS) for a, b in itertools.pairwise(times)]
    assert gaps[:7] == [60, 120, 240, 480, 960, 1920, 3600]
    assert set(gaps[7:]) == {3600}
    assert run.states() == ["down"]
    assert str(run.told("session")[0].detail["reason"]).startswith("log-in refused (")
    assert set(run.verbs()) == {"ACT-USER"}


def test_a_port_that_comes_and_goes_does_not_hurry_a_refused_log_in() -> None:
    run = Run(Element(password="other")).open()
    for _ in range(100):
        run.close()
        run.wait(1)
        run.open()
    assert len(run.sent) == 2
    assert run.sent[1][0] == 60 * NS


def test_an_accepted_log_in_ends_the_slow_way() -> None:
    run = Run(Element(password="other")).open()
    run.wait(70)
    run.element.password = "FRED.1"
    run.wait(121)
    assert run.states() == ["down", "up"]


def test_messages_that_are_not_allowed_leave_the_line_deaf_and_that_is_told() -> None:
    run = Run(Element(deny={"ALW-MSG-ALL": "PICC"}, alarms=[LOS])).open()
    assert run.states() == ["down"]
    assert run.told("session")[0].detail["reason"] == "ALW-MSG-ALL is denied (PICC)"
    run.wait(600)
    assert run.verbs().count("RTRV-ALM-T1") >= 4  # deaf to changes: what stands is asked again and again
    assert run.states() == ["down"]


def test_messages_that_are_allowed_already_are_allowed() -> None:
    run = Run(Element(deny={"ALW-MSG-ALL": "SAAL"})).open()
    assert run.states() == ["up"]


def test_privileges_that_do_not_suffice_are_no_log_off() -> None:
    """Adtran: PLNA, login not active or insufficient privileges."""
    run = Run(Element(deny={"ALW-MSG-ALL": "PLNA"})).open()
    run.wait(3600)
    assert run.element.log_ins == 1
    assert run.states() == ["down"]


@pytest.mark.parametrize("code", ["NA", "RL"])
def test_after_na_and_rl_no_answer_is_waited_for(code: str) -> None:
    run = Run(Element(acks={"ALW-MSG-ALL": code})).open()
    run.wait(4)
    assert run.verbs() == ["ACT-USER", "ALW-MSG-ALL"]
    run.element.acks = {}
    run.wait(2)
    assert run.verbs() == ["ACT-USER", "ALW-MSG-ALL", "ALW-MSG-ALL", "RTRV-ALM-T1"]
    assert run.sent[2][0] == 5 * NS
    assert run.states() == ["up"]


@pytest.mark.parametrize("code", ["IP", "PF", "OK"])
def test_after_ip_pf_and_ok_it_waits_longer(code: str) -> None:
    element = Element(deaf={"ALW-MSG-ALL"})
    run = Run(element).open()
    run.give(f"\r\n{code} D00002\r\n<".encode())
    run.wait(50)
    assert run.verbs() == ["ACT-USER", "ALW-MSG-ALL"]
    run.give(element.answer("D00002", "COMPLD"))
    assert run.verbs()[2:] == ["RTRV-ALM-T1"]


def test_answers_to_others_do_not_move_it() -> None:
    element = Element(deaf={"ALW-MSG-ALL"})
    run = Run(element).open()
    run.give(element.answer("D00001", "COMPLD") + element.answer("SC001", "COMPLD") + b"\r\nRL SC001\r\n<")
    assert run.verbs() == ["ACT-USER", "ALW-MSG-ALL"]
    assert [r.detail["ctag"] for r in run.readings if r.kind == "data"] == ["D00001", "D00001", "SC001", "SC001"]


def test_lost_messages_make_it_ask_what_stands_but_not_too_often() -> None:
    element = Element()
    run = Run(element).open()
    run.wait(100)
    for _ in range(50):
        element._tag += 5
        run.give(element.alarm("103:MJ,LOS,SA,,,NEND,RCV"))
        run.wait(1)
    assert run.verbs().count("RTRV-ALM-T1") == 2
    run.wait(200)
    times = [at for at, words in run.sent if words.startswith(b"RTRV-ALM")]
    assert [(b - a) // NS for a, b in itertools.pairwise(times)] == [101, 60]  # the first report has none before it


# -- the password -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("password", "written"),
    [
        ("FRED.1", b"FRED.1"),
        ("TS3000!!", b"TS3000!!"),
        ("", b""),
        ("a;b", b'"a;b"'),
        ("a:b", b'"a:b"'),
        ("a,b", b'"a,b"'),
        ("a b", b'"a b"'),
        ("a&b", b'"a&b"'),
        ("a=b", b'"a=b"'),
        ("a/*b", b'"a/*b"'),
    ],
)
def test_a_password_is_quoted_where_the_grammar_needs_it(password: str, written: bytes) -> None:
    run = Run(Element(password=password), password=password).open()
    assert run.sent[0][1] == b"ACT-USER:MX2800:FRED:D00001::" + written + b";"
    assert run.states() == ["up"]


@pytest.mark.parametrize("password", ['SECR"ET', "SECR\\ET", "SECRET\n", "SECRÉT", "S" * 65])
def test_a_password_no_command_can_carry_is_refused_and_the_line_still_read(password: str) -> None:
    run = Run(Element(), password=password).open()
    run.wait(10_000)
    assert run.sent == []
    (told,) = run.told("session")
    assert told.state == "down"
    assert "SECR" not in str(told)
    assert told.detail["reason"] == password_refusal(password)
    run.element.allowed = True
    run.give(run.element.alarm("101:MJ,LOS,SA,,,NEND,RCV"))
    assert run.readings[-1].kind == "alarm"


@pytest.mark.parametrize("chars", [10**6, 34, 31, 29, 25, 10])
@pytest.mark.parametrize("password", ["Tr0ub4dor.X", "FREDFRED", "pass;word&more"])
def test_no_reading_ever_holds_the_password_whatever_is_echoed(password: str, chars: int) -> None:
    run = Run(Element(password=password, echo=True, echo_chars=chars, alarms=[LOS]), password=password).open()
    run.wait(300)
    text = json.dumps([dataclasses.asdict(r) for r in run.readings]) + repr(run.talker)
    assert all(password[at : at + 4] not in text for at in range(len(password) - 3)) or password == "FREDFRED"
    assert password not in text
    if chars >= 10**6:
        assert run.states() == ["up"]
        assert run.told("standing")[0].detail["complete"] is True


@pytest.mark.parametrize(
    "where",
    [
        '\r\n\n   {pw} 04-10-05 09:14:22\r\n** 5 REPT ALM T1\r\n   "101:MJ,LOS,SA"\r\n;',
        '\r\n\n   ACT-USER::FRED:D00001::{pw} 04-10-05 09:14:22\r\n** 5 REPT ALM T1\r\n   "101:MJ,LOS,SA"\r\n;',
        "\r\n\n   S 04-10-05 09:14:22\r\nM  D00001 DENY\r\n   {pw}\r\n   /* ACT-USER::FRED:D00001::{pw} */\r\n;",
        '\r\n\n   S 04-10-05 09:14:22\r\nA 5 REPT EVT SECU\r\n   "{pw}:{pw},,,,,,,:{pw}"\r\n;',
        '\r\n\n   S 04-10-05 09:14:22\r\nA 5 REPT SECU {pw}\r\n   "act-user:x:y:z::{pw}"\r\n;',
        "\r\n\n   S 04-10-05 09:14:22\r\nM  {pw} DENY\r\n   {pw}\r\n;\r\nPF {pw}\r\n<{pw};\r\n",
    ],
)
def test_no_reading_holds_the_password_wherever_equipment_puts_it(where: str) -> None:
    run = Run(Element(deaf={"ACT-USER"}), password="Tr0ub4dor").open()
    run.give(where.replace("{pw}", "Tr0ub4dor").encode())
    run.readings += run.talker.idle(0)
    run.close()
    assert run.readings
    assert "r0ub4do" not in json.dumps([dataclasses.asdict(r) for r in run.readings])


# -- what the trunks make of it --------------------------------------------------------------------------------------

GROUPS = {"101": "cama", "102": "cama"}


def judged(judge: LineJudge, readings: list[Reading]) -> None:
    for reading in readings:
        if reading.kind == "data" and reading.subject == "standing":
            list(judge.listed(reading))
        elif reading.kind in ("alarm", "clear", "event"):
            list(judge.judge(reading))


def test_what_cleared_while_we_were_away_ends_with_the_list() -> None:
    judge = LineJudge("bank-a", GROUPS)
    judge.restore("101", "los", {"aid": "101", "condtype": "LOS", "srveff": "SA", "locn": "NEND", "class": "T1"})
    judge.restore("102", "ais", {"aid": "102", "condtype": "AIS"})  # of an older journal, without a class
    judge.restore("101", "trunk-down", {"aid": "101", "condtype": "CARD", "srveff": "SA", "class": "EQPT"})
    judge.restore("9", "los", {"aid": "9", "condtype": "LOS"})  # a stranger of no known class
    run = Run(Element(alarms=[LOS])).open()
    judged(judge, run.readings)
    assert judge.down("101")
    assert not judge.down("102")
    assert judge.down("9")
    run.element.alarms = []
    run.talker._login.lost_messages(run.now_ns)
    run.readings.clear()
    run.wait(200)
    judged(judge, run.readings)
    assert {key for where in judge._standing.values() for key in where} == {("101", "CARD", ""), ("9", "LOS", "")}


def test_a_list_that_is_not_complete_ends_nothing() -> None:
    judge = LineJudge("bank-a", GROUPS)
    judge.restore("102", "ais", {"aid": "102", "condtype": "AIS", "class": "T1"})
    run = Run(Element(deny={"RTRV-ALM-T1": "PICC"})).open()
    judged(judge, run.readings)
    assert judge.down("102")


def test_what_was_raised_while_the_list_was_made_stays() -> None:
    element = Element(deaf={"RTRV-ALM-T1"})
    run = Run(element).open()
    judge = LineJudge("bank-a", GROUPS)
    run.now_ns += NS
    run.give(element.alarm("102:MJ,LOS,SA,,,NEND,RCV"))
    run.give(element.answer("D00003", "COMPLD"))
    assert run.told("standing")[0].detail["complete"] is True
    judged(judge, run.readings)
    assert judge.down("102")


def test_what_an_event_raised_is_not_ended_by_a_list_of_alarms() -> None:
    element = Element()
    run = Run(element).open()
    judge = LineJudge("bank-a", GROUPS)
    run.give(element.report("A TAG REPT EVT T1", '   "101:RAI,SC,10-19,16-26-19,NEND,RCV"'))
    run.talker._login.lost_messages(run.now_ns)
    run.wait(200)
    judged(judge, run.readings)
    assert len(run.told("standing")) == 2
    assert judge.down("101")


def test_the_clearing_of_a_list_is_said_with_conditions_of_trunk_and_group() -> None:
    judge = LineJudge("bank-a", GROUPS)
    judge.restore("101", "los", {"aid": "101", "condtype": "LOS", "class": "T1"})
    run = Run(Element()).open()
    said = list(judge.listed(run.told("standing")[0]))
    assert [(c.resource, c.type, c.qualifier, c.holds) for c in said] == [
        ("bank-a", "los", "101", False),
        ("cama", "trunk-group-down", "all", False),
        ("cama", "trunk-partial", "all", False),
    ]
