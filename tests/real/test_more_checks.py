"""TLS, DNS, SIP over TCP and TLS on real sockets of loopback."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import dns.message
import dns.rrset
import pytest

from agent.clock import RealClock, Wall
from agent.paths import sip
from agent.paths.dns import DnsRunner
from agent.paths.kinds import runner_of
from agent.paths.outcome import Outcome
from agent.paths.runner import Tools
from agent.paths.target import numeric
from agent.site import schema
from agent.site.secrets import SecretStore

HOST = "127.0.0.1"


class SetClock(RealClock):
    """This machine's clock, held for synchronised."""

    def wall(self) -> Wall:
        return Wall(super().wall().utc, synced=True)


@pytest.fixture
def made(tmp_path: Path) -> Callable[[str, int], Path]:
    """A certificate for a name, good for so many days; its CA is itself."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the Debian package openssl")

    def make(name: str, days: int) -> Path:
        out = tmp_path / f"{name}-{days}"
        out.mkdir()
        command = [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
            str(out / "key"), "-out", str(out / "cert"), "-days", str(days), "-subj", f"/CN={name}", "-addext",
            f"subjectAltName=DNS:{name},IP:127.0.0.1",
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        for file in out.iterdir():
            file.chmod(0o600)
        return out

    return make


def run(check: schema.ActiveCheck, secrets: Path = Path("/nonexistent"), timeout_s: float = 5.0) -> Outcome:
    path = schema.Path(id="p", role="far-end", address=HOST, checks=(check,))
    tools = Tools(SetClock(), SecretStore(secrets, None), lambda: "none")
    target = numeric(HOST)
    assert target is not None
    return asyncio.run(_run(path, check, tools, timeout_s))


async def _run(path: schema.Path, check: schema.ActiveCheck, tools: Tools, timeout_s: float) -> Outcome:
    target = numeric(HOST)
    assert target is not None
    return await runner_of(path, check, tools).run(target, timeout_s)


def with_server(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    check_of: Callable[[int], schema.ActiveCheck],
    certificate: Path | None = None,
    secrets: Path = Path("/nonexistent"),
) -> Outcome:
    context: ssl.SSLContext | None = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert", certificate / "key")

    async def all_of_it() -> Outcome:
        server = await asyncio.start_server(serve, HOST, 0, ssl=context)
        async with server:
            check = check_of(server.sockets[0].getsockname()[1])
            path = schema.Path(id="p", role="far-end", address=HOST, checks=(check,))
            return await _run(path, check, Tools(SetClock(), SecretStore(secrets, None), lambda: "none"), 5.0)

    return asyncio.run(all_of_it())


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


def test_a_certificate_s_last_days_are_a_point(made: Callable[[str, int], Path]) -> None:
    good, soon = made("localhost", 300), made("localhost", 6)
    for certificate, holds in ((good, False), (soon, True)):
        outcome = with_server(
            silent, lambda port: schema.Tls(port=port, server_name="localhost", ca="cert"), certificate, certificate
        )
        assert outcome.state == "up", outcome
        (finding,) = outcome.findings
        assert (finding.point, finding.holds) == ("certificate-expiry", holds)
        assert ("within 7 days" in finding.text) is holds


def test_a_wrong_name_and_an_unknown_signer_are_named(made: Callable[[str, int], Path]) -> None:
    certificate = made("localhost", 300)
    wrong = with_server(
        silent, lambda port: schema.Tls(port=port, server_name="other.example", ca="cert"), certificate, certificate
    )
    assert (wrong.state, wrong.detail["fault"]) == ("down", "name")
    unknown = with_server(silent, lambda port: schema.Tls(port=port, server_name="localhost"), certificate)
    assert (unknown.state, unknown.detail["fault"]) == ("down", "certificate")
    dates = with_server(silent, lambda port: schema.Tls(port=port, verify=False), certificate)
    assert dates.state == "up"
    assert dates.findings


def test_what_is_no_tls_and_a_secret_that_is_not_there() -> None:
    async def plain(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        await writer.drain()

    assert with_server(plain, lambda port: schema.Tls(port=port, verify=False)).state == "down"
    missing = with_server(silent, lambda port: schema.Tls(port=port, ca="none"))
    assert missing.state == "unknown"
    assert "can't test" in missing.reason


async def sip_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    data = await reader.readuntil(b"\r\n\r\n")
    answer = sip.respond(data) or b""
    writer.write(b"\r\n\r\n" + answer[:20])  # a keep-alive, and the answer in two parts
    await writer.drain()
    await asyncio.sleep(0.05)
    writer.write(answer[20:])
    await writer.drain()


async def busy_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(sip.respond(await reader.readuntil(b"\r\n\r\n"), 486, "Busy Here") or b"")
    await writer.drain()


def test_sip_over_tcp_and_tls(made: Callable[[str, int], Path]) -> None:
    outcome = with_server(sip_server, lambda port: schema.SipOptions(port=port, transport="tcp"))
    assert (outcome.state, outcome.detail["code"]) == ("up", 200)
    certificate = made("localhost", 20)
    secure = with_server(
        sip_server,
        lambda port: schema.SipOptions(port=port, transport="tls", server_name="localhost", ca="cert"),
        certificate,
        certificate,
    )
    assert secure.state == "up", secure
    assert secure.findings[0].holds


def test_two_verdicts_the_path_lives_and_the_keep_alive_is_not_well() -> None:
    alive = with_server(busy_server, lambda port: schema.SipOptions(port=port, transport="tcp"))
    strict = with_server(busy_server, lambda port: schema.SipOptions(port=port, transport="tcp", keepalive=True))
    assert (alive.state, strict.state) == ("up", "degraded")
    assert "486" in strict.reason


def test_garbage_a_closed_stream_and_a_refusal_over_tcp() -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 400 No\r\n\r\n" + b"x" * 100)
        await writer.drain()

    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    def tcp(port: int) -> schema.SipOptions:
        return schema.SipOptions(port=port, transport="tcp")

    assert "no SIP" in with_server(garbage, tcp).reason
    assert with_server(close, tcp).state == "down"
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    assert "refused" in run(tcp(port)).reason


class NameServer(asyncio.DatagramProtocol):
    """Answers ``good.example``, truncates ``long.example``, knows nothing else; garbage goes before each answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(b"\x00garbage", addr)  # type: ignore[attr-defined]
        self.transport.sendto(answer_of(data, udp=True), addr)  # type: ignore[attr-defined]


def answer_of(data: bytes, *, udp: bool) -> bytes:
    query = dns.message.from_wire(data)
    response = dns.message.make_response(query)
    name = query.question[0].name.to_text()
    if name == "long.example." and udp:
        response.flags |= dns.flags.TC
    elif name in ("good.example.", "long.example."):
        response.answer.append(dns.rrset.from_text(name, 60, "IN", "A", "198.51.100.10"))
    else:
        response.set_rcode(dns.rcode.NXDOMAIN)
    return response.to_wire()


@pytest.mark.parametrize(
    ("check", "state"),
    [
        (schema.Dns(name="good.example"), "up"),
        (schema.Dns(name="good.example", expect=("198.51.100.10",)), "up"),
        (schema.Dns(name="good.example", expect=("192.0.2.1",)), "degraded"),
        (schema.Dns(name="good.example", record="AAAA"), "down"),
        (schema.Dns(name="missing.example"), "down"),
        (schema.Dns(name="long.example"), "up"),
    ],
)
def test_names(check: schema.Dns, state: str) -> None:
    async def over_tcp(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2))
        answer = answer_of(await reader.readexactly(length), udp=False)
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()

    async def all_of_it() -> Outcome:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(NameServer, (HOST, 0))
        port = transport.get_extra_info("sockname")[1]
        server = await asyncio.start_server(over_tcp, HOST, port)
        async with server:
            import msgspec

            asked = msgspec.structs.replace(check, port=port)
            path = schema.Path(id="p", role="far-end", address=HOST, checks=(asked,))
            runner = DnsRunner(path, asked, Tools(SetClock(), SecretStore(Path("/x"), None), lambda: "none"))
            target = numeric(HOST)
            assert target is not None
            outcome = await runner.run(target, 5.0)
        transport.close()
        return outcome

    outcome = asyncio.run(all_of_it())
    assert outcome.state == state, outcome
    if state in ("degraded", "down"):
        assert outcome.detail["fault"] == "name"
