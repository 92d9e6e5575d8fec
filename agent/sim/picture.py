"""The README's picture: ``python -m agent.sim.picture > agent/sim/panel.svg``.

A T1's loss of signal goes through the line judge, the alarm book and the annunciator into the panel's own
levels, and the demo's own drawing shows them a tenth of a second later. The report's time and the verdict's
sentence are written by hand.
"""

from __future__ import annotations

import sys

from msgspec.structs import asdict

from agent.alarms.annunciator import compose, healthy
from agent.alarms.book import AlarmBook
from agent.alarms.trunks import LineJudge
from agent.draw import panel_svg
from agent.panel import DARK, MS, levels
from agent.readings import Reading

TITLE = "DIALTONE  ma-cambridge"
SENTENCE = "Part of trunk group cama-north is down: T1-1 on bank-a has no signal. Ring the provider's NOC."
HINT = "a acknowledge  s silence  r reset  t lamp test  1–6 cause a fault  q quit"
LOSS = Reading(
    source="bank-a",
    sense="tl1",
    kind="alarm",
    subject="T1-1",
    state="down",
    at_ns=0,
    detail={"condtype": "LOS", "conddescr": "Loss Of Signal", "ntfcncde": "MJ", "srveff": "SA"},
)


def draw() -> str:
    """The picture as SVG; the same text each time."""
    book = AlarmBook("M")
    for found in LineJudge("bank-a", {"T1-1": "cama-north", "T1-2": "cama-north"}).judge(LOSS):
        book.condition(
            found.resource, found.type, found.qualifier, found.holds, 0, text=found.text, declared=found.declared
        )
    view = compose(book, healthy(book.standing(), True), None, DARK, 0)
    shown = levels(view, 100 * MS)
    alarms = [asdict(alarm.look("raised")) for alarm in book.standing()]
    reported = [f"17:15:00.412  primary  {alarm['id']}  raised" for alarm in alarms]
    patterns = {lamp: light.pattern for lamp, light in view.lamps.items()}
    return panel_svg(shown.lit, patterns, shown.voice, SENTENCE, alarms, reported, HINT, TITLE)


if __name__ == "__main__":
    sys.stdout.write(draw())
