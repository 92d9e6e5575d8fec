"""One probe as the NOC knows it: its ways out, heartbeat, alarms and verdict. Pure: time is an argument.

What is not known never reads as well. A probe is ``lost`` where each of its uplinks is said to be lost (its will) or
has said nothing for longer than its word is valid while we were listening; what we could not hear is not held against
it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent import labels
from agent.clock import NS
from agent.fleet.said import Alarm, Entry, NotUnderstood, Severity, Verdict, late, utc_s, valid_ns
from agent.payloads import Calls, Health, Status

Word = Literal["well", "alarm", "lost", "unknown"]
UplinkWord = Literal["up", "lost", "stale", "unheard"]
SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor")
STORES_MAX = 4
GONE_MAX = 256
ASK_AFTER_NS = 5 * NS
"""How long a digest that differs is given: the alarm that makes the difference may be on its way."""
ENDING_NS = 5 * NS
"""A broker that is stopped publishes its clients' wills, to us for so long before it ends our own connection."""
ASK_EVERY_NS = 60 * NS


@dataclass(slots=True)
class Said:
    """One status of one uplink. ``until_ns``: until when an "up" holds. ``lost_ns``: when its will was heard live.

    ``doubtful``: a will that may be the broker's own end, and says no more than that we heard nothing since.
    """

    state: Literal["up", "lost"]
    session: int
    store: str
    at: str
    at_s: float
    synced: bool
    valid_ns: int
    why: str
    version: str
    until_ns: int
    live: bool
    lost_ns: int | None
    doubtful: bool = False

    def rank(self) -> tuple[int, bool, float, str, str, str, bool, int]:
        """Within one store: a later session wins, in one session its end does, then the later renewal."""
        return (
            self.session, self.state == "lost", self.at_s, self.at, self.why, self.version, self.synced, self.valid_ns
        )  # fmt: skip


def said(status: Status, retained: bool, now_ns: int, now_utc_s: float) -> Said:
    """A status as it was heard. How old a retained one is, only its own clock tells, and only a synchronised one."""
    valid = valid_ns(status.valid_s)
    at_s = utc_s(status.at)
    age_ns = 0
    if retained and status.synced and at_s is not None:
        age_ns = int(min(max(0.0, now_utc_s - at_s) * NS, valid))
    return Said(
        state=status.state,
        session=status.session,
        store=status.store[:32],
        at=status.at[:40],
        at_s=float("-inf") if at_s is None else at_s,
        synced=status.synced,
        valid_ns=valid,
        why=status.why[:120],
        version=status.version[:32],
        until_ns=now_ns + valid - age_ns,
        live=not retained,
        lost_ns=now_ns if status.state == "lost" and not retained else None,
    )


@dataclass(slots=True)
class Uplink:
    """One way out: for each store the newest word. Stores are few: a new one comes only with a new journal."""

    stores: dict[str, Said] = field(default_factory=dict)
    up_ns: dict[str, int] = field(default_factory=dict)  # store: when it was last heard live to be up

    def heard(self, word: Said, now_ns: int, hearing_ns: int | None = None) -> bool:
        """Take a status; False where it is of the past. The order of what comes in one instant does not matter."""
        known = self.stores.get(word.store)
        if word.state == "up" and word.live:
            self.up_ns[word.store] = max(now_ns, self.up_ns.get(word.store, now_ns))
        if known is not None and word.rank() == known.rank():
            known.until_ns = max(known.until_ns, word.until_ns)
            known.live = known.live or word.live
            known.lost_ns = known.lost_ns if known.lost_ns is not None else word.lost_ns
            return True
        if known is not None and word.rank() < known.rank():
            return False
        if word.state == "lost" and not word.live and known is not None and known.session == word.session:
            # Its will was published while we were not connected.
            word.doubtful = hearing_ns is not None and self.up_ns.get(word.store, hearing_ns) < hearing_ns
        self.stores[word.store] = word
        while len(self.stores) > STORES_MAX:
            oldest = min(self.stores.values(), key=self._order).store
            del self.stores[oldest]
            self.up_ns.pop(oldest, None)
        return True

    def _order(self, word: Said) -> tuple[int, float, str]:
        return self.up_ns.get(word.store, -1), word.at_s, word.store

    @property
    def now(self) -> Said:
        """Its newest word: of the store last heard live, else of the one that says it is the latest."""
        return max(self.stores.values(), key=self._order)

    def broker_ended(self, now_ns: int) -> None:
        """Our own connection ended: the wills that came just before may be of the same cause."""
        for word in self.stores.values():
            if word.lost_ns is not None and now_ns - word.lost_ns <= ENDING_NS:
                word.doubtful, word.lost_ns = True, None

    def state(self, now_ns: int, hearing_ns: int | None) -> UplinkWord:
        """``hearing_ns``: since when we hear without a gap, None: we don't. ``unheard``: it may be our own fault."""
        word = self.now
        if word.state == "lost":
            deaf = hearing_ns is None or now_ns <= hearing_ns + word.valid_ns
            return "unheard" if word.doubtful and deaf else "lost"
        if now_ns <= word.until_ns:
            return "up"
        if hearing_ns is None or now_ns <= hearing_ns + word.valid_ns:
            return "unheard"
        return "stale"

    def lost_ns(self) -> int | None:
        """When it was lost, or last known to be there; None where that was before our time."""
        word = self.now
        if word.state == "lost":
            return word.lost_ns
        return word.until_ns - word.valid_ns if word.live else None


@dataclass(slots=True)
class Probe:
    """Everything held of one probe. The limits of uplinks, alarms and streams are the fleet's to keep."""

    site: str
    probe: str
    uplinks: dict[str, Uplink] = field(default_factory=dict)
    alarms: dict[str, Alarm] = field(default_factory=dict)  # by the level of their topic
    entries: dict[str, Entry] = field(default_factory=dict)  # the newest entry of each alarm, gone ones included
    again: set[str] = field(default_factory=set)  # the alarms that were heard since we last connected
    verdict: Verdict | None = None
    verdict_entry: Entry | None = None
    health: Health | None = None
    health_ns: int = 0
    calls: Calls | None = None
    heard_ns: int | None = None  # the newest word of its own that was no memory of the broker's
    version: str = ""
    clock_synced: bool | None = None
    clock_offset_s: float | None = None
    config: str = ""
    agrees: bool | None = None  # whether the newest heartbeat's digest is that of the alarms held
    differs_ns: int = 0
    asked_ns: int | None = None

    # -- words of its own ---------------------------------------------------------------------------------------------

    def live(self, now_ns: int) -> None:
        """It was heard itself."""
        self.heard_ns = now_ns

    def broker_ended(self, now_ns: int) -> None:
        """Our own connection ended."""
        for uplink in self.uplinks.values():
            uplink.broker_ended(now_ns)

    def clock(self, at: str, synced: bool, now_utc_s: float) -> None:
        """What its clock said when it sent what came just now."""
        at_s = utc_s(at)
        self.clock_synced = synced
        self.clock_offset_s = None if at_s is None else round(at_s - now_utc_s, 1)

    def heartbeat(self, health: Health, now_ns: int) -> int:
        """A live heartbeat; 0, or less: how many more alarms are held. Raises ``NotUnderstood`` for one of the past."""
        known = self.health
        same = known is not None and known.store == health.store and known.uplink == health.uplink
        if same and known is not None and health.session < known.session:
            raise NotUnderstood("late", f"a heartbeat of session {health.session}, {known.session} was heard before")
        self.health, self.health_ns = health, now_ns
        before, held = self.agrees, len(self.alarms)
        self.agrees = self._digest_agrees(self.alarms)
        if self.agrees is False and len(self.again) < held:
            # Those that the broker no longer holds since we connected anew: gone, if the rest is what the probe has.
            rest = {key: alarm for key, alarm in self.alarms.items() if key in self.again}
            if self._digest_agrees(rest):
                self.alarms, self.agrees = rest, True
        if self.agrees is False and before is not False:
            self.differs_ns = now_ns
        return len(self.alarms) - held

    def alarm(self, key: str, alarm: Alarm, entry: Entry | None, room: bool) -> int:
        """A retained alarm; +1, 0 or -1: how many more are held. Raises ``NotUnderstood``: a late one, or no room."""
        if late(entry, self.entries.get(key)):
            raise NotUnderstood("late", "an older state of an alarm")
        held = len(self.alarms)
        if alarm.state == "normal":
            self.alarms.pop(key, None)
            self.again.discard(key)
        elif key in self.alarms or room:
            self.alarms[key] = alarm
            self.again.add(key)
        else:
            raise NotUnderstood("alarms", "no room for one more alarm")
        if entry is not None:
            self.entries[key] = entry
        gone = len(self.entries) - len(self.alarms) - GONE_MAX
        if gone > 0:
            for old in [k for k in self.entries if k not in self.alarms][:gone]:
                del self.entries[old]
        if self.agrees is False:  # what differed may have been this one, on its way; what agreed is older than it
            self.agrees = self._digest_agrees(self.alarms)
        return len(self.alarms) - held

    def whole(self, alarms: dict[str, Alarm], verdict: Verdict | None) -> int:
        """All alarms that stand, by its own word; how many more are held than before."""
        more = len(alarms) - len(self.alarms)
        self.alarms, self.verdict, self.again = alarms, verdict, set(alarms)
        self.entries = {key: entry for key, entry in self.entries.items() if key in alarms}
        if self.health is not None:
            self.agrees = True  # newer than any heartbeat; the next one says whether it still holds
        return more

    def _digest_agrees(self, alarms: Mapping[str, Alarm]) -> bool | None:
        claimed = self.health.box.get("alarms") if self.health is not None else None
        if not isinstance(claimed, dict):
            return None
        ours = labels.digest([{"id": alarm.id, "state": alarm.state} for alarm in alarms.values()])
        return bool(ours == claimed)

    def to_ask(self, now_ns: int) -> bool:
        """Whether its state is to be asked for now; notes that it is."""
        if self.agrees is not False or now_ns - self.differs_ns < ASK_AFTER_NS:
            return False
        if self.asked_ns is not None and now_ns - self.asked_ns < ASK_EVERY_NS:
            return False
        self.asked_ns = now_ns
        return True

    # -- what follows from them ---------------------------------------------------------------------------------------

    def heartbeat_fresh(self, now_ns: int, patience: int = 1) -> bool:
        """Whether its newest heartbeat may still be relied on. ``patience``: times its own word on how long."""
        return self.health is not None and now_ns - self.health_ns <= patience * valid_ns(self.health.valid_s)

    def worst(self) -> Severity | None:
        """Of the alarms that count."""
        held = {alarm.severity for alarm in self.alarms.values() if alarm.counts}
        return next((severity for severity in SEVERITIES if severity in held), None)

    def state(self, now_ns: int, hearing_ns: int | None, patience: int = 1) -> tuple[Word, str]:
        """The word for it, and why where that is not plain."""
        words = [uplink.state(now_ns, hearing_ns) for uplink in self.uplinks.values()]
        if words and all(word in ("lost", "stale") for word in words):
            return "lost", self._why_lost(words)
        if "up" not in words and not (not words and self.heartbeat_fresh(now_ns, patience)):
            return "unknown", "no uplink of it has been heard" if hearing_ns is not None else "this watch hears nothing"
        if self.heard_ns is None:
            return "unknown", "only a memory of the broker's"
        if self.worst() is not None:
            return "alarm", ""
        if self.health is None:
            return "unknown", "no heartbeat yet"
        if not self.heartbeat_fresh(now_ns, patience):
            return "unknown", "its heartbeat has stopped"
        if self.agrees is None:
            return "unknown", "its heartbeat does not say which alarms stand"
        if not self.agrees:
            return "unknown", "it says that other alarms stand"
        return "well", ""

    def _why_lost(self, words: list[UplinkWord]) -> str:
        told = [u.now.why for u, word in zip(self.uplinks.values(), words, strict=True) if word == "lost" and u.now.why]
        return told[0] if told else "nothing is heard of it" if "stale" in words else "its connection broke off"

    def lost_ns(self) -> int | None:
        """When its last uplink was lost; None where one of them was before our time."""
        times = [uplink.lost_ns() for uplink in self.uplinks.values()]
        known = [at_ns for at_ns in times if at_ns is not None]
        return max(known) if known and len(known) == len(times) else None
