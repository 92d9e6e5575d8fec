"""What is sent and taken over MQTT, described: JSON Schema of each payload and AsyncAPI of all, made from the types.

Nothing is written twice: the types that are sent are the ones described (JSON Schema 2020-12; AsyncAPI 3.0.0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import msgspec
from msgspec import Struct

from agent import __version__
from agent.payloads import (
    AlarmState,
    Box,
    Calls,
    CloudEvent,
    CommandReply,
    Health,
    Moment,
    Pool,
    Receipt,
    Reported,
    Status,
)
from agent.remote import commands, desired
from agent.remote.envelope import Envelope
from agent.uplink.topics import ROOT
from agent.verdict.judge import Verdict

DIALECT = "https://json-schema.org/draft/2020-12/schema"
REFS = "#/$defs/{name}"


class Psap(Struct, frozen=True, kw_only=True):
    """Whose it is, from the site file; what that does not say is left out.

    ``circuit_id``: of the alarm's own line or path; ``circuit_ids``: the verdict's, all there are by line and path.
    """

    site: str
    probe: str
    name: str | None = None
    psap_id: str | None = None
    population: int | None = None
    provider: str | None = None
    noc_phone: str | None = None
    ticket: str | None = None
    circuit_id: str | None = None
    circuit_ids: dict[str, str] | None = None


class Stated(Struct, frozen=True, kw_only=True):
    """What every retained state has beside its own: ``entry``, the journal's id of it; ``at``, when it was written."""

    entry: str
    at: str
    synced: bool
    valid_s: int
    seq: int
    boot: int


class Owned(Struct, frozen=True, kw_only=True):
    """Of an alarm or the verdict: whose call centre it is."""

    psap: Psap


@dataclass(frozen=True, slots=True)
class Channel:
    """One topic under ``dialtone/v1/SITE/PROBE`` (but for the pool's). ``signed``: the type is the document's."""

    name: str
    topic: str
    way: Literal["out", "in"]
    types: tuple[Any, ...]
    retained: bool
    qos: int
    signed: Literal["", "always", "sometimes"] = ""


class Dated(Struct, frozen=True, kw_only=True):
    """What every event's ``data`` has beside its own."""

    synced: bool
    valid_s: int
    seq: int
    boot: int


EVENTS: dict[str, tuple[Any, ...]] = {
    "alarm": (AlarmState, Dated, Moment, Owned),
    "verdict": (Verdict, Dated, Moment, Owned),
    "config": (Reported, Dated),
}
"""What an event's ``data`` is by its kind, where that is more than a note for people."""

CHANNELS = (
    Channel("status", "status/{uplink}", "out", (Status,), True, 1),
    Channel("health", "health", "out", (Health,), False, 0),
    Channel("alarm", "alarm/{id}", "out", (AlarmState, Stated, Moment, Owned), True, 1),
    Channel("verdict", "verdict", "out", (Verdict, Stated, Moment, Owned), True, 1),
    Channel("event", "event", "out", (CloudEvent,), False, 1),
    Channel("calls", "calls", "out", (Calls,), False, 0),
    Channel("config-reported", "config/reported", "out", (Reported, Stated), True, 1),
    Channel("config-desired", "config/desired", "in", (desired.Document,), True, 1, "always"),
    Channel("command", "cmd/{name}", "in", (commands.Document,), False, 1, "sometimes"),
    Channel("command-reply", "cmd/{name}/reply", "out", (CommandReply,), False, 1),
    Channel("receipt", "receipt", "in", (Receipt,), False, 1),
    Channel("pool", "pool/{share}", "in", (Pool,), True, 1, "always"),
)
NAMES = tuple(channel.name for channel in CHANNELS)


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema of one payload; of a signed one that of its document. Raises KeyError."""
    channel = {one.name: one for one in CHANNELS}[name]
    parts, defs = msgspec.json.schema_components(channel.types, ref_template=REFS)
    whole = parts[0] if len(parts) == 1 else {"allOf": list(parts)}
    if name == "event":
        conditions, more = _by_kind()
        whole, defs = {"allOf": [whole, *conditions]}, {**defs, **more}
    elif name == "health":
        (box,), more = msgspec.json.schema_components((Box,), ref_template=REFS)
        whole, defs = {"allOf": [whole, {"properties": {"box": box}}]}, {**defs, **more}
    return {"$schema": DIALECT, "title": name, **whole, "$defs": defs}


def _by_kind() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """An event's ``data`` by its ``type``, and what that refers to."""
    conditions, defs = [], {}
    for kind, types in EVENTS.items():
        parts, more = msgspec.json.schema_components(types, ref_template=REFS)
        of_kind = {"properties": {"type": {"const": f"dialtone.{kind}.v1"}}}
        conditions.append({"if": of_kind, "then": {"properties": {"data": {"allOf": list(parts)}}}})
        defs.update(more)
    return conditions, defs


def envelope() -> dict[str, Any]:
    """The JSON Schema of a signed document as it travels."""
    (part,), defs = msgspec.json.schema_components((Envelope,), ref_template=REFS)
    return {"$schema": DIALECT, "title": "envelope", **part, "$defs": defs}


def all_schemas() -> dict[str, Any]:
    """Every payload's, by its name, and ``envelope``."""
    return {**{name: schema(name) for name in NAMES}, "envelope": envelope()}


def asyncapi() -> dict[str, Any]:
    """All of it as one AsyncAPI document, as the probe sees it: it sends what goes out, and receives what comes in."""
    types = {one for channel in CHANNELS for one in channel.types} | {Envelope}
    ordered = sorted(types, key=lambda one: (str(one.__module__), str(one.__name__)))
    parts, defs = msgspec.json.schema_components(ordered, ref_template="#/components/schemas/{name}")
    part_of = dict(zip(ordered, parts, strict=True))
    channels, operations = {}, {}
    for channel in CHANNELS:
        found = [part_of[one] for one in channel.types]
        payload = found[0] if len(found) == 1 else {"allOf": found}
        if channel.signed:
            told = "signed: this is the document of an envelope" if channel.signed == "always" else "some are signed"
            payload = {"description": told, "oneOf": [part_of[Envelope], payload]}
        base = ROOT if channel.name == "pool" else f"{ROOT}/{{site}}/{{probe}}"
        channels[channel.name] = {
            "address": f"{base}/{channel.topic}",
            "messages": {channel.name: {"contentType": "application/json", "payload": payload}},
            "bindings": {"mqtt": {"qos": channel.qos, "retain": channel.retained}},
        }
        action = "send" if channel.way == "out" else "receive"
        operations[f"{action}-{channel.name}"] = {
            "action": action,
            "channel": {"$ref": f"#/channels/{channel.name}"},
        }
    info = {"title": "Dialtone probe", "version": __version__, "license": {"name": "see LICENSE"}}
    return {
        "asyncapi": "3.0.0",
        "info": info,
        "channels": channels,
        "operations": operations,
        "components": {"schemas": defs},
    }
