"""The buttons on gpiozero's mock pins, through the shell, into what the core would be asked."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

import hw.panel
from agent.clock import RealClock
from agent.panel import DARK, LAMPS, Levels, Light, PanelView
from agent.panel_shell import PanelShell
from agent.readings import Input, Reading, Request
from agent.site import schema
from hw.board import load_board
from hw.panel import PinPanel

HEAD = load_board("dialtone-8-head")
PATIENCE_S = 30.0


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    made = MockFactory(pin_class=MockPWMPin)
    monkeypatch.setattr(hw.panel, "_build_factory", lambda pins: made)
    yield made
    made.close()


class Heard:
    """What came out of the shell, and in which thread."""

    def __init__(self) -> None:
        self.posted: list[Input] = []
        self.told: list[tuple[str, str | None, str]] = []
        self.threads: set[int] = set()

    def post(self, item: Input) -> None:
        self.posted.append(item)
        self.threads.add(threading.get_ident())

    def tell(self, sense: str, reason: str | None, subject: str) -> None:
        self.told.append((sense, reason, subject))

    def asked(self) -> list[str]:
        return [item.do for item in self.posted if isinstance(item, Request)]


async def until(what: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.01)


def running(board: str, steps: Callable[[PanelShell, Heard], Awaitable[None]]) -> Heard:
    heard = Heard()

    async def run() -> None:
        shell = PanelShell(schema.Panel(board=board), RealClock(), None, heard.tell, heard.post)
        shell.open()
        try:
            await steps(shell, heard)
        finally:
            shell.close()

    asyncio.run(run())
    return heard


def push(factory: MockFactory, name: str, closed: bool) -> None:
    """A finger: at any moment, in no thread of ours."""
    pin = factory.pin(f"GPIO{HEAD.inputs()[name].pin}")
    thread = threading.Thread(target=pin.drive_low if closed else pin.drive_high)
    thread.start()
    thread.join()


def test_each_button_asks_for_its_own_and_in_the_loops_thread(factory: MockFactory) -> None:
    async def steps(shell: PanelShell, heard: Heard) -> None:
        for number, name in enumerate(("silence", "ack", "reset", "head-ack"), 1):
            push(factory, name, True)
            await until(lambda n=number: len(heard.asked()) == n)
            push(factory, name, False)
        await asyncio.sleep(0.1)

    heard = running("dialtone-8-head", steps)
    assert heard.asked() == ["silence", "ack", "reset", "ack"]
    requests = [item for item in heard.posted if isinstance(item, Request)]
    assert {request.origin for request in requests} == {"button"}
    assert [request.who for request in requests][-2:] == ["button on the panel", "button on the head"]
    assert len({request.id for request in requests}) == 4
    assert heard.threads == {threading.get_ident()}


def test_test_tapped_and_test_held(factory: MockFactory) -> None:
    async def steps(shell: PanelShell, heard: Heard) -> None:
        push(factory, "test", True)
        await asyncio.sleep(0.1)
        push(factory, "test", False)
        await until(heard.asked)
        push(factory, "test", True)
        await until(lambda: len(heard.asked()) == 2)
        push(factory, "test", False)

    heard = running("dialtone-8-head", steps)
    args = [dict(item.args) for item in heard.posted if isinstance(item, Request)]
    assert args == [{"seconds": 5}, {"whole": True}]


def test_a_held_no_voice_button_is_one_press_and_says_where(factory: MockFactory) -> None:
    async def steps(shell: PanelShell, heard: Heard) -> None:
        for name in ("no-voice", "head-no-voice"):
            push(factory, name, True)
            await until(lambda n=name: any(getattr(i, "subject", "") == n for i in heard.posted))
            push(factory, name, False)
        await until(lambda: len(heard.posted) == 4)

    posted = [item for item in running("dialtone-8-head", steps).posted if isinstance(item, Reading)]
    shown = sorted((str(r.detail["position"]), str(r.detail["active"]), r.source, r.kind) for r in posted)
    assert shown == [(place, active, "panel", "contact") for place in ("head", "panel") for active in ("False", "True")]


def test_no_thread_is_begun_and_a_tap_of_a_tenth_of_a_second_is_heard(factory: MockFactory) -> None:
    before = threading.active_count()

    async def steps(shell: PanelShell, heard: Heard) -> None:
        assert threading.active_count() == before
        push(factory, "ack", True)
        await asyncio.sleep(0.1)
        push(factory, "ack", False)
        await until(heard.asked)

    assert running("dialtone-8-head", steps).asked() == ["ack"]


def test_a_cut_cable_to_the_head_is_told_and_its_mending(factory: MockFactory) -> None:
    async def steps(shell: PanelShell, heard: Heard) -> None:
        def last() -> str | None:
            return [reason for _, reason, subject in heard.told if subject == "head"][-1]

        push(factory, "head-loop", True)
        await asyncio.sleep(0.1)
        assert last() is None
        push(factory, "head-loop", False)
        await until(lambda: last() == "the remote head's cable is cut or unplugged")
        push(factory, "head-loop", True)
        await until(lambda: last() is None)

    running("dialtone-8-head", steps)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # gpiozero's own __del__ closes the pin
def test_a_button_whose_pin_is_taken_costs_no_lamp(factory: MockFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = factory.pin("GPIO6")

    def busy(_value: str) -> None:
        raise OSError("GPIO busy")

    monkeypatch.setattr(taken, "_set_function", busy)

    async def steps(shell: PanelShell, heard: Heard) -> None:
        assert shell.driven
        push(factory, "reset", True)
        await until(heard.asked)

    heard = running("dialtone-8-head", steps)
    assert heard.asked() == ["reset"]
    assert [reason for _, reason, subject in heard.told if subject == "buttons"] == [
        "ack: GPIO 6 can't be read: GPIO busy"
    ]


def test_the_head_sounds_and_lights_with_the_panel(factory: MockFactory) -> None:
    panel = PinPanel(HEAD, "mock")
    panel.apply(Levels(dict.fromkeys(LAMPS, False), "alarm", True, head=True))
    on = {name for name, value in panel.pin_values().items() if value}
    assert on == {"horn", "head-horn", "head-lamp"}
    panel.close()


def test_a_passive_buzzer_is_given_its_tone(factory: MockFactory) -> None:
    board = load_board("dialtone-8-passive")
    panel = PinPanel(board, "mock")
    pin = factory.pin(f"GPIO{board.horn.pin}")
    assert (pin.frequency, pin.state) == (2700, 0)
    panel.apply(Levels(dict.fromkeys(LAMPS, False), "alarm", True))
    assert pin.state == 0.5
    assert panel.pin_values()["horn"]
    panel.apply(Levels(dict.fromkeys(LAMPS, False), "none", False))
    assert pin.state == 0
    panel.close()


def test_in_a_test_an_output_that_reads_wrong_is_told(factory: MockFactory) -> None:
    async def steps(shell: PanelShell, heard: Heard) -> None:
        lit = {lamp: Light("steady", 0) for lamp in LAMPS}
        shorted = factory.pin("GPIO22")
        shorted._set_state = lambda value: None
        shell.show(PanelView(lit, DARK.horn))
        assert not [reason for sense, reason, _ in heard.told if sense == "panel" and reason]
        shell.show(PanelView(lit, DARK.horn, tested=True))
        await until(lambda: [reason for _, reason, _ in heard.told if reason])

    heard = running("dialtone-8", steps)
    assert [reason for _, reason, _ in heard.told if reason] == ["trunks: reads other than it was set"]
