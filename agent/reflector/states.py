"""A call as the reflector sees it, as one complete table (RFC 3261 sections 13.3.1.4, 14.2 and 15, the called side).

It answers at once, so there is no early state. ``answered``: the 200 is out and its ACK has not come; ``leaving``: our
BYE is out; ``ended``: kept for a while, so that what is sent again finds its answer.
"""

from __future__ import annotations

from typing import Literal, cast, get_args

State = Literal["answered", "up", "leaving", "ended"]
Event = Literal[
    "again", "merged", "re-invite", "ack", "bye", "cancel", "other", "bye-answered", "no-ack", "longest", "replaced"
]
"""``again``: the very INVITE that was answered; ``merged``: that INVITE by another way (section 8.2.2.2);
``no-ack``: none in 64 T1; ``longest``: time is up, of a call or of waiting for the answer to our BYE."""
Action = Literal["none", "answer-again", "tell", "ok", "loop", "refuse", "gone", "method", "hang-up", "end"]
"""``tell``: 200 to a BYE with what was heard; ``ok``: 200; ``loop``: 482; ``refuse``: 488; ``gone``: 481;
``method``: 405."""
STATES: tuple[State, ...] = get_args(State)
EVENTS: tuple[Event, ...] = get_args(Event)

# Rows are events, columns states; a cell is the next state and what is done. A dot: nothing, and it stays as it is.
_TEXT = """
event         answered               up               leaving        ended
again         answered:answer-again  .                .              .
merged        answered:loop          up:loop          leaving:loop   ended:loop
re-invite     answered:refuse        up:refuse        leaving:gone   ended:gone
ack           up:none                .                .              .
bye           ended:tell             ended:tell       ended:tell     ended:tell
cancel        answered:ok            up:ok            leaving:ok     ended:ok
other         answered:method        up:method        leaving:method ended:gone
bye-answered  .                      .                ended:end      .
no-ack        leaving:hang-up        .                .              .
longest       leaving:hang-up        leaving:hang-up  ended:end      .
replaced      leaving:hang-up        leaving:hang-up  .              .
"""


def _table() -> dict[State, dict[Event, tuple[State, Action]]]:
    head, *rows = (line.split() for line in _TEXT.strip().splitlines())
    table: dict[State, dict[Event, tuple[State, Action]]] = {state: {} for state in STATES}
    for row in rows:
        for state, cell in zip(head[1:], row[1:], strict=True):
            to, _, action = cell.partition(":") if cell != "." else (state, "", "none")
            table[cast(State, state)][cast(Event, row[0])] = (cast(State, to), cast(Action, action))
    return table


TABLE = _table()
