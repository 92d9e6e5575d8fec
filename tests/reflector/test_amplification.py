"""Any datagrams in any order: nothing is raised, nobody who has proved nothing gets more bytes than he sent."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from agent.reflector.answer import RANDOM_BYTES
from agent.reflector.calls import Send, Source
from tests.reflector.peer import HOST, LOCAL, NS, SECRET, Peer, authorization, code_of, offer, reflector, request

HOSTS = st.sampled_from([HOST, "192.0.2.11", "203.0.113.5", "2001:db8::1", "fe80::1%eth0", "not an address"])
METHODS = st.sampled_from(["OPTIONS", "INVITE", "ACK", "BYE", "CANCEL", "REGISTER", "INFO", "XYZZY"])
HEADERS = st.lists(
    st.sampled_from(
        [
            "Dialtone-Knock: after=200;token=" + "0" * 32,
            "Dialtone-Knock:",
            'Authorization: Digest username="dialtone", realm="dialtone", nonce="1.2", uri="x", response="0"',
            "Authorization: Basic eDp5",
            "Require: a, b",
            "Record-Route: <sip:203.0.113.66;lr>",
            "Via: SIP/2.0/UDP 203.0.113.66",
            "Content-Length: 99999",
            "v: \udcff\udcfe;branch=z9hG4bK",
        ]
    ),
    max_size=4,
)
# The shortest that parse, too: an answer to these must be shorter still.
TINY = st.builds(
    lambda method, via, tag, n: f"{method} s:a SIP/2.0\nv:{via}\nf:a{tag}\nt:b\ni:{n}\nCSeq:1 {method}\n\n".encode(
        "utf-8", "surrogateescape"
    ),
    METHODS,
    st.text(max_size=30),
    st.sampled_from(["", ";tag=1"]),
    st.integers(0, 3),
)
FULL = st.builds(
    lambda method, cseq, to_tag, headers, body: (
        request(method, cseq=cseq, to_tag=to_tag, headers=tuple(headers), body=body)
        if all(h.isascii() for h in headers)
        else b"\xff".join(h.encode("utf-8", "surrogateescape") for h in headers)
    ),
    METHODS,
    st.integers(0, 3),
    st.sampled_from(["", "x", "05060708090a0b0c"]),
    HEADERS,
    st.sampled_from([b"", offer(), offer("203.0.113.66"), b"v=0"]),
)
CUT = st.builds(lambda data, a, b: data[a % len(data) :][: b % 700], FULL, st.integers(0, 900), st.integers(0, 900))
DATAGRAM = st.one_of(FULL, TINY, CUT, st.binary(max_size=300))


@settings(max_examples=600, deadline=None)
@given(st.lists(st.tuples(HOSTS, DATAGRAM, st.integers(0, 3 * NS)), max_size=25), st.binary(min_size=32, max_size=32))
def test_nobody_gets_more_than_he_sent(steps: list[tuple[str, bytes, int]], random: bytes) -> None:
    core = reflector()
    balance: Counter[str] = Counter()
    now_ns = 1000 * NS
    for host, data, later_ns in steps:
        now_ns += later_ns
        balance[host] += len(data)
        for send in core.datagram(data, Source(host, 5060), LOCAL, now_ns, random):
            assert (send.host, send.port) == (host, 5060)
            balance[send.host] -= len(send.data)
        assert not core.tick(now_ns)
        assert balance[host] >= 0
    assert core.due_ns() is None  # nothing is ever owed to them


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(HOSTS, DATAGRAM, st.integers(0, NS)), max_size=20),
    st.lists(st.tuples(HOSTS, st.integers(0, 65_535), st.binary(max_size=200)), max_size=20),
    st.sampled_from(["call", "knock"]),
)
def test_a_proved_probe_beside_them(
    steps: list[tuple[str, bytes, int]], packets: list[tuple[str, int, bytes]], what: str
) -> None:
    """Whatever comes between: audio goes to the probe alone, at most 55 packets in any second, and it ends."""
    peer = Peer(call_max_s=5.0)
    if what == "call":
        peer.call()
    else:
        knock = "Dialtone-Knock: after=200;token=" + "0" * 32
        login = authorization(peer.challenged("OPTIONS", headers=(knock,)), "OPTIONS", SECRET)
        peer.give(request("OPTIONS", cseq=2, headers=(knock, login)))
    times: list[int] = []
    for host, data, later_ns in steps:
        for send in peer.core.datagram(data, Source(host, 9), LOCAL, peer.now_ns, bytes(RANDOM_BYTES)):
            assert send.host == host
        for from_host, port, packet in packets:
            peer.core.audio(0, packet, from_host, port, peer.now_ns)
        times += _ticked(peer, later_ns)
    times += _ticked(peer, 400 * NS)
    assert peer.core.due_ns() is None
    assert len(times) <= 5 * 50
    for number, at in enumerate(times[55:]):
        assert at - times[number] >= NS


def _ticked(peer: Peer, for_ns: int) -> list[int]:
    """When audio was sent; a stalled process now and then is part of it."""
    end_ns, times = peer.now_ns + for_ns, []
    while (due_ns := peer.core.due_ns()) is not None and due_ns <= end_ns:
        peer.now_ns = min(end_ns, max(peer.now_ns, due_ns + (due_ns % 7) * 3_000_000))
        for what in peer.core.tick(peer.now_ns):
            if isinstance(what, Send):
                assert what.host == HOST
                if what.slot is not None:
                    times.append(peer.now_ns)
    peer.now_ns = end_ns
    return times


def test_the_challenge_fits_into_the_shortest_call_that_is_made() -> None:
    peer = Peer()
    for data in (request("INVITE", body=offer()), request("INVITE", body=b"")):
        (send,) = peer.give(data)
        assert code_of(send.data) == 401
        assert len(send.data) <= len(data)
