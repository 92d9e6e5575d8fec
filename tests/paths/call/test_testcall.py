"""From what a call has shown to its outcome: each direction, loss, and everything that is no audio at all."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths.call import g711, rtp, sdp, tone
from agent.paths.call.audio import PACKETS_MAX, Audio
from agent.paths.call.facts import Told
from agent.paths.call.heard import Heard, heard_of, text_of, tone_of
from agent.paths.call.testcall import Asked, judge
from agent.paths.outcome import Outcome

MS = 1_000_000
PROBE, FAR = 900, 1200
MEDIA = sdp.Session("192.0.2.9", 6000, (0,), "sendrecv")
Change = Callable[[int, bytes], bytes | None]


def told(**changes: object) -> Told:
    return Told(**{"code": 200, "final": True, "answered": True, "media": MEDIA, "bye_answered": True, **changes})  # type: ignore[arg-type]


def samples_of(packet: bytes) -> list[int]:
    parsed = rtp.parse(packet)
    assert parsed is not None
    return g711.decode(parsed.payload)


def talked(change: Change, *, far: int | None = None, count: int = 100) -> Audio:
    """A call of ``count`` packets; ``change`` makes of each one what comes back."""
    audio = Audio(PROBE, bytes(range(8)))
    audio.agreed(0, far)
    for number in range(count):
        packet = audio.packet()
        audio.sent += 1
        back = change(number, packet)
        if back is not None:
            audio.came(back, number * 20 * MS)
    return audio


def echo(_number: int, packet: bytes) -> bytes:
    return packet


def silence(_number: int, _packet: bytes) -> None:
    return None


def playing(make: Callable[[int, list[int]], list[int]]) -> Change:
    """A stream of the far end's own, its samples made of the number and ours."""

    def change(number: int, packet: bytes) -> bytes:
        payload = g711.encode(make(number, samples_of(packet)))
        return rtp.build(rtp.Packet(0, False, 500 + number, number * 160, 99, payload))

    return change


def own(number: int) -> list[int]:
    return tone.samples(FAR, number * 160, 160)


REFLECTED = playing(lambda number, ours: [a + b for a, b in zip(ours, own(number), strict=True)])
OWN_ONLY = playing(lambda number, _: own(number))
GOOD = Heard(100, 0, 1.0, True)
NOTHING = Heard(0, 0, 0.0, False)


def looks(outcome: Outcome) -> str:
    return f"{outcome.state} {outcome.detail['out']}{outcome.detail['in']}"


def of(change: Change, *, far: int | None = None, heard: Heard | None = None, **more: object) -> Outcome:
    return judge(told(heard=heard, **more), talked(change, far=far), Asked(far is not None, 8.0, ("firewall", "sbc")))


@pytest.mark.parametrize(
    ("change", "far", "heard", "wanted"),
    [
        (echo, None, None, "up uu"),
        (silence, None, None, "down gg"),
        (playing(lambda *_: [0] * 160), None, None, "down dg"),
        (REFLECTED, FAR, GOOD, "up uu"),
        (REFLECTED, FAR, None, "up uu"),
        (OWN_ONLY, FAR, NOTHING, "down du"),
        (OWN_ONLY, FAR, None, "down du"),
        (OWN_ONLY, FAR, GOOD, "up uu"),
        (silence, FAR, GOOD, "down ud"),
        (silence, FAR, NOTHING, "down dd"),
        (silence, FAR, None, "down -d"),
        (playing(lambda *_: [0] * 160), FAR, GOOD, "down ud"),
        (silence, None, GOOD, "down ud"),
        (playing(lambda *_: [0] * 160), None, NOTHING, "down dg"),
    ],
)
def test_each_direction(change: Change, far: int | None, heard: Heard | None, wanted: str) -> None:
    outcome = of(change, far=far, heard=heard)
    assert looks(outcome) == wanted
    assert bool(outcome.reason) == (outcome.state != "up")


def test_the_detail_of_a_good_call() -> None:
    assert of(REFLECTED, far=FAR, heard=GOOD).detail == {
        "code": 200, "answered": True, "packets_sent": 100, "packets": 100, "lost_percent": 0.0, "jitter_ms": 0.0,
        "echo": True, "own_tone": True, "heard": True, "out": "u", "in": "u", "covers": "firewall sbc",
        "heard_packets": 100, "heard_lost": 0, "heard_jitter_ms": 1.0,
    }  # fmt: skip


def test_nothing_but_our_own_tone_is_an_echo() -> None:
    noise = random.Random(3)
    for make in (
        lambda *_: [noise.randrange(-200, 200) for _ in range(160)],  # comfort noise
        lambda number, _: tone.samples(1100, number * 160, 160),  # another call's tone
        lambda number, _: tone.samples(440, number * 160, 160),
    ):
        assert of(playing(make)).state == "down"


def lossy(share: float, seed: int, change: Change) -> Change:
    dice = random.Random(seed)
    return lambda number, packet: None if dice.random() < share else change(number, packet)


def test_five_percent_each_way_is_well_and_thirty_is_not() -> None:
    for seed in range(50):
        assert looks(of(lossy(0.0975, seed, echo))) == "up uu"
        assert looks(of(lossy(0.51, seed, echo))) == "degraded gg"
        assert looks(of(lossy(0.05, seed, REFLECTED), far=FAR, heard=Heard(95, 5, 1, True))) == "up uu"
        assert looks(of(lossy(0.40, seed, REFLECTED), far=FAR, heard=Heard(95, 5, 1, True))) == "degraded ug"
    assert looks(of(REFLECTED, far=FAR, heard=Heard(70, 30, 1, True))) == "degraded gu"
    assert looks(of(REFLECTED, far=FAR, heard=Heard(60, 0, 1, True))) == "degraded gu"
    assert sum(of(lossy(0.30, seed, echo)).state == "degraded" for seed in range(50)) >= 45


def test_an_echo_that_breaks_off_is_degraded() -> None:
    assert looks(of(lambda number, packet: packet if number < 40 else None)) == "degraded gg"


def test_an_echo_in_part_is_degraded() -> None:
    quiet = g711.encode([0] * 160)

    def change(number: int, packet: bytes) -> bytes:
        return packet if number % 2 else packet[:12] + quiet

    outcome = of(change)
    assert looks(outcome) == "degraded gg"
    assert "in part" in outcome.reason


def test_a_bye_without_an_answer_is_told() -> None:
    outcome = of(echo, bye_answered=False)
    assert (looks(outcome), outcome.reason) == ("degraded uu", "the far end did not answer our BYE")


def test_the_far_end_hangs_up() -> None:
    assert looks(of(echo, hung_up=True)) == "degraded uu"
    short = judge(told(hung_up=True), talked(silence, count=5), Asked(False, 8.0))
    assert (looks(short), short.reason) == ("degraded --", "the far end hung up after 100 ms")


@pytest.mark.parametrize(
    ("media", "word"),
    [
        (None, "without saying"),
        (sdp.Session("", 0, (0,), "sendrecv"), "without PCMU"),
        (sdp.Session("192.0.2.9", 9, (8,), "sendrecv", None), "without PCMU"),
        (sdp.Session("192.0.2.9", 9, (0,), "inactive"), "inactive"),
        (sdp.Session("192.0.2.9", 9, (0,), "recvonly"), "recvonly"),
    ],
)
def test_answers_without_audio_to_test(media: sdp.Session | None, word: str) -> None:
    outcome = judge(told(media=media), talked(silence), Asked(False, 8.0))
    assert looks(outcome) == "degraded --"
    assert word in outcome.reason


@pytest.mark.parametrize(
    ("changes", "wanted", "word"),
    [
        ({"code": None, "final": False, "gave_up": True}, "down dd", "no answer to the call in 8 s"),
        ({"code": 100, "rang": 100, "final": False, "gave_up": True}, "down dd", "no answer but 100"),
        (
            {"code": 180, "rang": 180, "final": False, "gave_up": True},
            "degraded --",
            "nobody took the call in 8 s (180)",
        ),
        ({"code": 487, "rang": 183, "gave_up": True}, "degraded --", "nobody took the call in 8 s (183)"),
        ({"code": 503}, "down dd", "did not get through: 503"),
        ({"code": 408}, "down dd", "408"),
        ({"code": 486}, "degraded --", "busy (486)"),
        ({"code": 600}, "degraded --", "busy (600)"),
        ({"code": 401}, "degraded --", "credentials"),
        ({"code": 404}, "degraded --", "no such address"),
        ({"code": 302}, "degraded --", "not followed"),
        ({"code": 488}, "degraded --", "format"),
        ({"code": 499}, "degraded --", "refused the call (499)"),
    ],
)
def test_calls_that_nobody_takes(changes: dict[str, object], wanted: str, word: str) -> None:
    outcome = judge(told(answered=False, media=None, **changes), Audio(PROBE, bytes(8)), Asked(False, 8.0))
    assert looks(outcome) == wanted
    assert word in outcome.reason
    assert outcome.detail["echo"] is None


def test_strangers_and_floods_are_told() -> None:
    audio = talked(lambda *_: b"garbage")
    audio.strangers = 3
    outcome = judge(told(), audio, Asked(False, 8.0))
    assert (outcome.detail["garbage"], outcome.detail["strangers"]) == (100, 3)
    assert "another address" in outcome.reason
    for _ in range(2 * PACKETS_MAX):
        audio.came(b"garbage", 0)
    assert audio.garbage == PACKETS_MAX
    assert judge(told(), audio, Asked(False, 8.0)).detail["flood"] == PACKETS_MAX + 100


def test_packets_that_were_left_out_are_no_loss() -> None:
    audio = Audio(PROBE, bytes(8))
    first = rtp.parse(audio.packet())
    audio.skip(4)
    second = rtp.parse(audio.packet())
    assert first is not None
    assert second is not None
    assert (second.sequence - first.sequence, second.timestamp - first.timestamp) == (1, 5 * 160)
    assert (first.marker, second.marker) == (True, False)
    assert samples_of(rtp.build(second)) == g711.decode(g711.encode(tone.samples(PROBE, 5 * 160, 160)))


def test_a_payload_type_that_was_agreed_is_used() -> None:
    audio = Audio(PROBE, bytes(8))
    audio.agreed(97, None)
    packet = rtp.parse(audio.packet())
    assert packet is not None
    assert packet.payload_type == 97
    audio.came(rtp.build(rtp.Packet(0, False, 1, 1, 1, packet.payload)), 0)
    assert (audio.unspoken, audio.echo.blocks) == (1, 0)


def test_a_far_tone_like_ours_proves_nothing() -> None:
    audio = Audio(PROBE, bytes(8))
    audio.agreed(0, PROBE)
    assert audio.own is None


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**6), st.booleans())
def test_the_far_ends_word_there_and_back(packets: int, lost: int, tenths: int, heard_it: bool) -> None:
    word = Heard(min(packets, 999_999_999), min(lost, 999_999_999), tenths / 10, heard_it)
    assert heard_of(text_of(word)) == word


@pytest.mark.parametrize(
    "text",
    [
        "",
        "packets=1",
        "packets=-1;lost=0;tone=no",
        "packets=1;lost=0;tone=maybe",
        "packets=٣;lost=0;tone=no",
        "x" * 999,
    ],
)
def test_words_that_say_nothing(text: str) -> None:
    assert heard_of(text) is None


@given(st.text(max_size=100))
def test_any_word_is_read(text: str) -> None:
    heard_of(text)
    heard_of("packets=1;lost=0;tone=yes;" + text)
    assert tone_of(text) is None or 50 <= int(text) < 4000


@given(st.lists(st.binary(max_size=200), max_size=50), st.sampled_from([None, FAR]))
def test_any_audio_is_judged(datagrams: list[bytes], far: int | None) -> None:
    def change(number: int, packet: bytes) -> bytes:
        junk = datagrams[number % len(datagrams)] if datagrams else b""
        return packet[:12] + junk if number % 2 else junk

    outcome = of(change, far=far)
    assert outcome.state == "down"


def test_a_block_is_never_made_of_two_ends() -> None:
    """Packets of 10 ms, every other one lost: halves that don't belong together are not listened to."""
    audio = Audio(PROBE, bytes(8))
    audio.agreed(0, None)
    for number in range(0, 200, 2):
        payload = g711.encode(tone.samples(PROBE, number * 80, 80))
        audio.came(rtp.build(rtp.Packet(0, False, number, number * 80, 9, payload)), number * 10 * MS)
    assert (audio.received.packets, audio.echo.blocks) == (100, 0)
