"""Who may ask for more than an OPTIONS answer, pure: nonces that prove a return route, digests, and rates.

A nonce is made of the time and the source's address under a key that lives from start to end, so nothing is kept of
those who only ask (RFC 7616 section 3.3); what was used is remembered while it is valid.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Literal

from agent.paths.call import digest
from agent.reflector.settings import Probe

NS = 1_000_000_000
REALM = "dialtone"
USER = "dialtone"
NONCE_S = 60
_MS_NS = 1_000_000
USED_MAX = 4096
SOURCES_MAX = 1024
PROBES_PER_S = 2000.0
"""Datagrams of all probes together that are looked at: strangers can't use up what probes need."""
Refusal = Literal["asked", "wrong", "stale", "full"]


class Guard:
    """The gate of one reflector. ``secrets``: a probe's id to its secret. ``key``: 32 random bytes."""

    def __init__(
        self,
        probes: Sequence[Probe],
        secrets: Mapping[str, bytes],
        key: bytes,
        each_per_s: float = 20.0,
        strangers_per_s: float = 200.0,
    ) -> None:
        self._probes = [
            (probe, [ipaddress.ip_network(one, strict=False) for one in probe.addresses])
            for probe in probes
            if secrets.get(probe.id)
        ]
        self._secrets, self._key = secrets, key
        self._used: OrderedDict[tuple[str, str], int] = OrderedDict()
        self._asked = 0
        self._each = each_per_s
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = {True: _Bucket(PROBES_PER_S), False: _Bucket(strangers_per_s)}

    def known(self, host: str) -> list[Probe]:
        """The probes that may come from this address; several may share one behind a translation."""
        try:
            address = ipaddress.ip_address(host.partition("%")[0])
        except ValueError:
            return []
        return [probe for probe, networks in self._probes if any(address in one for one in networks)]

    def secret(self, probe: Probe) -> bytes:
        """What this probe and we share."""
        return self._secrets[probe.id]

    def challenge(self, host: str, now_ns: int, *, stale: bool = False) -> str:
        """The value of WWW-Authenticate, as short as it can be: it must fit into what was asked."""
        # Two probes behind one address, or two checks of one, may ask at once: each has a nonce of its own.
        self._asked = (self._asked + 1) % (1 << 16)
        nonce = self._nonce(f"{now_ns // _MS_NS:x}-{self._asked:x}", host)
        return f'Digest realm="{REALM}",nonce="{nonce}",algorithm=SHA-256,qop="auth"{",stale=true" if stale else ""}'

    def admit(self, header: str, method: str, host: str, now_ns: int) -> Probe | Refusal:
        """The probe that these credentials are of; ``stale`` where only the nonce is too old, or used already.

        The URI in them need not be the request's: a proxy may rewrite that (RFC 3261 section 22.4 item 5).
        """
        if not header:
            return "asked"
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
                refused = self._use(given.nonce, given.nc.lower(), now_ns) if fresh else "stale"
                return refused or probe
        return "wrong"

    def rate(self, host: str, now_ns: int) -> bool:
        """Whether one more datagram of this source is looked at now; a bucket holds one second's worth."""
        bucket = self._buckets.pop(host, None) or _Bucket(self._each, now_ns)
        self._buckets[host] = bucket
        while len(self._buckets) > SOURCES_MAX:
            self._buckets.popitem(last=False)
        return bucket.take(now_ns) and self._all[bool(self.known(host))].take(now_ns)

    def tag(self, *parts: str) -> str:
        """A To tag that is the same each time the same is asked, without anything kept (RFC 3261 section 8.2.7)."""
        return self._seal("tag\n" + "\n".join(parts))[:8]

    def _seal(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()

    def _nonce(self, stamp: str, host: str) -> str:
        return f"{stamp}." + self._seal(f"nonce\n{stamp} {host}")[:24]

    def _fresh(self, nonce: str, host: str, now_ns: int) -> bool | None:
        """None: not ours, or not this source's; False: ours, and too old."""
        stamp = nonce.partition(".")[0]
        if not hmac.compare_digest(
            self._nonce(stamp, host).encode("utf-8", "replace"), nonce.encode("utf-8", "replace")
        ):
            return None
        since_ns = now_ns - int(stamp.partition("-")[0], 16) * _MS_NS
        return 0 <= since_ns <= NONCE_S * NS

    def _use(self, nonce: str, nc: str, now_ns: int) -> Refusal | None:
        """Take this count of this nonce, once. Where the table is full nobody is admitted: nothing is forgotten."""
        while self._used and next(iter(self._used.values())) < now_ns:
            self._used.popitem(last=False)
        if (nonce, nc) in self._used:
            return "stale"
        if len(self._used) >= USED_MAX:
            return "full"
        self._used[nonce, nc] = now_ns + (NONCE_S + 2) * NS
        return None


class _Bucket:
    """At most ``per_s`` in a second's burst, and that many a second after."""

    __slots__ = ("_at_ns", "_left", "_most")

    def __init__(self, per_s: float, now_ns: int | None = None) -> None:
        self._most = self._left = per_s
        self._at_ns = now_ns

    def take(self, now_ns: int) -> bool:
        since_ns = 0 if self._at_ns is None else max(0, now_ns - self._at_ns)
        self._left = min(self._most, self._left + since_ns / NS * self._most)
        self._at_ns = now_ns
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
