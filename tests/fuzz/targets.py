"""What is fuzzed: each reader of bytes from outside, as one function of bytes. Anything that it raises is a find."""

from __future__ import annotations

from collections.abc import Callable, Mapping

Target = Callable[[bytes], None]
NS = 1_000_000_000
ADDRESS = "192.0.2.9"


def sip() -> Target:
    from agent.paths import sip as codec

    sent = codec.options("h", 5060, ADDRESS, 5060, bytes(24))

    def run(data: bytes) -> None:
        codec.parse(data)
        codec.judge(data, sent)
        codec.respond(data)

    return run


def sdp() -> Target:
    from agent.paths.call import sdp as codec

    def run(data: bytes) -> None:
        session = codec.parse(data)
        if session is not None:
            codec.answer(session, ADDRESS, 40000, 1)

    return run


def rtp() -> Target:
    from agent.paths.call import g711
    from agent.paths.call import rtp as codec

    def run(data: bytes) -> None:
        received = codec.Received()
        for at, part in enumerate(data.split(b"\xff\xfe")):
            packet = codec.parse(part)
            if packet is not None:
                received.saw(packet, at * 20_000_000)
                g711.decode(packet.payload)

    return run


def digest() -> Target:
    from agent.paths.call import digest as codec

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        challenge = codec.parse_challenge(text)
        if challenge is not None:
            codec.authorization(challenge, "INVITE", "sip:echo@h", "u", "p", "c", 1)
        credentials = codec.parse_authorization(text)
        if credentials is not None:
            codec.right(credentials, "INVITE", "p")

    return run


def syslog() -> Target:
    from agent.paths.syslog.judge import SyslogJudge
    from agent.site import schema

    check = schema.Syslog()
    path = schema.Path(id="fw", role="firewall", address=ADDRESS, checks=(check,))

    def run(data: bytes) -> None:
        judge = SyslogJudge(path, "syslog", check, schema.Listen(calls_at=("198.51.100.0/24",)))
        for number, line in enumerate(data.split(b"\n")[:64]):
            judge.message(line, number * NS)
        judge.tick(100 * NS)

    return run


def traps() -> Target:
    import tempfile
    from pathlib import Path

    from agent.paths.snmp.traps import TrapReader
    from agent.site import schema
    from agent.site.secrets import SecretStore

    directory = Path(tempfile.mkdtemp(prefix="dialtone-fuzz-"))
    for name, text in (("community", "public"), ("auth", "authpassword"), ("priv", "privpassword")):
        (directory / name).write_text(text)
        (directory / name).chmod(0o600)
    checks = (
        schema.Traps(community="community"),
        schema.Traps(
            version="3", user="u", authentication="sha", authentication_password="auth", privacy="aes",
            privacy_password="priv",
        ),
    )  # fmt: skip
    secrets = SecretStore(directory, None)
    readers = [
        TrapReader(schema.Path(id="fw", role="firewall", address=ADDRESS, checks=(one,)), "traps", one, secrets)
        for one in checks
    ]

    def run(data: bytes) -> None:
        for reader in readers:
            reader.datagram(data, NS)

    return run


def knocks() -> Target:
    from agent.paths.knocks import Knocks

    known = Knocks([ADDRESS])

    def run(data: bytes) -> None:
        answer = known.datagram(data, ADDRESS, NS)
        assert answer is None or len(answer) <= len(data)

    return run


def reflector() -> Target:
    from tests.reflector.fuzzing import reflector as target

    return target()


def names() -> Target:
    from agent.paths import answers

    sent = answers.question("good.example", "A", 0x4142)

    def run(data: bytes) -> None:
        for one in (data, sent.data[:2] + b"\x81\x80" + data):
            message = answers.ours(one, sent)
            if message is not None:
                answers.judge(message, sent, ("198.51.100.10",))

    return run


def certificate() -> Target:
    from agent.paths.certificate import finding, validity

    def run(data: bytes) -> None:
        dates = validity(data)
        if dates is not None:
            finding(dates, 1.8e9, "x")

    return run


def tl1() -> Target:
    from agent.lines.tl1 import Tl1

    def run(data: bytes) -> None:
        parser = Tl1("bank-a")
        parser.feed(data, 0)
        parser.idle(NS)

    return run


def ali() -> Target:
    from agent.callers import Callers
    from agent.lines.ali import Ali
    from agent.site.line import AliLine

    def run(data: bytes) -> None:
        parser = Ali(AliLine(id="a", port="/dev/null"), Callers(b"k" * 32))
        parser.feed(data, 0)
        parser.idle(NS)

    return run


TARGETS: Mapping[str, Callable[[], Target]] = {
    "sip": sip,
    "sdp": sdp,
    "rtp": rtp,
    "digest": digest,
    "syslog": syslog,
    "traps": traps,
    "knocks": knocks,
    "reflector": reflector,
    "names": names,
    "certificate": certificate,
    "tl1": tl1,
    "ali": ali,
}
SEEDS: Mapping[str, tuple[bytes, ...]] = {
    "sip": (
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK0000000000000000\r\nCSeq: 1 OPTIONS\r\n\r\n",
        b"OPTIONS sip:a@h SIP/2.0\r\nv: SIP/2.0/UDP h\r\nf: <sip:a@h>;tag=1\r\nt: <sip:b@h>\r\ni: x\r\nCSeq: 1 OPTIONS\r\n\r\n",
    ),
    "sdp": (b"v=0\r\no=- 1 1 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n",),
    "rtp": (b"\x80\x00\x00\x01\x00\x00\x00\xa0\x00\x00\x00\x07" + b"\xff" * 160,),
    "digest": (
        b'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"',
        b'Digest username="u", realm="r", nonce="n", uri="sip:h", response="00", cnonce="c", nc=00000001, qop=auth',
    ),
    "syslog": (
        b"<166>%ASA-4-106023: Deny udp src inside:192.0.2.4/5060 dst outside:198.51.100.10/5060 by access-group \"a\"",
        b'<189>date=2025-07-25 time=07:43:43 type="traffic" subtype="forward" action="deny" srcip=192.0.2.4 dstip=198.51.100.10 srcport=1 dstport=5060 proto=17',
        b"<134>1 2025-07-25T07:43:43Z fw filterlog 1 - - 6,,,1000000105,igb1,match,block,in,4,0x0,,64,0,0,DF,17,udp,60,192.0.2.4,198.51.100.10,5060,5060,40",
    ),
    "traps": (bytes.fromhex("302902010104067075626c6963a71c020101020100020100301130 0f06082b060102010103004303010203".replace(" ", "")),),
    "knocks": (b"INVITE sip:knock@h SIP/2.0\r\nDialtone-Knock: token=00;proof=00\r\n\r\n",),
    "tl1": (b"\r\n\n   A 26-01-01 00:00:00\r\n** 1 REPT ALM T1\r\n   \"T1-1:MJ,LOS,SA\"\r\n;",),
    "ali": (b"\x02101\r(555) 555-0100\r\n\x03",),
}  # fmt: skip
