"""SIP OPTIONS over TCP and TLS: one connection a check, nothing repeated (RFC 3261 sections 17.1.2 and 18)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from typing import TYPE_CHECKING

from agent.clock import NS
from agent.paths import sip
from agent.paths.call.framing import Stream
from agent.paths.options_outcome import of_answer
from agent.paths.outcome import Finding, Outcome, no_answer, of_error
from agent.paths.target import Target
from agent.site import schema

if TYPE_CHECKING:
    from agent.paths.runner import Tools

READ = 16_384
BYTES_MAX = 262_144


async def options_stream(
    path: schema.Path, check: schema.SipOptions, target: Target, timeout_s: float, tools: Tools
) -> Outcome:
    """One check. Never raises OSError."""
    context: ssl.SSLContext | None = None
    if check.transport == "tls":
        from agent.paths import secure

        try:
            context = secure.context(tools.secrets, check.ca, check.certificate, check.key, verify=check.verify)
        except secure.NoContext as error:
            return Outcome("unknown", str(error))
    try:
        async with asyncio.timeout(timeout_s):
            with target.socket(socket.SOCK_STREAM) as sock:
                await asyncio.get_running_loop().sock_connect(sock, target.sockaddr(schema.port_of(check)))
                return await _exchange(path, check, sock, context, tools)
    except ssl.SSLError as error:
        from agent.paths import secure

        return secure.failed(error, tools.clock)
    except TimeoutError:
        return no_answer(timeout_s)
    except ConnectionResetError:
        return Outcome("down", "it reset the connection (something answered, the service is down)")
    except OSError as error:
        return of_error(error)


async def _exchange(
    path: schema.Path, check: schema.SipOptions, sock: socket.socket, context: ssl.SSLContext | None, tools: Tools
) -> Outcome:
    here, port = sock.getsockname()[:2]
    name = (check.server_name or path.address) if context is not None else None
    reader, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
    findings: tuple[Finding, ...] = ()
    try:
        if context is not None:
            from agent.paths import secure

            findings = secure.expiry(secure.dates_of(writer.transport), tools.clock, f"port-{schema.port_of(check)}")
        transport = check.transport.upper()
        request = sip.options(path.address, schema.port_of(check), str(here), int(port), os.urandom(24), transport)
        began_ns = tools.clock.now_ns()
        writer.write(request.data)
        answer, ignored = await _answer(reader, request)
    finally:
        writer.transport.abort()
        with contextlib.suppress(OSError, ssl.SSLError):
            await writer.wait_closed()
    if isinstance(answer, str):
        return Outcome("down", answer, {"ignored": ignored} if ignored else {}, findings)
    took_ms = (tools.clock.now_ns() - began_ns) / (NS / 1000)
    outcome = of_answer(answer, took_ms, {"ignored": ignored} if ignored else {})
    return Outcome(outcome.state, outcome.reason, outcome.detail, findings)


async def _answer(reader: asyncio.StreamReader, request: sip.Options) -> tuple[sip.Answer | str, int]:
    """The final response, or why there is none; and how many messages were none of ours."""
    stream, ignored, read = Stream(), 0, 0
    while True:
        data = await reader.read(READ)
        read += len(data)
        if not data:
            return "it ended the connection without an answer", ignored
        for message in stream.feed(data):
            answer = sip.judge(message, request)
            if answer is not None and answer.verdict != "provisional":
                return answer, ignored
            ignored += answer is None
        if stream.broken or read > BYTES_MAX:
            return "what it answered is no SIP", ignored
