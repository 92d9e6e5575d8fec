"""``dialtone verify``: what it prints and how it ends."""

from __future__ import annotations

import argparse
import json
import sqlite3
from pathlib import Path

import pytest

from agent.commands import verify
from agent.journal.store import Store
from tests.journal.made import urgent


def ended(*arguments: str) -> int:
    top = argparse.ArgumentParser()
    verify.add(top.add_subparsers(required=True))
    args = top.parse_args(["verify", *arguments])
    status: int = args.run(args)
    return status


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    store = Store.open(tmp_path / "journal", 1 << 20, "0badcafe")
    store.append([urgent(n) for n in range(5)])
    store.close()
    return tmp_path / "journal"


def test_whole(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(str(journal)) == 0
    text = capsys.readouterr().out
    assert "whole: store 0badcafe, entries 1 to 5, 1 starts" in text
    assert ended(str(journal), "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["whole"], report["entries"], report["head"], report["broken"]) == (True, 5, 5, None)
    assert report["head_hash"] in text


def test_broken_says_where(journal: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(journal / "journal.db") as db:
        db.execute("UPDATE chain SET mono_ns = 77 WHERE seq = 4")
    db.close()
    assert ended(str(journal)) == 1
    assert capsys.readouterr().out.startswith("broken at entry 4: ")
    assert ended(str(journal), "--json") == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["whole"], report["broken"]["seq"], report["entries"]) == (False, 4, 3)


def test_a_file_that_is_no_journal_is_broken(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("not a journal")
    assert ended(str(tmp_path)) == 1


def test_an_empty_journal_is_whole(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Store.open(tmp_path, 1 << 20, "0badcafe").close()
    assert ended(str(tmp_path)) == 0
    assert "no entries" in capsys.readouterr().out


def test_no_journal_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(str(tmp_path)) == ended(str(tmp_path / "nowhere")) == 2
    assert "no journal" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_site_file_names_the_journal(journal: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = tmp_path / "site.toml"
    line = '[[line]]\nid = "bank-a"\nport = "/dev/ttyS0"\ndialect = "tl1"\n'
    site.write_text(f'[site]\nid = "testville"\n{line}[journal]\ndirectory = "{journal}"\n')
    status = ended(str(site))
    assert status == 0, capsys.readouterr().err
    site.write_text("[site\n")
    assert ended(str(site)) == 2
