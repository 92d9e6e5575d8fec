"""What the box lets in, as rules: by the site file alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.cli import main
from agent.site import schema
from agent.site.admission import AdmissionInvalid, ruleset


def site(address: str = "192.0.2.1", **listen: str) -> schema.SiteFile:
    path = schema.Path(id="fw", role="firewall", address=address, checks=(schema.Icmp(), schema.Syslog()))
    return schema.SiteFile(site=schema.Site(id="a"), path=(path,), listen=schema.Listen(**listen))  # type: ignore[arg-type]


def accepted(rules: str) -> list[str]:
    return [line.strip() for line in rules.splitlines() if " dport " in line and "68" not in line and "546" not in line]


def test_nothing_is_open_by_default_nor_without_a_site_file() -> None:
    assert accepted(ruleset(site(), ["eth0"], ["wwan0"])) == []
    assert accepted(ruleset(None, ["eth0"], ["wwan0"])) == []


@pytest.mark.parametrize("site_file", [None, site(syslog_udp="0.0.0.0:514")])
def test_what_no_rule_lets_in_is_dropped_and_nothing_is_forwarded(site_file: schema.SiteFile | None) -> None:
    """Twice: by the chain's policy, which holds whatever a rule above becomes, and by its counting last rule."""
    chains = {}
    for text in ruleset(site_file, ["eth0"], ["wwan0"], ["eth0"]).split("  chain ")[1:]:
        name, *rules = (line.strip() for line in text.splitlines())
        chains[name.removesuffix(" {")] = rules[: rules.index("}")]
    assert chains["forward"] == ["type filter hook forward priority filter; policy drop;", "counter drop"]
    assert chains["input"][0] == "type filter hook input priority filter; policy drop;"
    assert chains["input"][-1] == "counter drop"
    assert "fib saddr . oif type != local counter drop" in chains["output"][-1]


def test_the_log_is_taken_from_the_path_that_sends_it_by_the_inside_alone() -> None:
    rules = ruleset(site(syslog_udp="0.0.0.0:514"), ["eth0"], ["wwan0"])
    assert accepted(rules) == ['iifname { "eth0" } ip saddr { 192.0.2.1 } udp dport 514 accept']


def test_a_path_with_a_name_opens_its_port_to_the_inside_and_ipv6_is_ipv6() -> None:
    assert accepted(ruleset(site("fw.example", syslog_udp="[::]:5514"), ["eth0"], [])) == [
        'iifname { "eth0" } meta nfproto ipv4 udp dport 5514 accept',
        'iifname { "eth0" } meta nfproto ipv6 udp dport 5514 accept',
    ]
    rules = ruleset(site("2001:db8::1", syslog_tcp="[::]:514"), ["eth0"], [])
    assert accepted(rules) == ['iifname { "eth0" } ip6 saddr { 2001:db8::1 } tcp dport 514 accept']


def test_log_in_by_the_network_only_where_it_is_named() -> None:
    assert "tcp dport 22" not in ruleset(site(), ["eth0"], ["wwan0"])
    assert 'iifname { "eth0" } tcp dport 22' in ruleset(site(), ["eth0"], ["wwan0"], ["eth0"])


@pytest.mark.parametrize(
    ("inside", "outside"),
    [(["eth0"], ["eth0"]), (['eth0"; accept'], []), (["a" * 16], []), ([""], []), ([f"e{n}" for n in range(9)], [])],
)
def test_interfaces_that_cant_be_kept_apart_are_refused(inside: list[str], outside: list[str]) -> None:
    with pytest.raises(AdmissionInvalid):
        ruleset(site(), inside, outside)


def test_a_wrong_site_file_opens_no_port_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "site.toml"
    wrong.write_text('[listen]\nsyslog_udp = "0.0.0.0:514"\n')
    assert main(["admission", str(wrong), "--inside", "eth0", "--outside", "wwan0"]) == 0
    out, err = capsys.readouterr()
    assert accepted(out) == []
    assert "policy drop" in out
    assert "no port is opened" in err
    assert main(["admission", str(wrong), "--inside", "eth0", "--outside", "eth0"]) == 2
