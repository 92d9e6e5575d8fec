"""What each check of the simulated site finds, from what is set of its network. Pure; the seed is an argument."""

from __future__ import annotations

import random
from collections.abc import Mapping

from agent.evidence import feeds
from agent.paths.call.testcall import LOSS_ONE_WAY
from agent.paths.outcome import Outcome
from agent.readings import Plain
from agent.sim.outages.story import Setting
from agent.site import schema

NS = 1_000_000_000
RTT_S = 0.02
# How many datagrams a check sends, one answered being enough; a lost one of several is repeated.
TRIES: Mapping[str, int] = {"icmp": 4, "sip-options": 3, "tcp": 3, "tls": 6, "dns": 3, "snmp": 3, "knock": 4}
World = Mapping[str, Setting]


def _on(world: World, *names: str) -> bool:
    return all(bool(world[name]) for name in names)


def reaches(world: World, path: schema.Path) -> bool:
    """Whether packets go to this path's machine and back."""
    if path.beside is not None:
        return bool(world[f"{path.beside}.alive"])
    if path.role == "lan":
        return _on(world, "lan.alive")
    if path.role == "firewall":
        return _on(world, "lan.alive", "firewall.alive")
    through = _on(world, "lan.alive", "firewall.alive", "firewall.forwarding", "router.alive")
    if path.role == "router":
        return through
    alive = world["far-end.alive"] if path.role == "far-end" else world[f"{path.id}.alive"]
    return through and _on(world, "wan.alive") and bool(alive)


def speaks_sip(world: World, path: schema.Path) -> bool:
    """Whether SIP gets there and is answered."""
    if not reaches(world, path):
        return False
    if path.beside is not None:
        return True
    answers = _on(world, "far-end.sip", "far-end.certificate") if path.role == "far-end" else True
    return answers and _on(world, "firewall.sip")


def blocked(world: World) -> bool:
    """Whether the firewall refuses something that calls need."""
    names = ("firewall.forwarding", "firewall.sip", "firewall.media-out", "firewall.media-in", "firewall.new-in")
    return _on(world, "firewall.alive") and not _on(world, *names)


def outcome(world: World, path: schema.Path, check: schema.ActiveCheck, rng: random.Random) -> tuple[float, Outcome]:
    """How a check that starts now ends, and after how many seconds."""
    kind = schema.kind_of(check)
    timeout_s = schema.timeout_s(check, path.role)
    lost = _lost(world, path)
    if isinstance(check, schema.TestCall):
        return _test_call(world, path, check, lost, rng)
    if isinstance(check, schema.Knock):
        return _knock(world, path, check, lost, rng)
    sip = kind == "sip-options"
    there = speaks_sip(world, path) if sip else reaches(world, path)
    if not there or rng.random() < lost ** TRIES[kind]:
        return timeout_s, Outcome("down", f"no answer in {timeout_s:.3g} s", {"sent": TRIES[kind]})
    if kind == "tls" and path.role == "far-end" and not world["far-end.certificate"]:
        return RTT_S, Outcome("down", "the certificate has expired", {"fault": "certificate"})
    if kind == "snmp" and not world["router.alive"]:
        return RTT_S, Outcome("degraded", "its traffic has collapsed", {})
    return RTT_S, Outcome("up", "", {"rtt_ms": RTT_S * 1000, "sent": 1})


def _loss(world: World, path: schema.Path) -> float:
    """Of packets to this path's machine, each way."""
    beyond = float(world["wan.loss"]) if path.role in feeds.OUTSIDE else 0.0
    return 1.0 - (1.0 - float(world["network.loss"])) * (1.0 - beyond)


def _lost(world: World, path: schema.Path) -> float:
    """There and back."""
    return 1.0 - (1.0 - _loss(world, path)) ** 2


def _test_call(
    world: World, path: schema.Path, check: schema.TestCall, lost: float, rng: random.Random
) -> tuple[float, Outcome]:
    timeout_s = schema.timeout_s(check, path.role)
    if not speaks_sip(world, path) or rng.random() < lost**5:
        detail: dict[str, Plain] = {"answered": False, "out": "d", "in": "d"}
        return check.ring_s + 1.0, Outcome("down", "the call was not answered", detail)
    core = "core" in check.covers
    out = _on(world, "firewall.media-out") and (not core or _on(world, "core.media-out"))
    in_ = _on(world, "firewall.media-in") and (not core or _on(world, "core.media-in"))
    detail = {"answered": True, "out": "u" if out else "d", "in": "u" if in_ else "d"}
    took_s = min(timeout_s, check.talk_s + 0.5)
    if out and in_:
        if _loss(world, path) >= LOSS_ONE_WAY:
            lossy: dict[str, Plain] = {**detail, "out": "g", "in": "g"}
            return took_s, Outcome("degraded", "much of the voice is lost", lossy)
        return took_s, Outcome("up", "", detail)
    which = "either way" if not (out or in_) else "going out" if in_ else "coming in"
    return took_s, Outcome("down", f"no voice {which}", detail)


def _knock(
    world: World, path: schema.Path, check: schema.Knock, lost: float, rng: random.Random
) -> tuple[float, Outcome]:
    """The asking alone; ``knocked`` says how it ends."""
    if not speaks_sip(world, path) or rng.random() < lost**4:
        return 2.0, Outcome("unknown", "the reflector could not be asked to call back")
    return check.idle_s, Outcome("up", "", {})


def knocked(world: World, path: schema.Path, check: schema.Knock, rng: random.Random) -> tuple[float, Outcome]:
    """What has come of a knock that was asked for ``idle_s`` ago, and how much later."""
    lost = _lost(world, path)
    if reaches(world, path) and _on(world, "firewall.new-in") and rng.random() >= lost**4:
        return RTT_S, Outcome("up", "", {"waited_s": check.idle_s})
    return schema.KNOCK_MORE_S, Outcome("down", "no call from outside came")
