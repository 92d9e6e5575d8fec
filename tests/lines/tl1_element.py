"""A network element that speaks TL1 over its craft port, as the manuals say. Time is an argument."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

NS = 1_000_000_000
COMMAND = re.compile(rb'([A-Z0-9-]+):([^:;]*):([^:;]*):([^:;]*)((?:"[^"]*"|[^";])*);')


@dataclass
class Element:
    """``idle_s``: it logs its user off after so long. ``echo``: it sends back what it is sent."""

    password: str = "FRED.1"
    user: str = "FRED"
    sid: str = "MX2800"
    idle_s: float = 1e9
    echo: bool = False
    echo_chars: int = 10**6
    tells_log_off: bool = False
    parts: int = 1
    part_code: str = "RTRV"
    part_end: str = ">"
    alarms: list[str] = field(default_factory=list)
    deny: dict[str, str] = field(default_factory=dict)
    acks: dict[str, str] = field(default_factory=dict)
    deaf: set[str] = field(default_factory=set)
    wants_no_all: bool = False
    logged_in: bool = False
    allowed: bool = False
    log_ins: int = 0
    used_ns: int = 0
    heard: list[tuple[int, bytes]] = field(default_factory=list)
    _tag: int = 0
    _held: bytes = b""

    def head(self) -> str:
        return f"\r\n\n   {self.sid} 04-10-05 09:14:22\r\n"

    def answer(self, ctag: str, compl: str, lines: str = "", end: str = ";") -> bytes:
        return f"{self.head()}M  {ctag} {compl}\r\n{lines}{end}\r\n".encode()

    def report(self, ident: str, line: str) -> bytes:
        """An autonomous message, if it may come."""
        self._tag += 1
        body = f"{ident.replace('TAG', str(self._tag))}\r\n{line}\r\n;\r\n"
        return (self.head() + body).encode() if self.allowed else b""

    def alarm(self, line: str, code: str = "**", cls: str = "T1") -> bytes:
        return self.report(f"{code} TAG REPT ALM {cls}", f'   "{line}"')

    def tick(self, now_ns: int) -> bytes:
        """Time passes."""
        if not self.logged_in or now_ns - self.used_ns < self.idle_s * NS:
            return b""
        told = b""
        if self.tells_log_off:
            told = self.report("A TAG CANC", f"   {self.user}\r\n   /* Session Timeout: {self.user} */")
        self.logged_in = self.allowed = False
        return told

    def hear(self, data: bytes, now_ns: int) -> bytes:
        """What it sends back."""
        out = self.tick(now_ns)
        if self.echo:
            out += data[: self.echo_chars]
        self._held += data
        while found := COMMAND.search(self._held):
            self._held = self._held[found.end() :]
            self.heard.append((now_ns, found[0]))
            verb, _tid, aid, ctag, rest = (part.decode() for part in found.groups())
            if verb not in self.deaf:
                out += self._do(verb, aid, ctag, rest, now_ns)
        return out

    def _do(self, verb: str, aid: str, ctag: str, rest: str, now_ns: int) -> bytes:
        out = b""
        if verb in self.acks:
            out = f"\r\n{self.acks[verb]} {ctag}\r\n<".encode()
            if self.acks[verb] in ("NA", "RL"):
                return out
        if verb in self.deny:
            return out + self.answer(ctag, "DENY", f"   {self.deny[verb]}\r\n   /* as you say */\r\n")
        if verb == "ACT-USER":
            self.log_ins += 1
            if aid != self.user or rest.removeprefix("::").strip('"') != self.password:
                return out + self.answer(ctag, "DENY", "   PIUI\r\n   /* Privilege, Input User Not Valid */\r\n")
            self.logged_in, self.used_ns = True, now_ns
            return out + self.answer(ctag, "COMPLD", f'   "{self.user}: 2004-12-22 1:30:04,2"\r\n')
        if not self.logged_in:
            return out + self.answer(ctag, "DENY", "   PLNA\r\n   /* Privilege, Login Not Active */\r\n")
        self.used_ns = now_ns
        if verb == "ALW-MSG-ALL":
            self.allowed = True
        if verb.startswith("RTRV-ALM-"):
            if self.wants_no_all and aid == "ALL":
                return out + self.answer(ctag, "DENY", "   IIAC\r\n   /* Input, Invalid Access Identifier */\r\n")
            return out + self._listed(verb.removeprefix("RTRV-ALM-"), ctag)
        return out + self.answer(ctag, "COMPLD")

    def _listed(self, cls: str, ctag: str) -> bytes:
        lines = [f'   "{a}"\r\n' for a in self.alarms if cls == "ALL" or f",{cls}:" in a]
        size = max(1, -(-len(lines) // self.parts))
        pieces = ["".join(lines[at : at + size]) for at in range(0, len(lines), size)] or [""]
        pieces += [""] * (self.parts - len(pieces))
        out = b"".join(self.answer(ctag, self.part_code, piece, self.part_end) for piece in pieces[:-1])
        return out + self.answer(ctag, "COMPLD", pieces[-1])
