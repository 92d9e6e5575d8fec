"""What the console shows: golden pictures at several sizes, never green without cause, never a control character."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.client import Unanswered
from agent.panel import LAMPS, Pattern
from agent.screen import picture
from agent.screen.canvas import STYLES, changed
from agent.screen.face import HORNS, LAMP_WORDS, STATES, Face, Steady, face, mute
from agent.screen.layout import draw, fit
from agent.screen.letters import BLOCKS, GLYPHS, HEIGHT, drawn, plain, width_of, wrapped
from agent.screen.show import Show
from tests.screen.answers import OFF, VERDICT, alarm, blocked, well

GOLDEN = Path(__file__).parent / "golden"
SIZES = [(20, 6), (40, 12), (80, 25), (120, 33), (240, 67)]
FACES: dict[str, Callable[[], Face]] = {
    "well": lambda: face(well(), UTC),
    "blocked": lambda: face(blocked(), UTC),
    "mute": lambda: mute("timed out"),
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", FACES)
def test_golden(name: str, size: tuple[int, int]) -> None:
    """Made by ``python -m tests.screen.test_screen``; look at what changed before you commit it."""
    assert draw(FACES[name](), *size).text() + "\n" == golden(name, size).read_text()


def golden(name: str, size: tuple[int, int]) -> Path:
    return GOLDEN / f"{name}-{size[0]}x{size[1]}.txt"


def test_the_picture_in_readme_is_what_the_code_draws() -> None:
    assert Path(picture.__file__).with_name("screen.svg").read_text() == picture.picture()


def test_every_pattern_state_and_voice_has_a_word() -> None:
    from typing import get_args, get_type_hints

    from agent.panel import Voice
    from agent.payloads import AlarmState

    assert set(LAMP_WORDS) == set(get_args(Pattern))
    assert set(HORNS) == set(get_args(Voice)) - {"none"}
    assert set(STATES) == set(get_args(get_type_hints(AlarmState)["state"])) - {"normal"}


# -- letters -----------------------------------------------------------------------------------------------------------


def test_letters_are_of_one_height_and_differ() -> None:
    assert all(len(rows) == HEIGHT and len({len(row) for row in rows}) == 1 for rows in GLYPHS.values())
    assert len(set(GLYPHS.values())) == len(GLYPHS)
    assert set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;-+/()'?!&%") <= set(GLYPHS)


@given(st.text(max_size=30), st.integers(1, 4))
def test_letters_are_as_wide_as_said(text: str, scale: int) -> None:
    rows = drawn(plain(text), scale)
    assert max(map(len, rows)) <= width_of(plain(text), scale)
    assert set("".join(rows)) <= set(BLOCKS)


@given(st.text(max_size=200), st.integers(0, 3), st.integers(8, 120))
def test_wrapping_loses_no_word_and_stays_inside(text: str, scale: int, width: int) -> None:
    lines = wrapped(plain(text), scale, width)
    if lines is not None:
        assert "".join(lines).replace(" ", "") == plain(text).replace(" ", "")
        assert all((width_of(line, scale) if scale else len(line)) <= width for line in lines)


def test_action_is_never_smaller_than_the_rest_and_as_large_as_it_goes() -> None:
    do, why = fit("RING THE NOC.", "Something long is wrong here, and it is told.", "ALARM", 236, 50)
    assert do.scale >= why.scale >= 1
    assert fit("RING THE NOC.", "Wrong.", "ALARM", 236, 100)[0].scale >= do.scale


# -- what is said ------------------------------------------------------------------------------------------------------

states = st.sampled_from(["unacknowledged", "returned-unacknowledged", "acknowledged", "returned"])
alarms = st.builds(
    alarm,
    severity=st.sampled_from(["critical", "major", "minor"]),
    state=states,
    lamp=st.sampled_from(LAMPS),
    text=st.text(max_size=300),
)
answers = st.builds(
    well,
    lamps=st.fixed_dictionaries({str(lamp): st.sampled_from(list(LAMP_WORDS)) for lamp in LAMPS}),
    horn=st.text(max_size=20),
    name=st.text(max_size=80) | st.none(),
    alarms=st.lists(alarms, max_size=6),
    verdict=st.none()
    | st.builds(
        lambda do, why, fail: VERDICT | {"do_now": do, "sentence": f"{why} {do}", "calls_fail": fail},
        st.text(max_size=200),
        st.text(max_size=200),
        st.sampled_from([True, False, None]),
    ),
)


@given(answers)
def test_never_green_but_with_the_ok_lamp_lit_and_nothing_standing(status: dict[str, Any]) -> None:
    shown = face(status, UTC)
    fails = status["verdict"] is not None and status["verdict"]["calls_fail"] is True
    fault = fails or status["alarms"] or status["lamps"]["ok"] == "off"
    assert not (shown.level == "well" and fault)
    if any(one["severity"] != "minor" for one in status["alarms"]) or fails:
        assert shown.level == "alarm"


def test_a_minor_alarm_is_not_well_whatever_the_lamps_say() -> None:
    assert face(well(alarms=[alarm(severity="minor")]), UTC).level == "trouble"


@given(st.text(max_size=100))
def test_whatever_came_is_plain(text: str) -> None:
    assert all(" " <= ch <= "~" for ch in plain(text + "\x1b[2J\x9b\u202e\x07é"))


@given(answers, st.integers(-3, 250), st.integers(-3, 70))
def test_any_answer_fits_any_size_and_moves_no_cursor(status: dict[str, Any], columns: int, rows: int) -> None:
    canvas = draw(face(status, UTC), columns, rows)
    lines = canvas.lines()
    assert len(lines) == max(1, rows)
    for line in lines:
        bare = re.sub(r"\x1b\[\d+;\d+;\d+m", "", line)
        assert len(bare) == max(1, columns)
        assert all(" " <= ch <= "~" or ch in BLOCKS for ch in bare)


@pytest.mark.parametrize("broken", [{}, {"alarms": 3}, {"lamps": {}}, {"verdict": {}}, {"alarms": [{}]}])
def test_an_answer_that_cannot_be_understood_is_no_answer(broken: dict[str, Any]) -> None:
    assert face({**well(), **broken} if broken else {}, UTC).level == "mute"


def test_a_lamp_is_a_word_and_not_a_colour_alone() -> None:
    text = draw(face(blocked(), UTC), 80, 25).text()
    assert "FLASHING" in text
    assert re.search(r"\bON\b", text)
    colours = {style.split(";")[2] for style in STYLES.values()}
    assert len(colours) > 3


def test_since_is_the_oldest_alarm_of_the_lamp_and_midnight_changes_nothing() -> None:
    lamps = OFF | {"calls": "flash"}
    two = [alarm(raised="2024-06-18T23:59:59.900Z"), alarm(raised="2024-06-18T17:17:03.100Z")]
    shown = face(well(lamps=lamps, alarms=two), UTC)
    assert next(lamp for lamp in shown.lamps if lamp.name == "calls").since == "18 Jun 17:17"


def test_labels_that_tremble_round_a_full_minute_do_not() -> None:
    steady = Steady()
    first = steady.hold(well(ok_since="2024-06-14T07:11:59.999Z"))
    assert face(steady.hold(well(ok_since="2024-06-14T07:12:00.001Z")), UTC) == face(first, UTC)
    stepped = steady.hold(well(ok_since="2024-06-14T09:12:00.001Z"))
    assert stepped["ok_since"] == "2024-06-14T09:12:00.001Z"


# -- what is sent ------------------------------------------------------------------------------------------------------


def test_only_rows_that_changed_are_sent() -> None:
    assert changed(["a", "b"], ["a", "b"]) == ""
    assert changed(["a", "b"], ["a", "c"]) == "\x1b[2;1Hc\x1b[0m"
    assert changed(None, ["a"]).startswith("\x1b[2J")


class Agent:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.answer: dict[str, Any] | None = well()

    def __call__(self, *_: Any, **__: Any) -> dict[str, Any]:
        if self.answer is None:
            raise Unanswered("timed out")
        return dict(self.answer)


def test_nothing_is_sent_while_all_is_well_and_silence_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("agent.screen.show.time.monotonic", lambda: now[0])
    file = tmp_path / "out"
    with file.open("wb", buffering=0) as out:
        agent = Agent()
        show = Show(Path("none"), out.fileno(), agent)
        show.once(now[0])
        drawn_once = file.stat().st_size
        assert drawn_once > 0
        for _ in range(50):
            now[0] += 1
            show.once(now[0])
        assert file.stat().st_size == drawn_once
        agent.answer = None
        now[0] += 1
        show.once(now[0])
        assert file.stat().st_size == drawn_once  # a restart of a second is no alarm
        now[0] += 3
        show.once(now[0])
        assert b"NO ANSWER" in file.read_bytes()[drawn_once:]
        agent.answer = well()
        show.once(now[0])
        assert b"ALL IS WELL" in file.read_bytes()[drawn_once:]


def test_a_screen_without_an_agent_says_so_at_once(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb", buffering=0) as out:
        agent = Agent()
        agent.answer = None
        Show(Path("none"), out.fileno(), agent).once(1.0)
    assert b"NO ANSWER" in (tmp_path / "out").read_bytes()


def test_random_bytes_for_an_answer_are_no_answer() -> None:
    rng = random.Random(1)
    for _ in range(200):
        status = well()
        status[rng.choice(list(status))] = rng.choice([None, 3, "x", [], {}, [None], {"a": 1}])
        draw(face(status, UTC), 80, 25)


if __name__ == "__main__":
    for face_name in FACES:
        for columns_rows in SIZES:
            text = draw(FACES[face_name](), *columns_rows).text()
            golden(face_name, columns_rows).write_text(text + "\n")
