"""The firewall: a stateful one (nftables, conntrack) that can be made to fail as real ones have failed.

Each fault is a literal set of nft rules (nft(8)) in the chain ``fault``, which every forwarded packet enters first.
What the firewall refuses, and some of what it lets pass, goes to nflog group ``LOG_GROUP``: the kernel's own log takes
nothing from a namespace.
"""

from __future__ import annotations

import threading

from tests.real.network.namespaces import FAR, NOC, PROBE, Network, program

LOG_GROUP = 5
FAIL_OVER_S = 8.0
# What a site's firewall lets in from outside: the reflector's call to the probe, audio, ping.
BASE = f"""
table inet site {{
  chain input {{ type filter hook input priority 0; policy accept; jump own_fault; }}
  chain own_fault {{ }}
  chain lost {{ type filter hook prerouting priority -310; policy accept; }}
  chain lost_own {{ type filter hook output priority -310; policy accept; }}
  chain refuse {{ limit rate 50/second log prefix "DROP " group {LOG_GROUP}; counter drop; }}
  chain fault {{ }}
  chain forward {{
    type filter hook forward priority 0; policy drop;
    jump fault
    ct state new limit rate 5/second log prefix "ACCEPT " group {LOG_GROUP}
    ct state established,related counter accept
    ct state invalid counter drop
    iifname "lan0" oifname "wan0" counter accept
    iifname "wan0" ip saddr {NOC} ip daddr {PROBE} udp dport 5060-5199 counter accept
    iifname "wan0" ip saddr {{ {FAR}, {NOC} }} ip daddr {PROBE} udp dport 10000-65535 counter accept
    iifname "wan0" ip daddr {PROBE} meta l4proto icmp counter accept
    jump refuse
  }}
}}
"""
HEALED = """
flush chain inet site fault
flush chain inet site own_fault
flush chain inet site lost
flush chain inet site lost_own
"""
FORWARD_NOTHING = "add rule inet site fault jump refuse\n"
DROP_UDP_5060 = """
add rule inet site fault udp dport 5060 jump refuse
add rule inet site fault udp sport 5060 jump refuse
"""
# Audio: UDP on high ports that is not signalling.
DROP_MEDIA_OUT = """
add rule inet site fault iifname "lan0" udp sport >= 1024 udp sport != 5060-5199 udp dport >= 10000 jump refuse
"""
DROP_MEDIA_IN = """
add rule inet site fault iifname "wan0" udp sport >= 1024 udp sport != 5060-5199 udp dport >= 10000 jump refuse
"""
DROP_NEW_INBOUND = 'add rule inet site fault iifname "wan0" ct state new jump refuse\n'
RESET_TCP = "add rule inet site fault meta l4proto tcp counter reject with tcp reset\n"
LOSS_IN = 'add rule inet site lost iifname "lan0" numgen random mod 1000 < {permille} counter drop\n'
LOSS_OUT = """
add rule inet site lost iifname "wan0" numgen random mod 1000 < {permille} counter drop
add rule inet site lost_own oifname "lan0" numgen random mod 1000 < {permille} counter drop
"""
STOP_ANSWERING = "add rule inet site own_fault counter drop\n"


class Firewall:
    """The firewall's rules in its namespace. Each fault first heals what was before."""

    def __init__(self, net: Network) -> None:
        self._net, self._nft = net, program("nft", "nftables")
        self._conntrack = program("conntrack", "conntrack")
        self._back: threading.Timer | None = None
        self._rules(BASE)

    def heal(self) -> None:
        """As it should be."""
        if self._back is not None:
            self._back.cancel()
            self._back.join()
            self._back = None
        self._rules(HEALED)
        self._net.link("router", "wan0", up=True)

    def forward_nothing(self) -> None:
        """Drop everything forwarded; the firewall still answers pings and SNMP itself."""
        self._fault(FORWARD_NOTHING)

    def drop_udp_5060(self) -> None:
        """Drop SIP over UDP, and nothing else."""
        self._fault(DROP_UDP_5060)

    def drop_media_out(self) -> None:
        """Callers hear nothing."""
        self._fault(DROP_MEDIA_OUT)

    def drop_media_in(self) -> None:
        """Callers are not heard."""
        self._fault(DROP_MEDIA_IN)

    def drop_new_inbound(self) -> None:
        """What was begun inside goes on; nothing new comes in."""
        self._fault(DROP_NEW_INBOUND)

    def reset_tcp(self) -> None:
        """Every forwarded TCP segment is answered by a reset in the other side's name (RFC 9293 section 3.5.2)."""
        self._fault(RESET_TCP)

    def loss(self, percent: float, *, each_way: bool = True) -> None:
        """Lose this share of packets at random: from the LAN, and with ``each_way`` towards it too."""
        permille = round(percent * 10)
        self._fault((LOSS_IN + (LOSS_OUT if each_way else "")).format(permille=permille))

    def fail_over(self, seconds: float = FAIL_OVER_S) -> None:
        """The standby takes over: nothing is forwarded for ``seconds``, then all is, and no connection is known."""
        self._fault(FORWARD_NOTHING)
        self._back = threading.Timer(seconds, self._taken_over)
        self._back.start()

    def lose_wan(self) -> None:
        """The router's line to the provider is cut: the router answers, nothing beyond it does."""
        self.heal()
        self._net.link("router", "wan0", up=False)

    def stop_answering(self) -> None:
        """It forwards, and answers nothing for itself."""
        self._fault(STOP_ANSWERING)

    def die(self) -> None:
        """It does nothing at all."""
        self._fault(STOP_ANSWERING + FORWARD_NOTHING)

    def forget(self) -> None:
        """Flush what it remembers of connections."""
        self._net.run("firewall", [self._conntrack, "-F"])

    def rules(self) -> str:
        """The rules with their counters, for the words of a failure."""
        return self._net.run("firewall", [self._nft, "list", "ruleset"])

    def _fault(self, rules: str) -> None:
        self.heal()
        self._rules(rules)

    def _taken_over(self) -> None:
        self._rules(HEALED)
        self.forget()

    def _rules(self, rules: str) -> None:
        """One transaction."""
        self._net.run("firewall", [self._nft, "-f", "-"], stdin=rules)
