"""Traps and informs as they come (RFC 3416 section 4.2.6 and 4.2.7), of versions 1, 2c and 3. Pure.

What a datagram means stands in the profiles. Of a trap in version 3 its sender is the authority, of an inform we are:
it first asks for our engine and its time (RFC 3414 section 4), and each inform is answered. A wrong community or
password, a replay and garbage are counted, and told once each.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Sequence
from hashlib import sha256

from agent.paths.outcome import Finding
from agent.paths.snmp import ber, message, profile, usm
from agent.paths.snmp.ber import Malformed, Oid, Value, VarBind
from agent.paths.snmp.dialogue import NOT_IN_TIME_WINDOW, UNKNOWN_ENGINE
from agent.paths.snmp.message import Community, Pdu, Secured, TrapV1
from agent.paths.snmp.secret import community, credentials
from agent.paths.snmp.trap_words import TrapWords
from agent.readings import Reading
from agent.site import schema
from agent.site.secrets import SecretRefused, SecretStore

NS = 1_000_000_000
SECRETS_FOR_NS = 10 * NS
DATAGRAM_MAX = 65_507
RECENT_INFORMS = 64
READINGS_A_MINUTE = 120
# Our own engine id (RFC 3411, SnmpEngineID): no enterprise's, octets that we chose.
ENGINE_PREFIX = bytes.fromhex("8000000005")
BOOTS = 1

_TOLD = {
    "wrong-community": "traps come with a wrong community",
    "wrong-version": "traps come in another version of SNMP than the site file says",
    "unknown-user": "traps come from a user that the site file does not name",
    "wrong-digest": "traps come with a wrong authentication password or protocol",
    "less-secure": "traps come with less security than the site file asks for",
    "not-deciphered": "traps come with a wrong privacy password or protocol",
    "not-in-time": "traps come that are older than others before them: replayed, or its boots went back",
    "malformed": "datagrams come to the trap port that are no SNMP",
    "no-trap": "SNMP messages come to the trap port that are no traps",
    "held-back": "more traps come in a minute than are told one by one",
    "secret": "traps can't be read",
}


class TrapReader:
    """One path's ``traps`` check: the datagrams that came from its address.

    ``counters``: by what became of them; ``traps`` and ``informs`` count what was understood.
    """

    def __init__(self, path: schema.Path, name: str, check: schema.Traps, secrets: SecretStore) -> None:
        self._path, self._name, self._check, self._secrets = path, name, check, secrets
        self.counters: dict[str, int] = {}
        self._told: set[str] = set()
        self._words: TrapWords | None = None
        self._community: bytes | None = None
        self._user: usm.Credentials | None = None
        self._keys: usm.Keys | None = None
        self._read_ns: int | None = None
        self._clocks: OrderedDict[bytes, usm.EngineClock] = OrderedDict()
        self._informs: OrderedDict[tuple[bytes, int], None] = OrderedDict()
        self._engine = ENGINE_PREFIX + sha256(f"{path.id}/{name}".encode()).digest()[:12]
        self._minute: tuple[int, int] = (0, 0)

    def datagram(self, data: bytes, now_ns: int) -> tuple[list[Reading], bytes | None]:
        """What one datagram says, and what to send back to where it came from. Never raises."""
        try:
            self._ready(now_ns)
        except (SecretRefused, profile.ProfileInvalid, ImportError) as error:
            return self._blind(str(error), now_ns), None
        try:
            if len(data) > DATAGRAM_MAX:
                raise Malformed("longer than a datagram")
            read = message.parse(data)
            if isinstance(read, Community):
                return self._of_community(read, now_ns)
            return self._of_user(read, now_ns)
        except Malformed:
            return self._drop("malformed", now_ns), None

    def _ready(self, now_ns: int) -> None:
        """The secrets, read again every ten seconds at most: a flood must not read files."""
        if self._words is None:
            asked = [one for one in self._path.checks if isinstance(one, schema.Snmp)]
            wanted = [name for one in asked for name in one.interfaces]
            lines = any("ds1" in one.profiles for one in asked)
            profiles = [profile.load(name) for name in self._check.profiles]
            self._words = TrapWords(profiles, wanted, lines_asked=lines)
        if self._read_ns is not None and 0 <= now_ns - self._read_ns < SECRETS_FOR_NS:
            return
        if self._check.version == "2c":
            self._community = community(self._check, self._secrets)
        else:
            user = credentials(self._check, self._secrets)
            if self._keys is None or user != self._user:
                self._keys, self._user = usm.Keys(user), user
        self._read_ns = now_ns
        self._told.discard("secret")

    def _of_community(self, read: Community, now_ns: int) -> tuple[list[Reading], bytes | None]:
        if self._check.version != "2c":
            return self._drop("wrong-version", now_ns), None
        if not hmac.compare_digest(read.community, self._community or b""):
            return self._drop("wrong-community", now_ns), None
        if isinstance(read.pdu, TrapV1):
            if read.version != message.V1:
                return self._drop("malformed", now_ns), None
            return self._trap(read.pdu.trap_oid, read.pdu.varbinds, now_ns), None
        if read.version != message.V2C or read.pdu.tag not in (message.TRAP, message.INFORM):
            return self._drop("no-trap", now_ns), None
        if read.pdu.tag == message.TRAP:
            return self._notification(read.pdu, now_ns), None
        answer = message.wrap_community(message.V2C, read.community, _response(read.pdu))
        return self._inform(b"", read.pdu, now_ns), answer

    def _of_user(self, read: Secured, now_ns: int) -> tuple[list[Reading], bytes | None]:
        keys = self._keys
        if self._check.version != "3" or keys is None:
            return self._drop("wrong-version", now_ns), None
        if read.reportable and read.engine != self._engine:
            return self._discovery(read, keys, now_ns)
        if read.user != keys.user.user:
            return self._drop("unknown-user", now_ns), None
        if read.flags & 3 != keys.user.flags:
            return self._drop("less-secure", now_ns), None
        if len(read.engine) not in usm.ENGINE_ID_OCTETS:
            return self._drop("malformed", now_ns), None
        try:
            plain = keys.open(read)
            ours = read.engine == self._engine
            if read.signed and ours and not self._in_time(read, now_ns):
                return self._drop("not-in-time", now_ns), self._report(read, keys, NOT_IN_TIME_WINDOW, now_ns)
            inner = message.scoped(plain)
        except usm.WrongDigest:
            return self._drop("wrong-digest", now_ns), None
        except usm.CannotDecrypt:
            return self._drop("not-deciphered", now_ns), None
        except Malformed:
            # What deciphers to nonsense was enciphered with another key.
            return self._drop("not-deciphered" if read.encrypted else "malformed", now_ns), None
        if inner.pdu.tag not in (message.TRAP, message.INFORM) or (inner.pdu.tag == message.INFORM) != ours:
            return self._drop("no-trap", now_ns), None
        if ours:
            return self._inform(read.engine, inner.pdu, now_ns), self._answer(read, inner, keys, now_ns)
        if read.signed and not self._timely(read, now_ns):
            return self._drop("not-in-time", now_ns), None
        return self._notification(inner.pdu, now_ns), None

    def _timely(self, read: Secured, now_ns: int) -> bool:
        """The sender's clock; only what was signed makes one, and there are few."""
        clock = self._clocks.get(read.engine)
        if clock is None:
            clock = self._clocks[read.engine] = usm.EngineClock(read.engine, read.boots, read.time_s, now_ns)
            while len(self._clocks) > usm.ENGINES_MAX:
                self._clocks.popitem(last=False)
        self._clocks.move_to_end(read.engine)
        return clock.hear(read, now_ns)

    def _in_time(self, read: Secured, now_ns: int) -> bool:
        return read.boots == BOOTS and abs(read.time_s - _time_s(now_ns)) <= usm.WINDOW_S

    def _discovery(self, read: Secured, keys: usm.Keys, now_ns: int) -> tuple[list[Reading], bytes | None]:
        """Somebody asks who we are; whoever sends from the device's address may know."""
        self._count("discoveries")
        return [], self._report(read, keys, UNKNOWN_ENGINE, now_ns)

    def _report(self, read: Secured, keys: usm.Keys, oid: Oid, now_ns: int) -> bytes:
        """A Report (RFC 3414 section 3.2); signed where only the time was wrong, so that it is believed."""
        count = Value("counter32", self.counters.get("discoveries", 1) & 0xFFFF_FFFF, ber.COUNTER32)
        pdu = Pdu(message.REPORT, 0, 0, 0, (VarBind(oid, count),))
        plain = message.wrap_scoped(self._engine, b"", pdu)
        signed = oid == NOT_IN_TIME_WINDOW and read.signed
        user = keys.user.user if signed else b""
        time_s = _time_s(now_ns)
        report = Secured(read.id, DATAGRAM_MAX, int(signed), self._engine, BOOTS, time_s, user, b"", b"", plain)
        return keys.close(report)

    def _answer(self, read: Secured, inner: message.Scoped, keys: usm.Keys, now_ns: int) -> bytes:
        plain = message.wrap_scoped(inner.engine, inner.context, _response(inner.pdu))
        flags, time_s, user = read.flags & 3, _time_s(now_ns), keys.user.user
        return keys.close(Secured(read.id, DATAGRAM_MAX, flags, self._engine, BOOTS, time_s, user, b"", b"", plain))

    def _inform(self, engine: bytes, pdu: Pdu, now_ns: int) -> list[Reading]:
        """An inform that was repeated, since our answer was lost, is answered again and told once."""
        self._count("informs")
        key = (engine, pdu.id)
        if key in self._informs:
            self._count("repeated")
            return []
        self._informs[key] = None
        while len(self._informs) > RECENT_INFORMS:
            self._informs.popitem(last=False)
        return self._notification(pdu, now_ns, counted=True)

    def _notification(self, pdu: Pdu, now_ns: int, *, counted: bool = False) -> list[Reading]:
        """snmpTrapOID is the second variable (RFC 3416 section 4.2.6); some put it elsewhere."""
        for name, value in pdu.varbinds[:16]:
            if name == message.SNMP_TRAP_OID and isinstance(value.data, tuple):
                return self._trap(value.data, pdu.varbinds, now_ns, counted=counted)
        return self._drop("malformed", now_ns)

    def _trap(self, oid: Oid, varbinds: Sequence[VarBind], now_ns: int, *, counted: bool = False) -> list[Reading]:
        if not counted:
            self._count("traps")
        assert self._words is not None
        findings = self._words.of(oid, varbinds)
        if findings is None:
            self._count("unknown-traps")
            text = f"a trap that no profile knows ({ber.dotted(oid)[:80]})"
            findings = [Finding("", "", False, text, {"oid": ber.dotted(oid)[:120]}, event=True)]
        routine = all(finding.event for finding in findings)
        if routine and not self._admit(now_ns):
            return self._drop("held-back", now_ns)
        return [self._reading(finding, now_ns) for finding in findings]

    def _reading(self, finding: Finding, now_ns: int) -> Reading:
        reading = finding.reading(self._path.id, self._name, now_ns)
        if finding.point:
            return reading
        detail = {key: value for key, value in reading.detail.items() if key != "point"}
        return Reading(reading.source, reading.sense, reading.kind, reading.subject, None, now_ns, detail)

    def _admit(self, now_ns: int) -> bool:
        """A storm of events must not push alarms off the disk; what raises or clears is never held back."""
        start_ns, count = self._minute
        if not 0 <= now_ns - start_ns < 60 * NS:
            start_ns, count = now_ns, 0
        self._minute = (start_ns, count + 1)
        return count < READINGS_A_MINUTE

    def _drop(self, why: str, now_ns: int) -> list[Reading]:
        self._count(why)
        if why in self._told:
            return []
        self._told.add(why)
        return [Reading(self._path.id, self._name, "garbage", "", None, now_ns, {"reason": _TOLD[why], "why": why})]

    def _blind(self, error: str, now_ns: int) -> list[Reading]:
        """Without its secret the check can't read a trap; that is unknown, told once until it can again."""
        self._count("secret")
        if "secret" in self._told:
            return []
        self._told.add("secret")
        reason = f"this box can't test: {error}"[:200]
        return [Reading(self._path.id, self._name, "probe-fail", "", "unknown", now_ns, {"reason": reason})]

    def _count(self, what: str) -> None:
        self.counters[what] = self.counters.get(what, 0) + 1


def _response(pdu: Pdu) -> Pdu:
    return Pdu(message.RESPONSE, pdu.id, 0, 0, pdu.varbinds)


def _time_s(now_ns: int) -> int:
    return now_ns // NS & 0x7FFF_FFFF
