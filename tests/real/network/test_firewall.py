"""The faults themselves, by plain sockets, before any agent is involved."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.real.network.firewall import Firewall
from tests.real.network.namespaces import FAR, FIREWALL, NOC, NOC_CELLULAR, PROBE, ROUTER, SWITCH, Network
from tests.real.sites import until

SIP, MEDIA = 5060, 40_000


class Ends:
    """Echoes in the far end (UDP on ``SIP`` and ``MEDIA``, TCP on ``SIP``) and plain sockets in the probe."""

    def __init__(self, net: Network) -> None:
        self.net = net
        self._over = threading.Event()
        self._open: list[socket.socket] = []
        for port in (SIP, MEDIA):
            self._serve(self._bound("far", socket.SOCK_DGRAM, port), self._echo)
        listener = self._bound("far", socket.SOCK_STREAM, SIP)
        listener.listen(64)
        self._serve(listener, self._accept)

    def _bound(self, ns: str, kind: socket.SocketKind, port: int) -> socket.socket:
        sock = self.net.socket(ns, kind)
        sock.settimeout(0.1)
        sock.bind(("0.0.0.0", port))
        self._open.append(sock)
        return sock

    def _serve(self, sock: socket.socket, once: Callable[[socket.socket], None]) -> None:
        def loop() -> None:
            while not self._over.is_set():
                try:
                    once(sock)
                except OSError:
                    continue

        threading.Thread(target=loop, daemon=True).start()

    @staticmethod
    def _echo(sock: socket.socket) -> None:
        data, whence = sock.recvfrom(2048)
        sock.sendto(data, whence)

    @staticmethod
    def _accept(sock: socket.socket) -> None:
        connection, _ = sock.accept()
        connection.close()

    def ping(self, address: str) -> bool:
        """One echo request (RFC 792)."""
        with self.net.socket("probe", socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
            sock.settimeout(0.3)
            head = struct.pack("!BBHHH", 8, 0, 0, 77, 1)
            total = sum(struct.unpack("!4H", head))
            sock.sendto(struct.pack("!BBHHH", 8, 0, ~(total + (total >> 16)) & 0xFFFF, 77, 1), (address, 0))
            try:
                while True:
                    packet, whence = sock.recvfrom(2048)
                    if packet[20] == 0:
                        return bool(whence[0] == address)
            except TimeoutError:
                return False

    def udp(self, port: int) -> bool:
        """One datagram there and back."""
        with self.net.socket("probe", socket.SOCK_DGRAM) as sock:
            return self.asks(sock, port)

    @staticmethod
    def asks(sock: socket.socket, port: int) -> bool:
        """The same over a socket that may be known to the firewall."""
        sock.settimeout(0.3)
        sock.sendto(b"?", (FAR, port))
        try:
            return sock.recv(10) == b"?"
        except OSError:
            return False

    def tcp(self) -> str:
        """``open``, ``reset`` or ``silent``."""
        with self.net.socket("probe", socket.SOCK_STREAM) as sock:
            sock.settimeout(0.5)
            try:
                sock.connect((FAR, SIP))
            except ConnectionRefusedError:
                return "reset"
            except OSError:
                return "silent"
            return "open"

    def inbound(self) -> bool:
        """A datagram on a new flow from the NOC to the probe's SIP port."""
        with self.net.socket("probe", socket.SOCK_DGRAM) as inner, self.net.socket("noc", socket.SOCK_DGRAM) as outer:
            inner.settimeout(0.3)
            inner.bind((PROBE, SIP))
            outer.sendto(b"!", (PROBE, SIP))
            try:
                return inner.recv(10) == b"!"
            except OSError:
                return False

    def close(self) -> None:
        self._over.set()
        for sock in self._open:
            sock.close()


@pytest.fixture(scope="module")
def ends() -> Iterator[Ends]:
    with Network() as net:
        made = Ends(net)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def always(ends: Ends) -> Firewall:
    return Firewall(ends.net)


@pytest.fixture
def firewall(always: Firewall, ends: Ends) -> Iterator[Firewall]:
    always.heal()
    until(lambda: healthy(ends), f"not healthy: {always.rules()}")
    yield always
    always.heal()
    until(lambda: healthy(ends), f"never healed: {always.rules()}")


def healthy(ends: Ends) -> bool:
    pings = all(ends.ping(address) for address in (SWITCH, FIREWALL, ROUTER, FAR, NOC, NOC_CELLULAR))
    return pings and ends.udp(SIP) and ends.udp(MEDIA) and ends.tcp() == "open" and ends.inbound()


def test_forwards_nothing_and_answers_itself(ends: Ends, firewall: Firewall) -> None:
    firewall.forward_nothing()
    assert ends.ping(FIREWALL)
    assert not ends.ping(ROUTER)
    assert not ends.ping(FAR)
    assert not ends.udp(SIP)
    assert ends.tcp() == "silent"
    assert not ends.inbound()
    assert ends.ping(NOC_CELLULAR)


def test_drops_udp_5060_only(ends: Ends, firewall: Firewall) -> None:
    firewall.drop_udp_5060()
    assert not ends.udp(SIP)
    assert ends.udp(MEDIA)
    assert ends.tcp() == "open"
    assert ends.ping(FAR)


def test_drops_media_out_only(ends: Ends, firewall: Firewall) -> None:
    firewall.drop_media_out()
    assert not ends.udp(MEDIA)
    assert ends.udp(SIP)
    assert media(ends.net, "far", "probe", PROBE)
    assert not media(ends.net, "probe", "far", FAR)


def test_drops_media_in_only(ends: Ends, firewall: Firewall) -> None:
    firewall.drop_media_in()
    assert not ends.udp(MEDIA)
    assert ends.udp(SIP)
    assert media(ends.net, "probe", "far", FAR)
    assert not media(ends.net, "far", "probe", PROBE)


def media(net: Network, whence: str, where: str, address: str) -> bool:
    """One datagram of audio one way, after one the other way has told the firewall of the flow."""
    with net.socket(whence, socket.SOCK_DGRAM) as sender, net.socket(where, socket.SOCK_DGRAM) as hearer:
        own = PROBE if whence == "probe" else FAR
        sender.bind((own, 41_000))
        hearer.bind((address, 41_000))
        hearer.settimeout(0.3)
        hearer.sendto(b"first", (own, 41_000))
        sender.sendto(b"audio", (address, 41_000))
        try:
            return hearer.recv(10) == b"audio"
        except OSError:
            return False


def test_drops_new_inbound_flows_only(ends: Ends, firewall: Firewall) -> None:
    with ends.net.socket("probe", socket.SOCK_DGRAM) as sock:
        assert ends.asks(sock, SIP)
        firewall.drop_new_inbound()
        assert ends.asks(sock, SIP)
    assert not ends.inbound()
    assert ends.udp(SIP)
    assert ends.tcp() == "open"
    assert ends.ping(FAR)


def test_resets_tcp(ends: Ends, firewall: Firewall) -> None:
    firewall.reset_tcp()
    assert ends.tcp() == "reset"
    assert ends.udp(SIP)
    assert ends.ping(FAR)


def test_loses_a_share_each_way(ends: Ends, firewall: Firewall) -> None:
    firewall.loss(50)
    back = 0
    with ends.net.socket("probe", socket.SOCK_DGRAM) as sock:
        for _ in range(400):
            sock.sendto(b"?", (FAR, MEDIA))
        sock.settimeout(0.5)
        try:
            while True:
                sock.recv(10)
                back += 1
        except TimeoutError:
            pass
    # A quarter of 400 comes back: 6 standard deviations each side.
    assert 48 < back < 152


def test_loses_a_share_one_way(ends: Ends, firewall: Firewall) -> None:
    firewall.loss(99.9, each_way=False)
    assert not ends.udp(MEDIA)
    assert not media(ends.net, "probe", "far", FAR)


def test_fails_over_and_forgets(ends: Ends, firewall: Firewall) -> None:
    firewall.fail_over(2.0)
    assert not ends.ping(FAR)
    assert ends.ping(FIREWALL)
    until(lambda: ends.ping(FAR) and ends.udp(SIP), "never took over")


def test_loses_its_wan(ends: Ends, firewall: Firewall) -> None:
    firewall.lose_wan()
    assert ends.ping(ROUTER)
    assert not ends.ping(FAR)
    assert not ends.udp(SIP)
    assert ends.ping(NOC_CELLULAR)


def test_stops_answering_and_forwards(ends: Ends, firewall: Firewall) -> None:
    firewall.stop_answering()
    assert not ends.ping(FIREWALL)
    assert ends.ping(FAR)
    firewall.die()
    assert not ends.ping(FIREWALL)
    assert not ends.ping(FAR)


def test_nothing_is_left(ends: Ends) -> None:
    with Network() as net:
        child = net.popen("far", ["sleep", "600"])
        assert child.pid in net.pids
        assert net.name("far") in net.run("far", ["ip", "netns", "list"])
    assert child.poll() is not None
    assert net.name("far") not in ends.net.run("far", ["ip", "netns", "list"])
    assert not net.directory.exists()
