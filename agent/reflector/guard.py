"""Who may ask for more than an OPTIONS answer: nonces that prove a return route, digests, the rate of strangers. Pure.

A nonce is made of the time and the source's address under a key that lives from start to end, so nothing is kept of
those who only ask (RFC 7616 section 3.3); what was used is remembered while it is valid.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections import OrderedDict
from collections.abc import Mapping

from agent.paths.call import digest
from agent.reflector.settings import Probe

NS = 1_000_000_000
REALM = "dialtone"
USER = "dialtone"
NONCE_S = 60
USED_MAX = 4096
SOURCES_MAX = 1024
_NONCE = re.compile(r"([0-9a-f]{1,16})\.([0-9a-f]{1,4})\.[0-9a-f]{24}\Z")
EACH_PER_S, ALL_PER_S = 20.0, 500.0


class Guard:
    """The gate of one reflector. ``secrets``: a probe's id to its secret. ``key``: 32 random bytes."""

    def __init__(self, probes: tuple[Probe, ...], secrets: Mapping[str, bytes], key: bytes) -> None:
        self._probes = [
            (probe, [ipaddress.ip_network(one, strict=False) for one in probe.addresses])
            for probe in probes
            if probe.id in secrets
        ]
        self._secrets, self._key = secrets, key
        self._used: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._rates: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._all = (ALL_PER_S, 0)
        self._asked = 0

    def known(self, host: str) -> list[Probe]:
        """The probes that may come from this address."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return []
        return [probe for probe, networks in self._probes if not networks or any(address in one for one in networks)]

    def secret(self, probe: Probe) -> bytes:
        return self._secrets[probe.id]

    def challenge(self, host: str, now_ns: int, *, stale: bool = False) -> str:
        """The value of WWW-Authenticate, as short as it can be: it must fit into what was asked."""
        self._asked += 1
        nonce = self._nonce(now_ns // NS, self._asked, host)
        return f'Digest realm="{REALM}",nonce="{nonce}",algorithm=SHA-256,qop="auth"{",stale=true" if stale else ""}'

    def admit(self, header: str, method: str, host: str, now_ns: int) -> Probe | str:
        """The probe that these credentials are of; else ``wrong``, or ``stale`` where the nonce is too old."""
        given = digest.parse_authorization(header)
        if given is None or given.username != USER or given.realm != REALM:
            return "wrong"
        if given.algorithm != "SHA-256" or given.qop != "auth" or given.nc is None:
            return "wrong"
        fresh = self._fresh(given.nonce, host, now_ns)
        if fresh is None:
            return "wrong"
        for probe in self.known(host):
            if digest.right(given, method, self._secrets[probe.id]):
                if not fresh:
                    return "stale"
                return probe if self._first_use(given.nonce, given.nc, now_ns) else "stale"
        return "wrong"

    def rate(self, host: str, now_ns: int) -> bool:
        """Whether one more datagram of this source is answered now; both rates are buckets of one second's worth."""
        left, at_ns = self._rates.pop(host, (EACH_PER_S, now_ns))
        left = min(EACH_PER_S, left + (now_ns - at_ns) / NS * EACH_PER_S)
        everyone, all_ns = self._all
        everyone = min(ALL_PER_S, everyone + (now_ns - all_ns) / NS * ALL_PER_S)
        allowed = left >= 1.0 and everyone >= 1.0
        self._all = (everyone - allowed, now_ns)
        self._rates[host] = (left - allowed, now_ns)
        while len(self._rates) > SOURCES_MAX:
            self._rates.popitem(last=False)
        return allowed

    def _nonce(self, at_s: int, number: int, host: str) -> str:
        text = f"{at_s:x}.{number & 0xFFFF:x}"  # a number too: two that ask within a second must not share one
        return text + "." + hmac.new(self._key, f"{text} {host}".encode(), hashlib.sha256).hexdigest()[:24]

    def _fresh(self, nonce: str, host: str, now_ns: int) -> bool | None:
        """None: not ours, or not this source's; False: ours, and too old."""
        found = _NONCE.match(nonce)
        if found is None:
            return None
        at_s = int(found[1], 16)
        if not hmac.compare_digest(self._nonce(at_s, int(found[2], 16), host), nonce):
            return None
        return 0 <= now_ns // NS - at_s <= NONCE_S

    def _first_use(self, nonce: str, nc: str, now_ns: int) -> bool:
        while self._used and (len(self._used) >= USED_MAX or next(iter(self._used.values())) < now_ns):
            self._used.popitem(last=False)
        if (nonce, nc) in self._used:
            return False
        self._used[nonce, nc] = now_ns + (NONCE_S + 1) * NS
        return True
