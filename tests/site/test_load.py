"""The site file's mistakes: each kind is told, with its key and line, all at once, and nothing else is ever raised."""

from __future__ import annotations

import contextlib
import re
import zoneinfo
from importlib import resources
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.alarms import points
from agent.site import line_rules, schema
from agent.site import load as loader
from agent.site.load import SiteError, SiteFileInvalid, load, parse
from agent.site.walk import Problems, walk

EXAMPLE = (resources.files("agent.site") / "example.toml").read_text(encoding="utf-8")
TWENTY = Path(__file__).parent / "data" / "twenty-mistakes.toml"

SITE = '[site]\nid = "a-site"\n'
LINE = '[[line]]\nid = "bank"\nport = "/dev/ttyS0"\ndialect = "tl1"\n'
PATH = '[[path]]\nid = "fw"\nrole = "firewall"\naddress = "10.0.0.1"\n'
CHECKED = PATH + 'checks = [{ kind = "icmp" }]\n'
UPLINK = '[[uplink]]\nid = "noc"\n'


def errors_of(text: str) -> tuple[SiteError, ...]:
    with pytest.raises(SiteFileInvalid) as told:
        parse(text, secrets=None)
    return told.value.errors


def only(text: str) -> tuple[str, str]:
    """The one mistake of a text, as key and message."""
    errors = errors_of(text)
    assert len(errors) == 1, errors
    return errors[0].key, errors[0].message


def markers(path: Path) -> list[tuple[int, str]]:
    found = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        for marker in line.partition("#! ")[2].split(" | "):
            if marker:
                found.append((number, marker.strip()))
    return found


def test_twenty_mistakes_are_all_told_with_their_lines() -> None:
    expected = markers(TWENTY)
    assert len(expected) == 20
    errors = errors_of(TWENTY.read_text())
    assert [error.line for error in errors] == [line for line, _ in expected]
    for error, (_, start) in zip(errors, expected, strict=True):
        assert f"{error.key}: {error.message}".startswith(start)


def test_two_tables_are_a_site() -> None:
    site = parse(SITE + LINE, secrets=None)
    assert (site.line[0].baud, site.panel.sequence, site.journal.max_mb) == (9600, "M", 256)


def test_whole_numbers_are_numbers_and_booleans_are_not() -> None:
    site = parse(SITE + PATH + 'checks = [{ kind = "icmp", every_s = 2 }]', secrets=None)
    every_s = site.path[0].checks[0].every_s
    assert (every_s, type(every_s)) == (2.0, float)
    key, message = only(SITE + PATH + 'checks = [{ kind = "icmp", every_s = true }]')
    assert (key, message) == ("path[0].checks[0].every_s", "must be a number from 0.2 to 3600, is true")


@pytest.mark.parametrize(
    ("text", "key", "message"),
    [
        # types and bounds
        (SITE + LINE + "heartbeat_s = nan", "line[0].heartbeat_s", "must be a number from 1 to 86400, is nan"),
        (SITE + LINE + "heartbeat_s = inf", "line[0].heartbeat_s", "must be a number from 1 to 86400, is inf"),
        (SITE + LINE + "heartbeat_s = 2024-06-18", "line[0].heartbeat_s", "is a date or time"),
        (SITE + LINE + "[journal]\nmax_mb = 4.5", "journal.max_mb", "must be a whole number from 4 to 65536, is 4.5"),
        (SITE + LINE + '[journal]\ndirectory = "var"', "journal.directory", "must be a path from the root"),
        (SITE + "calls_per_hour = 0\n" + LINE, "site.calls_per_hour", "greater than 0 and at most 100000, is 0"),
        (SITE + 'shares = "esinet"\n' + LINE, "site.shares", 'must be a list in [ ], is "esinet"'),
        (SITE + "name = 4\n" + LINE, "site.name", "must be text of 1 to 200 characters on one line, is 4"),
        (SITE + LINE + 'trunks = { " T1" = "g" }', 'line[0].trunks." T1"', "the key must be a trunk's access"),
        (SITE + LINE + 'trunks = { T1 = "G" }', "line[0].trunks.T1", "must be lower-case letters"),
        (SITE + LINE + "trunks = []", "line[0].trunks", "must be a table such as"),
        (SITE + PATH + "checks = []", "path[0].checks", "must have at least 1 entry, is empty"),
        (SITE + PATH + "checks = ['icmp']", "path[0].checks[0]", "must be a table whose kind is"),
        (
            SITE + PATH + "checks = [{ every_s = 2 }]",
            "path[0].checks[0].kind",
            'is missing; must be "icmp", "tcp", "tls"',
        ),
        (
            SITE + CHECKED + UPLINK + 'urls = ["mqtts://h"]\ninterface = "w w"',
            "uplink[0].interface",
            "a network interf",
        ),
        (SITE + LINE + "baud = 9600.0", "line[0].baud", "or 230400, is 9600.0"),
        (SITE + "shares = [" + "'a'," * 17 + "]\n" + LINE, "site.shares", "must have at most 16 entries, has 17"),
        # shape
        ("[[site]]\nid = 'a'\n" + LINE, "site", "write [site] once"),
        (SITE + LINE.replace("[[line]]", "[line]"), "line", "write [[line]] with double brackets"),
        (SITE + LINE + "[pannel]\n", "pannel", 'unknown key; did you mean "panel"?'),
        ('noc_phone = "555-0100"\n' + SITE + LINE, "noc_phone", "it belongs in [site]"),
        (SITE + LINE + "every_s = 2", "line[0].every_s", 'it belongs in [[line]] of dialect "modbus"'),
        (
            SITE + PATH + "checks = [{ kind = 'icmp', transport = 'udp' }]",
            "path[0].checks[0].transport",
            '[[path.checks]] of kind "sip-options"',
        ),
        (LINE, "site", "is missing; must be a table"),
        # cross-key
        (SITE, "file", "nothing to watch"),
        (SITE + LINE.replace('"bank"', '"host"'), "line[0].id", "reserved"),
        (SITE + CHECKED + UPLINK.replace("noc", "fw") + 'urls = ["mqtts://h"]', "uplink[0].id", "the id of path[0]"),
        (SITE + LINE + LINE.replace("bank", "b").replace("/dev", "/dev/."), "line[1].port", "already the port of"),
        (SITE + LINE.replace("/dev/ttyS0", "socket://ser"), "line[0].port", "must name a host and a port"),
        (SITE + CHECKED + 'behind = "fw"', "path[0].behind", "cannot be behind itself"),
        (SITE + CHECKED.replace("10.0.0.1", "10.0.0.256"), "path[0].address", "is no IPv4 address"),
        (SITE + CHECKED.replace("10.0.0.1", "10.0.0.1:80"), "path[0].address", "a port number belongs in the check"),
        (SITE + 'timezone = "America"\n' + LINE, "site.timezone", "there is no time zone"),
        (SITE + 'timezone = "../UTC"\n' + LINE, "site.timezone", "there is no time zone"),
        (SITE + LINE + '[panel]\nboard = "dialtone-9"', "panel.board", 'did you mean "dialtone-8"?'),
        (
            SITE + LINE + f'[control]\nsocket = "/{"é" * 54}"',
            "control.socket",
            "at most 107 bytes (unix(7)), this one 109",
        ),
        (SITE + LINE + '[control]\nsocket = "/run/"', "control.socket", "must name the socket itself"),
        (
            SITE + PATH + "checks = [{ kind = 'icmp', every_s = 0.2, timeout_s = 1.8 }]",
            "path[0].checks[0].timeout_s",
            "9 of these checks would run at once, 8 at most: must be at most 1.6",
        ),
    ],
)
def test_each_mistake_is_told(text: str, key: str, message: str) -> None:
    told_key, told = only(text)
    assert told_key == key
    assert message in told


@pytest.mark.parametrize(
    ("rest", "key", "message"),
    [
        ('urls = ["mqtt://noc.example.net"]\nuser = "u"\npassword = "p"', "urls[0]", "in clear text"),
        ('urls = ["mqtts://u:hidden@noc.example.net"]', "urls[0]", "must not hold a user or password"),
        ('urls = "mqtts://u:hidden@noc.example.net"', "urls", "must be a list"),
        ('urls = ["mqtts:u:hidden@noc.example.net"]', "urls[0]", "must not hold a user or password"),
        ('urls = ["mqtts://noc.example.net/a"]', "urls[0]", "must end after the host and port"),
        ('urls = ["mqtts://noc.example.net:0"]', "urls[0]", "a port from 1 to 65535"),
        ('urls = ["mqtts://noc.example.net:99999"]', "urls[0]", "a port from 1 to 65535"),
        ('urls = ["mqtts://:8883"]', "urls[0]", "must name a host"),
        ('urls = ["mqtts://[::1"]', "urls[0]", "is no url"),
        ('urls = ["mqtts://10.0.0.300"]', "urls[0]", "must name a host"),
        ('urls = ["mqtts://h ost"]', "urls[0]", "must name a host"),
        ('urls = ["mqqts://noc.example.net"]', "urls[0]", 'did you mean "mqtts"?'),
        ('urls = ["noc.example.net"]', "urls[0]", "must start with mqtts://"),
        ('urls = ["mqtts://h"]\ncertificate = "c"', "certificate", "certificate needs key beside it"),
        ('urls = ["mqtts://h"]\npassword = "p"', "password", "password needs user beside it"),
        ('urls = ["mqtt://h"]\nca = "c"', "ca", "does nothing"),
        ('urls = ["mqtts://h"]\nuser = "u"\npassword = "Hidden one"', "password", "the name of a secret"),
    ],
)
def test_each_mistake_of_an_uplink_is_told_without_showing_a_secret(rest: str, key: str, message: str) -> None:
    told_key, told = only(SITE + LINE + UPLINK + rest)
    assert told_key == f"uplink[0].{key}"
    assert message in told
    assert "idden" not in told


@pytest.mark.parametrize(
    "url", ["mqtt://127.0.0.1:1883", "mqtt://localhost", "mqtt://[::1]:1883", "mqtts://h-1.x:8883"]
)
def test_passwords_may_go_where_nobody_listens(url: str) -> None:
    rest = f'urls = ["{url}"]\nuser = "u"\npassword = "p"'
    assert parse(SITE + LINE + UPLINK + rest, secrets=None).uplink[0].urls == (url,)


@pytest.mark.parametrize("role_and_more", ['"reflector"', '"far-end"\nagreed_with = "the provider"'])
def test_ours_or_agreed_may_be_asked_often(role_and_more: str) -> None:
    path = PATH.replace('"firewall"', role_and_more) + 'checks = [{ kind = "sip-options", every_s = 2 }]'
    assert parse(SITE + path, secrets=None).path[0].checks[0].every_s == 2


def test_a_ring_of_paths_is_told_once() -> None:
    def behind(name: str, other: str) -> str:
        return CHECKED.replace('"fw"', f'"{name}"') + f'behind = "{other}"\n'

    key, message = only(SITE + behind("b", "c") + behind("c", "a") + behind("a", "b") + behind("d", "a"))
    assert (key, message) == ("path[2].behind", "goes round in a ring: a behind b behind c behind a")


def test_what_is_wrong_inside_a_wrong_table_is_told_too() -> None:
    errors = errors_of(SITE + PATH + "checks = [{ kind = 'snmpp', every_s = 'often', comunity = 1 }]")
    assert [error.key.rpartition(".")[2] for error in errors] == ["comunity", "every_s", "kind"]
    errors = errors_of(SITE + LINE.replace("[[line]]", "[line]") + "baud = 1\n")
    assert [(error.key, error.line) for error in errors] == [("line", 3), ("line.baud", 7)]


def test_a_folder_of_time_zones_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def folder(_name: str) -> None:
        raise IsADirectoryError

    monkeypatch.setattr(zoneinfo, "ZoneInfo", folder)
    assert only(SITE + LINE)[0] == "site.timezone"


def test_numbers_without_bounds_must_still_be_numbers() -> None:
    class Loose(msgspec.Struct):
        value: float

    problems = Problems(10)
    walk({"value": float("nan")}, Loose, problems)
    walk({"value": float("inf")}, Loose, problems)
    assert [problem.message for problem in problems.found] == ["must be a number, is nan", "must be a number, is inf"]


def test_rules_are_silent_about_what_was_refused_and_speak_of_the_rest() -> None:
    text = (
        SITE
        + CHECKED.replace('"fw"', '"FW"')
        + CHECKED.replace('"fw"', '"r"')
        + 'behind = "fw"\n'
        + CHECKED.replace('"fw"', '"r"')
    )
    assert [error.key for error in errors_of(text)] == ["path[0].id", "path[2].id"]


def test_what_the_walker_misses_is_told_by_msgspec(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = parse(SITE + LINE, secrets=None)
    monkeypatch.setattr(loader, "walk", lambda *_: seen)
    (error,) = errors_of("[site]\nid = 4\n[[line]]")
    assert (error.key, error.message) == ("site.id", "Expected `str`, got `int`")


@given(st.text("T1 .-_/é", min_size=1, max_size=40))
def test_trunks_meet_exactly_where_their_alarms_would(text: str) -> None:
    assert line_rules.slug(text) == points.slug(text)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[site]\nid = \n", 2, "no value here"),
        ("[site]\nid = 'a'\nid = 'b'\n", 3, "given twice"),
        ("[site]\nid = 'a", 2, "Expected"),
        ("[site]\n\nid 4\n", 3, "a key needs ="),
        ("a = " + "[" * 2000, 1, "nested deeper than 16"),
        ("\n" + "a." * 100_000 + "a = 1", 2, "nested deeper than 16"),
        ("a = 1" + "0" * 5000, None, "Exceeds the limit"),
        ("#" * (1024 * 1024 + 1), None, "larger than 1048576 bytes"),
    ],
)
def test_what_is_no_toml_is_told_with_its_line(text: str, line: int | None, message: str) -> None:
    (error,) = errors_of(text)
    assert error.line == line
    assert message in error.message


def test_very_many_mistakes_are_counted() -> None:
    errors = errors_of(SITE + LINE + "".join(f"k{number} = 1\n" for number in range(5000)))
    assert len(errors) == loader.ERRORS_MAX + 1
    assert errors[-1].message == "4800 more mistakes are not shown"


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        (None, None, "No such file"),
        (b'[site]\nid = "\xff"', 2, "is not UTF-8: byte 0xff"),
        (b"#" * (1024 * 1024 + 1), None, "larger than"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, data: bytes | None, line: int | None, message: str) -> None:
    path = tmp_path / "site.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(SiteFileInvalid) as told:
        load(path)
    (error,) = told.value.errors
    assert (error.key, error.line) == ("file", line)
    assert message in error.message


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_directory_and_a_nul_are_no_site_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(SiteFileInvalid, match="cannot be read"):
        load(tmp_path / name)


def test_windows_line_ends_and_a_byte_order_mark_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes(("\ufeff" + SITE + LINE).replace("\n", "\r\n").encode())
    assert load(path).line[0].id == "bank"
    path.write_bytes((SITE + LINE + "x = 1").replace("\n", "\r\n").encode())
    with pytest.raises(SiteFileInvalid) as told:
        load(path)
    assert told.value.errors[0].line == 7


def test_what_is_told_is_safe_on_a_terminal() -> None:
    errors = errors_of(SITE + LINE + '"\\u001b[2J" = 1\nflow = "\\u001b]0;x\\u0007\\u202e"\n')
    assert all(error.key.isprintable() and error.message.isprintable() for error in errors)


@given(st.text())
def test_any_text_is_a_site_file_or_told(text: str) -> None:
    for tried in (text, SITE + LINE + text, f"[site]\nid = '{text}'\n" + LINE):
        with contextlib.suppress(SiteFileInvalid):
            parse(tried, secrets=None)


LINES = EXAMPLE.splitlines(keepends=True)


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """The example with comments taken away, lines lost, doubled and swapped, and characters changed."""
    lines = [line.removeprefix("#") if draw(st.integers(0, 9)) == 0 else line for line in LINES]
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(lines) - 1))
        what = draw(st.sampled_from(["lose", "double", "swap"]))
        if what == "lose" and len(lines) > 1:
            del lines[at]
        elif what == "double":
            lines.insert(at, lines[at])
        else:
            lines[at], lines[0] = lines[0], lines[at]
    text = "".join(lines)
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from(["", '"', "[", "]", "=", "\n", "9", "{", ".", "#", "\0", "é"]))
            + text[at + 1 :]
        )
    return text


@given(mutated())
@settings(max_examples=200)
def test_a_spoiled_example_is_a_site_file_or_told(text: str) -> None:
    errors: tuple[SiteError, ...] = ()
    try:
        site = parse(text, secrets=None)
    except SiteFileInvalid as invalid:
        errors = invalid.errors
    else:
        assert msgspec.convert(msgspec.to_builtins(site), schema.SiteFile) == site
        return
    assert errors
    for error in errors:
        assert error.message
        assert error.line is None or 1 <= error.line <= text.count("\n") + 1


NAMES = [
    *("site", "line", "path", "uplink", "panel", "journal", "control", "secrets", "id", "port", "dialect", "role"),
    *("address", "checks", "kind", "urls", "pins", "every_s", "fail", "of", "trunks", "baud", "sequence", "max_mb"),
    *("user", "key", "ca", "behind", "name", "x"),
]
VALUES = st.recursive(
    st.none().map(lambda _: 0)
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(
        ["a", "icmp", "tcp", "tl1", "firewall", "/dev/a", "10.0.0.1", "mqtts://h", "UTC", "lgpio", "M", "8N1", 60, 2]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(VALUES)
@settings(max_examples=300)
def test_walker_and_msgspec_refuse_the_same(value: object) -> None:
    problems = Problems(100)
    walk(value, schema.SiteFile, problems)
    try:
        msgspec.convert(value, schema.SiteFile)
    except msgspec.ValidationError:
        assert problems.found
    else:
        # Only what is not a number may be refused by us alone.
        assert all(re.search(r"is (nan|-?inf)", problem.message) for problem in problems.found)


PASSIVE = '[[path]]\nid = "fw"\nrole = "{role}"\naddress = "10.0.0.1"\n{keys}\nchecks = [{{ {check} }}]\n{more}'


@pytest.mark.parametrize(
    ("role", "check", "keys", "more", "key", "message"),
    [
        ("firewall", "kind = 'tls'", "", "", "path[0].checks[0].port", "a tls check needs the port"),
        ("firewall", "kind = 'dns'", "", "", "path[0].checks[0].name", "needs the name to ask for"),
        ("firewall", "kind = 'snmp'", "", "", "path[0].checks[0].community", "needs community"),
        ("firewall", "kind = 'snmp', version = '3'", "", "", "path[0].checks[0].user", "needs user"),
        (
            "firewall",
            "kind = 'snmp', version = '3', user = 'u', privacy = 'aes', privacy_password = 'p'",
            "",
            "",
            "path[0].checks[0].privacy",
            "needs authentication",
        ),
        ("firewall", "kind = 'syslog'", "", "", "path[0].checks[0]", "nothing hears it"),
        ("firewall", "kind = 'traps', community = 'c'", "", "", "path[0].checks[0]", "nothing hears them"),
        (
            "firewall",
            "kind = 'knock'",
            "secret = 's'",
            '[listen]\nknock = "0.0.0.0:1"',
            "path[0].checks[0].kind",
            "role",
        ),
        ("reflector", "kind = 'knock'", "secret = 's'", "", "path[0].checks[0]", "nothing hears it"),
        ("reflector", "kind = 'test-call'", "", "", "path[0].checks[0]", "secret = its secret"),
        ("far-end", "kind = 'test-call'", "", "", "path[0].checks[0]", "needs agreed_with"),
        (
            "reflector",
            "kind = 'test-call', every_s = 4",
            "secret = 's'",
            "",
            "path[0].checks[0].every_s",
            "a whole call: every 5 s",
        ),
        ("far-end", "kind = 'sip-options', ca = 'x'", "", "", "path[0].checks[0].ca", "is for TLS"),
        ("firewall", "kind = 'icmp'", "beside = 'fw'", "", "path[0].beside", "beside itself"),
        ("firewall", "kind = 'icmp'", "", '[listen]\ncall_ports = ["9-5"]', "listen.call_ports[0]", "low-high"),
        ("firewall", "kind = 'icmp'", "", '[listen]\ncalls_at = ["10.0.0.0/33"]', "listen.calls_at[0]", "no network"),
        ("firewall", "kind = 'icmp'", "", '[listen]\ntraps = "10.0.0.0:0"', "listen.traps", "no address and port"),
    ],
)
def test_each_mistake_of_a_path_is_told(role: str, check: str, keys: str, more: str, key: str, message: str) -> None:
    told_key, told = only(SITE + PASSIVE.format(role=role, check=check, keys=keys, more=more))
    assert told_key == key
    assert message in told


@pytest.mark.parametrize(
    "uri", ["sip:911@10.0.0.1", "urn:service:sos", "sip:%39%31%31@10.0.0.1", "sip:+911@h", "urn:service:sos.police"]
)
def test_a_test_call_never_goes_to_a_live_emergency_number(uri: str) -> None:
    text = SITE + PASSIVE.format(
        role="reflector", check=f"kind = 'test-call', to = '{uri}'", keys="secret = 's'", more=""
    )
    (error,) = errors_of(text)
    assert error.key == "path[0].checks[0].to"
