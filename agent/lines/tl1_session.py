"""A TL1 line that logs in: the passive parser, what it hears of our own session, and what is to be sent. Pure.

Standing alarms asked for with RTRV-ALM come as ``alarm`` readings with ``retrieved``, the class, and a ``data``
reading of the subject ``standing`` when the answer is whole: ``retrieved``, ``count``, ``complete``, ``reason``
(why not complete) and ``asked_ns``, when it was asked. The session's own state is an ``event`` of the subject
``session``, state up or down. The keep-alive's answers are not told. Sources: GR-831 and GR-833 as quoted by the
manuals of the Adtran MX2800 (section 9), Wide Bank 28 (CANC, session time-out), Paradyne 4200 (ACT-USER repeats the
command in a comment), Symmetricom TimeHub (ACT-USER, echo).

The password leaves in the log-in command alone. Equipment echoes it; whatever holds it is masked in every reading.
"""

from __future__ import annotations

import re
from dataclasses import replace

from agent.lines.tl1 import Tl1
from agent.lines.tl1_grammar import Line
from agent.lines.tl1_login import Login
from agent.lines.tl1_text import Fields, alarm_fields, unquoted
from agent.readings import Kind, Plain, Reading
from agent.readings import State as Health
from agent.site.line import Session

LISTED_MAX = 4096
MASK = "***"
PIECE_CHARS = 4
"""So many characters of the password in a row are masked where no alarm depends on the text."""
_LOGIN = re.compile(r"ACT-USER.*", re.IGNORECASE | re.DOTALL)
_FREE_TEXT = frozenset({"sid", "errcde", "text", "conddescr", "aiddet", "reason"})
_NO_LOGIN = re.compile(r"no log-?in|session|log(?:ged)?[- ]?(?:off|out)|time-?out", re.IGNORECASE)


class Tl1Session(Tl1):
    """One line's parser and session, a ``Talker``. No method raises on any bytes, and no password is shown by any."""

    def __init__(self, source: str, session: Session, password: str) -> None:
        super().__init__(source)
        self._user = session.user.upper()
        self._password = password
        whole = re.escape(password)
        self._whole = re.compile(
            whole if len(password) >= PIECE_CHARS else rf"(?<![^\W_]){whole}(?![^\W_])", re.IGNORECASE
        )
        low = password.lower()
        self._pieces = frozenset(low[at : at + PIECE_CHARS] for at in range(max(0, len(low) - PIECE_CHARS + 1)))
        self._told_up: bool | None = None
        self._told_why: Plain = None
        self._login = Login(session, password, self._session_told, self._standing_told)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._source!r}, state={self._login.state!r})"

    @property
    def session_state(self) -> str:
        """The name of the session's state, for the status."""
        return self._login.state

    # -- what the shell calls ------------------------------------------------------------------------------------

    def reset(self, now_ns: int) -> list[Reading]:
        """The stream ends here; so does the session."""
        out = super().reset(now_ns)
        self._login.handle("closed", now_ns)
        return out + self._told()

    def opened(self, now_ns: int) -> None:
        """The port is open: the log-in is sent by the next ``speak``, at once or when that is due again."""
        self._now_ns = now_ns
        self._login.handle("opened", now_ns)

    def speak(self, now_ns: int) -> tuple[bytes, list[Reading]]:
        """The command to write now, if there is one, and what follows from time alone."""
        self._now_ns = now_ns
        self._login.tick(now_ns)
        words, self._login.outgoing = self._login.outgoing, b""
        return words, self._told()

    def due_ns(self) -> int | None:
        """When to call ``speak`` next at the latest."""
        return self._login.due_ns

    # -- what it hears of the session ----------------------------------------------------------------------------

    def _acked(self, ctag: str, acode: str) -> bool:
        ours = self._ours(ctag)
        quiet = ours and self._login.state == "asking"
        self._login.acked(ctag, acode, self._now_ns)
        return not quiet

    def _answer_line(self, line: Line) -> None:
        """One line of the answer that is open: of ours, a standing alarm."""
        listing = self._login.listing
        if listing is None or self._message.compl == "DENY" or not self._ours(self._message.ctag):
            return
        content, _quoted, closed = unquoted(line.text)
        fields = alarm_fields(content) if closed else None
        if fields is None or fields.get("condtype") is None:
            self._garbage(line.piece.offset, line.piece.size, "standing alarm not understood")
            return
        if listing.count >= LISTED_MAX:
            self._login.spoil(f"more than {LISTED_MAX} alarms stand")
            return
        listing.count += 1
        named: Fields = {"verb": "RTRV", "mod1": "ALM", "mod2": listing.name, "retrieved": listing.name}
        self._alarm({**fields, **named})

    def _answered(self, told: dict[str, Plain], end: str) -> bool:
        if not self._ours(told["ctag"]):
            return True
        quiet = self._login.state == "asking" and told["compl"] != "DENY"
        first, text = str(told.get("errcde") or ""), str(told.get("text") or "")
        self._login.answered(str(told["compl"]), end, first, text, self._now_ns)
        return not quiet

    def _event(self, fields: Fields) -> None:
        super()._event(fields)
        detail = self._message.detail
        what = f"{fields.get('aid') or ''} {fields.get('conddescr') or ''} {self._message.comment}".upper()
        if detail.get("verb") == "CANC":
            named = self._user in re.split(r"[^A-Z0-9_.-]+", what)
            if named:
                self._login.handle("logged-off", self._now_ns)
            elif not what.strip():
                self._login.handle("doubt", self._now_ns)
        elif detail.get("mod1") == "EVT" and (detail.get("mod2") in ("SESSION", "SECU") or _NO_LOGIN.search(what)):
            self._login.handle("doubt", self._now_ns)

    def _follow(self, atag: str | None) -> None:
        gaps = self.counters["gaps"]
        super()._follow(atag)
        if self.counters["gaps"] != gaps:
            self._login.lost_messages(self._now_ns)

    def _ours(self, ctag: Plain) -> bool:
        return bool(self._login.ctag) and str(ctag or "").upper() == self._login.ctag

    def _garbage(self, offset: int, size: int, reason: str) -> None:
        """Whatever is damaged while a list comes may have been a line of it."""
        super()._garbage(offset, size, reason)
        self._login.spoil(reason)

    # -- readings ------------------------------------------------------------------------------------------------

    def _session_told(self, up: bool, detail: dict[str, Plain]) -> None:
        if (up, detail["reason"]) != (self._told_up, self._told_why):
            self._told_up, self._told_why = up, detail["reason"]
            self._put(Reading(self._source, "tl1", "event", "session", "up" if up else "down", self._now_ns, detail))

    def _standing_told(self, detail: dict[str, Plain]) -> None:
        self._put(Reading(self._source, "tl1", "data", "standing", None, self._now_ns, detail))

    def _tell(self, kind: Kind, subject: str, state: Health | None, detail: dict[str, Plain], offset: int) -> None:
        self._put(Reading(self._source, "tl1", kind, subject, state, self._now_ns, detail, offset))

    def _put(self, reading: Reading) -> None:
        self._out.append(self._without_password(reading))

    def _without_password(self, reading: Reading) -> Reading:
        """The password as a whole, and a log-in command, nowhere; a piece of it in no text that only people read."""
        if not self._password and self._login.state != "logging-in":
            return reading
        hidden: dict[str, Plain] = {}
        for name, value in reading.detail.items():
            if isinstance(value, str) and value:
                masked = self._masked(value, free=name in _FREE_TEXT)
                if masked != value:
                    hidden[name] = masked
        subject = self._masked(reading.subject, free=False) if reading.subject else ""
        if not hidden and subject == reading.subject:
            return reading
        return replace(reading, subject=subject, detail={**reading.detail, **hidden})

    def _masked(self, value: str, *, free: bool) -> str:
        value = _LOGIN.sub("ACT-USER " + MASK, value)
        if not self._password:
            return value
        value = self._whole.sub(MASK, value)
        low = value.lower()
        answering = free and self._login.state in ("logging-in", "allowing", "waiting")
        if answering and any(low[at : at + PIECE_CHARS] in self._pieces for at in range(len(low) - PIECE_CHARS + 1)):
            return MASK
        return value
