"""What the NOC sends, judged by pure code: any bytes are refused or understood, and nothing else happens."""

from __future__ import annotations

import base64
import json
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import rfc3339
from agent.payloads import Pool
from agent.remote import commands, desired, trial
from agent.remote.envelope import BEGIN, END, NotSigned, opened, sealed
from agent.remote.local_only import mistakes
from agent.remote.peers import NoWord, Peers
from agent.site import schema
from agent.site.load import parse

NS = 1_000_000_000
NOW_S = 1_800_000_000.0
SITE = """
[site]
id = "here"
shares = ["east"]
[[line]]
id = "bank-a"
port = "/dev/ttyS0"
dialect = "tl1"
[[line]]
id = "bank-b"
port = "/dev/ttyS1"
dialect = "csu"
[[path]]
id = "firewall"
role = "firewall"
address = "192.0.2.1"
checks = [{ kind = "icmp" }, { kind = "tcp", port = 443 }]
[[uplink]]
id = "noc"
urls = ["mqtt://192.0.2.9"]
[remote]
allowed_signers = "signers"
config = true
commands = ["status", "lamp-test", "shelve"]
"""


def site(text: str) -> schema.SiteFile:
    return parse(text, secrets=None)


HERE = site(SITE)
RUNNING = desired.Running(HERE, desired.sha256(SITE.encode()), 4)


def document(**more: Any) -> bytes:
    told = {
        "v": 1, "site": "here", "probe": "a", "version": 5, "base": RUNNING.sha256, "not_after": rfc3339(NOW_S + 60),
        "file": SITE + "\n",
    }  # fmt: skip
    return json.dumps({**told, **more}).encode()


def errors(data: bytes) -> list[str]:
    try:
        desired.judge(data, RUNNING, site, NOW_S)
    except desired.Refused as refused:
        return [key for key, _ in refused.errors]
    return []


def test_what_is_right_may_be_tried() -> None:
    wanted = desired.judge(document(), RUNNING, site, NOW_S)
    assert (wanted.version, wanted.uplinks, wanted.dry_run) == (5, False, False)
    other = desired.judge(document(file=SITE.replace("192.0.2.9", "192.0.2.8")), RUNNING, site, NOW_S)
    assert other.uplinks


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"version": 4}, "version"),
        ({"version": 0}, "document"),
        ({"version": 1 << 60}, "document"),
        ({"base": "0" * 64}, "base"),
        ({"base": "x"}, "document"),
        ({"site": "there"}, "site"),
        ({"probe": "b"}, "site"),
        ({"not_after": rfc3339(NOW_S)}, "not_after"),
        ({"not_after": "soon"}, "not_after"),
        ({"file": "x = "}, "TOML (line 1)"),
        ({"extra": 1}, "document"),
        ({"v": 2}, "document"),
    ],
)
def test_what_is_wrong_is_told(more: dict[str, Any], key: str) -> None:
    assert key in errors(document(**more))


def test_all_reasons_are_told_at_once() -> None:
    assert set(errors(document(version=1, base="0" * 64, site="x"))) == {"version", "base", "site"}


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ('id = "here"', 'id = "there"', "site.id"),
        ("config = true", "config = true\ntrial_s = 30", "remote"),
        ("[remote]", "[journal]\nmax_mb = 8\n[remote]", "journal"),
        ("[remote]", '[secrets]\ndirectory = "/tmp"\n[remote]', "secrets"),
        ("[remote]", '[control]\nsocket = "/tmp/x"\n[remote]', "control"),
        ("[remote]", '[panel]\npins = "lgpio"\n[remote]', "panel.pins"),
        ("[remote]", "[panel]\npath_hold_s = 300\n[remote]", "panel.path_hold_s"),
        ("[remote]", "[calls]\nsilence = false\n[remote]", "calls.silence"),
        ("[remote]", "[calls]\nshadow_days = 365\n[remote]", "calls.shadow_days"),
        ("[remote]", '[listen]\ntraps = "192.0.2.5:1162"\n[remote]', "listen"),
        ("/dev/ttyS0", "/dev/ttyS9", "line[0].port"),
        ('dialect = "csu"', 'dialect = "cisco"', "line[1].dialect"),
        ('id = "bank-b"', 'id = "bank-c"', "line[1]"),
        ('{ kind = "icmp" }', '{ kind = "icmp", every_s = 3000 }', "path[0].checks[0].every_s"),
        ('[[uplink]]\nid = "noc"\nurls = ["mqtt://192.0.2.9"]\n', "", "uplink"),
    ],
)
def test_what_only_a_person_at_the_box_may_change(old: str, new: str, key: str) -> None:
    assert old in SITE
    assert key in [at for at, _ in mistakes(HERE, site(SITE.replace(old, new)))]


def test_what_may_be_changed_from_afar() -> None:
    new = SITE.replace("192.0.2.1", "192.0.2.7").replace('{ kind = "icmp" }', '{ kind = "icmp", every_s = 5 }')
    assert mistakes(HERE, site(new)) == []
    assert [
        at
        for at, _ in mistakes(
            HERE,
            site(
                SITE.split("[[path]]")[0].replace('id = "bank-b"', 'id = "bank-b"')
                + "[[uplink]]"
                + SITE.split("[[uplink]]")[1]
            ),
        )
    ] == ["path"]


@given(
    st.binary(max_size=2000)
    | st.text(max_size=300).map(str.encode)
    | st.dictionaries(st.text(), st.integers()).map(msgspec.json.encode)
)
def test_any_bytes_are_refused_and_never_raise(data: bytes) -> None:
    assert errors(data)
    with pytest.raises(NotSigned):
        opened(data)
    with pytest.raises(commands.Refused):
        commands.read(data, "lamp-test", by="", site=HERE.site, now_utc_s=NOW_S)
    with pytest.raises(NoWord):
        Peers(("east",)).heard(data, "east", 0, NOW_S)


@given(st.binary(max_size=300))
def test_what_is_sealed_is_opened_as_it_was(data: bytes) -> None:
    signature = f"{BEGIN}\nAAAA\n{END}\n".encode()
    if data:
        assert opened(sealed(data, signature)) == (data, signature)
    with pytest.raises(NotSigned):
        opened(json.dumps({"document": base64.b64encode(b"x").decode(), "signature": "AAAA"}).encode())


def test_the_table_of_a_trial_is_complete_and_ends() -> None:
    pairs = {(state, event) for state in get_args(trial.State) for event in get_args(trial.Event)}
    assert set(trial.TABLE) == pairs
    for state in get_args(trial.State):
        assert trial.step(state, "edited") == ("local", "local"), "a person at the box always wins"
        after, runs = trial.step(state, "started-too-often")
        assert (after, runs) != ("trial", "new"), "nothing is tried for ever"
    assert trial.step("trial", "timed-out")[1] == "previous"


COMMAND = {"id": "x1", "expires": rfc3339(NOW_S + 60), "args": {}}


def refused(**more: Any) -> str:
    name, by = more.pop("name", "lamp-test"), more.pop("by", "")
    with pytest.raises(commands.Refused) as raised:
        commands.read(json.dumps({**COMMAND, **more}).encode(), name, by=by, site=HERE.site, now_utc_s=NOW_S)
    return str(raised.value)


def test_commands_expire_and_say_what_they_take() -> None:
    came = commands.read(json.dumps(COMMAND).encode(), "lamp-test", by="", site=HERE.site, now_utc_s=NOW_S)
    assert (came.id, came.do) == ("x1", "test")
    assert "expired" in refused(expires=rfc3339(NOW_S - 1))
    assert "latest" in refused(expires=rfc3339(NOW_S + 9000))
    assert "RFC 3339" in refused(expires="99999999999999-01-01")
    assert "takes" in refused(args={"path": "x"})
    assert "not for this" in refused(by="eve", site="there", probe="a", command="lamp-test")
    assert "not for this" in refused(by="eve", site="here", probe="a", command="shelve")
    assert "not a command" in refused(id="a b")
    for name in ("reset", "x" * 40, "ack"):
        with pytest.raises(commands.Refused):
            commands.known(name, HERE.remote)
    assert commands.known("shelve", HERE.remote) == "shelve"


@given(st.lists(st.integers(0, 40)), st.integers(1, 8))
def test_an_id_is_taken_once_while_it_is_remembered(ids: list[int], most: int) -> None:
    once, last = commands.Once([], most), []
    for number in ids:
        assert once.take(str(number)) == (number not in last)
        if number not in last:
            last = [*last, number][-most:]


def word(calls: str, **more: Any) -> bytes:
    told = Pool(share="east", calls="fine", sites=5, expected=1.0, at=rfc3339(NOW_S), valid_s=180, by="noc")
    return msgspec.json.encode(msgspec.structs.replace(told, calls=calls, **more))


def test_the_word_on_the_neighbours_is_believed_while_it_is_valid() -> None:
    peers = Peers(("east",))
    lost = peers.heard(word("lost"), "east", 0, NOW_S)
    assert lost is not None
    assert (lost.source, lost.sense, lost.state) == ("peers", "pool", "down")
    assert peers.tick(179 * NS) is None
    over = peers.tick(180 * NS)
    assert over is not None
    assert over.state == "unknown", "what nobody says any longer is unknown, not well"
    for wrong in (
        word("lost", at=rfc3339(NOW_S - 200)),
        word("lost", at=rfc3339(NOW_S + 200)),
        word("lost", share="west"),
    ):
        with pytest.raises(NoWord):
            peers.heard(wrong, "east", 0, NOW_S)
