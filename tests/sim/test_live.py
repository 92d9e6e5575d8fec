"""What the live terminal works out for itself: phases from patterns, and a line for each event received."""

from __future__ import annotations

from agent.panel import LAMPS, levels
from agent.sim.live import Phases, report_line
from agent.sim.script import Script, Step, is_change, journal_head, lit, look
from agent.sim.subscriber import Report

MS = 1_000_000
OFF = dict.fromkeys(LAMPS, "off")


def test_a_flash_keeps_its_phase_while_it_lasts() -> None:
    phases = Phases()
    lamps = {**OFF, "trunks": "flash"}
    seen = [levels(phases.see(lamps, "alarm", at * MS), at * MS).lit["trunks"] for at in range(1000, 3000, 250)]
    assert seen == [True, True, False, False] * 2


def test_a_new_pattern_begins_anew() -> None:
    phases = Phases()
    phases.see({**OFF, "trunks": "steady"}, "none", 0)
    view = phases.see({**OFF, "trunks": "flash"}, "none", 700 * MS)
    assert view.lamps["trunks"].since_ns == 700 * MS
    assert levels(view, 700 * MS).lit["trunks"]


def test_unknown_words_read_as_off_and_silent() -> None:
    view = Phases().see({"trunks": "disco"}, "opera", 5)
    assert {light.pattern for light in view.lamps.values()} == {"off"}
    assert view.horn.voice == "none"


def test_an_event_is_one_line() -> None:
    body = {
        "id": "aa.1.7",
        "type": "dialtone.alarm.v1",
        "time": "2024-06-18T17:15:00.412Z",
        "data": {"id": "bank-a_los_t1-1", "change": "raised"},
    }
    assert report_line(Report(0.0, "event", body)) == "17:15:00.412  aa.1.7  bank-a_los_t1-1 raised"
    verdict = {"id": "aa.1.8", "type": "dialtone.verdict.v1", "data": {"cause": "firewall-blocking"}}
    assert report_line(Report(0.0, "event", verdict)).endswith("aa.1.8  verdict firewall-blocking")
    assert report_line(Report(0.0, "event", {"id": "aa.1.9"})).endswith("aa.1.9  event")


def test_what_the_script_looks_for() -> None:
    status = {"lamps": {**OFF, "ok": "wink"}, "horn": "none", "senses": [], "journal": {"head": 3}}
    assert lit(status) == ["ok"]
    assert look(status) == "lamps: ok wink; horn: none; senses: "
    assert journal_head(status) == 3
    report = Report(0.0, "event", {"id": "a.1.1", "data": {"type": "los", "change": "raised"}})
    assert is_change(report, "los", "raised")
    assert not is_change(report, "los", "returned")
    assert not is_change(Report(0.0, "alarm/x", {"id": "a.1.1", "data": {"type": "los"}}), "los", "raised")


def run_steps(within_s: float, *fates: str) -> tuple[int, list[str]]:
    import asyncio

    from agent.sim.script import NotHappened

    told: list[str] = []

    def step(number: int, fate: str) -> Step:
        async def do() -> str:
            if fate in ("fails", "vital"):
                raise NotHappened("no sign of it")
            if fate == "hangs":
                await asyncio.sleep(600)
            return f"words {number}"

        return Step(f"step {number}", do, vital=fate == "vital")

    async def run() -> int:
        script = Script(None, 1.0, told.append)  # type: ignore[arg-type]
        return await script.run([step(number, fate) for number, fate in enumerate(fates)], within_s)

    return asyncio.run(run()), told


def test_all_happened() -> None:
    status, told = run_steps(30, "well", "well")
    assert status == 0
    assert told[-1] == "2 of 2 things happened"


def test_what_did_not_happen_is_named_and_the_rest_goes_on() -> None:
    status, told = run_steps(30, "well", "fails", "well")
    assert status == 1
    assert told[-2:] == ["2 of 3 things happened", "  did not happen: step 1"]
    assert any("words 2" in line for line in told)


def test_without_a_vital_step_the_rest_is_not_tried() -> None:
    status, told = run_steps(30, "vital", "well")
    assert status == 1
    assert told[-2:] == ["  did not happen: step 0", "  did not happen: step 1"]


def test_the_time_is_a_hard_bound() -> None:
    status, told = run_steps(0.3, "well", "hangs", "well")
    assert status == 1
    assert told[-3:] == ["1 of 3 things happened", "  did not happen: step 1", "  did not happen: step 2"]
