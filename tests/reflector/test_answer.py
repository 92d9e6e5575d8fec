"""The reflector's core: whom it answers with how much, where audio and knocks go, and any bytes in any order."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.paths import sip
from agent.paths.call import digest, g711, messages, rtp, sdp, tone
from agent.paths.call.heard import heard_of
from agent.paths.knocks import Knocks, acknowledgement, answered, invite
from agent.reflector.answer import NS, Call, Reflector, Send
from agent.reflector.settings import Settings, SettingsInvalid, parse

HOST, PORT, LOCAL = "192.0.2.10", 5070, "203.0.113.20"
SECRET = b"a secret of sixteen bytes and more"
SETTINGS = parse(
    'calls_max = 2\nmedia_ports = [40000, 40001]\n[[probe]]\nid = "a"\nsecret = "a"\naddresses = ["192.0.2.0/24"]\n'
    'knock = "192.0.2.10:5060"\n'
)


def core(given_: Settings = SETTINGS) -> Reflector:
    return Reflector(given_, {"a": SECRET}, b"k" * 32)


def request(method: str, call: str = "c1", cseq: int = 1, more: tuple[str, ...] = (), body: bytes = b"") -> bytes:
    lines = (
        f"{method} sip:echo@{LOCAL} SIP/2.0",
        f"Via: SIP/2.0/UDP {HOST}:{PORT};branch=z9hG4bK{call}{method}{cseq};rport",
        "Max-Forwards: 70",
        f"From: <sip:dialtone@{HOST}>;tag=1",
        f"To: <sip:echo@{LOCAL}>",
        f"Call-ID: {call}@{HOST}",
        f"CSeq: {cseq} {method}",
        f"Contact: <sip:dialtone@{HOST}:{PORT}>",
        "User-Agent: a user agent of some length, as they are",
        *more,
        f"Content-Length: {len(body)}",
    )
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class World:
    def __init__(self, given_: Settings = SETTINGS) -> None:
        self.core, self.now_ns = core(given_), 100 * NS

    def send(self, data: bytes, host: str = HOST, port: int = PORT) -> list[Send]:
        return self.core.datagram(data, host, port, LOCAL, self.now_ns, os.urandom(16))

    def authorised(
        self, method: str, more: tuple[str, ...] = (), body: bytes = b"", call: str = "c1", secret: bytes = SECRET
    ) -> list[Send]:
        (asked,) = self.send(request(method, call, 1, (*more, "X-Pad: " + "0" * 200), body))
        message = sip.parse(asked.data)
        assert message is not None
        challenge = digest.parse_challenge(message.first("www-authenticate"))
        assert challenge is not None and challenge.algorithm == "SHA-256"  # noqa: PT018
        uri = f"sip:echo@{LOCAL}"
        header = digest.authorization(challenge, method, uri, "dialtone", secret, "cn", 1)
        return self.send(request(method, call, 2, (*more, f"Authorization: {header}"), body))


def code(sends: list[Send]) -> int | None:
    message = sip.parse(sends[0].data) if sends else None
    return None if message is None else messages.status_of(message)


def talk(world: World, offer_address: str = HOST) -> list[Send]:
    return world.authorised(
        "INVITE", ("Content-Type: application/sdp", "Dialtone-Tone: 900"), sdp.offer(offer_address, 30000, 1)
    )


def test_options_of_anybody_with_no_more_bytes_than_asked() -> None:
    data = request("OPTIONS")
    (answer,) = World().send(data, "198.51.100.1")
    assert code([answer]) == 200
    assert len(answer.data) <= len(data)
    bare = b"OPTIONS sip:a SIP/2.0\r\nv:a\r\nf:a\r\nt:a\r\ni:a\r\nCSeq: 1 OPTIONS\r\n\r\n"
    world = World()
    assert world.send(bare) == []
    assert world.core.counts["unanswered: too short to be answered"] == 1


def test_a_call_is_answered_echoed_and_told_what_was_heard() -> None:
    world = World()
    (answer,) = talk(world)
    message = sip.parse(answer.data)
    assert message is not None
    hz = int(message.first("dialtone-tone"))
    session = sdp.parse(message.body)
    assert hz in tone.REFLECTOR_HZ
    assert session is not None and (session.address, session.port) == (LOCAL, 40000)  # noqa: PT018
    world.send(request("ACK", cseq=2))
    mine, own, echo = [], tone.ToneEar(hz), tone.ToneEar(900)
    for number in range(60):
        payload = g711.encode(tone.samples(900, number * 160, 160))
        packet = rtp.build(rtp.Packet(0, False, number, number * 160, 7, payload))
        world.core.audio(0, packet, HOST, 30001, world.now_ns)
        world.now_ns += 20_000_000
        for out in world.core.tick(world.now_ns):
            assert isinstance(out, Send)
            assert (out.host, out.port, out.slot) == (HOST, 30001, 0)
            heard = rtp.parse(out.data)
            assert heard is not None
            mine.append(heard)
            own.block(g711.decode(heard.payload))
            echo.block(g711.decode(heard.payload))
    assert own.heard()
    assert echo.heard()
    (bye,) = world.send(request("BYE", cseq=3))
    told = sip.parse(bye.data)
    assert told is not None
    word = heard_of(told.first("dialtone-heard"))
    assert word is not None and (word.packets, word.lost, word.tone) == (60, 0, True)  # noqa: PT018
    world.now_ns += NS
    assert world.core.tick(world.now_ns) == []


def test_its_own_tone_flows_though_nothing_comes_and_ends_by_itself() -> None:
    world = World()
    talk(world)
    packets = 0
    for _ in range(40 * 50):
        world.now_ns += 20_000_000
        packets += sum(isinstance(out, Send) and out.slot is not None for out in world.core.tick(world.now_ns))
    assert 1400 <= packets <= 30 * 50
    assert world.core.counts["calls cut at their longest"] == 1


def test_audio_goes_to_the_signalling_source_whatever_the_sdp_says() -> None:
    world = World()
    talk(world, offer_address="198.51.100.66")
    world.core.audio(0, rtp.build(rtp.Packet(0, False, 1, 160, 7, b"\xff" * 160)), "198.51.100.66", 9, world.now_ns)
    for _ in range(50):
        world.now_ns += 20_000_000
        assert {out.host for out in world.core.tick(world.now_ns) if isinstance(out, Send)} <= {HOST}


@pytest.mark.parametrize(
    "field", ["Contact: <sip:x@198.51.100.66>", "Route: <sip:198.51.100.66;lr>", "Via: SIP/2.0/UDP 198.51.100.66"]
)
def test_no_header_names_where_an_answer_goes(field: str) -> None:
    world = World()
    sends = world.send(request("OPTIONS", more=(field,))) + world.authorised("INVITE", (field,), b"")
    assert {send.host for send in sends} == {HOST}


def test_a_wrong_secret_another_source_and_a_used_nonce_are_challenged_again() -> None:
    world = World()
    assert code(world.authorised("INVITE", secret=b"another secret of sixteen bytes")) == 401
    assert world.core.counts["challenged: wrong"] == 1
    header = "Authorization: " + digest.authorization(
        digest.Challenge("dialtone", "64.1." + "0" * 24, "SHA-256", "auth", named=True),
        "INVITE",
        "u",
        "dialtone",
        SECRET,
        "c",
        1,
    )
    assert code(world.send(request("INVITE", more=(header, "X: " + "0" * 200)))) == 401
    assert world.send(request("INVITE", more=("X: " + "0" * 300,)), "198.51.100.1") == [], "a stranger is not answered"
    (asked,) = world.send(request("INVITE", "c9", more=("X-Pad: " + "0" * 200,)))
    message = sip.parse(asked.data)
    assert message is not None
    challenge = digest.parse_challenge(message.first("www-authenticate"))
    assert challenge is not None
    told = digest.authorization(challenge, "INVITE", "u", "dialtone", SECRET, "c", 1)
    first = world.send(request("INVITE", "c9", 2, (f"Authorization: {told}", "X: " + "0" * 200)))
    again = world.send(request("INVITE", "c10", 2, (f"Authorization: {told}", "X: " + "0" * 300)))
    elsewhere = world.send(request("INVITE", "c11", 2, (f"Authorization: {told}", "X: " + "0" * 300)), "192.0.2.99")
    assert (code(first), code(again), code(elsewhere)) == (488, 401, 401)
    assert b"stale=true" in again[0].data
    world.now_ns += 3600 * NS
    assert code(world.send(request("INVITE", "c12", 2, (f"Authorization: {told}", "X: " + "0" * 300)))) == 401


def test_md5_is_not_taken() -> None:
    world = World()
    (asked,) = world.send(request("INVITE", more=("X-Pad: " + "0" * 200,)))
    message = sip.parse(asked.data)
    assert message is not None
    challenge = digest.parse_challenge(message.first("www-authenticate"))
    assert challenge is not None
    weak = digest.Challenge(challenge.realm, challenge.nonce, "MD5", "auth", named=True)
    header = digest.authorization(weak, "INVITE", "u", "dialtone", SECRET, "c", 1)
    assert code(world.send(request("INVITE", cseq=2, more=(f"Authorization: {header}", "X: " + "0" * 300)))) == 401


def test_calls_are_few_and_one_each() -> None:
    world = World()
    talk(world)
    world.now_ns += NS
    world.authorised("INVITE", ("Content-Type: application/sdp",), sdp.offer(HOST, 30000, 1), call="c2")
    assert world.core.status()["calls under way"] == 1, "a probe that calls again has lost its first call"


KNOCK = ("Dialtone-Knock: after=10;token=" + "ab" * 16,)


def test_a_knock_goes_to_the_configured_address_after_its_time() -> None:
    world = World()
    (answer,) = world.authorised("OPTIONS", KNOCK)
    assert b"Dialtone-Knock: in=10" in answer.data
    assert world.core.tick(world.now_ns + 9 * NS) == []
    assert world.core.due_ns() == world.now_ns + 10 * NS
    (call,) = world.core.tick(world.now_ns + 10 * NS)
    assert call == Call("a", "192.0.2.10", 5060, "ab" * 16, SECRET)
    assert world.core.tick(world.now_ns + 20 * NS) == []


def test_a_knock_needs_the_digest_a_configured_address_and_a_bound() -> None:
    assert code(World().send(request("OPTIONS", more=(*KNOCK, "X: " + "0" * 200)))) == 401
    nowhere = parse('[[probe]]\nid = "a"\nsecret = "a"\n')
    assert code(World(nowhere).authorised("OPTIONS", KNOCK)) == 403
    assert code(World().authorised("OPTIONS", ("Dialtone-Knock: after=9000;token=" + "ab" * 16,))) == 400


def test_the_knock_and_its_answer_prove_themselves() -> None:
    token, knocks = "cd" * 16, Knocks(["203.0.113.20"])

    async def run() -> None:
        future = knocks.expect(token, SECRET)
        sent = invite("x@d", "z9hG4bK12345678", "203.0.113.20", 5060, HOST, token, SECRET)
        forged = invite("x@d", "z9hG4bK12345678", "203.0.113.20", 5060, HOST, token, b"another secret, also long")
        assert knocks.datagram(sent, "198.51.100.1", 1) is None, "not of a configured reflector"
        assert knocks.datagram(forged, "203.0.113.20", 1) is None
        answer = knocks.datagram(sent, "203.0.113.20", 7)
        assert answer is not None and len(answer) <= len(sent)  # noqa: PT018
        assert future.result() == 7
        message = answered(sent, answer, token, SECRET)
        assert message is not None
        assert acknowledgement(sent, message).startswith(b"ACK ")
        assert answered(sent, answer, token, b"not the secret of this probe") is None
        knocks.forget(token)
        assert knocks.datagram(sent, "203.0.113.20", 9) is None

    import asyncio

    asyncio.run(run())


def pieces() -> st.SearchStrategy[bytes]:
    samples = [
        request("OPTIONS"), request("INVITE", body=sdp.offer(HOST, 1, 1)), request("BYE"), request("ACK"), request("CANCEL"),
        request("REGISTER"), request("OPTIONS", more=KNOCK), request("INVITE", more=("Authorization: Digest a=b",)),
    ]  # fmt: skip
    mutated = st.builds(
        lambda data, at, more: data[: at % len(data)] + more + data[at % len(data) :],
        st.sampled_from(samples), st.integers(0, 10_000), st.binary(max_size=30),
    )  # fmt: skip
    return st.one_of(st.binary(max_size=600), st.sampled_from(samples), mutated)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(pieces(), st.sampled_from([HOST, "192.0.2.11", "198.51.100.1", "not an address"])), max_size=12)
)
def test_nobody_gets_more_than_they_sent_before_a_digest_has_passed(sent: list[tuple[bytes, str]]) -> None:
    world = World()
    inward: dict[str, int] = {}
    outward: dict[str, int] = {}
    for data, host in sent:
        inward[host] = inward.get(host, 0) + len(data)
        for out in world.send(data, host):
            assert out.host == host
            outward[host] = outward.get(host, 0) + len(out.data)
        world.now_ns += NS // 10
        assert world.core.tick(world.now_ns) == []
        assert all(outward.get(one, 0) <= inward[one] for one in inward)


@given(st.lists(st.binary(max_size=400), max_size=20))
def test_any_audio_raises_nothing_and_is_bounded(packets: list[bytes]) -> None:
    world = World()
    talk(world)
    for data in packets:
        world.core.audio(0, data, HOST, 1, world.now_ns)
        world.core.audio(7, data, HOST, 1, world.now_ns)
    world.now_ns += NS
    assert len(world.core.tick(world.now_ns)) <= 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "probe"),
        ('[[probe]]\nid = "a"\nsecret = "a"\n[[probe]]\nid = "a"\nsecret = "b"', "two probes"),
        ('media_ports = [9, 10]\n[[probe]]\nid = "a"\nsecret = "a"', "media_ports"),
        ('calls_max = 3\nmedia_ports = [40000, 40001]\n[[probe]]\nid = "a"\nsecret = "a"', "calls_max is 3"),
        ('[[probe]]\nid = "a"\nsecret = "a"\nknock = "1.2.3:5"', "no address"),
        ('[[probe]]\nid = "a"\nsecret = "a"\naddresses = ["10.0.0.0/33"]', "no network"),
        ('surprise = 1\n[[probe]]\nid = "a"\nsecret = "a"', "surprise"),
    ],
)
def test_mistakes_in_its_file_are_told(text: str, told: str) -> None:
    with pytest.raises(SettingsInvalid, match=told):
        parse(text)
