"""First-out, alarms that sound again, chattering ones, and a flood of them."""

from __future__ import annotations

from agent.alarms import annunciator
from agent.alarms.book import NS, AlarmBook
from agent.alarms.groups import FirstOut
from agent.panel import DARK, Lamp, PanelView, Pattern, levels

OF_TRUNK = {("bank-a", "t1-1"): "cama", ("bank-a", "t1-2"): "cama", ("bank-a", "t1-3"): "admin"}
DAY_NS = 86_400 * NS


def first_out_book(sequence: str = "M") -> AlarmBook:
    return AlarmBook(sequence, first_out=FirstOut(True, OF_TRUNK))  # type: ignore[arg-type]


def fault(book: AlarmBook, what: str, holds: bool = True, now_ns: int = 0) -> None:
    resource, type_name, qualifier = what.split("_")
    book.condition(resource, type_name, qualifier, holds, now_ns, declared=True)


def shown(book: AlarmBook, now_ns: int = 0, previous: PanelView = DARK) -> PanelView:
    return annunciator.compose(book, False, None, previous, now_ns)


def lamp(book: AlarmBook, name: Lamp) -> Pattern:
    return shown(book).lamps[name].pattern


def firsts(book: AlarmBook) -> set[str]:
    return {alarm.id for alarm in book if alarm.first}


def test_the_first_of_the_way_out_has_a_look_of_its_own() -> None:
    book = first_out_book()
    fault(book, "fw_firewall-fault_icmp")
    fault(book, "far_far-end-fault_icmp", now_ns=NS)
    assert (lamp(book, "firewall"), lamp(book, "far-end")) == ("first-flash", "flash")
    book.acknowledge("eve")
    assert (lamp(book, "firewall"), lamp(book, "far-end")) == ("first-steady", "steady")
    assert book.reset() == 1, "RESET takes the first-out back and no more: both faults stand"
    assert (lamp(book, "firewall"), lamp(book, "far-end")) == ("steady", "steady")
    fault(book, "rt_router-fault_icmp", now_ns=2 * NS)
    assert lamp(book, "router") == "first-flash", "the next one is a first again"


def test_reset_before_acknowledgement_leaves_the_first() -> None:
    book = first_out_book()
    fault(book, "fw_firewall-fault_icmp")
    assert book.reset() == 0
    assert lamp(book, "firewall") == "first-flash"


def test_each_trunk_group_has_its_first() -> None:
    book = first_out_book()
    for number in (2, 1, 3):
        fault(book, f"bank-a_los_T1-{number}", now_ns=number)
    fault(book, "cama_trunk-group-down_all")
    assert firsts(book) == {"bank-a_los_t1-2", "bank-a_los_t1-3"}
    assert book.look(next(a for a in book if a.first)).first_out


def test_a_first_that_is_over_and_dark_makes_room() -> None:
    for sequence in "AMR":
        book = first_out_book(sequence)
        fault(book, "fw_firewall-fault_icmp")
        book.acknowledge("eve")
        fault(book, "fw_firewall-fault_icmp", False, NS)
        book.reset()
        assert not firsts(book)
        fault(book, "far_far-end-fault_icmp", now_ns=2 * NS)
        assert firsts(book) == {"far_far-end-fault_icmp"}


def test_without_being_asked_there_is_no_first() -> None:
    book = AlarmBook("M")
    fault(book, "fw_firewall-fault_icmp")
    assert lamp(book, "firewall") == "flash"
    minor = first_out_book()
    fault(minor, "bank-a_line-errors_T1-1")
    assert not firsts(minor)


def test_a_first_is_one_still_after_a_restart() -> None:
    book = first_out_book()
    fault(book, "fw_firewall-fault_icmp")
    again = first_out_book()
    again.restore(book.take_changes())
    fault(again, "far_far-end-fault_icmp", now_ns=NS)
    assert firsts(again) == {"fw_firewall-fault_icmp"}


def test_what_was_acknowledged_a_day_ago_sounds_again() -> None:
    book = AlarmBook("M")
    fault(book, "fw_firewall-fault_icmp")
    book.acknowledge("eve")
    book.tick(NS)
    assert book.deadline(NS) == NS + DAY_NS
    book.tick(NS + DAY_NS - 1)
    assert shown(book, NS + DAY_NS - 1).horn.voice == "none"
    book.take_changes()
    book.tick(NS + DAY_NS)
    assert [c.change for c in book.take_changes()] == ["realarmed"]
    view = shown(book, NS + DAY_NS)
    assert (view.horn.voice, view.lamps["firewall"].pattern) == ("alarm", "flash")


def test_what_was_silenced_a_day_ago_sounds_again_also_trouble() -> None:
    book = AlarmBook("M")
    fault(book, "host_panel-fault_panel")
    assert book.silence() == 1
    book.tick(0)
    assert shown(book, 1).horn.voice == "none"
    book.tick(DAY_NS)
    assert shown(book, DAY_NS).horn.voice == "trouble"


def test_what_is_over_never_sounds_again_and_0_is_never() -> None:
    for hours, gone in ((24.0, True), (0.0, False)):
        book = AlarmBook("M", realarm_s=hours * 3600)
        fault(book, "fw_firewall-fault_icmp")
        book.acknowledge("eve")
        book.tick(0)
        if gone:
            fault(book, "fw_firewall-fault_icmp", False, NS)
        book.tick(9 * DAY_NS)
        assert "realarmed" not in [c.change for c in book.take_changes()]


def test_a_chattering_alarm_stands_until_it_has_been_gone_for_a_minute() -> None:
    book = AlarmBook("M")
    for second in range(0, 50, 10):
        fault(book, "bank-a_los_T1-1", True, second * NS)
        fault(book, "bank-a_los_T1-1", False, (second + 5) * NS)
        book.tick((second + 9) * NS)
    changes = [c.change for c in book.take_changes()]
    assert changes.count("raised") == 3, "the third raise in a minute is the last"
    assert changes[-1] == "raised"
    (alarm,) = book
    assert book.look(alarm).chatters
    for second in (46, 50, 60, 90):  # a sender that repeats its clear does not put it off
        fault(book, "bank-a_los_T1-1", False, second * NS)
    book.tick(104 * NS)
    assert alarm.active
    book.tick(105 * NS)
    assert [c.change for c in book.take_changes()] == ["returned"]
    assert not alarm.chatters
    fault(book, "bank-a_los_T1-1", True, 106 * NS)
    assert not alarm.chatters, "the count begins anew"


def test_a_silenced_chatterer_stays_silent() -> None:
    book = AlarmBook("M")
    for second in (0, 10, 20):
        fault(book, "bank-a_los_T1-1", True, second * NS)
        fault(book, "bank-a_los_T1-1", False, (second + 5) * NS)
    book.silence()
    for second in range(30, 300, 10):
        fault(book, "bank-a_los_T1-1", True, second * NS)
        book.tick(second * NS)
        fault(book, "bank-a_los_T1-1", False, (second + 5) * NS)
        assert shown(book, second * NS).horn.voice == "none"


def test_a_fleeting_fault_of_our_own_judgement_raises_nothing() -> None:
    book = AlarmBook("M")
    book.condition("bank-a", "trunk-down", "T1-1", True, 0)
    book.condition("bank-a", "trunk-down", "T1-1", False, int(1.9 * NS))
    book.tick(60 * NS)
    assert book.take_changes() == []


def test_in_a_flood_only_a_critical_alarm_starts_the_horn_anew() -> None:
    book = AlarmBook("M")
    view = DARK
    for second in range(11):
        fault(book, f"bank-a_los_T1-{second}", now_ns=second * NS)
        view = shown(book, second * NS, view)
    assert book.flood(11 * NS)
    since_ns = view.horn.since_ns
    for second in range(11, 60):
        fault(book, f"bank-a_los_T1-{second}", now_ns=second * NS)
        view = shown(book, second * NS, view)
        assert view.horn.since_ns == since_ns, "the later ones join its turns"
        assert view.horn.voice == "alarm"
    before_ns = since_ns
    at_ns = since_ns + 75 * NS
    fault(book, "cama_trunk-group-down_all", now_ns=at_ns)
    view = shown(book, at_ns, view)
    assert view.horn.since_ns == at_ns != before_ns
    assert levels(view, at_ns).voice == "alarm"
    assert not book.flood(700 * NS)


def test_in_a_flood_what_comes_after_a_silence_sounds_at_once() -> None:
    book = AlarmBook("M")
    view = DARK
    for second in range(20):
        fault(book, f"bank-a_los_T1-{second}", now_ns=second * NS)
        view = shown(book, second * NS, view)
    book.silence()
    view = shown(book, 21 * NS, view)
    assert view.horn.voice == "none"
    fault(book, "bank-a_los_T1-99", now_ns=22 * NS)
    view = shown(book, 22 * NS, view)
    assert levels(view, 22 * NS).voice == "alarm"


def test_a_mode_pulses_calls_and_the_head_shows_the_worst_lamp() -> None:
    book = AlarmBook("M")
    assert shown(book).head.pattern == "off"
    book.quiet.set_mode("diverted", 30, 0)
    assert (lamp(book, "calls"), shown(book).head.pattern) == ("pulse", "off")
    fault(book, "bank-a_los_T1-1")
    assert shown(book).head.pattern == "flash"
    book.acknowledge("eve")
    assert shown(book).head.pattern == "steady"
    by_contact = AlarmBook("M")
    fault(by_contact, "cpe_diverted_busy")
    assert lamp(by_contact, "calls") == "pulse"
