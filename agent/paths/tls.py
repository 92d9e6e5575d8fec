"""The ``tls`` check: a handshake, its certificate verified by name and signer, and how long it is still good."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from typing import TYPE_CHECKING

from agent.clock import NS
from agent.paths import secure
from agent.paths.outcome import Outcome, no_answer, of_error
from agent.paths.target import Target
from agent.site import schema

if TYPE_CHECKING:
    from agent.paths.runner import Tools


class TlsRunner:
    """The ``tls`` check of one path."""

    def __init__(self, path: schema.Path, check: schema.Tls, tools: Tools) -> None:
        self._path, self._check, self._tools = path, check, tools

    async def run(self, target: Target, timeout_s: float) -> Outcome:
        check, clock = self._check, self._tools.clock
        try:
            context = secure.context(self._tools.secrets, check.ca, None, None, verify=check.verify)
        except secure.NoContext as error:
            return Outcome("unknown", str(error))
        began_ns = clock.now_ns()
        try:
            async with asyncio.timeout(timeout_s):
                with target.socket(socket.SOCK_STREAM) as sock:
                    await asyncio.get_running_loop().sock_connect(sock, target.sockaddr(check.port))
                    name = check.server_name or self._path.address
                    _, writer = await asyncio.open_connection(sock=sock, ssl=context, server_hostname=name)
                    dates = secure.dates_of(writer.transport)
                    version = str(writer.get_extra_info("ssl_object").version())
                    writer.transport.abort()
                    with contextlib.suppress(OSError, ssl.SSLError):
                        await writer.wait_closed()
        except ssl.SSLError as error:
            return secure.failed(error, clock)
        except TimeoutError:
            return no_answer(timeout_s)
        except ConnectionResetError:
            return Outcome("down", "it ended the connection in the TLS handshake", {"fault": "handshake"})
        except OSError as error:
            return of_error(error)
        rtt_ms = round((clock.now_ns() - began_ns) / (NS / 1000), 2)
        findings = secure.expiry(dates, clock, f"port-{check.port}")
        detail = {"rtt_ms": rtt_ms, "tls": version, **(findings[0].detail if findings else {})}
        if not check.verify and findings and int(str(findings[0].detail["days_left"])) < 0:
            return Outcome("degraded", findings[0].text, {**detail, "fault": "certificate"}, findings)
        return Outcome("up", "", detail, findings)
