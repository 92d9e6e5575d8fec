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
