"""What a test call is to be, and what its signalling has shown: plain facts, pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from agent.paths.call import heard, sdp


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be placed. ``local``, ``port``: where the far end reaches our signalling. ``end_s``: the longest that
    CANCEL or BYE may wait for an answer. ``offer``: our SDP."""

    to: str
    local: str
    port: int
    offer: bytes
    tone_hz: int
    target: tuple[str, int] | None = None
    """Address and port that all goes to unless the far end leads elsewhere."""
    transport: str = "udp"
    user: str | None = None
    password: bytes | None = field(default=None, repr=False)
    ring_s: float = 8.0
    end_s: float = 2.0


@dataclass(slots=True)
class Told:
    """What the far end has said so far."""

    code: int | None = None
    """Its newest response to the INVITE; the final one once it is there."""
    rang: int | None = None
    """The newest provisional response."""
    final: bool = False
    answered: bool = False
    media: sdp.Session | None = None
    early: sdp.Session | None = None
    tone_hz: int | None = None
    heard: heard.Heard | None = None
    gave_up: bool = False
    """We stopped waiting before anybody had answered."""
    hung_up: bool = False
    bye_answered: bool = False
    challenges: int = 0
    forks: int = 0
    requests: int = 0
    ignored: int = 0
