"""How one check ended, in the words of its reading."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent.readings import Kind, Plain, Reading, State

KIND_OF: dict[State, Kind] = {
    "up": "probe-ok",
    "degraded": "probe-degraded",
    "down": "probe-fail",
    "unknown": "probe-fail",
}
# Errors of our own: nothing was learned of the other side. ENETUNREACH is not one: no way out is a fault of the way.
OURS = frozenset(
    {
        errno.EMFILE,
        errno.ENFILE,
        errno.ENOBUFS,
        errno.ENOMEM,
        errno.EAGAIN,
        errno.EPERM,
        errno.EACCES,
        errno.EINVAL,
        errno.EADDRNOTAVAIL,
        errno.EAFNOSUPPORT,
        errno.EPROTONOSUPPORT,
    }
)
REFUSED_TCP = "connection refused (something answered; the service is down)"
REFUSED_UDP = "port unreachable: something answered, the service is down"


FINDINGS_MAX = 64


@dataclass(frozen=True, slots=True)
class Finding:
    """Something more that a check saw: a point (``agent/alarms/points.py``) that stands or does not.

    ``subject``: what of the device it is about (an interface, a peer, a T1). One that can't be known now is left out.
    ``event``: it has happened and nothing stands; the journal alone is told.
    """

    point: str
    subject: str
    holds: bool
    text: str = ""
    detail: Mapping[str, Plain] = field(default_factory=dict)
    event: bool = False

    def reading(self, path: str, check: str, at_ns: int) -> Reading:
        """As a reading of the check that found it."""
        kind: Kind = "event" if self.event else "alarm" if self.holds else "clear"
        detail = {**self.detail, "point": self.point, "reason": self.text[:200]}
        return Reading(path, check, kind, self.subject[:64], None, at_ns, detail)


@dataclass(frozen=True, slots=True)
class Outcome:
    """``state`` unknown: we could not even test. ``reason`` is for people. ``findings``: at most ``FINDINGS_MAX``."""

    state: State
    reason: str = ""
    detail: Mapping[str, Plain] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def readings(self, path: str, check: str, at_ns: int) -> list[Reading]:
        """What was found, then the one reading that a check ends with."""
        found = [finding.reading(path, check, at_ns) for finding in self.findings[:FINDINGS_MAX]]
        return [*found, self.reading(path, check, at_ns)]

    def reading(self, path: str, check: str, at_ns: int) -> Reading:
        """The one reading that a check ends with."""
        detail = dict(self.detail)
        if self.reason:
            detail["reason"] = self.reason[:200]
        return Reading(path, check, KIND_OF[self.state], "", self.state, at_ns, detail)


def no_answer(timeout_s: float, detail: Mapping[str, Plain] | None = None) -> Outcome:
    """Nothing came back in time."""
    return Outcome("down", f"no answer in {timeout_s:.3g} s", detail or {})


def of_error(error: OSError, refused: str = REFUSED_TCP) -> Outcome:
    """What an error of the socket says: of the other side, of the way, or of ourselves."""
    text = error.strerror or str(error) or type(error).__name__
    if error.errno in OURS:
        return Outcome("unknown", f"this box can't test: {text}")
    if error.errno == errno.ECONNREFUSED:
        return Outcome("down", refused)
    return Outcome("down", text[0].lower() + text[1:])
