"""Deny formats: lines as the makers print them, field by field; and any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.paths.syslog.deny import Deny, deny_of
from agent.paths.syslog.message import BYTES_MAX, text_of

# From elastic/integrations' tests (protocols.md section 5.2), where not said otherwise; shortened where marked.
LINES: tuple[tuple[str, Deny | None], ...] = (
    (
        "Apr 15 2013 09:36:50: %ASA-4-106023: Deny tcp src dmz:10.1.2.30/63016 dst outside:192.168.0.8/53 type 3, code 0, "
        'by access-group "acl_dmz" [0xe3aab522, 0x0]',
        Deny("10.1.2.30", 63016, "192.168.0.8", 53, "tcp", "acl_dmz"),
    ),
    (
        "LOCAL4.WARNING: fw-1 %ASA-4-106023: Deny udp src v1:outside:10.8.1.9 dst inside:172.16.1.3/53 by access-group "
        '"outside_acl" [0x0, 0x0]',
        Deny("10.8.1.9", None, "172.16.1.3", 53, "udp", "outside_acl"),
    ),
    (
        "<166>Apr 30 2013 09:23:24: %ASA-5-106100: access-list acl_in denied tcp inside/10.0.0.16(2011) -> "
        "outside/192.168.0.89(2000) hit-cnt 1 first hit [0x71a87d94, 0x0]",
        Deny("10.0.0.16", 2011, "192.168.0.89", 2000, "tcp", "acl_in"),
    ),
    (
        "Apr 30 2013 09:23:24: %ASA-5-106100: access-list acl_in permitted tcp inside/10.0.0.16(2011) -> "
        "outside/192.168.0.89(2000) hit-cnt 1 first hit [0x71a87d94, 0x0]",
        None,
    ),
    (
        "Dec 11 2018 08:01:38 fw: %ASA-6-106015: Deny TCP (no connection) from 192.168.2.222/1234 to 192.168.1.34/5679 "
        "flags RST  on interface outside",
        Deny("192.168.2.222", 1234, "192.168.1.34", 5679, "tcp"),
    ),
    (
        "Dec 11 2018 08:01:24 fw %ASA-2-106006: Deny inbound UDP from 192.168.1.34/5060 to 198.51.100.7/5060 on interface x",
        Deny("192.168.1.34", 5060, "198.51.100.7", 5060, "udp"),
    ),
    ("%ASA-session-4-106023: Deny udp src a:host-one/5060 dst b:host-two/5060 by access-group \"g\" [0x0, 0x0]",
     Deny("host-one", 5060, "host-two", 5060, "udp", "g")),
    ("%ASA-6-302015: Built inbound UDP connection 1 for outside:10.1.1.1/5060 to inside:10.2.2.2/5060", None),
    (
        'date=2025-07-25 time=07:43:43 devname="FortiGate-40F-SVA" devid="FGT40FTK2409BDPZ" logid="0001000014" '
        'type="traffic" subtype="local" level="notice" srcip=fe80::2a70:4eff:fe71:34f1 srcport=5353 dstip=ff02::fb '
        'dstport=5353 sessionid=99717 proto=17 action="deny" policyid=0 service="udp/5353" duration=0',
        Deny("fe80::2a70:4eff:fe71:34f1", 5353, "ff02::fb", 5353, "udp", "0"),
    ),
    ('date=2025-07-25 devid="F" logid="0000000013" type="traffic" srcip=10.0.0.1 dstip=10.0.0.2 action="accept"', None),
    (
        "1,2023/10/04 09:52:23,007058000248010,TRAFFIC,drop,2816,2023/10/04 09:52:23,10.1.0.12,192.168.0.2,,,"
        "block-1.1.1.1,,,not-applicable,vsys1,private,public,ethernet1/2,,elastic,2023/10/04 09:52:23,0,1,35906,80,0,0,"
        "0x4000,tcp,drop,0,0,0,1,2023/10/04 09:52:21,0,any,,7286123782408766774,0x0",
        Deny("10.1.0.12", 35906, "192.168.0.2", 80, "tcp", "block-1.1.1.1"),
    ),
    (
        "Jan  8 03:37:09 example-host kernel: iptables DROP_INPUT: IN=eth0 OUT= MAC=90:10:35:5a:1e:3a:90:10:9e:ec:2c:71:08:00 "
        "SRC=81.2.69.143 DST=172.16.54.114 LEN=52 TOS=0x00 PREC=0x00 TTL=115 ID=15743 DF PROTO=TCP SPT=17805 DPT=445 "
        "WINDOW=8192 RES=0x00 SYN URGP=0 ",
        Deny("81.2.69.143", 17805, "172.16.54.114", 445, "tcp", "an  8 03:37:09 example-host kernel: iptables DROP_INPUT"[-40:]),
    ),
    (
        "Jan  8 03:37:09 DENY: IN=eth0 OUT= MAC=00 SRC=192.168.2.71 DST=192.168.2.83 LEN=88 TTL=118 ID=21684 PROTO=ICMP "
        "TYPE=3 CODE=3 [SRC=192.168.2.83 DST=192.168.173.191 LEN=60 PROTO=UDP SPT=21458 DPT=62936 LEN=40 ]",
        Deny("192.168.2.71", None, "192.168.2.83", None, "icmp", "Jan  8 03:37:09 DENY"),
    ),
    ("kernel: [UFW ALLOW] IN=eth0 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=UDP SPT=5060 DPT=5060", None),
    (
        "<134>Jul  3 19:10:30 filterlog[72237]: 146,,,1535324496,igb1.12,match,block,in,4,0x0,,63,12617,0,DF,6,tcp,60,"
        "10.170.12.50,1.1.1.1,49724,853,0,S,1891286705,,64240,,mss;sackOK;TS;nop;wscale",
        Deny("10.170.12.50", 49724, "1.1.1.1", 853, "tcp", "1535324496"),
    ),
    (
        "<134>Jul  3 19:10:31 filterlog[72237]: 6,,,1000000105,igb1.27,match,block,in,6,0x00,0xf6279,1,UDP,17,32,"
        "fe80::208:9bff:fef3:652b,ff02::1:2,546,547,32",
        Deny("fe80::208:9bff:fef3:652b", 546, "ff02::1:2", 547, "udp", "1000000105"),
    ),
    ("filterlog[1]: 6,,,1,igb1,match,pass,in,4,0x0,,63,1,0,DF,6,tcp,60,10.0.0.1,10.0.0.2,1,2,0,S", None),
    # Cisco IOS System Message Guide.
    (
        "*Mar  1 00:07:12.123: %SEC-6-IPACCESSLOGP: list 101 denied udp 192.168.1.10(5060) -> 198.51.100.10(5060), 1 packet",
        Deny("192.168.1.10", 5060, "198.51.100.10", 5060, "udp", "101"),
    ),
    # Junos RT_FLOW, structured (RFC 5424) and plain.
    (
        '<14>1 2023-01-01T00:00:00.000Z srx RT_FLOW - RT_FLOW_SESSION_DENY [junos@2636.1.1.1.2.129 '
        'source-address="10.0.0.1" source-port="5060" destination-address="198.51.100.10" destination-port="5060" '
        'protocol-id="17" policy-name="deny-all"]',
        Deny("10.0.0.1", 5060, "198.51.100.10", 5060, "udp", "deny-all"),
    ),
    (
        "RT_FLOW: RT_FLOW_SESSION_DENY: session denied 10.0.0.1/5060->198.51.100.10/5060 0x0 junos-sip 17(0) deny trust untrust",
        Deny("10.0.0.1", 5060, "198.51.100.10", 5060, "udp"),
    ),
    # SonicOS Log Events Reference; MikroTik's log (RouterOS documentation).
    (
        'id=firewall sn=0017C5000000 time="2024-01-01 00:00:00" fw=203.0.113.1 pri=5 c=64 m=36 msg="TCP connection dropped" '
        "src=10.0.0.1:5060:X0 dst=198.51.100.10:5060:X1 proto=tcp/5060",
        Deny("10.0.0.1", 5060, "198.51.100.10", 5060, "tcp"),
    ),
    (
        "firewall,info drop forward: in:ether2 out:ether1, src-mac 00:00:00:00:00:01, proto UDP, 10.0.0.1:5060->"
        "198.51.100.10:5060, len 400",
        Deny("10.0.0.1", 5060, "198.51.100.10", 5060, "udp"),
    ),
    ("sshd[1]: Failed password for root from 10.0.0.1 port 22", None),
    ("", None),
)  # fmt: skip


@pytest.mark.parametrize(("line", "deny"), LINES, ids=[line[:50] or "empty" for line, _ in LINES])
def test_each_line_field_by_field(line: str, deny: Deny | None) -> None:
    assert deny_of(text_of(line.encode()) or "") == deny


@given(st.one_of(st.binary(max_size=2000), st.sampled_from([line for line, _ in LINES]).map(str.encode)), st.data())
def test_any_bytes_raise_nothing(data: bytes, draw: st.DataObject) -> None:
    cut = draw.draw(st.integers(0, len(data)))
    mixed = data[:cut] + draw.draw(st.binary(max_size=40)) + data[cut:]
    deny = deny_of(text_of(mixed) or "")
    if deny is not None:
        assert all(port is None or 0 <= port <= 99_999 for port in (deny.sport, deny.dport))


@pytest.mark.parametrize("text", ["%ASA-4-106023: Deny " + "a" * 8000, "IN=" + "SRC=" * 2000, "[" * 8000, "1," * 4000])
def test_long_lines_take_no_long_time(text: str) -> None:
    deny_of(text_of(text.encode()) or "")


def test_headers_come_off() -> None:
    assert text_of(b"<34>1 2003-10-11T22:14:15.003Z h su - ID47 - \xef\xbb\xbfhello") == "su ID47 hello"
    assert text_of(b'<165>1 - - - - - [a b="x\\]"] hello') == '[a b="x\\]"] hello'
    assert text_of(b"\r\n\x00") is None
    assert len(text_of(b"a" * 20_000) or "") == BYTES_MAX
