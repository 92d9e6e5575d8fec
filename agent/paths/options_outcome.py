"""What a final response to an OPTIONS says of the way to the far end. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from agent.paths import sip
from agent.paths.outcome import Outcome
from agent.readings import Plain


def of_answer(answer: sip.Answer, took_ms: float, more: Mapping[str, Plain]) -> Outcome:
    """What a final response says: any of the far end's own shows the path, a proxy's 408 or 503 only a part of it."""
    detail: dict[str, Plain] = {
        "code": answer.code,
        "keepalive_ok": answer.keepalive_ok,
        "rtt_ms": round(took_ms, 2),
        **more,
    }
    if answer.verdict == "alive":
        return Outcome("up", "", detail)
    return Outcome("degraded", f"answered {answer.code}, perhaps by a proxy in the middle", detail)
