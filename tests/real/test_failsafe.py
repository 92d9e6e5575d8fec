"""No death of a process leaves a panel that looks healthy; and what sounds when nobody runs the agent any more."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.real.played_chip import PIN, PlayedChip
from tests.real.sites import PATIENCE_S, ROOT, Site, site, until
from tests.real.test_run import heard

HEALTHY_AFTER_S = 15.0
"""How long a panel may look healthy after a death, and no longer. The one time here that is a demand and no patience."""


@pytest.fixture
def chip(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedChip]:
    played = PlayedChip()
    for name, value in played.environment().items():
        monkeypatch.setenv(name, value)
    yield played
    played.close()


@contextlib.contextmanager
def failsafe(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-m", "hw.failsafe", str(file)], cwd=ROOT)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()


def on_pins(s: Site) -> None:
    s.file.write_text(s.file.read_text().replace('pins = "mock"', 'pins = "lgpio"'))


def well(s: Site, chip: PlayedChip) -> None:
    heard(s)
    until(lambda: s.status()["lamps"]["ok"] == "wink", "never healthy")
    until(lambda: chip.looks_healthy() and chip.relay_holds(), "the pins do not say so")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGABRT, signal.SIGSTOP, signal.SIGTERM], ids=lambda s: s.name)
def test_the_agents_death_is_seen(chip: PlayedChip, how: signal.Signals) -> None:
    """A hang (SIGSTOP) leaves the lamps as they are, perhaps `ok` lit: the wink is missing, and the relay falls."""
    with site() as s:
        on_pins(s)
        with s.agent() as child:
            well(s, chip)
            os.kill(child.pid, how)
            died = time.monotonic()
            until(lambda: not chip.looks_healthy(), "it looks healthy still", HEALTHY_AFTER_S)
            print(f"{how.name}: no longer healthy to look at after {time.monotonic() - died:.1f} s")
            assert not chip.relay_holds()
            if how != signal.SIGSTOP:
                child.wait(PATIENCE_S)
                until(lambda: not any(chip.levels.values()), "a lamp or the horn is driven by nobody")
            os.kill(child.pid, signal.SIGCONT) if how == signal.SIGSTOP else None


def test_the_failsafe_sounds_trouble_and_never_says_ok(chip: PlayedChip) -> None:
    with site() as s:
        on_pins(s)
        began = time.monotonic()
        with failsafe(s.file) as child:
            until(lambda: len(chip.sounding(began)) >= 4, "no horn")
            assert chip.lit("probe")
            assert not chip.looks_healthy()
            beats = [(round(at - began, 2), level) for at, level in chip.sounding(began)]
            print(beats)
            child.send_signal(signal.SIGTERM)
            assert child.wait(PATIENCE_S) == 0
        until(lambda: not any(chip.levels.values()), "the pins are still driven")
        assert not [edge for edge in chip.edges if edge[1] in (PIN["ok"], PIN["heartbeat"])]
        assert [level for _, level in beats][:4] == [1, 0, 1, 0]


def test_the_failsafes_own_death_changes_nothing_for_the_worse(chip: PlayedChip) -> None:
    with site() as s:
        on_pins(s)
        with failsafe(s.file) as child:
            until(lambda: chip.lit("probe"), "it never came")
            child.kill()
            child.wait()
        until(lambda: not any(chip.levels.values()), "the pins are still driven")
        with s.agent():
            well(s, chip)
            with failsafe(s.file) as second:
                time.sleep(1)
                second.kill()
            until(chip.looks_healthy, "a fail-safe that died has cost the agent its panel")


def test_it_waits_for_pins_that_another_process_still_holds(chip: PlayedChip) -> None:
    with site() as s:
        on_pins(s)
        with s.agent() as agent:
            well(s, chip)
            os.kill(agent.pid, signal.SIGSTOP)
            began = time.monotonic()
            with failsafe(s.file) as child:
                until(lambda: not chip.looks_healthy(), "still healthy")
                assert child.poll() is None
                assert not chip.sounding(began)
                agent.kill()
                agent.wait()
                until(lambda: chip.sounding(began), "it never took the pins over")


@pytest.mark.parametrize(
    "text",
    [
        '[site]\nid = "x"\n[panel]\npins = "lgpio"\n',
        '[[[ not TOML\n[panel] # here\npins = "lgpio"  # real\nnonsense = \n',
    ],
)
def test_a_broken_site_file_may_be_why_the_agent_failed(chip: PlayedChip, tmp_path: Path, text: str) -> None:
    file = tmp_path / "site.toml"
    file.write_text(text)
    began = time.monotonic()
    with failsafe(file):
        until(lambda: chip.sounding(began), "no horn")


def test_what_it_costs() -> None:
    """Resident memory of the process as it sounds, lgpio's own library included where it is installed."""
    told = subprocess.run(
        [
            sys.executable,
            "-S",
            "-c",
            "import sys, hw.failsafe as f; f.outputs_of(f.read('hw/boards/dialtone-8.toml'))\n"
            "print(open('/proc/self/status').read().split('VmRSS:')[1].split()[0], *sorted(sys.modules))",
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.split()
    print(f"fail-safe: {int(told[0]) / 1024:.1f} MB resident, without lgpio")
    heavy = {
        "gpiozero",
        "msgspec",
        "asyncio",
        "logging",
        "subprocess",
        "socket",
        "dataclasses",
        "re",
        "pathlib",
        "typing",
    }
    assert not heavy & set(told[1:])
