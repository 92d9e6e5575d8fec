"""From a situation to the site file that such a centre would have. Pure."""

from __future__ import annotations

from agent.sim.outages.story import Situation
from agent.site import line as lines
from agent.site import schema

TRUNKS = ("T1-1", "T1-2")
GROUP = "cama-north"
SITE_ID = "replay"
BANK, ALI, SMDR, CONTACTS = "bank-a", "ali-a", "smdr", "contacts"
POSITIONS = 4
CALLS_AT = "198.51.100.0/24"
ADDRESSES = {
    "switch": "192.0.2.2",
    "firewall": "192.0.2.1",
    "router": "192.0.2.9",
    "esrp-1": "198.51.100.10",
    "esrp-2": "198.51.100.11",
    "reflector-1": "203.0.113.20",
    "reflector-2": "203.0.113.21",
}


def site_of(situation: Situation, timezone: str) -> schema.SiteFile:
    """The site file of a situation: its paths with every check that it has, at their default times."""
    return schema.SiteFile(
        site=schema.Site(
            id=SITE_ID,
            name="Replayed Emergency Communications",
            population=118_000,
            provider="Example Telephone",
            noc_phone="555-0142",
            timezone=timezone,
            calls_per_hour=situation.calls_per_hour,
            shares=("region",) if situation.peers else (),
        ),
        line=tuple(_lines(situation)),
        path=tuple(_paths(situation)),
        uplink=(schema.Uplink(id="primary", urls=("mqtts://noc.example.net",)),) if situation.uplink else (),
        panel=schema.Panel(path_hold_s=situation.hold_s),
        calls=schema.Calls(shadow_days=0),
        listen=schema.Listen(
            syslog_udp="0.0.0.0:5514" if situation.syslog else None,
            knock="0.0.0.0:5060" if situation.knock else None,
            calls_at=(CALLS_AT,),
        ),
    )


def _lines(s: Situation) -> list[schema.Line]:
    out: list[schema.Line] = []
    if s.trunks:
        out.append(lines.Tl1Line(id=BANK, port="/dev/null", trunks=dict.fromkeys(TRUNKS, GROUP)))
    if s.ali:
        out.append(lines.AliLine(id=ALI, port="/dev/null", heartbeat_s=60.0 if s.heartbeat else None))
    if s.smdr:
        out.append(lines.SmdrLine(id=SMDR, port="/dev/null", switch="nortel-old", abandoned_recorded=s.abandons))
    contacts: list[lines.ModbusContact] = []
    if s.contacts:
        contacts.append(lines.ModbusContact(name="divert", meaning="make-busy", input=0))
        contacts.append(lines.ModbusContact(name="battery", meaning="on-battery", input=1))
    if s.button:
        contacts += [
            lines.ModbusContact(name=f"no-voice-{n}", meaning="no-voice", position=f"seat-{n}", input=1 + n)
            for n in range(1, POSITIONS + 1)
        ]
    if contacts:
        out.append(lines.ModbusLine(id=CONTACTS, port="/dev/null", contacts=tuple(contacts)))
    return out


def _paths(s: Situation) -> list[schema.Path]:
    out = [schema.Path(id="switch", role="lan", address=ADDRESSES["switch"], checks=(schema.Icmp(),))]
    firewall: list[schema.Check] = [schema.Icmp()]
    if s.snmp:
        firewall.append(schema.Snmp(community="fw"))
    if s.syslog:
        firewall.append(schema.Syslog())
    out.append(_path("firewall", "firewall", tuple(firewall), behind="switch"))
    out.append(_path("router", "router", (schema.Icmp(),), behind="firewall"))
    for n in range(1, s.far_ends + 1):
        checks: list[schema.Check] = [schema.Icmp(), schema.SipOptions(every_s=60.0)]
        if s.tls:
            checks.append(schema.Tls(port=5061))
        out.append(_path(f"esrp-{n}", "far-end", tuple(checks), behind="router"))
    for n in range(1, s.reflectors + 1):
        checks = [schema.Icmp(), schema.SipOptions()]
        if s.test_call:
            covers = ("lan", "firewall", "router", "wan", *(("core",) if s.covers_core else ()))
            checks.append(schema.TestCall(covers=covers))
        if s.knock:
            checks.append(schema.Knock())
        out.append(_path(f"reflector-{n}", "reflector", tuple(checks), behind="router"))
        if s.beside:
            out.append(
                schema.Path(
                    id=f"reflector-{n}-cell",
                    role="reflector",
                    address=ADDRESSES[f"reflector-{n}"],
                    interface="wwan0",
                    beside=f"reflector-{n}",
                    checks=(schema.SipOptions(every_s=20.0),),
                )
            )
    return out


def _path(name: str, role: schema.Role, checks: tuple[schema.Check, ...], behind: str) -> schema.Path:
    secret = "reflector" if role == "reflector" else None
    return schema.Path(id=name, role=role, address=ADDRESSES[name], checks=checks, behind=behind, secret=secret)
