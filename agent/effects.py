"""What comes out of the core, and nothing else does.

The shell carries effects out in their order: the panel is set before anything is written, and the
journal is written before anything is sent. The core never speaks to an uplink: uplinks read the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from agent.panel import PanelView


@dataclass(frozen=True, slots=True)
class SetPanel:
    """The panel's patterns have changed. Their phase in time is ``panel.levels``' business, not the core's."""

    view: PanelView


@dataclass(frozen=True, slots=True)
class Record:
    """An entry for the journal. ``urgent`` ones are committed and synced to disk at once."""

    kind: str
    payload: Mapping[str, Any]
    urgent: bool


@dataclass(frozen=True, slots=True)
class StartCheck:
    """Start one check of one path now; its reading must come back within the check's own deadline."""

    path: str
    check: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a request: ``result`` if it went well, otherwise ``error`` in plain words."""

    request_id: str
    result: Mapping[str, Any] | None = None
    error: str | None = None


Effect = SetPanel | Record | StartCheck | Reply
