"""The life of a site file from afar, as a literal table. Pure: ``vault.py`` keeps the state, ``desk.py`` acts.

``local``: the file on this machine runs. ``trial``: a new one runs until a new connection to the NOC has come up, or
the time is over. ``applied``: it stays. ``rolled-back``: what ran before runs again.

A start of the agent in ``trial`` is counted: the third one that is not proved goes back, for a file that crashes the
agent, or a box that loses power again and again, must not be tried for ever.
"""

from __future__ import annotations

from typing import Literal

State = Literal["local", "trial", "applied", "rolled-back"]
Event = Literal["offered", "started", "started-too-often", "reached", "timed-out", "unusable", "edited"]
Runs = Literal["local", "new", "previous"]

TRIES_MAX = 3

# offered: a signed, judged file. started: the agent starts. reached: a connection of this run, over which the NOC's
# word can come. timed-out: none within the trial. unusable: the kept file can't be read or is no site file any longer.
# edited: a person has changed the local file since; a person at the box always wins.
TABLE: dict[tuple[State, Event], tuple[State, Runs]] = {
    ("local", "offered"): ("trial", "new"),
    ("local", "started"): ("local", "local"),
    ("local", "started-too-often"): ("local", "local"),
    ("local", "reached"): ("local", "local"),
    ("local", "timed-out"): ("local", "local"),
    ("local", "unusable"): ("local", "local"),
    ("local", "edited"): ("local", "local"),
    ("trial", "offered"): ("trial", "new"),
    ("trial", "started"): ("trial", "new"),
    ("trial", "started-too-often"): ("rolled-back", "previous"),
    ("trial", "reached"): ("applied", "new"),
    ("trial", "timed-out"): ("rolled-back", "previous"),
    ("trial", "unusable"): ("rolled-back", "previous"),
    ("trial", "edited"): ("local", "local"),
    ("applied", "offered"): ("trial", "new"),
    ("applied", "started"): ("applied", "new"),
    ("applied", "started-too-often"): ("applied", "new"),
    ("applied", "reached"): ("applied", "new"),
    ("applied", "timed-out"): ("applied", "new"),
    ("applied", "unusable"): ("rolled-back", "previous"),
    ("applied", "edited"): ("local", "local"),
    ("rolled-back", "offered"): ("trial", "new"),
    ("rolled-back", "started"): ("rolled-back", "previous"),
    ("rolled-back", "started-too-often"): ("rolled-back", "previous"),
    ("rolled-back", "reached"): ("rolled-back", "previous"),
    ("rolled-back", "timed-out"): ("rolled-back", "previous"),
    ("rolled-back", "unusable"): ("local", "local"),
    ("rolled-back", "edited"): ("local", "local"),
}


def step(state: State, event: Event) -> tuple[State, Runs]:
    """What follows; the table is complete."""
    return TABLE[state, event]
