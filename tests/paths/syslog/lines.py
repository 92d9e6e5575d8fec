"""Golden lines: what each says was refused. ELASTIC: as in elastic/integrations' pipeline tests; others by their source."""

from __future__ import annotations

# (line, (src, sport, dst, dport, proto, rule) or None)
Fields = tuple[str | None, int | None, str | None, int | None, str | None, str | None]
Case = tuple[str, Fields | None]

CISCO_ASA: tuple[Case, ...] = (  # ELASTIC cisco_asa
    (
        'Apr 15 2013 09:36:50: %ASA-4-106023: Deny tcp src dmz:10.1.2.30/63016 dst outside:192.168.0.8/53 type 3, code 0, by access-group "acl_dmz" [0xe3aab522, 0x0]',
        ("10.1.2.30", 63016, "192.168.0.8", 53, "tcp", "acl_dmz"),
    ),
    (
        'LOCAL4.WARNING: fw-1 %ASA-4-106023: Deny udp src v1:outside:10.8.1.9 dst inside:172.16.1.3/53 by access-group "outside_acl" [0x0, 0x0]',
        ("10.8.1.9", None, "172.16.1.3", 53, "udp", "outside_acl"),
    ),
    (
        "Apr 30 2013 09:23:24: %ASA-5-106100: access-list acl_in denied tcp inside/10.0.0.16(2011) -> outside/192.168.0.89(2000) hit-cnt 1 first hit [0x71a87d94, 0x0]",
        ("10.0.0.16", 2011, "192.168.0.89", 2000, "tcp", "acl_in"),
    ),
    (
        "May  5 18:40:50 dev01: %ASA-2-106001: Inbound TCP connection denied from 192.168.2.2/43803 to 10.10.10.10/14322 flags SYN  on interface out111",
        ("192.168.2.2", 43803, "10.10.10.10", 14322, "tcp", None),
    ),
    (
        "May  5 19:02:58 dev01: %ASA-2-106006: Deny inbound UDP from 192.168.2.2/65020 to 10.10.10.10/65020 on interface fw111",
        ("192.168.2.2", 65020, "10.10.10.10", 65020, "udp", None),
    ),
    (
        "Jan 23 15:10:55 10.10.10.1 %ASA-2-106006: message repeated 2 times: [ Deny inbound UDP from 192.168.2.66/137 to 10.1.2.42/137 on interface inside]",
        ("192.168.2.66", 137, "10.1.2.42", 137, "udp", None),
    ),
    (
        "May  5 18:40:50 dev01: %ASA-4-106021: Deny TCP reverse path check from 192.168.2.2 to 10.10.10.10 on interface fw111",
        ("192.168.2.2", None, "10.10.10.10", None, "tcp", None),
    ),
    (
        "May  5 19:02:26 dev01: %ASA-3-106014: Deny inbound icmp src fw111:10.10.10.10 dst fw111:10.10.10.11(type 8, code 0)",
        ("10.10.10.10", None, "10.10.10.11", None, "icmp", None),
    ),
    (
        "May  5 19:02:25 dev01: %ASA-3-106010: Deny inbound sctp src fw111:10.10.10.10/5114 dst fw111:10.10.10.10/2",
        ("10.10.10.10", 5114, "10.10.10.10", 2, "sctp", None),
    ),
    (
        "<139>Oct 06 2023 11:12:20 myAsaHostname : %ASA-3-106010: Deny inbound protocol 103 src inside:172.31.98.44 dst inside:192.168.2.2",
        ("172.31.98.44", None, "192.168.2.2", None, "103", None),
    ),
    (
        "Dec 11 2018 08:01:38 <IP>: %ASA-6-106015: Deny TCP (no connection) from 192.168.2.222/1234 to 192.168.1.34/5679 flags RST  on interface outside",
        ("192.168.2.222", 1234, "192.168.1.34", 5679, "tcp", None),
    ),
    (
        "Jul 15 13:36:59 216.160.83.56 : %ASA-6-106015: Deny TCP (no connection) from 10.12.227.40/389 to exp-angle/54703 flags RST on interface SH_INFRA_MGT",
        ("10.12.227.40", 389, "exp-angle", 54703, "tcp", None),
    ),
    (
        "<166>Oct 06 2023 09:46:34 myAsaHostname : %ASA-6-106015: Deny TCP (no connection) from myComputer1.myDomain.se/11946 to myComputer2.myDomain.se/389 flags FIN ACK  on interface inside",
        ("myComputer1.myDomain.se", 11946, "myComputer2.myDomain.se", 389, "tcp", None),
    ),
    (
        'Jul 15 13:18:06 216.160.83.56 : %ASA-4-106023: Deny tcp src MG:exp_srv/64593 dst SH_OSS:89.160.20.128/2511 by access-group "MGT_access_in" [0x0, 0x0]',
        ("exp_srv", 64593, "89.160.20.128", 2511, "tcp", "MGT_access_in"),
    ),
    (
        'Apr 27 02:02:02 dev01: %ASA-4-106023: Deny tcp src outside:10.10.10.2/56444 dst srv:192.168.2.2/51635(testhostname.domain) by access-group "global_access_1"',
        ("10.10.10.2", 56444, "192.168.2.2", 51635, "tcp", "global_access_1"),
    ),
    (
        'Apr 17 2020 14:16:20 SNL-ASA-VPN-A01 : %ASA-4-106023: Deny udp src Inside:10.123.123.123/57621(LOCAL\\Elastic) dst Outside:10.123.123.124/57621 by access-group "Inside_access_in" [0x0, 0x0]',
        ("10.123.123.123", 57621, "10.123.123.124", 57621, "udp", "Inside_access_in"),
    ),
    (
        'Apr 27 2020 02:03:03 dev01: %ASA-4-106023: Deny protocol 47 src outside:81.2.69.144 dst inside:172.31.98.44 by access-group "inbound"',
        ("81.2.69.144", None, "172.31.98.44", None, "gre", "inbound"),
    ),
    (
        'Apr 27 2020 02:03:03 dev01: %ASA-4-106023: Deny icmp src OUTSIDE:2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6 dst OUTSIDE:2a02:cf40:add:4002:91f2:a9b2:e09a:6fc7 (type 128, code 0) by access-group "OUTSIDE_in"',
        (
            "2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6",
            None,
            "2a02:cf40:add:4002:91f2:a9b2:e09a:6fc7",
            None,
            "icmp",
            "OUTSIDE_in",
        ),
    ),
    (
        "Oct 20 2019 15:15:15 dev01: %ASA-5-106100: access-list testrulename denied tcp insideintf/somedomainname.local(27218) -> OUTSIDE/192.168.157.61(53) hit-cnt 1 first hit [0x16847359, 0x00000000]",
        ("somedomainname.local", 27218, "192.168.157.61", 53, "tcp", "testrulename"),
    ),
    (
        "<140>Feb 02 2025 14:02:35: %ASA-4-106103: access-list TEST_ACL_LIST denied tcp for user 'username' outside/81.2.69.142(51950) -> inside/89.160.20.112(443) hit-cnt 1 first hit [0xd3e666fa, 0x0]",
        ("81.2.69.142", 51950, "89.160.20.112", 443, "tcp", "TEST_ACL_LIST"),
    ),
    (
        "Aug  6 2020 11:01:38: %ASA-1-106103: access-list filter denied icmp for user joe inside/10.1.2.3(64321) -> outside/81.2.69.144(8080) hit-cnt 1 first hit [0x3c8b88c1, 0xbee595c3]",
        ("10.1.2.3", None, "81.2.69.144", None, "icmp", "filter"),
    ),
    (
        "Apr 27 02:03:03 dev01: %ASA-3-710003: TCP access denied by ACL from 81.2.69.144/6370 to outside:192.168.157.61/23",
        ("81.2.69.144", 6370, "192.168.157.61", 23, "tcp", None),
    ),
    (
        '<140>Oct 03 2023 16:40:40 myAsaHostname : %ASA-4-106012: Deny IP from 10.1.2.1 to 172.31.98.44, IP options: "Router Alert"',
        ("10.1.2.1", None, "172.31.98.44", None, None, None),
    ),
    (
        "Apr 17 2020 14:15:07 SNL-ASA-VPN-A01 : %ASA-2-106017: Deny IP due to Land Attack from 10.123.123.123 to 10.123.123.123",
        ("10.123.123.123", None, "10.123.123.123", None, None, None),
    ),
    (
        "May  5 18:40:50 dev01: %ASA-4-313004: Denied ICMP type=0, from laddr 10.10.10.10 on interface fw502 to 192.168.2.2: no matching session",
        ("10.10.10.10", None, "192.168.2.2", None, "icmp", None),
    ),
    (
        "May  5 17:51:17 dev01: %FTD-4-313005: No matching connection for ICMP error message: icmp src srcif:192.168.2.2(LOCAL\\testuser) dst dstif:192.168.2.3 (type 3, code 3) on myif interface.  Original IP payload: udp src 192.168.2.2/53 dst 192.168.2.3/10872.",
        ("192.168.2.2", None, "192.168.2.3", None, "icmp", None),
    ),
    (
        "Apr 17 2020 14:15:07 SNL-ASA-VPN-A01 : %ASA-3-313008: Denied IPv6-ICMP type=134, code=0 from fe80::1ff:fe23:4567:890a on interface ISP1",
        ("fe80::1ff:fe23:4567:890a", None, None, None, "icmpv6", None),
    ),
    (
        "Apr 27 2020 02:03:03 dev01: %ASA-4-434002: SFR requested to drop TCP packet from sourceInterfaceName:81.2.69.144/8888 to destinationInterfaceName:192.168.2.2/5145",
        ("81.2.69.144", 8888, "192.168.2.2", 5145, "tcp", None),
    ),
    # Wazuh's and OSSEC's test lines: blanks around the colon.
    (
        'Sep  7 06:26:49 PIXName %PIX-4-106023: Deny udp src outside: 204.16.208.49/58940 dst dmz:10.0.0.158/1026 by access-group "acl_outside" [0x0, 0x0]',
        ("204.16.208.49", 58940, "10.0.0.158", 1026, "udp", "acl_outside"),
    ),
    (
        'Mar 23 19:59:58 pix-inside %PIX-4-106023: Deny protocol 4 src outside:210.217.159.25 dst inside :10.87.80.86 by access-group "ACL-FROM-OUTSIDE"',
        ("210.217.159.25", None, "10.87.80.86", None, "4", "ACL-FROM-OUTSIDE"),
    ),
    # The colon behind the number is missing, the session class is there (protocols.md, section 5.2).
    (
        'fw1 %ASA-session-4-106023 Deny udp src inside:10.1.1.5/5060 dst outside:198.51.100.10/sip by access-group "x"',
        ("10.1.1.5", 5060, "198.51.100.10", 5060, "udp", "x"),
    ),
    # What is let through, torn down, shown or only counted.
    (
        "Apr 30 09:22:38.340591: %ASA-5-106100: access-list acl_in permitted tcp inside/10.0.0.46(49734) -> outside/192.168.0.88(40443) hit-cnt 1 first hit [0x71a87d94, 0x0]",
        None,
    ),
    (
        "Aug  6 2020 11:01:37: %ASA-session-3-106102: access-list dev_inward_client permitted udp for user redacted outside/10.123.123.20(49721) -> inside/10.223.223.40(53) hit-cnt 1 first hit [0x3c8b88c1, 0xbee595c3]",
        None,
    ),
    (
        "Oct 10 2018 12:34:56 localhost CiscoASA[999]: %ASA-6-302013: Built outbound TCP connection 11757 for outside:100.66.205.104/80 (100.66.205.104/80) to inside:172.31.98.44/1772 (172.31.98.44/1772)",
        None,
    ),
    (
        "May  5 19:02:25 dev01: %ASA-4-733100: [192.168.2.2] drop rate-1 exceeded. Current burst rate is 0 per second, max configured rate is -4; Current average rate is 7 per second, max configured rate is -4; Cumulative total count is 9063",
        None,
    ),
    (
        'Apr 27 02:03:03 dev01: %ASA-6-605004: Login denied from 10.10.1.212/51923 to FCD-FS-LAN:10.10.1.254/https for user "*****"',
        None,
    ),
)

FIREPOWER: tuple[Case, ...] = (  # ELASTIC cisco_ftd
    (
        "2023-03-27T08:54:54Z   %FTD-1-430003: EventPriority: Low, DeviceUUID: 5c120000-ca5e-11e7-ab3c-ad268d8b0000, InstanceID: 5, FirstPacketSecond: 2023-03-27T08:54:54Z, ConnectionID: 56696, AccessControlRuleAction: Block with reset, SrcIP: 10.0.1.20, DstIP: 10.0.100.30, SrcPort: 50815, DstPort: 7680, Protocol: tcp, IngressInterface: Inside, EgressInterface: Outside, ACPolicy: ProductionPolicy, AccessControlRuleName: BlockReset-Policy, Prefilter Policy: Default Prefilter Policy, User: Not Found",
        ("10.0.1.20", 50815, "10.0.100.30", 7680, "tcp", "BlockReset-Policy"),
    ),
    (
        "2019-08-16T09:35:15Z firepower  %FTD-1-430002: AccessControlRuleAction: Block, SrcIP: 10.0.100.30, DstIP: 10.0.1.20, ICMPType: Echo Request, ICMPCode: No Code, Protocol: icmp, AccessControlRuleName: Block-inbound-ICMP, Prefilter Policy: Default",
        ("10.0.100.30", None, "10.0.1.20", None, "icmp", "Block-inbound-ICMP"),
    ),
    (
        "2019-08-15T16:05:37Z firepower  %FTD-1-430002: AccessControlRuleAction: Allow, SrcIP: 10.0.1.20, DstIP: 81.2.69.144, SrcPort: 50074, DstPort: 53, Protocol: udp, AccessControlRuleName: Rule-1",
        None,
    ),
    (
        "2023-03-27T08:41:37Z   %FTD-1-430003: EventPriority: Low, AccessControlRuleAction: Monitor, SrcIP: 10.0.1.20, DstIP: 10.0.100.30, SrcPort: 57176, DstPort: 631, Protocol: tcp, AccessControlRuleName: Block-Rule",
        None,
    ),
)

CISCO_IOS: tuple[Case, ...] = (  # ELASTIC cisco_ios
    (
        "Jun 20 02:41:40 192.168.100.2 1663303: Jun 20 02:41:39.326: %SEC-6-IPACCESSLOGP: list 177 denied udp 192.168.100.195(55250) -> 192.168.100.255(15600), 1 packet",
        ("192.168.100.195", 55250, "192.168.100.255", 15600, "udp", "177"),
    ),
    (
        "Jun 20 02:41:45 192.168.100.2 1663304: Jun 20 02:41:44.921: %SEC-6-IPACCESSLOGDP: list 151 denied icmp 192.168.100.1 -> 192.168.100.2 (3/4), 1 packet",
        ("192.168.100.1", None, "192.168.100.2", None, "icmp", "151"),
    ),
    (
        "Jul 11 09:31:03 my-router-hostname 1663410: Jul 11 09:31:03.762: %FMANFP-6-IPACCESSLOGP: R0/0: fman_fp_image: list 110 denied tcp 10.100.8.34(59120) -> 172.16.0.26(7774), 1 packet",
        ("10.100.8.34", 59120, "172.16.0.26", 7774, "tcp", "110"),
    ),
    (
        "<174>15162564: BGP-BETA: 29391555: Jun 26 16:44:58.802 CEST: %FMANFP-6-IPACCESSLOGP: F0/0: fman_fp_image: list acl_Te0-1-1_in denied tcp 00-00-5E-00-53-23 198.51.100.10(56279) TenGigabitEthernet0/1/1-> 203.0.113.20(45240), 1 packet",
        ("198.51.100.10", 56279, "203.0.113.20", 45240, "tcp", "acl_Te0-1-1_in"),
    ),
    (
        "<182>: host-1: 115649616: Jan 23 14:54:28.511 CET: %FMANFP-6-IPV6ACCESSLOGP: R0/0: fman_fp_image: list ACL-IPv6-OUTSIDE-2-AS51871 denied udp 2a02:cf40::(38370) -> 2a02:cf41::(3370), 1 packet",
        ("2a02:cf40::", 38370, "2a02:cf41::", 3370, "udp", "ACL-IPv6-OUTSIDE-2-AS51871"),
    ),
    (
        "<190>Oct 7 07:19:44 internet-primary-mgmt RP/0/RP0/CPU0:Oct 7 07:19:43.630 UTC: ipv4_acl_mgr[310]: %ACL-IPV4_ACL-6-IPACCESSLOGP : access-list outgoing-to-VCS-GW deny tcp 89.160.20.128(39527) -> 89.160.20.129(1830), 1 packet",
        ("89.160.20.128", 39527, "89.160.20.129", 1830, "tcp", "outgoing-to-VCS-GW"),
    ),
    (
        "<190>3352460: 3352481: Aug 12 2023 12:15:33.963 mdt: %IOSXE-6-PLATFORM: R0/0: cpp_cp: QFP:0.0 Thread:001 TS:00013807835737559120 %FW-6-DROP_PKT: Dropping tcp pkt from GigabitEthernet1/0/2.6 10.50.14.44:53836 => 89.160.20.128:80(target:class)-(ZP_PROCESS_TO_CORPORATE:class-default) due to Policy drop:classify result with ip ident 13017 tcp flag 0x2, seq 4266642156, ack 0",
        ("10.50.14.44", 53836, "89.160.20.128", 80, "tcp", "ZP_PROCESS_TO_CORPORATE"),
    ),
    # Public lab notes: classic IOS, and log-input (Cisco IOS Security Command Reference).
    (
        "*May 28 08:00:41: %FW-6-DROP_PKT: Dropping tcp session 192.168.122.223:37148 192.168.122.18:3005 on zone-pair internet-self class class-default due to  DROP action found in policy-map with ip ident 52882",
        ("192.168.122.223", 37148, "192.168.122.18", 3005, "tcp", "internet-self"),
    ),
    (
        "*Mar  1 00:07:12.123: %SEC-6-IPACCESSLOGP: list 101 denied udp 192.168.1.10(5060) (GigabitEthernet0/0 0011.2233.4455) -> 198.51.100.10(5060), 1 packet",
        ("192.168.1.10", 5060, "198.51.100.10", 5060, "udp", "101"),
    ),
    (
        "May  3 19:11:33 192.168.100.2 585920: May  3 19:11:32.619: %IPV6-6-ACCESSLOGP: list ACL-IPv6-E0/0-IN/10 permitted tcp 2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6(1027) -> 2a02:cf40:add:4002:91f2:a9b2:e09a:6fc6(22), 9 packets",
        None,
    ),
    (
        "Jun 20 02:42:28 192.168.100.2 1663313: Jun 20 02:42:28.374: %SEC-6-IPACCESSLOGRL: access-list logging rate-limited or missed 18 packets",
        None,
    ),
    (
        "<190>3352436: 3352457: Aug 12 2023 12:14:24.412 mdt: %IOSXE-6-PLATFORM: R0/0: cpp_cp: QFP:0.0 Thread:001 TS:00013807766185951588 %FW-6-SESS_AUDIT_TRAIL: (target:class) (ZP_PROCESS_TO_CORPORATE:CM_PROCESS_TO_CORPORATE):Stop dns session: initiator (10.50.14.44:33207) sent 48 bytes -- responder (10.120.42.6:53) sent 40 bytes",
        None,
    ),
)

KEY_VALUE: tuple[Case, ...] = (  # ELASTIC fortinet_fortigate, then FortiOS 4, NetScreen, Sophos, Meraki, CEF
    (
        '<189>date=2020-04-23 time=01:16:08 devname="testswitch1" devid="somerouterid" logid="0000000013" type="traffic" subtype="forward" level="notice" vd="OPERATIONAL" eventtime=1592961368 srcip=10.10.10.10 srcport=60899 srcintf="srcintfname" srcintfrole="lan" dstip=67.43.156.13 dstport=161 dstintf="dstintfname" dstintfrole="lan" sessionid=155313 proto=17 action="deny" policyid=0 policytype="policy" service="SNMP" dstcountry="Reserved" srccountry="Reserved" trandisp="noop" duration=0 sentbyte=0 rcvdbyte=0 sentpkt=0',
        ("10.10.10.10", 60899, "67.43.156.13", 161, "udp", "policy 0"),
    ),
    (
        'date=2025-07-25 time=07:43:43 devname="FortiGate-40F-SVA" devid="FGT40FTK2409BDPZ" eventtime=1753454623318460180 tz="-0700" logid="0001000014" type="traffic" subtype="local" level="notice" vd="root" srcip=fe80::2a70:4eff:fe71:34f1 srcport=5353 srcintf="wan" srcintfrole="wan" dstip=ff02::fb dstport=5353 dstintf="root" dstintfrole="undefined" sessionid=99717 proto=17 action="deny" policyid=0 policytype="local-in-policy6" service="udp/5353" trandisp="noop"',
        ("fe80::2a70:4eff:fe71:34f1", 5353, "ff02::fb", 5353, "udp", "policy 0"),
    ),
    (
        "date=2017-08-12 type=traffic subtype=violation user=matt status=deny src=192.168.24.49 dst=192.56.43.56 dstdomain=com sent=0 src_port=4135 dst_port=443 smac=06-02-00-00-00-00 src_int=internal dst_int=external group=SSO_Guest_Users proto=6 rcvd=583",
        ("192.168.24.49", 4135, "192.56.43.56", 443, "tcp", None),
    ),
    (
        'fw: NetScreen device_id=ns25  [Root]system-notification-00257(traffic): start_time="2010-01-01 12:00:00" duration=0 policy_id=21 service=sip proto=17 src zone=Trust dst zone=Untrust action=Deny sent=0 rcvd=0 src=192.168.1.2 dst=198.51.100.10 src_port=5060 dst_port=5060 session_id=0',
        ("192.168.1.2", 5060, "198.51.100.10", 5060, "udp", "policy 21"),
    ),
    (
        'device="SFW" date=2020-05-18 time=14:38:36 timezone="CEST" device_name="XG230" device_id=1234567890123457 log_id=010101600001 log_type="Firewall" log_component="Firewall Rule" log_subtype="Denied" status="Deny" priority=Information fw_rule_id=5 src_ip=10.1.0.5 dst_ip=198.51.100.10 protocol="UDP" src_port=5060 dst_port=5060',
        ("10.1.0.5", 5060, "198.51.100.10", 5060, "udp", "policy 5"),
    ),
    (
        "<134>1 1380664994.337961231 MX84 flows src=192.168.1.186 dst=8.8.8.8 mac=58:1F:AA:CE:61:F2 protocol=udp sport=55719 dport=53 pattern: deny all",
        ("192.168.1.186", 55719, "8.8.8.8", 53, "udp", None),
    ),
    (
        "<46>Feb  1 10:00:00 fw CEF:0|Fortinet|Fortigate|v6.0.3|00013|traffic:forward deny|3|deviceExternalId=FGT5HD3 cat=traffic:forward src=10.1.100.11 spt=54190 dst=23.59.154.35 dpt=5060 proto=17 act=deny",
        ("10.1.100.11", 54190, "23.59.154.35", 5060, "udp", None),
    ),
    (
        '<189>date=2020-04-23 time=12:11:51 devname="newfirewall" devid="newrouterid" logid="0000000020" type="traffic" subtype="forward" level="notice" vd="root" srcip=192.168.10.10 srcport=6000 dstip=67.43.156.13 dstport=6000 sessionid=4352 proto=17 action="accept" policyid=3426',
        None,
    ),
    (
        '<189>date=2020-04-23 time=12:14:28 devname="firewall3" devid="oldfwid" logid="0000000013" type="traffic" subtype="forward" level="notice" srcip=192.168.50.50 srcport=56603 dstip=67.43.156.13 dstport=442 proto=6 action="close" policyid=7',
        None,
    ),
    (
        "date=2017-03-06 time=12:53:10 devname=DEVICENAME devid=DEVICEID logid=0000000013 type=traffic subtype=forward level=notice srcip=10.0.0.1 srcport=45748 dstip=10.0.0.2 dstport=443 status=close policyid=77 proto=6",
        None,
    ),
    (
        "<134>1 1380664994.337961231 MX84 flows src=39.41.0.1 dst=114.18.0.2 protocol=udp sport=13943 dport=16329 pattern: 1 all",
        None,
    ),
    (
        'date=2024-12-16 time=17:56:00 devid="F" logid="0100032002" type="event" subtype="system" user="x" srcip=10.0.0.9 dstip=10.0.0.1 action="login" status="failed" reason="blocked"',
        None,
    ),
)

PALO_ALTO: tuple[Case, ...] = (  # ELASTIC panw; the second and third from public parsers' tests
    (
        "1,2023/10/04 09:52:23,007058000248010,TRAFFIC,drop,2816,2023/10/04 09:52:23,10.1.0.12,192.168.0.2,,,block-1.1.1.1,,,not-applicable,vsys1,private,public,ethernet1/2,,elastic,2023/10/04 09:52:23,0,1,35906,80,0,0,0x4000,tcp,drop,0,0,0,1,2023/10/04 09:52:21,0,any,,7286123782408766774,0x0,10.0.0.0-10.255.255.255,United States,,1,0,policy-deny,0,0,0,0,,PA-VM,from-policy",
        ("10.1.0.12", 35906, "192.168.0.2", 80, "tcp", "block-1.1.1.1"),
    ),
    (
        "<14>Feb 28 10:19:09 KBL-PA-3220-FW1 1,2022/02/28 10:19:09,016201014833,TRAFFIC,deny,2304,2022/02/28 10:19:09,192.168.122.231,157.240.16.16,202.63.245.34,157.240.16.16,deny internet,,,facebook-base,vsys1,INTERNAL-BR,SUBISU-INTERNET,ae1,ethernet1/1,Logs to SIEM,2022/02/28 10:19:09,259282,1,59896,80,4985,80,0x400000,tcp,reset-both,438,364,74,4,2022/02/28 10:19:03,0,social-networking,0",
        ("192.168.122.231", 59896, "157.240.16.16", 80, "tcp", "deny internet"),
    ),
    (
        '<14>1 2022-02-28T10:19:09Z fw - - - - 1,2022/02/28 10:19:09,016201014833,TRAFFIC,drop,2304,2022/02/28 10:19:09,2001:db8::5,2001:db8::6,0.0.0.0,0.0.0.0,"calls, out",,,not-applicable,vsys1,in,out,ae1,,x,2022/02/28 10:19:09,0,1,5060,5060,0,0,0x0,udp,deny',
        ("2001:db8::5", 5060, "2001:db8::6", 5060, "udp", "calls, out"),
    ),
    (
        'Oct 30 09:46:22 1,2012/10/30 09:46:22,01606001116,THREAT,url,1,2012/04/10 04:39:54,192.168.0.2,175.16.199.1,0.0.0.0,0.0.0.0,rule1,crusher,,web-browsing,vsys1,trust,untrust,ethernet1/2,ethernet1/1,forwardAll,2012/04/10 04:39:55,25713,1,59300,80,0,0,0x200000,tcp,block-url,"infodist1.com/in.cgi?11&parameter=404",(9999),malware-sites,informational,client-to-server,0,0x0,192.168.0.0-192.168.255.255,United States,0,',
        ("192.168.0.2", 59300, "175.16.199.1", 80, "tcp", "rule1"),
    ),
    (
        'Oct 30 09:46:12 1,2012/10/30 09:46:12,01606001116,THREAT,url,1,2012/04/10 04:39:56,192.168.0.2,175.16.199.1,0.0.0.0,0.0.0.0,rule1,crusher,,web-browsing,vsys1,trust,untrust,ethernet1/2,ethernet1/1,forwardAll,2012/04/10 04:39:58,25149,1,59309,80,0,0,0x208000,tcp,alert,"lorexx.cn/loader.exe",(9999),not-resolved',
        None,
    ),
    (
        "1,2023/10/04 09:52:23,007058000248010,TRAFFIC,end,2816,2023/10/04 09:52:23,10.1.0.12,192.168.0.2,,,allow-all,,,sip,vsys1,private,public,ethernet1/2,,elastic,2023/10/04 09:52:23,0,1,5060,5060,0,0,0x4000,udp,allow,0,0,0,1",
        None,
    ),
)

NETFILTER: tuple[Case, ...] = (  # ELASTIC iptables; UFW, Shorewall, firewalld as their manuals print them
    (
        "Jan  8 03:37:09 example-host kernel: iptables DROP_INPUT: IN=eth0 OUT= MAC=90:10:35:5a:1e:3a:90:10:9e:ec:2c:71:08:00 SRC=81.2.69.143 DST=172.16.54.114 LEN=52 TOS=0x00 PREC=0x00 TTL=115 ID=15743 DF PROTO=TCP SPT=17805 DPT=445 WINDOW=8192 RES=0x00 SYN URGP=0 ",
        ("81.2.69.143", 17805, "172.16.54.114", 445, "tcp", "iptables DROP_INPUT"),
    ),
    (
        "Jan  8 03:37:09 DENY: IN=eth0 OUT= MAC=90:10:28:5f:62:24:90:10:18:5a:89:2a:08:00 SRC=192.168.2.71 DST=192.168.2.83 LEN=88 TOS=0x00 PREC=0x00 TTL=118 ID=21684 PROTO=ICMP TYPE=3 CODE=3 [SRC=192.168.2.83 DST=192.168.173.191 LEN=60 TOS=0x00 PREC=0x00 TTL=54 ID=0 DF PROTO=UDP SPT=21458 DPT=62936 LEN=40 ]",
        ("192.168.2.71", None, "192.168.2.83", None, "icmp", "DENY"),
    ),
    (
        "<161>Oct 10 07:25:12 Hostname kernel: [wan-lan-default-D]IN=eth0 OUT= MAC=90:10:20:76:8d:20:90:10:65:29:b6:2a:08:00 SRC=67.43.156.15 DST=10.4.0.5 LEN=52 TOS=0x00 PREC=0x00 TTL=63 ID=0 DF PROTO=TCP SPT=38842 DPT=443 WINDOW=2853 RES=0x00 ACK URGP=0",
        ("67.43.156.15", 38842, "10.4.0.5", 443, "tcp", "wan-lan-default"),
    ),
    (
        '[WAN_LOCAL-D-2147483647] DESCR="[WAN_LOCAL]Drop All Other Traf" IN=eth4 OUT= MAC=00:00:5e:00:53:01 SRC=203.0.113.9 DST=198.51.100.10 LEN=40 PROTO=UDP SPT=5070 DPT=5060 LEN=400',
        ("203.0.113.9", 5070, "198.51.100.10", 5060, "udp", "WAN_LOCAL"),
    ),
    (
        "Jun 23 08:51:22 server1 kernel: [486938.916177] [UFW BLOCK] IN=eth1 OUT= MAC=00:00:00:00:00:00:00:00:00:00:00:00:00:00 SRC=86.101.38.88 DST=192.0.2.7 LEN=60 TOS=0x00 PREC=0x00 TTL=50 ID=51005 DF PROTO=TCP SPT=41945 DPT=16881 WINDOW=7300 RES=0x00 SYN URGP=0 ",
        ("86.101.38.88", 41945, "192.0.2.7", 16881, "tcp", "UFW BLOCK"),
    ),
    (
        "<4>Jun 23 08:51:22 gw kernel: FINAL_REJECT: IN=lan0 OUT=wan0 MACSRC=aa:bb:cc:dd:ee:ff MACDST=aa:bb:cc:dd:ee:00 MACPROTO=0800 SRC=10.77.1.2 DST=10.77.3.10 LEN=400 TOS=0x00 PREC=0x00 TTL=63 ID=1 DF PROTO=UDP SPT=40001 DPT=5060 LEN=380 ",
        ("10.77.1.2", 40001, "10.77.3.10", 5060, "udp", "FINAL_REJECT"),
    ),
    (
        "<4>Jan  1 00:00:00 fw kernel: DROP IN=lan0 OUT=wan0 MAC= SRC=10.77.1.2 DST=10.77.3.10 LEN=400 TOS=0x00 PREC=0x00 TTL=63 ID=1 PROTO=UDP SPT=40001 DPT=5060 LEN=380",
        ("10.77.1.2", 40001, "10.77.3.10", 5060, "udp", "DROP"),
    ),
    (
        "kernel: Shorewall:net2fw:DROP:IN=eth0 OUT= SRC=2001:0db8:0000:0000:0000:0000:0000:0005 DST=2001:0db8:0000:0000:0000:0000:0000:0006 LEN=80 TC=0 HOPLIMIT=57 FLOWLBL=0 PROTO=UDP SPT=5060 DPT=5060 LEN=40",
        ("2001:db8::5", 5060, "2001:db8::6", 5060, "udp", "Shorewall:net2fw:DROP"),
    ),
    (
        "Jan  5 20:17:05 MainFirewall kernel: [LAN_LOCAL-default-A]IN=eth0.90 OUT= MAC=90:10 SRC=192.168.48.137 DST=81.2.69.143 LEN=540 TOS=0x1C PREC=0xE0 TTL=64 ID=27223 PROTO=UDP SPT=48689 DPT=48689 LEN=520 ",
        None,
    ),
    (
        "Jun 28 04:35:30 Abc-A1 [SOMETHING-1234-A] IN=abc.123 OUT=abc.123 MAC=0a:ea SRC=10.251.1.1 DST=10.251.1.1 LEN=32 TOS=00 PREC=0x00 TTL=63 ID=12345 PROTO=UDP SPT=9000 DPT=9000 LEN=12 MARK=0",
        None,
    ),
    (
        "Jan 22 10:52:34 ubuntu-bionic kernel: [  307.757925] IN= OUT=enp0s3 MAC=90:10 SRC=fe80::1 DST=ff02::16 LEN=96 TC=0 HOPLIMIT=1 FLOWLBL=0 PROTO=ICMPv6 TYPE=143 CODE=0 MARK=0xd4",
        None,
    ),
    (
        "<4>Jan  1 00:00:00 fw kernel: ACCEPT IN=lan0 OUT=wan0 MAC= SRC=10.77.1.2 DST=10.77.3.10 LEN=400 PROTO=UDP SPT=40001 DPT=5060 LEN=380",
        None,
    ),
    (
        "Jun 23 08:51:22 s kernel: [4.9] [UFW AUDIT] IN=eth1 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=UDP SPT=5060 DPT=5060",
        None,
    ),
    (
        "Jun 23 08:51:22 s kernel: [4.9] [UFW ALLOW] IN=eth1 OUT= SRC=10.0.0.1 DST=10.0.0.2 PROTO=UDP SPT=5060 DPT=5060",
        None,
    ),
    (
        "May  5 20:46:45 My-Office-Gateway user.info kernel: TTL=126 ID=15317 DF PROTO=TCP SPT=59344 DPT=443 WINDOW=8212 RES=0x00 ACK PSH URGP=0",
        None,
    ),
)

PF: tuple[Case, ...] = (  # ELASTIC pfsense; OpenBSD's pflogd by tcpdump(8)
    (
        "<134>Jul  3 19:10:30 filterlog[72237]: 146,,,1535324496,igb1.12,match,block,in,4,0x0,,63,12617,0,DF,6,tcp,60,10.170.12.50,1.1.1.1,49724,853,0,S,1891286705,,64240,,mss;sackOK;TS;nop;wscale",
        ("10.170.12.50", 49724, "1.1.1.1", 853, "tcp", "rule 146"),
    ),
    (
        "<134>Dec 31 22:02:55 firewall.opnsense.net filterlog[15307]: 6,,,1000000105,igb1.27,match,block,in,6,0x00,0xf6279,1,UDP,17,32,fe80::208:9bff:fef3:652b,ff02::1:2,546,547,32",
        ("fe80::208:9bff:fef3:652b", 546, "ff02::1:2", 547, "udp", "rule 6"),
    ),
    (
        '<134>1 2022-06-09T14:44:11-06:00 OPNsense.example.com filterlog 76404 - [meta sequenceId="1"] 124,,,fae559338f65e11c53669fc3642c93c2,ixl1_vlan70,match,block,out,4,0x0,,63,5687,0,DF,17,udp,60,192.168.1.1,10.10.10.10,40370,5060,40',
        ("192.168.1.1", 40370, "10.10.10.10", 5060, "udp", "rule 124"),
    ),
    (
        "Oct  1 10:00:00 gw pf: rule 5/0(match): block in on em0: 192.0.2.1.5060 > 198.51.100.10.5060: udp 300",
        ("192.0.2.1", 5060, "198.51.100.10", 5060, "udp", "rule 5/0(match)"),
    ),
    (
        "<134>Jul  3 19:10:30 filterlog[72237]: 176,,,1520797901,igb1.27,match,pass,in,4,0xb8,,64,58355,0,none,17,udp,76,10.170.27.27,216.229.4.66,123,123,56",
        None,
    ),
    (
        "<134>Jul  3 19:10:33 filterlog[72237]: 199,,,1557957510,igb1.12,match,pass,in,4,0xc0,,1,0,0,DF,2,igmp,32,10.170.12.17,239.255.255.250,datalength=8",
        None,
    ),
)

JUNOS: tuple[Case, ...] = (  # ELASTIC juniper_srx; plain ones from public parsers' tests
    (
        '<14>1 2019-11-14T11:12:46.573+01:00 SRX-GW1 RT_FLOW - RT_FLOW_SESSION_DENY [junos@67.43.156.15 source-address="10.0.0.26" source-port="37233" destination-address="67.43.156.13" destination-port="161" connection-tag="0" service-name="None" protocol-id="17" icmp-type="0" policy-name="MgmtAccess-trust-cleanup" source-zone-name="trust" destination-zone-name="junos-host" application="UNKNOWN" reason="Denied by policy" session-id-32="7087"]',
        ("10.0.0.26", 37233, "67.43.156.13", 161, "udp", "MgmtAccess-trust-cleanup"),
    ),
    (
        "Sep 29 23:49:20 SRX-1 RT_FLOW: RT_FLOW_SESSION_DENY: session denied 10.0.0.1/54924->192.168.1.1/53 junos-dns-udp 17(0) default-deny(global) trust trust UNKNOWN UNKNOWN N/A(N/A) ge-0/0/0.0 UNKNOWN policy deny",
        ("10.0.0.1", 54924, "192.168.1.1", 53, "udp", "default-deny(global)"),
    ),
    (
        "Nov  3 19:06:50  SRX220RGA RT_FLOW: RT_FLOW_SESSION_DENY: session denied 88.198.106.22/0->67.52.223.15/0 ICMP 1(3) unknown untrust unknown ICMP ICMP unknown(unknown) ge-0/0/7.0",
        ("88.198.106.22", None, "67.52.223.15", None, "icmp", "unknown"),
    ),
    (
        "RT_FLOW: RT_FLOW_SESSION_DENY: session denied 10.1.1.5/5060->10.2.2.9/5060 0x0 junos-sip 17(0) deny-all users servers UNKNOWN UNKNOWN N/A(N/A) ge-0/0/1.0 No policy deny 0",
        ("10.1.1.5", 5060, "10.2.2.9", 5060, "udp", "deny-all"),
    ),
    (
        "<174>Nov 13 15:39:17 edge PFE_FW_SYSLOG_IP: FW: ge-1/0/10.0  D  udp 10.164.161.153 10.187.121.59  5060 5060 (2 packets)",
        ("10.164.161.153", 5060, "10.187.121.59", 5060, "udp", "filter on ge-1/0/10.0"),
    ),
    (  # JUNOS Services Interfaces Guide
        "Oct 25 16:03:13 (FPC Slot 3, PIC Slot 2) {svc_set}[FWNAT]: ASP_SFW_NO_RULE_DROP: proto 17 (UDP), ge-2/0/3.0:2.2.2.2:1334 -> 1.1.1.78:1334, No matching SFW rule",
        ("2.2.2.2", 1334, "1.1.1.78", 1334, "udp", None),
    ),
    (
        '<14>1 2019-11-14T09:37:51.184+01:00 SRX-GW1 RT_FLOW - RT_FLOW_SESSION_CREATE [junos@67.43.156.15 source-address="10.0.0.1" source-port="594" destination-address="67.43.156.13" destination-port="10400" protocol-id="1" policy-name="vpn_trust_permit-all"]',
        None,
    ),
    (
        '<14>1 2014-05-01T08:28:10.933Z fw01 RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@67.43.156.15 reason="unset" source-address="67.43.156.15" source-port="63456" destination-address="67.43.156.15" destination-port="902" protocol-id="17" policy-name="x"]',
        None,
    ),
    (
        "<158>1 2023-05-04T15:18:05.010+10:00 AB1234 - - - - node1.fpc0 PFE_FW_SYSLOG_IP: FW: reth5.175 A pim 67.43.156.1 89.160.20.113 0 0 (1 packets) ",
        None,
    ),
)

OTHERS: tuple[Case, ...] = (
    (  # Wazuh's test line
        'id=firewall sn=00301E0526B1 time="2004-04-01 10:39:35" fw=67.32.44.2 pri=5 c=64 m=36 msg="TCP connection dropped" n=2686 src=67.101.200.27:4507:WAN dst=67.32.44.2:445:LAN rule=0',
        ("67.101.200.27", 4507, "67.32.44.2", 445, "tcp", "0"),
    ),
    (  # ELASTIC sonicwall_firewall
        'Jan  3 13:45:43 192.168.5.1 id=firewall sn=000SERIAL time="2007-01-03 14:48:14" fw=1.128.3.4 pri=5 c=256 m=38 msg="ICMP packet dropped" n=22070 src=89.160.20.112:1026:WAN dst=1.128.3.4:6822:WAN  type=3 code=3',
        ("89.160.20.112", None, "1.128.3.4", None, "icmp", None),
    ),
    (
        '<135>  id=firewall sn=0040103CE114 time="2022-05-16 08:18:39" fw=10.0.0.96 pri=7 c=512 gcat=6 m=713 srcMac=00:06:b1:dd:4f:d4 src=10.0.0.96:443:X1 srcZone=Untrusted dst=81.2.69.193:64889:X1 dstZone=Untrusted usr="admin" proto=tcp/https sent=46 sess="Web" rule="15 (WAN->WAN)" app=12 msg="\ufffd" note="TCP Flag(s): RST" n=692 fw_action="drop"',
        ("10.0.0.96", 443, "81.2.69.193", 64889, "tcp", "15 (WAN->WAN)"),
    ),
    (
        'id=firewall sn=XXXXXXX time="2015-11-21 14:30:38" fw=10.0.0.1 pri=5 msg="Unhandled link-local or multicast IPv6 packet dropped" srcV6=fe80::d4db:99b9:6f20:f6bd dstV6=ff02::c srcMac=00:53:ff:ff:55:55 dstMac=00:53:00:00:00:0c proto=udp/65535',
        ("fe80::d4db:99b9:6f20:f6bd", None, "ff02::c", 65535, "udp", None),
    ),
    ('Jan  3 13:45:36 192.168.5.1 id=firewall sn=000SERIAL time="2007-01-03 14:48:06" fw=1.128.3.4 pri=6 c=262144 m=98 msg="Connection Opened" n=23419 src=216.160.83.57:36701:WAN dst=1.128.3.4:50000:WAN proto=tcp/50000', None),
    ('Jan  3 13:45:36 192.168.5.1 id=firewall sn=000SERIAL time="2007-01-03 14:48:07" fw=1.128.3.4 pri=1 c=32 m=30 msg="Administrator login denied due to bad credentials" n=7 src=216.160.83.57:36701:WAN dst=1.128.3.4:50000:WAN', None),
    (  # ELASTIC watchguard_firebox
        '<142>May 20 15:19:05 WatchGuard-Firebox FVE6035FD3AE3 (2024-01-10T09:49:17) firewall: msg_id="3000-0173" Deny 0-External Firebox 52 tcp 20 127 81.2.69.192 10.0.0.1 62443 80 offset 8 S 832026162 win 8192 blocked sites (Internal Policy)',
        ("81.2.69.192", 62443, "10.0.0.1", 80, "tcp", "Internal Policy"),
    ),
    (
        '<142>May 20 15:19:05 WatchGuard-Firebox FVE6035FD3AE3 (2024-01-10T11:49:17) firewall: msg_id="1AFF-0001" Deny 1-Trusted 6-Ext-access tcp 10.0.1.2 192.168.53.82 60654 80 msg="ProxyDeny: HTTP server response timeout" (HTTP-proxy-00)',
        ("10.0.1.2", 60654, "192.168.53.82", 80, "tcp", "HTTP-proxy-00"),
    ),
    ('<142>May 10 15:19:06 WatchGuard-Firebox FVE6035FD3AE3 (2024-01-10T09:49:05) firewall[10]: msg_id="3000-0148" Allow Firebox 0-External 52 tcp 20 127 10.0.1.2 81.2.69.192 62443 80 offset 8 S 832026162 win 8192 (HTTP-00)', None),
    (  # ELASTIC checkpoint
        '<134>1 2020-03-30T06:13:42Z gw-da58d3 CheckPoint 8363 - [action:"Drop"; flags:"425984"; ifdir:"outbound"; ifname:"eth0"; logid:"1"; origin:"192.168.1.100"; __policy_id_tag:"product=VPN-1 & FireWall-1[db_tag={880771B0};mgmt=gw-da58d3;date=1585502566;policy_name=Standard\\]"; dst:"2.21.41.118"; product:"VPN-1 & FireWall-1"; proto:"6"; s_port:"65488"; service:"80"; src:"192.168.1.100"; tcp_flags:"FIN-ACK"; tcp_packet_out_of_state:"First packet isn\'t SYN"]',
        ("192.168.1.100", 65488, "2.21.41.118", 80, "tcp", None),
    ),
    (
        '<134>1 2025-01-21T09:37:10Z TEST_HOSTNAME CheckPoint 16953 - [action:"Drop"; flags:"409600"; origin:"192.168.1.100"; drop_reason:"matched optimized drop"; rule_action:"Drop"; rule_name:"Cleanup rule"; packet_amount:"3"; packets:" <81.2.69.142,45000,81.2.69.144,443,6> <81.2.69.142,45001,89.160.20.128,80,17>"]',
        ("81.2.69.142", 45000, "81.2.69.144", 443, "tcp", "Cleanup rule"),
    ),
    ('<134>1 2020-03-29T13:19:22Z gw-da58d3 CheckPoint 1930 - [action:"Accept"; ifdir:"outbound"; dst:"192.168.1.1"; rule_action:"Accept"; proto:"17"; s_port:"46915"; service:"53"; src:"192.168.1.100"]', None),
    (  # MikroTik's documentation and public forums
        "14:33:48 firewall,info BLOCK INPUT 80 input: in:ether1 out:(unknown 0), connection-state:new src-mac aa:bb:cc:dd:dd:ee, proto TCP (SYN), 80.75.212.9:50264->192.168.0.88:80, len 40",
        ("80.75.212.9", 50264, "192.168.0.88", 80, "tcp", "BLOCK INPUT 80"),
    ),
    (
        "firewall,info drop6 forward: in:ether2 out:ether1, proto UDP, [2001:db8::5]:5060->[2001:db8::6]:5060, len 400",
        ("2001:db8::5", 5060, "2001:db8::6", 5060, "udp", "drop6"),
    ),
    (
        "<134>Mar  2 08:14:23 MikroTik FW_DROP: FW_DROP forward: in:ether2 out:ether1, proto UDP, [2001:db8::5]:5060->[2001:db8::6]:5060, len 400",
        ("2001:db8::5", 5060, "2001:db8::6", 5060, "udp", "FW_DROP"),
    ),
    ("firewall,info A|lan-wan|forward: in:ether1 out:bridge1, connection-state:new src-mac aa:bb:cc:dd:ee:ff, proto TCP (SYN), 192.168.1.50:51234->1.2.3.4:443, len 60", None),
    ("sshd[1]: Failed password for root from 10.0.0.1 port 22 ssh2", None),
    ("last message repeated 66 times", None),
    ("", None),
)  # fmt: skip

ALL: tuple[Case, ...] = (
    *CISCO_ASA, *FIREPOWER, *CISCO_IOS, *KEY_VALUE, *PALO_ALTO, *NETFILTER, *PF, *JUNOS, *OTHERS
)  # fmt: skip
