"""From a check of the site file to the code that runs it; each kind is imported only where a site has it."""

from __future__ import annotations

from agent.paths.runner import Runner, Tools
from agent.site import schema


def runner_of(path: schema.Path, check: schema.ActiveCheck, tools: Tools) -> Runner:
    """The runner of one check."""
    if isinstance(check, schema.Icmp):
        from agent.paths.ping import PingRunner

        return PingRunner(path, check, tools)
    if isinstance(check, schema.Tcp):
        from agent.paths.tcp import TcpRunner

        return TcpRunner(path, check, tools)
    if isinstance(check, schema.Tls):
        from agent.paths.tls import TlsRunner

        return TlsRunner(path, check, tools)
    if isinstance(check, schema.Dns):
        from agent.paths.dns import DnsRunner

        return DnsRunner(path, check, tools)
    if isinstance(check, schema.Snmp):
        from agent.paths.snmp.ask import SnmpRunner

        return SnmpRunner(path, check, tools)
    if isinstance(check, schema.SipOptions):
        from agent.paths.options import OptionsRunner

        return OptionsRunner(path, check, tools)
    if isinstance(check, schema.TestCall):
        from agent.paths.call.calling import CallRunner

        return CallRunner(path, check, tools)
    from agent.paths.knock import KnockRunner

    return KnockRunner(path, check, tools)
