"""A TL1 session as a table of states: log in, allow messages, ask what stands, keep alive, log in again. Pure.

One command is under way at a time and each has a deadline. What it sends is bounded: a command is tried ``TRIES``
times, log-ins are at least ``FAILED_MIN_S`` apart, and after a refused one ``REFUSED_MIN_S`` doubling to
``REFUSED_MAX_S``, whatever the port does meanwhile, so that no account is locked. Acknowledgements by GR-831: no
answer follows NA and RL; IP, PF and OK say that one will.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from agent.lines import tl1_command as rules
from agent.lines.tl1_command import NS, Listing
from agent.readings import Plain
from agent.site.line import Session

State = Literal["closed", "off", "logging-in", "allowing", "retrieving", "up", "asking", "waiting"]
Event = Literal["opened", "closed", "done", "denied", "logged-off", "busy", "late", "again", "doubt"]
TellSession = Callable[[bool, dict[str, Plain]], None]
"""Told: whether the session is up, and why not."""
TellStanding = Callable[[dict[str, Plain]], None]


class Login:
    """The session's state. ``handle`` is given what happened; what is to be sent stands in ``outgoing``."""

    def __init__(self, session: Session, password: str, session_told: TellSession, standing_told: TellStanding) -> None:
        self._session = session
        self._password = password
        self._tell_session, self._tell_standing = session_told, standing_told
        self.state: State = "closed"
        self.outgoing = b""
        self.due_ns: int | None = None
        self.ctag = ""
        self._tags = 0
        self._tries = 0
        self._sent_ns = 0
        self._partial = False
        self._why = ""
        self._login_ns: int | None = None
        self._up_ns: int | None = None
        self._refused = self._failed = 0
        self._deaf = ""
        self._todo: list[str] = []
        self._listed_ns: int | None = None
        self._asked_ns: int | None = None
        self._list_again = False
        self.listing: Listing | None = None

    # -- what comes in -------------------------------------------------------------------------------------------

    def handle(self, event: Event, now_ns: int) -> None:
        """Something happened."""
        self.state = TABLE[self.state, event](self, now_ns)

    def tick(self, now_ns: int) -> None:
        """The time has come, where it has."""
        if self.due_ns is None or now_ns < self.due_ns:
            return
        self.due_ns = None
        if self.state in ("up", "waiting"):
            self.handle("again", now_ns)
        elif self._partial:  # nothing more came after PRTL: partly done is what it was (GR-831)
            self.spoil("only a part of the answer came")
            self.handle("done", now_ns)
        else:
            self.handle("late", now_ns)

    def acked(self, ctag: str, acode: str, now_ns: int) -> None:
        """An acknowledgement came."""
        if ctag.upper() != self.ctag or not self.ctag:
            return
        if acode in ("NA", "RL"):
            self._why = f"it says {acode}"
            self.handle("busy", now_ns)
        elif acode == "NG":
            self._why = "NG"
            self.handle("denied", now_ns)
        else:
            self.due_ns = self._sent_ns + int(rules.ACKED_S * NS)

    def answered(self, compl: str, end: str, errcde: str, text: str, now_ns: int) -> None:
        """An answer to our rules.command, or a part of it, came to its end."""
        if compl == "DENY":
            code = rules.error_code(errcde)
            self._why = code or "no code"
            self.handle("logged-off" if self._off(code, text, now_ns) else "denied", now_ns)
        elif compl == "DELAY":  # it will be done later
            self.due_ns = self._sent_ns + int(rules.ACKED_S * NS)
        elif self.state == "retrieving":
            self._part(compl, end, now_ns)
        elif end != ">":
            self.handle("done", now_ns)

    def _off(self, code: str, text: str, now_ns: int) -> bool:
        """PLNA is "login not active or insufficient privileges" (Adtran): just after a log-in it is the latter."""
        if self.state == "logging-in" or not rules.means_logged_off(code, text):
            return False
        fresh = self._login_ns is not None and now_ns - self._login_ns < rules.STABLE_S * NS
        return self.state == "asking" or not fresh

    def _part(self, compl: str, end: str, now_ns: int) -> None:
        assert self.listing is not None
        self.listing.parts += 1
        if not end:
            self.spoil("a part of the answer was cut off")
        if self.listing.parts >= rules.PARTS_MAX or now_ns - self.listing.asked_ns > rules.LIST_S * NS:
            self.spoil("the answer has no end")
            self.handle("done", now_ns)
        elif compl == "COMPLD" and end != ">":
            self.handle("done", now_ns)
        else:
            self._partial = compl == "PRTL" and end != ">"
            self.due_ns = now_ns + int((rules.PART_S if self._partial else rules.ANSWER_S) * NS)

    def spoil(self, why: str) -> None:
        """What is being listed is not all of it."""
        if self.listing is not None and not self.listing.spoilt:
            self.listing.spoilt = why

    def lost_messages(self, now_ns: int) -> None:
        """Messages were lost: what stands may have changed unheard."""
        self._list_again = True
        if self.state == "up":
            self.due_ns = min(self._list_due_ns(now_ns), self.due_ns if self.due_ns is not None else now_ns)

    def _list_due_ns(self, now_ns: int) -> int:
        """When to ask again what stands, at the soonest."""
        return now_ns if self._listed_ns is None else max(now_ns, self._listed_ns + int(rules.LIST_AGAIN_S * NS))

    # -- sending -------------------------------------------------------------------------------------------------

    def _send(self, verb: str, now_ns: int, aid: str = "", rest: str = "") -> None:
        self._tags = self._tags % rules.CTAGS + 1
        self.ctag = f"D{self._tags:05d}"
        self.outgoing = rules.command(verb, self._session.tid, aid, self.ctag, rest)
        self._partial = False
        self._sent_ns, self.due_ns = now_ns, now_ns + int(rules.ANSWER_S * NS)

    def _silent(self) -> None:
        self.ctag, self.outgoing, self.due_ns, self._partial = "", b"", None, False

    # -- actions of the table: each gives the next state ---------------------------------------------------------

    def _stay(self, _now_ns: int) -> State:
        return self.state

    def _opened(self, now_ns: int) -> State:
        self._silent()
        self._end_listing("the port was opened anew")
        refusal = rules.password_refusal(self._password)
        if refusal is not None:
            self._tell_session(False, {"reason": refusal})
            return "off"
        return self._wait_or_log_in(now_ns)

    def _closed(self, _now_ns: int) -> State:
        self._silent()
        self._end_listing("the port was closed")
        self._up_ns = None
        return "closed"

    def _log_in(self, now_ns: int) -> State:
        self._login_ns, self._tries, self._deaf = now_ns, 1, ""
        self._send("ACT-USER", now_ns, self._session.user, f"::{rules.quoted(self._password)}")
        return "logging-in"

    def _logged_in(self, now_ns: int) -> State:
        self._refused, self._tries = 0, 1
        if self._session.allow:
            self._send("ALW-MSG-ALL", now_ns)
            return "allowing"
        return self._retrieve_all(now_ns)

    def _refuse(self, now_ns: int) -> State:
        """No password is tried twice in a row: the next comes after a minute at least, and then ever later."""
        self._refused += 1
        self._tell_session(False, {"reason": f"log-in refused ({self._why})", "errcde": self._why})
        return self._wait_or_log_in(now_ns)

    def _no_answer(self, now_ns: int) -> State:
        """The rules.command under way is sent once more; then the session is taken for lost."""
        if self._tries < rules.TRIES and self.state != "logging-in":
            self._tries += 1
            resend = {"allowing": self._allow_again, "retrieving": self._retrieve, "asking": self._ask}
            return resend[self.state](now_ns)
        self._end_listing("no answer")
        what = self._why if self._why.startswith("it says") else "no answer"
        self._why = ""
        return self._lost(f"{what} while {self.state}", now_ns)

    def _busy(self, now_ns: int) -> State:
        """NA or RL: nothing follows, the same may be asked again later."""
        self.due_ns = now_ns + int(rules.BUSY_S * NS)
        return self.state

    def _allow_again(self, now_ns: int) -> State:
        self._send("ALW-MSG-ALL", now_ns)
        return "allowing"

    def _allow_denied(self, now_ns: int) -> State:
        """Without them the line is deaf to what changes, however well the session stands."""
        if not rules.ALREADY_ALLOWED.match(self._why):
            self._deaf = self._why
        return self._retrieve_all(now_ns)

    def _retrieve_all(self, now_ns: int) -> State:
        self._list_again = False
        self._listed_ns = now_ns
        self._todo = list(dict.fromkeys(self._session.retrieve))
        return self._next_class(now_ns)

    def _next_class(self, now_ns: int) -> State:
        if not self._todo:
            return self._come_up(now_ns)
        self.listing, self._tries = Listing(self._todo.pop(0)), 1
        return self._retrieve(now_ns)

    def _retrieve(self, now_ns: int) -> State:
        """GR-833 wants ALL for every AID of a class; some equipment wants none, and says so when it denies."""
        listing = self.listing
        assert listing is not None
        listing.asked_ns, listing.count, listing.parts, listing.spoilt = now_ns, 0, 0, ""
        aid = "ALL" if (listing.name != "ALL") == (listing.form == 0) else ""
        self._send(f"RTRV-ALM-{listing.name}", now_ns, aid)
        return "retrieving"

    def _retrieved(self, now_ns: int) -> State:
        self._end_listing("")
        return self._next_class(now_ns)

    def _retrieve_denied(self, now_ns: int) -> State:
        assert self.listing is not None
        if self.listing.form == 0:
            self.listing.form, self._tries = 1, 1
            return self._retrieve(now_ns)
        self._end_listing(f"denied ({self._why})")
        return self._next_class(now_ns)

    def _end_listing(self, spoilt: str) -> None:
        listing, self.listing = self.listing, None
        if listing is not None:
            why = spoilt or listing.spoilt
            detail: dict[str, Plain] = {"retrieved": listing.name, "count": listing.count, "complete": not why}
            self._tell_standing({**detail, "reason": why or None, "asked_ns": listing.asked_ns})

    def _come_up(self, now_ns: int) -> State:
        self._silent()
        if self._up_ns is None:
            self._up_ns = now_ns
            if self._deaf:
                self._tell_session(False, {"reason": f"ALW-MSG-ALL is denied ({self._deaf})", "errcde": self._deaf})
            else:
                self._tell_session(True, {"reason": None})
        self.due_ns = now_ns + int(self._session.keepalive_s * NS)
        if self._list_again:
            self.due_ns = min(self.due_ns, self._list_due_ns(now_ns))
        return "up"

    def _again(self, now_ns: int) -> State:
        """In ``up``: ask what stands where messages were lost or don't come, else say that we are still here."""
        if (self._list_again or self._deaf) and (
            self._listed_ns is None or now_ns - self._listed_ns >= rules.LIST_AGAIN_S * NS
        ):
            return self._retrieve_all(now_ns)
        self._tries = 1
        return self._ask(now_ns)

    def _ask(self, now_ns: int) -> State:
        self._asked_ns = now_ns
        self._send(self._session.keepalive, now_ns)
        return "asking"

    def _doubt(self, now_ns: int) -> State:
        """Something says that a session ended and not whose: ask, but not at every word."""
        soonest_ns = 0 if self._asked_ns is None else self._asked_ns + int(rules.ASK_MIN_S * NS)
        self.due_ns = min(max(now_ns, soonest_ns), self.due_ns if self.due_ns is not None else now_ns)
        return "up"

    def _alive(self, now_ns: int) -> State:
        return self._come_up(now_ns)

    def _logged_off(self, now_ns: int) -> State:
        self._end_listing("logged off")
        return self._lost("logged off by the equipment", now_ns)

    def _lost(self, reason: str, now_ns: int) -> State:
        stable = self._up_ns is not None and now_ns - self._up_ns >= rules.STABLE_S * NS
        self._failed = 0 if stable else self._failed + 1
        self._tell_session(False, {"reason": reason})
        return self._wait_or_log_in(now_ns)

    def _wait_or_log_in(self, now_ns: int) -> State:
        self._silent()
        self._up_ns = None
        soonest_ns = now_ns if self._login_ns is None else self._login_ns + int(self._pause_s() * NS)
        if now_ns >= soonest_ns:
            return self._log_in(now_ns)
        self.due_ns = soonest_ns
        return "waiting"

    def _pause_s(self) -> float:
        if self._refused:
            return min(rules.REFUSED_MIN_S * 2.0 ** min(self._refused - 1, 10), rules.REFUSED_MAX_S)
        return min(rules.FAILED_MIN_S * 2.0 ** min(max(self._failed - 1, 0), 10), rules.FAILED_MAX_S)


_Action = Callable[[Login, int], State]
# fmt: off
TABLE: dict[tuple[State, Event], _Action] = {
    ("closed", "opened"):         Login._opened,
    ("closed", "closed"):         Login._stay,
    ("closed", "done"):           Login._stay,
    ("closed", "denied"):         Login._stay,
    ("closed", "logged-off"):     Login._stay,
    ("closed", "busy"):           Login._stay,
    ("closed", "late"):           Login._stay,
    ("closed", "again"):          Login._stay,
    ("closed", "doubt"):          Login._stay,
    ("off", "opened"):            Login._opened,
    ("off", "closed"):            Login._closed,
    ("off", "done"):              Login._stay,
    ("off", "denied"):            Login._stay,
    ("off", "logged-off"):        Login._stay,
    ("off", "busy"):              Login._stay,
    ("off", "late"):              Login._stay,
    ("off", "again"):             Login._stay,
    ("off", "doubt"):             Login._stay,
    ("logging-in", "opened"):     Login._opened,
    ("logging-in", "closed"):     Login._closed,
    ("logging-in", "done"):       Login._logged_in,
    ("logging-in", "denied"):     Login._refuse,
    ("logging-in", "logged-off"): Login._stay,  # of the session before this one
    ("logging-in", "busy"):       Login._busy,
    ("logging-in", "late"):       Login._no_answer,
    ("logging-in", "again"):      Login._stay,
    ("logging-in", "doubt"):      Login._stay,
    ("allowing", "opened"):       Login._opened,
    ("allowing", "closed"):       Login._closed,
    ("allowing", "done"):         Login._retrieve_all,
    ("allowing", "denied"):       Login._allow_denied,
    ("allowing", "logged-off"):   Login._logged_off,
    ("allowing", "busy"):         Login._busy,
    ("allowing", "late"):         Login._no_answer,
    ("allowing", "again"):        Login._stay,
    ("allowing", "doubt"):        Login._stay,  # the answer under way will say
    ("retrieving", "opened"):     Login._opened,
    ("retrieving", "closed"):     Login._closed,
    ("retrieving", "done"):       Login._retrieved,
    ("retrieving", "denied"):     Login._retrieve_denied,
    ("retrieving", "logged-off"): Login._logged_off,
    ("retrieving", "busy"):       Login._busy,
    ("retrieving", "late"):       Login._no_answer,
    ("retrieving", "again"):      Login._stay,
    ("retrieving", "doubt"):      Login._stay,
    ("up", "opened"):             Login._opened,
    ("up", "closed"):             Login._closed,
    ("up", "done"):               Login._stay,
    ("up", "denied"):             Login._stay,
    ("up", "logged-off"):         Login._logged_off,
    ("up", "busy"):               Login._stay,
    ("up", "late"):               Login._stay,
    ("up", "again"):              Login._again,
    ("up", "doubt"):              Login._doubt,
    ("asking", "opened"):         Login._opened,
    ("asking", "closed"):         Login._closed,
    ("asking", "done"):           Login._alive,
    ("asking", "denied"):         Login._alive,  # it answers; that it may not be asked this is another matter
    ("asking", "logged-off"):     Login._logged_off,
    ("asking", "busy"):           Login._busy,
    ("asking", "late"):           Login._no_answer,
    ("asking", "again"):          Login._stay,
    ("asking", "doubt"):          Login._stay,
    ("waiting", "opened"):        Login._opened,
    ("waiting", "closed"):        Login._closed,
    ("waiting", "done"):          Login._stay,
    ("waiting", "denied"):        Login._stay,
    ("waiting", "logged-off"):    Login._stay,
    ("waiting", "busy"):          Login._stay,
    ("waiting", "late"):          Login._stay,
    ("waiting", "again"):         Login._log_in,
    ("waiting", "doubt"):         Login._stay,
}
# fmt: on
