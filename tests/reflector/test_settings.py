"""The reflector's file: what is right is taken, and all that is wrong is told at once, with its line."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.reflector.settings import Settings, SettingsInvalid, parse

PROBE = '[[probe]]\nid = "p"\nsecret = "p"\naddresses = ["192.0.2.1"]\n'


def test_one_probe_is_enough() -> None:
    found = parse(PROBE)
    assert isinstance(found, Settings)
    assert (found.listen, found.call_max_s, found.calls_max) == (("0.0.0.0:5060",), 30.0, 16)
    assert [found.media_port(slot) for slot in (0, 1, 15)] == [40_000, 40_002, 40_030]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "probe"),
        ("[[probe]]", "addresses"),
        (PROBE.replace('"192.0.2.1"', ""), "addresses"),
        (PROBE.replace("192.0.2.1", "192.0.2.300"), "must be an address or a network"),
        (PROBE.replace("addresses", "adresses"), 'did you mean "addresses"'),
        (PROBE + 'knock = "192.0.2.1"', "address:port"),
        (PROBE + 'knock = "192.0.2.1:0"', "port from 1"),
        (PROBE + 'knock = "192.0.2.1:99999"', "port from 1"),
        (PROBE + 'knock = "0.0.0.0:5060"', "one box"),
        (PROBE + 'knock = "224.0.0.1:5060"', "one box"),
        (PROBE + 'knock = "[::1:5060"', "address:port"),
        (PROBE + "idle_min_s = 20\nidle_max_s = 10", "idle_min_s"),
        (PROBE + PROBE, "one probe alone"),
        ('media_ports = "80-90"\n' + PROBE, "1024"),
        ('media_ports = "50000-50003"\n' + PROBE, "even ports"),
        ('listen = ["127.0.0.1:5060", "127.0.0.1:5060"]\n' + PROBE, "twice"),
        ('public = ["here"]\n' + PROBE, "public"),
        ("call_max_s = 1000\n" + PROBE, "call_max_s"),
        ("calls_max = 0\n" + PROBE, "calls_max"),
        ("this is no TOML", "no TOML"),
        ("a" * 300_000, "longer"),
    ],
)
def test_what_is_wrong_is_told(text: str, words: str) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        parse(text)
    assert any(words in error for error in refused.value.errors), refused.value.errors


def test_all_mistakes_are_told_at_once_with_their_lines() -> None:
    with pytest.raises(SettingsInvalid) as refused:
        parse('calls_max = 0\nnonsense = 1\n[[probe]]\nid = "P"\nsecret = "hunter2 is the secret!"\naddresses = []\n')
    errors = "\n".join(refused.value.errors)
    assert len(refused.value.errors) == 5
    assert all(f"line {number}" in errors for number in (1, 2, 4, 5, 6))
    assert "hunter2" not in errors  # what stands there by mistake may be the secret


@given(st.text(max_size=300))
def test_any_text(text: str) -> None:
    for one in (text, PROBE + text):
        with contextlib.suppress(SettingsInvalid):
            assert parse(one).probe
