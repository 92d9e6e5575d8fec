"""A call's audio: echo and tone, whatever packets come."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.paths.call import g711, rtp, tone
from agent.reflector.media import WAITING_MAX, Voice

HOST = "192.0.2.10"
FRAME_NS = 20_000_000


def voice(probe_hz: int | None = 900, **more: object) -> Voice:
    return Voice(HOST, (HOST, 4000), 1200, probe_hz, bytes(range(8)), 0, 5.0, **more)  # type: ignore[arg-type]


def packet(number: int, samples: int = 160, hz: int = 900) -> bytes:
    payload = g711.encode(tone.samples(hz, number * samples, samples))
    return rtp.build(rtp.Packet(0, False, number, number * samples, 9, payload))


def talk(one: Voice, samples: int, count: int, lost: frozenset[int] = frozenset()) -> tuple[tone.ToneEar, tone.ToneEar]:
    """What the probe hears of its own tone and of the reflector's."""
    echo, own = tone.ToneEar(900), tone.ToneEar(1200)
    at_ns, number = 0, 0
    while number < count:
        while number < count and number * samples * 125_000 <= at_ns:
            if number not in lost:
                one.packet(packet(number, samples), HOST, 4000, at_ns)
            number += 1
        data = one.send(at_ns)
        heard = rtp.parse(data) if data else None
        if heard is not None:
            block = g711.decode(heard.payload)
            echo.block(block)
            own.block(block)
        at_ns += FRAME_NS
    return echo, own


def test_packets_of_other_lengths_are_echoed_too() -> None:
    for samples in (80, 160, 240, 320):
        one = voice()
        echo, own = talk(one, samples, 16_000 // samples)
        assert echo.heard(), samples
        assert own.heard(), samples
        assert one.heard().tone, samples


def test_some_loss_is_counted_and_the_tone_still_heard() -> None:
    lost = frozenset(range(5, 100, 10))
    one = voice()
    talk(one, 160, 100, lost)
    word = one.heard()
    assert (word.packets, word.lost, word.tone) == (90, 10, True)


def test_silence_and_another_tone_are_not_the_probes() -> None:
    for hz in (700, 1200):
        one = voice()
        for number in range(100):
            one.packet(packet(number, hz=hz), HOST, 4000, number * FRAME_NS)
        assert (one.heard().packets, one.heard().tone) == (100, False)
    assert not voice(None).heard().tone
    assert not voice(1200).heard().tone  # our own tone coming back would be found in it


def test_the_echo_does_not_pile_up() -> None:
    one = voice()
    for number in range(5000):
        one.packet(packet(number), HOST, 4000, 0)
    assert len(one._waiting) <= WAITING_MAX
    assert one.over == 5000 - 2 * 250 - 100
    assert len(one._received._seen) <= 512


def test_a_stall_of_our_own_is_not_made_up_for() -> None:
    one = voice()
    assert one.send(0)
    assert one.send(3_000_000_000)
    assert one.send(3_000_000_000) is None
    sent = sum(one.send(3_000_000_000 + ms * 1_000_000) is not None for ms in range(1000))
    assert sent <= 50


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=500), st.builds(packet, st.integers(0, 70_000), st.sampled_from([1, 159, 160]))
            ),
            st.sampled_from([HOST, "203.0.113.5"]),
            st.integers(0, 3),
            st.integers(0, 10**9),
        ),
        max_size=60,
    )
)
def test_any_packets(steps: list[tuple[bytes, str, int, int]]) -> None:
    one = voice()
    now_ns = 0
    for data, host, port, later_ns in steps:
        now_ns += later_ns
        one.packet(data, host, 4000 + port, now_ns)
        sent = one.send(now_ns)
        assert sent is None or len(sent) == 172
        assert one.to is not None
        assert one.to[0] == HOST
    word = one.heard()
    assert word.packets + one.strangers + one.garbage + one.over <= len(steps)
