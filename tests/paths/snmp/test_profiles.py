"""Every profile is read, and what a profile may not say is refused."""

from __future__ import annotations

import pytest

from agent.alarms.points import POINTS
from agent.paths.snmp import profile
from agent.paths.snmp.rows import poll_of

ENTRY = '[[scalar]]\nname = "x"\noid = "1.3.6.1.2.1.1.3.0"\nmeaning = "number"\n'
HEAD = 'title = "T"\nsource = "S"\n'


def test_all_vendors_are_there() -> None:
    assert set(profile.names()) >= {
        "interfaces", "system", "ds1", "fortinet", "palo-alto", "cisco-asa", "cisco-ios", "juniper-srx", "pf", "ups",
        "host-resources",
    }  # fmt: skip


@pytest.mark.parametrize("name", profile.names())
def test_a_profile_is_read_and_asked(name: str) -> None:
    one = profile.load(name)
    assert one.source
    poll = poll_of([one])
    assert poll.request(1) is not None


def test_the_points_of_the_profiles_are_points() -> None:
    # device-restarted and interface-down are two of them
    assert set(POINTS) >= profile.POINTS


def test_all_profiles_at_once_ask_each_column_once() -> None:
    poll = poll_of([profile.load(name) for name in profile.names()])
    asked = [column.oid for job in poll._jobs if hasattr(job, "columns") for column in job.columns]
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "title"),
        (HEAD + "x = 1\n", "unknown field"),
        (HEAD + ENTRY + "colour = 1\n", "unknown field"),
        (HEAD + ENTRY.replace("number", "mood"), "mood"),
        (HEAD + ENTRY.replace("1.3.6.1.2.1.1.3.0", "1.99.6"), "identifier"),
        (HEAD + ENTRY.replace("1.3.6.1.2.1.1.3.0", "one"), "oid"),
        (HEAD + ENTRY + 'point = "silence"\n', "no device raises"),
        (HEAD + ENTRY + ENTRY, "twice"),
        (HEAD + ENTRY.replace("number", "enum"), "needs its values"),
        (HEAD + ENTRY + 'good = { 1 = "a" }\nbad = { 1 = "b" }\n', "two things"),
        (HEAD + ENTRY + 'unless = { entry = "y", values = ["1"] }\n', "not there"),
        (HEAD + '[[trap]]\noid = "1.3.6"\nwords = "w"\ndoes = "raise"\n', "needs a point"),
        (HEAD + '[[trap]]\noid = "1.3.6"\nwords = "w"\ndoes = "status"\n', "belong together"),
        (HEAD + "[[", "profile t"),
    ],
)
def test_what_nobody_understands_is_refused(text: str, why: str) -> None:
    with pytest.raises(profile.ProfileInvalid, match=why):
        profile.parse("t", text)


def test_no_such_profile_names_those_there_are() -> None:
    with pytest.raises(profile.ProfileInvalid, match="cisco-asa"):
        profile.load("../secrets")
