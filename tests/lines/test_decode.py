"""``dialtone decode``: one JSON object a reading, and an exit status that tells."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.cli import main

ROOT = Path(__file__).parent.parent.parent
GOOD = b'\r\n\n   MX2800 04-10-05 09:14:22\r\n** 000017 REPT ALM T1\r\n   "101:MJ,LOS,SA,10-05,09-14-22,NEND"\r\n;'
# INTERFACES.md, "decode".
NAMES = set(
    "sid date time alarm_code atag verb aid aid_type ntfcncde condtype srveff ocrdat ocrtm locn dirn conddescr".split()
)


def test_one_object_a_reading_with_the_grammars_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(GOOD)
    assert main(["decode", "tl1", str(file)]) == 0
    (told,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert set(told) >= NAMES
    assert (told["kind"], told["at"], told["state"], told["aid"], told["condtype"]) == (
        "alarm",
        None,
        "down",
        "101",
        "LOS",
    )


def test_garbage_is_told_and_makes_the_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(b"rubbish\r\n" + GOOD)
    assert main(["decode", "tl1", str(file)]) == 1
    assert [json.loads(line)["kind"] for line in capsys.readouterr().out.splitlines()] == ["garbage", "alarm"]


@pytest.mark.parametrize("name", ["missing", "."])
def test_an_unreadable_file_is_status_2(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "tl1", str(tmp_path / name)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("dialtone: ")


def test_an_unknown_dialect_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", "klingon", "-"]) == 2
    assert "DIALECT must be one of auto, tl1" in capsys.readouterr().err


def test_a_pipe_is_decoded_as_it_comes() -> None:
    command = [sys.executable, "-m", "agent", "decode", "tl1", "-"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(GOOD)
        child.stdin.flush()
        assert json.loads(child.stdout.readline())["kind"] == "alarm"  # before the end of the input
        child.stdin.close()
        assert child.stdout.read() == b""
    assert child.returncode == 0
