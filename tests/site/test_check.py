"""``dialtone check``: the example is complete and passes; mistakes go out as lines; what can't be seen is said."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from agent.commands import check
from agent.paths.snmp import profile
from agent.site import schema
from agent.site.describe import seconds, unseen, watched
from agent.site.describe_paths import to_alarm_s
from agent.site.load import load, parse
from agent.site.walk import _plain

# Keys that several kinds of checks have, each with its own default; shown for one of them.
KINDS_DIFFER = {
    f"path.checks.{key}" for key in "port version transport name fail of covers expect interfaces answers".split()
}
TWENTY = Path(__file__).parent / "data" / "twenty-mistakes.toml"
ALL_LIVE = re.sub(r"(?m)^#(?=[^ #\n])", "", check.example())
"""The example with every key that it only shows taken in."""


def run(*arguments: str) -> int:
    parser = argparse.ArgumentParser()
    check.add(parser.add_subparsers(required=True))
    args = parser.parse_args(["check", *arguments])
    return int(args.run(args))


def keys_of(kind: inspect.Type, at: str = "") -> dict[str, inspect.Field]:
    """Every key of the schema, as ``path.checks.every_s``; those of the kinds of checks together."""
    kind, _ = _plain(kind)
    if isinstance(kind, inspect.VarTupleType):
        return keys_of(kind.item_type, at)
    if isinstance(kind, inspect.UnionType):
        return {key: one for member in kind.types for key, one in keys_of(member, at).items()}
    found: dict[str, inspect.Field] = {}
    if isinstance(kind, inspect.StructType):
        for one in kind.fields:
            key = f"{at}.{one.encode_name}" if at else one.encode_name
            found[key] = one
            found |= keys_of(one.type, key)
    return found


def keys_in(value: Any, at: str = "") -> dict[str, Any]:
    if isinstance(value, list):
        return {key: one for item in value for key, one in keys_in(item, at).items()}
    found: dict[str, Any] = {}
    if isinstance(value, dict):
        for name, one in value.items():
            key = f"{at}.{name}" if at else name
            found[key] = one
            found |= keys_in(one, key)
    return found


def test_the_example_passes_on_a_bare_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--example") == 0
    file = tmp_path / "site.toml"
    file.write_text(capsys.readouterr().out)
    assert run(str(file)) == 0
    told = capsys.readouterr()
    assert "is a valid site file" in told.out
    assert told.err == ""


def test_the_example_is_the_default_site(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(check.example())
    site = load(tmp_path / "site.toml")
    checks = {p.role: [(schema.kind_of(c), schema.every_s(c, p.role)) for c in p.checks] for p in site.path}
    assert checks == {
        "firewall": [("icmp", 2)],
        "router": [("icmp", 2)],
        "far-end": [("sip-options", 60)],
        "reflector": [("sip-options", 2)],
    }
    assert all(c.fail == 3 and c.of == 5 for p in site.path for _, c in schema.active(p))


def test_every_key_is_in_the_example_and_shown_defaults_are_the_defaults() -> None:
    import tomllib

    shown = keys_in(tomllib.loads(ALL_LIVE))
    live = keys_in(tomllib.loads(check.example()))
    fields = keys_of(inspect.type_info(schema.SiteFile))
    assert set(fields) | {"path.checks.kind"} <= set(shown)
    for key, one in fields.items():
        if key not in live and not one.required and one.default not in (msgspec.UNSET, msgspec.NODEFAULT, None):
            if key in KINDS_DIFFER:
                continue
            expected = list(one.default) if isinstance(one.default, tuple) else one.default
            text_says_none = key in ("site.shares", "listen.calls_at", "host.interfaces") or key.startswith("line.map.")
            assert shown[key] == expected or text_says_none, key


def test_the_example_with_every_key_taken_in_is_valid() -> None:
    site = parse(ALL_LIVE, secrets=None)
    assert {schema.kind_of(c) for p in site.path for c in p.checks} == {
        "icmp", "tcp", "tls", "dns", "snmp", "syslog", "traps", "sip-options", "test-call", "knock",
    }  # fmt: skip
    assert site.control.group == "dialtone"


def test_defaults_that_the_example_tells_in_words() -> None:
    for (kind, role), every_s in schema.EVERY_S.items():
        told = {
            "tls": 3600 if role == "far-end" else 300,
            "dns": 60,
            "snmp": 60 if role in ("far-end", "reflector") else 10,
            "test-call": 300 if role == "far-end" else 60,
        }.get(kind, 60 if role == "far-end" else 2 if role == "reflector" or kind == "icmp" else 5)
        assert every_s == told, (kind, role)
    assert schema.timeout_s(schema.Icmp(), "firewall") == 2


def test_mistakes_are_lines_and_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(TWENTY)) == 2
    told = capsys.readouterr()
    assert told.out == ""
    lines = told.err.splitlines()
    assert lines[-1] == f"{TWENTY}: 20 mistakes"
    assert f"{TWENTY}:12: line[0].dialect: must be" in told.err
    assert len(lines) == 21


def test_mistakes_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(str(TWENTY), "--json") == 2
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(told) == 20
    assert told[0] == {
        "kind": "error",
        "key": "site.id",
        "line": 3,
        "message": told[0]["message"],
    }


def test_a_right_file_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "site.toml"
    file.write_text(check.example())
    assert run(str(file), "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {one["kind"] for one in told} >= {"watched", "unseen", "inseparable"}
    assert any(one["text"].startswith("firewall-blocking or router-down; ") for one in told)


@pytest.mark.parametrize("arguments", [(), ("--example", "site.toml")])
def test_wrong_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*arguments) == 2
    assert "dialtone check: give" in capsys.readouterr().err


def test_what_this_machine_lacks_is_a_warning(tmp_path: Path) -> None:
    site = parse(
        '[site]\nid = "s"\n[[line]]\nid = "b"\nport = "/dev/not-there"\ndialect = "tl1"\n'
        '[[uplink]]\nid = "u"\nurls = ["mqtts://h"]\ninterface = "not-there0"\n'
        f'[journal]\ndirectory = "{tmp_path / "file" / "journal"}"',
        secrets=None,
    )
    (tmp_path / "file").touch()
    told = check.warnings(site)
    assert [text.partition(":")[0] for text in told] == ["line b", "journal", "uplink"]
    assert "is no directory" in told[1]
    (tmp_path / "file").unlink()
    assert [text.partition(":")[0] for text in check.warnings(site)] == ["line b", "uplink"]


BLIND = """
[site]
id = "s"
[[path]]
id = "esrp"
role = "far-end"
address = "10.0.0.1"
checks = [{ kind = "icmp" }]
[panel]
pins = "mock"
"""


@pytest.mark.parametrize(
    ("start", "change"),
    [
        ("trunk faults:", ("[panel]", '[[line]]\nid = "b"\nport = "/dev/a"\ndialect = "tl1"\n[panel]')),
        ("how calls are let in and out, second by second: without a reflector, forwarding is tested only every 60 s",
         ('"far-end"', '"reflector"')),
        ("a firewall that drops SIP while pings", ('"icmp"', '"sip-options"')),
        ("the outside: there is no [[uplink]]", ("[panel]", '[[uplink]]\nid = "u"\nurls = ["mqtts://h"]\n[panel]')),
        ("a lamp or a horn:", ('"mock"', '"lgpio"')),
        ("a dead firewall by itself", ('"far-end"', '"firewall"')),
        ("which device on the way to esrp", ('"far-end"', '"lan"')),
        ("voices lost in one direction: no test-call", ("", "")),
        ("whether anything gets in from outside: no knock", ("", "")),
    ],
)  # fmt: skip
def test_each_blindness_is_said_until_it_is_cured(start: str, change: tuple[str, str]) -> None:
    assert any(text.startswith(start) for text in unseen(parse(BLIND, secrets=None)))
    if change[0]:
        assert not any(text.startswith(start) for text in unseen(parse(BLIND.replace(*change), secrets=None)))


def test_a_line_says_what_it_cannot_hear() -> None:
    line = '[site]\nid = "s"\n[[line]]\nid = "b"\nport = "/dev/a"\ndialect = "tl1"\n'
    told = unseen(parse(line, secrets=None))
    assert [text for text in told if "cut receive wire on b" in text]
    assert [text for text in told if "when the agent starts" in text]
    assert "the network: no [[path]] watches" in " ".join(told)
    told = unseen(parse(line + 'heartbeat_s = 60\ntrunks = { T1 = "g" }', secrets=None))
    assert not [text for text in told if "cut receive wire" in text or "trunk group" in text]


def test_how_long_a_fault_may_stay_unseen() -> None:
    site = parse(BLIND, secrets=None)
    assert to_alarm_s(site.path[0].checks[0], "far-end") == 3 * 60 + 2
    assert to_alarm_s(schema.Tls(port=5061), "far-end") == 3600 + 5 + 2 * 65
    assert any("at most 182 s after the fault" in text for text in watched(site))
    assert [seconds(value) for value in (0.5, 2.0, 90, 120, 900)] == ["0.5 s", "2 s", "90 s", "2 min", "15 min"]


FIREWALL = """
[site]
id = "s"

[[path]]
id = "fw"
role = "firewall"
address = "192.0.2.1"
checks = [{ kind = "icmp" }, { kind = "snmp", community = "c", profiles = ["interfaces", "made-up"] }, { kind = "syslog" }]

[listen]
syslog_udp = "0.0.0.0:5514"

[secrets]
directory = "DIRECTORY"
"""


def test_a_profile_that_is_not_there_is_refused_and_one_of_this_machine_is_found(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret, site, local = tmp_path / "c", tmp_path / "site.toml", tmp_path / "profiles"
    secret.write_text("public\n")
    secret.chmod(0o600)
    tmp_path.chmod(0o700)
    site.write_text(FIREWALL.replace("DIRECTORY", str(tmp_path)))
    monkeypatch.setattr(profile, "LOCAL", local)
    profile.load.cache_clear()
    assert run(str(site)) == 2
    assert "path[0].checks[1].profiles[1]: there is no profile 'made-up'" in capsys.readouterr().err
    local.mkdir()
    (local / "made-up.toml").write_text(
        'title = "T"\nsource = "S"\n[[scalar]]\nname = "x"\noid = "1.3"\nmeaning = "oops"\n'
    )
    assert run(str(site)) == 2
    assert "profile made-up" in capsys.readouterr().err
    (local / "made-up.toml").write_text('title = "T"\nsource = "S"\n')
    assert run(str(site)) == 0
    assert "a scanner's too" in capsys.readouterr().out
    profile.load.cache_clear()


def test_only_what_usually_stands_together_is_printed_and_all_of_it_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = tmp_path / "site.toml"
    site.write_text(BLIND + '\n[[line]]\nid = "cdr"\nport = "/dev/cdr"\ndialect = "smdr"\nswitch = "nortel-old"\n')
    assert run(str(site)) == 0
    usual = capsys.readouterr().out
    assert "--all lists them" in usual
    assert run(str(site), "--all") == 0
    everything = capsys.readouterr().out
    assert "--all lists them" not in everything
    sets = [[line for line in text.splitlines() if line.startswith("  none or ")] for text in (usual, everything)]
    assert len(sets[0]) < len(sets[1])
    assert run(str(site), "--json") == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len([one for one in told if one["kind"] == "inseparable"]) >= len(sets[1]) - len(sets[0])
