"""The reflector's calls and knocks: who gets them, how they run, and how they end."""

from __future__ import annotations

import pytest

from agent.paths import sip
from agent.paths.call import g711, heard, messages, rtp, sdp, tone
from agent.paths.knocks import HEADER
from agent.reflector.answer import CallBack
from agent.reflector.calls import Send
from agent.reflector.reply import via_seen
from agent.reflector.states import EVENTS, STATES, TABLE
from tests.reflector.peer import (
    HOST,
    LOCAL,
    OTHER,
    SECRET,
    TOKEN,
    Peer,
    audio,
    authorization,
    code_of,
    method_of,
    offer,
    reflector,
    request,
    signals,
    tag_of,
)

KNOCK = f"{HEADER}: after=200;token={TOKEN}"


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(STATES)
    assert all(set(row) == set(EVENTS) for row in TABLE.values())


# ---- OPTIONS


def test_anybody_may_ask_whether_it_is_there() -> None:
    stranger = Peer(host="203.0.113.5")
    (send,) = stranger.give(request("OPTIONS", host="203.0.113.5"))
    assert code_of(send.data) == 200
    assert (send.host, send.port) == ("203.0.113.5", 5070)
    assert stranger.core.due_ns() is None  # nothing is kept


def test_the_same_question_gets_the_same_tag() -> None:
    peer = Peer()
    assert peer.give(request("OPTIONS"))[0].data == peer.give(request("OPTIONS"))[0].data
    assert peer.give(request("OPTIONS"))[0].data != peer.give(request("OPTIONS", call_id="c2"))[0].data


def test_an_answer_says_where_the_question_came_from() -> None:
    (send,) = Peer().give(request("OPTIONS", host="10.9.9.9"), port=1234)
    answer = sip.parse(send.data)
    assert answer is not None
    assert answer.first("via").endswith(";rport=1234;received=192.0.2.10")


@pytest.mark.parametrize(
    ("via", "seen"),
    [
        ("SIP/2.0/UDP 192.0.2.10:5;branch=b", "SIP/2.0/UDP 192.0.2.10:5;branch=b"),
        ("SIP/2.0/UDP h;branch=b", "SIP/2.0/UDP h;branch=b;received=192.0.2.10"),
        ("SIP/2.0/UDP h;received=203.0.113.66;branch=b", "SIP/2.0/UDP h;branch=b;received=192.0.2.10"),
        ("SIP / 2.0 / UDP h ; rport ; branch=b", "SIP / 2.0 / UDP h ;rport=7; branch=b;received=192.0.2.10"),
        ("SIP/2.0/UDP h;RPORT=;branch=b", "SIP/2.0/UDP h;rport=7;branch=b;received=192.0.2.10"),
        ("SIP/2.0/UDP h;rport=9;branch=b", "SIP/2.0/UDP h;rport=9;branch=b;received=192.0.2.10"),
        ("", ";received=192.0.2.10"),
    ],
)
def test_a_via_as_it_goes_back(via: str, seen: str) -> None:
    assert via_seen(via, "192.0.2.10", 7) == seen


def test_every_via_goes_back_in_its_order() -> None:
    via = "Via: SIP/2.0/UDP 192.0.2.10:5070;branch=z9hG4bK1, SIP/2.0/TCP a.example;branch=z9hG4bK2"
    (send,) = Peer().give(request("OPTIONS", via=f"{via}\r\nv: SIP/2.0/UDP b.example;branch=z9hG4bK3"))
    answer = sip.parse(send.data)
    assert answer is not None
    assert [v.split(";")[0] for v in messages.values_of(answer, "via")] == [
        "SIP/2.0/UDP 192.0.2.10:5070",
        "SIP/2.0/TCP a.example",
        "SIP/2.0/UDP b.example",
    ]


def test_a_question_in_too_few_bytes_is_not_answered() -> None:
    tiny = b"OPTIONS s:a SIP/2.0\r\nv:SIP/2.0/UDP h;branch=z9hG4bKa\r\nf:<s:a>;tag=1\r\nt:<s:b>\r\ni:1\r\n"
    tiny += b"CSeq:1 OPTIONS\r\n\r\n"
    peer = Peer()
    assert peer.give(tiny) == []
    assert peer.core.counts["left unanswered: asked in too few bytes"] == 1
    assert peer.code(tiny.replace(b"\r\n\r\n", b"\r\nPad: " + b"x" * 60 + b"\r\n\r\n")) == 200


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (b"", "no request"),
        (b"\r\n\r\n", "no request"),
        (b"\x80\x00" * 50, "no request"),
        (b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n", "no request"),
        (request("OPTIONS").replace(b"OPTIONS sip", b"OPTIONS  sip"), "no request"),
        (request("OPTIONS", headers=("Pad: " + "x" * 9000,)), "too long"),
        (request("ACK").replace(b"1 ACK", b"1 BYE"), "malformed"),
    ],
)
def test_what_is_not_for_it_is_counted(data: bytes, count: str) -> None:
    peer = Peer()
    assert peer.give(data) == []
    assert peer.core.counts[count] == 1


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (request("OPTIONS").replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE"), 400),
        (request("OPTIONS").replace(b"CSeq: 1 OPTIONS", b"CSeq: x"), 400),
        (request("OPTIONS", call_id="c" * 300), 400),
        (request("OPTIONS", headers=("Require: 100rel",)), 420),
        (request("REGISTER"), 405),
        (request("MESSAGE"), 405),
        (request("BYE"), 481),
        (request("CANCEL"), 481),
        (request("INVITE", to_tag="gone"), 481),
        (request("ACK"), None),
    ],
)
def test_refusals(data: bytes, code: int | None) -> None:
    assert Peer().code(data) == code


# ---- who may call


def test_a_call_takes_a_digest_and_an_address() -> None:
    peer = Peer()
    assert peer.code(request("INVITE", body=offer())) == 401
    assert Peer().call().start == "SIP/2.0 200 OK"
    stranger = Peer(host="203.0.113.5")
    assert stranger.give(request("INVITE", body=offer())) == []
    assert stranger.core.counts["strangers"] == 1


@pytest.mark.parametrize("what", ["secret", "user", "method", "md5", "source", "key", "garbage"])
def test_a_wrong_digest_gets_another_challenge(what: str) -> None:
    peer = Peer()
    challenge = peer.challenged(body=offer())
    if what == "md5":
        challenge = challenge.replace(b"algorithm=SHA-256", b"algorithm=MD5")
    elif what == "source":  # a nonce given to another address that this probe may come from
        challenge = Peer(peer.core, "192.0.2.11").challenged(body=offer())
    elif what == "key":
        other = Peer()
        other.core._guard._key = b"other"
        challenge = other.challenged(body=offer())
    login = authorization(
        challenge,
        "OPTIONS" if what == "method" else "INVITE",
        b"wrong" if what == "secret" else OTHER if what == "source" else SECRET,
        user="admin" if what == "user" else "dialtone",
    )
    if what == "garbage":
        login = 'Authorization: Digest username="dialtone", nonce="zz'
    (send,) = peer.give(request("INVITE", cseq=2, headers=(login,), body=offer()))
    assert code_of(send.data) == 401
    assert b"stale" not in send.data
    assert peer.after(5) == []


def test_credentials_are_good_once_and_for_a_minute() -> None:
    peer = Peer()
    peer.call()
    again = peer.invite.replace(b"branch=z9hG4bKINVITE2", b"branch=z9hG4bKother").replace(b"c1", b"c9")
    (send,) = peer.give(again)
    assert code_of(send.data) == 401
    assert b"stale=true" in send.data
    late = Peer()
    login = authorization(late.challenged(body=offer()), "INVITE")
    late.now_ns += 62 * 10**9
    (send,) = late.give(request("INVITE", cseq=2, headers=(login,), body=offer()))
    assert b"stale=true" in send.data


def test_each_probe_has_its_own_secret_behind_one_address() -> None:
    peer = Peer()
    peer.call(OTHER)
    assert [call.probe for call in peer.core._calls.values()] == ["q"]
    peer.call(SECRET, call_id="c2")
    assert sorted(call.probe for call in peer.core._calls.values() if call.live) == ["p", "q"]


# ---- a call


def test_a_call_from_answer_to_bye() -> None:
    peer = Peer()
    answer = peer.call(headers=(f"{heard.TONE}: 900",))
    own_hz = heard.tone_of(answer.first("dialtone-tone"))
    session = sdp.parse(answer.body)
    assert own_hz in tone.REFLECTOR_HZ
    assert session is not None
    assert (session.address, session.port) == (LOCAL[0], 40_000)
    assert peer.give(request("ACK", cseq=2, to_tag=tag_of(answer))) == []
    ear, echo = tone.ToneEar(own_hz), tone.ToneEar(900)
    for number in range(100):
        packet = rtp.Packet(0, False, 7 + number, number * 160, 3, g711.encode(tone.samples(900, number * 160, 160)))
        peer.core.audio(0, rtp.build(packet), HOST, 41_000, peer.now_ns)
        for send in audio(peer.after(0.02)):
            assert (send.host, send.port, send.slot) == (HOST, 41_000, 0)
            heard_packet = rtp.parse(send.data)
            assert heard_packet is not None
            for one in (ear, echo):
                one.block(g711.decode(heard_packet.payload))
    assert ear.heard()
    assert echo.heard()
    (send,) = peer.give(request("BYE", cseq=3, to_tag=tag_of(answer)))
    told = sip.parse(send.data)
    assert told is not None
    word = heard.heard_of(told.first("dialtone-heard"))
    assert word is not None
    assert (word.packets, word.lost, word.tone) == (100, 0, True)
    assert audio(peer.after(3)) == []
    assert peer.give(request("BYE", cseq=3, to_tag=tag_of(answer)))[0].data == send.data  # its answer was lost
    peer.after(60)
    assert peer.core.due_ns() is None
    assert peer.core.status()["calls under way"] == 0


def test_its_tone_flows_though_nothing_comes() -> None:
    peer = Peer()
    answer = peer.call(headers=(f"{heard.TONE}: 900",))
    hz = heard.tone_of(answer.first("dialtone-tone"))
    assert hz is not None
    ear = tone.ToneEar(hz)
    for send in audio(peer.after(1)):
        packet = rtp.parse(send.data)
        assert packet is not None
        ear.block(g711.decode(packet.payload))
    assert ear.heard()
    (send,) = peer.give(request("BYE", cseq=3, to_tag=tag_of(answer)))
    assert b"packets=0;lost=0;jitter-ms=0.0;tone=no" in send.data


def test_the_200_is_sent_again_until_the_ack() -> None:
    peer = Peer()
    answer = peer.call()
    began_ns = peer.now_ns
    times = []
    while peer.now_ns < began_ns + 10 * 10**9:
        times += [peer.now_ns - began_ns for send in signals(peer.after(0.1)) if code_of(send.data) == 200]
    assert [round(at / 1e8) for at in times] == pytest.approx([4, 14, 34, 74], abs=2)
    peer.give(request("ACK", cseq=2, to_tag=tag_of(answer)))
    assert signals(peer.after(15)) == []


def test_without_an_ack_it_gives_up_and_with_one_it_goes_on() -> None:
    peer = Peer(call_max_s=60.0)
    peer.call()
    assert not [send for send in signals(peer.after(31.8)) if method_of(send.data)]
    assert [method_of(send.data) for send in signals(peer.after(2))] == ["BYE"] * 3
    other = Peer(call_max_s=60.0)
    answer = other.call()
    other.give(request("ACK", cseq=2, to_tag=tag_of(answer)))
    assert signals(other.after(59)) == []
    assert [method_of(send.data) for send in signals(other.after(1.2))] == ["BYE"]


def test_the_same_invite_again_is_answered_again_and_opens_nothing() -> None:
    peer = Peer()
    answer = peer.call()
    (send,) = peer.give(peer.invite)
    again = sip.parse(send.data)
    assert again is not None
    assert tag_of(again) == tag_of(answer)
    assert len(peer.core._calls) == 1
    peer.give(request("ACK", cseq=2, to_tag=tag_of(answer)))
    assert peer.give(peer.invite) == []


def test_the_other_requests_of_a_call() -> None:
    peer = Peer()
    answer = peer.call()
    tag = tag_of(answer)
    assert peer.code(request("INVITE", cseq=3, to_tag=tag, body=offer())) == 488
    assert peer.code(request("UPDATE", cseq=4, to_tag=tag)) == 405
    assert peer.code(request("OPTIONS", cseq=5, to_tag=tag)) == 200
    assert peer.code(request("CANCEL", cseq=2, branch="z9hG4bKINVITE2")) == 200
    assert peer.code(request("CANCEL", cseq=2, branch="z9hG4bKothers")) == 481
    assert peer.code(request("INVITE", cseq=2, branch="z9hG4bKothers", body=offer())) == 482
    assert peer.code(request("BYE", cseq=6, to_tag="another")) == 481
    assert peer.code(request("BYE", cseq=6, to_tag=tag, from_tag="another")) == 481
    assert len(audio(peer.after(0.1))) > 2  # none of these ended it
    assert peer.code(request("BYE", cseq=6, to_tag=tag)) == 200
    assert peer.code(request("INVITE", cseq=7, to_tag=tag, body=offer())) == 481


def test_another_source_can_not_end_a_call() -> None:
    peer = Peer()
    answer = peer.call()
    assert Peer(peer.core, "192.0.2.11").code(request("BYE", cseq=3, to_tag=tag_of(answer))) == 481
    assert audio(peer.after(0.1))


def test_a_call_ends_at_its_longest_and_says_so() -> None:
    peer = Peer(call_max_s=3.0)
    answer = peer.call(headers=("Record-Route: <sip:proxy.example;lr>",))
    peer.give(request("ACK", cseq=2, to_tag=tag_of(answer)))
    out = peer.after(20)
    assert len(audio(out)) == 150
    byes = signals(out)
    assert {method_of(bye.data) for bye in byes} == {"BYE"}
    assert 2 <= len(byes) <= 5
    assert all((bye.host, bye.port) == (HOST, 5070) for bye in byes)
    bye = sip.parse(byes[0].data)
    assert bye is not None
    assert messages.tag_of(bye.first("from")) == tag_of(answer)
    assert messages.tag_of(bye.first("to")) == "f1"
    assert bye.first("route") == "<sip:proxy.example;lr>"


def test_its_bye_is_answered_and_not_sent_again() -> None:
    peer = Peer(call_max_s=1.0)
    answer = peer.call()
    peer.give(request("ACK", cseq=2, to_tag=tag_of(answer)))
    (bye,) = signals(peer.after(1.1))
    asked = sip.parse(bye.data)
    assert asked is not None
    reply = messages.respond(asked, 200, "OK", "x")
    assert reply is not None
    assert Peer(peer.core, "192.0.2.11").give(reply) == []
    assert signals(peer.after(1.0))  # another source's answer is none
    assert peer.give(reply) == []
    assert signals(peer.after(5)) == []


def test_one_call_a_probe_the_newer_one_counts() -> None:
    peer = Peer()
    first = peer.call()
    peer.call(call_id="c2")
    assert [method_of(send.data) for send in peer.sent if method_of(send.data)] == ["BYE"]
    assert {send.slot for send in audio(peer.after(0.2))} == {1}  # not the port that old audio is under way to
    assert peer.code(request("BYE", cseq=9, to_tag=tag_of(first))) == 200


def test_busy_where_all_ports_are_taken() -> None:
    peer = Peer(calls_max=1)
    peer.call()
    login = authorization(peer.challenged(body=offer(), call_id="c2"), "INVITE", OTHER)
    busy = request("INVITE", cseq=2, call_id="c2", headers=(login,), body=offer())
    assert peer.code(busy) == 486
    assert peer.code(busy) == 486  # sent again: the very answer, and no challenge


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"v=0\r\n",
        b"no sdp",
        offer(port=0),
        offer().replace(b"RTP/AVP 0", b"RTP/SAVP 0"),
        offer().replace(b"RTP/AVP 0", b"RTP/AVP 8").replace(b"rtpmap:0 PCMU", b"rtpmap:8 PCMA"),
    ],
)
def test_what_it_can_not_talk_is_refused(body: bytes) -> None:
    peer = Peer()
    login = authorization(peer.challenged(body=body), "INVITE")
    assert peer.code(request("INVITE", cseq=2, headers=(login,), body=body)) == 488
    assert peer.after(5) == []


def test_who_does_not_listen_is_not_sent_to() -> None:
    peer = Peer()
    answer = peer.call(body=offer().replace(b"sendrecv", b"sendonly"))
    assert b"a=recvonly" in answer.body
    assert audio(peer.after(1)) == []


def test_pcmu_under_another_number() -> None:
    peer = Peer()
    body = offer().replace(b"RTP/AVP 0", b"RTP/AVP 97").replace(b"rtpmap:0", b"rtpmap:97")
    peer.call(body=body)
    packets = [rtp.parse(send.data) for send in audio(peer.after(0.1))]
    assert {packet.payload_type for packet in packets if packet} == {97}


def test_the_end_of_the_process_hangs_up() -> None:
    peer = Peer()
    peer.call()
    assert [method_of(send.data) for send in peer.core.leave(peer.now_ns)] == ["BYE"]


# ---- it can't be made to send elsewhere

ELSEWHERE = "203.0.113.66"


def test_nothing_goes_where_a_message_points() -> None:
    peer = Peer()
    headers = (f"Record-Route: <sip:{ELSEWHERE};lr>", f"Route: <sip:{ELSEWHERE}>", f"Reply-To: <sip:{ELSEWHERE}>")
    answer = peer.call(
        body=offer(ELSEWHERE),
        via=f"Via: SIP/2.0/UDP {ELSEWHERE}:5060;branch=z9hG4bKv;received={ELSEWHERE};maddr={ELSEWHERE}",
        contact=f"Contact: <sip:{ELSEWHERE}>",
        headers=headers,
    )
    out = [*peer.sent, *peer.after(60)]
    assert {send.host for send in out if isinstance(send, Send)} == {HOST}
    assert audio(out) == []  # who hears nothing has not been asked: only the named address was
    assert tag_of(answer)


def test_audio_behind_a_translation_goes_back_to_where_it_came_from() -> None:
    peer = Peer()
    peer.call(body=offer("10.0.0.5"))
    assert audio(peer.after(1)) == []
    packet = rtp.build(rtp.Packet(0, False, 1, 0, 3, bytes(160)))
    peer.core.audio(0, packet, ELSEWHERE, 41_000, peer.now_ns)
    assert audio(peer.after(1)) == []
    peer.core.audio(0, packet, HOST, 55_123, peer.now_ns)
    sends = audio(peer.after(1))
    assert {(send.host, send.port) for send in sends} == {(HOST, 55_123)}
    assert len(sends) <= 55
    second = rtp.build(rtp.Packet(0, False, 2, 160, 3, bytes(160)))
    peer.core.audio(0, second, HOST, 55_999, peer.now_ns)  # another port of the same address takes nothing over
    assert {send.port for send in audio(peer.after(1))} == {55_123}
    (call,) = peer.core._calls.values()
    assert call.voice is not None
    assert (call.voice.heard().packets, call.voice.strangers) == (1, 2)


# ---- knocks


def asked(peer: Peer, knock: str = KNOCK, secret: bytes = SECRET) -> bytes:
    login = authorization(peer.challenged("OPTIONS", headers=(knock,)), "OPTIONS", secret)
    return request("OPTIONS", cseq=2, headers=(knock, login))


def test_a_knock_goes_to_the_files_address_after_its_time() -> None:
    peer = Peer()
    (send,) = peer.give(asked(peer))
    answer = sip.parse(send.data)
    assert answer is not None
    assert messages.status_of(answer) == 200
    assert answer.first("dialtone-knock") == "in=200"
    assert peer.after(199) == []
    assert peer.after(2) == [CallBack("p", "192.0.2.77", 5066, TOKEN, SECRET, LOCAL[0])]
    assert peer.after(1000) == []


def test_a_request_sent_again_is_one_knock() -> None:
    peer = Peer()
    data = asked(peer)
    first = peer.give(data)
    assert peer.give(data) == first
    assert len(peer.after(500)) == 1


def test_a_new_request_takes_the_place_of_the_old() -> None:
    peer = Peer()
    peer.give(asked(peer))
    peer.after(10)
    newer = KNOCK.replace("0123", "ffff").replace("200", "20")
    peer.give(asked(peer, newer))
    (back,) = peer.after(500)
    assert isinstance(back, CallBack)
    assert back.token.startswith("ffff")


@pytest.mark.parametrize(
    ("knock", "code"),
    [
        ("after=301;token=" + TOKEN, 400),  # longer than the file allows
        ("after=0.5;token=" + TOKEN, 400),
        ("after=-1;token=" + TOKEN, 400),
        ("after=1e3;token=" + TOKEN, 400),
        ("after=nan;token=" + TOKEN, 400),
        ("after=200;token=short", 400),
        ("after=200;token=" + TOKEN + ";to=203.0.113.66:5060", 400),
        ("", 400),
    ],
)
def test_a_knock_that_is_not_granted(knock: str, code: int) -> None:
    peer = Peer()
    assert peer.code(asked(peer, f"{HEADER}: {knock}")) == code
    assert peer.after(5000) == []


def test_no_knock_without_an_address_a_digest_or_for_strangers() -> None:
    mute = Peer(host="192.0.2.12")
    assert mute.code(asked(mute, secret=b"m" * 16)) == 403
    stranger = Peer(host="203.0.113.5")
    assert stranger.give(request("OPTIONS", headers=(KNOCK,))) == []
    wrong = Peer()
    assert wrong.code(asked(wrong, secret=b"wrong")) == 401
    assert mute.after(500) == stranger.after(500) == wrong.after(500) == []


# ---- limits


def test_what_is_kept_is_bounded() -> None:
    core = reflector(calls_max=2)
    peer = Peer(core)
    for number in range(300):
        peer.call(call_id=f"c{number}")
        data = asked(peer, KNOCK)
        peer.give(data)
        peer.now_ns += 10**8
    assert len(core._calls) <= 68
    assert len(core._kept) <= 128
    assert len(core._knocks) == 1
    for number in range(3000):
        Peer(core, f"2001:db8::{number:x}").give(request("OPTIONS"))
    assert len(core._guard._buckets) <= 1024


def test_a_flood_is_dropped_and_counted() -> None:
    peer = Peer()
    peer.core._guard._each = 20.0
    answers = sum(bool(peer.give(request("OPTIONS"))) for _ in range(100))
    assert answers == 20
    assert peer.core.counts["too fast"] == 80
    peer.now_ns += 10**9
    assert peer.give(request("OPTIONS"))


def test_strangers_do_not_use_up_what_probes_need() -> None:
    peer = Peer()
    for number in range(12_000):
        Peer(peer.core, f"203.0.{number % 114}.{number % 251}").give(b"x")
    assert peer.core.counts["too fast"]
    assert peer.give(request("OPTIONS"))
