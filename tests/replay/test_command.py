"""``dialtone replay``: usage, listing, one run, the table and its kept results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent.cli import main
from agent.replay import table
from agent.replay.table import HEAD, markdown, rows, run_all
from agent.sim.outages.story import Case, stories

QUICK = "massachusetts-2024"


def test_it_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay"]) == 0
    told = capsys.readouterr().out
    assert QUICK in told
    assert "(control)" in told


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["no-such"], "no outage called"),
        ([QUICK, "--set", "x"], "needs key=value"),
        ([QUICK, "--set", "x=y"], "no number"),
        (["/nowhere/own.toml"], "/nowhere/own.toml: No such file"),
    ],
)
def test_wrong_usage_is_2(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_one_as_json_ends_with_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", QUICK, "--json", "--set", "calls_per_hour=20", "--seed", "3"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert told[-1]["summary"] is True
    assert told[-1]["seed"] == 3
    assert {"world", "verdict", "alarm", "lamp", "horn"} <= {one["who"] for one in told[:-1]}


def test_an_outage_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "own.toml"
    file.write_text(
        'name = "own"\ntitle = "T"\nstory = "S"\nsources = ["mine"]\nstart = "2026-01-01T10:00"\nafter_s = 60\n'
        'before_s = 60\nsite = { ali = false, smdr = false }\nexpect = { causes = ["firewall-down"] }\n'
        '[[change]]\nat_s = 0\nset = { "firewall.alive" = false }\n'
        '[[variant]]\nname = "other"\ntitle = "O"\nsite = { snmp = false }\n'
    )
    assert main(["replay", str(file)]) == 0
    assert "firewall-down after" in capsys.readouterr().out
    assert main(["replay", f"{file}/other", "--json"]) == 0
    assert '"outage": "own/other"' in capsys.readouterr().out
    file.write_text("name = 3")
    assert main(["replay", str(file)]) == 2
    assert "own.toml" in capsys.readouterr().err


def few(case: Case) -> bool:
    return case.name in (QUICK, stories()[-1].name)


def test_kept_results_are_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = tmp_path / "results.jsonl"
    first = run_all([1], 1, kept, lambda _done, _of: None, few)
    assert len(first) == 2
    with kept.open("a") as file:
        file.write('{"outage": "cut off')
    monkeypatch.setattr(table, "_job", lambda _job: pytest.fail("run again"))
    assert run_all([1], 1, kept, lambda _done, _of: None, few) == first
    shown = rows(first)
    assert [row[0] for row in shown] == [QUICK, stories()[-1].name]
    assert next(iter(markdown(shown))) == "| " + " | ".join(HEAD) + " |"
