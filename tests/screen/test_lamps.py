"""The printable page: every point, pattern and voice has its words, and the committed page is what the code makes."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

from agent.alarms.points import POINTS
from agent.panel import LAMPS, Pattern, Voice
from agent.screen import lamps


def test_every_row_of_the_tables_has_words() -> None:
    assert set(lamps.MEANS) == set(POINTS)
    assert set(lamps.HEADS) == set(LAMPS)
    assert set(lamps.PATTERNS) == set(get_args(Pattern))
    assert set(lamps.HORN) == set(get_args(Voice)) - {"none"}


def test_the_committed_page_is_up_to_date() -> None:
    """Made by ``python -m agent.screen.lamps > agent/screen/lamps.svg``."""
    assert Path(lamps.__file__).with_name("lamps.svg").read_text() == lamps.page()


def test_each_point_stands_under_its_lamp() -> None:
    for point in POINTS.values():
        assert lamps.MEANS[point.name] in lamps.points_of(point.lamp)
