"""One emulated Pi through its day, in this order: started, alarmed, frozen, upgraded, its plug pulled in a storm.

Everything is seen from outside: by the GPIO registers, the UART and a subscriber. Only what no pin can show (memory,
the journal's chain) is asked on the console. QEMU is no proof of what a real pin does while nobody drives it: it models
no pulls, the panel's own resistors decide that.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from tests.appliance.board.gpio import median_s
from tests.appliance.board.qemu import BOOT_S
from tests.appliance.board.site import LAMP_PINS, PINS, Box, box
from tests.appliance.board.steps import ROOT
from tests.real.sites import tl1, until

BUTTONS_HEARD = find_spec("hw.inputs") is not None
STORM = [f"T1-{n}" for n in range(1, 29)]


@pytest.fixture(scope="module")
def on() -> Iterator[Box]:
    with box() as made:
        made.power_on()
        yield made


def say(what: str) -> None:
    """A figure, for whoever reads the run."""
    print(f"\n    {what}", flush=True)


def test_power_on_drives_the_panel_and_lights_ok_once_the_line_speaks(on: Box) -> None:
    watch = on.watch
    assert watch is not None
    wanted, began_s = frozenset(PINS.values()), on.board.started_s
    driven_s = until(lambda: watch.first_driven(wanted, began_s), "lamps, horn and heartbeat never driven", BOOT_S)
    say(f"power to the panel driven: {driven_s - began_s:.1f} s, QEMU {on.board.resident_mb():.0f} MB")
    on.line_speaks()
    lit_s = until(lambda: watch.first_high(LAMP_PINS, began_s), "no lamp was ever lit", BOOT_S)
    say(f"power to first lamp: {lit_s - began_s:.1f} s")
    assert watch.first_high(frozenset({PINS["ok"]}), began_s) == lit_s, "ok is the first"
    on.settle()
    assert on.subscriber.last("status/primary") is not None


def test_a_trunk_alarm_down_the_uart_flashes_sounds_and_is_reported(on: Box) -> None:
    watch = on.watch
    assert watch is not None
    sent_s = time.monotonic()
    on.board.uart.send(tl1("T1-1", "CR", "LOS", 1))
    lit_s = until(lambda: watch.first_high(frozenset({PINS["trunks"]}), sent_s), "the trunks lamp never lit")
    horn_s = until(lambda: watch.first_high(frozenset({PINS["horn"]}), sent_s), "the horn never sounded")
    topic = "alarm/bank-a_los_t1-1"
    heard = until(lambda: next((h for h in on.subscriber.heard if h.topic == topic and h.at_s >= sent_s), None), topic)
    say(
        f"UART to lamp {lit_s - sent_s:.3f} s, to horn {horn_s - sent_s:.3f} s, to the subscriber {heard.at_s - sent_s:.3f} s"
    )
    until(lambda: time.monotonic() > lit_s + 8, "eight seconds of flashing")
    flashing = watch.spans(PINS["trunks"], lit_s)
    sounding = watch.spans(PINS["horn"], horn_s - 0.5)
    high, low = median_s(flashing, True), median_s(flashing, False)
    say(f"flash {high:.3f} s on, {low:.3f} s off over {len(flashing)} spans; horn on {median_s(sounding, True):.3f} s")
    assert len(flashing) >= 10, flashing
    assert high == pytest.approx(0.5, abs=0.1)
    assert low == pytest.approx(0.5, abs=0.1)
    assert median_s(sounding, True) == pytest.approx(0.75, abs=0.15)


def test_acknowledged_by_its_button_it_is_steady_and_silent_and_cleared_and_reset_it_is_dark(on: Box) -> None:
    watch = on.watch
    assert watch is not None
    press(on, "ack")
    until(lambda: not on.horn_due(), "the alarm was never acknowledged", 60)
    said_s = time.monotonic()
    until(lambda: time.monotonic() > said_s + 3, "three seconds")
    after = watch.since(said_s)
    assert all(PINS["trunks"] in sample.high for sample in after), "steady"
    assert not any(PINS["horn"] in sample.high for sample in after), "silent"
    on.board.uart.send(tl1("T1-1", "CL", "LOS", 2, almcde="A "))
    until(lambda: any(not a["active"] for a in (on.status() or {}).get("alarms", [])), "it never cleared", 60)
    press(on, "reset")
    until(lambda: PINS["trunks"] not in watch.samples[-1].high, "the lamp never went dark")


def press(on: Box, button: str) -> None:
    """A press of more than a second; by the command line where this box has no buttons yet."""
    if not BUTTONS_HEARD:
        on.dialtone(button)
        return
    on.press(button)
    time.sleep(1.5)
    on.release(button)


def test_memory_and_processor_of_the_unit(on: Box) -> None:
    pid = on.unit("MainPID")["MainPID"]
    clock = on.board.console.run("getconf CLK_TCK").strip()

    def used() -> tuple[float, float]:
        stat = on.board.console.run(f"cat /proc/{pid}/stat /proc/uptime")
        words = stat.splitlines()[0].rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / int(clock), float(stat.splitlines()[1].split()[0])

    before, began = used()
    time.sleep(15)
    after, ended = used()
    status = on.board.console.run(f"grep -E 'VmRSS|VmHWM' /proc/{pid}/status")
    rss_mb = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    threads = on.board.console.run(f"cd /proc/{pid}/task; awk '{{print $2, $14 + $15}}' */stat | tr '\\n' ';'")
    say(f"its threads, in ticks of 1/{clock} s since the start: {threads}")
    say(f"the unit: {rss_mb:.1f} MB resident, {100 * (after - before) / (ended - began):.1f} % of one emulated core")
    assert rss_mb < 96


def test_a_frozen_agent_is_started_again_by_the_watchdog(on: Box) -> None:
    watch = on.watch
    assert watch is not None
    if on.unit("WatchdogUSec")["WatchdogUSec"] in ("0", "infinity"):
        pytest.skip("dialtone.service has no WatchdogSec")
    restarts = int(on.unit("NRestarts")["NRestarts"])
    on.board.console.run("systemctl kill --signal=STOP dialtone.service")
    frozen_s = time.monotonic()
    until(lambda: int(on.unit("NRestarts")["NRestarts"]) > restarts, "the watchdog never fired", 120)
    again_s = until(lambda: _rose_again(on, frozen_s), "the panel never came back", 120)
    say(f"frozen to the panel driven again: {again_s - frozen_s:.1f} s")
    on.answering()
    on.line_speaks()
    assert on.unit("Result")["Result"] == "success"


def _rose_again(on: Box, since_s: float) -> float | None:
    """When the pin of ``ok`` was first driven again, dark or lit, after it had been let go."""
    assert on.watch is not None
    gone = False
    for sample in on.watch.since(since_s):
        gone = gone or PINS["ok"] not in sample.outputs
        if gone and PINS["ok"] in sample.outputs:
            return sample.at_s
    return None


def test_an_upgrade_in_place_keeps_the_journal(on: Box) -> None:
    if not (ROOT / "systemd/install.sh").exists():
        pytest.skip("there is no systemd/install.sh")
    before = on.verify()
    version = (on.status() or {})["version"]
    began_s = time.monotonic()
    on.board.console.run("sh /srv/upgrade/systemd/install.sh --wheels /srv/upgrade/wheels", 900)
    status = until(lambda: (s := on.status()) and s["version"] != version and s, "the next version never answered", 120)
    say(f"upgrade from {version} to {status['version']}: {time.monotonic() - began_s:.0f} s")
    after = on.verify()
    assert after["whole"] is True
    assert after["store"] == before["store"]
    assert after["boots"] > before["boots"]
    assert after["first"] == before["first"]
    assert after["head"] > before["head"]
    on.answering()


def test_a_power_cut_in_an_alarm_storm_loses_nothing_that_was_told(on: Box) -> None:
    began = len(on.subscriber.ids())
    for turn in range(1, 40):
        for number, aid in enumerate(STORM):
            raised = turn % 2
            on.board.uart.send(
                tl1(aid, "CR" if raised else "CL", "LOS", 100 * turn + number, almcde="*C" if raised else "A ")
            )
        if len(on.subscriber.ids()) > began + 60:
            break
    until(lambda: len(on.subscriber.ids()) > began + 60, "the storm was never reported", 60)
    on.power_off()
    told = on.subscriber.ids()
    say(f"cut after {len(told)} entries told, {len(told) - began} of them in the storm")
    on.power_on()
    on.settle()
    journal = on.verify()
    newest = max(int(one.rsplit(".", 1)[1]) for one in told)
    say(f"journal: {journal['entries']} entries, head {journal['head']}, newest told before the cut {newest}")
    assert journal["whole"] is True
    assert {one.split(".")[0] for one in told} == {journal["store"]}
    assert journal["head"] >= newest
    until(lambda: PINS["trunks"] in on.watch.samples[-1].high, "the standing alarms are shown again")  # type: ignore[union-attr]


def test_repeated_death_ends_in_the_fail_safe_sounding_trouble(on: Box) -> None:
    watch = on.watch
    assert watch is not None
    if "dialtone-failsafe.service" not in on.unit("OnFailure").get("OnFailure", ""):
        pytest.skip("dialtone.service does not name dialtone-failsafe.service in OnFailure")
    began_s = time.monotonic()

    def failed() -> bool:
        facts = on.unit("ActiveState", "MainPID")
        if facts["ActiveState"] != "failed":
            on.board.console.run("systemctl kill --signal=KILL dialtone.service", check=False)
        return facts["ActiveState"] == "failed"

    until(failed, "systemd never gave up", 180)
    gave_up_s = time.monotonic()
    until(
        lambda: on.unit("ActiveState", unit="dialtone-failsafe.service")["ActiveState"] == "active", "no fail-safe", 60
    )
    horn_s = until(lambda: watch.first_high(frozenset({PINS["horn"]}), gave_up_s), "the fail-safe never sounded", 120)
    until(lambda: time.monotonic() > horn_s + 4, "four seconds of trouble")
    beep_s = median_s(watch.spans(PINS["horn"], horn_s - 0.5), True)
    say(
        f"first death to giving up {gave_up_s - began_s:.0f} s, then {horn_s - gave_up_s:.1f} s to beeps of {beep_s:.3f} s"
    )
    assert 0 < beep_s < 0.3, "trouble is short beeps, an alarm is long ones"
    assert PINS["ok"] not in watch.samples[-1].high
    on.board.console.run("systemctl reset-failed dialtone.service; systemctl start dialtone.service")
    on.answering()
    assert on.unit("ActiveState", unit="dialtone-failsafe.service")["ActiveState"] == "inactive"
    until(lambda: PINS["trunks"] in watch.samples[-1].high, "the storm's alarms are never shown again", 60)
