"""Capture and play on real ptys: what one device said, another run of the agent's commands hears again."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

from agent.lines.capture import chunks
from tests.real.sites import ROOT, tl1, until
from tests.real.test_calls import Wire, smdr

SAID = tl1("T1-1", "MJ", "LOS", 1) + smdr(1, 30)


def dialtone(*arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "agent", *arguments], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def recorded(path: Path) -> bytes:
    with path.open() as lines:
        return b"".join(chunk.data for chunk in chunks(iter(lines)))


def capture(tmp_path: Path) -> Path:
    wire, file = Wire(tmp_path / "port"), tmp_path / "capture"
    child = dialtone("capture", str(wire.link), "-o", str(file))
    try:
        until(lambda: file.exists() and taken(wire), "the capture does not listen")
        wire.send(SAID)
        until(lambda: recorded(file) == SAID, "what was sent was not recorded")
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=30)
        assert child.returncode == 0
        assert b"callers' numbers and places in clear" in told
    finally:
        child.kill()
        child.wait()
        wire.close()
    return file


def taken(wire: Wire) -> bool:
    """Whether another process has the tty open."""
    device = wire.link.stat().st_rdev
    for fd in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if fd.parts[2] != str(os.getpid()) and fd.stat().st_rdev == device:
                return True
        except OSError:
            continue
    return False


def test_bytes_are_recorded_for_their_owner_alone_and_played_again(tmp_path: Path) -> None:
    file = capture(tmp_path)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert recorded(file) == SAID
    link, again = tmp_path / "played", tmp_path / "again"
    player = dialtone("play", str(file), "--link", str(link), "--speed", "10")
    until(link.is_symlink, "no port to play on")
    recorder = dialtone("capture", str(link), "-o", str(again))
    try:
        assert player.wait(60) == 0
        until(lambda: recorded(again) == SAID, "what was played is not what was recorded")
    finally:
        for child in (player, recorder):
            child.kill()
            child.wait()
    assert not link.exists()


def test_a_capture_decodes_with_its_times(tmp_path: Path) -> None:
    file = capture(tmp_path)
    child = dialtone("decode", "tl1", str(file))
    out, _ = child.communicate(timeout=60)
    told = [json.loads(line) for line in out.splitlines()]
    assert [one["kind"] for one in told] == ["alarm", "garbage"]
    assert told[0]["at"] > 0


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("mine")
    child = dialtone("capture", "/dev/null", "-o", str(tmp_path / "there"))
    child.communicate(timeout=60)
    assert child.returncode == 2
    assert (tmp_path / "there").read_text() == "mine"
