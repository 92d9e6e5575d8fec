"""Modes and shelves: what is quiet on purpose says so, and ends by itself."""

from __future__ import annotations

import pytest

from agent.alarms.book import NS, AlarmBook
from agent.alarms.quiet import SHELVES_MAX, Quiet


def raised(book: AlarmBook) -> str:
    book.condition("fw", "firewall-fault", "icmp", True, 0, declared=True)
    alarm = next(iter(book))
    return book.voice_class(alarm)


def test_service_quiets_every_alarm_and_ends_by_itself() -> None:
    book = AlarmBook("M")
    assert raised(book) == "alarm"
    book.quiet.set_mode("service", 30, 0)
    alarm = next(iter(book))
    assert book.voice_class(alarm) == "none"
    assert book.look(alarm).mode == "service"
    assert book.quiet.deadline() == 1800 * NS
    assert book.quiet.tick(1800 * NS) == ["mode service"]
    assert book.voice_class(alarm) == "alarm"


def test_diverted_quiets_no_alarm() -> None:
    book = AlarmBook("M")
    book.quiet.set_mode("diverted", 30, 0)
    assert raised(book) == "alarm"


def test_a_shelf_covers_one_alarm_or_all_of_a_path() -> None:
    book = AlarmBook("M")
    raised(book)
    alarm = next(iter(book))
    for name in (alarm.id, "fw"):
        book.quiet.shelve(name, 10, 0)
        assert book.voice_class(alarm) == "none"
        assert book.look(alarm).shelved
        book.quiet.shelve(name, 0, 0)
        assert book.voice_class(alarm) == "alarm"
    book.quiet.shelve("rt", 10, 0)
    assert book.voice_class(alarm) == "alarm"


def test_every_change_is_one_that_the_panel_must_look_at() -> None:
    quiet = Quiet()
    versions = [quiet.version]
    quiet.shelve("fw", 1, 0)
    versions.append(quiet.version)
    quiet.set_mode("service", 2, 0)
    versions.append(quiet.version)
    assert quiet.tick(60 * NS) == ["fw"]
    versions.append(quiet.version)
    quiet.tick(61 * NS)
    assert quiet.version == versions[-1]
    assert versions == sorted(set(versions))


def test_bounds() -> None:
    quiet = Quiet()
    with pytest.raises(ValueError, match="at most 480"):
        quiet.set_mode("service", 481, 0)
    with pytest.raises(ValueError, match="over 0"):
        quiet.set_mode("diverted", 0, 0)
    with pytest.raises(ValueError, match="1440"):
        quiet.shelve("fw", 1441, 0)
    for number in range(SHELVES_MAX):
        quiet.shelve(f"a{number}", 1, 0)
    quiet.shelve("a1", 2, 0)
    with pytest.raises(ValueError, match="already"):
        quiet.shelve("one-more", 1, 0)
