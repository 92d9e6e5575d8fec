"""What a test call shows, pure: from its facts to a state, a direction, and plain words.

``out`` and ``in`` are how our audio gets there and how theirs comes back: ``u`` up, ``g`` degraded, ``d`` down, ``-``
not known. Our own tone in the echo proves both. Where the echo is missing, the reflector's own tone speaks for ``in``
and its word on what it heard for ``out``. A far end that only echoes can't tell which direction is lost: where nothing
comes at all both are ``g`` (one of them is down, or both); where something comes that is no echo, ``out`` is more
likely lost (``d``) and ``in`` is not proved by it (``g``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from agent.paths.call.audio import Audio
from agent.paths.call.facts import Told
from agent.paths.outcome import Outcome
from agent.readings import Plain, State

Look = Literal["u", "g", "d", "-"]
# Loss that makes audio bad. 5 % each way must not: of 100 packets that costs 22 of the echo once in ten thousand calls.
LOSS_ONE_WAY = 0.15
LOSS_ROUND_TRIP = 0.22
BROKEN_OFF = 0.5
"""A stream without gaps in its numbers that was there for less than this share of the time broke off, or began late."""
TALK_MIN_MS = 300
"""A call shorter than this proves nothing of its audio."""
# A call that is turned away so did not get through: by the far end's own failure, or by a proxy that can't reach it.
NOT_THROUGH = frozenset({408, 500, 502, 503, 504})
_REFUSED: dict[int, str] = {
    401: "the far end wants credentials, or does not take ours",
    403: "the far end forbids it",
    404: "the far end knows no such address",
    407: "a proxy wants credentials, or does not take ours",
    415: "the far end does not take our audio format",
    480: "the one called is not there now",
    482: "the call went round in a loop",
    484: "the address is incomplete",
    486: "the far end is busy",
    488: "the far end does not take our audio format",
    600: "the far end is busy",
    603: "the far end declined",
    604: "the far end knows no such address",
    606: "the far end does not take our audio format",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the site file says of the call. ``reflector``: the far end is ours. ``ring_s``: how long it could ring."""

    reflector: bool
    ring_s: float
    covers: tuple[str, ...] = ()


def judge(told: Told, audio: Audio, asked: Asked) -> Outcome:
    """How a call that has ended looks."""
    if not told.answered:
        state, reason, both = _unanswered(told, asked)
        return _outcome(state, reason, both, both, told, audio, asked)
    why = _no_audio(told, audio)
    if why:
        return _outcome("degraded", why, "-", "-", told, audio, asked)
    out, back, reason = _directions(told, audio)
    if reason:
        return _outcome("down", reason, out, back, told, audio, asked)
    out, back, lossy = _losses(told, audio)
    notes = [note for note in (lossy, _signalling(told)) if note]
    return _outcome("degraded" if notes else "up", "; ".join(notes), out, back, told, audio, asked)


def _unanswered(told: Told, asked: Asked) -> tuple[State, str, Look]:
    code = told.code
    if code is None:
        return "down", f"no answer to the call in {asked.ring_s:.3g} s", "d"
    if told.gave_up or not told.final:
        if told.rang is None or told.rang == 100:  # that comes from the next hop only (RFC 3261 section 16.2)
            return "down", f"no answer but {code} in {asked.ring_s:.3g} s", "d"
        return "degraded", f"nobody took the call in {asked.ring_s:.3g} s ({told.rang})", "-"
    if code in NOT_THROUGH:
        return "down", f"the call did not get through: {code}", "d"
    if 300 <= code < 400:
        return "degraded", f"redirected ({code}); not followed", "-"
    why = _REFUSED.get(code, "the far end refused the call")
    return "degraded", f"{why} ({code})", "-"


def _no_audio(told: Told, audio: Audio) -> str:
    """Why an answered call says nothing of audio; "" where it does."""
    media = told.media
    if media is None:
        return "answered without saying where its audio goes"
    if media.port == 0 or media.pcmu is None:
        return "answered without PCMU: the audio can't be tested"
    if not audio.received.packets and (not media.sends or not media.listens):
        return f"answered, but its audio is {media.direction}: it can't be tested"
    if told.hung_up and audio.sent_ms < TALK_MIN_MS:
        return f"the far end hung up after {audio.sent_ms} ms"
    return ""


def _directions(told: Told, audio: Audio) -> tuple[Look, Look, str]:
    """``out`` and ``in`` by the tones alone, and what is missing."""
    packets = audio.received.packets
    if audio.echo.heard() or audio.echo.in_part():
        return "u", "u", ""
    word = told.heard.tone if told.heard is not None else None
    if audio.own is None:
        return _echo_only(word, audio)
    if audio.own.heard() or audio.own.in_part():
        if word:
            return "u", "u", ""
        return "d", "u", "our audio does not get there: the far end's own tone came, and no echo"
    came = "no audio came back" if not packets else "what came back was not the far end's audio"
    if word:
        return "u", "d", f"{came}; the far end heard ours"
    if word is None:
        return "-", "d", f"{came}; the far end did not say what it heard"
    return "d", "d", f"{came}, and the far end heard nothing of ours"


def _echo_only(word: bool | None, audio: Audio) -> tuple[Look, Look, str]:
    stranger = "; audio came from another address than the answer named" if audio.strangers else ""
    if word is not None:
        out: Look = "u" if word else "d"
        return out, "d" if word else "g", f"no echo; the far end heard {'our tone' if word else 'nothing of ours'}"
    if not audio.received.packets:
        return "g", "g", f"no audio came back; the far end can't say which direction is lost{stranger}"
    return "d", "g", f"audio came back, but no echo of our tone{stranger}"


def _losses(told: Told, audio: Audio) -> tuple[Look, Look, str]:
    """Each direction of audio that got through: less well where much of it was lost, and what to say of that."""
    back_lost = _share(audio.received.lost, audio.received.expected)
    if audio.sent_ms:
        there = audio.heard_ms / audio.sent_ms
        back_lost = max(back_lost, 1 - there if there < BROKEN_OFF else 0.0)
    # Without a word of the far end a loss of the echo may have happened on either way.
    one_way = told.heard is not None
    back_bad = back_lost >= (LOSS_ONE_WAY if one_way else LOSS_ROUND_TRIP)
    out_bad, notes = back_bad and not one_way, []
    if told.heard is not None:
        out_lost = max(_out_lost(told, audio), 0.0)
        out_bad = out_lost >= LOSS_ONE_WAY
        if out_bad:
            notes.append(f"{out_lost:.0%} of our audio was lost on its way out")
    if back_bad:
        notes.append(f"{back_lost:.0%} of the audio was lost {'on its way in' if one_way else 'there or back'}")
    if not (audio.echo.heard() or told.heard is not None):
        out_bad = back_bad = True
        notes.append("the echo came only in part")
    return "g" if out_bad else "u", "g" if back_bad else "u", ", ".join(notes)


def _out_lost(told: Told, audio: Audio) -> float:
    """By the far end's count; the last packets may still be under way when it tells, so four are no loss."""
    assert told.heard is not None, "asked only where the far end has told"
    missing = audio.sent - told.heard.packets - 4
    return max(_share(told.heard.lost, told.heard.packets + told.heard.lost), _share(missing, audio.sent))


def _share(part: int, of: int) -> float:
    return max(0, part) / of if of > 0 else 0.0


def _signalling(told: Told) -> str:
    """What was wrong with a call whose audio was well."""
    if told.hung_up:
        return "the far end hung up first"
    return "" if told.bye_answered else "the far end did not answer our BYE"


def _outcome(state: State, reason: str, out: Look, back: Look, told: Told, audio: Audio, asked: Asked) -> Outcome:
    talked = told.answered
    received, said = audio.received, told.heard
    detail: dict[str, Plain] = {
        "code": told.code,
        "answered": told.answered,
        "packets_sent": audio.sent,
        "packets": received.packets,
        "lost_percent": round(100 * _share(received.lost, received.expected), 1),
        "jitter_ms": round(received.jitter_ms, 1),
        "echo": audio.echo.heard() if talked else None,
        "own_tone": audio.own.heard() if talked and audio.own is not None else None,
        "heard": said.tone if said is not None else None,
        "out": out,
        "in": back,
        "covers": " ".join(asked.covers),
    }
    if said is not None:
        detail |= {"heard_packets": said.packets, "heard_lost": said.lost, "heard_jitter_ms": said.jitter_ms}
    counted: dict[str, int] = {
        "duplicates": received.duplicates,
        "late": received.late,
        "strays": received.strays,
        "sources": received.sources if received.sources > 1 else 0,
        "garbage": audio.garbage,
        "strangers": audio.strangers,
        "unspoken": audio.unspoken,
        "flood": audio.over,
        "skipped": audio.skipped,
        "ignored": told.ignored,
        "challenges": told.challenges,
        "forks": told.forks,
    }
    return Outcome(state, reason, {**detail, **{name: count for name, count in counted.items() if count}})
