"""``dialtone panel-test`` on mock pins: what is asked, what a finger does, what is said, and the exit status."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

import hw.panel
from agent import cli
from agent.commands import panel_test
from agent.commands.panel_test import Walk, told
from agent.panel import LAMPS
from hw.board import load_board
from hw.panel import PinPanel

HEAD = load_board("dialtone-8-head")


@pytest.fixture
def factory(monkeypatch: pytest.MonkeyPatch) -> Iterator[MockFactory]:
    made = MockFactory(pin_class=MockPWMPin)
    monkeypatch.setattr(hw.panel, "_build_factory", lambda pins: made)
    monkeypatch.setattr(panel_test, "SHOW_S", 0.05)
    yield made
    made.close()


def closed(monkeypatch: pytest.MonkeyPatch, factory: MockFactory, pin: str) -> None:
    """That contact is closed from the moment at which its pin is pulled up."""
    before = PinPanel.listen

    def listen(self: PinPanel) -> list[str]:
        names = before(self)
        factory.pin(pin).drive_low()
        return names

    monkeypatch.setattr(PinPanel, "listen", listen)


def steps(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_technician_sees_each_lamp_alone_hears_each_voice_and_presses_each_button(
    factory: MockFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    panel = PinPanel(HEAD, "mock")
    seen = []
    finger = iter(name for name in HEAD.inputs() if name != "head-loop")

    def ask(question: str) -> bool:
        seen.append((question, sorted(n for n, on in panel.pin_values().items() if on and n != "heartbeat")))
        return True

    looks = 0

    def nap(_seconds: float) -> None:
        """Somebody presses the button that is waited for, and lets it go."""
        nonlocal looks
        if len(seen) < len(LAMPS) + 5:  # the lamps, the head's, three voices, dark
            return
        pressed = [n for n, closed in panel.closed().items() if closed and n != "head-loop"]
        name = pressed[0] if pressed else next(finger)
        pin = factory.pin(f"GPIO{HEAD.inputs()[name].pin}")
        pin.drive_high() if pressed else pin.drive_low()

    monkeypatch.setattr(panel_test.time, "sleep", nap)
    closed(monkeypatch, factory, "GPIO4")  # the head's cable is whole
    walk = Walk(panel, ask, 30.0, 0.01)
    assert told(walk, as_json=True) == 0
    assert [lit for _, lit in seen[:8]] == [[lamp] for lamp in LAMPS]
    assert seen[8][1] == ["head-lamp"]
    assert [question for question, _ in seen[9:12]] == [
        f"Did the horn sound {voice}?" for voice in ("alarm", "ringback", "trouble")
    ]
    assert seen[12][1] == []
    done = steps(capsys)
    assert all(step["ok"] for step in done)
    assert len(done) == 8 + 1 + 3 + 1 + 8
    panel.close()


def test_lines_without_a_terminal_are_answers_and_a_no_is_a_fault(
    factory: MockFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\nn\n" + "y\n" * 10))
    assert cli.main(["panel-test", "--board", "dialtone-8", "--pins", "mock", "--press", "0.05", "--json"]) == 1
    found = {str(step["step"]): step["wrong"] for step in steps(capsys)}
    assert found["lamp ok"] == ""
    assert found["lamp calls"] == "not seen or heard, says who was asked"
    assert found["button ack"] == "was not pressed within 0.05 s"


def test_nobody_there_is_no_yes(
    factory: MockFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert cli.main(["panel-test", "--board", "dialtone-8", "--pins", "mock", "--press", "0.05"]) == 1
    assert "0 of 17 are well" in capsys.readouterr().out


def test_unattended_judges_what_the_pins_read_back(
    factory: MockFactory, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    line = ["panel-test", "--board", "dialtone-8", "--pins", "mock", "--unattended", "--json"]
    assert cli.main(line) == 0
    assert all(step["ok"] for step in steps(capsys))
    pin = factory.pin("GPIO22")
    pin._set_state = lambda value: None  # shorted to ground
    closed(monkeypatch, factory, "GPIO6")  # and `ack` is taped
    assert cli.main(line) == 1
    wrong = {step["step"]: step["wrong"] for step in steps(capsys) if not step["ok"]}
    assert wrong == {
        "lamp trunks": "trunks: reads other than it was set",
        "button ack": "closed, and nobody was asked to press it",
    }


def test_an_unplugged_head_is_told(factory: MockFactory, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["panel-test", "--board", "dialtone-8-head", "--pins", "mock", "--unattended"]) == 1
    assert "WRONG  button head-loop: open: the head's cable is cut or unplugged" in capsys.readouterr().out


def test_wrong_usage_and_no_pins(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert cli.main(["panel-test"]) == 2
    assert cli.main(["panel-test", "--board", "none-such"]) == 2
    assert cli.main(["panel-test", str(tmp_path / "none.toml")]) == 2
    assert cli.main(["panel-test", "--board", "dialtone-8", "--pins", "lgpio", "--unattended"]) == 1
    assert "Does the agent run?" in capsys.readouterr().err
