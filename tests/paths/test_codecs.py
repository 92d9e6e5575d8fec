"""ICMP echo and SIP OPTIONS, pure: what is sent, what counts as an answer, and that garbage is nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths import icmp, sip

TOKEN = bytes(range(16))
RANDOM = bytes(range(24))


def reply_to(request: bytes, *, v6: bool = False) -> bytes:
    return bytes([icmp.REPLY_V6 if v6 else icmp.REPLY_V4]) + request[1:]


def test_the_checksum_of_rfc_1071() -> None:
    assert icmp.checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0x220D  # the RFC's own example, complemented
    assert icmp.checksum(icmp.request(7, 3, TOKEN)) == 0


def test_a_reply_to_us_counts() -> None:
    reply = reply_to(icmp.request(7, 3, TOKEN))
    header = bytes([0x46]) + bytes(23)  # an IPv4 header with one word of options
    assert icmp.reply_sequence(reply, 7, TOKEN, v6=False, ip_header=False) == 3
    assert icmp.reply_sequence(reply, None, TOKEN, v6=False, ip_header=False) == 3
    assert icmp.reply_sequence(header + reply, 7, TOKEN, v6=False, ip_header=True) == 3
    six = reply_to(icmp.request(7, 3, TOKEN, v6=True), v6=True)
    assert icmp.reply_sequence(six, 7, TOKEN, v6=True, ip_header=False) == 3


def test_everybody_elses_does_not() -> None:
    reply = reply_to(icmp.request(7, 3, TOKEN))
    assert icmp.reply_sequence(reply, 8, TOKEN, v6=False, ip_header=False) is None
    assert icmp.reply_sequence(reply, 7, TOKEN[::-1], v6=False, ip_header=False) is None
    assert (
        icmp.reply_sequence(icmp.request(7, 3, TOKEN), 7, TOKEN, v6=False, ip_header=False) is None
    )  # our own request
    assert icmp.reply_sequence(reply[:-1], 7, TOKEN, v6=False, ip_header=False) is None
    assert icmp.reply_sequence(reply, 7, TOKEN, v6=True, ip_header=False) is None


@given(st.binary(max_size=200), st.booleans(), st.booleans())
def test_any_packet_is_judged(packet: bytes, v6: bool, ip_header: bool) -> None:
    assert icmp.reply_sequence(packet, 7, TOKEN, v6=v6, ip_header=ip_header) is None


# As other peers print them: other case, folding, compact names, several Vias.
def answer(code: int, **changes: str) -> bytes:
    sent = sip.options("192.0.2.9", 5060, "192.0.2.1", 40000, RANDOM)
    lines = {
        "start": f"SIP/2.0 {code} Whatever",
        "via": f"Via: SIP/2.0/UDP 192.0.2.1:40000;received=192.0.2.1;branch={sent.branch};rport=40000",
        "from": "From: <sip:dialtone@192.0.2.1>;tag=x",
        "to": "To: <sip:dialtone@192.0.2.9>;tag=y",
        "id": f"Call-ID: {sent.call_id}",
        "cseq": "CSeq: 1 OPTIONS",
        "length": "Content-Length: 0",
    }
    return "\r\n".join((lines | changes).values()).encode() + b"\r\n\r\n"


def judged(data: bytes) -> sip.Answer | None:
    return sip.judge(data, sip.options("192.0.2.9", 5060, "192.0.2.1", 40000, RANDOM))


@pytest.mark.parametrize("code", [200, 202, 302, 401, 403, 404, 405, 407, 420, 483, 486, 500, 501, 600, 699])
def test_any_final_answer_of_the_far_end_says_the_path_is_alive(code: int) -> None:
    judgement = judged(answer(code))
    assert judgement == sip.Answer(code, "alive")
    assert judgement.keepalive_ok is (code == 200)


@pytest.mark.parametrize("code", [408, 502, 503, 504])
def test_what_a_proxy_in_the_middle_makes_is_no_proof(code: int) -> None:
    assert judged(answer(code)) == sip.Answer(code, "not-proof")


def test_provisional_is_not_final() -> None:
    assert judged(answer(100)) == sip.Answer(100, "provisional")


@pytest.mark.parametrize(
    "changes",
    [
        {"via": "v: SIP/2.0/UDP 192.0.2.1:40000;rport=40000;branch=z9hG4bK0001020304050607"},
        {"via": "VIA:SIP/2.0/UDP 192.0.2.1:40000\r\n ;branch=z9hG4bK0001020304050607"},
        {"via": "Via: SIP/2.0/UDP 192.0.2.1 ; Branch = z9hG4bK0001020304050607 , SIP/2.0/UDP other;branch=z9hG4bKx"},
        {"cseq": "CSEQ:   1   options"},
        {"start": "sip/2.0 200 OK"},
        {"start": "SIP/2.0 200"},
        {"length": "Content-Length: 0\r\nX-Odd\r\n: nameless\r\nServer: Öäü"},
    ],
)
def test_other_ways_of_writing_it(changes: dict[str, str]) -> None:
    assert judged(answer(200, **changes)) == sip.Answer(200, "alive")


@pytest.mark.parametrize(
    "changes",
    [
        {"via": "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKsomebodyelse"},
        {"via": "Via: SIP/2.0/UDP 192.0.2.1"},
        {"via": "X: y"},
        {"cseq": "CSeq: 1 INVITE"},
        {"cseq": "CSeq: OPTIONS"},
        {"start": "SIP/2.0 700 No"},
        {"start": "SIP/3.0 200 OK"},
        {"start": "HTTP/1.1 200 OK"},
        {"start": "OPTIONS sip:x SIP/2.0"},
    ],
)
def test_what_is_no_answer_to_us(changes: dict[str, str]) -> None:
    assert judged(answer(200, **changes)) is None


def test_the_request_is_what_rfc_3261_asks_for() -> None:
    sent = sip.options("esrp.example.net", 5060, "192.0.2.1", 40000, RANDOM)
    message = sip.parse(sent.data)
    assert message is not None
    assert message.start == "OPTIONS sip:dialtone@esrp.example.net:5060 SIP/2.0"
    for name in ("via", "from", "to", "call-id", "cseq", "max-forwards"):  # section 8.1.1: the mandatory six
        assert message.first(name)
    assert sent.branch.startswith("z9hG4bK")
    assert message.first("user-agent").startswith("Dialtone/")
    assert b"[2001:db8::1]" in sip.options("2001:db8::1", 5060, "2001:db8::2", 1, RANDOM).data
    with pytest.raises(ValueError, match="random"):
        sip.options("x", 1, "y", 2, b"short")


@given(st.binary(min_size=24, max_size=24), st.sampled_from(["192.0.2.1", "2001:db8::1"]), st.integers(1, 65535))
def test_respond_answers_what_options_asks(random: bytes, local: str, port: int) -> None:
    sent = sip.options("192.0.2.9", 5060, local, port, random)
    response = sip.respond(sent.data)
    assert response is not None
    assert sip.judge(response, sent) == sip.Answer(200, "alive")


@given(st.binary(max_size=2000))
def test_any_bytes_are_judged_and_answered_without_a_word(data: bytes) -> None:
    assert judged(data) is None
    assert sip.respond(data) is None


@given(st.data())
def test_a_mangled_answer_never_raises(data: st.DataObject) -> None:
    good = bytearray(answer(200))
    for _ in range(data.draw(st.integers(1, 8))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    judged(bytes(good))
    sip.respond(bytes(good))


def test_sizes_are_bounded() -> None:
    assert sip.parse(b"x" * (sip.MESSAGE_MAX + 1)) is None
    six = 6  # the headers of ``answer``, the last of which is replaced
    full = "\r\n".join(["X: y"] * (sip.HEADERS_MAX - six + 1))
    assert judged(answer(200, length=full)) == sip.Answer(200, "alive")
    assert judged(answer(200, length=full + "\r\nZ: z")) is None
    assert judged(answer(200, length=full + "\r\n folded")) is None
    sent = sip.options("x", 1, "y", 2, RANDOM).data
    assert sip.respond(sent.replace(b"tag=", b"tag=" + b"\xff" * 40_000)) is None  # each would grow to three bytes


def test_an_ipv6_zone_stays_in_this_box() -> None:
    sent = sip.options("fe80::1%eth0", 5060, "fe80::2%eth0", 4, RANDOM).data
    assert b"sip:dialtone@[fe80::1]:5060" in sent
    assert b"%" not in sent


def test_an_answer_carries_no_line_of_its_askers_making() -> None:
    sent = sip.options("x", 1, "y", 2, RANDOM).data
    response = sip.respond(sent.replace(b"tag=", b"tag=\rEvil: yes;"))
    assert response is not None
    assert b"\r" not in response.replace(b"\r\n", b"")


def test_only_options_can_be_sent() -> None:
    assert not [name for name in dir(sip) if "invite" in name.lower()]
    assert b"INVITE" not in sip.options("x", 1, "y", 2, RANDOM).data
