"""kill -9 in a storm of alarms, and at each fsync: what the journal holds afterwards.

The guarantee: entries are committed in the order in which their lamps were set. After any kill the journal holds
a prefix of them with every entry whose commit was done; missing may be only the entries of the one commit in
flight and those that queued behind it while it ran. The chain verifies. kill -9 leaves the page cache whole, so
the order of fsync is tested by killing the agent *at* each of them (strace).
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.real.sites import ROOT, Site, site, tl1, until
from tests.real.trace import Trace

KILLS = int(os.environ.get("DIALTONE_KILLS", "20"))
SEED = int(os.environ.get("DIALTONE_SEED", str(random.randrange(1 << 32))))
TRUNKS = ", ".join(f'"T1-{n}" = "cama"' for n in range(1, 29))


@contextmanager
def storm(s: Site, rng: random.Random) -> Iterator[None]:
    """Alarms raised and cleared as fast as the line takes them, until the end of the block."""
    stop = threading.Event()

    def send() -> None:
        atag = 0
        while not stop.is_set():
            atag += 1
            code = rng.choice(["MJ", "CL"])
            try:
                s.send(tl1(f"T1-{rng.randint(1, 28)}", code, rng.choice(["LOS", "AIS", "RAI"]), atag))
            except OSError:
                return
            if atag % 5 == 0:
                time.sleep(0.001)

    thread = threading.Thread(target=send, daemon=True)
    os.set_blocking(s.master, True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        deadline = time.monotonic() + 30
        while thread.is_alive() and time.monotonic() < deadline:
            drain(s)
            thread.join(0.01)
        drain(s)


def drain(s: Site) -> None:
    """Take what nobody reads any more out of the pty, so that its writer is not stuck."""
    os.set_blocking(s._slave, False)
    try:
        while os.read(s._slave, 65536):
            pass
    except OSError:
        pass


def alarms_in(s: Site, after: int) -> tuple[list[tuple[str, str]], set[int]]:
    """The alarm entries after ``after`` in the journal, and all sequence numbers after it."""
    with sqlite3.connect(f"file:{s.journal / 'journal.db'}?mode=ro", uri=True) as db:
        rows = db.execute("SELECT seq, kind, payload FROM entry WHERE seq > ? ORDER BY seq", (after,)).fetchall()
    found = [(p["id"], p["change"]) for _, kind, raw in rows if kind == "alarm" for p in [json.loads(raw)]]
    return found, {seq for seq, _, _ in rows}


def head(s: Site) -> int:
    database = s.journal / "journal.db"
    if not database.exists():
        return 0
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        return int(db.execute("SELECT coalesce(max(seq), 0) FROM entry").fetchone()[0])


def verified(s: Site) -> str:
    """What ``dialtone verify`` finds wrong; nothing if the chain is whole."""
    command = [sys.executable, "-m", "agent", "verify", str(s.journal)]
    verify = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if verify.returncode == 0 else verify.stdout + verify.stderr + "(not whole)"


def check(s: Site, before: int, trace: Trace) -> int:
    """The guarantee, after one life and death of the agent; how many entries the kill cost."""
    assert verified(s) == ""
    written, seqs = alarms_in(s, before)
    shown = trace.recorded()
    assert trace.committed() <= seqs, "an entry whose commit was reported is gone"
    # The last fact may be cut off by the kill between the hand-over and the pipe: one more entry may be written.
    assert written[: len(shown)] == shown[: len(written)], "the journal is no prefix of what was shown"
    assert len(written) <= len(shown) + 1
    return max(0, len(shown) - len(written))


def test_kill_9_in_a_storm_of_alarms() -> None:
    print(f"seed {SEED}: DIALTONE_SEED={SEED} repeats this")
    rng = random.Random(SEED)
    lost, shown = [], 0
    with site(trunks=TRUNKS) as s:
        for _ in range(KILLS):
            before, trace = head(s), Trace()
            command = (sys.executable, "-m", "tests.real.traced", str(s.file), str(trace.write_fd))
            with s.agent(*command, wait=False, pass_fds=(trace.write_fd,)) as child:
                trace.started()
                until(lambda trace=trace: trace.facts, "the agent never came up", 60)  # type: ignore[misc]
                with storm(s, rng):
                    time.sleep(rng.uniform(0.05, 0.8))
                    child.kill()
                    child.wait()
            trace.finish()
            lost.append(check(s, before, trace))
            shown += len(trace.recorded())
    print(f"{KILLS} kills, {shown} alarm changes shown; lost in flight: worst {max(lost)}, in all {sum(lost)}")
    assert shown > 10 * KILLS


def test_killed_at_each_of_its_fsyncs() -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("needs strace (Debian package strace)")
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    killed = 0
    for when in range(1, 13):
        with site(trunks=TRUNKS) as s:
            trace = Trace()
            inject = f"inject=fdatasync,fsync:signal=SIGKILL:when={when}"
            command = (strace, "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject)
            agent = (sys.executable, "-m", "tests.real.traced", str(s.file), str(trace.write_fd))
            with s.agent(*command, *agent, wait=False, pass_fds=(trace.write_fd,)) as child:
                trace.started()
                for number in range(1, 200):
                    if child.poll() is not None:
                        break
                    s.send(tl1(f"T1-{rng.randint(1, 28)}", rng.choice(["MJ", "CL"]), "LOS", number))
                    time.sleep(0.05)
                if child.poll() is None:
                    child.terminate()
                child.wait(60)
                killed += child.returncode != 0
            trace.finish()
            if trace.committed():
                check(s, 0, trace)
            with s.agent():  # it starts again on whatever the kill left
                pass
            assert verified(s) == ""
    print(f"killed at {killed} of 12 fsyncs")
    assert killed >= 8
