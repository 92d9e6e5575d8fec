"""``decode auto``: which dialect speaks, how sure, and when nobody can know."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.cli import main
from agent.lines.capture import Chunk
from agent.lines.guess import guess
from tests.lines.smdr.test_golden import CASES

NOISE = random.Random(7).randbytes(20_000)
SAMPLES: dict[str, bytes] = {
    "tl1": b'\r\n\n   MX2800 04-10-05 09:14:22\r\n** 000017 REPT ALM T1\r\n   "101:MJ,LOS,SA,10-05,09-14-22,NEND"\r\n;',
    "csu": b"NE815378\r\n283:14:57\r\nContinuous Loss of Signal detected\r\nat the Network Interface\r\n",
    "cisco": b"%CONTROLLER-5-UPDOWN: PRI E1 0/1/1, changed state to down (RAI detected)\r\n",
    "ali stx-etx": b"\x021051\r(212) 555-0123 11:41 0618\r\nNAME\r\n4600 MAIN ST\r\nRESD  ESN 319\r\n\x03" * 2,
    "ali blank-line": b"207\r\n801-555-0100 11:41:01 12312015\r\nTECHNOLOGIES INC\r\n4625 BUSN\r\nLAKE PARK BLVD\r\n"
    b"SALT LAKE CITY UT\r\nUNIT FLR ESN 319\r\nP#801-555-0100 ALT# - -\r\n\r\n" * 2,
}
for switch, record, _ in CASES:
    SAMPLES[f"smdr {switch}"] = SAMPLES.get(f"smdr {switch}", b"") + record


@pytest.mark.parametrize("name", list(SAMPLES))
def test_every_sample_is_known_and_nothing_else_is_as_sure(name: str) -> None:
    found = guess([Chunk(0, SAMPLES[name])])
    assert found.best is not None
    assert found.best.name == name
    assert found.sure > 0.8
    assert all(share < 0.2 for share in found.others.values())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"Main Menu\r\n1. Configuration\r\n2. Status\r\n3. Logout\r\nSelect> \r\n" * 20,
        NOISE,
        b"the quick brown fox jumps over the lazy dog\r\n" * 100,
    ],
)
def test_a_menu_a_text_and_noise_are_unknown(data: bytes) -> None:
    assert guess([Chunk(0, data)]).best is None


def test_a_wrong_parity_is_hinted_at() -> None:
    sent = bytes(byte | 0x80 if byte.bit_count() % 2 else byte for byte in SAMPLES["smdr nortel-old"])
    assert "7E1" in str(guess([Chunk(0, sent)]).hint)
    assert "baud" in str(guess([Chunk(0, NOISE)]).hint)


@given(st.lists(st.binary(max_size=400), max_size=5))
def test_any_bytes_are_answered(pieces: list[bytes]) -> None:
    found = guess([Chunk(number, piece) for number, piece in enumerate(pieces)])
    assert 0.0 <= found.sure <= 1.0


def test_the_command_says_it_first_and_reads_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "bytes"
    file.write_bytes(SAMPLES["smdr nortel-old"])
    assert main(["decode", "auto", str(file)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (told[0]["kind"], told[0]["dialect"], told[0]["switch"]) == ("guess", "smdr", "nortel-old")
    assert {one["kind"] for one in told[1:]} == {"call"}
    assert not any("555" in str(one["caller"]) for one in told[1:])
    assert main(["decode", "auto", "--show-callers", str(file)]) == 0
    assert "5550172" in capsys.readouterr().out
    file.write_bytes(b"what?\r\n" * 50)
    assert main(["decode", "auto", str(file)]) == 1


def test_a_map_is_tried_on_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    columns, file = tmp_path / "map.toml", tmp_path / "bytes"
    columns.write_text('start = [1, 11]\nstart_layout = "MM/DD HH:MM"\ntrunk = [13, 16]\n')
    file.write_bytes(b"06/18 13:15 T001\r\n06/18 13:16 T002\r\n06-18 13:16 T002\r\n")
    assert main(["decode", "smdr", "--map", str(columns), str(file)]) == 1
    told = capsys.readouterr()
    assert [json.loads(line)["kind"] for line in told.out.splitlines()] == ["call", "call", "garbage"]
    assert "2 records understood" in told.err
    columns.write_text('start = [11, 1]\nstart_layout = "MM/DD HH:MM"\ntrunk = [13, 16]\nstrat = 1\n')
    assert main(["decode", "smdr", "--map", str(columns), str(file)]) == 2
    assert 'map.strat: unknown key; did you mean "start"?' in capsys.readouterr().err
    columns.write_text('start = [11, 1]\nstart_layout = "MM/DD HH:MM"\ntrunk = [13, 16]\n')
    assert main(["decode", "smdr", "--map", str(columns), str(file)]) == 2
    assert "map.start: ends in column 1" in capsys.readouterr().err
