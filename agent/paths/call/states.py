"""A call as its caller sees it, as one complete table: RFC 3261 figure 5 with CANCEL (9.1) and BYE (15) to its end."""

from __future__ import annotations

from typing import Literal, cast, get_args

State = Literal["idle", "calling", "proceeding", "cancelling", "cancelled", "talking", "leaving", "ended"]
"""``cancelling``: given up, but CANCEL must wait for a first provisional response; ``leaving``: BYE is out."""
Event = Literal[
    "start", "provisional", "answer", "challenge", "refusal", "hang-up", "far-bye", "bye-done", "bye-challenge", "late"
]
"""``challenge``: a 401 or 407 that can be met; ``refusal``: each other final one from 300; ``late``: time is up."""
Action = Literal[
    "none",
    "invite",
    "authorise",
    "accept",
    "acknowledge",
    "reject",
    "reject-again",
    "cancel",
    "bye",
    "undo",
    "bye-authorise",
    "give-up",
    "end",
]
STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[Event, ...] = get_args(Event)

# Rows are events, columns states; a cell is the next state and what is done. A dot: nothing, and it stays as it is.
_TEXT = """
event          idle           calling             proceeding        cancelling        cancelled
start          calling:invite .                   .                 .                 .
provisional    .              proceeding:none     .                 cancelled:cancel  .
answer         .              talking:accept      talking:accept    leaving:undo      leaving:undo
challenge      .              calling:authorise   calling:authorise ended:reject      ended:reject
refusal        .              ended:reject        ended:reject      ended:reject      ended:reject
hang-up        ended:end      cancelling:give-up  cancelled:cancel  .                 .
far-bye        .              .                   .                 .                 .
bye-done       .              .                   .                 .                 .
bye-challenge  .              .                   .                 .                 .
late           ended:end      cancelling:give-up  cancelled:cancel  ended:end         ended:end

event          talking              leaving                ended
start          .                    .                      .
provisional    .                    .                      .
answer         talking:acknowledge  leaving:acknowledge    ended:acknowledge
challenge      talking:reject-again leaving:reject-again   ended:reject-again
refusal        talking:reject-again leaving:reject-again   ended:reject-again
hang-up        leaving:bye          .                      .
far-bye        ended:end            ended:end              .
bye-done       .                    ended:end              .
bye-challenge  .                    leaving:bye-authorise  .
late           leaving:bye          ended:end              .
"""


def _table() -> dict[State, dict[Event, tuple[State, Action]]]:
    table: dict[State, dict[Event, tuple[State, Action]]] = {}
    for block in _TEXT.strip().split("\n\n"):
        head, *rows = (line.split() for line in block.splitlines())
        for row in rows:
            for state, cell in zip(head[1:], row[1:], strict=True):
                to, _, action = cell.partition(":") if cell != "." else (state, "", "none")
                events = table.setdefault(cast(State, state), {})
                events[cast(Event, row[0])] = (cast(State, to), cast(Action, action))
    return table


TABLE = _table()
