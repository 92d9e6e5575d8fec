"""The caller's side of a call against a far end made of text: every turn that RFC 3261 allows, and hostile ones."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths import sip
from agent.paths.call import digest, framing, messages, sdp
from agent.paths.call.dialog import LEGS_MAX, REQUESTS_MAX, Dialog
from agent.paths.call.facts import Plan
from agent.paths.call.states import EVENTS, STATES, TABLE
from agent.site.uris import refused_uri

NS = 1_000_000_000
RANDOM = bytes(range(32))
SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n"
MEDIA = ("Content-Type: application/sdp",)


def dialog(**changes: object) -> Dialog:
    plan = {
        "to": "sip:echo@192.0.2.9:5060", "local": "192.0.2.1", "port": 40000,
        "offer": sdp.offer("192.0.2.1", 4000, 1), "tone_hz": 900, "target": ("192.0.2.9", 5060),
    }  # fmt: skip
    return Dialog(Plan(**{**plan, **changes}), RANDOM)  # type: ignore[arg-type]


def answer(request: bytes, code: int, *headers: str, tag: str = "far", body: str = "", method: str = "") -> bytes:
    message = sip.parse(request)
    assert message is not None
    to = message.first("to")
    to = to if ";tag=" in to or not tag or code == 100 else f"{to};tag={tag}"
    lines = [
        f"SIP/2.0 {code} Whatever",
        *(f"Via: {via}" for via in message.headers["via"]),
        f"From: {message.first('from')}",
        f"To: {to}",
        f"Call-ID: {message.first('call-id')}",
        f"CSeq: {message.first('cseq')}" if not method else f"CSeq: 1 {method}",
        *headers,
        f"Content-Length: {len(body)}",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def theirs(invite: bytes, method: str, *headers: str, tag: str = "far", call_id: str | None = None) -> bytes:
    """A request of the far end inside the call that ``invite`` began."""
    message = sip.parse(invite)
    assert message is not None
    lines = [
        f"{method} sip:dialtone@192.0.2.1:40000 SIP/2.0",
        "Via: SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKfar1",
        f"From: <sip:echo@192.0.2.9>;tag={tag}",
        f"To: {message.first('from')}",
        f"Call-ID: {call_id or message.first('call-id')}",
        f"CSeq: 7 {method}",
        *headers,
        "Content-Length: 0",
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def starts(out: list[bytes]) -> list[str]:
    """The method or the code of each message."""
    return [data.split()[1].decode() if data.startswith(b"SIP/2.0 ") else data.split()[0].decode() for data in out]


def dialled(**changes: object) -> tuple[Dialog, bytes]:
    call = dialog(**changes)
    call.start(0)
    (invite,) = call.to_send()
    return call, invite


def talking(*headers: str, **changes: object) -> tuple[Dialog, bytes, bytes]:
    call, invite = dialled(**changes)
    call.received(answer(invite, 200, *MEDIA, *headers, body=SDP), 1 * NS)
    (ack,) = call.to_send()
    assert call.state == "talking"
    return call, invite, ack


def field(data: bytes, name: str) -> list[str]:
    message = sip.parse(data)
    assert message is not None
    return message.headers.get(name, [])


def test_the_table_is_complete() -> None:
    assert set(TABLE) == set(STATES)
    assert all(set(row) == set(EVENTS) for row in TABLE.values())
    assert all(state == "ended" for state, _ in TABLE["ended"].values())


def test_a_call_from_ring_to_bye() -> None:
    call, invite = dialled()
    assert invite.startswith(b"INVITE sip:echo@192.0.2.9:5060 SIP/2.0\r\n")
    assert field(invite, "dialtone-tone") == ["900"]
    assert field(invite, "user-agent") == [sip.USER_AGENT]
    assert sdp.parse(sip.parse(invite).body) is not None  # type: ignore[union-attr]
    call.received(answer(invite, 100), 1)
    call.received(answer(invite, 180), 2)
    assert (call.state, call.to_send()) == ("proceeding", [])
    call.received(answer(invite, 200, "Contact: <sip:in@192.0.2.9:5062>", "Dialtone-Tone: 1200", *MEDIA, body=SDP), 3)
    (ack,) = call.to_send()
    assert ack.startswith(b"ACK sip:in@192.0.2.9:5062 SIP/2.0\r\n")
    assert field(ack, "cseq") == ["1 ACK"]
    assert messages.branch_of(sip.parse(ack)) != messages.branch_of(sip.parse(invite))  # type: ignore[arg-type]
    assert call.told.media is not None
    assert (call.told.media.address, call.told.media.port, call.told.tone_hz) == ("192.0.2.9", 6000, 1200)
    call.hang_up(4)
    (bye,) = call.to_send()
    assert bye.startswith(b"BYE sip:in@192.0.2.9:5062 SIP/2.0\r\n")
    assert field(bye, "to") == ["<sip:echo@192.0.2.9:5060>;tag=far"]
    assert field(bye, "cseq") == ["2 BYE"]
    call.received(answer(bye, 200, "Dialtone-Heard: packets=98;lost=2;jitter-ms=3.1;tone=yes"), 5)
    assert (call.state, call.told.bye_answered, call.due_ns()) == ("ended", True, None)
    assert call.told.heard is not None
    assert (call.told.heard.packets, call.told.heard.lost, call.told.heard.tone) == (98, 2, True)


def test_an_invite_is_repeated_until_something_answers() -> None:
    call, invite = dialled(ring_s=8.0)
    times = []
    for now in range(0, 9 * NS, NS // 10):
        call.tick(now)
        times += [now / NS for data in call.to_send() if data == invite]
    assert times == pytest.approx([0.5, 1.5, 3.5, 7.5])
    assert str(call.state) == "cancelling"  # a CANCEL must wait for a response (section 9.1)
    for now in range(9 * NS, 13 * NS, NS // 10):
        call.tick(now)
        assert not call.to_send()
    assert call.state == "ended"
    assert (call.told.code, call.told.gave_up) == (None, True)


def test_a_provisional_answer_ends_the_repetitions() -> None:
    call, invite = dialled()
    call.received(answer(invite, 100), NS // 4)
    call.tick(5 * NS)
    assert not call.to_send()


def test_nothing_is_repeated_over_tcp() -> None:
    call, invite = dialled(transport="tcp")
    assert b"Via: SIP/2.0/TCP " in invite
    call.tick(7 * NS)
    assert not call.to_send()


def test_nobody_takes_the_call() -> None:
    call, invite = dialled(ring_s=2.0)
    call.received(answer(invite, 180), NS)
    call.tick(2 * NS)
    (cancel,) = call.to_send()
    assert call.state == "cancelled"
    assert cancel.startswith(b"CANCEL sip:echo@192.0.2.9:5060 SIP/2.0\r\n")
    assert field(cancel, "via") == field(invite, "via")
    assert field(cancel, "to") == field(invite, "to")
    assert field(cancel, "cseq") == ["1 CANCEL"]
    call.tick(3 * NS)
    assert call.to_send() == [cancel]
    call.received(answer(cancel, 200), 3 * NS)
    call.received(answer(invite, 487), 3 * NS)
    (ack,) = call.to_send()
    assert (starts([ack]), field(ack, "via")) == (["ACK"], field(invite, "via"))
    assert (call.state, call.told.gave_up, call.told.rang) == ("ended", True, 180)


def test_a_cancel_that_nobody_answers_ends() -> None:
    call, invite = dialled(ring_s=1.0, end_s=2.0)
    call.received(answer(invite, 180), 0)
    for now in range(0, 4 * NS, NS // 10):
        call.tick(now)
    assert call.state == "ended"


def test_an_answer_that_crosses_the_cancel_is_hung_up() -> None:
    call, invite = dialled(ring_s=1.0)
    call.received(answer(invite, 180), 0)
    call.tick(NS)
    call.to_send()
    call.received(answer(invite, 200, *MEDIA, body=SDP), NS)
    ack, bye = call.to_send()
    assert (starts([ack, bye]), call.state, call.told.answered) == (["ACK", "BYE"], "leaving", False)
    call.received(answer(bye, 200), NS)
    assert call.state == "ended"


def test_a_late_first_response_is_cancelled_and_a_late_answer_hung_up() -> None:
    call, invite = dialled(ring_s=1.0)
    call.tick(NS)
    call.to_send()
    call.received(answer(invite, 180), NS)
    assert starts(call.to_send()) == ["CANCEL"]
    other, invite = dialled(ring_s=1.0)
    other.tick(NS)
    other.tick(9 * NS)
    other.to_send()
    assert other.state == "ended"
    other.received(answer(invite, 200), 9 * NS)
    assert starts(other.to_send()) == ["ACK", "BYE"]


@pytest.mark.parametrize("code", [301, 302, 380, 400, 403, 404, 480, 486, 488, 500, 503, 600, 603, 699])
def test_refusals_are_acknowledged_each_time(code: int) -> None:
    call, invite = dialled()
    refusal = answer(invite, code, "Contact: <sip:elsewhere@203.0.113.1>")
    for _ in range(3):
        call.received(refusal, NS)
        (ack,) = call.to_send()
        assert ack.startswith(b"ACK sip:echo@192.0.2.9:5060 ")  # never where a redirection points
        assert field(ack, "via") == field(invite, "via")
        assert field(ack, "to") == ["<sip:echo@192.0.2.9:5060>;tag=far"]
    assert (call.state, call.told.code, call.told.final, call.told.answered) == ("ended", code, True, False)


CHALLENGE = 'WWW-Authenticate: Digest realm="far", nonce="n1", qop="auth", algorithm=SHA-256'


def said(data: bytes, header: str = "authorization") -> digest.Credentials:
    (value,) = field(data, header)
    credentials = digest.parse_authorization(value)
    assert credentials is not None
    return credentials


def test_a_challenge_is_met_once() -> None:
    call, first = dialled(user="probe", password=b"s3cret")
    call.received(answer(first, 401, CHALLENGE), 1)
    ack, invite = call.to_send()
    assert starts([ack, invite]) == ["ACK", "INVITE"]
    assert (field(invite, "cseq"), field(invite, "call-id")) == (["2 INVITE"], field(first, "call-id"))
    assert field(invite, "via") != field(first, "via")
    assert field(invite, "from") == field(first, "from")
    assert digest.right(said(invite), "INVITE", b"s3cret")
    assert said(invite).uri == "sip:echo@192.0.2.9:5060"
    call.received(answer(first, 401, CHALLENGE), 2)  # sent again since our ACK was lost
    assert call.to_send() == [ack]
    call.received(answer(invite, 401, CHALLENGE), 3)
    assert (starts(call.to_send()), call.state, call.told.challenges) == (["ACK"], "ended", 2)


def test_a_stale_nonce_is_met_once_more_and_bye_carries_credentials() -> None:
    call, first = dialled(user="probe", password=b"s3cret")
    call.received(answer(first, 401, CHALLENGE), 1)
    _, second = call.to_send()
    call.received(answer(second, 401, CHALLENGE.replace("n1", "n2") + ", stale=true"), 2)
    _, third = call.to_send()
    assert said(third).nonce == "n2"
    call.received(answer(third, 200), 3)
    (ack,) = call.to_send()
    assert field(ack, "authorization") == field(third, "authorization")
    call.hang_up(4)
    (bye,) = call.to_send()
    assert digest.right(said(bye), "BYE", b"s3cret")
    assert said(bye).nc == "00000002"
    call.received(answer(bye, 401, CHALLENGE.replace("n1", "n3")), 5)
    (again,) = call.to_send()
    assert (said(again).nonce, field(again, "cseq")) == ("n3", ["5 BYE"])
    call.received(answer(again, 401, CHALLENGE), 6)
    assert (call.state, call.told.bye_answered) == ("ended", False)


def test_stale_without_end_is_not_followed() -> None:
    call, invite = dialled(user="probe", password=b"s3cret")
    sent = 0
    for number in range(10):
        call.received(answer(invite, 401, CHALLENGE.replace("n1", f"n{number}") + ", stale=true"), number)
        invites = [data for data in call.to_send() if data.startswith(b"INVITE")]
        sent += len(invites)
        invite = invites[-1] if invites else invite
    assert (sent, call.state) == (2, "ended")


def test_a_proxy_and_the_far_end_may_both_ask() -> None:
    call, invite = dialled(user="probe", password=b"s3cret")
    call.received(answer(invite, 407, 'Proxy-Authenticate: Digest realm="proxy", nonce="p"'), 1)
    _, invite = call.to_send()
    assert said(invite, "proxy-authorization").realm == "proxy"
    call.received(answer(invite, 401, CHALLENGE), 2)
    _, invite = call.to_send()
    assert said(invite, "proxy-authorization").realm == "proxy"
    assert said(invite).realm == "far"
    call.received(answer(invite, 200), 3)
    assert call.state == "talking"


@pytest.mark.parametrize("header", ["", "WWW-Authenticate: Basic realm=x", CHALLENGE])
def test_without_credentials_a_challenge_is_a_refusal(header: str) -> None:
    call, invite = dialled()
    call.received(answer(invite, 401, *[header] * bool(header)), 1)
    assert (starts(call.to_send()), call.state, call.told.code) == (["ACK"], "ended", 401)


def test_each_repeated_answer_is_acknowledged_again() -> None:
    call, invite, ack = talking()
    for _ in range(5):
        call.received(answer(invite, 200, *MEDIA, body=SDP), 2 * NS)
        assert call.to_send() == [ack]
    call.hang_up(3 * NS)
    call.to_send()
    call.received(answer(invite, 200), 3 * NS)
    assert call.to_send() == [ack]


def test_a_second_leg_is_hung_up() -> None:
    call, invite, _ = talking()
    call.received(answer(invite, 200, "Contact: <sip:b@192.0.2.10>", tag="other"), 2 * NS)
    ack, bye = call.to_send()
    assert ack.startswith(b"ACK sip:b@192.0.2.10 ")
    assert bye.startswith(b"BYE sip:b@192.0.2.10 ")
    assert field(bye, "to")[0].endswith(";tag=other")
    call.received(answer(bye, 200, "Dialtone-Heard: packets=1;lost=0;tone=no"), 2 * NS)
    assert (call.state, call.told.forks, call.told.heard) == ("talking", 1, None)
    for number in range(50):
        call.received(answer(invite, 200, tag=f"leg{number}"), 2 * NS)
        call.to_send()
    assert call.told.forks == LEGS_MAX - 1


def test_record_routes_and_contact_lead_the_way() -> None:
    call, _, ack = talking(
        "Record-Route: <sip:192.0.2.20;lr>,\r\n <sip:p,2@192.0.2.21;lr>",
        'Contact: "A, B" <sip:in@10.0.0.1:5070>;q=1',
    )
    assert ack.startswith(b"ACK sip:in@10.0.0.1:5070 SIP/2.0\r\n")
    # The route set is the Record-Route from its end (section 12.1.2).
    assert field(ack, "route") == ["<sip:p,2@192.0.2.21;lr>", "<sip:192.0.2.20;lr>"]
    call.hang_up(2 * NS)
    (bye,) = call.outgoing()
    assert bye.data.startswith(b"BYE sip:in@10.0.0.1:5070 SIP/2.0\r\n")
    assert field(bye.data, "route") == field(ack, "route")


def test_the_next_hop_is_the_first_route_then_the_contact() -> None:
    def hop(*headers: str) -> tuple[str, int] | None:
        call, invite = dialled()
        call.received(answer(invite, 200, *headers), 1)
        return call.outgoing()[0].hop

    assert hop("Contact: <sip:in@192.0.2.33:5070>") == ("192.0.2.33", 5070)
    assert hop("Contact: <sip:in@[2001:db8::1]>") == ("2001:db8::1", 5060)
    assert hop("Contact: <sip:in@far.example>") is None
    assert hop("Record-Route: <sip:b@192.0.2.44:5080;lr>", "Contact: <sip:in@192.0.2.33>") == ("192.0.2.44", 5080)


def test_where_the_way_past_the_target_is_dead_bye_goes_to_the_target_too() -> None:
    call, _, _ = talking("Contact: <sip:in@10.0.0.1>")
    call.hang_up(2 * NS)
    assert [out.hop for out in call.outgoing()] == [("10.0.0.1", 5060)]
    call.tick(2 * NS + NS // 2)
    assert [out.hop for out in call.outgoing()] == [("10.0.0.1", 5060), None]


def test_a_strict_router_gets_itself_as_the_uri() -> None:
    _, _, ack = talking("Record-Route: <sip:192.0.2.20>", "Contact: <sip:in@10.0.0.1>")
    assert ack.startswith(b"ACK sip:192.0.2.20 SIP/2.0\r\n")
    assert field(ack, "route") == ["<sip:in@10.0.0.1>"]


@pytest.mark.parametrize(
    "contact", ["<sip:a b@c>", "<sip:>", "*", "<javascript>", "<sip:x@y\x00>", "<" + "s" * 5000, ""]
)
def test_a_contact_that_is_none_leaves_the_uri_we_asked_for(contact: str) -> None:
    call, invite = dialled()
    call.received(answer(invite, 200, f"Contact: {contact}"), 1)
    (ack,) = call.to_send()
    assert ack.startswith(b"ACK sip:echo@192.0.2.9:5060 SIP/2.0\r\n")


def test_early_media_counts_where_the_answer_has_none() -> None:
    call, invite = dialled()
    call.received(answer(invite, 183, *MEDIA, body=SDP), 1)
    assert call.told.early is not None
    assert call.told.media is None
    call.received(answer(invite, 200), 2)
    assert call.told.media == call.told.early


def test_sdp_among_other_parts_is_found() -> None:
    body = (
        f"--b\r\nContent-Type: application/isup\r\n\r\n\x01\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}--b--"
    )
    call, invite = dialled()
    call.received(answer(invite, 200, 'Content-Type: multipart/mixed; boundary="b"', body=body), 1)
    assert call.told.media is not None
    assert call.told.media.port == 6000


def test_the_far_end_hangs_up() -> None:
    call, invite, _ = talking()
    call.received(
        theirs(invite, "BYE", "Dialtone-Heard: packets=5;lost=0;jitter-ms=0.1;tone=no"), 2 * NS, ("192.0.2.9", 7)
    )
    (ok,) = call.outgoing()
    assert ok.data.startswith(b"SIP/2.0 200 OK\r\n")
    assert ok.hop == ("192.0.2.9", 7)
    assert (call.state, call.told.hung_up, call.told.heard is not None) == ("ended", True, True)


@pytest.mark.parametrize(
    ("method", "code"),
    [("INVITE", 488), ("OPTIONS", 200), ("UPDATE", 405), ("INFO", 405), ("REFER", 405), ("CANCEL", 481)],
)
def test_requests_inside_the_call(method: str, code: int) -> None:
    call, invite, _ = talking()
    call.received(theirs(invite, method), 2 * NS)
    (out,) = call.to_send()
    assert out.startswith(f"SIP/2.0 {code} ".encode())
    assert field(out, "via") == ["SIP/2.0/UDP 192.0.2.9;branch=z9hG4bKfar1"]
    assert call.state == "talking"


def test_strangers_do_not_end_the_call() -> None:
    call, invite, _ = talking()
    for bye in (theirs(invite, "BYE", tag="stranger"), theirs(invite, "BYE", call_id="other@x")):
        call.received(bye, 2 * NS)
        assert starts(call.to_send()) == ["481"]
    call.received(theirs(invite, "ACK"), 2 * NS)
    assert call.to_send() == []
    assert call.state == "talking"


def test_a_flood_of_requests_is_not_answered_for_ever() -> None:
    call, invite, _ = talking()
    out = 0
    for _ in range(10 * REQUESTS_MAX):
        call.received(theirs(invite, "OPTIONS"), 2 * NS)
        out += len(call.to_send())
    assert out == REQUESTS_MAX
    assert call.told.ignored == 9 * REQUESTS_MAX


def test_responses_that_are_not_ours() -> None:
    call, invite = dialled()
    other = Dialog(Plan("sip:echo@192.0.2.9", "192.0.2.1", 1, b"", 900), RANDOM[::-1])
    other.start(0)
    stranger = answer(other.to_send()[0], 200)
    wrong = [
        stranger,
        re.sub(rb"branch=\S+?;", b"branch=z9hG4bKx;", answer(invite, 200)),
        answer(invite, 200).replace(b"CSeq: 1 INVITE", b"CSeq: 1 OPTIONS"),
        answer(invite, 200).replace(b"CSeq: 1 INVITE", b"CSeq: 9 INVITE"),
        answer(invite, 200).replace(b"Call-ID: ", b"Call-ID: x"),
        answer(invite, 200, method="BYE"),
        b"SIP/2.0 200 OK\r\n\r\n",
        b"",
        b"\xff" * 3000,
    ]
    for data in wrong:
        call.received(data, 1)
    assert (call.state, call.to_send(), call.told.ignored) == ("calling", [], len(wrong))


def test_bye_is_repeated_and_ends() -> None:
    call, _, _ = talking(end_s=2.0)
    call.hang_up(2 * NS)
    times = []
    for now in range(2 * NS, 6 * NS, NS // 10):
        call.tick(now)
        times += [now / NS for _ in call.to_send()]
    assert times == pytest.approx([2.0, 2.5, 3.5])
    assert (call.state, call.told.bye_answered) == ("ended", False)


def test_abandoned_in_every_state() -> None:
    idle = dialog()
    idle.abandon(0)
    assert (idle.state, idle.to_send()) == ("ended", [])
    call, invite = dialled()
    call.abandon(1)
    assert (starts(call.to_send()), call.state, call.due_ns()) == (["CANCEL"], "ended", None)
    call, invite, _ = talking()
    call.abandon(2 * NS)
    call.abandon(2 * NS)
    assert (starts(call.to_send()), call.state, call.due_ns()) == (["BYE"], "ended", None)
    call.received(answer(invite, 200), 3 * NS)
    assert starts(call.to_send()) == ["ACK"]


@pytest.mark.parametrize(
    "to", ["sip:911@192.0.2.9", "urn:service:sos", "sip:a@b\r\nX: y", "sip:a@b>", "mailto:x@y", ""]
)
def test_no_call_is_built_to_what_must_not_be_called(to: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        dialog(to=to)


def test_users_of_any_name_make_a_uri() -> None:
    _, invite = dialled(user='a "b" <ü>')
    (value,) = field(invite, "from")
    assert re.fullmatch(r"<sip:a%20%22b%22%20%3C%C3%BC%3E@192\.0\.2\.1>;tag=[0-9a-f]+", value)


PIECES = st.sampled_from(
    ["200", "180", "401", "486", "BYE", "INVITE", "OPTIONS", "hang", "tick", "junk", "fork", "old"]
)


@given(st.lists(st.tuples(PIECES, st.binary(max_size=60)), max_size=40))
def test_any_turns_end_and_answer_within_bounds(turns: list[tuple[str, bytes]]) -> None:
    call = dialog(user="u", password=b"p", ring_s=4.0)
    call.start(0)
    first = invite = call.to_send()[0]
    now = 0
    for turn, junk in turns:
        now += NS // 5
        if turn == "hang":
            call.hang_up(now)
        elif turn == "tick":
            call.tick(now)
        elif turn in ("BYE", "INVITE", "OPTIONS"):
            call.received(theirs(first, turn), now)
        elif turn == "junk":
            call.received(junk, now)
            call.received(answer(invite, 200)[: len(junk)] + junk + answer(invite, 200)[len(junk) :], now)
        else:
            code = {"fork": 200, "old": 401}.get(turn) or int(turn)
            of = first if turn == "old" else invite
            call.received(answer(of, code, CHALLENGE, tag="f2" if turn == "fork" else "far"), now)
        out = call.to_send()
        assert len(out) <= 4
        invite = next((data for data in out if data.startswith(b"INVITE")), invite)
        for data in out:
            assert sip.parse(data) is not None
    call.hang_up(now)
    for _ in range(200):
        due = call.due_ns()
        if due is None:
            break
        call.tick(max(due, now))
        now = max(due, now)
    assert call.state == "ended"


@given(st.binary(max_size=400), st.sampled_from([100, 183, 200, 401, 407, 486]))
def test_any_headers_of_theirs_are_borne(junk: bytes, code: int) -> None:
    call, invite = dialled(user="u", password=b"p")
    text = junk.decode("latin-1")
    names = ("Contact", "Record-Route", "WWW-Authenticate", "Dialtone-Tone", "Content-Type")
    call.received(answer(invite, code, *(f"{name}: {text}" for name in names), body=text), 1)
    call.hang_up(2)
    for data in call.to_send():
        message = sip.parse(data)
        assert message is not None
        # Nothing of theirs begins a line of ours, and none of it is a way to add a header.
        assert set(message.headers) <= OURS_HEADERS


OURS_HEADERS = {
    "via", "from", "to", "call-id", "cseq", "contact", "allow", "dialtone-tone", "content-type", "authorization",
    "proxy-authorization", "route", "max-forwards", "user-agent", "content-length",
}  # fmt: skip


# ---- over a stream


@given(st.lists(st.integers(1, 400), max_size=30), st.booleans())
def test_a_stream_is_cut_the_same_however_it_comes(cuts: list[int], blank: bool) -> None:
    _, invite = dialled(transport="tcp")
    whole = [answer(invite, 100), answer(invite, 200, *MEDIA, body=SDP), theirs(invite, "BYE")]
    data = (b"\r\n\r\n" if blank else b"").join([b"", *whole])
    stream, found, at = framing.Stream(), [], 0
    for cut in [*cuts, len(data)]:
        found += stream.feed(data[at : at + cut])
        at += cut
    assert (found, stream.broken) == (whole, False)


@pytest.mark.parametrize(
    "data",
    [
        b"SIP/2.0 200 OK\r\nVia: x\r\n\r\n",
        b"SIP/2.0 200 OK\r\nContent-Length: 1\r\nl: 2\r\n\r\nab",
        b"SIP/2.0 200 OK\r\nContent-Length: 999999\r\n\r\n",
        b"x" * 70_000,
    ],
)
def test_a_stream_that_cannot_be_cut_is_broken(data: bytes) -> None:
    stream = framing.Stream()
    assert stream.feed(data) == []
    assert stream.broken
    assert stream.feed(answer(dialled()[1], 200)) == []


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_stream_is_read(parts: list[bytes]) -> None:
    stream = framing.Stream()
    for part in parts:
        for message in stream.feed(part):
            sip.parse(message)


# ---- where a call may go


@pytest.mark.parametrize(
    "uri",
    [
        "sip:911@192.0.2.9",
        "SIP:911@x",
        "sips:911@x",
        "sip:+911@x",
        "sip:9-1-1;phone-context=+1@x",
        "sip:9.1.1@x",
        "sip:(9)11@x",
        "sip:%39%31%31@x",
        "sip:9%311@x",
        "sip:%2539%2531%2531@x",
        "sip:%EF%BC%99%EF%BC%91%EF%BC%91@x",
        "sip:9%2D1%2D1@x",
        "sip:%E2%81%B9%C2%B9%C2%B9@x",  # superscript digits
        "sip:911:secret@x",
        "sip:911@a@b",
        "sip:911;x=y@b",
        "sip:9911@x",
        "sip:8911@x",
        "sip:1911@x",
        "sip:+1911@x",
        "sip:112@x",
        "sip:999@x",
        "sip:911",
        "sip:911:5060",
        "sip:911;user=phone",
        "tel:911",
        "tel:+1-911",
        "sip:*911@x",
        "sip:911#@x",
        "urn:service:sos",
        "URN:SERVICE:SOS",
        "urn:service:sos.fire",
        "urn:service%3Asos",
        "urn:service:%73os",
        "urn:sos",
        "sip:x@y?to=sip:911@z",
        "sip:x@y;to=<sip:911@z>",
        "sip:urn:service:sos@x",
        "sip:x@y;z=urn:service:sos",
        "urn:service:counseling",
        "mailto:a@b",
        "",
        "echo",
        "sip:a%00@x",
        "sip:a%0d%0aX@x",
        "sip:%" + "25" * 8 + "3911@x",
        "sip:a" * 999,
    ],
)
def test_uris_that_are_never_called(uri: str) -> None:
    assert refused_uri(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "sip:echo@192.0.2.9",
        "sip:echo@192.0.2.9:5060;transport=tcp",
        "sip:+16175550100@192.0.2.9;user=phone",
        "sip:5550911@x",
        "sip:5550112@x",
        "sip:911test@x",
        "sip:psap-911-test@x",
        "sip:echo@911.example",
        "sip:192.0.2.9",
        "sip:[2001:db8::911]:5060",
        "sip:echo@[2001:db8::1]",
        "urn:service:test.sos",
        "urn:service:test.sos.police",
        "URN:service:TEST.sos",
        "sip:933@x",
    ],
)
def test_uris_that_may_be_called(uri: str) -> None:
    assert refused_uri(uri) is None


@given(st.text(max_size=60))
def test_any_uri_is_judged(text: str) -> None:
    refused_uri(text)
    refused_uri("sip:" + text)
    assert refused_uri(f"sip:911@{text}")
