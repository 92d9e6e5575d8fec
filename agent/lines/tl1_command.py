"""The few TL1 commands that a session sends (GR-831), their deadlines, and what a denial means. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

NS = 1_000_000_000
ANSWER_S = 20.0
"""How long an answer may take. An acknowledgement is due in 2 s; a slow line and a busy element take longer."""
ACKED_S = 60.0
PART_S = 10.0
"""How long a partial answer (PRTL) waits for the rest of it."""
BUSY_S = 5.0
TRIES = 2
REFUSED_MIN_S, REFUSED_MAX_S = 60.0, 3600.0
FAILED_MIN_S, FAILED_MAX_S = 10.0, 600.0
STABLE_S = 60.0
ASK_MIN_S = 5.0
LIST_AGAIN_S = 60.0
PARTS_MAX = 512
LIST_S = 600.0
PASSWORD_CHARS = 64
CTAGS = 99_999  # a tag of 6 characters: equipment allows no more (Adtran MX2800, Paradyne 4200)
ALREADY_ALLOWED = re.compile(r"SA[A-Z]{2}\b")  # Status, Already …: what was asked for is so
_LOGGED_OFF = re.compile(
    r"\bPLNA\b|not +(?:currently +)?logged|log-?in +(?:is +)?(?:not +active|required)|"
    r"no +(?:active +)?(?:log-?in|session)",
    re.IGNORECASE,
)
_NEEDS_QUOTES = re.compile(r"[;:,&= ]|/\*")
_CODE = re.compile(r"[A-Z]{4}\Z")


@dataclass(slots=True)
class Listing:
    """One class that is being asked for: what has come, and what spoils it."""

    name: str
    asked_ns: int = 0
    count: int = 0
    spoilt: str = ""
    parts: int = 0
    form: int = 0


def password_refusal(password: str) -> str | None:
    """Why no TL1 command can carry this password; None where one can. Never holds any of it.

    GR-831 knows ``\\"`` inside a quoted string, but what equipment makes of it is not to be tried with an account.
    """
    if len(password) > PASSWORD_CHARS:
        return f"the password has more than {PASSWORD_CHARS} characters"
    if any(not " " <= ch <= "~" for ch in password):
        return "the password has characters that are not printable ASCII"
    if '"' in password or "\\" in password:
        return "the password has a quotation mark or a backslash, which TL1 equipment reads in different ways"
    return None


def quoted(value: str) -> str:
    """``value`` as a TL1 parameter: quoted where it holds what the grammar of a command uses."""
    return f'"{value}"' if _NEEDS_QUOTES.search(value) else value


def command(verb: str, tid: str, aid: str, ctag: str, rest: str = "") -> bytes:
    """``VERB:tid:aid:ctag…;``, with no line end: the semicolon alone ends a command."""
    return f"{verb}:{tid}:{aid}:{ctag}{rest};".encode("ascii")


def means_logged_off(errcde: str, text: str) -> bool:
    """Whether a denial says that nobody is logged in."""
    return _LOGGED_OFF.search(f"{errcde} {text}") is not None


def error_code(first: str) -> str:
    """The four letters of a denial, or "" where its first line is something else (which may be an echo)."""
    return first if _CODE.match(first) else ""
