"""The reflector under a fuzzer: a call that stands, a knock that waits, and any datagrams at its two kinds of port."""

from __future__ import annotations

from collections.abc import Callable

from agent.reflector.calls import Source
from tests.reflector.peer import HOST, LOCAL, NS, Peer, offer, request

SEEDS = (
    b"0" + request("OPTIONS"),
    b"0" + request("INVITE", body=offer()),
    b"1" + request("INVITE", cseq=2, call_id="c0", body=offer()) + b"\xff\xfe2" + b"\x80\x00" + bytes(170),
    b"0" + request("BYE", cseq=3, to_tag="05060708090a0b0c"),
    b"1" + request("OPTIONS", headers=("Dialtone-Knock: after=2;token=" + "0" * 32,)),
    b"0" + request("INVITE", cseq=3, to_tag="05060708090a0b0c", body=offer()),
    b"0" + request("INVITE", headers=('Authorization: Digest username="dialtone", realm="dialtone", nonce="1-1.2"',)),
)


def reflector() -> Callable[[bytes], None]:
    """Parts of the input are datagrams; the first byte of each says whose, and to which port."""
    state: list[Peer] = []

    def run(data: bytes) -> None:
        if not state or not any(call.live for call in state[0].core._calls.values()):
            state[:] = [Peer(call_max_s=120.0)]
            state[0].call()
        peer = state[0]
        for part in data.split(b"\xff\xfe")[:16]:
            host = (HOST, "203.0.113.5")[part[:1] == b"1"]
            if part[:1] == b"2":
                peer.core.audio(0, part[1:], HOST, 41_000, peer.now_ns)
                continue
            for send in peer.core.datagram(part[1:], Source(host, 9), LOCAL, peer.now_ns, bytes(32)):
                assert send.host == host
                assert len(send.data) <= max(len(part) - 1, 1024 if host == HOST else 0)
            peer.now_ns += NS // 10
            peer.core.tick(peer.now_ns)
        assert len(peer.core.counts) < 64

    return run
