"""Changes of configuration and failovers: what is told, and what is not."""

from __future__ import annotations

import pytest

from agent.paths.syslog.changes import change_of
from agent.paths.syslog.message import parse

# Lines of elastic/integrations, vendors' message guides and public parsers' tests.
CHANGES = (
    ("Apr 27 02:03:03 dev01: %ASA-5-111010: User 'enable_15', running 'CLI' from IP 10.10.0.87, executed 'clear'", ("config-change", "asa-111010")),
    ("%ASA-5-111008: User 'somebody' executed the 'write memory' command.", ("config-change", "asa-111008")),
    ("Apr 27 02:03:03 dev01: %ASA-5-111004: console end configuration: OK", ("config-change", "asa-111004")),
    ("May  5 19:03:27 dev01: %ASA-7-111009: User 'aaaa' executed cmd: show access-list x", None),
    ("<189>2360957: Jan  6 2022 20:52:12.861: %SYS-5-CONFIG_I: Configured from console by x on vty0 (10.100.11.10)", ("config-change", "SYS-5-CONFIG_I")),
    ("<189>1: %SYS-SW1-5-CONFIG_I: Configured from console", ("config-change", "SYS-SW1-5-CONFIG_I")),
    ("RP/0/RSP0/CPU0: config[1]: %MGBL-CONFIG-6-DB_COMMIT : Configuration committed by user 'x'", ("config-change", "MGBL-CONFIG-6-DB_COMMIT")),
    ("<45>date=2024-12-16 logid=\"0100044546\" type=\"event\" subtype=\"system\" user=\"admin\" action=\"Edit\" cfgpath=\"firewall.policy\" cfgobj=\"5\"", ("config-change", "fortigate-0100044546")),
    ("date=2024-12-16 logid=\"0100044547\" type=\"event\" subtype=\"system\" user=\"root\"", ("config-change", "fortigate-0100044547")),
    ("1,2023/10/04 08:52:10,007058000248010,CONFIG,0,2816,2023/10/04 08:52:10,81.2.69.193,,set,admin,Web,Succeeded, x", ("config-change", "pan-config")),
    ("Jan 11 20:59:31  vmx3 mgd[56789]: UI_COMMIT: User 'root' requested 'commit' operation (comment: none)", ("config-change", "UI_COMMIT")),
    ("mgd[1]: UI_COMMIT_PROGRESS: Commit operation in progress: x", None),
    ("<134>  id=firewall sn=0 m=1382 src=81.2.69.193:64889 msg=\"Configuration succeeded:  'Logging Level'\"", ("config-change", "sonicwall-configuration")),
    ("system,info filter rule changed by admin", ("config-change", "routeros-rule")),
    ("<13>Feb 1 00:00:00 pf php-fpm[1]: /firewall_rules.php: Configuration Change: x@10.0.0.1 (Local Database)", ("config-change", "pf-configuration")),
    (" <161>Sep 28 2016 13:51:57 192.168.1.254 : %ASA-1-104001: (Secondary) Switching to ACTIVE - HELLO not heard from mate.", ("failover", "asa-104001")),
    ("%ASA-1-104002:  (Primary) Switching to STANDBY - Other unit wants me Standby.", ("failover", "asa-104002")),
    ('date=2019-05-10 logid="0108037892" type="event" subtype="ha" level="notice" logdesc="Virtual cluster member state moved" ha_role="master"', ("failover", "fortigate-0108037892")),
    ('date=2019-05-10 logid="0108037900" type="event" subtype="ha" level="notice" logdesc="Synchronization status with master"', None),
    ("1,2026/09/19 12:00:00,001801000001,SYSTEM,ha,0,2026/09/19 12:00:00,,state-change,,0,0,general,critical,\"HA Group 1: Moved from state Passive to state Active\"", ("failover", "pan-ha")),
    ("1,2021/10/26 15:05:03,,SYSTEM,general,2561,2021/10/26 15:05:03,,general,,0,0,general,informational,\"x\"", None),
    ("%HSRP-5-STATECHANGE: Vlan10 Grp 1 state Standby -> Active", ("failover", "HSRP-5-STATECHANGE")),
    ("%HSRP-5-STATECHANGE: Vlan10 Grp 1 state Speak -> Standby", None),
    ("kernel: carp: 1@em0: BACKUP -> MASTER (preempting a slower master)", ("failover", "vrrp-state")),
    ("jsrpd[1]: JSRPD_RG_STATE_CHANGE: Redundancy-group 1 transitioned from 'secondary' to 'primary'", ("failover", "JSRPD_RG_STATE_CHANGE")),
    ('%ASA-4-106023: Deny tcp src a:1.1.1.1/1 dst b:2.2.2.2/2 by access-group "x"', None),
    ("hello", None),
)  # fmt: skip


@pytest.mark.parametrize("case", CHANGES, ids=[case[0][:60] for case in CHANGES])
def test_a_change(case: tuple[str, tuple[str, str] | None]) -> None:
    line, wanted = case
    assert change_of(parse(line.encode())) == wanted
