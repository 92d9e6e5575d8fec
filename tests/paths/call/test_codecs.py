"""PCMU, tones, RTP, SDP and digest: the standards' own numbers, other vendors' texts, and any bytes at all."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths.call import digest, g711, rtp, sdp, tone

MS = 1_000_000


def pcmu(hz: int, count: int = tone.BLOCK, start: int = 0, level: float = 0.25) -> list[int]:
    return g711.decode(g711.encode(tone.samples(hz, start, count, level)))


def test_mu_law_is_the_standards() -> None:
    # ITU-T G.711 table 2a: the ends, the steps of the first segment, both zeros, and the segments' first values.
    assert g711.decode(bytes([0x80, 0x00, 0xFF, 0x7F, 0xFE, 0x7E])) == [32124, -32124, 0, 0, 8, -8]
    assert g711.decode(bytes([0xF0, 0xEF, 0xDF, 0xCF, 0xBF, 0xAF, 0x9F, 0x8F])) == [
        120, 132, 396, 924, 1980, 4092, 8316, 16764,
    ]  # fmt: skip


def test_mu_law_there_and_back() -> None:
    for code in set(range(256)) - {0x7F}:  # minus zero comes back as plus zero
        assert g711.encode(g711.decode(bytes([code]))) == bytes([code])
    assert g711.encode([40_000, -40_000, 32767, -32768]) == bytes([0x80, 0x00, 0x80, 0x00])
    for sample in range(-32768, 32768, 37):  # half a step of its segment is the most that is lost
        (back,) = g711.decode(g711.encode([sample]))
        assert abs(back - sample) <= max(4, abs(sample) // 16) + 650 * (abs(sample) > 32124)


@pytest.mark.parametrize("hz", [*tone.PROBE_HZ, *tone.REFLECTOR_HZ])
def test_a_tone_is_found_at_its_place_alone(hz: int) -> None:
    block = pcmu(hz, start=77)
    assert tone.share(block, hz) > 0.99
    others = {*tone.PROBE_HZ, *tone.REFLECTOR_HZ} - {hz}
    assert max(tone.share(block, other) for other in others) < 0.001


def test_two_tones_share_the_power() -> None:
    mixed = [a + b for a, b in zip(pcmu(900), pcmu(1600), strict=True)]
    assert tone.share(mixed, 900) == pytest.approx(0.5, abs=0.01)
    assert tone.share(mixed, 1600) == pytest.approx(0.5, abs=0.01)


def test_a_tone_has_no_drift() -> None:
    assert tone.samples(1300, 80_000_000_000, 160) == tone.samples(1300, 0, 160)
    assert tone.samples(1300, 0, 160) == tone.samples(1300, 0, 100) + tone.samples(1300, 100, 60)


def heard(samples: list[int], hz: int = 900, piece: int = 160) -> tone.ToneEar:
    ear = tone.ToneEar(hz)
    for at in range(0, len(samples), piece):
        ear.block(samples[at : at + piece])
    return ear


def test_what_is_not_the_tone_does_not_pass() -> None:
    noise = random.Random(1)
    second = tone.RATE_HZ
    hiss = [noise.randrange(-3000, 3000) for _ in range(2 * second)]
    faint = [noise.randrange(-40, 40) for _ in range(2 * second)]  # comfort noise
    ringback = [a + b for a, b in zip(tone.samples(440, 0, 2 * second), tone.samples(480, 0, 2 * second), strict=True)]
    busy = [a + b for a, b in zip(tone.samples(480, 0, 2 * second), tone.samples(620, 0, 2 * second), strict=True)]
    for samples in (
        [0] * second,
        hiss,
        faint,
        ringback,
        busy,
        tone.samples(1100, 0, second),
        tone.samples(1004, 0, second),
    ):
        ear = heard(samples)
        assert ear.blocks >= 50
        assert not ear.heard()
        assert not ear.in_part()


@pytest.mark.parametrize("piece", [80, 160, 240, 33, 480])
def test_the_tone_is_heard_in_packets_of_any_length(piece: int) -> None:
    ear = heard(pcmu(900, 8000), piece=piece)
    assert ear.heard()
    assert ear.found >= 49


def test_quiet_noisy_and_late_echoes_are_heard() -> None:
    noise = random.Random(2)
    assert heard(pcmu(900, 8000, level=0.005)).heard()
    loud = [sample + noise.randrange(-4000, 4000) for sample in pcmu(900, 8000)]
    assert heard(loud).heard()
    assert heard(pcmu(440, 24_000) + pcmu(900, 8000)).heard()  # an announcement first
    assert not heard(pcmu(900, 9 * 160)).heard()  # too short to be sure
    broken = [s for at in range(100) for s in (pcmu(900) if at % 3 == 0 else [0] * 160)]
    assert not heard(broken).heard()
    assert heard(broken).in_part()


# ---- RTP


def packet(sequence: int, payload: bytes = b"\xff" * 160, *, ssrc: int = 7, at: int | None = None) -> rtp.Packet:
    at = sequence if at is None else at
    return rtp.Packet(0, False, sequence % 65536, at * 160 % (1 << 32), ssrc, payload)


@given(
    st.integers(0, 63), st.booleans(), st.integers(0, 65535), st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 32) - 1), st.binary(max_size=400),
)  # fmt: skip
def test_rtp_there_and_back(kind: int, marker: bool, sequence: int, stamp: int, ssrc: int, payload: bytes) -> None:
    one = rtp.Packet(kind, marker, sequence, stamp, ssrc, payload)
    assert rtp.parse(rtp.build(one)) == one


def test_csrc_extension_and_padding_are_taken_off() -> None:
    bare = rtp.build(packet(1, b"audio"))
    head, payload = bare[:12], bare[12:]
    full = bytes([0xB2]) + head[1:] + b"c" * 8 + b"\xbe\xde\x00\x01" + b"eeee" + payload + b"\x00\x00\x03"
    assert rtp.parse(full) == packet(1, b"audio")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80" * 11,
        bytes([0x40]) + bytes(20),  # version 1
        bytes([0x8F]) + bytes(12),  # more CSRCs than bytes
        bytes([0x90]) + bytes(13),  # an extension without its header
        bytes([0x90]) + bytes(11) + b"\x00\x00\xff\xff" + bytes(100),  # an extension beyond the end
        bytes([0xA0]) + bytes(12),  # padding of none
        bytes([0xA0]) + bytes(11) + b"\xff",  # padding longer than the packet
        bytes([0x80, 200]) + bytes(30),  # RTCP
        bytes([0x80]) + bytes(3000),
    ],
)
def test_what_is_no_rtp(data: bytes) -> None:
    assert rtp.parse(data) is None


@given(st.binary(max_size=100))
def test_any_datagram_is_parsed(data: bytes) -> None:
    rtp.parse(data)
    rtp.parse(b"\x80\x00" + data)
    rtp.parse(b"\xbf\x00" + data)


def counted(sequences: list[int]) -> rtp.Received:
    received = rtp.Received()
    for number, sequence in enumerate(sequences):
        received.saw(packet(sequence), number * 20 * MS)
    return received


def test_a_whole_stream_over_the_wrap() -> None:
    received = counted(list(range(65500, 65600)))
    assert (received.packets, received.expected, received.lost, received.late) == (100, 100, 0, 0)


def test_loss_duplicates_and_disorder() -> None:
    received = counted([10, 11, 13, 12, 12, 15, 65535 + 17])
    assert (received.packets, received.expected, received.lost) == (6, 7, 1)
    assert (received.late, received.duplicates) == (1, 1)


def test_packets_before_the_first_are_no_gain() -> None:
    received = counted([10, 9, 8, 11])
    assert (received.packets, received.expected, received.lost) == (4, 4, 0)


def test_a_restart_and_a_new_source_go_on() -> None:
    received = counted([1, 2, 3, 30_000, 4, 40_000, 40_001, 40_002])
    assert (received.strays, received.restarts) == (2, 1)
    assert (received.packets, received.expected, received.lost) == (6, 6, 0)
    for sequence in (500, 501):
        received.saw(packet(sequence, ssrc=8), 0)
    assert (received.sources, received.packets, received.expected) == (2, 8, 8)


def test_jitter_by_appendix_a8() -> None:
    steady, shaky = rtp.Received(), rtp.Received()
    for number in range(500):
        steady.saw(packet(number, at=number + (1 << 32) - 50), number * 20 * MS)  # over the timestamp's wrap
        shaky.saw(packet(number), number * 20 * MS + number % 2 * 10 * MS)
    assert steady.jitter_ms == 0
    once = rtp.Received()
    once.saw(packet(0), 0)
    once.saw(packet(1), 36 * MS)  # 16 ms late: J = 16 ms / 16
    assert once.jitter_ms == pytest.approx(1.0)
    assert shaky.jitter_ms == pytest.approx(10, abs=0.1)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, (1 << 32) - 1), st.integers(0, 3)), max_size=300))
def test_any_stream_is_counted(stream: list[tuple[int, int, int]]) -> None:
    received = rtp.Received()
    for number, (sequence, stamp, ssrc) in enumerate(stream):
        received.saw(rtp.Packet(0, False, sequence, stamp, ssrc, b""), number)
    assert 0 <= received.packets <= len(stream)
    assert received.packets + received.lost >= received.expected
    assert received.jitter_ms >= 0


# ---- SDP


def test_our_offer_and_its_answer() -> None:
    offer = sdp.offer("192.0.2.1", 4000, 77)
    assert b"m=audio 4000 RTP/AVP 0\r\n" in offer
    session = sdp.parse(offer)
    assert session is not None
    assert (session.address, session.port, session.payload_types) == ("192.0.2.1", 4000, (0,))
    assert (session.direction, session.pcmu) == ("sendrecv", 0)
    answer = sdp.parse(sdp.answer(session, "2001:db8::5", 6000, 1) or b"")
    assert answer is not None
    assert (answer.address, answer.port, answer.pcmu) == ("2001:db8::5", 6000, 0)


ASTERISK = b"""v=0
o=- 1450 2 IN IP4 198.51.100.7
s=Asterisk
c=IN IP4 198.51.100.7
t=0 0
m=audio 14250 RTP/AVP 8 0 101
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-16
a=ptime:20
a=maxptime:150
a=sendrecv
m=video 0 RTP/AVP 31
"""


def test_another_vendors_answer() -> None:
    session = sdp.parse(ASTERISK)
    assert session is not None
    assert (session.address, session.port, session.payload_types) == ("198.51.100.7", 14250, (8, 0, 101))
    assert session.pcmu == 0
    answer = sdp.answer(session, "192.0.2.1", 9, 1)
    assert answer is not None
    assert answer.count(b"m=") == 2
    assert b"m=video 0 RTP/AVP 31\r\n" in answer


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("m=audio 9 RTP/AVP 0\nc=IN IP6 2001:DB8:0::1", ("2001:db8::1", 9, "sendrecv", 0)),
        ("c=IN IP4 192.0.2.1\nm=audio 9 RTP/AVP 0\nc=IN IP4 192.0.2.2", ("192.0.2.2", 9, "sendrecv", 0)),
        ("c=IN IP4 192.0.2.1\na=sendonly\nm=audio 9 RTP/AVP 0", ("192.0.2.1", 9, "sendonly", 0)),
        ("c=IN IP4 192.0.2.1\na=sendonly\nm=audio 9 RTP/AVP 0\na=recvonly", ("192.0.2.1", 9, "recvonly", 0)),
        ("c=IN IP4 192.0.2.1\nm=audio 9 RTP/AVP 97 8\na=rtpmap:97 pcmu/8000/1", ("192.0.2.1", 9, "sendrecv", 97)),
        ("c=IN IP4 192.0.2.1\nm=audio 9 RTP/AVP 8", ("192.0.2.1", 9, "sendrecv", None)),
        ("c=IN IP4 192.0.2.1\nm=audio 9 RTP/SAVP 0", ("192.0.2.1", 9, "sendrecv", None)),
        ("c=IN IP4 192.0.2.1\nm=audio 9 RTP/SAVP 0\nm=audio 8 RTP/AVP 0", ("192.0.2.1", 8, "sendrecv", 0)),
        ("m=audio 0 RTP/AVP 0", ("", 0, "sendrecv", 0)),
        ("c=IN IP4 Media.Example\nm=audio 9 RTP/AVP 0", ("media.example", 9, "sendrecv", 0)),
    ],
)
def test_readings_of_sdp(text: str, wanted: tuple[str, int, str, int | None]) -> None:
    session = sdp.parse(f"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nt=0 0\n{text}\n".encode())
    assert session is not None
    assert (session.address, session.port, session.direction, session.pcmu) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m=audio 9 RTP/AVP 0",  # no address
        "c=IN IP4 224.0.0.1\nm=audio 9 RTP/AVP 0",
        "c=IN IP4 2001:db8::1\nm=audio 9 RTP/AVP 0",
        "c=IN IP4 999.1.1.1\nm=audio 9 RTP/AVP 0",
        "c=IN IP4 192.0.2.1\nm=audio 70000 RTP/AVP 0",
        "c=IN IP4 192.0.2.1\nm=video 9 RTP/AVP 31",
        "c=IN IP4 192.0.2.1\nm=audio x RTP/AVP 0",
        "c=IN IP4 192.0.2.1\nm=audio 9 RTP/AVP 0\nnonsense",
    ],
)
def test_what_is_no_sdp_for_us(text: str) -> None:
    assert sdp.parse(f"v=0\r\ns=-\r\n{text}".encode()) is None


@given(st.binary(max_size=300))
def test_any_body_is_parsed(body: bytes) -> None:
    for text in (body, b"v=0\n" + body, b"v=0\nc=IN IP4 192.0.2.1\nm=audio 9 RTP/AVP 0\n" + body):
        session = sdp.parse(text)
        if session is not None:
            answer = sdp.answer(session, "192.0.2.1", 9, 1)
            assert answer is None or sdp.parse(answer) is not None


@given(
    st.lists(st.sampled_from(["m=audio 9 RTP/AVP 0", "m={}{0} 1 {}", "m=x{} 0 RTP/AVP {}", "a=", "c=IN IP4 1.2.3.4"]))
)
def test_braces_of_theirs_are_text(lines: list[str]) -> None:
    session = sdp.parse("\n".join(["v=0", *lines]).encode())
    assert session is None or sdp.answer(session, "192.0.2.1", 9, 1) is not None


# ---- digest

REALM = "http-auth@example.org"
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
BOTH = (
    f'Digest realm="{REALM}", qop="auth, auth-int", algorithm=MD5, nonce="{NONCE}", opaque="FQhe", '
    f'Digest realm="{REALM}", qop="auth, auth-int", algorithm=SHA-256, nonce="{NONCE}", opaque="FQhe"'
)


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, response: str) -> None:
    challenge = digest.Challenge(REALM, NONCE, algorithm, "auth", "FQhe", named=True)
    value = digest.authorization(challenge, "GET", "/dir/index.html", "Mufasa", "Circle of Life", CNONCE, 1)
    assert f'response="{response}"' in value
    said = digest.parse_authorization(value)
    assert said is not None
    assert digest.right(said, "GET", b"Circle of Life")
    assert not digest.right(said, "GET", b"circle of life")
    assert not digest.right(said, "PUT", b"Circle of Life")


def test_the_strongest_challenge_is_taken() -> None:
    challenge = digest.parse_challenge(BOTH)
    assert challenge is not None
    assert (challenge.algorithm, challenge.qop, challenge.realm) == ("SHA-256", "auth", REALM)
    mixed = digest.parse_challenge(f'Basic realm="x", {BOTH}, Digest realm="y", nonce="n", algorithm=SHA-512-256')
    assert mixed == challenge


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ('Digest realm="asterisk",nonce="36a9"', digest.Challenge("asterisk", "36a9")),
        ('digest  REALM = "a" , Nonce="b" ,stale=TRUE', digest.Challenge("a", "b", stale=True)),
        ('Digest realm="a, b=\\"c\\"", nonce="x,y"', digest.Challenge('a, b=\\"c\\"', "x,y")),
        (
            'Digest realm="a", nonce="b", algorithm="md5", qop=auth',
            digest.Challenge("a", "b", "MD5", "auth", named=True),
        ),
        (
            'Digest realm="a", nonce="b", algorithm=SHA-256-sess, qop="auth"',
            digest.Challenge("a", "b", "SHA-256-sess", "auth", named=True),
        ),
        ('Digest realm="a", nonce="b", qop="auth-int"', None),
        ('Digest realm="a", nonce="b", algorithm=AKAv1-MD5', None),
        ('Digest realm="a", realm="b", nonce="c"', None),
        ('Digest nonce="b"', None),
        ('Digest realm="a"', None),
        ('Basic realm="a"', None),
        ("", None),
        ("Digest", None),
    ],
)
def test_challenges_as_they_come(header: str, wanted: digest.Challenge | None) -> None:
    assert digest.parse_challenge(header) == wanted


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n", exclude_categories=["Cs", "Cc"]), max_size=20)


@given(WORDS.filter(bool), WORDS, st.sampled_from(digest.ALGORITHMS), st.sampled_from([None, "auth"]))
def test_whatever_the_user_is_called_it_fits(user: str, password: str, algorithm: str, qop: str | None) -> None:
    challenge = digest.Challenge("realm", "nonce", algorithm, qop, named=True)
    value = digest.authorization(challenge, "INVITE", "sip:echo@192.0.2.1", user, password, "c", 1)
    said = digest.parse_authorization(value)
    assert said is not None
    assert said.username == user
    assert digest.right(said, "INVITE", password)
    assert not digest.right(said, "INVITE", password + "x")


@pytest.mark.parametrize(
    "header",
    [
        "",
        'Digest username="a", realm="r", nonce="n", uri="u"',
        'Digest username="a", realm="r", nonce="n", uri="u", response="x", qop=auth, nc=1, cnonce="c"',
        'Digest username="a", realm="r", nonce="n", uri="u", response="x", qop=auth, nc=00000001',
        'Digest username="a", username="b", realm="r", nonce="n", uri="u", response="x"',
        'Digest username="a", realm="r", nonce="n", uri="u", response="x", algorithm=crc32',
        'Basic username="a", realm="r", nonce="n", uri="u", response="x"',
    ],
)
def test_what_are_no_credentials(header: str) -> None:
    assert digest.parse_authorization(header) is None


@given(st.text(max_size=300))
def test_any_header_is_parsed(text: str) -> None:
    for header in (text, "Digest " + text, 'Digest realm="a", nonce="b", ' + text):
        digest.parse_challenge(header)
        said = digest.parse_authorization(header)
        assert said is None or not digest.right(said, "INVITE", b"never")
